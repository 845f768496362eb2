"""Opens the three rooms of identity together: which rights are held, who there is, and how they prove it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studiolo.app.plugs import DirectoryObjects
from studiolo.kernel.keys import KeyRing
from studiolo.kernel.outbound import Outbound
from studiolo.kernel.resource import ResourceType
from studiolo.kernel.store.port import Store
from studiolo.rooms import authentication, authorization, directory
from studiolo.rooms.authorization.ports import Actions, Heirs
from studiolo.wire.http import Judge, Route, Surface


@dataclass(frozen=True, slots=True)
class Identity:
    """The rooms, opened. `rights.grants` feed the gate; with the gate's judge the surfaces are built."""

    tenant: str
    types: Sequence[ResourceType]
    rights: authorization.Rights
    authorization: authorization.Room
    directory: directory.Room
    authentication: authentication.Room

    async def start(self) -> None:
        """Read what was revoked, and bring what came with the house up to this release's."""
        await self.authentication.start()
        await self.authorization.start()

    def surfaces(self, objects: DirectoryObjects, judge: Judge) -> list[Surface]:
        """The token endpoint, the pages for people and Graph, which read and write the directory through `objects`."""
        proofs = self.authentication
        graph = self.directory.graph(objects, proofs.invitations, proofs.authenticator(authentication.GRAPH), judge)
        return [*proofs.surfaces(objects, judge), graph]

    def routes(self) -> list[Route]:
        """Routes that lie among the resource manager's paths."""
        return [*self.authorization.routes(self.authentication.authenticator()), *self.authentication.routes()]


async def open_identity(
    store: Store,
    ring: KeyRing,
    seals: authorization.Seals,
    audiences: authentication.Audiences,
    origin: str,
    outbound: Outbound,
    *,
    heirs: Heirs | None = None,
    known_actions: Actions | None = None,
) -> Identity:
    """Open the rooms over a store. `origin` is the server's first address, `outbound` asks providers elsewhere.

    For `heirs` and `known_actions` see `authorization.open_rights`.
    """
    tenant = await directory.ensure_tenant(store)
    rights = await authorization.open_rights(store, seals, heirs=heirs, known_actions=known_actions)
    people = directory.room(store, rights.grants, rights.holdings, rights.gate, rights.delegation, tenant)
    needs = authentication.Needs(
        store=store,
        gate=rights.gate,
        grants=rights.grants,
        outbound=outbound,
        sealer=ring,
        people=rights.grants,
        delegation=rights.delegation,
        directory=people.principals,
        secrets=people.secrets,
        certificates=people.certificates,
    )
    proofs = authentication.room(needs, authentication.Issuer(origin, tenant), audiences)
    access = authorization.room(rights, people.principals, tenant)
    types = people.types(access.guards, proofs.invitations, proofs.front.signouts, proofs.front.clients)
    return Identity(tenant, [*types, *proofs.types, *access.types], rights, access, people, proofs)

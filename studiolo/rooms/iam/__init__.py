"""Identity and access: who there is, how they prove it, which roles they hold, and why the engine answers as it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from studiolo.kernel.gate import Gate
from studiolo.kernel.resource import ResourceType
from studiolo.kernel.store.port import Store
from studiolo.rooms.iam.backends.seals import Seals
from studiolo.rooms.iam.backends.stored import StoredGrants
from studiolo.rooms.iam.backends.worlds import StoredWorlds
from studiolo.rooms.iam.domain.audiences import ARM, GRAPH, Audiences, audiences_of
from studiolo.rooms.iam.domain.management import MANAGEMENT_GROUPS, MEMBERSHIPS, group_above, membership_of
from studiolo.rooms.iam.domain.tokens import Issuer
from studiolo.rooms.iam.ports import Actions, Flat, Heirs, KeyHolder, Objects
from studiolo.rooms.iam.provider import iam_types
from studiolo.rooms.iam.service.access import AccessService, Question
from studiolo.rooms.iam.service.bootstrap import Beginning, Bootstrap, ensure_tenant
from studiolo.rooms.iam.service.delegation import Delegation
from studiolo.rooms.iam.service.directory import Directory, Identity
from studiolo.rooms.iam.service.graph import GraphDirectory
from studiolo.rooms.iam.service.guards import Guards
from studiolo.rooms.iam.service.management import ManagementGroups
from studiolo.rooms.iam.service.owners import Owners
from studiolo.rooms.iam.service.reach import ReachService
from studiolo.rooms.iam.service.secrets import ClientSecrets
from studiolo.rooms.iam.service.sessions import Sessions
from studiolo.rooms.iam.service.signing import SigningKeys
from studiolo.rooms.iam.service.simulation import Simulator
from studiolo.rooms.iam.service.tokens import TokenReader, TokenService
from studiolo.rooms.iam.wire import Authenticator, access_routes, graph_surface, signin_surface, token_surface
from studiolo.wire.http import Judge, Route, Surface

__all__ = [
    "MANAGEMENT_GROUPS",
    "MEMBERSHIPS",
    "Audiences",
    "Authenticator",
    "Beginning",
    "Iam",
    "Identity",
    "Question",
    "accept_rights",
    "audiences_of",
    "group_above",
    "membership_of",
    "open_iam",
]


_OWNER: Final = "authorization"


@dataclass(frozen=True, slots=True)
class Iam:
    """The room, opened. `grants` feeds the gate; with the gate's judge the room builds its surfaces."""

    tenant: str
    types: Sequence[ResourceType]
    grants: StoredGrants
    seals: Seals
    directory: Directory
    sessions: Sessions
    access: AccessService
    reach: ReachService
    simulator: Simulator
    bootstrap: Bootstrap
    audiences: Audiences
    tokens: TokenService
    keys: SigningKeys
    reader: TokenReader

    async def start(self) -> None:
        """Bring the built-in roles, and what guards the platform's objects, up to this release's."""
        await self.bootstrap.ensure_roles()
        await self.bootstrap.ensure_guards()

    def authenticator(self, kind: str = ARM) -> Authenticator:
        """Proves callers for surfaces that take tokens of this kind: arm, ml, blob, vault or model."""
        return Authenticator(self.reader, self.sessions, self.grants, self.tenant, kind)

    def surfaces(self, judge: Judge) -> list[Surface]:
        """The token endpoint and the sign-in pages."""
        return [token_surface(self.tokens, self.keys, judge), signin_surface(self.sessions, judge)]

    def graph(self, objects: Objects, judge: Judge) -> Surface:
        """Microsoft Graph over the directory, whose objects are read and written through `objects`."""
        return graph_surface(GraphDirectory(objects), self.authenticator(GRAPH), judge)

    def routes(self) -> list[Route]:
        """Routes that lie among the resource manager's paths: `…/providers/Studiolo.Access/explain`."""
        return access_routes(self.access, self.reach, self.simulator, self.authenticator(ARM))


async def accept_rights(store: Store, sealer: KeyHolder) -> int:
    """Seal the rows that rights rest on as they are now, whoever wrote them; gives how many."""
    return await Seals(store, await sealer.data_key(_OWNER)).accept()


async def open_iam(
    store: Store,
    sealer: KeyHolder,
    audiences: Audiences,
    origin: str,
    *,
    heirs: Heirs | None = None,
    known_actions: Actions | None = None,
) -> Iam:
    """Open the room over a store. `origin` is the server's first address, which its tokens name as their issuer.

    `heirs` says which scopes inherit beyond their paths, `known_actions` which actions any operation needs (None: all).
    """
    heirs = heirs or Flat()
    tenant = await ensure_tenant(store)
    issuer = Issuer(origin, tenant)
    seals = Seals(store, await sealer.data_key(_OWNER))
    await seals.open()
    grants = StoredGrants(store, heirs=heirs, known_actions=known_actions, seals=seals)
    await grants.refresh()
    delegation = Delegation(Gate(grants), grants)
    client_secrets = ClientSecrets(store, Gate(grants), delegation)
    directory = Directory(store, grants, client_secrets, tenant)
    worlds = StoredWorlds(store, grants)
    reach = ReachService(grants, worlds, directory, known_actions)
    access = AccessService(store, grants, directory, heirs, reach)
    owners = Owners(store, heirs, partial(StoredGrants, heirs=heirs))
    guards = Guards(store, grants, directory, delegation, owners)
    keys = SigningKeys(store, sealer)
    return Iam(
        tenant=tenant,
        types=iam_types(directory, client_secrets, access, guards, ManagementGroups(store, heirs, owners, tenant)),
        grants=grants,
        seals=seals,
        directory=directory,
        sessions=Sessions(store, grants, tenant),
        access=access,
        reach=reach,
        simulator=Simulator(store, worlds, directory, reach),
        bootstrap=Bootstrap(store, client_secrets, tenant),
        audiences=audiences,
        tokens=TokenService(directory, client_secrets, keys, issuer, audiences),
        keys=keys,
        reader=TokenReader(keys, grants, issuer, audiences),
    )

"""Identity and access: who there is, how they prove it, which roles they hold, and why the engine answers as it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from studiolo.kernel.gate import Gate
from studiolo.kernel.outbound import Outbound
from studiolo.kernel.resource import ResourceType
from studiolo.kernel.store.port import Store
from studiolo.rooms.iam.backends.seals import SEALS, STATE, STATE_KEY, TREE, Seals, told_of_record, version_in
from studiolo.rooms.iam.backends.stored import StoredGrants
from studiolo.rooms.iam.backends.worlds import StoredWorlds
from studiolo.rooms.iam.domain.audiences import ARM, GRAPH, Audiences, audiences_of
from studiolo.rooms.iam.domain.management import MANAGEMENT_GROUPS, MEMBERSHIPS, group_above, membership_of
from studiolo.rooms.iam.domain.tokens import Issuer
from studiolo.rooms.iam.ports import Actions, Flat, Heirs, KeyHolder, Objects, Standing
from studiolo.rooms.iam.provider import Parts, iam_types
from studiolo.rooms.iam.service.access import AccessService, Question
from studiolo.rooms.iam.service.bootstrap import Beginning, Bootstrap, ensure_tenant
from studiolo.rooms.iam.service.certificates import Certificates
from studiolo.rooms.iam.service.clients import Clients
from studiolo.rooms.iam.service.consents import Consents
from studiolo.rooms.iam.service.credentials import Credentials
from studiolo.rooms.iam.service.delegation import Delegation
from studiolo.rooms.iam.service.directory import Directory, Identity
from studiolo.rooms.iam.service.federation import Federation
from studiolo.rooms.iam.service.grants import TokenService, authorization_code, client_credentials, device_code, on_behalf_of, refresh
from studiolo.rooms.iam.service.graph import GraphDirectory
from studiolo.rooms.iam.service.guards import Guards
from studiolo.rooms.iam.service.invitations import Invitations
from studiolo.rooms.iam.service.management import ManagementGroups
from studiolo.rooms.iam.service.mint import Mint
from studiolo.rooms.iam.service.openid import OpenIdClient
from studiolo.rooms.iam.service.owners import Owners
from studiolo.rooms.iam.service.passwords import Hasher
from studiolo.rooms.iam.service.providers import Providers
from studiolo.rooms.iam.service.reach import ReachService
from studiolo.rooms.iam.service.reader import TokenReader
from studiolo.rooms.iam.service.revocations import Revocations
from studiolo.rooms.iam.service.secrets import ClientSecrets
from studiolo.rooms.iam.service.sessions import Sessions
from studiolo.rooms.iam.service.signin import SignIn
from studiolo.rooms.iam.service.signing import SigningKeys
from studiolo.rooms.iam.service.signouts import SignOuts
from studiolo.rooms.iam.service.simulation import Simulator
from studiolo.rooms.iam.service.stamps import Stamps
from studiolo.rooms.iam.service.throttle import Pace
from studiolo.rooms.iam.service.workloads import Workloads
from studiolo.rooms.iam.wire import (
    Authenticator,
    Front,
    access_routes,
    graph_surface,
    key_routes,
    surfaces,
    workload_routes,
    workload_surface,
)
from studiolo.wire.http import Judge, Route, Surface

__all__ = [
    "MANAGEMENT_GROUPS",
    "MEMBERSHIPS",
    "SEALS",
    "STATE",
    "STATE_KEY",
    "TREE",
    "Audiences",
    "Authenticator",
    "Beginning",
    "Iam",
    "Identity",
    "Question",
    "Seals",
    "Standing",
    "accept_rights",
    "audiences_of",
    "extend_seals",
    "group_above",
    "membership_of",
    "open_iam",
    "open_seals",
    "told_of_record",
    "version_in",
]


_OWNER: Final = "authorization"


@dataclass(frozen=True, slots=True)
class Iam:
    """The room, opened. `grants` feeds the gate; with the gate's judge the room builds its surfaces."""

    tenant: str
    types: Sequence[ResourceType]
    grants: StoredGrants
    seals: Seals
    worlds: StoredWorlds
    directory: Directory
    access: AccessService
    reach: ReachService
    simulator: Simulator
    bootstrap: Bootstrap
    audiences: Audiences
    front: Front
    workloads: Workloads
    store: Store
    providers: Providers
    openid: OpenIdClient

    @property
    def sessions(self) -> Sessions:
        """One-time codes and sessions of people."""
        return self.front.sessions

    @property
    def keys(self) -> SigningKeys:
        """The keys that sign tokens."""
        return self.front.keys

    async def start(self) -> None:
        """Bring the built-in roles, and what guards the platform's objects, up to this release's; read what was revoked."""
        await self.front.revocations.load()
        await self.bootstrap.ensure_roles()
        await self.bootstrap.ensure_guards()

    def authenticator(self, kind: str = ARM) -> Authenticator:
        """Proves callers for surfaces that take tokens of this kind: arm, ml, blob, vault or model."""
        return Authenticator(self.front.reader, self.sessions, self.grants, self.tenant, kind)

    def surfaces(self, objects: Objects, judge: Judge) -> list[Surface]:
        """The token endpoint and the sign-in pages, which write users and groups through `objects`."""
        front = self.front
        federation = Federation(self.store, self.grants, objects, front.stamps, front.signin, self.providers, self.openid)
        return [*surfaces(front, federation, judge), workload_surface(self.workloads, judge)]

    def graph(self, objects: Objects, judge: Judge) -> Surface:
        """Microsoft Graph over the directory, whose objects are read and written through `objects`."""
        return graph_surface(GraphDirectory(objects), self.authenticator(GRAPH), judge)

    def routes(self) -> list[Route]:
        """Routes that lie among the resource manager's paths: `…/providers/Studiolo.Access/explain`, rotation of keys."""
        people = self.authenticator(ARM)
        return [
            *access_routes(self.access, self.reach, self.simulator, people),
            *key_routes(self.keys, people),
            *workload_routes(self.workloads, people),
        ]


async def accept_rights(store: Store, sealer: KeyHolder) -> int:
    """Seal the rows that rights rest on as they are now, whoever wrote them; gives how many."""
    return await Seals(store, await sealer.data_key(_OWNER)).accept()


async def extend_seals(store: Store, sealer: KeyHolder) -> dict[str, int]:
    """Seal the rows of types that an older release did not seal; gives how many of each.

    Raises:
        Unavailable: what was sealed does not hold (code `AuthorizationStoreDamaged`).
    """
    return await Seals(store, await sealer.data_key(_OWNER)).extend()


async def open_seals(store: Store, sealer: KeyHolder) -> Seals:
    """The seals of the rows that rights rest on, checked.

    Raises:
        Conflict: an older release wrote them (code `AuthorizationStoreOutdated`).
        Unavailable: they do not hold (code `AuthorizationStoreDamaged`).
    """
    seals = Seals(store, await sealer.data_key(_OWNER))
    await seals.open()
    return seals


async def open_iam(
    store: Store,
    sealer: KeyHolder,
    seals: Seals,
    audiences: Audiences,
    origin: str,
    outbound: Outbound,
    *,
    heirs: Heirs | None = None,
    known_actions: Actions | None = None,
) -> Iam:
    """Open the room over a store. `origin` is the server's first address, which its tokens name as their issuer.

    `outbound` asks providers elsewhere.
    `heirs` says which scopes inherit beyond their paths, `known_actions` which actions any operation needs (None: all).
    """
    heirs = heirs or Flat()
    tenant = await ensure_tenant(store)
    grants = StoredGrants(store, heirs=heirs, known_actions=known_actions, seals=seals)
    await grants.refresh()
    gate = Gate(grants)
    delegation = Delegation(gate, grants)
    secrets = ClientSecrets(store, gate, delegation)
    certificates = Certificates(store, secrets.require_giver)
    directory = Directory(store, grants, secrets, tenant)
    worlds = StoredWorlds(store, grants, seals)
    reach = ReachService(grants, worlds, directory, known_actions)
    access = AccessService(store, grants, directory, heirs, reach)
    owners = Owners(store, heirs, partial(StoredGrants, heirs=heirs))
    guards = Guards(store, grants, directory, delegation, owners)
    groups = ManagementGroups(store, heirs, owners, tenant)
    clients = Clients(directory, secrets, certificates, tenant)
    front = _front(store, sealer, grants, directory, clients, Issuer(origin, tenant), audiences)
    invitations = Invitations(front.sessions, front.credentials, front.signouts, directory, delegation, origin)
    providers = Providers(store, sealer, gate, delegation, outbound, origin)
    return Iam(
        tenant=tenant,
        types=iam_types(Parts(directory, secrets, certificates, invitations, front.signouts, access, guards, groups, providers)),
        grants=grants,
        seals=seals,
        worlds=worlds,
        directory=directory,
        access=access,
        reach=reach,
        simulator=Simulator(store, worlds, directory, reach, grants),
        bootstrap=Bootstrap(store, secrets, tenant),
        audiences=audiences,
        front=front,
        workloads=Workloads(store, grants, directory, delegation, front.mint),
        store=store,
        providers=providers,
        openid=OpenIdClient(outbound),
    )


def _front(
    store: Store, sealer: KeyHolder, people: StoredGrants, directory: Directory, clients: Clients, issuer: Issuer, audiences: Audiences
) -> Front:
    """What the token endpoint and the pages for people stand on."""
    keys, stamps, revocations = SigningKeys(store, sealer), Stamps(store, sealer), Revocations(store)
    sessions, credentials = Sessions(store, people, issuer.tenant), Credentials(store, sealer, stamps, Hasher())
    consents = Consents(store, people, stamps, revocations)
    signouts = SignOuts(store, consents)
    reader = TokenReader(keys, people, revocations, issuer, audiences)
    mint = Mint(keys, clients, people, revocations, issuer, audiences)
    codes = authorization_code.AuthorizationCode(store, people, clients, consents, mint)
    devices = device_code.DeviceCode(store, people, clients, consents, mint)
    service = TokenService(
        [
            codes,
            devices,
            client_credentials.ClientCredentials(clients, directory, mint),
            on_behalf_of.OnBehalfOf(clients, consents, reader, mint),
            refresh.Refresh(clients, consents, mint),
        ]
    )
    return Front(
        service=service,
        codes=codes,
        devices=devices,
        keys=keys,
        reader=reader,
        revocations=revocations,
        issuer=issuer,
        sessions=sessions,
        stamps=stamps,
        signin=SignIn(store, people, sealer, sessions, credentials, signouts, stamps),
        credentials=credentials,
        consents=consents,
        signouts=signouts,
        clients=clients,
        pace=Pace(),
        mint=mint,
    )

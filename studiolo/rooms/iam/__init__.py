"""Identity and access: who there is, how they prove it, which roles they hold, and why the engine answers as it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studiolo.kernel.access.grants import KnownActions
from studiolo.kernel.gate import Gate
from studiolo.kernel.resource import ResourceType
from studiolo.kernel.store.port import Store
from studiolo.rooms.iam.backends.stored import StoredGrants
from studiolo.rooms.iam.domain.audiences import ARM, Audiences, audiences_of
from studiolo.rooms.iam.domain.tokens import Issuer
from studiolo.rooms.iam.ports import Heirs, Sealer
from studiolo.rooms.iam.provider import Parts, iam_types
from studiolo.rooms.iam.service.access import AccessService, Question
from studiolo.rooms.iam.service.bootstrap import Beginning, Bootstrap, ensure_tenant
from studiolo.rooms.iam.service.certificates import Certificates
from studiolo.rooms.iam.service.clients import Clients
from studiolo.rooms.iam.service.credentials import Credentials
from studiolo.rooms.iam.service.delegations import Delegations
from studiolo.rooms.iam.service.directory import Directory, Identity
from studiolo.rooms.iam.service.grants import (
    Grant,
    TokenService,
    authorization_code,
    client_credentials,
    device_code,
    on_behalf_of,
    refresh,
)
from studiolo.rooms.iam.service.invitations import Invitations
from studiolo.rooms.iam.service.mint import Mint
from studiolo.rooms.iam.service.passwords import Hasher
from studiolo.rooms.iam.service.reader import TokenReader
from studiolo.rooms.iam.service.revocations import Revocations
from studiolo.rooms.iam.service.secrets import ClientSecrets
from studiolo.rooms.iam.service.sessions import Sessions
from studiolo.rooms.iam.service.signin import SignIn
from studiolo.rooms.iam.service.signing import SigningKeys
from studiolo.rooms.iam.service.signouts import SignOuts
from studiolo.rooms.iam.service.stamps import Stamps
from studiolo.rooms.iam.service.throttle import Pace
from studiolo.rooms.iam.wire import Authenticator, Front, access_routes, key_routes, surfaces
from studiolo.wire.http import Judge, Route, Surface

__all__ = ["Audiences", "Authenticator", "Beginning", "Iam", "Identity", "Question", "audiences_of", "open_iam"]


@dataclass(frozen=True, slots=True)
class Iam:
    """The room, opened. `grants` feeds the gate; with the gate's judge the room builds its surfaces."""

    tenant: str
    types: Sequence[ResourceType]
    grants: StoredGrants
    directory: Directory
    sessions: Sessions
    access: AccessService
    bootstrap: Bootstrap
    audiences: Audiences
    keys: SigningKeys
    reader: TokenReader
    revocations: Revocations
    front: Front

    async def start(self) -> None:
        """Bring the built-in roles up to this release's, and read what was revoked."""
        await self.revocations.load()
        await self.bootstrap.ensure_roles()

    def authenticator(self, kind: str = ARM) -> Authenticator:
        """Proves callers for surfaces that take tokens of this kind: arm, ml, blob, vault or model."""
        return Authenticator(self.reader, self.sessions, self.grants, self.tenant, kind)

    def surfaces(self, judge: Judge) -> list[Surface]:
        """The token endpoint and the sign-in pages."""
        return surfaces(self.front, judge)

    def routes(self) -> list[Route]:
        """Routes that lie among the resource manager's paths: `…/providers/Studiolo.Access/explain`, rotation of keys."""
        people = self.authenticator(ARM)
        return [*access_routes(self.access, people), *key_routes(self.keys, people)]


async def open_iam(
    store: Store,
    sealer: Sealer,
    audiences: Audiences,
    origin: str,
    *,
    heirs: Heirs | None = None,
    known_actions: KnownActions | None = None,
) -> Iam:
    """Open the room over a store. `origin` is the server's first address, which its tokens name as their issuer.

    `heirs` says which scopes inherit beyond their paths, `known_actions` which actions any operation needs (None: all).
    """
    tenant = await ensure_tenant(store)
    issuer = Issuer(origin, tenant)
    grants = StoredGrants(store, heirs=heirs, known_actions=known_actions)
    gate = Gate(grants)
    secrets, certificates = ClientSecrets(store, gate), Certificates(store, gate)
    directory = Directory(store, grants, secrets, tenant)
    access = AccessService(store, grants, directory, known_actions)
    keys, stamps, revocations = SigningKeys(store, sealer), Stamps(store, sealer), Revocations(store)
    sessions, credentials = Sessions(store, grants, tenant), Credentials(store, sealer, stamps, Hasher())
    delegations = Delegations(store, grants, stamps, revocations)
    signouts = SignOuts(store, delegations)
    reader = TokenReader(keys, grants, revocations, issuer, audiences)
    clients = Clients(directory, secrets, certificates, tenant)
    mint = Mint(keys, clients, revocations, issuer, audiences)
    codes = authorization_code.AuthorizationCode(store, grants, clients, delegations, mint)
    devices = device_code.DeviceCode(store, grants, clients, delegations, mint)
    invitations = Invitations(sessions, credentials, signouts, directory, gate, origin)
    return Iam(
        tenant=tenant,
        types=iam_types(Parts(directory, secrets, certificates, invitations, signouts, access)),
        grants=grants,
        directory=directory,
        sessions=sessions,
        access=access,
        bootstrap=Bootstrap(store, secrets, tenant),
        audiences=audiences,
        keys=keys,
        reader=reader,
        revocations=revocations,
        front=Front(
            TokenService([codes, devices, *_silent_ways(clients, directory, delegations, reader, mint)]),
            codes,
            devices,
            keys,
            issuer,
            sessions,
            stamps,
            SignIn(store, grants, sealer, sessions, credentials, signouts, stamps),
            credentials,
            delegations,
            signouts,
            clients,
            Pace(),
        ),
    )


def _silent_ways(clients: Clients, directory: Directory, delegations: Delegations, reader: TokenReader, mint: Mint) -> list[Grant]:
    """The ways to a token that no person has to look at."""
    return [
        client_credentials.ClientCredentials(clients, directory, mint),
        on_behalf_of.OnBehalfOf(clients, delegations, reader, mint),
        refresh.Refresh(clients, delegations, mint),
    ]

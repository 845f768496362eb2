"""Authentication: how people, applications and workloads prove who they are, and the tokens and sessions that they get for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studiolo.kernel.gate import Gate, Grants
from studiolo.kernel.outbound import Outbound
from studiolo.kernel.resource import ResourceType
from studiolo.kernel.store.port import Store
from studiolo.rooms.authentication.domain.audiences import ARM, GRAPH, Audiences, audiences_of
from studiolo.rooms.authentication.domain.tokens import Issuer
from studiolo.rooms.authentication.ports import Certificates, Delegation, Directory, Objects, People, Sealer, Secrets
from studiolo.rooms.authentication.provider import types
from studiolo.rooms.authentication.service.assertions import Assertions
from studiolo.rooms.authentication.service.clients import Clients
from studiolo.rooms.authentication.service.consents import Consents
from studiolo.rooms.authentication.service.credentials import Credentials
from studiolo.rooms.authentication.service.federation import Federation
from studiolo.rooms.authentication.service.grants import (
    TokenService,
    authorization_code,
    client_credentials,
    device_code,
    on_behalf_of,
    refresh,
)
from studiolo.rooms.authentication.service.invitations import Invitations
from studiolo.rooms.authentication.service.mint import Mint
from studiolo.rooms.authentication.service.openid import OpenIdClient
from studiolo.rooms.authentication.service.passwords import Hasher
from studiolo.rooms.authentication.service.providers import Providers
from studiolo.rooms.authentication.service.reader import TokenReader
from studiolo.rooms.authentication.service.revocations import Revocations
from studiolo.rooms.authentication.service.sessions import Sessions
from studiolo.rooms.authentication.service.signin import SignIn
from studiolo.rooms.authentication.service.signing import SigningKeys
from studiolo.rooms.authentication.service.signouts import SignOuts
from studiolo.rooms.authentication.service.stamps import Stamps
from studiolo.rooms.authentication.service.throttle import Pace
from studiolo.rooms.authentication.service.workloads import Workloads
from studiolo.rooms.authentication.wire import Authenticator, Front, key_routes, surfaces, workload_routes, workload_surface
from studiolo.wire.http import Judge, Route, Surface

__all__ = ["GRAPH", "Audiences", "Authenticator", "Issuer", "Needs", "Room", "audiences_of", "room"]


@dataclass(frozen=True, slots=True)
class Needs:
    """What the room stands on: the kernel's parts, and one field for each port."""

    store: Store
    gate: Gate
    grants: Grants
    outbound: Outbound
    sealer: Sealer
    people: People
    delegation: Delegation
    directory: Directory
    secrets: Secrets
    certificates: Certificates


@dataclass(frozen=True, slots=True)
class Room:
    """The opened room. `invitations` are what administrators do to people's credentials."""

    types: Sequence[ResourceType]
    front: Front
    invitations: Invitations
    workloads: Workloads
    _needs: Needs
    _providers: Providers
    _openid: OpenIdClient

    @property
    def sessions(self) -> Sessions:
        """One-time codes and sessions of people."""
        return self.front.sessions

    @property
    def keys(self) -> SigningKeys:
        """The keys that sign tokens."""
        return self.front.keys

    async def start(self) -> None:
        """Read what was revoked."""
        await self.front.revocations.load()

    def authenticator(self, kind: str = ARM) -> Authenticator:
        """Proves callers for surfaces that take tokens of this kind: arm, ml, blob, vault or model."""
        return Authenticator(self.front.reader, self.sessions, self._needs.people, self.front.issuer.tenant, kind)

    def surfaces(self, objects: Objects, judge: Judge) -> list[Surface]:
        """The token endpoint and the sign-in pages, which write users and groups through `objects`."""
        needs, front = self._needs, self.front
        federation = Federation(needs.store, needs.people, objects, front.stamps, front.signin, self._providers, self._openid)
        return [*surfaces(front, federation, judge), workload_surface(self.workloads, judge)]

    def routes(self) -> list[Route]:
        """Routes that lie among the resource manager's paths: rotation of keys, workloads of identities."""
        people = self.authenticator(ARM)
        return [*key_routes(self.keys, people), *workload_routes(self.workloads, people)]


def room(needs: Needs, issuer: Issuer, audiences: Audiences) -> Room:
    """Open the room. The issuer's origin is the server's first address, which its tokens name and its links lead to."""
    front = _front(needs, issuer, audiences)
    providers = Providers(needs.store, needs.sealer, needs.gate, needs.delegation, needs.outbound, issuer.origin)
    return Room(
        types(providers),
        front,
        Invitations(front.sessions, front.credentials, front.signouts, needs.delegation, issuer.origin),
        Workloads(needs.store, needs.people, needs.directory, needs.delegation, front.mint),
        needs,
        providers,
        OpenIdClient(needs.outbound),
    )


def _front(needs: Needs, issuer: Issuer, audiences: Audiences) -> Front:
    """What the token endpoint and the pages for people stand on."""
    store, sealer, people = needs.store, needs.sealer, needs.people
    keys, stamps, revocations = SigningKeys(store, sealer), Stamps(store, sealer), Revocations(store)
    sessions, credentials = Sessions(store, people, issuer.tenant), Credentials(store, sealer, stamps, Hasher())
    consents = Consents(store, people, stamps, revocations)
    signouts = SignOuts(store, consents, revocations)
    reader = TokenReader(keys, people, revocations, issuer, audiences)
    clients = Clients(needs.directory, needs.secrets, Assertions(store, needs.certificates), issuer.tenant)
    mint = Mint(keys, clients, needs.grants, revocations, issuer, audiences)
    codes = authorization_code.AuthorizationCode(store, people, clients, consents, mint)
    devices = device_code.DeviceCode(store, people, clients, consents, mint)
    service = TokenService(
        [
            codes,
            devices,
            client_credentials.ClientCredentials(clients, needs.directory, mint),
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

"""Makes tokens: for an application itself, or for a person whom it acts for."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.gate import Grants
from studiolo.kernel.principals import Principal
from studiolo.rooms.authentication.domain import refusals
from studiolo.rooms.authentication.domain.audiences import Audiences
from studiolo.rooms.authentication.domain.clients import IMPERSONATION, Client
from studiolo.rooms.authentication.domain.scopes import DEFAULT, Wanted, hop
from studiolo.rooms.authentication.domain.tokens import Bearer, Issuer, Version, claims_of, groups_claim, id_claims_of
from studiolo.rooms.authentication.service.clients import Clients, Proven
from studiolo.rooms.authentication.service.revocations import MOST_LIFE, Revocations
from studiolo.rooms.authentication.service.signing import SigningKeys

_LEAST_LIFE: Final = 3600
_API: Final = "api://"
_MOST_DOWNSTREAM: Final = 50


@dataclass(frozen=True, slots=True)
class Issued:
    """Fresh tokens, and what goes with them. Those of a person may come with a refresh token and an ID token."""

    token: str
    resource: str
    not_before: int
    life_seconds: int
    scope: str = ""
    refresh: str = ""
    id_token: str = ""
    client_info: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """A resource that tokens are made for: their `aud`, and what may be asked of it for a person."""

    audience: str
    offers: frozenset[str]

    def chosen(self, wanted: Wanted) -> tuple[str, ...]:
        """The scopes that a request gets. Raises Invalid for one that the resource does not have."""
        if wanted.is_default:
            return tuple(sorted(self.offers))
        for scope in wanted.scopes:
            if scope not in self.offers:
                raise refusals.unknown_scope(f"{wanted.resource}/{scope}")
        return wanted.scopes


@dataclass(frozen=True, slots=True)
class Leave:
    """That a person lets an application act for them: who, which, under which name in tokens.

    `downstream` are the hops that it lets the one that it is for, and those behind it, make on the person's behalf.
    """

    person: Principal
    proven: Proven
    sid: str
    downstream: tuple[str, ...] = ()


class Mint:
    """Makes tokens and signs them."""

    def __init__(
        self, keys: SigningKeys, clients: Clients, grants: Grants, revocations: Revocations, issuer: Issuer, audiences: Audiences
    ) -> None:
        self._keys = keys
        self._clients = clients
        self._grants = grants
        self._revocations = revocations
        self._audiences = audiences
        self.issuer = issuer

    async def target(self, resource: str) -> Target:
        """One of our services, or an application that is registered here (by client id or `api://` and client id).

        Raises:
            Invalid: nothing here is that resource.
        """
        if self._audiences.knows(resource):
            return Target(resource, frozenset({IMPERSONATION}))
        client = await self._application(resource)
        if client is None or client.is_everybodys:
            raise refusals.unknown_resource(resource, self.issuer.tenant)
        return Target(client.audience, client.offers)

    async def downstream(self, resource: str) -> tuple[str, ...]:
        """What an application may use on behalf of its users as of now, and what of that is an application may use in turn: hops.

        Whoever lets somebody use the application at `resource` has to be told; of too many, the rest is not given.
        """
        found, seen, waiting = list[str](), {_plain(resource)}, [resource]
        while waiting and len(found) < _MOST_DOWNSTREAM:
            service = waiting.pop(0)
            client = None if self._audiences.knows(service) else await self._application(service)
            for each in client.delegates if client is not None else ():
                found.append(hop(service, each))
                if _plain(each) not in seen:
                    seen.add(_plain(each))
                    waiting.append(each)
        return tuple(found)[:_MOST_DOWNSTREAM]

    async def _application(self, resource: str) -> Client | None:
        return await self._clients.find(resource.removesuffix("/").removeprefix(_API))

    def is_same(self, one: str, other: str) -> bool:
        """Whether two spellings name one resource."""
        return _plain(one) == _plain(other)

    async def for_application(self, proven: Proven, acting: Principal, audience: str, version: Version) -> Issued:
        """A token that an application has for itself."""
        bearer = Bearer(acting.oid, acting.since, acting.application, acting.resource_id, proven.proof)
        at, life = self._time(acting, proven.client.id)
        claims = claims_of(bearer, self.issuer, audience, version, at=at, life_seconds=life, token_id=_token_id())
        return Issued(await self._keys.sign(claims), audience, at, life)

    async def for_identity(self, acting: Principal, audience: str, binding: str) -> Issued:
        """A token of a managed identity, for the workload that is bound to it; it ends with the binding."""
        bearer = Bearer(acting.oid, acting.since, acting.application, acting.resource_id, "2", consent=binding)
        at, life = self._time(acting, acting.application)
        claims = claims_of(bearer, self.issuer, audience, "1.0", at=at, life_seconds=life, token_id=_token_id())
        return Issued(await self._keys.sign(claims), audience, at, life)

    async def for_person(
        self, leave: Leave, wanted: Wanted, version: Version, openid: Collection[str], *, nonce: str = "", refresh: str = ""
    ) -> Issued:
        """Tokens that an application has for a person. `openid` are the words of OpenID Connect that the leave holds."""
        person, client = leave.person, leave.proven.client
        if wanted.resource:
            target = await self.target(wanted.resource)
            scopes = target.chosen(wanted)
        else:  # only who it is: a token that opens nothing
            target, scopes = Target(client.id, frozenset()), tuple(sorted(openid)) or ("openid",)
        bearer = Bearer(
            oid=person.oid,
            born=person.since,
            application=client.id,
            proof=leave.proven.proof,
            name=person.name or person.oid,
            shown_name=person.shown_name,
            scopes=scopes,
            consent=leave.sid,
            downstream=() if self._audiences.knows(target.audience) else leave.downstream,
        )
        at, life = self._time(person, client.id)
        claims = claims_of(bearer, self.issuer, target.audience, version, at=at, life_seconds=life, token_id=_token_id())
        id_token = ""
        if "openid" in openid:
            said = id_claims_of(bearer, self.issuer, version, nonce, at=at, life_seconds=_LEAST_LIFE, token_id=_token_id())
            if client.names_groups:
                ids = (await self._grants.facts(person.oid)).facts.ids
                said |= groups_claim(person.oid, sorted(ids - {person.oid}), self.issuer)
            id_token = await self._keys.sign(said)
        info = base64.urlsafe_b64encode(msgspec.json.encode({"uid": person.oid, "utid": self.issuer.tenant})).decode().rstrip("=")
        token = await self._keys.sign(claims)
        return Issued(token, wanted.resource or target.audience, at, life, _spelled(wanted, scopes), refresh, id_token, info)

    def _time(self, principal: Principal, client_id: str) -> tuple[int, int]:
        """The moment of issue, never one that a sign-out has voided, and a life of 60 to 90 minutes."""
        at = max(int(clock.now().timestamp()), principal.first_issue, self._revocations.first_issue(client_id))
        return at, _LEAST_LIFE + secrets.randbelow(MOST_LIFE - _LEAST_LIFE)


def _token_id() -> str:
    return clock.new_secret(16).hex()


def _spelled(wanted: Wanted, scopes: Collection[str]) -> str:
    """The scopes of a token as its client spells them. Clients look in their cache for what they asked for, hence `.default`."""
    if not wanted.resource:
        return " ".join(scopes)
    named = [*scopes, *([DEFAULT] if wanted.is_default else [])]
    return " ".join(f"{wanted.resource}/{name}" for name in named)


def _plain(resource: str) -> str:
    return resource.removesuffix("/").lower().removeprefix(_API)

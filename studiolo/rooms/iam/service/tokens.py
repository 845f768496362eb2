"""Access tokens: given to applications that prove themselves, and read when they come back."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from studiolo.kernel import clock
from studiolo.kernel.faults import Unauthenticated
from studiolo.kernel.resource import Caller
from studiolo.rooms.iam.domain import refusals
from studiolo.rooms.iam.domain.audiences import Audiences
from studiolo.rooms.iam.domain.principals import Principal
from studiolo.rooms.iam.domain.tokens import Bearer, Issuer, Verified, Version, check_claims, claims_of
from studiolo.rooms.iam.ports import People
from studiolo.rooms.iam.service.directory import Directory
from studiolo.rooms.iam.service.secrets import ClientSecrets
from studiolo.rooms.iam.service.signing import SigningKeys

GRANT: Final = "client_credentials"
_LEAST_LIFE, _MOST_LIFE = 3600, 5400
_MOST_REMEMBERED: Final = 20_000


@dataclass(frozen=True, slots=True)
class Issued:
    """A fresh access token, and what goes with it."""

    token: str
    resource: str
    not_before: int
    life_seconds: int


class TokenService:
    """Gives tokens to applications with a secret. `issuer` names this server in them."""

    def __init__(
        self, directory: Directory, client_secrets: ClientSecrets, keys: SigningKeys, issuer: Issuer, audiences: Audiences
    ) -> None:
        self._directory = directory
        self._secrets = client_secrets
        self._keys = keys
        self._audiences = audiences
        self.issuer = issuer

    async def grant(self, asked: Mapping[str, str], version: Version) -> Issued:
        """The token that a request of the endpoint asks for.

        Raises:
            Invalid, Unauthenticated: `domain.refusals` has the list; nothing was given out.
        """
        grant = asked.get("grant_type")
        if not grant:
            raise refusals.invalid_request("The request body must contain the following parameter: 'grant_type'.")
        if grant != GRANT:
            raise refusals.unsupported_grant(grant)
        if "client_assertion" in asked:
            raise refusals.unsupported_assertion()
        if not (client := asked.get("client_id")):
            raise refusals.invalid_request("The request body must contain the following parameter: 'client_id'.")
        bearer = await self._proven(client, asked.get("client_secret"))
        resource = self._resource(asked)
        at = int(clock.now().timestamp())
        life = _LEAST_LIFE + secrets.randbelow(_MOST_LIFE - _LEAST_LIFE)
        claims = claims_of(bearer, self.issuer, resource, version, at=at, life_seconds=life, token_id=clock.new_secret(16).hex())
        return Issued(await self._keys.sign(claims), resource, at, life)

    async def _proven(self, client: str, secret: str | None) -> Bearer:
        application = await self._directory.application(client)
        acting = await self._directory.service_principal(client) if application is not None else None
        if application is None or acting is None:
            raise refusals.unknown_client(client, self.issuer.tenant)
        if not secret:
            raise refusals.missing_secret()
        match await self._secrets.check(application.name, application.system.created_at, secret, clock.now()):
            case "wrong":
                raise refusals.wrong_secret(client)
            case "expired":
                raise refusals.expired_secret(client)
            case "good":
                pass
        if not acting.is_enabled:
            raise refusals.disabled_client(client)
        return Bearer(acting.oid, acting.application, acting.resource_id)

    def _resource(self, asked: Mapping[str, str]) -> str:
        """The resource that the token is for: v2 clients name a scope, v1 clients the resource itself."""
        scope, resource = asked.get("scope"), asked.get("resource")
        if not scope and not resource:
            raise refusals.invalid_request("The request body must contain the following parameter: 'scope'.")
        if scope:
            wanted = [word for word in scope.split() if word not in ("openid", "profile", "offline_access")]
            if len(wanted) != 1 or not wanted[0].endswith("/.default") or resource:
                raise refusals.invalid_scope(scope)
            resource = wanted[0].removesuffix("/.default")
        if not resource or not self._audiences.knows(resource):
            raise refusals.unknown_resource(resource or "", self.issuer.tenant)
        return resource


class _Known(NamedTuple):
    """A token that was read: what it says, whom it was last found to belong to, and the caller that this makes."""

    verified: Verified
    principal: Principal
    caller: Caller


class TokenReader:
    """Says who shows a token. A token that was read once is remembered by its digest, so that a hot call costs a look-up."""

    def __init__(self, keys: SigningKeys, people: People, issuer: Issuer, audiences: Audiences) -> None:
        self._keys = keys
        self._people = people
        self._issuer = issuer
        self._audiences = audiences
        self._known: dict[bytes, _Known] = {}

    async def caller(self, token: str, kind: str) -> Caller:
        """The principal that a token was given to, if surfaces of this kind take it.

        The principal is looked up on every call: one that was removed or switched off is refused at once.

        Raises:
            Unauthenticated: the token is not one of ours, does not hold now, is for another surface, or its
                principal is gone or switched off.
        """
        now = clock.now().timestamp()
        digest = hashlib.sha256(token.encode()).digest()
        known = self._known.get(digest)
        if known is None:
            verified = check_claims(await self._keys.read(token), self._issuer, now)
        else:
            verified = known.verified
            verified.check_time(now)
        if not self._audiences.takes(kind, verified.audience):
            raise Unauthenticated(
                f"The access token is for '{verified.audience}', which is another service than the one that was called.",
                code="InvalidAuthenticationTokenAudience",
            )
        principal = await self._people.principal(verified.oid)
        # The same object as before means that nothing about the principal has changed.
        if known is None or known.principal is not principal:
            known = self._owned(verified, principal)
            if len(self._known) >= _MOST_REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[digest] = known
        return known.caller

    def _owned(self, verified: Verified, principal: Principal | None) -> _Known:
        if principal is None or not principal.is_enabled or not verified.is_of(principal):
            raise Unauthenticated("The access token's principal was removed or switched off.")
        return _Known(verified, principal, Caller(verified.oid, verified.tenant, principal.kind, principal.name, verified.application))

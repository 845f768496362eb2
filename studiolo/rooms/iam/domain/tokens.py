"""What an access token of ours says, and what it must say to be believed.

Claims follow the published reference of Microsoft Entra access tokens, versions 1.0 and 2.0, for app-only tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from studiolo.kernel.faults import Unauthenticated
from studiolo.kernel.resource import JsonObject
from studiolo.rooms.iam.domain.principals import Principal

SKEW_SECONDS: Final = 60
ALGORITHM: Final = "RS256"
Version = Literal["1.0", "2.0"]


class _Claims(msgspec.Struct):
    """The claims that are looked at, with the types that they must have."""

    ver: Version
    idtyp: Literal["app"]
    iss: str
    tid: str
    oid: str
    sub: str
    aud: str
    iat: int
    nbf: int
    exp: int
    azp: str = ""
    appid: str = ""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs: `origin` is the server's first address, `tenant` the tenant's id."""

    origin: str
    tenant: str

    def name(self, version: Version) -> str:
        """The `iss` of tokens of this version."""
        return f"{self.origin}/{self.tenant}/v2.0" if version == "2.0" else f"{self.origin}/{self.tenant}/"


@dataclass(frozen=True, slots=True)
class Bearer:
    """For whom a token is made: a service principal, by its object id and its application's id.

    `resource_id` names the resource that a managed identity belongs to.
    """

    oid: str
    application: str
    resource_id: str = ""


@dataclass(frozen=True, slots=True)
class Verified:
    """What a token that was believed says."""

    oid: str
    tenant: str
    application: str
    audience: str
    issued_at: int
    not_before: int
    expires_at: int

    def is_of(self, principal: Principal) -> bool:
        """Whether the token was given to this principal, and not to an earlier one of the same id."""
        born = int(datetime.fromisoformat(principal.since).timestamp())
        return principal.oid == self.oid and principal.application == self.application and self.issued_at >= born

    def check_time(self, now: float) -> None:
        """Raise Unauthenticated unless the token holds at `now` (seconds since the epoch), give or take the skew."""
        if now > self.expires_at + SKEW_SECONDS:
            raise Unauthenticated("The access token expired. Sign in again for a new one.", code="ExpiredAuthenticationToken")
        if now < self.not_before - SKEW_SECONDS:
            raise Unauthenticated("The access token is not valid yet: compare the clocks of client and server.")


def claims_of(bearer: Bearer, issuer: Issuer, audience: str, version: Version, *, at: int, life_seconds: int, token_id: str) -> JsonObject:
    """The claims of an app-only token. `at` is the moment of issue in seconds since the epoch."""
    claims: dict[str, Any] = {
        "aud": audience,
        "iss": issuer.name(version),
        "iat": at,
        "nbf": at,
        "exp": at + life_seconds,
        "idtyp": "app",
        "oid": bearer.oid,
        "sub": bearer.oid,
        "tid": issuer.tenant,
        "uti": token_id,
        "ver": version,
    }
    if version == "2.0":
        claims |= {"azp": bearer.application, "azpacr": "1"}
    else:
        claims |= {"appid": bearer.application, "appidacr": "1", "idp": issuer.name(version)}
    if bearer.resource_id:
        claims["xms_mirid"] = bearer.resource_id
    return claims


def check_header(header: JsonObject) -> str:
    """The key id that a token's header names.

    Our tokens carry three header fields and no others. A field that tells where to find a key (`jwk`, `jku`, `x5u`,
    `x5c`) or that changes how to read the rest (`crit`, `b64`, `zip`) is a forger's.

    Raises:
        Unauthenticated: the header is not one of ours.
    """
    if set(header) != {"alg", "kid", "typ"} or header["typ"] != "JWT" or header["alg"] != ALGORITHM:
        raise _untrusted("its header is not one that this server writes")
    kid = header["kid"]
    if not isinstance(kid, str):
        raise _untrusted("its key id is not a text")
    return kid


def check_claims(claims: JsonObject, issuer: Issuer, now: float) -> Verified:
    """What a token with a good signature says, if it is an access token of ours that holds at `now`.

    The audience is left to the surface that is called, since one token may be shown to several.

    Raises:
        Unauthenticated: wrong issuer, tenant, kind or times (codes `InvalidAuthenticationToken`,
            `InvalidAuthenticationTokenTenant`, `ExpiredAuthenticationToken`).
    """
    try:
        said = msgspec.convert(claims, _Claims)
    except msgspec.ValidationError:
        raise _untrusted("it is not an access token of a kind that is taken here") from None
    application = said.azp if said.ver == "2.0" else said.appid
    if said.tid != issuer.tenant:
        raise Unauthenticated("The access token is of another tenant.", code="InvalidAuthenticationTokenTenant")
    if said.iss != issuer.name(said.ver):
        raise _untrusted("its issuer is not this server")
    if said.oid != said.sub or not said.oid or not application:
        raise _untrusted("it does not say for whom it was made")
    if said.iat > now + SKEW_SECONDS:
        raise _untrusted("it was issued in the future")
    verified = Verified(said.oid, said.tid, application, said.aud, said.iat, said.nbf, said.exp)
    verified.check_time(now)
    return verified


def _untrusted(why: str) -> Unauthenticated:
    return Unauthenticated(f"The access token is not valid: {why}.")

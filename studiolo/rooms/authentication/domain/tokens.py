"""What a token of ours says, and what it must say to be believed.

Claims follow the published references of Microsoft Entra access tokens and ID tokens, versions 1.0 and 2.0. An access
token is an application's own (`idtyp` app), or a person's in the hands of an application (`idtyp` user, with `scp`).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from studiolo.kernel.faults import Unauthenticated
from studiolo.kernel.principals import Principal
from studiolo.kernel.resource import JsonObject

SKEW_SECONDS: Final = 60
ALGORITHM: Final = "RS256"
MOST_GROUPS: Final = 200
"""How many groups an ID token names."""
Version = Literal["1.0", "2.0"]


class _Claims(msgspec.Struct):
    """The claims that are looked at, with the types that they must have."""

    ver: Version
    idtyp: Literal["app", "user"]
    iss: str
    tid: str
    oid: str
    sub: str
    aud: str
    iat: int
    nbf: int
    exp: int
    born: str = ""
    azp: str = ""
    appid: str = ""
    scp: str = ""
    sid: str = ""
    downstream: tuple[str, ...] = ()


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
    """For whom a token is made, and the application that carries it. `born` tells a principal from a later one of the same id.

    `proof` says how the application proved itself: 0 not at all, 1 by a secret, 2 by a certificate. `resource_id` names
    the resource that a managed identity belongs to. A person has a `name`; then `scopes` is what the application may do
    for them, and `consent` the leave under which it does so; `downstream` are the hops that the leave lets the token's
    resource, and those behind it, make for them. The `consent` of a workload's token is its binding.
    """

    oid: str
    born: str
    application: str
    resource_id: str = ""
    proof: Literal["0", "1", "2"] = "1"
    name: str = ""
    shown_name: str = ""
    scopes: tuple[str, ...] = ()
    consent: str = ""
    downstream: tuple[str, ...] = ()

    @property
    def is_person(self) -> bool:
        """Whether an application acts for a person here."""
        return bool(self.name)


@dataclass(frozen=True, slots=True)
class Verified:
    """What a token that was believed says. `scopes` and `downstream` are those of a person's token, empty for an application's own.

    `consent` is what it was given under and ends with: a person's leave, or the binding of a workload; empty for other tokens.
    """

    oid: str
    born: str
    tenant: str
    application: str
    audience: str
    issued_at: int
    not_before: int
    expires_at: int
    scopes: frozenset[str] = frozenset()
    consent: str = ""
    downstream: tuple[str, ...] = ()

    @property
    def is_delegated(self) -> bool:
        """Whether the token is a person's."""
        return bool(self.scopes)

    def is_of(self, principal: Principal) -> bool:
        """Whether the token was given to this principal, not to an earlier one of the same id, and not before its last sign-out."""
        is_fitting = principal.kind == "User" if self.is_delegated else principal.application == self.application
        is_same = (principal.oid, principal.since) == (self.oid, self.born)
        born = int(datetime.fromisoformat(principal.since).timestamp())
        return is_fitting and is_same and self.issued_at >= max(born, principal.first_issue)

    def check_time(self, now: float) -> None:
        """Raise Unauthenticated unless the token holds at `now` (seconds since the epoch), give or take the skew."""
        if now > self.expires_at + SKEW_SECONDS:
            raise Unauthenticated("The access token expired. Sign in again for a new one.", code="ExpiredAuthenticationToken")
        if now < self.not_before - SKEW_SECONDS:
            raise Unauthenticated("The access token is not valid yet: compare the clocks of client and server.")


def claims_of(bearer: Bearer, issuer: Issuer, audience: str, version: Version, *, at: int, life_seconds: int, token_id: str) -> JsonObject:
    """The claims of an access token. `at` is the moment of issue in seconds since the epoch."""
    claims: dict[str, Any] = {
        "aud": audience,
        "iss": issuer.name(version),
        "iat": at,
        "nbf": at,
        "exp": at + life_seconds,
        "idtyp": "user" if bearer.is_person else "app",
        "oid": bearer.oid,
        "born": bearer.born,
        "sub": subject_of(bearer) if bearer.is_person else bearer.oid,
        "tid": issuer.tenant,
        "uti": token_id,
        "ver": version,
    }
    if version == "2.0":
        claims |= {"azp": bearer.application, "azpacr": bearer.proof}
    else:
        claims |= {"appid": bearer.application, "appidacr": bearer.proof, "idp": issuer.name(version)}
    if bearer.resource_id:
        claims["xms_mirid"] = bearer.resource_id
    if bearer.is_person:
        claims |= {"scp": " ".join(bearer.scopes), "sid": bearer.consent, **_names(bearer, version)}
    elif bearer.consent:
        claims["sid"] = bearer.consent
    if bearer.downstream:
        claims["downstream"] = list(bearer.downstream)
    return claims


def id_claims_of(bearer: Bearer, issuer: Issuer, version: Version, nonce: str, *, at: int, life_seconds: int, token_id: str) -> JsonObject:
    """The claims of an ID token: who signed in, for the application to know. It opens nothing."""
    claims: dict[str, Any] = {
        "aud": bearer.application,
        "iss": issuer.name(version),
        "iat": at,
        "nbf": at,
        "exp": at + life_seconds,
        "oid": bearer.oid,
        "sub": subject_of(bearer),
        "tid": issuer.tenant,
        "uti": token_id,
        "ver": version,
        "sid": bearer.consent,
        **_names(bearer, version),
    }
    if nonce:
        claims["nonce"] = nonce
    return claims


def groups_claim(oid: str, groups: Sequence[str], issuer: Issuer) -> JsonObject:
    """The groups of a person as ID tokens name them; of too many, where they can be asked for (the public cloud's overage)."""
    if len(groups) <= MOST_GROUPS:
        return {"groups": list(groups)}
    source = {"endpoint": f"{issuer.origin}/v1.0/users/{oid}/transitiveMemberOf"}
    return {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": source}}


def subject_of(bearer: Bearer) -> str:
    """A name for a person that each application knows another one of, so that two cannot compare notes."""
    digest = hashlib.sha256(f"{bearer.application}/{bearer.oid}".encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _names(bearer: Bearer, version: Version) -> JsonObject:
    shown = {"name": bearer.shown_name or bearer.name}
    return shown | ({"preferred_username": bearer.name} if version == "2.0" else {"upn": bearer.name, "unique_name": bearer.name})


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
    scopes = frozenset(said.scp.split())
    is_person = said.idtyp == "user"
    if not said.oid or not said.sub or not application or (said.oid == said.sub) is is_person:
        raise _untrusted("it does not say for whom it was made")
    if bool(scopes) is not is_person or (is_person and not said.sid):
        raise _untrusted("it does not say what its application may do for a person")
    if said.iat > now + SKEW_SECONDS:
        raise _untrusted("it was issued in the future")
    verified = Verified(
        said.oid, said.born, said.tid, application, said.aud, said.iat, said.nbf, said.exp, scopes, said.sid, said.downstream
    )
    verified.check_time(now)
    return verified


def _untrusted(why: str) -> Unauthenticated:
    return Unauthenticated(f"The access token is not valid: {why}.")

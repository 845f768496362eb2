"""Sign-in through a provider elsewhere: what may be configured, and what its answers must say to be believed.

Sources: OpenID Connect Core 1.0 (sections 3.1.2 and 3.1.3), OpenID Connect Discovery 1.0, RFC 9207 (`iss` of an answer),
RFC 9700 (best current practice); claims of groups and their overage as Microsoft Entra's reference of ID tokens has them.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import urlsplit

import msgspec

from studiolo.kernel.faults import Forbidden, Invalid, Unavailable
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.principals import GROUPS, GUID, plain_envelope, plain_name, principal_id
from studiolo.kernel.resource import Change, Draft, JsonObject, Resource

PROVIDERS: Final = "Studiolo.Directory/identityProviders"
ALGORITHMS: Final[Mapping[str, tuple[str, str]]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", "")),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""Signatures that are believed, each with the type and curve of its keys: all of them of keys that only the provider has."""
SKEW_SECONDS: Final = 60
_OLDEST_SECONDS: Final = 600
_SCOPES: Final = ("openid", "profile")
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}")
_LONGEST_ADDRESS: Final = 500
_LONGEST_SUBJECT: Final = 255
_LONGEST_CLAIM: Final = 256
_MOST_SCOPES: Final = 20
_MOST_MAPPINGS: Final = 200
_MOST_GROUPS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider elsewhere. `since` is its birth; `mapping` gives the groups of ours that a value of its claim stands for."""

    name: str
    since: str
    shown_name: str
    issuer: str
    client_id: str
    scopes: tuple[str, ...]
    groups_claim: str
    mapping: Mapping[str, tuple[str, ...]]
    admits_new_users: bool

    @property
    def mapped(self) -> frozenset[str]:
        """The groups of ours whose membership the provider decides."""
        return frozenset(group for groups in self.mapping.values() for group in groups)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a provider's discovery document says of it."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    sends_issuer: bool
    takes_basic: bool


@dataclass(frozen=True, slots=True)
class Vouched:
    """What a believed ID token says: who signed in, under which name, and in which groups of ours."""

    issuer: str
    subject: str
    shown_name: str
    groups: frozenset[str]


def provider_of(resource: Resource) -> Provider:
    """A stored provider as sign-in sees it."""
    found = resource.properties
    mapping: dict[str, tuple[str, ...]] = {}
    for each in found["groupMappings"]:
        mapping[each["value"]] = (*mapping.get(each["value"], ()), each["groupId"])
    return Provider(
        name=resource.name.lower(),
        since=resource.system.created_at,
        shown_name=found["displayName"],
        issuer=found["issuer"],
        client_id=found["clientId"],
        scopes=tuple(found["scopes"]),
        groups_claim=found["groupsClaim"],
        mapping=mapping,
        admits_new_users=found["admitsNewUsers"],
    )


# ── what may be written ──────────────────────────────────────────────────────────────────────────────────────────


def admit_provider(change: Change) -> Draft:
    """A provider: its issuer, our client id there, and which of its groups mean which of ours.

    Raises:
        Invalid: a property is missing or malformed (codes `MissingProperty`, `InvalidIssuer`, `InvalidGroupMapping`), or
            carries a secret (code `NotWritable`).
    """
    plain_envelope(change)
    found = change.new.properties
    if found.get("clientSecret"):
        raise Invalid(
            "The client secret is not written with the provider: POST it to the action setClientSecret.",
            code="NotWritable",
            target="properties.clientSecret",
        )
    scopes = list(found.get("scopes") or _SCOPES)
    if len(scopes) > _MOST_SCOPES or "openid" not in scopes or not all(_SCOPE.fullmatch(each) for each in scopes):
        raise Invalid(f"'scopes' are at most {_MOST_SCOPES} words, and openid is one of them.", target="properties.scopes")
    return change.new.with_properties(
        displayName=plain_name(found),
        issuer=_issuer(found.get("issuer")),
        clientId=_text(found.get("clientId"), "clientId"),
        scopes=scopes,
        groupsClaim=_text(found.get("groupsClaim") or "groups", "groupsClaim"),
        groupMappings=_mappings(change),
        admitsNewUsers=found.get("admitsNewUsers") is True,
        hasClientSecret=None,
        redirectUri=None,
    )


def provider_needs(change: Change) -> Sequence[ResourceId]:
    """The groups that the mappings name: they must be there."""
    return [principal_id(GROUPS, group) for group in sorted(mapped_groups(change.new.properties)) if GUID.fullmatch(group)]


def mapped_groups(properties: Mapping[str, Any]) -> set[str]:
    """The object ids of the groups that a provider's mappings name."""
    return {str(each.get("groupId", "")).lower() for each in properties.get("groupMappings") or ()}


def moved_groups(old: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
    """The mapped groups that a change may bring others into, or out of: whose mapping changes, or all if who is asked does."""
    if any(old.get(name) != new.get(name) for name in ("issuer", "clientId", "groupsClaim", "admitsNewUsers")):
        return mapped_groups(new)
    before, after = _pairs(old), _pairs(new)
    return {group for _, group in before ^ after} & mapped_groups(new)


def _pairs(properties: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {(str(each.get("value", "")), str(each.get("groupId", "")).lower()) for each in properties.get("groupMappings") or ()}


def _mappings(change: Change) -> list[JsonObject]:
    given: Sequence[Mapping[str, Any]] = change.new.properties.get("groupMappings") or ()
    kept: list[JsonObject] = []
    for each in given:
        value, group = each.get("value"), str(each.get("groupId") or "").lower()
        if set(each) != {"value", "groupId"} or not isinstance(value, str) or not 0 < len(value) <= _LONGEST_CLAIM:
            text = "A group mapping has a 'value', which is how the provider calls a group, and a 'groupId', which is one of ours."
            raise Invalid(text, code="InvalidGroupMapping", target="properties.groupMappings")
        if not GUID.fullmatch(group) or change.fact(principal_id(GROUPS, group).key) is None:
            raise Invalid(f"There is no group '{group[:100]}' to map to.", code="InvalidGroupMapping", target="properties.groupMappings")
        if {"value": value, "groupId": group} not in kept:
            kept.append({"value": value, "groupId": group})
    if len(kept) > _MOST_MAPPINGS:
        raise Invalid(
            f"A provider has at most {_MOST_MAPPINGS} group mappings.", code="InvalidGroupMapping", target="properties.groupMappings"
        )
    return kept


def _issuer(given: object) -> str:
    text = _text(given, "issuer", _LONGEST_ADDRESS)
    try:
        parts = urlsplit(text) if text.isascii() and " " not in text else None
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc or "?" in text or "#" in text:
        raise Invalid(
            f"'{text[:100]}' is no issuer: name the https address whose /.well-known/openid-configuration describes the provider.",
            code="InvalidIssuer",
            target="properties.issuer",
        )
    return text


def _text(given: object, name: str, most: int = _LONGEST_CLAIM) -> str:
    if not isinstance(given, str) or not given.strip():
        raise Invalid(f"'{name}' is required.", code="MissingProperty", target=f"properties.{name}")
    if len(given) > most or not given.isprintable():
        raise Invalid(f"'{name}' has at most {most} characters and no control characters.", target=f"properties.{name}")
    return given.strip()


# ── what a provider says ─────────────────────────────────────────────────────────────────────────────────────────


class _Discovery(msgspec.Struct):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    authorization_response_iss_parameter_supported: bool = False
    token_endpoint_auth_methods_supported: list[str] | None = None


def discovery_address(issuer: str) -> str:
    """Where an issuer describes itself (OpenID Connect Discovery 1.0, section 4.1)."""
    return f"{issuer.rstrip('/')}/.well-known/openid-configuration"


def metadata_of(raw: bytes, issuer: str) -> Metadata:
    """What a discovery document says.

    Raises:
        Unavailable: it is none, or another issuer's (code `ProviderUnusable`).
    """
    try:
        said = msgspec.json.decode(raw, type=_Discovery)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise unusable(issuer, "it does not describe itself as a provider of OpenID Connect") from None
    if said.issuer != issuer:
        raise unusable(issuer, f"it calls itself '{said.issuer[:200]}', and the two must be the same letter by letter")
    methods = said.token_endpoint_auth_methods_supported
    return Metadata(
        said.authorization_endpoint,
        said.token_endpoint,
        said.jwks_uri,
        said.authorization_response_iss_parameter_supported,
        methods is None or "client_secret_basic" in methods,  # what holds where nothing is said
    )


class _Claims(msgspec.Struct):
    iss: str
    sub: str
    aud: str | list[str]
    exp: float
    iat: float
    nonce: str
    azp: str | None = None
    nbf: float | None = None


def vouched_by(claims: JsonObject, provider: Provider, nonce: str, now: float) -> Vouched:
    """What an ID token with a good signature says, if it was made for us, for this sign-in, and just now.

    Raises:
        Forbidden: it was not, or its groups cannot be known (codes `ProviderTokenRefused`, `GroupsOverage`,
            `GroupsUnreadable`).
    """
    try:
        said = msgspec.convert(claims, _Claims)
    except msgspec.ValidationError:
        raise token_refused("it does not say what an ID token must") from None
    audience = [said.aud] if isinstance(said.aud, str) else said.aud
    if said.iss != provider.issuer:
        raise token_refused("it is another issuer's")
    if provider.client_id not in audience or (said.azp or provider.client_id) != provider.client_id:
        raise token_refused("it was made for another application")
    if len(audience) > 1 and said.azp is None:
        raise token_refused("it was made for several applications and does not say for which")
    if not hmac.compare_digest(said.nonce.encode(), nonce.encode()):
        raise token_refused("it was made for another sign-in")
    is_early = now < max(said.iat, said.nbf or 0) - SKEW_SECONDS
    if now >= said.exp + SKEW_SECONDS or is_early or said.iat < now - _OLDEST_SECONDS:
        raise token_refused("it is not of this moment: compare the clocks of both machines")
    if not said.sub or len(said.sub) > _LONGEST_SUBJECT or not said.sub.isprintable():
        raise token_refused("it does not say who signed in")
    return Vouched(said.iss, said.sub, _person_name(claims, provider), groups_in(claims, provider))


def groups_in(claims: JsonObject, provider: Provider) -> frozenset[str]:
    """The groups of ours that the claims say the person is in. No claim is no group; one that was left out for its length is not.

    Raises:
        Forbidden: the provider left the groups out (code `GroupsOverage`), or they cannot be read (code `GroupsUnreadable`).
    """
    name = provider.groups_claim
    if not provider.mapping:
        return frozenset()
    elsewhere = claims.get("_claim_names")
    if claims.get("hasgroups") is True or (isinstance(elsewhere, dict) and name in elsewhere):
        raise Forbidden(
            f"'{provider.shown_name}' left your groups out of its answer because there are too many of them, and without them nobody can "
            f"say what you may do here. Ask whoever runs it to send the groups of this application alone in the claim '{name}'.",
            code="GroupsOverage",
        )
    given = claims.get(name)
    values = [given] if isinstance(given, str) else given if given is not None else []
    if not isinstance(values, list) or len(cast("list[object]", values)) > _MOST_GROUPS:
        raise _unreadable(provider)
    if not all(isinstance(value, str) for value in cast("list[object]", values)):
        raise _unreadable(provider)
    return frozenset(group for value in cast("list[str]", values) for group in provider.mapping.get(value, ()))


def _unreadable(provider: Provider) -> Forbidden:
    text = f"The claim '{provider.groups_claim}' of '{provider.shown_name}' is no list of texts, so your groups cannot be known."
    return Forbidden(text, code="GroupsUnreadable")


def _person_name(claims: JsonObject, provider: Provider) -> str:
    """How the person is shown. It ends in the provider's name, so that nobody can be mistaken for somebody whom the directory names."""
    said = next((text for name in ("name", "preferred_username", "sub") if isinstance(text := claims.get(name), str) and text.strip()), "")
    plain = "".join(letter for letter in said if letter.isprintable()).strip()[:120]
    return f"{plain} ({provider.shown_name[:100]})"


def check_issuer(given: str | None, provider: Provider, metadata: Metadata) -> None:
    """Raise Forbidden if an answer through the browser is another provider's (RFC 9207, section 2.4)."""
    if given is None and not metadata.sends_issuer:
        return
    if given != provider.issuer:
        raise Forbidden("The answer came from another provider than the one that was asked. Begin again.", code="ProviderMixedUp")


# ── whose signature it is ────────────────────────────────────────────────────────────────────────────────────────


def usable_key(key: Mapping[str, Any], kid: str | None, algorithm: str) -> bool:
    """Whether a public key of a provider's set may be what signed with this algorithm under this key id."""
    kind, curve = ALGORITHMS[algorithm]
    if key.get("kty") != kind or (curve and key.get("crv") != curve) or (kid is not None and key.get("kid") != kid):
        return False
    return key.get("use") in (None, "sig") and key.get("alg") in (None, algorithm) and (kind != "RSA" or _has_usual_size(key))


def _has_usual_size(key: Mapping[str, Any]) -> bool:
    """Whether an RSA key has 2,048 to 8,192 bits: a shorter one is no proof, and a longer one takes too long."""
    return 2048 // 6 <= len(str(key.get("n", ""))) <= 8192 // 6 + 1 and len(str(key.get("e", ""))) <= 8


def is_plain_header(header: Mapping[str, Any]) -> bool:
    """Whether a token's header names an algorithm that is believed, and nothing that changes how the rest is read."""
    algorithm = header.get("alg")
    return isinstance(algorithm, str) and algorithm in ALGORITHMS and not {"crit", "b64", "zip"} & set(header)


def unusable(issuer: str, why: str) -> Unavailable:
    """The fault of a provider that cannot be used as it is."""
    return Unavailable(f"The provider '{issuer[:200]}' cannot be used: {why}.", code="ProviderUnusable")


def token_refused(why: str) -> Forbidden:
    """The fault of an ID token that is not believed."""
    return Forbidden(f"The provider's word is not believed: {why}. Begin again.", code="ProviderTokenRefused")

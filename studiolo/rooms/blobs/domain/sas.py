"""Shared access signatures: what they say, what is signed, what they cover (authorization specification, section 12).

Everything here is a function of its arguments: the key, the moment and the request's address come from outside.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

import msgspec

from studiolo.kernel.faults import Forbidden, NotOffered
from studiolo.rooms.blobs.domain.times import iso_moment

Kind: TypeAlias = Literal["service", "delegation", "account"]
Level: TypeAlias = Literal["service", "container", "blob"]

# The service versions whose signing rules are the ones below, oldest first.
VERSIONS: Final = frozenset(
    (
        "2020-12-06",
        "2021-02-12",
        "2021-04-10",
        "2021-06-08",
        "2021-08-06",
        "2021-10-04",
        "2021-12-02",
        "2022-11-02",
        "2023-01-03",
        "2023-05-03",
        "2023-08-03",
        "2023-11-03",
        "2024-02-04",
        "2024-05-04",
        "2024-08-04",
        "2024-11-04",
        "2025-01-05",
        "2025-05-05",
        "2025-07-05",
        "2025-11-05",
        "2026-02-06",
        "2026-04-06",
        "2026-06-06",
        "2026-10-06",
    )
)
ISSUED_VERSION: Final = "2024-11-04"
MAX_KEY_LIFE: Final = timedelta(days=7)
_DELEGATED_USER_SINCE = "2025-07-05"
_SIGNED_REQUEST_SINCE = "2026-04-06"
_LETTERS = "racwdxyltfmei"
_RESPONSE = ("rscc", "rscd", "rsce", "rscl", "rsct")
_SERVICE = frozenset(("sp", "st", "se", "si", "sip", "spr", "sv", "sr", "ses", "sig", *_RESPONSE))
_DELEGATION = (_SERVICE - {"si"}) | {
    "skoid",
    "sktid",
    "skt",
    "ske",
    "sks",
    "skv",
    "saoid",
    "suoid",
    "scid",
    "skdutid",
    "sduoid",
    "srh",
    "srq",
}
_ACCOUNT = frozenset(("sp", "ss", "srt", "st", "se", "sip", "spr", "sv", "ses", "sig"))
_FIELDS: dict[Kind, frozenset[str]] = {"service": _SERVICE, "delegation": _DELEGATION, "account": _ACCOUNT}
_ALL = _SERVICE | _DELEGATION | _ACCOUNT | {"sdd"}
_OVERRIDES = {
    "rscc": "cache-control",
    "rscd": "content-disposition",
    "rsce": "content-encoding",
    "rscl": "content-language",
    "rsct": "content-type",
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LEVELS: dict[Level, str] = {"service": "s", "container": "c", "blob": "o"}


class Sas(msgspec.Struct, frozen=True, kw_only=True):
    """A signature as it came: its kind, its fields as they stand in the query (decoded once), and the moments in them."""

    kind: Kind
    fields: dict[str, str]
    starts: datetime | None
    expires: datetime
    key_starts: datetime | None = None
    key_expires: datetime | None = None

    def get(self, name: str) -> str:
        """A field, `""` if it is absent."""
        return self.fields.get(name, "")

    @property
    def letters(self) -> str:
        """The permission letters."""
        return self.get("sp")

    @property
    def overrides(self) -> list[tuple[str, str]]:
        """Response headers that the signature sets on reads; text beyond ASCII goes out as UTF-8."""
        return [(header, self.fields[name].encode().decode("latin-1")) for name, header in _OVERRIDES.items() if name in self.fields]


def is_signed(query: Mapping[str, str]) -> bool:
    """Whether a query carries a shared access signature."""
    return "sig" in query


def read(query: Mapping[str, str]) -> Sas:
    """The signature in a query (parameters decoded, none twice).

    Raises:
        Forbidden: it is malformed, of an unknown version, or names fields that its kind does not sign
            (code `AuthenticationFailed`).
        NotOffered: it asks for what this service does not have: directories, snapshots, encryption scopes.
    """
    fields = {name: value for name, value in query.items() if name in _ALL and value}
    for name in query:
        if name not in _ALL and name.lower() in _ALL:
            raise refused(f"the parameter '{name}' must be written in lower case")
    if fields.get("sv") not in VERSIONS:
        raise refused(f"its version '{fields.get('sv', '')[:20]}' is not one of {min(VERSIONS)} to {max(VERSIONS)} that are known here")
    if any(_CONTROL.search(value) for value in fields.values()):
        raise refused("a parameter holds a control character")  # it could end a response header and begin another
    kind: Kind = "account" if "ss" in fields or "srt" in fields else "delegation" if "skoid" in fields else "service"
    unsigned = fields.keys() - _FIELDS[kind]
    if unsigned:
        raise refused(f"a {kind} signature does not have '{min(unsigned)}'")
    _check_offered(kind, fields)
    _check_letters(kind, fields)
    return Sas(
        kind=kind,
        fields=fields,
        starts=_moment(fields, "st") if "st" in fields else None,
        expires=_moment(fields, "se"),
        key_starts=_moment(fields, "skt") if kind == "delegation" else None,
        key_expires=_moment(fields, "ske") if kind == "delegation" else None,
    )


def _check_offered(kind: Kind, fields: Mapping[str, str]) -> None:
    if "si" in fields:
        raise NotOffered("Stored access policies (si) are not offered; put permissions and expiry into the signature.", target="si")
    if "ses" in fields:
        raise NotOffered("Encryption scopes (ses) are not offered.", target="ses")
    if kind == "account":
        if "b" not in fields.get("ss", ""):
            raise Forbidden("The signature does not cover the blob service ('b' in ss).", code="AuthorizationServiceMismatch")
        return
    if fields.get("sr") in ("bs", "bv", "d"):
        raise NotOffered(
            "Signatures for snapshots, versions and directories are not offered; sign a blob (b) or a container (c).", target="sr"
        )
    if fields.get("sr") not in ("b", "c"):
        raise refused("sr must be 'b' or 'c'")
    if kind == "delegation" and fields.get("sks") != "b":
        raise refused("its key is not one for the blob service (sks)")


def _check_letters(kind: Kind, fields: Mapping[str, str]) -> None:
    letters = fields.get("sp", "")
    if not letters or len(set(letters)) != len(letters):
        raise refused("sp is empty or names a permission twice")
    if kind == "account":
        if set(letters) - set(_LETTERS + "up"):
            raise refused("sp names an unknown permission")
    elif [letter for letter in _LETTERS if letter in letters] != list(letters):
        raise refused(f"the permissions in sp must be letters of '{_LETTERS}', in this order")


def _moment(fields: Mapping[str, str], name: str) -> datetime:
    found = iso_moment(fields.get(name, ""))
    if found is None:
        raise refused(f"{name} is missing or is no ISO 8601 time with a zone")
    return found


def text_to_sign(sas: Sas, account: str, container: str, blob: str, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    """What the signature is over, for this target: `blob` counts only where the signature is for one blob."""
    get = sas.get
    if sas.kind == "account":
        return "".join(f"{part}\n" for part in (account, *(get(n) for n in ("sp", "ss", "srt", "st", "se", "sip", "spr", "sv", "ses"))))
    resource = f"/blob/{account}/{container}/{blob}" if get("sr") == "b" else f"/blob/{account}/{container}"
    parts = [get("sp"), get("st"), get("se"), resource]
    if sas.kind == "service":
        parts.append(get("si"))
    else:
        parts += [get(n) for n in ("skoid", "sktid", "skt", "ske", "sks", "skv", "saoid", "suoid", "scid")]
        if get("sv") >= _DELEGATED_USER_SINCE:
            parts += [get("skdutid"), get("sduoid")]
    parts += [get("sip"), get("spr"), get("sv"), get("sr"), "", get("ses")]
    if sas.kind == "delegation" and get("sv") >= _SIGNED_REQUEST_SINCE:
        parts += _signed_request(sas, headers, query)
    return "\n".join([*parts, *(get(name) for name in _RESPONSE)])


def _signed_request(sas: Sas, headers: Mapping[str, str], query: Mapping[str, str]) -> list[str]:
    """The blocks of signed headers (each line ended) and of signed query parameters (each line begun)."""
    names, parameters = _listed(sas.get("srh")), _listed(sas.get("srq"))
    for name in names:
        if name.lower() not in headers:
            raise refused(f"the signed header '{name[:50]}' is missing")
    for name in parameters:
        if name not in query:
            raise refused(f"the signed query parameter '{name[:50]}' is missing")
    return [
        "".join(f"{name}:{headers[name.lower()]}\n" for name in names),
        "".join(f"\n{name}:{query[name]}" for name in parameters),
    ]


def _listed(text: str) -> list[str]:
    return text.split(",") if text else []


def signature(key: str, text: str) -> str:
    """`base64(HMAC-SHA256(key, text))`, with the key in base64.

    Raises:
        Forbidden: the key is not base64.
    """
    try:
        raw = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        raise refused("the key is not base64") from None
    return base64.b64encode(hmac.digest(raw, text.encode(), "sha256")).decode()


def is_signed_with(key: str, text: str, given: str) -> bool:
    """Whether `given` is the key's signature over the text; compared in constant time."""
    return hmac.compare_digest(signature(key, text).encode(), given.encode())


def check_moment(sas: Sas, now: datetime) -> None:
    """Return if the signature, and the key that made it, are in force.

    Raises:
        Forbidden: not yet or no longer (code `AuthenticationFailed`).
    """
    if (sas.starts is not None and now < sas.starts) or now >= sas.expires:
        raise refused("it is not in force at this moment (st, se)")
    if sas.key_starts is not None and sas.key_expires is not None:
        if not sas.key_starts <= now < sas.key_expires:
            raise refused("the key that it was made with is not in force at this moment (skt, ske)")
        if sas.key_expires - sas.key_starts > MAX_KEY_LIFE:
            raise refused("the key that it was made with would live longer than 7 days")


def check_way(sas: Sas, client: str, scheme: str) -> None:
    """Return if the request came the way that the signature asks for.

    Raises:
        Forbidden: another protocol or another address.
    """
    protocols = sas.get("spr")
    if protocols and scheme not in protocols.split(","):
        raise Forbidden("The signature permits another protocol only (spr).", code="AuthorizationProtocolMismatch")
    if addresses := sas.get("sip"):
        first, _, last = addresses.partition("-")
        if not _is_between(first, client, last or first):
            raise Forbidden("The signature does not permit requests from this address (sip).", code="AuthorizationSourceIPMismatch")


def _is_between(first: str, client: str, last: str) -> bool:
    try:
        low, here, high = (_address(text) for text in (first, client, last))
    except ValueError:
        return False
    return low.version == here.version == high.version and int(low) <= int(here) <= int(high)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address; one of IPv4 that came through a socket of both kinds counts as what it is."""
    found = ipaddress.ip_address(text)
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found


def check_covers(sas: Sas, level: Level) -> None:
    """Return if the signature is for things of this level.

    Raises:
        Forbidden: it is for another level (code `AuthorizationResourceTypeMismatch`).
    """
    covered = sas.get("srt") if sas.kind == "account" else {"b": "o", "c": "oc"}[sas.get("sr")]
    if _LEVELS[level] not in covered:
        raise Forbidden(f"The signature does not cover operations on a {level}.", code="AuthorizationResourceTypeMismatch")


def refused(why: str) -> Forbidden:
    """The one fault for every signature that proves nothing."""
    return Forbidden(
        "Server failed to authenticate the request: make sure that the Authorization header or the signature is formed correctly. "
        f"The shared access signature is refused: {why}.",
        code="AuthenticationFailed",
    )

"""Asks a provider of OpenID Connect: who it is, which keys it has, and what a code of its buys.

What it says of itself is kept for minutes. However many sign in meanwhile, it is asked once; one that does not answer is
left alone for some seconds.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Unavailable
from studiolo.kernel.outbound import Outbound, Reply
from studiolo.kernel.resource import JsonObject
from studiolo.rooms.authentication.domain.federation import (
    ALGORITHMS,
    Metadata,
    Provider,
    discovery_address,
    is_plain_header,
    metadata_of,
    token_refused,
    unusable,
    usable_key,
)

_SECONDS: Final = 5.0
_MOST_BYTES: Final = 256 << 10
_LONGEST_TOKEN: Final = 128 << 10
_KEPT_SECONDS: Final = 300.0
_AGAIN_SECONDS: Final = 5.0
_AT_ONCE: Final = 8
_MOST_PROVIDERS: Final = 200
_MOST_KEYS: Final = 100
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(slots=True)
class _Known:
    """What is known of an issuer, until when, and when it may be asked again."""

    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    exchanging: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    metadata: Metadata | None = None
    keys: Sequence[JsonObject] = ()
    until: float = 0.0
    not_before: float = 0.0


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


class _Bought(msgspec.Struct):
    id_token: str


class _Refused(msgspec.Struct):
    error: str


class OpenIdClient:
    """Speaks to providers by `outbound`, within bounds of time and size."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._known: dict[str, _Known] = {}

    async def metadata(self, issuer: str) -> Metadata:
        """How the issuer describes itself.

        Raises:
            Unavailable: it does not answer, or not as a provider must (codes `OutboundUnreachable`, `ProviderUnusable`).
        """
        return (await self._learned(issuer))[0]

    async def bought(self, provider: Provider, secret: str, code: str, redirect: str, verifier: str) -> str:
        """The ID token that a code buys.

        Raises:
            Unavailable: as `metadata` does.
            Forbidden: the provider does not take the code (code `ProviderTokenRefused`).
        """
        metadata = await self.metadata(provider.issuer)
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect, "code_verifier": verifier}
        headers = {"content-type": _FORM, "accept": "application/json"}
        if secret and metadata.takes_basic:  # each part encoded first (RFC 6749, section 2.3.1)
            pair = f"{quote(provider.client_id, safe='')}:{quote(secret, safe='')}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": provider.client_id, **({"client_secret": secret} if secret else {})}
        try:
            async with asyncio.timeout(2 * _SECONDS), self._of(provider.issuer).exchanging:
                reply = await self._asked("POST", metadata.token_endpoint, headers, urlencode(form).encode())
        except TimeoutError:
            raise unusable(provider.issuer, "it answers too slowly") from None
        if reply.status != 200:
            raise _not_taken(provider, reply)
        try:
            return msgspec.json.decode(reply.body, type=_Bought).id_token
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise unusable(provider.issuer, "it answers a code without an ID token") from None

    async def claims(self, provider: Provider, token: str) -> JsonObject:
        """The claims of a token that one of the provider's keys signed; what they say is not judged here.

        Raises:
            Forbidden: it is malformed, or no key of the provider's has signed it (code `ProviderTokenRefused`).
            Unavailable: as `metadata` does.
        """
        from joserfc import jws
        from joserfc.errors import JoseError

        if len(token) > _LONGEST_TOKEN or not token.isascii():
            raise token_refused("it is no signed token")
        try:
            header = jws.extract_compact(token.encode()).headers()
        except (JoseError, ValueError, KeyError, TypeError, RecursionError):
            raise token_refused("it is no signed token") from None
        kid = header.get("kid")
        if not is_plain_header(header) or not isinstance(kid, str | None):
            raise token_refused(f"it is not signed by one of {', '.join(ALGORITHMS)}")
        algorithm = str(header["alg"])
        keys = await self._usable(provider.issuer, kid, algorithm)
        for key in keys if kid is not None or len(keys) == 1 else ():
            payload = _verified(token, key, algorithm)
            if payload is not None:
                return payload
        raise token_refused("its signature is by no key of the provider's")

    async def _usable(self, issuer: str, kid: str | None, algorithm: str) -> Sequence[JsonObject]:
        """The keys that may have signed. An unknown key id has the set read again, once in a while: keys are replaced."""
        for is_again in (False, True):
            _, keys = await self._learned(issuer, is_anew=is_again)
            if found := [key for key in keys if usable_key(key, kid, algorithm)]:
                return found
        return ()

    # ── what is known of an issuer ───────────────────────────────────────────────────────────────────────────────

    def _of(self, issuer: str) -> _Known:
        known = self._known.get(issuer)
        if known is None:
            if len(self._known) >= _MOST_PROVIDERS:
                del self._known[next(iter(self._known))]
            known = self._known[issuer] = _Known()
        return known

    async def _learned(self, issuer: str, *, is_anew: bool = False) -> tuple[Metadata, Sequence[JsonObject]]:
        known = self._of(issuer)
        async with known.asking:
            now = clock.monotonic()
            is_fresh = known.metadata is not None and now < known.until
            if known.metadata is not None and is_fresh and (not is_anew or now < known.not_before):
                return known.metadata, known.keys
            if now < known.not_before:
                raise unusable(issuer, "it did not answer a moment ago; try again in some seconds")
            try:
                metadata = await self._discovered(issuer)
                known.keys = await self._key_set(issuer, metadata)
            finally:
                known.not_before = clock.monotonic() + _AGAIN_SECONDS
            known.metadata, known.until = metadata, now + _KEPT_SECONDS
            return metadata, known.keys

    async def _discovered(self, issuer: str) -> Metadata:
        metadata = metadata_of(await self._read(issuer, discovery_address(issuer)), issuer)
        for address in (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri):
            if not self._outbound.may_reach(address):
                raise unusable(issuer, f"it names '{address[:200]}', which this studio may not ask")
        return metadata

    async def _key_set(self, issuer: str, metadata: Metadata) -> Sequence[JsonObject]:
        try:
            return msgspec.json.decode(await self._read(issuer, metadata.jwks_uri), type=_KeySet).keys[:_MOST_KEYS]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise unusable(issuer, "its key set cannot be read") from None

    async def _read(self, issuer: str, address: str) -> bytes:
        reply = await self._asked("GET", address, {"accept": "application/json"})
        if reply.status != 200:
            raise unusable(issuer, f"'{address[:200]}' answers {reply.status}")
        return reply.body

    async def _asked(self, method: str, address: str, headers: dict[str, str], body: bytes = b"") -> Reply:
        return await self._outbound.ask(method, address, headers=headers, body=body, seconds=_SECONDS, most_bytes=_MOST_BYTES)


def _verified(token: str, key: JsonObject, algorithm: str) -> JsonObject | None:
    """The claims, if this key has signed the token; None if it has not, or is none."""
    from joserfc import jws
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    try:
        found = jws.deserialize_compact(token, import_key(key), algorithms=[algorithm])
        return msgspec.json.decode(found.payload, type=dict[str, Any])
    except (JoseError, ValueError, KeyError, TypeError, RecursionError, msgspec.DecodeError):
        return None


def _not_taken(provider: Provider, reply: Reply) -> Exception:
    """What a refusal of the token endpoint means: of the person's code, or of us."""
    try:
        said = msgspec.json.decode(reply.body, type=_Refused).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = ""
    if said == "invalid_grant":
        return token_refused("its code is not taken, or not any more")
    if said in ("invalid_client", "unauthorized_client"):
        return unusable(provider.issuer, "it does not know this studio by its client id and secret")
    if reply.status >= 500:
        return Unavailable(f"The provider '{provider.issuer}' answers {reply.status}. Try again.", code="ProviderUnusable")
    return unusable(provider.issuer, f"its token endpoint answers {reply.status}")

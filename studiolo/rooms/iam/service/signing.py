"""The keys that sign access tokens: made at the first need, kept sealed, published without their private half."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Stale, Unauthenticated
from studiolo.kernel.resource import JsonObject
from studiolo.kernel.store.port import ABSENT, Entry, PutEntry, Store
from studiolo.rooms.iam.domain.tokens import ALGORITHM, check_header
from studiolo.rooms.iam.ports import Sealer

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

_SPACE: Final = "iam.signing-keys"
_NEWEST: Final = "newest"
_BITS = 2048
_MAX_TOKEN = 16_384
_OWNER = "iam/signing-keys"


class _Record(msgspec.Struct, rename="camel"):
    """A key as the store keeps it. The public half is not here: it is derived, so nobody can put another one in."""

    sealed: bytes
    created_at: str


class SigningKeys:
    """Signs claims and reads what it signed. A key's algorithm is fixed: RS256."""

    def __init__(self, store: Store, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer
        self._keys: dict[str, RSAKey] = {}
        self._loading = asyncio.Lock()

    async def sign(self, claims: JsonObject) -> str:
        """The claims as a signed compact token."""
        from joserfc import jws

        kid, key = next(iter((await self._loaded()).items()))
        return jws.serialize_compact({"alg": ALGORITHM, "kid": kid, "typ": "JWT"}, msgspec.json.encode(claims), key, algorithms=[ALGORITHM])

    async def published(self) -> list[JsonObject]:
        """The public keys (RFC 7517), as the key set page shows them."""
        return [{**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": ALGORITHM} for kid, key in (await self._loaded()).items()]

    async def read(self, token: str) -> JsonObject:
        """The claims of a token that one of our keys signed; what they say is not judged here.

        Raises:
            Unauthenticated: it is malformed, names an unknown key, or its signature does not fit.
        """
        from joserfc import jws
        from joserfc.errors import JoseError

        header, payload = _parts(token)
        key = (await self._loaded()).get(check_header(header))
        if key is None:
            raise Unauthenticated("The access token is not valid: its key is not one of this server's.")
        try:
            jws.deserialize_compact(token, key, algorithms=[ALGORITHM])
        except (JoseError, ValueError):
            raise Unauthenticated("The access token is not valid: its signature does not fit.") from None
        return payload

    async def _loaded(self) -> dict[str, RSAKey]:
        if not self._keys:
            async with self._loading:
                if not self._keys:
                    self._keys = await self._load() or await self._make()
        return self._keys

    async def _load(self) -> dict[str, RSAKey]:
        from joserfc.jwk import RSAKey

        entry = await self._store.entry(_SPACE, _NEWEST)
        if entry is None:
            return {}
        record = msgspec.json.decode(entry.doc, type=_Record)
        key = RSAKey.import_key(await self._sealer.open(_OWNER, record.sealed))
        return {key.thumbprint(): key}

    async def _make(self) -> dict[str, RSAKey]:
        """A fresh key; if another process was faster, its key."""
        from joserfc.jwk import RSAKey

        key = await asyncio.to_thread(RSAKey.generate_key, _BITS)
        record = _Record(await self._sealer.seal(_OWNER, key.as_pem(private=True)), clock.stamp(clock.now()))
        try:
            await self._store.commit(PutEntry(_SPACE, Entry(_NEWEST, clock.new_tag(), msgspec.json.encode(record)), expect=ABSENT))
        except Stale:
            return await self._load()
        return {key.thumbprint(): key}


def _parts(token: str) -> tuple[JsonObject, JsonObject]:
    """Header and claims, before anything is believed of them."""
    pieces = token.split(".")
    if len(token) > _MAX_TOKEN or len(pieces) != 3 or not all(pieces):
        raise Unauthenticated("The access token is not valid: it is not a signed JSON Web Token in compact form.")
    _decoded(pieces[2])
    return _object(_decoded(pieces[0])), _object(_decoded(pieces[1]))


def _decoded(piece: str) -> bytes:
    """Unpadded base64url in its one canonical spelling, so that no two texts are the same token."""
    try:
        raw = base64.b64decode(piece + "=" * (-len(piece) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if base64.urlsafe_b64encode(raw).decode().rstrip("=") != piece:
        raise Unauthenticated("The access token is not valid: it is not written in base64url.")
    return raw


def _object(raw: bytes) -> JsonObject:
    try:
        found = _JSON.decode(raw.decode())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Unauthenticated("The access token is not valid: a part of it is no JSON object, or says a thing twice.")
    return found  # pyright: ignore[reportUnknownVariableType] - JSON


def _once(pairs: Sequence[tuple[str, Any]]) -> JsonObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "a member stands twice"
        raise ValueError(msg)
    return found


def _no_constant(text: str) -> None:
    msg = f"{text} is not JSON"
    raise ValueError(msg)


# The standard decoder and not msgspec's, because it tells of members that stand twice.
_JSON = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)

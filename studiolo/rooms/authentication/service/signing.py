"""The keys that sign tokens: made at the first need, kept sealed, published without their private half.

The newest key signs. One that was replaced stays in the published set until the last token that it signed has ended, so
that whoever keeps the set for a while goes on. A key of the usual age is published some minutes before it signs.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Stale, Unauthenticated
from studiolo.kernel.resource import JsonObject
from studiolo.kernel.store.port import ABSENT, DropEntry, Entry, PutEntry, Store, Write
from studiolo.rooms.authentication.domain.tokens import ALGORITHM, SKEW_SECONDS, check_header
from studiolo.rooms.authentication.ports import Sealer
from studiolo.rooms.authentication.service.revocations import MOST_LIFE

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

_SPACE: Final = "iam.signing-keys"
_NEWEST: Final = "newest"
_BITS = 2048
_MAX_TOKEN = 16_384
_OWNER = "iam/signing-keys"
AGE: Final = timedelta(days=30)
"""After which a key is replaced by itself."""
HEAD_START: Final = timedelta(minutes=10)
"""How long a key that replaces an old one is published before it signs: longer than clients may keep the set."""
_LOOKED_AT: Final = timedelta(minutes=1)
_LONGEST_TOKEN: Final = timedelta(seconds=MOST_LIFE + 2 * SKEW_SECONDS)


class _Record(msgspec.Struct, rename="camel"):
    """A key as the store keeps it. The public half is not here: it is derived, so nobody can put another one in."""

    sealed: bytes
    created_at: str
    signs_from: str = ""
    ends: str = ""


@dataclass(frozen=True, slots=True)
class _Key:
    kid: str
    key: RSAKey
    created_at: str
    signs_from: str
    ends: str
    is_newest: bool


class SigningKeys:
    """Signs claims and reads what it signed. A key's algorithm is fixed: RS256."""

    def __init__(self, store: Store, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer
        self._keys: dict[str, _Key] = {}
        self._looked_at = ""
        self._loading = asyncio.Lock()
        self.generation = 0
        """Changes with the set of keys: what was believed by an older set must be read again."""
        store.listen(self._note)

    async def sign(self, claims: JsonObject) -> str:
        """The claims as a signed compact token."""
        from joserfc import jws

        now = clock.stamp(clock.now())
        keys = await self._loaded()
        newest = next(iter(keys.values()))
        if _after(newest.created_at, AGE) <= now:
            await self.rotate(is_at_once=False)
            keys = await self._loaded()
        signing = next((key for key in keys.values() if key.signs_from <= now), newest)
        header = {"alg": ALGORITHM, "kid": signing.kid, "typ": "JWT"}
        return jws.serialize_compact(header, msgspec.json.encode(claims), signing.key, algorithms=[ALGORITHM])

    async def published(self) -> list[JsonObject]:
        """The public keys (RFC 7517), as the key set page shows them."""
        now = clock.stamp(clock.now())
        found = [each for each in (await self._loaded()).values() if not each.ends or each.ends > now]
        return [{**each.key.as_dict(private=False), "kid": each.kid, "use": "sig", "alg": ALGORITHM} for each in found]

    async def rotate(self, *, is_at_once: bool = True, is_old_void: bool = False) -> str:
        """Make a new key and give its id.

        Args:
            is_at_once: it signs from now on; otherwise after it has been published for a while.
            is_old_void: the old keys are forgotten, and with them every token that they signed: for a key that leaked.
        """
        from joserfc.jwk import RSAKey

        await self._loaded()
        key = await asyncio.to_thread(RSAKey.generate_key, _BITS)
        now = clock.now()
        record = await self._record(key, now, now if is_at_once or is_old_void else now + HEAD_START)
        old = await self._store.entry(_SPACE, _NEWEST)
        writes: list[Write] = [PutEntry(_SPACE, _entry(_NEWEST, record), expect=old.etag if old else ABSENT)]
        if is_old_void:
            writes += [DropEntry(_SPACE, kept.key) for kept in await self._store.entries(_SPACE) if kept.key != _NEWEST]
        elif old is not None:
            last = msgspec.json.decode(old.doc, type=_Record)
            last.ends = _after(record.signs_from, _LONGEST_TOKEN)
            writes.append(PutEntry(_SPACE, _entry(f"{last.created_at}/{clock.new_tag()}", last)))
        with suppress(Stale):  # another process was faster; its key is as good
            await self._store.commit(*writes)
        return next(iter(await self._loaded()))

    async def read(self, token: str) -> JsonObject:
        """The claims of a token that one of our keys signed; what they say is not judged here.

        Raises:
            Unauthenticated: it is malformed, names an unknown key, or its signature does not fit.
        """
        from joserfc import jws
        from joserfc.errors import JoseError

        header, payload = _parts(token)
        kid = check_header(header)
        key = (await self._loaded()).get(kid) or (await self._loaded(is_unknown=True)).get(kid)
        if key is None:
            raise Unauthenticated("The access token is not valid: its key is not one of this server's.")
        try:
            jws.deserialize_compact(token, key.key, algorithms=[ALGORITHM])
        except (JoseError, ValueError):
            raise Unauthenticated("The access token is not valid: its signature does not fit.") from None
        return payload

    async def _loaded(self, *, is_unknown: bool = False) -> dict[str, _Key]:
        """The keys, newest first. Another process may have made one: an unknown id has them read again, once a minute."""
        is_old = is_unknown and self._looked_at <= clock.stamp(clock.now() - _LOOKED_AT)
        keys = self._keys
        if not keys or is_old:
            async with self._loading:
                keys = self._keys
                if not keys or is_old:
                    generation = self.generation
                    keys = await self._load() or await self._make()
                    self._looked_at = clock.stamp(clock.now())
                    if generation == self.generation:
                        self._keys = keys
        return keys

    async def _load(self) -> dict[str, _Key]:
        from joserfc.jwk import RSAKey

        now = clock.stamp(clock.now())
        found: list[_Key] = []
        for entry in await self._store.entries(_SPACE):
            record = msgspec.json.decode(entry.doc, type=_Record)
            if record.ends and record.ends <= now:
                await self._store.commit(DropEntry(_SPACE, entry.key))
                continue
            key = RSAKey.import_key(await self._sealer.open(_OWNER, record.sealed))
            found.append(_Key(key.thumbprint(), key, record.created_at, record.signs_from, record.ends, entry.key == _NEWEST))
        found.sort(key=lambda each: (each.is_newest, each.created_at), reverse=True)
        return {each.kid: each for each in found}

    async def _make(self) -> dict[str, _Key]:
        """A first key; if another process was faster, its key."""
        from joserfc.jwk import RSAKey

        key = await asyncio.to_thread(RSAKey.generate_key, _BITS)
        now = clock.now()
        with suppress(Stale):
            await self._store.commit(PutEntry(_SPACE, _entry(_NEWEST, await self._record(key, now, now)), expect=ABSENT))
        return await self._load()

    async def _record(self, key: RSAKey, at: datetime, signs_from: datetime) -> _Record:
        return _Record(await self._sealer.seal(_OWNER, key.as_pem(private=True)), clock.stamp(at), clock.stamp(signs_from))

    def _note(self, writes: Sequence[Write]) -> None:
        """Read the keys again after a change. Runs in the store's thread."""
        if any(isinstance(write, PutEntry | DropEntry) and write.space == _SPACE for write in writes):
            self.generation += 1
            self._keys = {}


def _entry(key: str, record: _Record) -> Entry:
    return Entry(key, clock.new_tag(), msgspec.json.encode(record))


def _after(moment: str, span: timedelta) -> str:
    return clock.stamp(datetime.fromisoformat(moment) + span)


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

"""Sign-in of people: a one-time code becomes a session. Both are random, kept as SHA-256, and end by themselves."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timedelta
from typing import Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Forbidden, Stale, Unauthenticated
from studiolo.kernel.resource import Caller
from studiolo.kernel.store.port import ABSENT, DropEntry, Entry, PutEntry, Store, Write
from studiolo.rooms.iam.domain.principals import Principal
from studiolo.rooms.iam.ports import People

_CODES: Final = "iam.sign-in-codes"
_SESSIONS: Final = "iam.sessions"
CODE_LIFE: Final = timedelta(minutes=15)
SESSION_LIFE: Final = timedelta(hours=12)
_MOST_REMEMBERED = 10_000
_SWEPT = 100


class _Kept(msgspec.Struct, frozen=True):
    """Whose it is, when that principal was made, and until when it holds."""

    oid: str
    since: str
    until: str


_kept = msgspec.json.Decoder(_Kept)


class Sessions:
    """Codes and sessions of the people of one tenant."""

    def __init__(self, store: Store, people: People, tenant: str) -> None:
        self._store = store
        self._people = people
        self._tenant = tenant
        self._remembered: dict[str, _Kept] = {}

    async def new_code(self, oid: str) -> str:
        """A code that signs this principal in: once, within 15 minutes.

        Raises:
            Unauthenticated: there is no such principal.
        """
        at = clock.now()
        person = await self._people.principal(oid)
        if person is None:
            raise Unauthenticated("Nobody with this object id can sign in.")
        text, write = _minted(_CODES, person, at + CODE_LIFE)
        await self._store.commit(write, *await self._swept(_CODES, at))
        return text

    async def redeem(self, code: str) -> str:
        """The session that a code buys; its text is the cookie's value. The code is spent, whoever asks first.

        Raises:
            Forbidden: the code is unknown, spent or too old (code `SignInCodeInvalid`).
        """
        at = clock.now()
        entry = await self._store.entry(_CODES, _digest(code))
        kept = _kept.decode(entry.doc) if entry is not None else None
        if entry is None or kept is None or kept.until <= clock.stamp(at):
            raise _bad_code()
        person = await self._people.principal(kept.oid)
        if person is None or not person.is_enabled or person.since != kept.since:
            raise _bad_code()
        text, write = _minted(_SESSIONS, person, at + SESSION_LIFE)
        try:
            await self._store.commit(DropEntry(_CODES, entry.key, expect=entry.etag), write, *await self._swept(_SESSIONS, at))
        except Stale:
            raise _bad_code() from None
        return text

    async def caller(self, session: str) -> Caller:
        """The person whose session this is.

        Raises:
            Unauthenticated: there is no such session, it is over, or the person was removed or switched off.
        """
        key = _digest(session)
        kept = self._remembered.get(key)
        if kept is None:
            entry = await self._store.entry(_SESSIONS, key)
            if entry is None:
                raise _no_session()
            kept = _kept.decode(entry.doc)
            if len(self._remembered) >= _MOST_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[key] = kept
        person = await self._people.principal(kept.oid)
        if kept.until <= clock.stamp(clock.now()) or person is None or not person.is_enabled or person.since != kept.since:
            raise _no_session()
        return Caller(person.oid, self._tenant, person.kind, person.name)

    async def end(self, session: str) -> None:
        """Sign out; safe to repeat."""
        key = _digest(session)
        await self._store.commit(DropEntry(_SESSIONS, key))
        self._remembered.pop(key, None)

    async def _swept(self, space: str, at: datetime) -> list[Write]:
        """The removal of some entries that are over, so that none stays for ever."""
        now = clock.stamp(at)
        first = clock.new_secret(1).hex()
        return [
            DropEntry(space, entry.key)
            for entry in await self._store.entries(space, after=first, limit=_SWEPT)
            if _kept.decode(entry.doc).until <= now
        ]


def _minted(space: str, person: Principal, until: datetime) -> tuple[str, PutEntry]:
    text = base64.urlsafe_b64encode(clock.new_secret(32)).decode().rstrip("=")
    doc = msgspec.json.encode(_Kept(person.oid, person.since, clock.stamp(until)))
    return text, PutEntry(space, Entry(_digest(text), clock.new_tag(), doc), expect=ABSENT)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _bad_code() -> Forbidden:
    return Forbidden("This sign-in link was used already, or it is older than 15 minutes.", code="SignInCodeInvalid")


def _no_session() -> Unauthenticated:
    return Unauthenticated("The session is over. Sign in again.", code="SessionExpired")

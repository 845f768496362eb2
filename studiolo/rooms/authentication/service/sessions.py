"""Sign-in of people: a one-time code becomes a session. Both are random, kept as SHA-256, and end by themselves."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, TypeGuard

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.digests import digest_of
from studiolo.kernel.faults import Forbidden, Stale, Unauthenticated
from studiolo.kernel.principals import USERS, Principal, principal_id
from studiolo.kernel.resource import Caller
from studiolo.kernel.store.port import ABSENT, DropEntry, Emit, Entry, PutEntry, Store, Write
from studiolo.kernel.store.sweeping import overdue
from studiolo.rooms.authentication.ports import People

_CODES: Final = "iam.sign-in-codes"
_SESSIONS: Final = "iam.sessions"
CODE_LIFE: Final = timedelta(minutes=15)
LINK_LIFE: Final = timedelta(hours=24)
SIGN_IN: Final = "sign in"
SET_PASSWORD: Final = "set password"
SESSION_LIFE: Final = timedelta(hours=12)
_MOST_REMEMBERED = 10_000


class _Kept(msgspec.Struct, frozen=True):
    """Whose it is, when that principal was made, from when and until when it holds, and what a code is good for."""

    oid: str
    since: str
    until: str
    at: str = ""
    purpose: str = SIGN_IN


_kept = msgspec.json.Decoder(_Kept)


class Sessions:
    """Codes and sessions of the people of one tenant."""

    def __init__(self, store: Store, people: People, tenant: str) -> None:
        self._store = store
        self._people = people
        self._tenant = tenant
        self._remembered: dict[str, _Kept] = {}

    async def new_code(self, oid: str, purpose: str = SIGN_IN) -> str:
        """A code for this principal: to sign in once within 15 minutes, or to set a password once within a day.

        Raises:
            Unauthenticated: there is no such principal.
        """
        at = clock.now()
        person = await self._people.principal(oid)
        if person is None:
            raise Unauthenticated("Nobody with this object id can sign in.")
        text, write = _minted(_CODES, person, at, at + (CODE_LIFE if purpose == SIGN_IN else LINK_LIFE), purpose)
        await self._store.commit(write, *await self._swept(_CODES, at))
        return text

    async def redeem(self, code: str) -> str:
        """The session that a code buys; its text is the cookie's value. The code is spent, whoever asks first.

        Raises:
            Forbidden: the code is unknown, spent or too old (code `SignInCodeInvalid`).
        """
        return await self.begin(await self.spend(code, SIGN_IN))

    async def of_code(self, code: str, purpose: str) -> Principal:
        """Whose code it is, without spending it. Raises as `redeem` does."""
        return (await self._of_code(code, purpose))[1]

    async def spend(self, code: str, purpose: str) -> Principal:
        """Spend a code; whose it was. Raises as `redeem` does."""
        entry, person = await self._of_code(code, purpose)
        try:
            await self._store.commit(DropEntry(_CODES, entry.key, expect=entry.etag))
        except Stale:
            raise _bad_code() from None
        return person

    async def begin(self, person: Principal) -> str:
        """A session of a person who has proved who they are. The record tells of it before it can leave."""
        at = clock.now()
        text, write = _minted(_SESSIONS, person, at, at + SESSION_LIFE)
        line = Emit(clock.stamp(at), f"{USERS}/signIn/action", "Succeeded", principal_id(USERS, person.oid).key, person.oid, b"{}")
        await self._store.commit(write, line, *await self._swept(_SESSIONS, at))
        return text

    async def _of_code(self, code: str, purpose: str) -> tuple[Entry, Principal]:
        entry = await self._store.entry(_CODES, digest_of(code))
        kept = _kept.decode(entry.doc) if entry is not None else None
        if entry is None or kept is None or kept.purpose != purpose or kept.until <= clock.stamp(clock.now()):
            raise _bad_code()
        person = await self._people.principal(kept.oid)
        if not _holds(person, kept):
            raise _bad_code()
        return entry, person

    async def person(self, session: str) -> tuple[Principal, str]:
        """The person whose session this is, and since when. Raises as `caller` does."""
        key = digest_of(session)
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
        if kept.until <= clock.stamp(clock.now()) or not _holds(person, kept):
            raise _no_session()
        return person, kept.at

    async def caller(self, session: str) -> Caller:
        """The person whose session this is.

        Raises:
            Unauthenticated: there is no such session, it is over, or the person was removed or switched off.
        """
        person, _ = await self.person(session)
        return Caller(person.oid, self._tenant, person.kind, person.name, since=person.since)

    async def end(self, session: str) -> None:
        """Sign out; safe to repeat."""
        key = digest_of(session)
        await self._store.commit(DropEntry(_SESSIONS, key))
        self._remembered.pop(key, None)

    async def _swept(self, space: str, at: datetime) -> list[Write]:
        """The removal of some entries that are over, so that none stays for ever."""
        now = clock.stamp(at)
        over = await overdue(self._store, space, lambda entry: _kept.decode(entry.doc).until <= now)
        return [DropEntry(space, entry.key) for entry in over]


def _holds(person: Principal | None, kept: _Kept) -> TypeGuard[Principal]:
    """Whether the principal is the one that it was made for, and has not been signed out since."""
    return person is not None and person.is_enabled and person.since == kept.since and kept.at >= person.not_before


def _minted(space: str, person: Principal, at: datetime, until: datetime, purpose: str = SIGN_IN) -> tuple[str, PutEntry]:
    text = clock.new_token()
    doc = msgspec.json.encode(_Kept(person.oid, person.since, clock.stamp(until), clock.stamp(at), purpose))
    return text, PutEntry(space, Entry(digest_of(text), clock.new_tag(), doc), expect=ABSENT)


def _bad_code() -> Forbidden:
    return Forbidden("This link was used already, or it is too old.", code="SignInCodeInvalid")


def _no_session() -> Unauthenticated:
    return Unauthenticated("The session is over. Sign in again.", code="SessionExpired")

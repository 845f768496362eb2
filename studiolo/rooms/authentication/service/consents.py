"""Consents: a person's leave for an application to act as them, continued by refresh tokens that rotate.

A refresh token names its consent and its turn, and carries a mark that only we can make; so nothing of it needs to be
kept, and an answer that was lost on the way can be given again. Each use moves the turn on. An older turn is proof that
two hold the same token, and ends the consent with everything that was given under it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Stale
from studiolo.kernel.principals import Principal
from studiolo.kernel.store.port import ABSENT, DropEntry, Entry, PutEntry, Store, Write
from studiolo.rooms.authentication.domain import refusals
from studiolo.rooms.authentication.domain.scopes import Wanted
from studiolo.rooms.authentication.ports import People
from studiolo.rooms.authentication.service.clients import Proven
from studiolo.rooms.authentication.service.mint import Leave
from studiolo.rooms.authentication.service.revocations import Revocations
from studiolo.rooms.authentication.service.stamps import Stamps

_SPACE: Final = "iam.consents"
_PREFIX: Final = "studiolo_r1"
_PURPOSE: Final = "refresh token"
IDLE_LIFE: Final = timedelta(days=30)
WHOLE_LIFE: Final = timedelta(days=90)
GRACE: Final = timedelta(seconds=30)
_MOST_OF_ONE_PERSON: Final = 200


class Consent(msgspec.Struct, frozen=True, rename="camel"):
    """One leave. `at` and `since` tie it to its moment and to the birth of the person; `sid` is its name in tokens.

    `resource` and `scopes` are what it began with; the command lines may ask for every other service of this studio, too.
    `downstream` are the hops that the person was told `resource`, and what is behind it, may make on their behalf; one that was
    kept before there was such a list names none.
    """

    sid: str
    client: str
    client_since: str
    needs_proof: bool
    oid: str
    since: str
    at: str
    resource: str
    scopes: tuple[str, ...]
    openid: tuple[str, ...]
    turn: int
    turned_at: str
    ends: str
    downstream: tuple[str, ...] = ()

    @property
    def wanted(self) -> Wanted:
        """What it began with."""
        return Wanted(self.resource, self.scopes, frozenset(self.openid))


_consent = msgspec.json.Decoder(Consent)


class Consents:
    """All consents of the tenant's people."""

    def __init__(self, store: Store, people: People, stamps: Stamps, revocations: Revocations) -> None:
        self.store = store
        self._people = people
        self._stamps = stamps
        self._revocations = revocations

    async def begin(self, leave: Leave, wanted: Wanted) -> tuple[str, PutEntry]:
        """A new consent: its first refresh token, and the write that begins it.

        Who proved itself when it began must do so whenever it goes on.
        """
        person, client = leave.person, leave.proven.client
        now = clock.now()
        at = clock.stamp(now)
        kept = Consent(
            sid=leave.sid,
            client=client.id,
            client_since=client.since,
            needs_proof=leave.proven.is_proven,
            oid=person.oid,
            since=person.since,
            at=at,
            resource=wanted.resource,
            scopes=wanted.scopes,
            openid=tuple(sorted(wanted.openid)),
            turn=1,
            turned_at=at,
            ends=clock.stamp(now + WHOLE_LIFE),
            downstream=leave.downstream,
        )
        key = f"{person.oid}/{clock.new_secret(16).hex()}"
        await self._make_room(person.oid)
        return await self._text(key, 1), PutEntry(_SPACE, Entry(key, clock.new_tag(), msgspec.json.encode(kept)), expect=ABSENT)

    async def turn(self, text: str, proven: Proven) -> tuple[Consent, Principal, str]:
        """Use a refresh token: the consent, its person as of now, and the next refresh token.

        Raises:
            Invalid: it is none, not this client's, over, taken back, or was used before (code `invalid_grant`).
        """
        key, turn = await self._read(text)
        for _ in range(3):
            entry = await self.store.entry(_SPACE, key)
            if entry is None:
                raise refusals.dead_refresh_token()
            kept = _consent.decode(entry.doc)
            is_theirs = (kept.client, kept.client_since) == (proven.client.id, proven.client.since)
            if not is_theirs or (kept.needs_proof and not proven.is_proven):
                raise refusals.dead_refresh_token()
            person = await self._alive(kept)
            if person is None:
                await self.store.commit(DropEntry(_SPACE, key))
                raise refusals.dead_refresh_token()
            now = clock.stamp(clock.now())
            if turn == kept.turn - 1 and now < _after(kept.turned_at, GRACE):
                return kept, person, await self._text(key, kept.turn)  # the answer was lost, or two asked at once
            if turn != kept.turn:
                await self.store.commit(*self._end(entry))
                raise refusals.reused_refresh_token()
            moved = msgspec.structs.replace(kept, turn=turn + 1, turned_at=now)
            with suppress(Stale):  # somebody else used it at this moment: look again
                await self.store.commit(PutEntry(_SPACE, Entry(key, clock.new_tag(), msgspec.json.encode(moved)), expect=entry.etag))
                return moved, person, await self._text(key, moved.turn)
        raise refusals.dead_refresh_token()

    async def end_sid(self, oid: str, sid: str) -> None:
        """Take back one consent by its name in tokens, with every token that was given under it."""
        entries = [entry for entry in await self._of(oid) if _consent.decode(entry.doc).sid == sid]
        await self.store.commit(Revocations.of_consent(sid), *(DropEntry(_SPACE, entry.key) for entry in entries))

    async def end_client(self, oid: str, client: str) -> None:
        """Take back everything that one person let one application do."""
        for entry in await self._of(oid):
            if _consent.decode(entry.doc).client == client:
                await self.store.commit(*self._end(entry))

    async def forget(self, oid: str) -> None:
        """Forget the consents of a person who is signed out everywhere; safe to repeat."""
        entries = await self._of(oid)
        if entries:
            await self.store.commit(*(DropEntry(_SPACE, entry.key) for entry in entries))

    async def of(self, oid: str) -> list[Consent]:
        """What a person lets applications do at present."""
        found = [_consent.decode(entry.doc) for entry in await self._of(oid)]
        return [kept for kept in found if await self._alive(kept) is not None]

    async def _alive(self, kept: Consent) -> Principal | None:
        """The person of a consent that still holds."""
        person = await self._people.principal(kept.oid)
        if person is None or not person.is_enabled or person.since != kept.since or kept.at < person.not_before:
            return None
        is_over = _end_of(kept) <= clock.stamp(clock.now())
        return None if is_over or self._revocations.is_over(kept.client, kept.sid, int(_moment(kept.at))) else person

    @staticmethod
    def _end(entry: Entry) -> list[Write]:
        return [DropEntry(_SPACE, entry.key), Revocations.of_consent(_consent.decode(entry.doc).sid)]

    async def _of(self, oid: str) -> Sequence[Entry]:
        return await self.store.entries(_SPACE, prefix=f"{oid}/")

    async def _make_room(self, oid: str) -> None:
        """Drop what is over, and the oldest beyond a generous number, so that nobody fills the store."""
        entries = await self._of(oid)
        if len(entries) < _MOST_OF_ONE_PERSON // 2:
            return
        now = clock.stamp(clock.now())
        kept = sorted(((_consent.decode(entry.doc), entry.key) for entry in entries), key=lambda pair: pair[0].turned_at)
        over = {key for consent, key in kept if _end_of(consent) <= now}
        over |= {key for _, key in kept[: max(0, len(kept) + 1 - _MOST_OF_ONE_PERSON)]}
        if over:
            await self.store.commit(*(DropEntry(_SPACE, key) for key in over))

    async def _text(self, key: str, turn: int) -> str:
        named = f"{key.replace('/', '.')}.{turn}"
        return f"{_PREFIX}.{named}.{await self._stamps.stamp(_PURPOSE, named)}"

    async def _read(self, text: str) -> tuple[str, int]:
        pieces = text.split(".")
        if len(pieces) != 5 or pieces[0] != _PREFIX or not pieces[3].isdecimal() or len(text) > 500:
            raise refusals.dead_refresh_token()
        if not await self._stamps.fits(_PURPOSE, ".".join(pieces[1:4]), pieces[4]):
            raise refusals.dead_refresh_token()
        return f"{pieces[1]}/{pieces[2]}", int(pieces[3])


def _end_of(kept: Consent) -> str:
    return min(kept.ends, _after(kept.turned_at, IDLE_LIFE))


def _after(moment: str, span: timedelta) -> str:
    return clock.stamp(datetime.fromisoformat(moment) + span)


def _moment(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()

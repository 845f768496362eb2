"""`device_code`: a program without a browser shows a short code, a person types it in elsewhere (RFC 8628).

The long code is the program's, the short one the person's; each is kept as a digest. Whoever holds the long code learns
what the person decided, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final, Literal

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.digests import digest_of
from studiolo.kernel.faults import Conflict, Invalid, NotFound, Stale
from studiolo.kernel.principals import Principal
from studiolo.kernel.store.port import ABSENT, DropEntry, Entry, PutEntry, Store, Write
from studiolo.kernel.store.sweeping import overdue
from studiolo.rooms.authentication.domain import refusals
from studiolo.rooms.authentication.domain.scopes import Wanted, wanted_of
from studiolo.rooms.authentication.ports import People
from studiolo.rooms.authentication.service.clients import Clients
from studiolo.rooms.authentication.service.consents import Consents
from studiolo.rooms.authentication.service.grants.asked import Asked
from studiolo.rooms.authentication.service.mint import Issued, Leave, Mint

NAME: Final = "urn:ietf:params:oauth:grant-type:device_code"
LIFE: Final = timedelta(minutes=15)
INTERVAL_SECONDS: Final = 5
_CODES: Final = "iam.device-codes"
_SHORT: Final = "iam.device-short-codes"
_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels, so that no code is a word; 20^9 of them
_LENGTH: Final = 9
_MOST_OPEN: Final = 10_000
_REFUSED: Final = frozenset({"bad_verification_code", "authorization_declined"})
"""Answers that tell a program no; the others tell it to ask again, or to begin anew."""


class Pending(msgspec.Struct, frozen=True):
    """A program that waits, as its person sees it. `place` is the address that it asked from.

    `downstream` are the hops that may follow.
    """

    client: str
    client_since: str
    client_name: str
    resource: str
    scopes: tuple[str, ...]
    openid: tuple[str, ...]
    place: str
    at: str
    until: str
    sid: str
    short: str
    state: Literal["waiting", "yes", "no"] = "waiting"
    oid: str = ""
    since: str = ""
    decided_at: str = ""
    downstream: tuple[str, ...] = ()


_pending = msgspec.json.Decoder(Pending)


@dataclass(frozen=True, slots=True)
class Started:
    """The two codes that a program gets."""

    device_code: str
    user_code: str
    life_seconds: int


class DeviceCode:
    """The grant, and the codes that it takes."""

    name: ClassVar[str] = NAME

    def __init__(self, store: Store, people: People, clients: Clients, consents: Consents, mint: Mint) -> None:
        self._store = store
        self._people = people
        self._clients = clients
        self._consents = consents
        self._mint = mint
        self._polled: dict[str, tuple[float, float]] = {}

    async def start(self, fields: Mapping[str, str], place: str) -> Started:
        """Codes for a program. Raises Invalid or Unauthenticated for one that may not, or that asks for nothing we have."""
        asked = Asked(fields, "2.0", frozenset())
        client = await self._clients.named(asked.need("client_id"))
        if not client.is_public:
            raise refusals.not_public(client.id)
        wanted = wanted_of(fields)
        if wanted.resource:
            (await self._mint.target(wanted.resource)).chosen(wanted)
        now = clock.now()
        device = clock.new_token()
        short = _short_code()
        pending = Pending(
            client=client.id,
            client_since=client.since,
            client_name=client.name,
            resource=wanted.resource,
            scopes=wanted.scopes,
            openid=tuple(sorted(wanted.openid)),
            place=place,
            at=clock.stamp(now),
            until=clock.stamp(now + LIFE),
            sid=clock.new_id(),
            short=digest_of(short),
            downstream=await self._mint.downstream(wanted.resource),
        )
        key = digest_of(device)
        doc = msgspec.json.encode(pending)
        await self._store.commit(
            PutEntry(_CODES, Entry(key, clock.new_tag(), doc), expect=ABSENT),
            PutEntry(_SHORT, Entry(digest_of(short), clock.new_tag(), msgspec.json.encode(key)), expect=ABSENT),
            *await self._swept(),
        )
        return Started(device, short, int(LIFE.total_seconds()))

    # ── what the person does ─────────────────────────────────────────────────────────────────────────────────────

    async def find(self, short: str) -> Pending:
        """The program that waits with this code; case, spaces and dashes do not matter.

        Raises:
            NotFound: no program waits with it (code `DeviceCodeUnknown`).
        """
        return (await self._found(short))[1]

    async def decide(self, short: str, person: Principal, *, is_yes: bool) -> Pending:
        """Say yes or no for a person; a decision stays.

        Raises:
            NotFound: no program waits with it (code `DeviceCodeUnknown`).
            Conflict: somebody decided already (code `DeviceCodeDecided`).
        """
        entry, pending = await self._found(short)
        decided = msgspec.structs.replace(
            pending, state="yes" if is_yes else "no", oid=person.oid, since=person.since, decided_at=clock.stamp(clock.now())
        )
        try:
            await self._store.commit(
                PutEntry(_CODES, Entry(entry.key, clock.new_tag(), msgspec.json.encode(decided)), expect=entry.etag),
                DropEntry(_SHORT, pending.short),
            )
        except Stale:
            raise Conflict("Somebody has decided about this code already.", code="DeviceCodeDecided") from None
        return pending

    async def _found(self, short: str) -> tuple[Entry, Pending]:
        digest = digest_of("".join(short.split()).replace("-", "").upper())
        pointer = await self._store.entry(_SHORT, digest)
        entry = await self._store.entry(_CODES, msgspec.json.decode(pointer.doc, type=str)) if pointer is not None else None
        pending = _pending.decode(entry.doc) if entry is not None else None
        if entry is None or pending is None or pending.state != "waiting" or pending.until <= clock.stamp(clock.now()):
            raise NotFound("No program waits with this code: compare it with what the program shows.", code="DeviceCodeUnknown")
        return entry, pending

    # ── what the program does ────────────────────────────────────────────────────────────────────────────────────

    async def __call__(self, asked: Asked) -> Issued:
        """The tokens, once the person has said yes. Raises as `TokenService.grant` does."""
        device = asked.need("device_code")
        proven = await self._clients.proven(asked.fields, asked.addresses)
        key = digest_of(device)
        entry = await self._store.entry(_CODES, key)
        pending = _pending.decode(entry.doc) if entry is not None else None
        if entry is None or pending is None or (pending.client, pending.client_since) != (proven.client.id, proven.client.since):
            raise _answer("bad_verification_code", "The device code is not one of this server's, or is spent.", 70018)
        if pending.until <= clock.stamp(clock.now()):
            raise _answer("expired_token", "The code expired before a person decided. Start again.", 70019)
        if pending.state == "no":
            await self._store.commit(DropEntry(_CODES, key))
            raise _answer("authorization_declined", "The person declined.", 65004)
        if pending.state == "waiting":
            self._pace(key)
            raise _answer("authorization_pending", "The person has not decided yet.", 70016)
        person = await self._people.principal(pending.oid)
        if person is None or not person.is_enabled or person.since != pending.since or pending.decided_at < person.not_before:
            await self._store.commit(DropEntry(_CODES, key))
            raise _answer("authorization_declined", "The person was signed out everywhere since.", 65004)
        leave = Leave(person, proven, pending.sid, pending.downstream)
        wanted = Wanted(pending.resource, pending.scopes, frozenset(pending.openid))
        writes: list[Write] = [DropEntry(_CODES, key, expect=entry.etag)]
        refresh = ""
        if "offline_access" in pending.openid:
            refresh, begun = await self._consents.begin(leave, wanted)
            writes.append(begun)
        try:
            await self._store.commit(*writes)
        except Stale:
            raise _answer("bad_verification_code", "The device code is spent.", 70018) from None
        self._polled.pop(key, None)
        return await self._mint.for_person(leave, wanted, asked.version, pending.openid, refresh=refresh)

    def _pace(self, key: str) -> None:
        """Raise `slow_down` for a program that asks sooner than it was told to; each time it is to wait longer (RFC 8628, 3.5)."""
        now = clock.monotonic()
        last, pause = self._polled.get(key, (0.0, float(INTERVAL_SECONDS)))
        is_early = last > 0 and now - last < pause - 1
        if len(self._polled) >= _MOST_OPEN:
            del self._polled[next(iter(self._polled))]
        self._polled[key] = (now, pause + INTERVAL_SECONDS if is_early else pause)
        if is_early:
            raise _answer("slow_down", f"Ask every {int(pause + INTERVAL_SECONDS)} seconds.", 70016)

    async def _swept(self) -> list[Write]:
        """The removal of some codes that are over."""
        now = clock.stamp(clock.now())
        over = await overdue(self._store, _CODES, lambda entry: _pending.decode(entry.doc).until <= now)
        return [drop for entry in over for drop in (DropEntry(_CODES, entry.key), DropEntry(_SHORT, _pending.decode(entry.doc).short))]


def _answer(code: str, text: str, number: int) -> Invalid:
    if code in _REFUSED:
        return refusals.refused(text, code=code, aadsts=number)
    return Invalid(text, code=code, info={"aadsts": number})


def _short_code() -> str:
    """Nine letters, each as likely as any other."""
    found = ""
    while len(found) < _LENGTH:
        found += "".join(_LETTERS[byte % 20] for byte in clock.new_secret(16) if byte < 240)
    return found[:_LENGTH]

"""The authorization store's version, and the seals of its rows: written by a companion of the store in the same commit.

Whoever can edit the database's file must not be able to grant himself anything. Each row that decisions rest on (users,
groups, service principals, roles, assignments, deny assignments, and the tree: management groups, their subscriptions, workspaces)
has a seal: a MAC over the row and the version at which it was written. The state holds the version, and for each type the
version of its last change, the number of rows and the sum of their seals, under a MAC of its own: a row that was removed,
put back or replaced by an older one makes the sum wrong. The key is in the key ring, not in the database.

The state also names the line of the record that tells of its last change, so that the lines of changes that are in force
cannot be cut off the record's end: a start that misses that line says so on the record.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Conflict, Stale, Unavailable
from studiolo.kernel.principals import GROUPS, SERVICE_PRINCIPALS, USERS
from studiolo.kernel.store.chain import LOSS, loss_words
from studiolo.kernel.store.head import Head
from studiolo.kernel.store.port import (
    ABSENT,
    DropEntry,
    DropResource,
    DropSpace,
    Emit,
    Entry,
    Lines,
    PutEntry,
    PutResource,
    Row,
    Store,
    Write,
)
from studiolo.rooms.authorization.domain.management import MANAGEMENT_GROUPS, MEMBERSHIPS
from studiolo.rooms.authorization.domain.roles import DENY_ASSIGNMENTS, ROLE_ASSIGNMENTS, ROLE_DEFINITIONS
from studiolo.rooms.authorization.ports import Standing

SEALS: Final = "iam.seals"
STATE: Final = "iam.authorization"
STATE_KEY: Final = "state"
TREE: Final = (MANAGEMENT_GROUPS.lower(), MEMBERSHIPS.lower(), "microsoft.machinelearningservices/workspaces")
"""What makes the tree of scopes beyond their paths."""
_FIRST: Final = frozenset(
    name.lower() for name in (USERS, GROUPS, SERVICE_PRINCIPALS, ROLE_DEFINITIONS, ROLE_ASSIGNMENTS, DENY_ASSIGNMENTS)
)
"""What was sealed from the beginning; a state that does not say what it covers covers these."""
SEALED: Final = _FIRST | frozenset(TREE)
CLOSING: Final = frozenset({DENY_ASSIGNMENTS.lower(), GROUPS.lower(), *TREE})
"""Types whose damage could open something: then everything is denied. Damage to the others only takes rights away."""
_PAGE: Final = 500
_MODULUS: Final = 1 << 256
_SHARE: Final = 20  # an inspection takes at most this part of the time
_MOST_TOLD: Final = 10
_log = logging.getLogger(__name__)


class _Seal(msgspec.Struct):
    version: int
    mac: str


class _State(msgspec.Struct):
    version: int
    counts: dict[str, int]
    sums: dict[str, str]
    mac: str = ""
    covers: list[str] | None = None
    changed: dict[str, int] = {}
    record: Head | None = None


_seal = msgspec.json.Decoder(_Seal).decode
_state = msgspec.json.Decoder(_State).decode
_encode = msgspec.json.Encoder(order="sorted").encode


class Seals:
    """Seals what is written, checks what is read. `damage` names what did not hold; `is_closed` says that nothing may be allowed."""

    def __init__(self, store: Store, key: bytes) -> None:
        self._store = store
        self._key = key
        self._strangers = store.watch().strangers
        self._inspection: asyncio.Task[None] | None = None
        self._rests_until = 0.0
        self.damage: dict[str, str] = {}
        self.is_closed = False
        self.on_damage: Callable[[], None] = _nothing
        store.accompany(self._along)

    async def open(self) -> int:
        """Begin the seals of an empty store, or check all of an existing one; gives the version.

        Raises:
            Conflict: an older release wrote seals that covered less (code `AuthorizationStoreOutdated`).
            Unavailable: rows were changed by another hand than the server's (code `AuthorizationStoreDamaged`).
        """
        entry = await self._store.entry(STATE, STATE_KEY)
        if entry is not None or await self._has_rows():
            state = self._read(entry)
            lacking = _lacking(state)
            if lacking:
                raise _outdated(lacking)
            await self._tell_loss(state)
        else:
            with suppress(Stale):  # another process began it
                await self._store.commit(PutEntry(STATE, self._sealed_state(_State(1, {}, {})), expect=ABSENT))
        await self.inspect()
        if self.damage:
            raise _damaged(self.damage)
        return (await self.standing()).version

    async def accept(self) -> int:
        """Seal every row as it is now, whoever wrote it; gives how many. For an operator who has looked at them.

        The version goes on from the present one, or begins anew where that is not believed.
        """
        try:
            before = self._read(await self._store.entry(STATE, STATE_KEY))
            await self._tell_loss(before)
            state = _State(before.version + 1, {}, {}, record=before.record)
        except Unavailable:
            state = _State(int(clock.now().timestamp()), {}, {})
        await self._store.commit(DropSpace(SEALS))
        await self._cover(state, sorted(SEALED))
        self.damage, self.is_closed = {}, False
        return sum(state.counts.values())

    async def extend(self) -> dict[str, int]:
        """Seal, as they are now, the rows of types that an older release did not seal; gives how many of each.

        Raises:
            Unavailable: what was sealed does not hold (code `AuthorizationStoreDamaged`).
        """
        state = self._read(await self._store.entry(STATE, STATE_KEY))
        await self._tell_loss(state)
        lacking = _lacking(state)
        for type_name in sorted(SEALED.difference(lacking)):
            if await self._rows_in(type_name, state) is None:
                await self._name_damage(type_name)
        if self.damage:
            raise _damaged(self.damage)
        if lacking:
            state.version += 1
            await self._cover(state, lacking)
        return {type_name: state.counts.get(type_name, 0) for type_name in lacking}

    async def _tell_loss(self, state: _State) -> None:
        """Say on the record that it lacks the line by which rights were last changed; the state names what says so from then on."""
        named = state.record
        if named is None:
            return
        for line in await self._store.lines(Lines(after=named.seq - 1, limit=1)):
            if line.seq > named.seq or line.digest.hex() == named.digest:  # older lines go for their age
                return
        await self._store.commit(loss_words("RightsNewer", self._store.head()[0], named.seq))
        state.record = self._read(await self._store.entry(STATE, STATE_KEY)).record

    async def _has_rows(self) -> bool:
        for type_name in SEALED:
            if (await self._store.below("", type_name=type_name, limit=1)).rows:
                return True
        return False

    async def _cover(self, state: _State, type_names: Iterable[str]) -> None:
        for type_name in type_names:
            state.changed[type_name] = state.version
            after: str | None = ""
            while after is not None:
                page = await self._store.below("", type_name=type_name, after=after, limit=_PAGE)
                seals: list[Write] = []
                for row in page.rows:
                    seal = self._sealed_row(row, state.version)
                    _count(state, type_name, 1, _amount(seal.entry))
                    seals.append(seal)
                await self._store.commit(*seals)
                after = page.next
        await self._store.commit(PutEntry(STATE, self._sealed_state(state)))

    async def standing(self) -> Standing:
        """The durable version, and when what changed.

        Raises:
            Unavailable: it cannot be read, or not believed (codes `StoreUnavailable`, `AuthorizationStoreDamaged`).
        """
        state = await self._present()
        return Standing(state.version, state.changed)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def holds(self, row: Row) -> bool:
        """Whether a row is as it was written. If not, an alarm is raised, and if its type could open something, all is closed."""
        entry = await self._store.entry(SEALS, row.key)
        if entry is not None and self._fits(row, entry):
            return True
        # A commit may have come between the two reads.
        again, entry = await self._store.find(row.key), await self._store.entry(SEALS, row.key)
        if again == row or again is None or entry is None or not self._fits(again, entry):
            self._alarm(row.key, _type_at(row.key), "it is not as it was written")
            return False
        return await self.holds(again) and again.doc == row.doc

    async def all_of(self, type_name: str) -> Sequence[Row] | None:
        """Every row of a type; None, after an alarm, if one was changed, added, removed or put back."""
        while True:
            state = await self._present()
            rows = await self._rows_in(type_name, state)
            if (await self._present()).changed.get(type_name) == state.changed.get(type_name):
                return rows

    async def _rows_in(self, type_name: str, state: _State) -> Sequence[Row] | None:
        rows, total, is_sound = list[Row](), 0, True
        after: str | None = ""
        while after is not None:
            page = await self._store.below("", type_name=type_name, after=after, limit=_PAGE)
            for row in page.rows:
                entry = await self._store.entry(SEALS, row.key)
                fits = entry is not None and self._fits(row, entry)
                is_sound = is_sound and fits
                total += _amount(entry) if entry is not None and fits else 0
                rows.append(row)
            after = page.next
        is_whole = len(rows) == state.counts.get(type_name, 0) and total % _MODULUS == int(state.sums.get(type_name, "0"), 16)
        return rows if is_sound and is_whole else None

    async def inspect(self) -> None:
        """Check every row and the state; what does not hold is in `damage` afterwards."""
        begun = clock.monotonic()
        try:
            for type_name in sorted(SEALED):
                if await self.all_of(type_name) is None:
                    await self._name_damage(type_name)
                await asyncio.sleep(0)
        except Unavailable as fault:
            if fault.code == "AuthorizationStoreDamaged":
                self._alarm(f"{STATE}/{STATE_KEY}", DENY_ASSIGNMENTS.lower(), "it is not as it was written")
        self._rests_until = clock.monotonic() + _SHARE * (clock.monotonic() - begun)

    def glance(self) -> int:
        """A number that changes with any commit of anybody. After one of another process, everything is checked in the background."""
        found = self._store.watch()
        is_free = self._inspection is None or self._inspection.done()
        if found.strangers != self._strangers and is_free and clock.monotonic() >= self._rests_until:
            self._strangers = found.strangers
            self._inspection = asyncio.get_running_loop().create_task(self.inspect())
        return found.changes

    async def rest(self) -> None:
        """Wait for an inspection that goes on."""
        if self._inspection is not None:
            await self._inspection

    async def _name_damage(self, type_name: str) -> None:
        before, after = len(self.damage), ""
        while after is not None:
            page = await self._store.below("", type_name=type_name, after=after, limit=_PAGE)
            for row in page.rows:
                entry = await self._store.entry(SEALS, row.key)
                if entry is None or not self._fits(row, entry):
                    self._alarm(row.key, type_name, "it is not as it was written")
            after = page.next
        if len(self.damage) == before:
            self._alarm(type_name, type_name, "rows were removed, or older ones put back")

    def _alarm(self, key: str, type_name: str, why: str) -> None:
        if key in self.damage:
            return
        self.damage[key] = why
        self.is_closed = self.is_closed or type_name in CLOSING
        consequence = "every call is denied until it is mended" if type_name in CLOSING else "it does not count"
        _log.critical("authorization store damaged: '%s': %s; %s", key, why, consequence)
        self.on_damage()

    async def _present(self) -> _State:
        entry = await self._store.entry(STATE, STATE_KEY)
        return self._believed(entry)

    def _believed(self, entry: Entry | None) -> _State:
        state = self._read(entry)
        if _lacking(state):
            raise _damaged({f"{STATE}/{STATE_KEY}": "it is an older release's"})
        return state

    def _read(self, entry: Entry | None) -> _State:
        """What the state says, also where it covers less than it should."""
        try:
            state = _state(entry.doc) if entry is not None else None
        except msgspec.DecodeError:
            state = None
        if state is None or not hmac.compare_digest(state.mac.encode(), self._state_mac(state).encode()):
            raise _damaged({f"{STATE}/{STATE_KEY}": "it is not as it was written"})
        return state

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _along(self, writes: Sequence[Write], entry: Callable[[str, str], Entry | None], head: Callable[[], Head]) -> Sequence[Write]:
        touching = [write for write in writes if isinstance(write, PutResource | DropResource) and _type_of(write) in SEALED]
        if not touching:
            tells_loss = any(isinstance(write, Emit) and write.kind == LOSS for write in writes)
            return [self._renamed(self._read(entry(STATE, STATE_KEY)), head())] if tells_loss else ()
        state = self._believed(entry(STATE, STATE_KEY))
        state.version += 1
        state.record = head()
        seals: dict[str, PutEntry | DropEntry] = {}
        for write in touching:
            type_name, key = _type_of(write), write.row.key if isinstance(write, PutResource) else write.key
            state.changed[type_name] = state.version
            said = seals.get(key)
            old = entry(SEALS, key) if said is None else said.entry if isinstance(said, PutEntry) else None
            if old is not None:
                _count(state, type_name, -1, -_amount(old))
            if isinstance(write, PutResource):
                seal = seals[key] = self._sealed_row(write.row, state.version)
                _count(state, type_name, 1, _amount(seal.entry))
            else:
                seals[key] = DropEntry(SEALS, key)
        return [*seals.values(), PutEntry(STATE, self._sealed_state(state))]

    def _renamed(self, state: _State, record: Head) -> PutEntry:
        """The same state, which names another line."""
        state.record = record
        state.mac = self._state_mac(state)
        return PutEntry(STATE, Entry(STATE_KEY, str(state.version), _encode(state)))

    def _sealed_row(self, row: Row, version: int) -> PutEntry:
        return PutEntry(SEALS, Entry(row.key, str(version), _encode(_Seal(version, self._row_mac(row, version)))))

    def _fits(self, row: Row, entry: Entry) -> bool:
        try:
            seal = _seal(entry.doc)
            mac = self._row_mac(row, seal.version)
        except (msgspec.DecodeError, TypeError, AttributeError):  # a column can be made to hold another type of value
            return False
        return hmac.compare_digest(seal.mac.encode(), mac.encode())

    def _row_mac(self, row: Row, version: int) -> str:
        private = b"-" if row.private is None else b"+" + row.private
        parts = (b"%d" % version, row.key.encode(), row.type.encode(), row.parent.encode(), row.etag.encode(), row.created.encode())
        return self._mac(b"row", *parts, row.doc, private)

    def _sealed_state(self, state: _State) -> Entry:
        state.covers = sorted(SEALED)
        state.mac = self._state_mac(state)
        return Entry(STATE_KEY, str(state.version), _encode(state))

    def _state_mac(self, state: _State) -> str:
        # The words differ, so that what was left out of an older one cannot be added to it.
        if state.covers is None:
            return self._mac(b"state", _encode([state.version, state.counts, state.sums]))
        told = [state.version, state.counts, state.sums, state.covers, state.changed]
        if state.record is None:
            return self._mac(b"covering state", _encode(told))
        return self._mac(b"recorded state", _encode([*told, state.record]))

    def _mac(self, *parts: bytes) -> str:
        text = b"".join([b"%d:%b" % (len(part), part) for part in parts])
        return hmac.digest(self._key, text, "sha256").hex()


def told_of_record(doc: bytes, newest_seal: int) -> Head | None:
    """The head that a stored state names, for whoever looks at a database without its keys; None for one of an older release.

    A state that does not hold is for `Seals` to find out; here counts that no sealed row (`newest_seal`) is newer than it says.

    Raises:
        ValueError: it cannot be read, or rows are newer.
    """
    state = _state(doc)
    if newest_seal > state.version:
        msg = f"rights were changed at version {newest_seal}, and the standing of rights says {state.version}"
        raise ValueError(msg)
    return state.record


def version_in(writes: Sequence[Write]) -> int | None:
    """The version that a commit made; None if it touched no right."""
    for write in reversed(writes):
        if isinstance(write, PutEntry) and write.space == STATE:
            return int(write.entry.etag)
    return None


def _type_of(write: PutResource | DropResource) -> str:
    return write.row.type if isinstance(write, PutResource) else write.type


def _type_at(key: str) -> str:
    """The type that a row has by its place, whatever it says itself."""
    namespace, *path = key.rpartition("/providers/")[2].split("/")
    return "/".join([namespace, *path[::2]])


def _lacking(state: _State) -> list[str]:
    """What a state should cover and does not."""
    return sorted(SEALED.difference(_FIRST if state.covers is None else state.covers))


def _outdated(lacking: Sequence[str]) -> Conflict:
    return Conflict(
        f"An older release made this studio, which did not seal {', '.join(lacking)}: whether those rows were changed by another hand "
        "cannot be told. Look at them, then accept them as they are with `studiolo upgrade`.",
        code="AuthorizationStoreOutdated",
    )


def _amount(entry: Entry) -> int:
    try:
        return int(_seal(entry.doc).mac, 16)
    except ValueError:  # msgspec's errors are of this kind too
        raise _damaged({f"{SEALS}/{entry.key}": "it is not as it was written"}) from None


def _count(state: _State, type_name: str, number: int, amount: int) -> None:
    state.counts[type_name] = state.counts.get(type_name, 0) + number
    state.sums[type_name] = f"{(int(state.sums.get(type_name, '0'), 16) + amount) % _MODULUS:x}"


def _damaged(damage: dict[str, str]) -> Unavailable:
    told = "; ".join(f"'{key}': {why}" for key, why in list(damage.items())[:_MOST_TOLD])
    return Unavailable(
        f"The authorization store was changed by another hand than this server's: {told}. "
        "Put the database back from a backup; or, if the change was yours, accept it with `studiolo access seal`.",
        code="AuthorizationStoreDamaged",
    )


def _nothing() -> None:
    """Nobody listens yet."""

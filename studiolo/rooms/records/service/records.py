"""The record at work: pages of lines, one decision with all that bears on it, the head, and the end of old lines."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Fault
from studiolo.kernel.record import REPEATS, Recorder, Repeats
from studiolo.kernel.resource import PLATFORM, Caller, JsonObject
from studiolo.kernel.store.chain import Keeper
from studiolo.kernel.store.head import Head
from studiolo.kernel.store.port import CutRecord, Emit, Entry, Line, Lines, PutEntry, Store
from studiolo.rooms.records.domain import WRITE_RETENTION, Retention, Wanted
from studiolo.rooms.records.ports import Grantors

_SPACE: Final = "records"
_RETENTION: Final = "retention"
_BATCH: Final = 1000
_MOST_LOOKED_AT: Final = 20_000
_LOOK_SECONDS: Final = 24 * 3600.0
_log = logging.getLogger(__name__)


class Records:
    """The use cases of the record."""

    def __init__(self, store: Store, recorder: Recorder, keeper: Keeper, grantors: Grantors) -> None:
        self._store = store
        self._recorder = recorder
        self._keeper = keeper
        self._grantors = grantors

    async def page(self, wanted: Wanted, scope: str, admits: Callable[[str], bool]) -> tuple[Sequence[Line], int | None]:
        """The lines of a page that may be seen, and where the next one begins; None at the end.

        A page can be empty and still have a next one: a call looks at so many lines at most.
        """
        under = "" if scope == "/" else scope.lower()
        after, before = wanted.after, wanted.before
        if wanted.oldest_first and wanted.since:
            after = max(after, await self.last_before(wanted.since))
        elif not wanted.oldest_first and wanted.until:
            edge = await self.last_before(wanted.until) + 1
            before = min(before, edge) if before else edge
        found: list[Line] = []
        for _ in range(0, _MOST_LOOKED_AT, _BATCH):
            asked = Lines(after, before, under, wanted.kinds, wanted.who, _BATCH, newest_first=not wanted.oldest_first)
            lines = await self._store.lines(asked)
            for line in lines:
                if (line.at >= wanted.until) if wanted.oldest_first and wanted.until else (line.at < wanted.since):
                    return found, None
                if admits(line.target or "/"):
                    found.append(line)
                    if len(found) == wanted.limit:
                        return found, line.seq
            if len(lines) < _BATCH:
                return found, None
            after, before = (lines[-1].seq, before) if wanted.oldest_first else (after, lines[-1].seq)
        return found, after if wanted.oldest_first else before

    async def last_before(self, moment: str) -> int:
        """The number of the last line that is older than a moment; lines are in the order of time."""
        low, high = 0, self._store.head()[0]
        while low < high:
            middle = (low + high + 1) // 2
            lines = await self._store.lines(Lines(after=middle - 1, limit=1))
            if lines and lines[0].at < moment:
                low = max(middle, lines[0].seq)
            else:
                high = middle - 1
        return low

    async def decision(self, id_: str) -> Line | None:
        """The line of a decision; None if there is none, or none any more."""
        return await self._store.line(id_.lower())

    async def repeats(self, line: Line) -> Repeats:
        """How many more refusals share a decision's line. A crash within the two seconds that follow it loses the number."""
        found = self._recorder.repeats(line.id)
        if found is not None:
            return found
        asked = Lines(after=line.seq, kinds=(REPEATS,), caller=line.caller, limit=_BATCH)
        for later in await self._store.lines(asked):
            doc = msgspec.json.decode(later.doc)
            if doc["of"] == line.id:
                return Repeats(doc["count"], doc.get("last", later.at))
        return Repeats(0, line.at)

    async def grantors(self, line: Line) -> Sequence[JsonObject]:
        """Which roles would have allowed what was refused, and who could give them; nothing where nobody was proven."""
        return await self._grantors.grantors(line.caller, line.action, line.target) if line.caller and line.action else ()

    def head(self) -> Head:
        """The newest line's number and digest, sealed: to be kept where nobody who may change the record can."""
        seq, digest = self._store.head()
        return Head(seq, digest.hex(), clock.stamp(clock.now())).sealed(self._keeper.key)

    # ── old lines ────────────────────────────────────────────────────────────────────────────────────────────────

    async def retention(self) -> Retention:
        """For how long lines are kept."""
        entry = await self._store.entry(_SPACE, _RETENTION)
        return msgspec.json.decode(entry.doc, type=Retention) if entry else Retention()

    async def keep_for(self, caller: Caller, retention: Retention) -> None:
        """Keep lines for so many days from now on; older ones go within a day. Raises Invalid for a number out of bounds."""
        retention.check()
        before, at = await self.retention(), clock.stamp(clock.now())
        doc = msgspec.json.encode({"days": retention.days, "before": before.days})
        await self._store.commit(
            PutEntry(_SPACE, Entry(_RETENTION, clock.new_tag(), msgspec.json.encode(retention))),
            Emit(at, WRITE_RETENTION, "Succeeded", "/", caller.oid, doc),
        )

    async def cut(self) -> None:
        """Drop the lines that are older than lines are kept; a line of its own stands in for each lot."""
        oldest = clock.now() - timedelta(days=(await self.retention()).days)
        older_than = clock.stamp(oldest)
        while True:
            lines = await self._store.lines(Lines(limit=1))
            if not lines or lines[0].at >= older_than or lines[0].seq == self._store.head()[0]:
                return
            await self._store.commit(CutRecord(older_than, clock.stamp(clock.now()), PLATFORM.oid))

    async def keep(self) -> None:
        """Cut once a day, for as long as the studio runs."""
        while True:
            try:
                await self.cut()
            except Fault as fault:
                _log.warning("Old lines of the record could not be dropped: %s", fault.message)
            await asyncio.sleep(_LOOK_SECONDS)

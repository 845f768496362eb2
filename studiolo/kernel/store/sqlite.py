"""The store on SQLite: point reads in the event loop, one writer thread that commits in groups.

Grouping makes full synchronisation affordable: an acknowledged commit has reached the disk, and the cost of reaching
it is shared by all callers that waited meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from studiolo.kernel.faults import Fault, Stale, Unavailable
from studiolo.kernel.request import CALLER, REQUEST_ID
from studiolo.kernel.resource import PLATFORM
from studiolo.kernel.store.chain import BEGINNING, Chain, Keeper, cut_words, first_words, further_words
from studiolo.kernel.store.migrate import migrate
from studiolo.kernel.store.port import (
    ABSENT,
    ANY,
    Companion,
    CutRecord,
    DropEntry,
    DropPayload,
    DropResource,
    DropSpace,
    Emit,
    Entry,
    Expect,
    ExpectNoFacet,
    ExpectNothingBelow,
    Line,
    Lines,
    OperationRow,
    Page,
    PutEntry,
    PutOperation,
    PutPayload,
    PutResource,
    Row,
    Watch,
    Write,
)
from studiolo.kernel.store.untold import untold

_GROUP = 256
_ROW = "key, type, parent, etag, doc, private, created"
# Most writes change nothing that a resource is found or ordered by: its indexes are left alone then.
_CHANGE_RESOURCE = "update resources set etag = ?, doc = ?, private = ? where key = ? and type = ? and parent = ? and created = ?"
_PUT_RESOURCE = f"insert or replace into resources ({_ROW}) values (?, ?, ?, ?, ?, ?, ?)"
_OPERATION = "id, target, kind, status, doc, token, owner, leased_until, created"
_LINE = "seq, id, at, action, status, target, caller, kind, reason, deciding, version, request, doc, previous, digest, seal"
_ADD_LINE = f"insert into record ({_LINE}) values ({', '.join('?' * 16)})"
_log = logging.getLogger(__name__)


class _Job(NamedTuple):
    writes: Sequence[Write]
    done: asyncio.Future[None]


def connect(path: Path) -> sqlite3.Connection:
    """A connection with the settings that the promises rest on."""
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, cached_statements=256)
    for pragma in ("journal_mode=wal", "synchronous=full", "busy_timeout=10000", "cache_size=-8000", "wal_autocheckpoint=4000"):
        connection.execute(f"pragma {pragma}")
    return connection


class SqliteStore:
    """A `Store` in one SQLite file; see the port for its promises."""

    def __init__(self, path: Path, keeper: Keeper | None = None) -> None:
        """Make or upgrade the file at `path` and start the writer. Without a keeper the record is chained, and not sealed."""
        migrate(path)
        self._reader = connect(path)
        self._writer = connect(path)
        self._chain = self._open_record(keeper)
        self._place = self._chain.place
        self._bear_witness()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._listeners: list[Callable[[Sequence[Write]], None]] = []
        self._companions: list[Companion] = []
        self._own = self._own_seen = self._strangers = 0
        self._reader_saw, self._writer_saw = (_data_version(one) for one in (self._reader, self._writer))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._write_groups, name="store-writer", daemon=True)
        self._thread.start()

    def listen(self, listener: Callable[[Sequence[Write]], None]) -> None:
        """See the port."""
        self._listeners.append(listener)

    def accompany(self, companion: Companion) -> None:
        """See the port."""
        self._companions.append(companion)

    def watch(self) -> Watch:
        """See the port."""
        try:
            seen, own = _data_version(self._reader), self._own
        except sqlite3.Error as error:
            raise Unavailable(f"The store could not be read: {error}.", code="StoreUnavailable") from None
        if seen != self._reader_saw:
            # A change while we wrote nothing is somebody else's; if we wrote too, our next commit tells.
            self._strangers += own == self._own_seen
            self._reader_saw, self._own_seen = seen, own
        return Watch(seen, self._strangers)

    # ── reads ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def find(self, key: str) -> Row | None:
        """See the port."""
        found = self._reader.execute(f"select {_ROW} from resources where key = ?", (key,)).fetchone()
        return Row._make(found) if found else None

    async def page(self, parent: str, *, after: str = "", limit: int = 100) -> Page:
        """See the port."""
        sql = f"select {_ROW} from resources where parent = ? and key > ? order by key limit ?"
        return self._page(sql, (parent, after, limit + 1), limit)

    async def by_age(self, parent: str, *, limit: int, after: tuple[str, str] | None = None, is_descending: bool = True) -> Sequence[Row]:
        """See the port."""
        order, beyond = ("desc", "<") if is_descending else ("asc", ">")
        onward = f"and (created, key) {beyond} (?, ?)" if after else ""
        sql = f"select {_ROW} from resources where parent = ? {onward} order by created {order}, key {order} limit ?"
        return [Row._make(r) for r in self._reader.execute(sql, (parent, *(after or ()), limit))]

    async def below(self, prefix: str, *, type_name: str | None = None, after: str = "", limit: int = 100) -> Page:
        """See the port."""
        low, high = max(prefix + "/", after), prefix + "0"  # '0' follows '/' in ASCII
        if type_name is None:
            sql = f"select {_ROW} from resources where key > ? and key < ? order by key limit ?"
            return self._page(sql, (low, high, limit + 1), limit)
        sql = f"select {_ROW} from resources where type = ? and key > ? and key < ? order by key limit ?"
        return self._page(sql, (type_name, low, high, limit + 1), limit)

    async def by_facet(self, type_name: str, value: str, *, under: str = "", after: str = "", limit: int = 1000) -> Page:
        """See the port."""
        low, high = max(f"{under}/", after), f"{under}0"
        sql = (
            "select r.key, r.type, r.parent, r.etag, r.doc, r.private, r.created from facets f join resources r on r.key = f.key "
            "where f.type = ? and f.value = ? and f.key > ? and f.key < ? order by f.key limit ?"
        )
        return self._page(sql, (type_name, value, low, high, limit + 1), limit)

    def _page(self, sql: str, arguments: tuple[str | int, ...], limit: int) -> Page:
        rows = [Row._make(r) for r in self._reader.execute(sql, arguments)]
        if len(rows) <= limit:
            return Page(rows, None)
        return Page(rows[:limit], rows[limit - 1].key)

    async def entry(self, space: str, key: str) -> Entry | None:
        """See the port."""
        found = self._reader.execute("select key, etag, doc from entries where space = ? and key = ?", (space, key)).fetchone()
        return Entry._make(found) if found else None

    async def entries(self, space: str, *, prefix: str = "", after: str = "", limit: int = 1000) -> Sequence[Entry]:
        """See the port."""
        end = _end_of(prefix)
        bound = "and key < ?" if end else ""
        sql = f"select key, etag, doc from entries where space = ? and key > ? and key >= ? {bound} order by key limit ?"
        return [Entry._make(r) for r in self._reader.execute(sql, (space, after, prefix, *([end] if end else []), limit))]

    async def payload(self, name: str) -> bytes | None:
        """See the port."""
        found = self._reader.execute("select data from payloads where name = ?", (name,)).fetchone()
        return found[0] if found else None

    async def operation(self, operation_id: str) -> OperationRow | None:
        """See the port."""
        found = self._reader.execute(f"select {_OPERATION} from operations where id = ?", (operation_id,)).fetchone()
        return OperationRow._make(found) if found else None

    async def due(self, now: float, *, limit: int = 16) -> Sequence[OperationRow]:
        """See the port."""
        sql = f"select {_OPERATION} from operations where status = 'InProgress' and leased_until <= ? order by leased_until limit ?"
        return [OperationRow._make(r) for r in self._reader.execute(sql, (now, limit))]

    async def lines(self, asked: Lines) -> Sequence[Line]:
        """See the port."""
        where: list[str] = ["seq > ?"]
        arguments: list[str | int] = [asked.after]
        if asked.before:
            where.append("seq < ?")
            arguments.append(asked.before)
        order = "desc" if asked.newest_first else "asc"
        if asked.caller:
            where.append("caller = ?")
            arguments.append(asked.caller)
        if asked.kinds:
            where.append(f"kind in ({', '.join('?' * len(asked.kinds))})")
            arguments.extend(asked.kinds)
        if asked.under:
            where.append("(target = ? or (target > ? and target < ?))")
            arguments.extend((asked.under, asked.under + "/", asked.under + "0"))
        sql = f"select {_LINE} from record where {' and '.join(where)} order by seq {order} limit ?"
        return [Line._make(r) for r in self._reader.execute(sql, (*arguments, asked.limit))]

    async def line(self, decision: str) -> Line | None:
        """See the port."""
        found = self._reader.execute(f"select {_LINE} from record where id = ? and id <> ''", (decision,)).fetchone()
        return Line._make(found) if found else None

    def head(self) -> tuple[int, bytes]:
        """See the port."""
        return self._place

    # ── writes ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def commit(self, *writes: Write) -> None:
        """See the port."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        request = REQUEST_ID.get()
        told = [*writes, *untold(writes, CALLER.get() or PLATFORM.oid)]
        if request:
            told = [write._replace(request=request) if isinstance(write, Emit) and not write.request else write for write in told]
        self._jobs.put(_Job(told, done))
        await done

    async def close(self) -> None:
        """See the port."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        self._reader.close()
        self._bear_witness(is_last=True)
        self._writer.execute("pragma optimize")
        self._writer.close()

    def _write_groups(self) -> None:
        last = False
        while not last:
            first = self._jobs.get()
            if first is None:
                return
            group = [first]
            while len(group) < _GROUP and not self._jobs.empty():
                job = self._jobs.get()
                if job is None:
                    last = True
                    break
                group.append(job)
            outcomes = self._write_group(group)
            if self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._tell, group, outcomes)
            self._bear_witness()

    def _write_group(self, group: Sequence[_Job]) -> list[Fault | Sequence[Write]]:
        """Commit the jobs in one transaction; if that fails, each in its own, so that one cannot spoil the rest."""
        try:
            return self._transaction(group)
        except sqlite3.Error:
            outcomes: list[Fault | Sequence[Write]] = []
            for job in group:
                try:
                    outcomes += self._transaction([job])
                except sqlite3.Error as error:
                    outcomes.append(Unavailable(f"The store could not write: {error}. Check the free disk space.", code="StoreUnavailable"))
            return outcomes

    def _transaction(self, group: Sequence[_Job]) -> list[Fault | Sequence[Write]]:
        """What each job wrote, or why it did not."""
        outcomes: list[Fault | Sequence[Write]] = []
        execute = self._writer.execute
        before = self._chain.place
        execute("begin immediate")
        try:
            # Another process may have written to the file since.
            self._chain.return_to(execute("select seq, digest from record order by seq desc limit 1").fetchone() or (0, BEGINNING))
            lost = further_words(before, self._chain.place)
            if lost is not None:
                execute(_ADD_LINE, self._chain.line(lost))
            self._look_for_strangers()
            outcomes.extend(map(self._written, group))
            self._own += 1
            execute("commit")
        except BaseException:
            self._chain.return_to(before)
            if self._writer.in_transaction:
                execute("rollback")
            raise
        self._place = self._chain.place
        return outcomes

    def _written(self, job: _Job) -> Fault | Sequence[Write]:
        if not all(map(self._holds, job.writes)):
            return Stale("The resource was changed or made by somebody else meanwhile; read it again and retry.")
        writes, place = job.writes, self._chain.place
        lines = [self._chain.line(write) for write in writes if isinstance(write, Emit)]
        try:
            for companion in self._companions:
                if more := companion(job.writes, self._entry_within, self._chain.head):
                    writes = [*writes, *more]
        except Fault as fault:
            self._chain.return_to(place)
            return fault
        for line in lines:
            self._writer.execute(_ADD_LINE, line)
        for write in writes:
            self._perform(write)
        return writes

    def _entry_within(self, space: str, key: str) -> Entry | None:
        found = self._writer.execute("select key, etag, doc from entries where space = ? and key = ?", (space, key)).fetchone()
        return Entry._make(found) if found else None

    def _look_for_strangers(self) -> None:
        seen = _data_version(self._writer)
        if seen != self._writer_saw:
            self._writer_saw = seen
            self._strangers += 1

    def _perform(self, write: Write) -> None:
        match write:
            case CutRecord():
                self._cut(write)
            case PutResource(row=row, facets=facets):
                self._put(row, facets)
            case _:
                for sql, arguments in _statements(write):
                    self._writer.execute(sql, arguments)

    def _put(self, row: Row, facets: Sequence[str]) -> None:
        execute = self._writer.execute
        if not execute(_CHANGE_RESOURCE, (row.etag, row.doc, row.private, row.key, row.type, row.parent, row.created)).rowcount:
            execute(_PUT_RESOURCE, row)
        execute("delete from facets where key = ?", (row.key,))
        for value in facets:
            execute("insert or ignore into facets (type, value, key) values (?, ?, ?)", (row.type, value, row.key))

    # ── the record ───────────────────────────────────────────────────────────────────────────────────────────────

    def _open_record(self, keeper: Keeper | None) -> Chain:
        """Take up the chain where it ends, and let it say first whether it is as it was left."""
        newest = self._line_where("1 order by seq desc limit 1")
        head = keeper.head() if keeper is not None else None
        witnessed = self._line_where("seq = ?", head.seq) if head is not None else None
        chain = Chain(keeper, newest.seq if newest else 0, newest.digest if newest else BEGINNING)
        said = first_words(keeper, newest, witnessed)
        if said is not None:
            self._writer.execute(_ADD_LINE, chain.line(said))
        return chain

    def _line_where(self, condition: str, *arguments: int) -> Line | None:
        found = self._writer.execute(f"select {_LINE} from record where {condition}", arguments).fetchone()
        return Line._make(found) if found else None

    def _cut(self, write: CutRecord) -> None:
        """Drop the oldest lines, except the newest of all; the line that stands in for them says how the rest goes on."""
        old = "select seq, at from record order by seq limit ?"
        through = 0
        for seq, at in self._writer.execute(old, (write.limit,)):
            if at >= write.older_than or seq == self._chain.place[0]:
                break
            through = seq
        last = self._line_where("seq = ?", through)
        if last is not None:
            self._writer.execute("delete from record where seq <= ?", (through,))
            self._writer.execute(_ADD_LINE, self._chain.line(cut_words(write, last)))

    def _bear_witness(self, *, is_last: bool = False) -> None:
        try:
            self._chain.bear_witness(is_last=is_last)
        except (Fault, OSError):
            _log.warning("The head of the record could not be kept outside the database; the next lines try again.")

    def _holds(self, write: Write) -> bool:
        match write:
            case PutResource(row=row, expect=expect) if expect != ANY:
                found = self._writer.execute("select etag from resources where key = ?", (row.key,)).fetchone()
            case DropResource(key=key, expect=expect) if expect != ANY:
                found = self._writer.execute("select etag from resources where key = ?", (key,)).fetchone()
            case Expect(key=key, etag=expect):
                found = self._writer.execute("select etag from resources where key = ?", (key,)).fetchone()
            case ExpectNothingBelow(key=key):
                below = "select 1 from resources where key > ? and key < ? limit 1"
                return self._writer.execute(below, (key + "/", key + "0")).fetchone() is None
            case ExpectNoFacet(type=type_name, value=value):
                carrying = "select 1 from facets where type = ? and value = ? limit 1"
                return self._writer.execute(carrying, (type_name, value)).fetchone() is None
            case PutEntry(space=space, entry=entry, expect=expect) if expect != ANY:
                found = self._writer.execute("select etag from entries where space = ? and key = ?", (space, entry.key)).fetchone()
            case DropEntry(space=space, key=key, expect=expect) if expect != ANY:
                found = self._writer.execute("select etag from entries where space = ? and key = ?", (space, key)).fetchone()
            case PutOperation(row=row, expect_token=token) if token is not None:
                found = self._writer.execute("select token from operations where id = ?", (row.id,)).fetchone()
                return found is not None and found[0] == token
            case _:
                return True
        return found is None if expect == ABSENT else found is not None and found[0] == expect

    def _tell(self, group: Sequence[_Job], outcomes: Sequence[Fault | Sequence[Write]]) -> None:
        for job, outcome in zip(group, outcomes, strict=True):
            if not isinstance(outcome, Fault):
                for listener in self._listeners:
                    listener(outcome)
            if job.done.cancelled():
                continue
            if isinstance(outcome, Fault):
                job.done.set_exception(outcome)
            else:
                job.done.set_result(None)


def _data_version(connection: sqlite3.Connection) -> int:
    """A number that changes when another connection has committed."""
    return connection.execute("pragma data_version").fetchone()[0]


def _end_of(prefix: str) -> str | None:
    """The least text that sorts after everything that begins with `prefix`; None if there is none."""
    stem = prefix.rstrip("\U0010ffff")
    if not stem:
        return None
    following = ord(stem[-1]) + 1
    return stem[:-1] + chr(0xE000 if 0xD800 <= following <= 0xDFFF else following)


_Statement = tuple[str, tuple[str | bytes | int | float | None, ...]]


def _statements(write: Write) -> list[_Statement]:
    match write:
        case DropResource(key=key):
            return [("delete from resources where key = ?", (key,)), ("delete from facets where key = ?", (key,))]
        case PutEntry(space=space, entry=entry):
            return [("insert or replace into entries (space, key, etag, doc) values (?, ?, ?, ?)", (space, *entry))]
        case DropEntry(space=space, key=key):
            return [("delete from entries where space = ? and key = ?", (space, key))]
        case DropSpace(space=space):
            return [("delete from entries where space = ?", (space,))]
        case PutPayload(name=name, data=data):
            return [("insert into payloads (name, data) values (?, ?)", (name, data))]
        case DropPayload(name=name):
            return [("delete from payloads where name = ?", (name,))]
        case PutOperation(row=row):
            return [(f"insert or replace into operations ({_OPERATION}) values (?, ?, ?, ?, ?, ?, ?, ?, ?)", tuple(row))]
        case Expect() | ExpectNothingBelow() | ExpectNoFacet():
            return []
        case Emit() | CutRecord() | PutResource():
            return []

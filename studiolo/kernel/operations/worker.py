"""The worker: takes the lease of an operation, runs its steps, writes the end with its token.

One operation at a time works on a resource: it holds its target from before it is written until it has ended, and who
else wants to write or remove the target waits for that.

A worker may die on every line. The journal holds what is done; whoever takes the lease next goes on behind it. A
worker that lost its lease cannot write: its token is no longer the newest, so its commit is refused and dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, TypeVar

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Conflict, Fault, Stale, Unavailable
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.resource import Caller, JsonObject
from studiolo.kernel.store.port import Emit, OperationRow, PutOperation, Store, Write

T = TypeVar("T")
_LEASE_SECONDS = 30.0
_TRIES = 5
_GOING_ON = "InProgress"
_ALL = 1_000_000
_log = logging.getLogger(__name__)


class Report(msgspec.Struct, omit_defaults=True):
    """What an operation's row keeps: on whose behalf and by which right, the outcomes of steps, the fault that ended it."""

    caller: dict[str, Any]
    started: str
    action: str = ""
    journal: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    ended: str | None = None
    error: dict[str, Any] | None = None
    tries: int = 0
    context: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])


_reports = msgspec.json.Decoder(Report)
Work = Callable[["Run"], Awaitable[Sequence[Write]]]
Undo = Callable[["Run", Fault], Awaitable[Sequence[Write]]]


class _Kind(NamedTuple):
    work: Work
    undo: Undo
    is_closing: bool


@dataclass(slots=True)
class Hold:
    """That a resource is worked on: by which operation, if by one, and whether nothing may be made in it any more."""

    operation: str = ""
    is_closing: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Run:
    """One worker's hold on one operation; what a type's steps see as `Step`."""

    def __init__(self, store: Store, row: OperationRow, hold: Hold) -> None:
        self._store = store
        self._hold = hold
        self.row = row
        self.report = _reports.decode(row.doc)
        self.target: ResourceId = parse(row.target)
        self.caller = msgspec.convert(self.report.caller, Caller)
        self._writing = asyncio.Lock()

    async def once(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """See `kernel.resource.Step`."""
        if name in self.report.journal:
            return self.report.journal[name]
        outcome = await work()
        self.report.journal[name] = outcome
        await self.write()
        return outcome

    def close(self) -> None:
        """Let nobody make anything in the target from here on: it goes."""
        self._hold.is_closing = True

    async def write(self, *others: Write, status: str | None = None) -> None:
        """Write the report, and whatever else belongs to it, while this worker's token is the newest.

        Raises:
            Stale: another worker has taken the operation over, or another write's expectation failed.
        """
        async with self._writing:
            row = self.row._replace(
                doc=msgspec.json.encode(self.report),
                leased_until=0.0 if status else clock.epoch() + _LEASE_SECONDS,
                status=status or self.row.status,
            )
            await self._store.commit(PutOperation(row, expect_token=self.row.token), *others)
            self.row = row


class Operations:
    """All long operations of this process."""

    def __init__(self, store: Store, *, owner: str) -> None:
        self._store = store
        self._owner = owner
        self._kinds: dict[str, _Kind] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._holds: dict[str, Hold] = {}

    def register(self, kind: str, work: Work, undo: Undo, *, is_closing: bool = False) -> None:
        """Say how operations of a kind are done, what is written when one fails for good, and whether they end their target."""
        self._kinds[kind] = _Kind(work, undo, is_closing)

    def new(self, kind: str, target: ResourceId, caller: Caller, action: str, *, context: JsonObject | None = None) -> PutOperation:
        """The write that begins an operation, already leased to this process. `action` is what the activity log says of its end."""
        started = clock.stamp(clock.now())
        report = Report(caller=asdict(caller), started=started, action=action, context=context or {})
        return PutOperation(
            OperationRow(
                id=clock.new_id(),
                target=target.text,
                kind=kind,
                status=_GOING_ON,
                doc=msgspec.json.encode(report),
                token=1,
                owner=self._owner,
                leased_until=clock.epoch() + _LEASE_SECONDS,
                created=started,
            )
        )

    # ── one at a time ────────────────────────────────────────────────────────────────────────────────────────────

    def hold_on(self, key: str) -> Hold | None:
        """What works on the resource with this key now."""
        return self._holds.get(key)

    async def wait_for(self, key: str, seconds: float) -> None:
        """Return when nothing works on the resource with this key.

        Raises:
            Conflict: something still does after so many seconds (code `AnotherOperationInProgress`).
        """
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                while (hold := self._holds.get(key)) is not None:
                    await hold.ended.wait()
        except TimeoutError:
            raise Conflict(f"Another operation works on '{key}'; try again when it has ended.", code="AnotherOperationInProgress") from None

    @asynccontextmanager
    async def alone(self, key: str, seconds: float) -> AsyncGenerator[None]:
        """Wait until nothing works on a resource that is to be removed, and keep others off it. Raises as `wait_for`."""
        await self.wait_for(key, seconds)
        hold = self._take(key, Hold(is_closing=True))
        try:
            yield
        finally:
            self._let_go(key, hold)

    def _take(self, key: str, hold: Hold) -> Hold:
        self._holds[key] = hold
        return hold

    def _let_go(self, key: str, hold: Hold) -> None:
        if self._holds.get(key) is hold:
            del self._holds[key]
        hold.ended.set()

    # ── running ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def run(self, operation: PutOperation, *others: Write, patience_seconds: float) -> OperationRow:
        """Write a new operation together with what it follows from, run it, and wait for its end.

        It waits so long at most; then the operation goes on by itself. The target is held from this call on. Returns
        the operation's newest row.

        Raises:
            Stale: an expectation does not hold, or another operation holds the target; nothing was written.
        """
        row = operation.row
        key = parse(row.target).key
        if key in self._holds:
            raise Stale(f"Another operation works on '{row.target}'.")
        hold = self._take(key, Hold(row.id, self._kinds[row.kind].is_closing))

        async def begun() -> asyncio.Task[None]:
            try:
                await self._store.commit(*others, operation)
            except BaseException:
                self._let_go(key, hold)
                raise
            return self._begin(row, hold)

        # Whoever called may go away; what is written is run nevertheless.
        task = await asyncio.shield(asyncio.create_task(begun()))
        await asyncio.wait({task}, timeout=patience_seconds)
        return await self._store.operation(row.id) or row

    def _begin(self, row: OperationRow, hold: Hold) -> asyncio.Task[None]:
        task = asyncio.create_task(self._run(Run(self._store, row, hold)), name=f"operation-{row.id}")
        self._running[row.id] = task

        def end(ended: asyncio.Task[None]) -> None:
            self._running.pop(row.id, None)
            if ended.cancelled():
                return  # it goes on at the next start, and nobody else may work there until then
            trouble = ended.exception()
            if trouble is not None:
                _log.error("operation %s on %s waits for the next start", row.id, row.target, exc_info=trouble)
                return
            self._let_go(parse(row.target).key, hold)

        task.add_done_callback(end)
        return task

    def running(self, operation_id: str) -> asyncio.Task[None] | None:
        """The task that works on an operation in this process, if one does."""
        return self._running.get(operation_id)

    async def recover(self, *, is_alone: bool) -> int:
        """Take over unfinished operations whose lease ran out; all of them if no other process can hold one."""
        taken: list[tuple[OperationRow, Hold]] = []
        for row in await self._store.due(float("inf") if is_alone else clock.epoch(), limit=_ALL):
            if row.id in self._running:
                continue
            mine = row._replace(token=row.token + 1, owner=self._owner, leased_until=clock.epoch() + _LEASE_SECONDS)
            try:
                await self._store.commit(PutOperation(mine, expect_token=row.token))
            except Stale:
                continue
            hold = Hold(row.id, self._kinds[row.kind].is_closing)
            taken.append((mine, self._take(parse(row.target).key, hold)))
        for mine, hold in taken:  # all targets are held before the first one runs
            self._begin(mine, hold)
        return len(taken)

    async def stop(self) -> None:
        """Let go of what runs; the next start takes it up."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, run: Run) -> None:
        row = run.row
        work, undo, _ = self._kinds[row.kind]
        beat = asyncio.create_task(self._beat(run))
        try:
            while True:
                try:
                    writes = await work(run)
                    await self._end(run, "Succeeded", writes)
                except (Stale, Unavailable) as fault:
                    if await self._is_lost(run):
                        return
                    await self._try_again(run, fault)
                    continue
                return
        except Fault as fault:
            await self._fail(run, undo, fault)
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001 - the worker's edge: whatever a step does, its operation ends
            _log.exception("operation %s on %s failed", row.id, row.target)
            await self._fail(
                run, undo, Fault("The operation failed inside the server; its log has the reason.", code="InternalServerError")
            )
        finally:
            beat.cancel()

    async def _beat(self, run: Run) -> None:
        """Keep the lease of a step that takes long."""
        while run.row.status == _GOING_ON:
            await asyncio.sleep(_LEASE_SECONDS / 3)
            try:
                await run.write()
            except Stale:
                return

    async def _is_lost(self, run: Run) -> bool:
        newest = await self._store.operation(run.row.id)
        return newest is None or newest.token != run.row.token

    async def _fail(self, run: Run, undo: Undo, fault: Fault) -> None:
        run.report.error, run.report.tries = describe(fault), 0
        while True:
            try:
                await self._end(run, "Failed", await undo(run, fault))
            except (Stale, Unavailable) as trouble:
                if await self._is_lost(run):
                    _log.warning("operation %s on %s was taken over by another worker", run.row.id, run.row.target)
                    return
                await self._try_again(run, trouble)
                continue
            except Exception:  # noqa: BLE001 - what could not be undone is left to a delete; the operation ends in any case
                _log.exception("operation %s on %s could not be undone", run.row.id, run.row.target)
                await self._end(run, "Failed", ())
            return

    @staticmethod
    async def _try_again(run: Run, fault: Fault) -> None:
        """Wait a while where that helps; raise the fault again if it was met too often."""
        run.report.tries += 1
        if run.report.tries >= _TRIES:
            raise fault
        if isinstance(fault, Unavailable):
            await asyncio.sleep(fault.retry_after_seconds or 0.5 * 2**run.report.tries)

    async def _end(self, run: Run, status: str, writes: Sequence[Write]) -> None:
        run.report.ended = clock.stamp(clock.now())
        event = Emit(
            run.report.ended,
            run.report.action or run.row.kind,
            status,
            run.target.key,
            run.caller.oid,
            msgspec.json.encode({"operation": run.row.id, "error": run.report.error}),
        )
        await run.write(*writes, event, status=status)


def describe(fault: Fault) -> JsonObject:
    """A fault as the JSON that the error shape of the wire holds."""
    shape: JsonObject = {"code": fault.code, "message": fault.message}
    if fault.target:
        shape["target"] = fault.target
    shape["details"] = [describe(inner) for inner in fault.details]
    shape["additionalInfo"] = [{"type": name, "info": value} for name, value in fault.info.items()]
    return shape


def status_of(row: OperationRow) -> JsonObject:
    """What an operation's URL answers: status, times, progress if it tells of any, and the error if there is one."""
    report = _reports.decode(row.doc)
    shape: JsonObject = {"id": row.id, "name": row.id, "status": row.status, "startTime": report.started}
    if "progress" in report.context:
        shape["percentComplete"] = report.context["progress"]["percentComplete"]
        shape["properties"] = report.context["progress"]
    if report.ended:
        shape["endTime"] = report.ended
    if report.error:
        shape["error"] = report.error
    return shape

"""The worker: takes the lease of an operation, runs its steps, writes the end with its token.

A worker may die on every line. The journal holds what is done; whoever takes the lease next goes on behind it. A
worker that lost its lease cannot write: its token is no longer the newest, so its commit is refused and dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Fault, Stale, Unavailable
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.resource import Caller, JsonObject
from studiolo.kernel.store.port import Emit, OperationRow, PutOperation, Store, Write

T = TypeVar("T")
_LEASE_SECONDS = 30.0
_TRIES = 5
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


class Run:
    """One worker's hold on one operation; what a type's steps see as `Step`."""

    def __init__(self, store: Store, row: OperationRow) -> None:
        self._store = store
        self.row = row
        self.report = _reports.decode(row.doc)
        self.target: ResourceId = parse(row.target)
        self.caller = msgspec.convert(self.report.caller, Caller)

    async def once(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """See `kernel.resource.Step`."""
        if name in self.report.journal:
            return self.report.journal[name]
        outcome = await work()
        self.report.journal[name] = outcome
        await self.write()
        return outcome

    async def write(self, *others: Write, status: str | None = None) -> None:
        """Write the report, and whatever else belongs to it, while this worker's token is the newest.

        Raises:
            Stale: another worker has taken the operation over, or another write's expectation failed.
        """
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
        self._kinds: dict[str, tuple[Work, Callable[[Run, Fault], Awaitable[Sequence[Write]]]]] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    def register(self, kind: str, work: Work, undo: Callable[[Run, Fault], Awaitable[Sequence[Write]]]) -> None:
        """Say how operations of a kind are done, and what is written when one fails for good."""
        self._kinds[kind] = (work, undo)

    def new(self, kind: str, target: ResourceId, caller: Caller, action: str, *, context: JsonObject | None = None) -> PutOperation:
        """The write that begins an operation, already leased to this process. `action` is what the activity log says of its end."""
        started = clock.stamp(clock.now())
        report = Report(caller=asdict(caller), started=started, action=action, context=context or {})
        return PutOperation(
            OperationRow(
                id=clock.new_id(),
                target=target.text,
                kind=kind,
                status="InProgress",
                doc=msgspec.json.encode(report),
                token=1,
                owner=self._owner,
                leased_until=clock.epoch() + _LEASE_SECONDS,
                created=started,
            )
        )

    def begin(self, row: OperationRow) -> asyncio.Task[None]:
        """Run an operation that this process holds."""
        task = asyncio.create_task(self._run(row), name=f"operation-{row.id}")
        self._running[row.id] = task
        task.add_done_callback(lambda _: self._running.pop(row.id, None))
        return task

    def running(self, operation_id: str) -> asyncio.Task[None] | None:
        """The task that works on an operation in this process, if one does."""
        return self._running.get(operation_id)

    async def settle(self, row: OperationRow, patience_seconds: float) -> OperationRow:
        """Run an operation and wait for its end, at most so long; then it goes on by itself. Returns its newest row."""
        task = self.begin(row)
        await asyncio.wait({task}, timeout=patience_seconds)
        return await self._store.operation(row.id) or row

    async def recover(self, *, is_alone: bool) -> int:
        """Take over unfinished operations whose lease ran out; all of them if no other process can hold one."""
        taken = 0
        for row in await self._store.due(float("inf") if is_alone else clock.epoch(), limit=1000):
            if row.id in self._running:
                continue
            mine = row._replace(token=row.token + 1, owner=self._owner, leased_until=clock.epoch() + _LEASE_SECONDS)
            try:
                await self._store.commit(PutOperation(mine, expect_token=row.token))
            except Stale:
                continue
            self.begin(mine)
            taken += 1
        return taken

    async def stop(self) -> None:
        """Let go of what runs; the next start takes it up."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, row: OperationRow) -> None:
        run = Run(self._store, row)
        work, undo = self._kinds[row.kind]
        beat = asyncio.create_task(self._beat(run))
        try:
            while True:
                try:
                    writes = await work(run)
                    await self._end(run, "Succeeded", writes)
                except Stale:
                    if await self._is_lost(run):
                        return
                    raise
                except Unavailable as fault:
                    run.report.tries += 1
                    if run.report.tries < _TRIES:
                        await asyncio.sleep(fault.retry_after_seconds or 0.5 * 2**run.report.tries)
                        continue
                    raise
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
        while True:
            await asyncio.sleep(_LEASE_SECONDS / 3)
            try:
                await run.write()
            except Stale:
                return

    async def _is_lost(self, run: Run) -> bool:
        newest = await self._store.operation(run.row.id)
        return newest is None or newest.token != run.row.token

    async def _fail(self, run: Run, undo: Callable[[Run, Fault], Awaitable[Sequence[Write]]], fault: Fault) -> None:
        run.report.error = describe(fault)
        try:
            await self._end(run, "Failed", await undo(run, fault))
        except Stale:
            _log.warning("operation %s on %s was taken over by another worker", run.row.id, run.row.target)

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
    """What an operation's URL answers: status, times, and the error if there is one."""
    report = _reports.decode(row.doc)
    shape: JsonObject = {"id": row.id, "name": row.id, "status": row.status, "startTime": report.started}
    if report.ended:
        shape["endTime"] = report.ended
    if report.error:
        shape["error"] = report.error
    return shape

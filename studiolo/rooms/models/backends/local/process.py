"""A worker process as the server sees it: started when needed, asked one thing at a time, started again when it dies."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from pathlib import Path
from typing import Final

from studiolo.kernel import clock
from studiolo.kernel.faults import Fault, Invalid, NotOffered, TooMany, Unavailable
from studiolo.rooms.models.backends.local.frames import (
    MAX_FRAME_BYTES,
    Begin,
    Cancel,
    Embed,
    Ended,
    Failed,
    Order,
    Report,
    Started,
    Vectors,
    Write,
    decode_report,
    frame,
)

_MODULE: Final = "studiolo.rooms.models.backends.local.worker"
_START_SECONDS: Final = 120.0
_SILENCE_SECONDS: Final = 60.0
"""A worker that says nothing for so long, while it works, is stuck."""
_CANCEL_SECONDS: Final = 10.0
_END_SECONDS: Final = 2.0
_LONGEST_PAUSE_SECONDS: Final = 30.0
_NEVER_HERE: Final = frozenset({"ModelNotInstalled", "ModelNotOffered"})
_log = logging.getLogger(__name__)


class Worker:
    """One model's process. At most `queue_limit` callers wait for their turn; what it costs to wait is told in `TooMany`."""

    def __init__(self, begin: Begin, *, queue_limit: int) -> None:
        self._begin = begin
        self._queue_limit = queue_limit
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0
        self._last_id = 0
        self._link: _Link | None = None
        self._failures = 0
        self._not_before = 0.0
        self._why = ""
        self._typical_seconds = 1.0
        self._cleanups: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def started(self) -> Started | None:
        """What the running worker told about itself; None while none runs."""
        return self._link.started if self._link is not None and self._link.is_alive else None

    @property
    def pid(self) -> int | None:
        """The process id of the running worker."""
        return self._link.pid if self._link is not None and self._link.is_alive else None

    async def warm(self) -> None:
        """Start the process and load its model. Raises as `ask` does."""
        await self._take_turn()
        try:
            await self._connected()
        finally:
            self._turn.release()

    async def ask(self, make: Callable[[int], Write | Embed], over: Callable[[Report], None]) -> AsyncGenerator[Report]:
        """Wait for the turn, hand over the request, and give back what is said about it, to its end.

        `over` hears the worker's last word on the request, also after the generator was closed early, which stops the
        work. The turn passes on with that last word, not when the caller has read everything.

        Raises:
            TooMany: the queue is full.
            Unavailable: the worker died, is stuck, or is not to be started again yet.
            Fault: what the worker answered.
        """
        await self._take_turn()
        try:
            link = await self._connected()
            self._last_id += 1
            began = clock.monotonic()

            def ended(last: Report | None) -> None:
                self._turn.release()
                if last is not None:
                    self._succeed(clock.monotonic() - began)
                    over(last)

            talk = _Talk(self._last_id, ended)
            link.hand_over(make(self._last_id), talk)
        except BaseException:
            self._turn.release()
            raise
        try:
            while True:
                report = await self._next(link, talk)
                if isinstance(report, Failed):
                    raise _fault(report)
                yield report
                if isinstance(report, Ended | Vectors):
                    return
        finally:
            if not talk.is_over.is_set():
                self._later(self._stop(link, talk))

    async def close(self) -> None:
        """End the process; callers that still wait get Unavailable."""
        self._is_closed = True
        if self._link is not None:
            await self._link.end()
        if self._cleanups:
            await asyncio.wait(self._cleanups, timeout=_CANCEL_SECONDS)

    async def _take_turn(self) -> None:
        if self._turn.locked() and self._waiting >= self._queue_limit:
            seconds = max(1.0, self._typical_seconds * (self._waiting + 1))
            raise TooMany(
                f"{self._waiting} calls wait for this model already, and no more are taken. Try again in {seconds:.0f} s.",
                retry_after_seconds=seconds,
            )
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1

    async def _connected(self) -> _Link:
        if self._is_closed:
            raise Unavailable("The server is stopping.")
        if self._link is not None and self._link.is_running():
            return self._link
        pause = self._not_before - clock.monotonic()
        if pause > 0:
            raise Unavailable(f"The model's process failed and is started again in {pause:.0f} s. {self._why}", retry_after_seconds=pause)
        self._link = link = _Link()
        try:
            await link.start(self._begin)
        except Fault as fault:
            self._fail(fault.message)
            raise
        except BaseException:
            # Whoever waited for the start went away; the half-started process goes too.
            self._later(link.end())
            raise
        if link.started and link.started.missing:
            _log.warning("The %s model runs without some walls: %s", self._begin.kind, "; ".join(link.started.missing))
        return link

    async def _next(self, link: _Link, talk: _Talk) -> Report:
        try:
            async with asyncio.timeout(_SILENCE_SECONDS):
                report = await talk.reports.get()
        except TimeoutError:
            link.why = f"It said nothing for {_SILENCE_SECONDS:.0f} s and was ended."
            await link.end()
            report = None
        if report is None:
            self._fail(link.why)
            raise Unavailable(
                f"The model's process ended during this call. {link.why} Call again: it is started anew.", retry_after_seconds=1
            )
        return report

    async def _stop(self, link: _Link, talk: _Talk) -> None:
        """Free the turn after a caller has gone: ask the worker to stop, and end it if it does not."""
        try:
            link.tell(Cancel(talk.number))
            async with asyncio.timeout(_CANCEL_SECONDS):
                await talk.is_over.wait()
        except TimeoutError:
            link.why = "It did not stop when it was told to."
            await link.end()

    def _succeed(self, seconds: float) -> None:
        self._failures = 0
        self._typical_seconds += (seconds - self._typical_seconds) / 8

    def _fail(self, why: str) -> None:
        """The first failure is met by an immediate new start, further ones in a row by growing pauses."""
        self._failures += 1
        self._why = why
        pause = 0.0 if self._failures == 1 else min(_LONGEST_PAUSE_SECONDS, 2.0 ** (self._failures - 2))
        self._not_before = clock.monotonic() + pause
        _log.error("The process of the %s model failed (%d in a row): %s", self._begin.kind, self._failures, why)

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._cleanups.add(task)
        task.add_done_callback(self._cleanups.discard)


class _Talk:
    """What is said about one request."""

    __slots__ = ("_ended", "is_over", "number", "reports")

    def __init__(self, number: int, ended: Callable[[Report | None], None]) -> None:
        self.number = number
        self.reports: asyncio.Queue[Report | None] = asyncio.Queue()
        self.is_over = asyncio.Event()
        self._ended = ended

    def hear(self, report: Report | None) -> None:
        """Take the next word on the request; None if the process has ended."""
        if self.is_over.is_set():
            return
        self.reports.put_nowait(report)
        if report is None or isinstance(report, Ended | Vectors | Failed):
            self.is_over.set()
            self._ended(report)


class _Link:
    """One process and the socket to it."""

    def __init__(self) -> None:
        self.started: Started | None = None
        self.why = ""
        self.is_alive = False
        self.pid: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reader_task: asyncio.Task[None] | None = None
        self._talk = _Talk(0, lambda _: None)

    async def start(self, begin: Begin) -> None:
        """Start the process and wait until its model is loaded. Raises NotOffered or Unavailable."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - a fork and an exec, a few milliseconds
                _command(),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_environment(begin.threads),
                cwd="/",
                start_new_session=True,
            )
        self.pid = self._process.pid
        reader, self._writer = await asyncio.open_unix_connection(sock=ours, limit=MAX_FRAME_BYTES)
        self.is_alive = True
        self._reader_task = asyncio.create_task(self._read(reader))
        self.tell(begin)
        try:
            async with asyncio.timeout(_START_SECONDS):
                report = await self._talk.reports.get()
        except TimeoutError:
            await self.end()
            raise Unavailable(f"The model did not load within {_START_SECONDS:.0f} s.", code="ModelNotLoaded") from None
        if isinstance(report, Started):
            self.started = report
            return
        await self.end()
        if isinstance(report, Failed):
            kind = NotOffered if report.code in _NEVER_HERE else Unavailable
            raise kind(report.message, code=report.code, target=report.target)
        raise Unavailable(f"The model's process ended before its model was loaded. {self.why}", code="ModelNotLoaded")

    def is_running(self) -> bool:
        """Whether the process is there, also if its end has not been heard of yet."""
        return self.is_alive and self._process is not None and self._process.poll() is None

    def hand_over(self, order: Order, talk: _Talk) -> None:
        """Hand over a request; the talk hears what is said about it. Raises Unavailable if the process has ended."""
        if not self.is_alive:
            raise Unavailable(f"The model's process has ended. {self.why}", retry_after_seconds=1)
        self._talk = talk
        self.tell(order)

    def tell(self, order: Order) -> None:
        """Send a message that is not answered."""
        if self._writer is not None:
            self._writer.write(frame(order))

    async def end(self) -> None:
        """End the process and wait for it. May be called again."""
        if self._writer is not None:
            self._writer.close()
        process = self._process
        if process is not None:
            await asyncio.get_running_loop().run_in_executor(None, _reap, process)
            self.why = self.why or _told(process.returncode)
        if self._reader_task is not None and self._reader_task is not asyncio.current_task():
            await asyncio.wait([self._reader_task])

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4), "big")
                if size > MAX_FRAME_BYTES:
                    self.why = "It sent a message over the limit."
                    break
                report = decode_report(await reader.readexactly(size))
                if isinstance(report, Started) or report.id == self._talk.number:
                    self._talk.hear(report)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self.is_alive = False
            await self.end()
            self._talk.hear(None)


def _command() -> list[str]:
    flags = ["-I", *(["-B"] if sys.dont_write_bytecode else [])]
    return [sys.executable, *flags, "-m", _MODULE]


def _environment(threads: int) -> dict[str, str]:
    """Nothing of the server's own surroundings, where secrets may stand."""
    count = str(threads)
    return {"LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": count, "OMP_NUM_THREADS": count, "TOKENIZERS_PARALLELISM": "false"}


def _reap(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _told(code: int | None) -> str:
    if code is None or code == 0:
        return "It ended by itself."
    return f"It was ended by signal {-code}." if code < 0 else f"It ended with status {code}."


def _fault(failed: Failed) -> Fault:
    kind = Unavailable if failed.code == "ModelError" else Invalid
    return kind(failed.message, code=failed.code, target=failed.target)


def begin_chat(cache: Path, *, weights: Path | None, context_tokens: int, threads: int) -> Begin:
    """What a chat worker loads."""
    return Begin("chat", os.getpid(), str(cache), str(weights or ""), context_tokens, threads)


def begin_embeddings(cache: Path, *, threads: int) -> Begin:
    """What an embeddings worker loads."""
    return Begin("embeddings", os.getpid(), str(cache), threads=threads)

"""A campaign: traffic of every kind, the server killed in the middle of it, a restart, and every promise looked at."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from tests.parity.studio import Studio
from tests.recovery import audit
from tests.recovery.hand import Cut, Hand
from tests.recovery.traffic import TRAFFIC, Traffic
from tests.support.server import Server

_SETTLE_SECONDS = 30.0
_MOST_SECONDS = 3.0
_MOST_DONE = 120
_AFTERWARDS_SECONDS = 0.04
_KILLED_WHILE_STARTING = 0.25
_START_SECONDS = 2.0


@dataclass
class Figures:
    """What a campaign came to. `done`: pieces of work that were acknowledged; `cut`: those that no answer came for."""

    kills: int = 0
    done: Counter[str] = field(default_factory=Counter[str])
    cut: Counter[str] = field(default_factory=Counter[str])
    taken_up: int = 0
    ready_seconds: list[float] = field(default_factory=list[float])

    def __str__(self) -> str:
        ready = sorted(self.ready_seconds)
        lines = [f"{kind:12} {self.done[kind]:7} done {self.cut[kind]:5} cut" for kind in sorted(self.done | self.cut)]
        return (
            f"{self.kills} kills, {sum(self.done.values())} pieces of work done, {sum(self.cut.values())} cut, "
            f"{self.taken_up} operations taken up at a start; ready again within {ready[len(ready) // 2]:.2f} s (median), "
            f"{ready[-1]:.2f} s (longest)\n" + "\n".join(lines)
        )


class Campaign:
    """One home, killed again and again, each time after a random number of answers, however fast the machine is."""

    def __init__(self, server: Server, seed: int, *, kinds: Sequence[type[Traffic]] = TRAFFIC) -> None:
        self.server = server
        self.figures = Figures()
        self._chance = Random(seed)
        cookie = _cookie(server)
        self._traffic = [kind(Hand(server, cookie), Random(f"{seed} {kind.__name__}")) for kind in kinds]
        self._threads = ThreadPoolExecutor(len(kinds), thread_name_prefix="traffic")
        self._each(lambda traffic: traffic.prepare())

    def run(self, kills: int, *, seconds: float | None = None) -> Figures:
        """Kill so many times, or until the time is over."""
        ends = time.monotonic() + seconds if seconds is not None else float("inf")
        while self.figures.kills < kills and time.monotonic() < ends:
            self._burst()
            self._restart()
            self._check()
        assert audit.is_sound(self.server.home)
        return self.figures

    def close(self) -> None:
        """Let go of threads and connections."""
        self._threads.shutdown()
        for traffic in self._traffic:
            traffic.close()

    # ── one round ────────────────────────────────────────────────────────────────────────────────────────────────

    def _burst(self) -> None:
        over, enough = threading.Event(), threading.Semaphore(0)
        working = [self._threads.submit(self._work, traffic, over, enough) for traffic in self._traffic]
        ends = time.monotonic() + _MOST_SECONDS
        for _ in range(self._chance.randint(0, _MOST_DONE)):
            if not enough.acquire(timeout=max(ends - time.monotonic(), 0)):
                break
        over.wait(self._chance.uniform(0, _AFTERWARDS_SECONDS))  # not always right behind an answer
        self.server.kill()
        over.set()
        self.figures.kills += 1
        for each in working:
            each.result()

    def _work(self, traffic: Traffic, over: threading.Event, enough: threading.Semaphore) -> None:
        kind = type(traffic).__name__
        while not over.is_set():
            try:
                traffic.act()
            except Cut:
                self.figures.cut[kind] += 1
                return
            self.figures.done[kind] += 1
            enough.release()

    def _restart(self) -> None:
        self.figures.taken_up += audit.under_way(self.server.home)
        while self._chance.random() < _KILLED_WHILE_STARTING:
            self.server.start(wait=False)
            threading.Event().wait(self._chance.uniform(0.1, _START_SECONDS))
            self.server.kill()
            self.figures.kills += 1
        self.server.start()
        self.figures.ready_seconds.append(self.server.ready_seconds)

    def _check(self) -> None:
        self._each(lambda traffic: traffic.check())
        deadline = time.monotonic() + _SETTLE_SECONDS
        while audit.under_way(self.server.home):
            assert time.monotonic() < deadline, "operations are under way for ever"
        assert audit.troubles(self.server.home) == []

    def _each(self, what: Callable[[Traffic], None]) -> None:
        for each in [self._threads.submit(what, traffic) for traffic in self._traffic]:
            each.result()


def _cookie(server: Server) -> str:
    """The session of the server's owner, by the link that this start has printed."""
    studio = Studio(server)
    with suppress(AttributeError):
        studio.sign_in()
    try:
        return studio.cookie
    finally:
        studio.close()

"""One server under test: started on its core, frozen while others are measured, its costs read from /proc."""

from __future__ import annotations

import atexit
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from benchmarks.rig import machine

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_READY_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 10.0


class DidNotStart(RuntimeError):
    """The server ended or was silent; its log is told."""


class Process:
    """A server and whatever it starts, in a session of its own."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        is_ready: Callable[[], bool],
        *,
        env: Mapping[str, str] = os.environ,
        cpu: str | None = machine.SERVER_CPU,
    ) -> None:
        self.name = name
        self.ready_seconds = 0.0
        self._command = machine.pinned(list(command), cpu)
        self._is_ready = is_ready
        self._env = dict(env)
        self._log = machine.work() / f"{re.sub('[^a-z0-9]+', '-', name.lower())}.log"
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.stop)

    def start(self) -> None:
        """Start, and return at the first sign of life.

        Raises:
            DidNotStart: it ended, or a minute went by.
        """
        with self._log.open("wb") as log:
            began = time.monotonic()
            self._process = subprocess.Popen(
                self._command, env=self._env, cwd=machine.work(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() - began > _READY_SECONDS:
                self.stop()
                raise DidNotStart(f"{self.name} did not start; it said:\n{self.log[-2000:]}")
            time.sleep(0.002)
        self.ready_seconds = time.monotonic() - began

    @property
    def log(self) -> str:
        """What the process has said so far."""
        return self._log.read_text(errors="replace")

    @property
    def pids(self) -> list[int]:
        """The living processes of the session."""
        if self._process is None:
            return []
        return [pid for pid in _all_pids() if (fields := _stat(pid)) and int(fields[3]) == self._process.pid and fields[0] != "Z"]

    def cpu_seconds(self) -> float:
        """User and system time that the session has used so far."""
        ticks = (int(fields[11]) + int(fields[12]) for pid in self.pids if (fields := _stat(pid)))
        return sum(ticks) / _TICKS

    def memory_mb(self) -> float:
        """Proportional set size of the session: shared pages are counted once."""
        found = (re.search(r"^Pss:\s+(\d+)", _text(f"/proc/{pid}/smaps_rollup"), re.MULTILINE) for pid in self.pids)
        return sum(int(match[1]) for match in found if match) / 1024

    def freeze(self) -> None:
        """Let it use no time until it is thawed."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it. Safe to repeat."""
        if self._process is None:
            return
        self.thaw()
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._process = None

    def _signal(self, number: signal.Signals) -> None:
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name: 0 is the state, 3 the session, 11 and 12 the times."""
    return _text(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError):
        return ""

"""Where things are on this machine, and what it may be asked to do."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PYTHON: Final = ROOT / ".venv" / "bin" / "python"
COMMAND: Final = ROOT / ".venv" / "bin" / "studiolo"
# The harness beside the repository, and the peers that its setup.sh installs.
TOOLS: Final = Path(os.environ.get("STUDIOLO_PERF_TOOLS", ROOT.parent / "shared" / "tools" / "perf"))
PEERS: Final = Path(os.environ.get("PERF_DIR", "/tmp/perf"))
ROUNDS: Final = int(os.environ.get("ROUNDS", "3"))
SECONDS: Final = int(os.environ.get("SECS", "1"))
_CORES: Final = sorted(os.sched_getaffinity(0))
SERVER_CPU: Final = os.environ.get("SERVER_CPU", str(_CORES[0]))
LOAD_CPU: Final = os.environ.get("LOAD_CPU", str(_CORES[-1]))
_NICE: Final = os.environ.get("NICE", "-10" if os.geteuid() == 0 else "0")


@cache
def work() -> Path:
    """A folder for homes, bodies and logs, on a real disk; gone at the end."""
    import atexit

    made = Path(tempfile.mkdtemp(prefix="studiolo-bench-"))
    if "KEEP" not in os.environ:
        atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def pinned(command: list[str], cpu: str | None) -> list[str]:
    """The command, on one core and before other people's work where this user may ask for that."""
    nice = ["nice", "-n", _NICE] if _NICE != "0" else []
    return [*nice, *(["taskset", "-c", cpu] if cpu is not None and shutil.which("taskset") else []), *command]


@contextmanager
def undisturbed() -> Generator[None]:
    """This process itself on the server's core, before other people's work where this user may ask for that."""
    before = os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0)
    os.sched_setaffinity(0, {int(SERVER_CPU)})
    os.setpriority(os.PRIO_PROCESS, 0, before[1] + int(_NICE))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before[0])
        os.setpriority(os.PRIO_PROCESS, 0, before[1])


def is_root() -> bool:
    """Whether this user may do everything here."""
    return os.geteuid() == 0


def free_port() -> int:
    """A port that is free on loopback now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def describe() -> str:
    """The machine in one line, for the head of a report."""
    model = next((line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown processor")
    load = _lines("/proc/loadavg")[0].split()[0]
    return f"{len(_CORES)} cores ({model}), load before the run {load}; server on core {SERVER_CPU}, load on core {LOAD_CPU}"


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()

"""From `studiolo up --no-model` to the first 200 of /healthz over TLS, and what the process then holds in memory.

Bytecode is compiled beforehand, as the set-up does it, and the files are in the system's cache; nothing is pinned.
With --imports, what the time goes to: module by module, as `python -X importtime` tells it.

Run: .venv/bin/python benchmarks/run.py start      .venv/bin/python benchmarks/start.py --imports
"""

from __future__ import annotations

import re
import shutil
import statistics
import sys
import time
from collections import Counter
from typing import Final

from benchmarks.rig import machine
from benchmarks.rig.contest import short
from benchmarks.rig.process import Process
from benchmarks.rig.report import Report
from benchmarks.rig.studio import Studio, environment

_RUNS: Final = 5
_IDLE_SECONDS: Final = 1.0
_LINE: Final = re.compile(r"^import time:\s+(\d+) \|\s+(\d+) \|(\s+)(\S+)", re.MULTILINE)


def measure() -> Report:
    """Some starts on empty homes and on a used one, after one that is not counted."""
    kept = _studio("kept")
    _started(kept)
    empty = [_started(_studio(f"empty-{run}")) for run in range(_RUNS)]
    used = [_started(kept) for _ in range(_RUNS)]
    memory = statistics.median(each[1] for each in (*empty, *used))
    lines = [
        _line("empty home", [seconds for seconds, _, _ in empty], [mb for _, mb, _ in empty], [cpu for _, _, cpu in empty]),
        _line("used home", [seconds for seconds, _, _ in used], [mb for _, mb, _ in used], [cpu for _, _, cpu in used]),
    ]
    return Report(
        title="cold start, no model, TLS",
        columns=("start on", "median s", "fastest", "slowest", "CPU s", "PSS MB"),
        lines=lines,
        figures={
            "empty_home": statistics.median(seconds for seconds, _, _ in empty),
            "existing_home": statistics.median(seconds for seconds, _, _ in used),
            "memory": memory,
        },
        notes=["what it goes to: .venv/bin/python benchmarks/start.py --imports"],
    )


def _studio(name: str) -> Studio:
    return Studio(f"start {name}", has_tls=True, home=machine.work() / f"start-{name}", cpu=None)


def _started(studio: Studio) -> tuple[float, float, float]:
    """Seconds to the first 200, the memory a moment later, and the processor time till the first 200."""
    studio.start()
    spent = studio.process.cpu_seconds()
    time.sleep(_IDLE_SECONDS)
    memory = studio.process.memory_mb()
    studio.stop()
    return studio.process.ready_seconds, memory, spent


def _line(name: str, seconds: list[float], memory: list[float], spent: list[float]) -> list[str]:
    figures = (statistics.median(seconds), min(seconds), max(seconds), statistics.median(spent))
    return [name, *(f"{figure:.2f}" for figure in figures), short(statistics.median(memory))]


def _imports() -> None:
    """Print which packages and which modules the time of importing goes to."""
    home = machine.work() / "start-imports"
    studio = Studio("start imports", has_tls=True, home=home, cpu=None)
    command = [
        str(machine.PYTHON),
        "-X",
        "importtime",
        str(machine.COMMAND),
        "up",
        "--home",
        str(home),
        "--port",
        str(studio.port),
        "--no-model",
    ]
    said = ""
    for _ in range(2):  # the first one compiles
        shutil.rmtree(home, ignore_errors=True)
        process = Process("start imports", command, studio.is_healthy, env=environment(), cpu=None)
        process.start()
        studio.hang_up()
        said = process.log
        process.stop()
    found = [(name, int(own) / 1000, int(whole) / 1000, len(indent)) for own, whole, indent, name in _LINE.findall(said)]
    packages: Counter[str] = Counter()
    for name, own, _, _ in found:
        packages[".".join(name.split(".")[: 3 if name.startswith("studiolo.") else 1])] += round(own * 1000)
    print(f"{len(found)} modules, {sum(own for _, own, _, _ in found):.0f} ms with the measurement's own cost\n\nown time by package (ms)")
    for name, micros in packages.most_common(25):
        print(f"  {micros / 1000:7.1f}  {name}")
    print("\nmodules with what they bring in (ms, the costliest)")
    for name, _, whole, _ in sorted(found, key=lambda each: -each[2])[:45]:
        print(f"  {whole:7.1f}  {name}")


if __name__ == "__main__":
    if "--imports" in sys.argv:
        _imports()
    else:
        print(*measure().lines, sep="\n")

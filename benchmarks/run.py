"""Measure Studiolo beside its peers and its budgets: `.venv/bin/python benchmarks/run.py [start hubs arm blobs decide]`.

Always exits 0 when it could measure: timing is never a test. ROUNDS, SECS, NICE, SERVER_CPU, LOAD_CPU and PERF_DIR are
read as the harness of the peers reads them; STUDIOLO_PERF_TOOLS names that harness's folder.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from typing import Final, Protocol, cast

from benchmarks.rig import load, machine
from benchmarks.rig.report import Report, show

PARTS: Final = ("start", "hubs", "arm", "blobs", "decide")
_NEED_WRK: Final = ("arm", "blobs")


class _Part(Protocol):
    measure: Callable[[], Report]


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(f"There is no benchmark called {', '.join(unknown)}; there are {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    began = time.monotonic()
    print(machine.describe())
    missed: list[str] = []
    for name in names or PARTS:
        if name in _NEED_WRK and not load.is_there():
            print(f"\n── {name}: left out, since wrk is not installed: apt-get install wrk nginx-light")
            continue
        part = cast("_Part", importlib.import_module("benchmarks.rig.decisions" if name == "decide" else f"benchmarks.{name}"))
        missed += show(name, part.measure())
    print(
        f"\n{time.monotonic() - began:.0f} s. " + (f"Budgets missed: {', '.join(missed)}." if missed else "All measured budgets are met.")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Hubs and projects: the SDK's own time, and the server's part of it.

The unchanged SDK makes one of each, and its requests are timed. Then a raw client sends the SDK's own deployments again
under new names and waits for their end: from the PUT to the end is the server's part. What the SDK takes beyond that
goes to its other requests and its own work. All over TLS.

Run: .venv/bin/python benchmarks/run.py hubs
"""

from __future__ import annotations

import json
import shlex
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from benchmarks.rig import machine
from benchmarks.rig.contest import short
from benchmarks.rig.report import Report
from benchmarks.rig.studio import JSON, Studio, environment

_RUNS: Final = 9
_CLIENT: Final = Path(__file__).parent / "rig" / "creation.py"
_COLUMNS: Final = ("what", "by", "requests", "ms in requests", "ms in all", "server's CPU ms")
# Short, so that the names which the SDK derives from these (of the storage account, of the vault) differ when these do.
_NAMES: Final = {"hub": "b0hub", "project": "b0pro"}


def measure() -> Report:
    """One of each by the SDK, and some of each by its deployments sent again."""
    report = Report("hubs and projects by the unchanged SDK", _COLUMNS)
    studio = Studio("studiolo hubs", has_tls=True)
    try:
        studio.start()
        told = _by_sdk(studio)
        if isinstance(told, str):
            report.notes.append(told)
            return report
        for phase in _NAMES:
            sent = [each for each in told["sent"] if each["phase"] == phase]
            spent = sum(each["ms"] for each in sent)
            report.lines.append([phase, "the SDK", str(len(sent)), short(spent), short(told["seconds"][phase] * 1000), "–"])
        for phase in _NAMES:
            deployment = next(each for each in told["sent"] if each["phase"] == phase and each["body"])
            report.lines.append([phase, "its PUT, the first", "1", short(deployment["ms"]), short(deployment["ms"]), "–"])
            runs = [_again(studio, deployment, number) for number in range(1, _RUNS + 1)]
            took, costs = statistics.median(run[0] for run in runs), statistics.median(run[1] for run in runs)
            report.lines.append([phase, "its PUT, again", "1 and polls", short(took), short(took), short(costs)])
            report.figures[phase] = took
        report.notes.append(f"memory after it (PSS): {studio.process.memory_mb():.0f} MB")
    finally:
        studio.stop()
    return report


def _by_sdk(studio: Studio) -> dict[str, Any] | str:
    """What the client's process tells; a text says why there is nothing."""
    printed = subprocess.run(
        [str(machine.COMMAND), "env", "--home", str(studio.home)], capture_output=True, text=True, check=True, env=environment(), timeout=60
    ).stdout
    exports = [shlex.split(line)[1].partition("=") for line in printed.splitlines() if line.startswith("export ")]
    done = subprocess.run(
        machine.pinned([str(machine.PYTHON), str(_CLIENT), *_NAMES.values()], machine.LOAD_CPU),
        env={**environment(), **{name: value for name, _, value in exports}},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode != 0:
        return f"the SDK failed: {done.stderr.strip()[-600:]}"
    return json.loads(done.stdout.splitlines()[-1])


def _again(studio: Studio, deployment: dict[str, Any], number: int) -> tuple[float, float]:
    """Milliseconds from the PUT to its end, and of the server's processor, for the same deployment under new names."""

    def renamed(text: str) -> str:
        # A project keeps its hub, whose name stands in its template as an id.
        return text.replace("b0hub", f"b{number}hub") if deployment["phase"] == "hub" else text.replace("b0pro", f"b{number}pro")

    address = urlsplit(renamed(deployment["url"]))
    body = renamed(deployment["body"]).encode()
    headers = {**studio.signed_in(), **JSON}
    before = studio.process.cpu_seconds()
    began = time.monotonic()
    reply = studio.call("PUT", f"{address.path}?{address.query}", body, headers)
    if reply.status not in (200, 201):
        raise RuntimeError(f"The deployment was answered with {reply.status}: {reply.body[:600].decode(errors='replace')}")
    took = studio.settled(reply) - began
    return took * 1000, (studio.process.cpu_seconds() - before) * 1000

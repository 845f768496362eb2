"""Does one piece of work and kills itself at the chosen commit, or takes up what such a death has left and tells the world.

Run as `python victim.py`; a line of JSON each way. Every order is carried out by a child of its own, so that a death is
one of a whole process: `{"home", "work", "deaths"}` works and dies after so many commits (0: before the first; null:
never), `{"home"}` starts as a server would, waits until nothing is under way, and tells what is there.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import uvloop

from studiolo.app.compose import Application, compose
from studiolo.app.home import Home
from studiolo.app.settings import Settings
from studiolo.kernel.store.port import Store, Write
from tests.recovery import audit
from tests.recovery.works import WORKS, Work, preparations

_MARKS = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "{guid}"),
    (re.compile(r"(?<=/)[0-9A-F]{16}$", re.IGNORECASE), "{name}"),
    (re.compile(r"\b(st|kv)[a-z0-9]*[0-9a-f]{10}\b"), r"\1{digest}"),
    (re.compile(r"[0-9a-f]{64}|[A-Za-z0-9_-]{43}"), "{digest}"),
)
_DRIFTING = ("iam.sessions", "iam.codes", "iam.sign-in-codes")


def settings_of(home: str) -> tuple[Settings, Home]:
    """A studio without models or certificates, on a port that nobody listens on."""
    place = Path(home)
    settings = Settings(home=place, has_model=False, has_tls=False, port=65000).checked()
    opened = Home(place)
    opened.prepare(settings.database_file(opened.database))
    return settings, opened


class Death:
    """Ends the process after so many commits, counted from when it was armed."""

    def __init__(self, store: Store, after: int | None) -> None:
        self.after = after
        self.seen = 0
        store.listen(self._note)
        if after == 0:
            self._die()

    def _note(self, writes: Sequence[Write]) -> None:
        del writes
        self.seen += 1
        if self.seen == self.after:
            self._die()

    @staticmethod
    def _die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)


async def work(order: dict[str, Any]) -> Any:
    """Do one piece of work; answers how many commits it took."""
    application = await compose(*settings_of(order["home"]))
    await application.start()
    try:
        if order["work"] == "prepare":
            return await _prepared(application)
        done: Work = WORKS[order["work"]]
        await idle(application)
        death = Death(application.control.store, order["deaths"])
        await done.run(application.control, order["places"])
        await idle(application)
        return death.seen
    finally:
        await application.stop()


async def _prepared(application: Application) -> dict[str, str]:
    places = await preparations(application.control)
    await idle(application)
    return places


async def idle(application: Application) -> None:
    """Wait until no operation is under way, and nothing is cleared up in the background."""
    async with asyncio.timeout(60):
        while working := [task for task in asyncio.all_tasks() if task.get_name().startswith(("operation-", "blobs-purge-"))]:
            await asyncio.wait(working)
    assert await application.control.store.due(float("inf")) == []


async def world(order: dict[str, Any]) -> Any:
    """Start as a server would; everything that is there then, names of chance left out."""
    application = await compose(*settings_of(order["home"]))
    await application.start()
    await idle(application)
    await application.stop()
    home = Path(order["home"])
    found: Counter[str] = Counter()
    with audit.open_database(home) as database:
        for key, state in database.execute("select key, json_extract(doc, '$.properties.provisioningState') from resources"):
            found[f"{key} {state}"] += 1
        for space, key in database.execute("select space, key from entries"):
            if space not in _DRIFTING:
                found[f"{space}: {key}"] += 1
        for action, status, target in database.execute("select action, status, target from record where kind = 'change'"):
            found[f"event {action} {status} {target}"] += 1
        found["payloads"] = database.execute("select count(*) from payloads").fetchone()[0]
    database.close()
    plain: Counter[str] = Counter()
    for line, count in found.items():
        for pattern, mark in _MARKS:
            line = pattern.sub(mark, line)  # noqa: PLW2901 - step by step
        plain[line] += count
    objects = sum(1 for path in Settings(home=home).blobs_folder(Home(home).blobs).rglob("*") if path.is_file())
    return {"world": {**plain, "objects": objects}, "troubles": audit.troubles(home)}


def carried_out(order: dict[str, Any]) -> Any:
    """What a child of its own answered; None if it died."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                answer = runner.run(work(order) if "work" in order else world(order))
            os.write(writing, json.dumps(answer).encode())
            status = 0
        except BaseException:  # noqa: BLE001 - the edge of a process
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    _, ended = os.waitpid(child, 0)
    if os.WIFSIGNALED(ended):
        return None
    assert os.waitstatus_to_exitcode(ended) == 0, f"the child failed on {order}"
    return json.loads(said)


if __name__ == "__main__":
    os.umask(0o077)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(carried_out(json.loads(line))) + "\n")
        sys.stdout.flush()

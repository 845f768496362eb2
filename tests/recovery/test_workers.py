"""Workers that were given up, clocks that jump: one worker's word counts, and it counts once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from studiolo.kernel.faults import Conflict
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import JsonObject, Resource, ResourceType, Step
from studiolo.kernel.store.port import Lines
from tests.support.kernel import GROUP, OWNER, Anything, Kernel, keep, open_kernel

KILN = parse(f"{GROUP}/providers/Test.Rooms/kilns/k")
BODY: JsonObject = {"location": "local"}
HOUR = 3600.0


class Kilns:
    """Kilns as one process makes them: `where` is where the work stops until it is let go."""

    def __init__(self, name: str, where: str = "") -> None:
        self.name = name
        self.where = where
        self.reached, self.let_go = asyncio.Event(), asyncio.Event()
        self.did: list[str] = []
        self.trouble: Exception | None = None

    async def _stop(self, where: str) -> None:
        if where == self.where:
            self.reached.set()
            await self.let_go.wait()

    async def _fire(self) -> str:
        self.did.append("fire")
        await self._stop("in the step")
        return self.name

    async def provision(self, resource: Resource, step: Step) -> Resource:
        fired_by = await step.once("fire", self._fire)
        await self._stop("behind the step")
        if self.trouble is not None:
            raise self.trouble
        return msgspec.structs.replace(resource, properties={**resource.properties, "firedBy": fired_by, "endedBy": self.name})

    async def retire(self, resource: Resource, step: Step) -> None:
        self.did.append("retire")

    @asynccontextmanager
    async def open(self, folder: Path) -> AsyncGenerator[Kernel]:
        """A process of its own on the database in the folder."""
        kilns = ResourceType(
            name="Test.Rooms/kilns", schema=Anything, admit=keep, is_tracked=True, provision=self.provision, retire=self.retire
        )
        kernel = await open_kernel(folder, kilns, patience_seconds=0.01)
        try:
            yield kernel
        finally:
            await kernel.close()


async def begun(kernel: Kernel, kilns: Kilns) -> asyncio.Task[None]:
    """A kiln is asked for, and its worker stands where it was told to stop."""
    outcome = await kernel.control.put(OWNER, KILN, BODY)
    assert outcome.operation is not None
    task = kernel.operations.running(outcome.operation.id)
    assert task is not None
    await kilns.reached.wait()
    return task


async def ended(kernel: Kernel) -> Resource:
    """The kiln, once nothing works on it in this process."""
    await kernel.operations.wait_for(KILN.key, 10)
    found = await kernel.control.find(KILN)
    assert found is not None
    return found


async def ends(kernel: Kernel) -> list[str]:
    """How the activity log says that the kiln's making ended."""
    return [line.status for line in await kernel.store.lines(Lines(under=KILN.key, kinds=("change",))) if line.status != "Accepted"]


@pytest.mark.parametrize("where", ["in the step", "behind the step"])
@pytest.mark.parametrize("trouble", [None, Conflict("It burst."), RuntimeError("it burst")])
async def test_a_worker_that_was_given_up_and_wakes_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, trouble: Exception | None
) -> None:
    """Its clock stood still, as a suspended machine's does; for everybody else its lease ran out an hour ago."""
    zombie, heir = Kilns("zombie", where), Kilns("heir")
    zombie.trouble = trouble
    async with zombie.open(tmp_path) as first, heir.open(tmp_path) as second:
        task = await begun(first, zombie)
        assert await second.operations.recover(is_alone=False) == 0  # the lease holds
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + HOUR)
        assert await second.operations.recover(is_alone=False) == 1
        made = await ended(second)
        zombie.let_go.set()
        await task
        assert await ended(second) == made
        assert made.properties["provisioningState"] == "Succeeded"
        assert (made.properties["firedBy"], made.properties["endedBy"]) == ("heir" if where == "in the step" else "zombie", "heir")
        assert "retire" not in zombie.did
        assert await ends(second) == ["Succeeded"]


async def test_two_who_take_over_at_once_are_not_two_who_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zombie, heirs = Kilns("zombie", "in the step"), [Kilns(f"heir {n}") for n in range(2)]
    async with zombie.open(tmp_path) as first, heirs[0].open(tmp_path) as one, heirs[1].open(tmp_path) as other:
        await begun(first, zombie)
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + HOUR)
        taken = await asyncio.gather(*(kernel.operations.recover(is_alone=False) for kernel in (one, other)))
        assert sorted(taken) == [0, 1]
        await ended(one)
        await ended(other)
        assert [heir.did for heir in heirs] in ([["fire"], []], [[], ["fire"]])
        assert await ends(one) == ["Succeeded"]


async def test_a_clock_that_is_set_back_leaves_a_worker_its_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, other = Kilns("worker", "behind the step"), Kilns("other")
    async with worker.open(tmp_path) as first, other.open(tmp_path) as second:
        task = await begun(first, worker)
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() - HOUR)
        assert await second.operations.recover(is_alone=False) == 0
        worker.let_go.set()
        await task
        assert (await ended(first)).properties["endedBy"] == "worker"
        assert (other.did, await ends(first)) == ([], ["Succeeded"])


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_a_start_takes_up_what_was_left_whatever_the_clock_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    dead, heir = Kilns("dead", "behind the step"), Kilns("heir")
    async with dead.open(tmp_path) as first:
        await begun(first, dead)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    async with heir.open(tmp_path) as second:
        assert await second.operations.recover(is_alone=True) == 1
        made = await ended(second)
        assert (made.properties["firedBy"], made.properties["endedBy"]) == ("dead", "heir")
        assert (heir.did, await ends(second)) == ([], ["Succeeded"])

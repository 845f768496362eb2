"""The templates room on a real kernel, with a few resource types to deploy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from studiolo.kernel.control import Control, Outcome
from studiolo.kernel.faults import Invalid, Unavailable
from studiolo.kernel.gate import Gate
from studiolo.kernel.ids import Collection, parse, split
from studiolo.kernel.operations import Operations
from studiolo.kernel.resource import PLATFORM, Action, Caller, Catalog, Change, Draft, Invocation, JsonObject, Resource, ResourceType, Step
from studiolo.kernel.store.sqlite import SqliteStore
from studiolo.rooms.templates import Room, room
from studiolo.rooms.templates.backends.facade import KernelResources, KernelTypes
from studiolo.rooms.templates.backends.records import StoredRecords
from studiolo.rooms.templates.backends.seals import KeySeals
from tests.support.kernel import GROUP, OWNER, Anything, WrittenGrants, keep

THING = "Studiolo.Test/things"
VERSION = "2022-09-01"


@dataclass
class Gateway:
    """Holds things that are called `slow` until a test lets them go, and is busy as often as a test says."""

    busy: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)


def things(gateway: Gateway) -> list[ResourceType]:
    """Things with parts, keys and a size; `slow` ones wait at the gateway, a size of -2 cannot be had."""

    def admit(change: Change) -> Draft:
        if gateway.busy > 0:
            gateway.busy -= 1
            raise Unavailable("The maker of things is busy.", retry_after_seconds=0.01)
        return keep(change)

    async def keys(call: Invocation) -> JsonObject:
        return {"key": f"key of {call.resource.name}", "asked": call.body}

    async def provision(made: Resource, step: Step) -> Resource:
        if made.name == "slow":
            gateway.reached.set()
            await gateway.opened.wait()
        if made.properties.get("size") == -2:
            raise Invalid("The size cannot be had.", code="SizeNotAvailable", target="properties.size")
        return made

    return [
        ResourceType(name=THING, schema=Anything, admit=admit, provision=provision, actions=(Action("listKeys", keys),), is_tracked=True),
        ResourceType(name=f"{THING}/parts", schema=Anything, admit=keep),
        ResourceType(name="Microsoft.Authorization/locks", schema=Anything, admit=keep, is_extension=True),
    ]


@dataclass
class Bench:
    """A client's view of the room."""

    control: Control
    room: Room
    operations: Operations
    grants: WrittenGrants
    gateway: Gateway

    def id(self, name: str = "main", group: str = GROUP) -> str:
        return f"{group}/providers/Microsoft.Resources/deployments/{name}"

    async def begin(self, template: JsonObject, *, name: str = "main", caller: Caller = OWNER, group: str = GROUP, **given: Any) -> Outcome:
        parameters = {one: {"value": value} for one, value in given.items()}
        body = {"properties": {"mode": "Incremental", "template": template, "parameters": parameters}}
        return await self.control.put(caller, parse(self.id(name, group)), body, VERSION)

    async def deploy(self, template: JsonObject, **options: Any) -> JsonObject:
        """Deploy and wait; the deployment's properties."""
        return msgspec.json.decode((await self.begin(template, **options)).doc)["properties"]

    async def get(self, path: str, caller: Caller = OWNER) -> JsonObject:
        return msgspec.json.decode(await self.control.get(caller, parse(path if path.startswith("/") else f"{GROUP}/providers/{path}")))

    async def thing(self, name: str) -> JsonObject:
        return await self.get(f"{THING}/{name}")

    async def names(self, type_name: str = THING, group: str = GROUP) -> list[str]:
        """The names of all resources of a type in the group."""
        found = split(f"{group}/providers/{type_name}")
        assert isinstance(found, Collection)
        listed = await self.control.list(OWNER, found, {})
        return [msgspec.json.decode(doc)["name"] for doc in listed.docs]

    async def steps(self, name: str = "main", caller: Caller = OWNER) -> list[JsonObject]:
        """The operations of a deployment, as its list shows them."""
        found = split(f"{self.id(name)}/operations")
        assert isinstance(found, Collection)
        return [msgspec.json.decode(doc) for doc in (await self.control.list(caller, found, {})).docs]

    async def act(self, action: str, body: JsonObject | None = None, *, name: str = "main", caller: Caller = OWNER) -> JsonObject | None:
        return await self.control.act(caller, parse(self.id(name)), action, body or {}, {}, VERSION)

    async def close(self) -> None:
        """Let go of everything, as a process does that ends without a word."""
        await self.operations.stop()
        await self.control.store.close()


async def until(bench: Bench, holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a commit after which something holds."""
    news = asyncio.Event()
    bench.control.store.listen(lambda _: news.set())
    async with asyncio.timeout(20):
        while True:
            news.clear()
            if await holds():
                return
            await news.wait()


async def ended(bench: Bench, operation_id: str) -> str:
    """Wait for the end of a long operation; its last status."""
    seen: list[str] = []

    async def has_ended() -> bool:
        row = await bench.control.store.operation(operation_id)
        seen.append(row.status if row else "InProgress")
        return seen[-1] != "InProgress"

    await until(bench, has_ended)
    return seen[-1]


async def open_bench(path: Path, *, patience_seconds: float = 20.0, patience_of_deployments: float = 60.0) -> Bench:
    """The room on the database in `path`, which may be there already."""
    store = SqliteStore(path / "studiolo.db")
    gateway = Gateway()
    known: list[Control] = []
    opened = room(
        resources=KernelResources(lambda: known[0], patience_seconds=patience_of_deployments),
        records=StoredRecords(store),
        seals=KeySeals(bytes(range(32))),
        types=KernelTypes(lambda: known[0]),
        tenant="t1",
        environment={"name": "Studiolo"},
    )
    operations = Operations(store, owner="test")
    grants = WrittenGrants()
    control = Control(Catalog([*opened.types, *things(gateway)]), store, Gate(grants), operations, patience_seconds=patience_seconds)
    known.append(control)
    await control.put(PLATFORM, parse("/subscriptions/s1"), {"properties": {"displayName": "Ours"}})
    await control.put(PLATFORM, parse(GROUP), {"location": "local", "tags": {"team": "a"}})
    return Bench(control, opened, operations, grants, gateway)


@asynccontextmanager
async def crashed_and_started_again(path: Path, bench: Bench) -> AsyncGenerator[Bench]:
    """The same database after the process ended without a word, with what was under way taken up."""
    await bench.close()
    again = await open_bench(path)
    try:
        assert await again.operations.recover(is_alone=True)
        yield again
    finally:
        await again.close()

"""A studio with two projects, their model accounts and their keys, behind a real listener."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
import uvicorn
import uvloop

from studiolo.kernel.control import Control
from studiolo.kernel.faults import Unauthenticated
from studiolo.kernel.gate import Gate
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.keys import KeyRing
from studiolo.kernel.operations import Operations
from studiolo.kernel.resource import PLATFORM, Caller, Catalog, Change, Draft, JsonObject, Resource, ResourceType
from studiolo.kernel.store.sqlite import SqliteStore
from studiolo.rooms.models import Room, room
from studiolo.rooms.models.backends.absent import NoModels
from studiolo.rooms.models.backends.local.models import LocalModels
from studiolo.rooms.models.backends.local.weights import missing_packages
from studiolo.rooms.models.ports import Models, Project, Used
from studiolo.rooms.models.wire import PREFIXES, render
from studiolo.wire.front import Front, Nowhere
from studiolo.wire.http import Surface
from tests.support.kernel import GROUP, GROUPS, SUBSCRIPTIONS, Anything, Kernel, WrittenGrants, keep

T = TypeVar("T")
SECONDS = 60.0
WORKSPACE = "Microsoft.MachineLearningServices/workspaces"
PROJECT = f"{GROUP}/providers/{WORKSPACE}/triage"
OTHER = f"{GROUP}/providers/{WORKSPACE}/other"
ACCOUNT = f"{GROUP}/providers/Microsoft.CognitiveServices/accounts/triage"
WORKSPACE_IDS = {"triage": "11111111-1111-4111-8111-111111111111", "other": "22222222-2222-4222-8222-222222222222"}
USER_ROLE = "Cognitive Services OpenAI User"


def _keep_workspace(change: Change) -> Draft:
    return change.new.with_properties(workspaceId=WORKSPACE_IDS.get(change.id.name, "33333333-3333-4333-8333-333333333333"))


WORKSPACES = ResourceType(name=WORKSPACE, schema=Anything, admit=_keep_workspace, is_tracked=True)
ASSIGNMENTS = ResourceType(name="Microsoft.Authorization/roleAssignments", schema=Anything, admit=keep, is_extension=True)


class Resources:
    """The façade, which is there as soon as the kernel is."""

    control: Control

    async def find(self, id_: ResourceId) -> Resource | None:
        return await self.control.find(id_)

    async def settled(self, id_: ResourceId) -> Resource | None:
        return await self.control.settled(id_)

    async def ensure(self, caller: Caller, id_: ResourceId, body: JsonObject) -> Resource:
        return (await self.control.put(caller, id_, body)).resource

    async def remove(self, caller: Caller, id_: ResourceId) -> None:
        await self.control.delete(caller, id_)


class Identities:
    """Identities with names that a test can foretell."""

    async def ensure(self, resource: ResourceId, name: str) -> tuple[str, str]:
        return f"identity-of-{resource.name}", "tenant"

    async def retire(self, resource: ResourceId) -> None:
        return None


class Callers:
    """Two people with tokens."""

    async def of_token(self, token: str) -> Caller:
        if token not in ("token-of-model-user", "token-of-stranger"):
            raise Unauthenticated("The access token is not valid here.")
        oid = token.removeprefix("token-of-")
        return Caller(oid=oid, name=oid, kind="User")


class Projects:
    """Projects by workspace id or name."""

    async def find(self, name: str) -> Project | None:
        for known, workspace_id in WORKSPACE_IDS.items():
            if name.lower() in (known, workspace_id):
                return Project(parse(f"{GROUP}/providers/{WORKSPACE}/{known}"), workspace_id)
        return None


@dataclass
class Ledger:
    """What was used, and a way to wait for the next line."""

    lines: list[Used] = field(default_factory=list[Used])
    changed: threading.Condition = field(default_factory=threading.Condition)

    def record(self, used: Used) -> None:
        with self.changed:
            self.lines.append(used)
            self.changed.notify_all()

    def wait_for(self, count: int) -> Used:
        """The line of this number, counted from one."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.lines) >= count, SECONDS)
            return self.lines[count - 1]


@dataclass
class House:
    """A kernel with the models room in it: `model-user` may call models in `triage`."""

    kernel: Kernel
    room: Room
    models: Models
    ledger: Ledger

    async def keys(self, project: str = PROJECT) -> dict[Any, str]:
        return await self.room.accounts.project_keys(parse(project))

    async def get(self, id_: str) -> dict[str, Any]:
        return msgspec.json.decode(await self.kernel.control.get(PLATFORM, parse(id_)))

    async def put(self, id_: str, body: dict[str, Any]) -> dict[str, Any]:
        return msgspec.json.decode((await self.kernel.control.put(PLATFORM, parse(id_), body)).doc)

    async def act(self, id_: str, name: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return await self.kernel.control.act(PLATFORM, parse(id_), name, body or {}, {}) or {}

    async def make_project(self, id_: str) -> None:
        made = await self.kernel.control.put(PLATFORM, parse(id_), {"location": "local", "kind": "Project"})
        await self.room.accounts.ensure_defaults(made.resource)

    async def close(self) -> None:
        await self.models.close()
        await self.kernel.close()


async def open_house(path: Path, models: Models) -> House:
    """Two projects, `triage` and `other`, each with its account."""
    store = SqliteStore(path / "studiolo.db")
    resources, ledger = Resources(), Ledger()
    ring = KeyRing(store, b"m" * 32)
    found = room(store, ring, resources, Identities(), Callers(), Projects(), models, ledger, base_url="https://localhost:8443")
    grants = WrittenGrants()
    grants.roles |= {
        "model-user": [(USER_ROLE, PROJECT)],
        "identity-of-triage": [(USER_ROLE, PROJECT)],
        "identity-of-other": [(USER_ROLE, OTHER)],
    }
    operations = Operations(store, owner="test")
    catalog = Catalog([SUBSCRIPTIONS, GROUPS, WORKSPACES, ASSIGNMENTS, *found.types])
    resources.control = control = Control(catalog, store, Gate(grants), operations)
    await control.put(PLATFORM, parse("/subscriptions/s1"), {})
    await control.put(PLATFORM, parse(GROUP), {"location": "local"})
    house = House(Kernel(store, control, operations, grants), found, models, ledger)
    for project in (PROJECT, OTHER):
        await house.make_project(project)
    return house


class _Listener(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, ready: threading.Event, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._listens = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listens.set()


class Studio:
    """A house behind a listener of its own, in a thread of its own."""

    house: House

    def __init__(self, path: Path, open_models: Callable[[], Models]) -> None:
        self._path = path
        self._open_models = open_models
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(SECONDS)
        if self._failed is not None:
            raise self._failed

    @property
    def url(self) -> str:
        return f"http://localhost:{self._server.servers[0].sockets[0].getsockname()[1]}"

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something inside the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS)

    def key(self, project: str = PROJECT) -> str:
        return self.call(self.house.keys(project))["primary"]

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(SECONDS)

    def _run(self) -> None:
        try:
            uvloop.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - told to whoever waits for the start
            self._failed = error
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.house = await open_house(self._path, self._open_models())
        surface = Surface("models", self.house.room.routes, self.house.kernel.control.gate, render, prefixes=PREFIXES)
        front = Front([surface], lambda _: True, Nowhere())
        self._server = _Listener(self._ready, uvicorn.Config(front, host="127.0.0.1", port=0, log_level="critical", lifespan="off"))
        await self._server.serve()
        await self.house.close()


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where joined weights lie, with somebody else's bytes in their place at first; skips where the extra is not installed."""
    if missing_packages():
        pytest.skip("the model extra is not installed")
    cache = tmp_path_factory.mktemp("cache")
    (cache / "gemma-3-270m-q4_k_m.gguf").write_bytes(b"GGUF, says somebody")
    yield cache
    shutil.rmtree(cache)  # a quarter of a gigabyte, which pytest would keep for three runs


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio without models."""
    found = Studio(tmp_path_factory.mktemp("studio"), NoModels)
    yield found
    found.stop()


@pytest.fixture(scope="session")
def model_studio(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Iterator[Studio]:
    """A studio with the local models."""
    found = Studio(tmp_path_factory.mktemp("studio"), lambda: LocalModels(model_cache))
    yield found
    found.stop()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A house without a listener and without models."""
    found = await open_house(tmp_path, NoModels())
    yield found
    await found.close()

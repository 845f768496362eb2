"""A project with the assets room on a real kernel, spoken to by short paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from studiolo.kernel.control import Control
from studiolo.kernel.gate import Gate
from studiolo.kernel.ids import Collection, ResourceId, parse, split
from studiolo.kernel.operations import Operations
from studiolo.kernel.resource import PLATFORM, Caller, Catalog, JsonObject, ResourceType
from studiolo.kernel.store.sqlite import SqliteStore
from studiolo.rooms.assets import ProjectStorage, Recipient, assets, default_datastores
from studiolo.rooms.assets.ports import Containers, Workspaces
from tests.support.kernel import GROUP, GROUPS, OWNER, SUBSCRIPTIONS, Anything, Kernel, WrittenGrants, keep

WORKSPACE = f"{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/triage"
WORKSPACE_ID = "0c9e4d6e-3c0a-4a0e-9b0e-2b2f6a1f4d10"
ACCOUNT_ID = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/claimsdev"
LONG = "azureml://subscriptions/s1/resourcegroups/rg1/workspaces/triage/datastores/workspaceblobstore/paths/"
STORAGE = ProjectStorage(WORKSPACE_ID, "claimsdev", ACCOUNT_ID, "https://claimsdev.blob.core.localhost:8443")


class OneProject(Workspaces):
    """Knows the project of these tests alone."""

    async def storage(self, workspace: ResourceId) -> ProjectStorage | None:
        return STORAGE if workspace.key == WORKSPACE.lower() else None


class Signatures(Containers):
    """Says in plain text what was signed."""

    async def delegate(self, account: str, container: str, permissions: str, seconds: int, to: Recipient) -> str:
        return f"account={account}&container={container}&sp={permissions}&seconds={seconds}&to={to.caller.oid}&by={to.action}"


@dataclass(frozen=True)
class Bench:
    """The calls of a client, by paths below the project."""

    kernel: Kernel

    async def put(self, path: str, properties: JsonObject, caller: Caller = OWNER) -> JsonObject:
        outcome = await self.kernel.control.put(caller, parse(f"{WORKSPACE}/{path}"), {"properties": properties})
        return msgspec.json.decode(outcome.doc)["properties"]

    async def body(self, path: str, caller: Caller = OWNER) -> JsonObject:
        return msgspec.json.decode(await self.kernel.control.get(caller, parse(f"{WORKSPACE}/{path}")))

    async def get(self, path: str, caller: Caller = OWNER) -> JsonObject:
        return (await self.body(path, caller))["properties"]

    async def is_there(self, path: str) -> bool:
        return await self.kernel.control.find(parse(f"{WORKSPACE}/{path}")) is not None

    async def names(self, path: str, query: Mapping[str, str] | None = None, caller: Caller = OWNER) -> list[str]:
        return [body["name"] for body in await self.list(path, query, caller)]

    async def list(self, path: str, query: Mapping[str, str] | None = None, caller: Caller = OWNER) -> Sequence[JsonObject]:
        found = split(f"{WORKSPACE}/{path}")
        assert isinstance(found, Collection)
        return [msgspec.json.decode(doc) for doc in (await self.kernel.control.list(caller, found, query or {})).docs]

    async def act(self, path: str, action: str, body: JsonObject | None = None, caller: Caller = OWNER) -> JsonObject:
        return await self.kernel.control.act(caller, parse(f"{WORKSPACE}/{path}"), action, body or {}, {}) or {}

    async def delete(self, path: str, caller: Caller = OWNER) -> bool:
        return (await self.kernel.control.delete(caller, parse(f"{WORKSPACE}/{path}"))).existed

    async def archive(self, path: str, *, archived: bool = True) -> JsonObject:
        """As clients do it: read, mark, put the whole body back."""
        return await self.put(path, {**await self.get(path), "isArchived": archived})


async def open_bench(path: Path) -> Bench:
    """The room on a store of its own, with a project and its datastores."""
    store = SqliteStore(path / "studiolo.db")
    grants, operations = WrittenGrants(), Operations(store, owner="test")
    workspaces = ResourceType(name="Microsoft.MachineLearningServices/workspaces", schema=Anything, admit=keep)
    room = assets(store, OneProject(), Signatures())
    control = Control(Catalog([SUBSCRIPTIONS, GROUPS, workspaces, *room.types]), store, Gate(grants), operations)
    for id_ in ("/subscriptions/s1", GROUP, WORKSPACE):
        await control.put(PLATFORM, parse(id_), {"location": "local"})
    for id_, body in default_datastores(parse(WORKSPACE), STORAGE):
        await control.put(PLATFORM, id_, body)
    return Bench(Kernel(store, control, operations, grants))

"""A kernel without rooms: real store, real gate, and facts that a test writes down."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from studiolo.kernel.access.built_in import built_in_roles
from studiolo.kernel.access.decision import Assignment, CompiledFacts, Facts
from studiolo.kernel.control import Control
from studiolo.kernel.faults import Invalid
from studiolo.kernel.gate import Gate
from studiolo.kernel.ids import parse
from studiolo.kernel.operations import Operations
from studiolo.kernel.resource import PLATFORM, Caller, Catalog, Change, Draft, ResourceType
from studiolo.kernel.store.sqlite import SqliteStore

GROUP = "/subscriptions/s1/resourceGroups/rg1"
OWNER = Caller(oid="owner", name="owner", kind="User")
READER = Caller(oid="reader", name="reader", kind="User")
STRANGER = Caller(oid="stranger", name="stranger", kind="User")


class Anything(msgspec.Struct):
    """Properties without rules."""

    size: int | None = None


def keep(change: Change) -> Draft:
    """Admit what was asked for."""
    if change.new.properties.get("size") == -1:
        raise Invalid("'size' must not be negative.", target="properties.size")
    return change.new


SUBSCRIPTIONS = ResourceType(name="Microsoft.Resources/subscriptions", schema=Anything, admit=keep)
GROUPS = ResourceType(
    name="Microsoft.Resources/resourceGroups",
    schema=Anything,
    admit=keep,
    permission_name="Microsoft.Resources/subscriptions/resourceGroups",
)


@dataclass
class WrittenGrants:
    """Facts by object id, as a test states them."""

    roles: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: {"owner": [("Owner", "/")], "reader": [("Reader", "/")]})
    changes: int = 0

    def version(self) -> int:
        return self.changes

    def attributes(self, oid: str) -> dict[str, object]:
        return {}

    async def facts(self, oid: str) -> CompiledFacts:
        known = {role.name: role for role in built_in_roles().values()}
        assignments = tuple(
            Assignment(id=f"{oid}-{n}", principal_id=oid, role=known[name], scope=scope)
            for n, (name, scope) in enumerate(self.roles.get(oid, []))
        )
        return CompiledFacts(Facts(known=True, enabled=True, ids=frozenset({oid}), assignments=assignments, version=self.changes))


@dataclass
class Kernel:
    """The parts of a kernel, open."""

    store: SqliteStore
    control: Control
    operations: Operations
    grants: WrittenGrants

    async def close(self) -> None:
        await self.operations.stop()
        await self.store.close()


async def open_kernel(path: Path, *types: ResourceType, patience_seconds: float = 20.0) -> Kernel:
    """A kernel on a file in `path` with a subscription `s1` and a group `rg1`."""
    store = SqliteStore(path / "studiolo.db")
    grants = WrittenGrants()
    operations = Operations(store, owner="test")
    control = Control(Catalog([SUBSCRIPTIONS, GROUPS, *types]), store, Gate(grants), operations, patience_seconds=patience_seconds)
    await control.put(PLATFORM, parse("/subscriptions/s1"), {})
    await control.put(PLATFORM, parse(GROUP), {"location": "local"})
    return Kernel(store, control, operations, grants)

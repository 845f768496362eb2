"""The two kinds of long operation that every type has: provision after a write, retire before a removal."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from studiolo.kernel.control.drafting import leaving, put
from studiolo.kernel.documents import resource_of
from studiolo.kernel.faults import Conflict, Fault
from studiolo.kernel.operations import Operations
from studiolo.kernel.operations.worker import Report, Run
from studiolo.kernel.resource import Catalog, Resource, ResourceType
from studiolo.kernel.store.port import DropResource, OperationRow, Row, Store, Write

PROVISION, DELETE = "provision", "delete"
_BATCH = 200


class Steps:
    """What the worker does for each kind of operation."""

    def __init__(self, catalog: Catalog, store: Store, operations: Operations, patience_seconds: float) -> None:
        self._catalog = catalog
        self._store = store
        self._operations = operations
        self._patience = patience_seconds

    def register(self) -> None:
        """Tell the worker how both kinds are done."""
        self._operations.register(PROVISION, self._provision, self._provision_failed)
        self._operations.register(DELETE, self._delete, self._delete_failed, is_closing=True)

    @staticmethod
    def fault_of(row: OperationRow) -> Fault:
        """The fault that an operation ended with."""
        error = msgspec.json.decode(row.doc, type=Report).error or {}
        details = tuple(Conflict(d.get("message", ""), code=d.get("code"), target=d.get("target")) for d in error.get("details", ()))
        kind = _FAULTS.get(error.get("code", ""), Conflict)
        return kind(error.get("message", "The operation failed."), code=error.get("code"), target=error.get("target"), details=details)

    async def _load(self, run: Run) -> tuple[Row, Resource, ResourceType] | None:
        declared = self._catalog.get(run.target.type)
        row = await self._store.find(run.target.key)
        return (row, resource_of(row, declared), declared) if row else None

    async def _provision(self, run: Run) -> Sequence[Write]:
        if run.report.error is not None:
            raise self.fault_of(run.row)  # it had failed already, and was being undone when its worker died
        found = await self._load(run)
        if found is None:
            raise Conflict(f"'{run.target}' was removed before its provisioning began.", code="ResourceDeleted")
        row, resource, declared = found
        if declared.provision is None:
            return ()
        done = await declared.provision(resource, run)
        state = done.properties.get("provisioningState")
        if state in (None, "Creating", "Updating"):
            kept = {name: value for name, value in done.properties.items() if name != "error"}
            done = msgspec.structs.replace(done, properties={**kept, "provisioningState": "Succeeded"})
        return (put(declared, done, row.etag),)

    async def _provision_failed(self, run: Run, fault: Fault) -> Sequence[Write]:
        """A new resource that could not be made leaves nothing behind; an old one keeps its state and says Failed."""
        found = await self._load(run)
        if found is None:
            return ()
        row, resource, declared = found
        if run.report.context.get("isNew") and not declared.keeps_failed:
            run.close()
            marked, mark = leaving(declared, resource)
            await run.write(mark)
            return await self._removed(run, marked, declared)
        return (put(declared, _failed(resource, fault), row.etag),)

    async def _delete(self, run: Run) -> Sequence[Write]:
        found = await self._load(run)
        return await self._removed(run, found[1], found[2]) if found is not None else ()

    async def _delete_failed(self, run: Run, fault: Fault) -> Sequence[Write]:
        """What could not be deleted is there as before if it takes no steps to be made, and else says Failed."""
        found = await self._load(run)
        if found is None:
            return ()
        row, resource, declared = found
        if declared.provision is not None:
            return (put(declared, _failed(resource, fault), row.etag),)
        before = run.report.context.get("state")
        kept = {name: value for name, value in resource.properties.items() if name != "provisioningState"}
        properties = kept if before is None else {**kept, "provisioningState": before}
        return (put(declared, msgspec.structs.replace(resource, properties=properties), row.etag),)

    async def _removed(self, run: Run, resource: Resource, declared: ResourceType | None) -> Sequence[Write]:
        """Take a resource back: everything below it goes first, the deepest before what holds it, and no part twice in effect."""
        if declared is not None and declared.retire_first is not None:
            await declared.retire_first(resource, run)
        while rows := (await self._store.below(resource.id.key, limit=_BATCH)).rows:
            plain = [child for child in rows if self._is_plain(child)]
            for child in sorted({*rows}.difference(plain), key=lambda r: -r.key.count("/")):
                async with self._operations.alone(child.key, self._patience):
                    row = await self._store.find(child.key)
                    child_type = self._catalog.find(child.type)
                    if row is not None:
                        await run.write(*await self._removed(run, resource_of(row, child_type), child_type))
            if plain:
                await run.write(*(DropResource(child.key, child.type) for child in plain))
        if declared is not None and declared.retire is not None:
            await declared.retire(resource, run)
        return (DropResource(resource.id.key, resource.type.lower(), expect=resource.etag),)

    def _is_plain(self, row: Row) -> bool:
        """Whether a resource can go without steps, and nothing works on it."""
        declared = self._catalog.find(row.type)
        has_steps = declared is not None and (declared.provision or declared.retire or declared.retire_first) is not None
        return not has_steps and self._operations.hold_on(row.key) is None


def _failed(resource: Resource, fault: Fault) -> Resource:
    error = {"code": fault.code, "message": fault.message}
    return msgspec.structs.replace(resource, properties={**resource.properties, "provisioningState": "Failed", "error": error})


def _kinds(base: type[Fault]) -> dict[str, type[Fault]]:
    found: dict[str, type[Fault]] = {}
    for kind in base.__subclasses__():
        found[kind.default_code] = kind
        found.update(_kinds(kind))
    return found


_FAULTS = _kinds(Fault)

"""The two kinds of long operation that every type has: provision after a write, retire before a removal."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from studiolo.kernel.documents import resource_of, row_of
from studiolo.kernel.faults import Conflict, Fault
from studiolo.kernel.operations import Operations
from studiolo.kernel.operations.worker import Report, Run
from studiolo.kernel.resource import Catalog, Resource, ResourceType
from studiolo.kernel.store.port import DropResource, OperationRow, PutResource, Row, Store, Write

PROVISION, DELETE = "provision", "delete"
_BATCH = 200


class Steps:
    """What the worker does for each kind of operation."""

    def __init__(self, catalog: Catalog, store: Store) -> None:
        self._catalog = catalog
        self._store = store

    def register(self, operations: Operations) -> None:
        """Tell the worker how both kinds are done."""
        operations.register(PROVISION, self._provision, self._provision_failed)
        operations.register(DELETE, self._delete, self._delete_failed)

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
        found = await self._load(run)
        if found is None:
            raise Conflict(f"'{run.target}' was removed before its provisioning began.", code="ResourceDeleted")
        row, resource, declared = found
        if declared.provision is None:
            return ()
        done = await declared.provision(resource, run)
        state = done.properties.get("provisioningState")
        if state in (None, "Creating", "Updating"):
            done = msgspec.structs.replace(done, properties={**done.properties, "provisioningState": "Succeeded"})
        return self._replace(declared, done, row.etag)

    async def _provision_failed(self, run: Run, fault: Fault) -> Sequence[Write]:
        """A new resource that could not be made leaves nothing behind; an old one keeps its state and says Failed."""
        found = await self._load(run)
        if found is None:
            return ()
        row, resource, declared = found
        if run.report.context.get("isNew") and not declared.keeps_failed:
            if declared.retire is not None:
                await declared.retire(resource, run)
            return (DropResource(row.key, row.type),)
        error = {"code": fault.code, "message": fault.message}
        failed = msgspec.structs.replace(resource, properties={**resource.properties, "provisioningState": "Failed", "error": error})
        return self._replace(declared, failed, row.etag)

    def _replace(self, declared: ResourceType, resource: Resource, expect: str) -> Sequence[Write]:
        return (PutResource(row_of(resource), expect=expect, facets=tuple(declared.facets(resource)) if declared.facets else ()),)

    async def _delete(self, run: Run) -> Sequence[Write]:
        """Everything below goes first, the deepest before what holds it; each part at most once in effect."""
        found = await self._load(run)
        if found is None:
            return ()
        row, resource, declared = found
        if declared.retire_first is not None:
            await declared.retire_first(resource, run)
        while rows := (await self._store.below(row.key, limit=_BATCH)).rows:
            for child in sorted(rows, key=lambda r: -r.key.count("/")):
                child_type = self._catalog.find(child.type)
                if child_type is not None and child_type.retire is not None:
                    await child_type.retire(resource_of(child, child_type), run)
                await self._store.commit(DropResource(child.key, child.type))
        if declared.retire is not None:
            await declared.retire(resource, run)
        return (DropResource(row.key, row.type),)

    async def _delete_failed(self, run: Run, fault: Fault) -> Sequence[Write]:
        del run, fault
        return ()


def _kinds(base: type[Fault]) -> dict[str, type[Fault]]:
    found: dict[str, type[Fault]] = {}
    for kind in base.__subclasses__():
        found[kind.default_code] = kind
        found.update(_kinds(kind))
    return found


_FAULTS = _kinds(Fault)

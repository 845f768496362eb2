"""Blob services and containers as the resource façade keeps them, for commits of the data plane."""

from __future__ import annotations

from typing import Any, Final

from studiolo.kernel import clock
from studiolo.kernel.documents import row_of
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import Caller, Resource, SystemData
from studiolo.kernel.store.port import Row

SERVICES: Final = "Microsoft.Storage/storageAccounts/blobServices"
CONTAINERS: Final = f"{SERVICES}/containers"


def row(id_: str, type_name: str, caller: Caller, stamp: str, properties: dict[str, Any]) -> Row:
    """A new resource of this room, made by `caller` at `stamp`."""
    who, kind = caller.name or caller.oid, "User" if caller.kind == "User" else "Application"
    system = SystemData(
        created_by=who, created_by_type=kind, created_at=stamp, last_modified_by=who, last_modified_by_type=kind, last_modified_at=stamp
    )
    return row_of(Resource(id=parse(id_), type=type_name, etag=clock.new_tag(), system=system, properties=properties))

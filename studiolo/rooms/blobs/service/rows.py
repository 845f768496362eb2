"""Blob services and containers as the resource façade keeps them, for commits of the data plane."""

from __future__ import annotations

from typing import Any, Final

from studiolo.kernel.documents import row_of
from studiolo.kernel.ids import parse
from studiolo.kernel.platform import made
from studiolo.kernel.resource import Caller
from studiolo.kernel.store.port import Row

SERVICES: Final = "Microsoft.Storage/storageAccounts/blobServices"
CONTAINERS: Final = f"{SERVICES}/containers"


def row(id_: str, type_name: str, caller: Caller, stamp: str, properties: dict[str, Any]) -> Row:
    """A new resource of this room, made by `caller` at `stamp`."""
    return row_of(made(parse(id_), type_name, properties, stamp, caller))

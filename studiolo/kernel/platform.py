"""Resources that the platform itself writes: one shape, one way into the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.documents import resource_of, row_of
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.resource import PLATFORM, Caller, JsonObject, Resource, SystemData
from studiolo.kernel.store.port import ABSENT, DropResource, Emit, PutResource, Row

Facets = Callable[[Resource], Iterable[str]]


def made(id_: ResourceId, type_name: str, properties: JsonObject, at: str, caller: Caller = PLATFORM) -> Resource:
    """A new resource of the platform's making, for a caller if one is named."""
    return Resource(
        id=id_,
        type=type_name,
        etag=clock.new_tag(),
        system=SystemData.first(caller, at),
        properties={name: value for name, value in properties.items() if value is not None},
    )


def inserted(resource: Resource, facets: Facets) -> list[PutResource | Emit]:
    """The writes that add it, with the line in the activity log."""
    return [
        PutResource(row_of(resource), expect=ABSENT, facets=tuple(facets(resource))),
        Emit(resource.system.created_at, f"{resource.type}/write", "Succeeded", resource.id.key, PLATFORM.oid, b"{}"),
    ]


def rewritten(row: Row, properties: JsonObject, facets: Facets) -> PutResource:
    """The write that changes properties of the resource that a row holds, if nobody else has changed it meanwhile."""
    old = resource_of(row)
    changed = msgspec.structs.replace(old, properties={**old.properties, **properties}, etag=clock.new_tag())
    return PutResource(row_of(changed), expect=row.etag, facets=tuple(facets(changed)))


def dropped(key: str, type_name: str, at: str) -> list[DropResource | Emit]:
    """The writes that remove it, with the line in the activity log."""
    return [DropResource(key, type_name.lower()), Emit(at, f"{type_name}/delete", "Succeeded", key, PLATFORM.oid, b"{}")]

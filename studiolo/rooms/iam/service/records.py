"""Resources that the platform itself writes: one shape, one way into the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from studiolo.kernel import clock
from studiolo.kernel.documents import row_of
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.resource import PLATFORM, JsonObject, Resource, SystemData
from studiolo.kernel.store.port import ABSENT, DropResource, Emit, PutResource

Facets = Callable[[Resource], Iterable[str]]


def made(id_: ResourceId, type_name: str, properties: JsonObject, at: str) -> Resource:
    """A new resource of the platform's making."""
    return Resource(
        id=id_,
        type=type_name,
        etag=clock.new_tag(),
        system=SystemData(PLATFORM.name, "Application", at, PLATFORM.name, "Application", at),
        properties={name: value for name, value in properties.items() if value is not None},
    )


def inserted(resource: Resource, facets: Facets) -> list[PutResource | Emit]:
    """The writes that add it, with the line in the activity log."""
    return [
        PutResource(row_of(resource), expect=ABSENT, facets=tuple(facets(resource))),
        Emit(resource.system.created_at, f"{resource.type}/write", "Succeeded", resource.id.key, PLATFORM.oid, b"{}"),
    ]


def dropped(key: str, type_name: str, at: str) -> list[DropResource | Emit]:
    """The writes that remove it, with the line in the activity log."""
    return [DropResource(key, type_name.lower()), Emit(at, f"{type_name}/delete", "Succeeded", key, PLATFORM.oid, b"{}")]

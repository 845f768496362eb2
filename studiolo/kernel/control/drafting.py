"""Pure pieces of a write: its preconditions, and the resource that it makes."""

from __future__ import annotations

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.documents import row_of
from studiolo.kernel.faults import Invalid, Stale
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.resource import Change, Cleared, Draft, Resource, ResourceType, SystemData
from studiolo.kernel.store.port import ABSENT, DropResource, Emit, Entry, PutEntry, PutResource, Write


def check_preconditions(id_: ResourceId, old: Resource | None, if_match: str | None, if_none_match: str | None) -> None:
    """Raise Stale unless the ETag conditions of a write hold (RFC 9110, section 13), Invalid if they are malformed."""
    if if_none_match is not None:
        if if_none_match.strip() != "*":
            raise Invalid("If-None-Match on a write must be '*'.", code="InvalidHeaderValue", target="If-None-Match")
        if old is not None:
            raise Stale(f"'{id_}' exists already, and If-None-Match: * asks that it does not.")
    if if_match is not None and if_match.strip() != "*":
        wanted = [tag.strip().removeprefix("W/").strip('"') for tag in if_match.split(",")]
        if old is None or old.etag not in wanted:
            found = f'its ETag is "{old.etag}"' if old else "it does not exist"
            raise Stale(f"'{id_}' does not match If-Match {if_match}: {found}. Read it again and retry.")
    elif if_match is not None and old is None:
        raise Stale(f"'{id_}' does not exist, and If-Match: * asks that it does.")


def written(declared: ResourceType, change: Change, admitted: Draft) -> Resource:
    """The resource that an admitted draft becomes: with a fresh ETag, and who made and changed it."""
    system = SystemData.first(change.caller, change.at)
    if change.old is not None:
        before = change.old.system
        kept = before.created_by, before.created_by_type, before.created_at
        system = SystemData(*kept, system.last_modified_by, system.last_modified_by_type, system.last_modified_at)
    return Resource(
        id=change.id,
        type=declared.name,
        etag=clock.new_tag(),
        system=system,
        properties=admitted.properties,
        location=admitted.location,
        kind=admitted.kind,
        tags=admitted.tags if admitted.tags is not None or not declared.is_tracked else {},
        identity=admitted.identity,
        sku=admitted.sku,
        private=admitted.private,
    )


def put(declared: ResourceType, resource: Resource, expect: str) -> PutResource:
    """The write that puts a resource where one with the ETag `expect` is."""
    return PutResource(row_of(resource), expect=expect, facets=tuple(declared.facets(resource)) if declared.facets else ())


def asides(change: Change, cleared: Cleared) -> list[Write]:
    """What a type's guard wants in the same commit as the change."""
    found: list[Write] = [
        Emit(change.at, each.action, each.status, change.id.key, change.caller.oid, msgspec.json.encode(each.info))
        for each in cleared.remarks
    ]
    for each in cleared.gone:
        found.append(DropResource(each.id.key, each.type.lower(), expect=each.etag))
        found.append(Emit(change.at, f"{each.type}/delete", "Succeeded", each.id.key, change.caller.oid, b"{}"))
    if cleared.fence is not None:
        entry = Entry(cleared.fence.key, clock.new_tag(), b"{}")
        found.append(PutEntry(cleared.fence.space, entry, expect=cleared.fence.etag or ABSENT))
    return found


def leaving(declared: ResourceType, resource: Resource) -> tuple[Resource, PutResource]:
    """A resource marked as being deleted, and the write that marks it.

    It gets a fresh ETag, so that writes which rest on its being there fail from then on.
    """
    marked = msgspec.structs.replace(resource, etag=clock.new_tag(), properties={**resource.properties, "provisioningState": "Deleting"})
    return marked, put(declared, marked, resource.etag)


def stand_in(declared: ResourceType, id_: ResourceId) -> Resource:
    """A stand-in for an action on a resource that need not exist, such as a template's validation."""
    nobody = SystemData("", "", "", "", "", "")
    return Resource(id=id_, type=declared.name, etag="", system=nobody, properties={})


def is_same(old: Resource, new: Resource) -> bool:
    """Whether a write changes nothing, so that repeating a PUT is free and keeps the ETag.

    That its steps have succeeded is the worker's word, which a type's `admit` need not know.
    """
    parts = ("location", "kind", "tags", "identity", "sku", "private")
    if not all(getattr(old, part) == getattr(new, part) for part in parts):
        return False
    return old.properties in (new.properties, {"provisioningState": "Succeeded", **new.properties})

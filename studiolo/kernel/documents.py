"""Resource bodies: from what a client sent to a draft, from a resource to the ready bytes that every read returns."""

from __future__ import annotations

from typing import Any

import msgspec

from studiolo.kernel.faults import Invalid
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import Draft, JsonObject, Resource, ResourceType, SystemData
from studiolo.kernel.store.port import Row

_ENVELOPE = frozenset({"location", "tags", "kind", "identity", "sku", "properties"})
# Read-only or template-only members that clients send back; they are ignored, as the public cloud does.
_IGNORED = frozenset(
    {
        "id",
        "name",
        "type",
        "etag",
        "systemdata",
        "apiversion",
        "dependson",
        "comments",
        "condition",
        "scope",
        "zones",
        "plan",
        "managedby",
        "extendedlocation",
        "placement",
    }
)
_MAX_TAGS, _MAX_TAG_NAME, _MAX_TAG_VALUE = 50, 512, 256
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def draft_from(body: JsonObject) -> Draft:
    """A client's body as a draft.

    Raises:
        Invalid: a member is unknown or has the wrong JSON type (target names it).
    """
    found: JsonObject = {}
    for name, value in body.items():
        if name in _ENVELOPE:
            found[name] = value
        elif name.lower() in {e.lower() for e in _ENVELOPE}:
            found[name.lower()] = value
        elif name.lower() not in _IGNORED:
            raise Invalid(
                f"The resource body has an unknown member '{name[:100]}'. Settings of a resource belong into 'properties'.",
                target=name[:100],
            )
    for name, kind, word in (
        ("location", str, "a string"),
        ("kind", str, "a string"),
        ("properties", dict, "an object"),
        ("identity", dict, "an object"),
        ("sku", dict, "an object"),
    ):
        value = found.get(name)
        if value is not None and not isinstance(value, kind):
            raise Invalid(f"'{name}' must be {word}.", target=name)
    return Draft(
        properties=found.get("properties") or {},
        location=found.get("location"),
        kind=found.get("kind"),
        tags=_tags(found.get("tags")),
        identity=found.get("identity"),
        sku=found.get("sku"),
    )


def _tags(value: Any) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Invalid("'tags' must be an object of strings.", target="tags")
    tags: JsonObject = value  # pyright: ignore[reportUnknownVariableType] - JSON
    if len(tags) > _MAX_TAGS:
        raise Invalid(f"A resource can have at most {_MAX_TAGS} tags; {len(tags)} were given.", code="InvalidTags", target="tags")
    for name, text in tags.items():
        if not isinstance(text, str):
            raise Invalid(f"The tag '{name[:100]}' must have a string value.", code="InvalidTags", target="tags")
        if not name or len(name) > _MAX_TAG_NAME or len(text) > _MAX_TAG_VALUE:
            raise Invalid(
                f"The tag '{name[:100]}' is too long: names have 1 to {_MAX_TAG_NAME} characters, values at most {_MAX_TAG_VALUE}.",
                code="InvalidTags",
                target="tags",
            )
    return tags


def merge_patch(old: Any, patch: Any) -> Any:
    """RFC 7396: objects are merged member by member, null removes, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result: JsonObject = dict(old) if isinstance(old, dict) else {}  # pyright: ignore[reportUnknownArgumentType] - JSON
    changes: JsonObject = patch  # pyright: ignore[reportUnknownVariableType] - JSON
    for name, value in changes.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


def draft_of(resource: Resource) -> Draft:
    """A stored resource as a draft, to change parts of it."""
    return Draft(
        properties=resource.properties,
        location=resource.location,
        kind=resource.kind,
        tags=resource.tags,
        identity=resource.identity,
        sku=resource.sku,
        private=resource.private,
    )


def patched(old: Resource, patch: Draft) -> Draft:
    """The draft that a PATCH asks for: properties are merged, tags and the rest replaced where given."""
    before = draft_of(old)
    return Draft(
        properties=merge_patch(before.properties, patch.properties),
        location=patch.location or before.location,
        kind=patch.kind or before.kind,
        tags=before.tags if patch.tags is None else patch.tags,
        identity=merge_patch(before.identity, patch.identity) if patch.identity else before.identity,
        sku=patch.sku or before.sku,
        private=before.private,
    )


def body_of(resource: Resource) -> JsonObject:
    """The resource as clients see it."""
    body: JsonObject = {"id": resource.id.text, "name": resource.name, "type": resource.type}
    for name in ("location", "kind", "tags", "identity", "sku"):
        value = getattr(resource, name)
        if value is not None:
            body[name] = value
    body["etag"] = f'"{resource.etag}"'
    body["systemData"] = resource.system
    body["properties"] = resource.properties
    return body


def encode(resource: Resource) -> bytes:
    """The ready bytes of the resource's body."""
    return _encode(body_of(resource))


def row_of(resource: Resource) -> Row:
    """The resource as the store keeps it."""
    key = resource.id.key
    return Row(
        key=key,
        type=resource.type.lower(),
        parent=key.rsplit("/", 1)[0],
        etag=resource.etag,
        doc=encode(resource),
        private=_encode(resource.private) if resource.private else None,
        created=resource.system.created_at,
    )


def resource_of(row: Row, declared: ResourceType | None = None) -> Resource:
    """A stored row as a resource."""
    body: JsonObject = _decode(row.doc)
    return Resource(
        id=parse(body["id"]),
        type=declared.name if declared else body["type"],
        etag=row.etag,
        system=msgspec.convert(body["systemData"], SystemData),
        properties=body["properties"],
        location=body.get("location"),
        kind=body.get("kind"),
        tags=body.get("tags"),
        identity=body.get("identity"),
        sku=body.get("sku"),
        private=_decode(row.private) if row.private else {},
    )

"""Containers: what all versions of one name share, and the number that the next one gets."""

from __future__ import annotations

from typing import Any

from studiolo.kernel.faults import Conflict, Invalid
from studiolo.kernel.numbers import whole_number
from studiolo.kernel.resource import Change, Draft, JsonObject, Resource
from studiolo.rooms.assets.domain.versions import DATA_TYPES, texts

_COMPUTED = ("latestVersion", "nextVersion", "provisioningState")


def admit_container(change: Change) -> Draft:
    """A container: description, tags, properties and archive mark are the caller's, the versions are ours."""
    kept: JsonObject = change.old.properties if change.old else {"tags": {}, "properties": {}, "isArchived": False}
    asked = {name: value for name, value in change.new.properties.items() if name not in _COMPUTED}
    for name in ("tags", "properties"):
        if name in asked:
            asked[name] = texts(asked[name])
    if "isArchived" in asked:
        asked["isArchived"] = bool(asked["isArchived"])
    number = change.new.private.get("next", 1)
    return Draft(properties={**kept, **asked, "nextVersion": str(number), "provisioningState": "Succeeded"}, private={"next": number})


def admit_data_container(change: Change) -> Draft:
    """A container of data, whose type is fixed.

    Raises:
        Invalid: a new container has no known type.
        Conflict: the container's type is another (`DataTypeMismatch`).
    """
    kept = change.old.properties.get("dataType") if change.old else None
    asked = change.new.properties.get("dataType") or kept
    if asked not in DATA_TYPES:
        raise Invalid(f"'properties.dataType' must be one of {', '.join(DATA_TYPES)}.", target="properties.dataType")
    if kept is not None and asked != kept:
        raise _mismatch(change.id.name, kept, asked)
    return admit_container(change)


def container_for_version(change: Change, container: Resource | None) -> Draft | None:
    """What a new version makes of its container: one if there is none, and the next free number."""
    number = container.private.get("next", 1) if container else 1
    following = max(number, _number(change.id.name) + 1)
    if container is None:
        return Draft(private={"next": following})
    if following == number:
        return None
    return Draft(properties=_asked_again(container), private={"next": following})


def container_for_data(change: Change, container: Resource | None) -> Draft | None:
    """As for any version; the first one gives the container its type.

    Raises:
        Conflict: the container holds data of another type (`DataTypeMismatch`).
    """
    asked: Any = change.new.properties.get("dataType")
    if container is not None and isinstance(asked, str) and asked in DATA_TYPES and asked != container.properties["dataType"]:
        raise _mismatch(container.name, container.properties["dataType"], asked)
    draft = container_for_version(change, container)
    if draft is None or container is not None:
        return draft
    return draft.with_properties(dataType=asked if isinstance(asked, str) else None)


def _asked_again(container: Resource) -> JsonObject:
    return {name: value for name, value in container.properties.items() if name not in _COMPUTED}


def _number(version: str) -> int:
    return whole_number(version) or 0


def _mismatch(name: str, kept: str, asked: str) -> Conflict:
    return Conflict(
        f"The data asset '{name}' holds data of type '{kept}', and all its versions have that type. "
        f"Register '{asked}' data under another name.",
        code="DataTypeMismatch",
        target="properties.dataType",
    )

"""Versions: what is fixed once written, what may change, and the canonical form of each family's content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from studiolo.kernel.faults import Conflict, Invalid
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.resource import Change, Draft, JsonObject
from studiolo.rooms.assets.domain.uris import check_uri, code_form, folder_form, long_form

DATA_TYPES = ("uri_file", "uri_folder", "mltable")


@dataclass(frozen=True, slots=True)
class Family:
    """One family of versioned assets.

    `settle` gives the canonical form of asked-for properties, defaults filled in; it raises Invalid. `fixed` names the
    content: properties that never change; `same` says whether two of them are one. `reworded` ones among them take the
    new wording. A body that leaves content out means the content that is there, unless `is_whole`: then it means none.
    """

    word: str
    settle: Callable[[ResourceId, JsonObject], JsonObject]
    fixed: tuple[str, ...]
    same: Callable[[str, Any, Any], bool] = lambda _, old, new: bool(old == new)
    reworded: frozenset[str] = frozenset()
    is_whole: bool = False
    has_state: bool = True


def admit_version(family: Family, change: Change) -> Draft:
    """A new version, or a known one with other tags, description or archive mark.

    Properties that the body leaves out keep their value, since clients leave empty ones out; null empties them.

    Raises:
        Invalid: the content is malformed.
        Conflict: the content differs from what the version holds (`UserError`, detail `ImmutableVersion`).
    """
    kept = change.old.properties if change.old else {}
    asked = _shared(change.new.properties)
    if not family.is_whole:
        asked.update({name: kept[name] for name in family.fixed if name in kept and asked.get(name) is None})
    asked = family.settle(change.id, asked)
    if family.has_state:
        asked["provisioningState"] = "Succeeded"
    if change.old is None:
        return Draft(properties={"isArchived": False, "isAnonymous": False, "tags": {}, "properties": {}, **asked})
    for name in family.fixed:
        if not family.same(name, kept.get(name), asked.get(name)):
            raise _immutable(family, change.id, name)
    still = {name: kept[name] for name in ("isAnonymous", *family.fixed) if name in kept and name not in family.reworded}
    return Draft(properties={**kept, **asked, **still})


def settle_data(id_: ResourceId, asked: JsonObject) -> JsonObject:
    """Data: a type and a URI; the URI of a folder ends with a slash."""
    kind = asked.get("dataType")
    if kind not in DATA_TYPES:
        raise Invalid(f"'properties.dataType' must be one of {', '.join(DATA_TYPES)}, not {_quoted(kind)}.", target="properties.dataType")
    uri = long_form(_workspace(id_), check_uri(asked.get("dataUri"), "properties.dataUri"))
    return {**asked, "dataUri": uri if kind == "uri_file" else folder_form(uri)}


def settle_model(id_: ResourceId, asked: JsonObject) -> JsonObject:
    """Models: a URI, a type, and flavors that are never null."""
    uri = long_form(_workspace(id_), check_uri(asked.get("modelUri"), "properties.modelUri"))
    return {**asked, "modelUri": uri, "modelType": asked.get("modelType") or "custom_model", "flavors": asked.get("flavors") or {}}


def settle_code(id_: ResourceId, asked: JsonObject) -> JsonObject:
    """Code: the URI of a snapshot and, among its properties, the hash that it is found by."""
    del id_
    return {**asked, "codeUri": code_form(check_uri(asked.get("codeUri"), "properties.codeUri"))}


def settle_environment(id_: ResourceId, asked: JsonObject) -> JsonObject:
    """Environments: an image, alone or with a conda file, or a build context."""
    del id_
    image, build, conda = asked.get("image"), asked.get("build"), asked.get("condaFile")
    if bool(image) == bool(build):
        raise Invalid("An environment needs either 'image' or 'build', and not both.", target="properties.image")
    if conda and build:
        raise Invalid(
            "A conda file is laid over an 'image'; with 'build' the Dockerfile installs what is needed.", target="properties.condaFile"
        )
    if build:
        check_uri(build.get("contextUri"), "properties.build.contextUri")
        build = {**build, "dockerfilePath": build.get("dockerfilePath") or "Dockerfile"}
    content = {"image": image, "build": build, "condaFile": conda, "inferenceConfig": asked.get("inferenceConfig")}
    return {
        **{name: value for name, value in asked.items() if name not in content},
        **{name: value for name, value in content.items() if value},
        "osType": asked.get("osType") or "Linux",
        "environmentType": "UserCreated",
        "autoRebuild": asked.get("autoRebuild") or "Disabled",
    }


def same_code(name: str, old: Any, new: Any) -> bool:
    """Whether code is the same: its URI, and whatever is said of its content's hash."""
    if name != "properties":
        return bool(old == new)
    kept: JsonObject = old or {}
    asked: JsonObject = new or {}
    return all(kept.get(key) == value for key, value in asked.items())


def texts(value: Any) -> dict[str, str]:
    """Tags or properties as texts: clients send numbers and booleans too; null drops a name."""
    given: JsonObject = value or {}
    return {name: _text(scalar) for name, scalar in given.items() if scalar is not None}


def _shared(asked: JsonObject) -> JsonObject:
    """What all families have in common, in canonical form; names that are left out stay out."""
    found = dict(asked)
    for name in ("tags", "properties"):
        if name in found:
            found[name] = texts(found[name])
    for name in ("isArchived", "isAnonymous"):
        if name in found:
            found[name] = bool(found[name])
    return found


def _text(scalar: Any) -> str:
    if isinstance(scalar, bool):
        return "true" if scalar else "false"
    return str(scalar)


def _workspace(version: ResourceId) -> ResourceId:
    return parse(version.text.rsplit("/", 4)[0])


def _immutable(family: Family, id_: ResourceId, name: str) -> Conflict:
    target = f"properties.{name}"
    container, version = id_.names[-2], id_.names[-1]
    paths = "Asset paths cannot be updated. " if name.endswith("Uri") else ""
    message = (
        f"{paths}Version '{version}' of the {family.word} '{container}' exists already and its '{name}' is fixed. "
        "Only its description, tags, stage and archive mark can change; give other content another version."
    )
    return Conflict(
        message,
        code="UserError",
        target=target,
        details=(Conflict(f"'{name}' differs from what is kept.", code="ImmutableVersion", target=target),),
    )


def _quoted(value: Any) -> str:
    return "nothing" if value is None else f"'{str(value)[:100]}'"

"""Component versions: the specification as it came, with the defaults that clients expect to read back."""

from __future__ import annotations

from typing import Any, cast

from studiolo.kernel.faults import Invalid
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.resource import JsonObject

# What people may reword in a registered component. The rest is what it does.
_WORDING = frozenset({"$schema", "_source", "creation_context", "description", "display_name", "id", "name", "tags", "version"})
RESERVED = "azureml_default"


def settle_component(id_: ResourceId, asked: JsonObject) -> JsonObject:
    """The specification with `optional`, `resources.instance_count`, name and version filled in.

    Raises:
        Invalid: there is no specification, it has no type, or the version's name is the one that means "the default".
    """
    if id_.name.lower() == RESERVED:
        raise Invalid(f"'{RESERVED}' means a component's default version; choose another name.", code="InvalidResourceName", target="name")
    spec = _object(asked.get("componentSpec"))
    if spec is None or not isinstance(spec.get("type"), str):
        raise Invalid("'properties.componentSpec' is required: an object with a 'type'.", target="properties.componentSpec")
    settled: JsonObject = {"name": id_.names[-2], "version": id_.names[-1], **spec}
    inputs = _object(spec.get("inputs"))
    if inputs is not None:
        settled["inputs"] = {name: _port(port) for name, port in inputs.items()}
    if spec["type"] == "command":
        settled["resources"] = _counted(spec.get("resources"))
    return {**asked, "componentSpec": settled}


def same_component(name: str, old: Any, new: Any) -> bool:
    """Whether two specifications do the same, whatever they are called and however they are described."""
    del name
    return _work(old) == _work(new)


def _work(spec: JsonObject) -> JsonObject:
    return {name: value for name, value in spec.items() if name not in _WORDING}


def _port(port: Any) -> Any:
    known = _object(port)
    return port if known is None else {**known, "optional": known.get("optional") or False}


def _counted(resources: Any) -> Any:
    known = _object({} if resources is None else resources)
    return resources if known is None else {**known, "instance_count": known.get("instance_count") or 1}


def _object(value: Any) -> JsonObject | None:
    return cast("JsonObject", value) if isinstance(value, dict) else None

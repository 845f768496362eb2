"""Outputs: what a deployment hands on."""

from __future__ import annotations

from typing import Final

from studiolo.kernel.resource import JsonObject
from studiolo.rooms.templates.domain.evaluation import Evaluation, Probe
from studiolo.rooms.templates.domain.parameters import type_message
from studiolo.rooms.templates.domain.template import Output
from studiolo.rooms.templates.domain.values import LATER, Json, broken, find_key, member
from studiolo.rooms.templates.domain.world import World

TYPE_WORDS: Final = {
    "string": "String",
    "securestring": "SecureString",
    "int": "Int",
    "bool": "Bool",
    "array": "Array",
    "object": "Object",
    "secureobject": "SecureObject",
}


def shown_output(world: World, output: Output, *, is_probe: bool = False) -> JsonObject | None:
    """One output as a deployment shows it, secure ones without their value; None if its condition does not hold.

    Raises:
        Invalid: it has another type than declared, or an expression is wrong (code `InvalidTemplate`).
        Unanswered: it needs a look-up (never with `is_probe`).
    """
    evaluation = (Probe if is_probe else Evaluation)(world, output.path)
    condition = find_key(output.raw, "condition")
    if condition and evaluation.whole(output.raw[condition], f"{output.path}.{condition}") not in (True, LATER):
        return None
    value = _value(evaluation, output)
    wrong = type_message(output.type.lower(), value)
    if wrong and value is not None and value is not LATER:
        raise broken(f"the output '{output.name}' {wrong}.", f"{output.path}.value")
    shown: JsonObject = {"type": TYPE_WORDS[output.type.lower()]}
    return shown if output.is_secure else {**shown, "value": value}


def _value(evaluation: Evaluation, output: Output) -> Json:
    loop = member(output.raw, "copy")
    if not isinstance(loop, dict):
        return evaluation.whole(member(output.raw, "value"), f"{output.path}.value")
    made = evaluation.whole({"copy": [{**loop, "name": output.name}]}, output.path)
    return made.get(output.name, LATER) if isinstance(made, dict) else None

"""What is sent for one resource: its body, or for a nested deployment what it is asked to do."""

from __future__ import annotations

from typing import Final

from studiolo.kernel.faults import NotOffered
from studiolo.rooms.templates.domain.evaluation import Evaluation, Probe
from studiolo.rooms.templates.domain.nesting import embedded, surroundings
from studiolo.rooms.templates.domain.template import Declared, Template
from studiolo.rooms.templates.domain.values import LATER, JsonMap, broken, map_at, member, word_for
from studiolo.rooms.templates.domain.world import World

_NOT_SENT: Final = frozenset(
    {
        "type",
        "apiversion",
        "name",
        "condition",
        "copy",
        "dependson",
        "comments",
        "metadata",
        "scope",
        "resources",
        "resourcegroup",
        "subscriptionid",
    }
)


def body(world: World, declared: Declared, copies: tuple[tuple[str, int], ...], *, is_probe: bool = False) -> JsonMap:
    """The body that is to be written. With `is_probe`, LATER stands for what only the run can tell.

    Raises:
        Invalid: an expression in it is wrong (code `InvalidTemplate`).
        Unanswered: it needs a look-up (never with `is_probe`).
    """
    evaluation = (Probe if is_probe else Evaluation)(world, declared.path, copies=copies)
    raw = {name: part for name, part in declared.raw.items() if name.lower() not in _NOT_SENT}
    made = evaluation.whole(raw, declared.path)
    return {name: part for name, part in made.items() if part is not None} if isinstance(made, dict) else {}


def order_for(
    world: World, declared: Declared, copies: tuple[tuple[str, int], ...], *, is_probe: bool = False
) -> tuple[Template, JsonMap, JsonMap | None]:
    """What a nested deployment is asked: its template, its parameters by name, and with outer scope its surroundings.

    Raises:
        Invalid: an expression in its parameters is wrong (code `InvalidTemplate`).
        NotOffered: a parameter comes from a vault.
        Unanswered: a parameter needs a look-up (never with `is_probe`).
    """
    nested = embedded(declared, world.template)
    if nested is None:
        raise AssertionError(declared.path)
    if nested.is_outer:
        values = {one.name: world.parameters[key] for key, one in world.template.parameters.items()}
        return nested.template, values, surroundings(world, copies)
    properties = map_at(declared.raw, "properties", f"{declared.path}.properties")
    path = f"{declared.path}.properties.parameters"
    evaluation = (Probe if is_probe else Evaluation)(world, path, copies=copies)
    made = evaluation.whole(member(properties, "parameters") or {}, path)
    if not isinstance(made, dict):
        raise broken("the parameters of a deployment must be an object.", path)
    return nested.template, given_values(made, path), None


def given_values(parameters: JsonMap, path: str) -> JsonMap:
    """The values in `{"name": {"value": …}}`.

    Raises:
        Invalid: a parameter is not of that form (code `InvalidTemplate`).
        NotOffered: one is a reference to a vault's secret.
    """
    found: JsonMap = {}
    for name, one in parameters.items():
        if one is LATER:
            found[name] = LATER
            continue
        if not isinstance(one, dict):
            raise broken(f"a parameter is given as an object with a 'value'; it is {word_for(one)}.", f"{path}.{name}")
        if member(one, "reference") is not None:
            raise NotOffered(
                "Parameters that refer to a vault's secret are not offered; give the value.", target=f"{path}.{name}.reference"
            )
        if not any(key.lower() == "value" for key in one):
            raise broken("a parameter is given as an object with a 'value'.", f"{path}.{name}")
        found[name] = member(one, "value")
    return found

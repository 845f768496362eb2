"""Functions that look around: parameters, variables, loops, ids, the deployment and its surroundings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from studiolo.rooms.templates.domain.expressions import Call
from studiolo.rooms.templates.domain.functions import ISO_BASIC, write
from studiolo.rooms.templates.domain.values import LATER, Json, Later, Misuse, broken, word_for
from studiolo.rooms.templates.domain.world import Scope


class Place(Enum):
    """Where in a template an expression stands."""

    DEFAULT = auto()  # a parameter's default value
    VARIABLE = auto()
    FUNCTION = auto()  # the body of a function that the template defines
    STRUCTURE = auto()  # what must be known before anything runs: names, types, conditions, counts, scopes
    BODY = auto()  # what a resource is to become
    OUTPUT = auto()


EVERYWHERE: Final = frozenset(Place)
_IN_TEMPLATE = EVERYWHERE - {Place.DEFAULT, Place.FUNCTION}


@dataclass(frozen=True, slots=True)
class Special:
    """A function that gets the call itself, so that it may look around or leave arguments alone."""

    name: str
    least: int
    most: int | None
    run: Callable[[Scope, Call], Json]
    places: frozenset[Place] = EVERYWHERE


def _parameters(scope: Scope, call: Call) -> Json:
    name = scope.text(call, 0)
    key = name.lower()
    world = scope.world
    if scope.arguments is not None:
        if key not in scope.arguments:
            raise broken(f"the function has no parameter '{name}'.", scope.path)
        return scope.arguments[key]
    if key not in world.parameters:
        declared = world.template.parameters.get(key)
        if declared is None:
            raise broken(f"the template parameter '{name}' is not declared.", scope.path)
        with world.working_on(f"parameters('{declared.name}')", scope.path):
            world.parameters[key] = scope.tree(declared.default, f"{declared.path}.defaultValue")
    value = world.parameters[key]
    if value is LATER:
        raise Later
    return value


def _variables(scope: Scope, call: Call) -> Json:
    name = scope.text(call, 0)
    key, world = name.lower(), scope.world
    if key in world.values:
        return world.values[key]
    spelling = world.template.variable_names.get(key)
    if spelling is None:
        raise broken(f"the template variable '{name}' is not declared.", scope.path)
    with world.working_on(f"variables('{spelling}')", scope.path):
        section = world.template.variables
        path = world.template.at("variables")
        if spelling in section and spelling.lower() != "copy":
            world.values[key] = scope.tree(section[spelling], f"{path}.{spelling}")
        else:
            loops = section[next(one for one in section if one.lower() == "copy")]
            made = scope.tree({"copy": [loop for loop in _maps(loops) if str(loop.get("name", "")).lower() == key]}, path)
            world.values[key] = made[spelling] if isinstance(made, dict) and spelling in made else None
    return world.values[key]


def _maps(loops: Json) -> list[dict[str, Json]]:
    return [loop for loop in loops if isinstance(loop, dict)] if isinstance(loops, list) else []


def _copy_index(scope: Scope, call: Call) -> Json:
    values = [scope.node(argument) for argument in call.arguments]
    name = values.pop(0) if values and isinstance(values[0], str) else None
    offset = values[0] if values else 0
    if not isinstance(offset, int) or isinstance(offset, bool) or len(values) > 1:
        raise Misuse("it takes the name of a loop, an offset, or both.")
    for loop, index in reversed(scope.copies):
        if name is None or loop.lower() == str(name).lower():
            return index + offset
    raise Misuse(f"there is no copy loop '{name}' around this expression." if name else "there is no copy loop around this expression.")


def _resource_group(scope: Scope, _call: Call) -> Json:
    group = scope.world.facts.group
    if group is None:
        raise Misuse("the deployment goes to a subscription, not to a resource group.")
    return dict(group)


def ident(type_name: str, names: list[str]) -> str:
    """`Microsoft.X/a/b` and two names as `Microsoft.X/a/name/b/name`."""
    space, *kinds = type_name.strip("/").split("/")
    if not kinds or not space:
        raise Misuse(f"'{type_name[:200]}' is not a resource type: it has the form 'Namespace/type'.")
    if len(kinds) != len(names):
        raise Misuse(f"the type '{type_name[:200]}' needs {len(kinds)} names; {len(names)} are given.")
    return "/".join([space, *(part for pair in zip(kinds, names, strict=True) for part in pair)])


def _texts(scope: Scope, call: Call) -> list[str]:
    found: list[str] = []
    for index, argument in enumerate(call.arguments):
        value = scope.node(argument)
        if not isinstance(value, str):
            raise Misuse(f"argument {index + 1} must be a string; it is {word_for(value)}.")
        found.append(value)
    return found


def _until_type(texts: list[str], most: int) -> int:
    for place, text in enumerate(texts[: most + 1]):
        if "/" in text:
            return place
    raise Misuse("none of its first arguments is a resource type such as 'Namespace/type'.")


def _subscription_of(scope: Scope) -> str:
    return str(scope.world.facts.subscription["subscriptionId"])


def _resource_id(scope: Scope, call: Call) -> Json:
    texts = _texts(scope, call)
    place = _until_type(texts, 2)
    before, tail = texts[:place], ident(texts[place], texts[place + 1 :])
    group = scope.world.facts.group
    if group is None:
        return f"/subscriptions/{before[-1] if before else _subscription_of(scope)}/providers/{tail}"
    subscription = before[0] if len(before) == 2 else _subscription_of(scope)
    name = before[-1] if before else str(group["name"])
    return f"/subscriptions/{subscription}/resourceGroups/{name}/providers/{tail}"


def _subscription_resource_id(scope: Scope, call: Call) -> Json:
    texts = _texts(scope, call)
    place = _until_type(texts, 1)
    subscription = texts[0] if place else _subscription_of(scope)
    return f"/subscriptions/{subscription}/providers/{ident(texts[place], texts[place + 1 :])}"


def _tenant_resource_id(scope: Scope, call: Call) -> Json:
    texts = _texts(scope, call)
    return f"/providers/{ident(texts[0], texts[1:])}"


def _extension_resource_id(scope: Scope, call: Call) -> Json:
    texts = _texts(scope, call)
    return f"{texts[0].rstrip('/')}/providers/{ident(texts[1], texts[2:])}"


def _if(scope: Scope, call: Call) -> Json:
    return scope.node(call.arguments[1] if _truth(scope, call, 0) else call.arguments[2])


def _and(scope: Scope, call: Call) -> Json:
    return all(_truth(scope, call, index) for index in range(len(call.arguments)))


def _or(scope: Scope, call: Call) -> Json:
    return any(_truth(scope, call, index) for index in range(len(call.arguments)))


def _truth(scope: Scope, call: Call, index: int) -> bool:
    value = scope.node(call.arguments[index])
    if isinstance(value, bool):
        return value
    raise Misuse(f"argument {index + 1} must be a bool; it is {word_for(value)}.")


def _new_guid(scope: Scope, _call: Call) -> Json:
    return _fresh(scope).guid()


def _utc_now(scope: Scope, call: Call) -> Json:
    return write(_fresh(scope).at, scope.text(call, 0) if call.arguments else ISO_BASIC)


def _fresh(scope: Scope):  # noqa: ANN202 - the world's own type
    if scope.world.fresh is None:
        raise Misuse("it can only stand in the default value of a parameter.")
    return scope.world.fresh


PLACES: dict[str, Special] = {
    special.name.lower(): special
    for special in (
        Special("parameters", 1, 1, _parameters),
        Special("variables", 1, 1, _variables, _IN_TEMPLATE),
        Special("copyIndex", 0, 2, _copy_index, _IN_TEMPLATE),
        Special("resourceGroup", 0, 0, _resource_group, EVERYWHERE - {Place.FUNCTION}),
        Special("subscription", 0, 0, lambda scope, _: dict(scope.world.facts.subscription), EVERYWHERE - {Place.FUNCTION}),
        Special("tenant", 0, 0, lambda scope, _: dict(scope.world.facts.tenant), EVERYWHERE - {Place.FUNCTION}),
        Special("deployment", 0, 0, lambda scope, _: dict(scope.world.facts.deployment), EVERYWHERE - {Place.FUNCTION}),
        Special("environment", 0, 0, lambda scope, _: dict(scope.world.facts.environment), EVERYWHERE - {Place.FUNCTION}),
        Special("deployer", 0, 0, lambda scope, _: dict(scope.world.facts.deployer), EVERYWHERE - {Place.FUNCTION}),
        Special("resourceId", 2, None, _resource_id, EVERYWHERE - {Place.FUNCTION}),
        Special("subscriptionResourceId", 2, None, _subscription_resource_id, EVERYWHERE - {Place.FUNCTION}),
        Special("tenantResourceId", 2, None, _tenant_resource_id),
        Special("extensionResourceId", 3, None, _extension_resource_id),
        Special("if", 3, 3, _if),
        Special("and", 2, None, _and),
        Special("or", 2, None, _or),
        Special("newGuid", 0, 0, _new_guid, frozenset({Place.DEFAULT})),
        Special("utcNow", 0, 1, _utc_now, frozenset({Place.DEFAULT})),
    )
}

"""Templates in templates: what a nested deployment sees, in its own scope or in that of the template around it.

With inner scope a nested template stands alone: its parameters are given by the outer one. With outer scope (the
default) its expressions mean the outer template's parameters, variables, loops and surroundings. Such a deployment is
therefore sent with the outer declarations and values, so that secure values stay declared secure and no text is ever
evaluated twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from studiolo.kernel.faults import NotOffered
from studiolo.rooms.templates.domain import bounds
from studiolo.rooms.templates.domain.names import DEPLOYMENTS
from studiolo.rooms.templates.domain.template import Declared, Template, read
from studiolo.rooms.templates.domain.values import Json, JsonMap, broken, find_key, map_at, member, word_for
from studiolo.rooms.templates.domain.world import Facts, Named, World

OUTER = "outerScope"
"""The member of a nested deployment's properties that carries the surroundings of the template around it."""


@dataclass(frozen=True, slots=True)
class Nested:
    """A template that a resource of another template deploys."""

    template: Template
    is_outer: bool


def embedded(declared: Declared, around: Template) -> Nested | None:
    """The template that this resource deploys, or None if it is no deployment.

    Raises:
        Invalid: the nested template is malformed or nested too deeply (code `InvalidTemplate`).
        NotOffered: it is linked by a URI, or replaces what is there.
    """
    kind = member(declared.raw, "type")
    if not isinstance(kind, str) or kind.lower() != DEPLOYMENTS.lower():
        return None
    path = f"{declared.path}.properties"
    properties = map_at(declared.raw, "properties", path)
    refuse_unoffered(properties, path)
    raw = member(properties, "template")
    if not isinstance(raw, dict):
        raise broken(f"a nested deployment needs a template, which must be an object; it is {word_for(raw)}.", f"{path}.template")
    if declared.path.count(".template.") >= bounds.NESTED_DEPLOYMENTS:
        raise broken(f"deployments are nested more than {bounds.NESTED_DEPLOYMENTS} levels deep.", path)
    is_outer = is_outer_scope(properties, f"{path}.expressionEvaluationOptions")
    place = f"{path}.template"
    if not is_outer:
        return Nested(read(raw, place), is_outer=False)
    own = read({k: v for k, v in raw.items() if k.lower() in ("$schema", "contentversion", "resources", "outputs")}, place)
    raw = {**own.raw, **{k: v for k, v in around.raw.items() if k.lower() in ("parameters", "variables", "functions")}}
    shared = replace(
        own,
        raw=raw,
        parameters=around.parameters,
        variables=around.variables,
        functions=around.functions,
        variable_names=around.variable_names,
    )
    return Nested(shared, is_outer=True)


def refuse_unoffered(properties: JsonMap, path: str) -> None:
    """Refuse what a deployment can ask for elsewhere and not here.

    Raises:
        NotOffered: a template or parameters behind a link, complete mode, another deployment on failure.
        Invalid: the mode is none (code `InvalidDeploymentMode`).
    """
    for name in ("templateLink", "parametersLink"):
        if member(properties, name) is not None:
            raise NotOffered(
                f"'{name}' is not offered: nothing is fetched from elsewhere. Send the content itself.", target=f"{path}.{name}"
            )
    if member(properties, "onErrorDeployment") is not None:
        raise NotOffered("'onErrorDeployment' is not offered.", target=f"{path}.onErrorDeployment")
    mode = member(properties, "mode")
    if isinstance(mode, str) and mode.lower() == "complete":
        raise NotOffered(
            "The mode 'Complete', which removes what the template does not name, is not offered; use 'Incremental'.", target=f"{path}.mode"
        )
    if mode is not None and not (isinstance(mode, str) and mode.lower() == "incremental"):
        raise broken("the mode of a deployment must be 'Incremental'.", f"{path}.mode", code="InvalidDeploymentMode")


def is_outer_scope(properties: JsonMap, path: str) -> bool:
    """Whether the nested template's expressions mean the template around it."""
    scope = member(map_at(properties, "expressionEvaluationOptions", path), "scope")
    if scope is None or (isinstance(scope, str) and scope.lower() in ("outer", "notspecified")):
        return True
    if isinstance(scope, str) and scope.lower() == "inner":
        return False
    raise broken("the scope of expressions must be 'inner' or 'outer'.", f"{path}.scope")


def surroundings(world: World, copies: tuple[tuple[str, int], ...]) -> JsonMap:
    """What a nested template with outer scope has to know of this one, as JSON."""
    facts = world.facts
    return {
        "deployment": facts.deployment,
        "subscription": facts.subscription,
        "group": facts.group,
        "copies": [[name, index] for name, index in copies],
        "named": {key: None if one is None else {"id": one.id, "apiVersion": one.api_version} for key, one in world.named.items()},
    }


def put_into(world: World, outer: JsonMap) -> World:
    """A nested deployment's world with the surroundings of the template around it.

    Raises:
        Invalid: they are not as this version sends them (code `InvalidTemplate`).
    """
    path = f"properties.{OUTER}"
    facts = world.facts
    group = member(outer, "group")
    named: dict[str, Named | None] = {}
    for key, one in map_at(outer, "named", f"{path}.named").items():
        named[key.lower()] = Named(str(one.get("id", "")), str(one.get("apiVersion", ""))) if isinstance(one, dict) else None
    copies = member(outer, "copies")
    return replace(
        world,
        facts=Facts(
            target=facts.target,
            deployment=map_at(outer, "deployment", path) or facts.deployment,
            subscription=_subscription(outer, path) or facts.subscription,
            group=group if isinstance(group, dict) and "name" in group else None,
            tenant=facts.tenant,
            environment=facts.environment,
            deployer=facts.deployer,
        ),
        named=named,
        copies=tuple(_loop(one, f"{path}.copies") for one in copies) if isinstance(copies, list) else (),
    )


def _subscription(outer: JsonMap, path: str) -> JsonMap:
    found = map_at(outer, "subscription", path)
    return found if find_key(found, "subscriptionId") else {}


def _loop(one: Json, path: str) -> tuple[str, int]:
    match one:
        case [str() as name, int() as index]:
            return name, index
        case _:
            raise broken("a loop is a name and an index.", path)

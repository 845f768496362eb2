"""Parameters: the given values checked against their declarations, the missing ones filled from defaults."""

from __future__ import annotations

from studiolo.kernel.faults import Invalid
from studiolo.rooms.templates.domain.evaluation import Evaluation
from studiolo.rooms.templates.domain.template import Parameter, Template
from studiolo.rooms.templates.domain.values import LATER, Json, JsonMap, broken, is_int, member, same, word_for
from studiolo.rooms.templates.domain.world import Fresh, World

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "securestring": (str,),
    "int": (int,),
    "bool": (bool,),
    "array": (list,),
    "object": (dict,),
    "secureobject": (dict,),
}


def fill(world: World, given: JsonMap, fresh: Fresh | None) -> None:
    """Put a value for every declared parameter into the world. A given null counts as not given.

    Raises:
        Invalid: one is missing, unknown, of another type or outside its limits (code `InvalidTemplate`).
    """
    template = world.template
    _refuse_unknown(template, given)
    for name, value in given.items():
        if value is not None:
            world.meter.weigh(value, f"parameters.{name}")
            world.parameters[name.lower()] = _as_allowed(template.parameters[name.lower()], value)
    _refuse_missing(template, world.parameters)
    world.fresh = fresh
    for key, declared in template.parameters.items():
        if key not in world.parameters:
            with world.working_on(f"parameters('{declared.name}')", declared.path):
                world.parameters[key] = Evaluation(world).whole(declared.default, f"{declared.path}.defaultValue")
        _check(declared, world.parameters[key])
    world.fresh = None


def type_message(kind: str, value: Json) -> str | None:
    """What is wrong with a value's type, or None if nothing is."""
    if isinstance(value, bool) is (kind == "bool") and isinstance(value, _TYPES[kind]):
        return None
    return f"must be of type '{kind}'; it is {word_for(value)}"


def _refuse_unknown(template: Template, given: JsonMap) -> None:
    unknown = [name for name in given if name.lower() not in template.parameters]
    if unknown:
        known = ", ".join(one.name for one in template.parameters.values()) or "none"
        names = ", ".join(f"'{name[:100]}'" for name in unknown[:10])
        raise broken(
            f"the parameters {names} were given but are not declared in the template; it declares: {known[:1000]}.",
            template.at("parameters"),
        )


def _refuse_missing(template: Template, values: JsonMap) -> None:
    missing = [one for key, one in template.parameters.items() if key not in values and not one.has_default]
    if missing:
        names = ", ".join(f"'{one.name}'" for one in missing)
        raise broken(f"a value is missing for the parameters {names}, which have no default value.", missing[0].path)


def _check(declared: Parameter, value: Json) -> None:
    if value is LATER:
        return
    if value is None and declared.has_default and declared.default is None:
        return
    wrong = type_message(declared.type, value)
    if wrong:
        raise _unfit(declared, wrong)
    allowed = member(declared.raw, "allowedValues")
    if isinstance(allowed, list) and not _is_allowed(value, allowed):
        given = f"'{str(value)[:100]}', which is " if isinstance(value, str | int) and not declared.is_secure else ""
        raise _unfit(declared, f"is {given}not among its allowed values: " + ", ".join(f"'{one}'" for one in allowed[:50]))
    _check_limits(declared, value)


def _as_allowed(declared: Parameter, value: Json) -> Json:
    """A text in the spelling of the allowed value that it means.

    Allowed values compare without case. Published clients on Python 3.11 and later also write a member of an
    enumeration by its name, `PublicNetworkAccessType.ENABLED` for `Enabled`; that is taken for the member too.
    """
    allowed = member(declared.raw, "allowedValues")
    if not isinstance(value, str) or value is LATER or not isinstance(allowed, list):
        return value
    spellings = {one.lower(): one for one in allowed if isinstance(one, str)}
    low = value.lower()
    word, dot, name = low.rpartition(".")
    named = spellings.get(name) if dot and word.isidentifier() else None
    return spellings.get(low) or named or value


def _is_allowed(value: Json, allowed: list[Json]) -> bool:
    """An array may be one of the allowed values, or be made of them."""
    if any(same(value, one) for one in allowed):
        return True
    return isinstance(value, list) and all(any(same(part, one) for one in allowed) for part in value)


def _check_limits(declared: Parameter, value: Json) -> None:
    size = value if isinstance(value, int) else len(value) if isinstance(value, str | list) else None
    least, most = ("minValue", "maxValue") if is_int(value) else ("minLength", "maxLength")
    for name, sign in ((least, 1), (most, -1)):
        limit = member(declared.raw, name)
        if size is None or limit is None:
            continue
        if not isinstance(limit, int) or isinstance(limit, bool):
            raise broken(f"'{name}' must be a whole number.", f"{declared.path}.{name}")
        if sign * size < sign * limit:
            raise _unfit(declared, f"is beyond its {name} of {limit}")


def _unfit(declared: Parameter, what: str) -> Invalid:
    return broken(f"the value of the parameter '{declared.name}' {what}.", declared.path)

"""A template, read: its declarations with their places, nothing evaluated."""

from __future__ import annotations

from dataclasses import dataclass, field

from studiolo.kernel.faults import NotOffered
from studiolo.rooms.templates.domain import bounds
from studiolo.rooms.templates.domain.values import Json, JsonMap, broken, find_key, map_at, member, text_at, word_for

_UNOFFERED = ("apiProfile", "definitions", "asserts")
_SECTIONS = frozenset(
    {"$schema", "contentversion", "parameters", "variables", "functions", "resources", "outputs", "metadata", "languageversion"}
)
_TYPES = frozenset({"string", "securestring", "int", "bool", "array", "object", "secureobject"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declared parameter. `default` is not evaluated; `has_default` tells a null from none."""

    name: str
    type: str  # lower case
    default: Json
    has_default: bool
    raw: JsonMap
    path: str

    @property
    def is_secure(self) -> bool:
        """Whether its value must never be kept or shown."""
        return self.type.startswith("secure")


@dataclass(frozen=True, slots=True)
class Output:
    """One declared output; nothing is evaluated."""

    name: str
    type: str  # as written
    raw: JsonMap
    path: str

    @property
    def is_secure(self) -> bool:
        """Whether its value must never be kept or shown."""
        return self.type.lower().startswith("secure")


@dataclass(frozen=True, slots=True)
class UserFunction:
    """A function that the template defines."""

    parameters: tuple[str, ...]  # lower case
    value: Json
    path: str


@dataclass(frozen=True, slots=True)
class Declared:
    """One declared resource with its place; `parent` is the resource that it is written in."""

    raw: JsonMap
    path: str
    parent: Declared | None = None
    children: tuple[Declared, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """A template's sections. Parameters, variables and functions are found by lower-case name."""

    raw: JsonMap
    parameters: dict[str, Parameter]
    variables: JsonMap
    functions: dict[str, UserFunction]
    resources: tuple[Declared, ...]
    outputs: tuple[Output, ...]
    path: str = ""
    variable_names: dict[str, str] = field(default_factory=dict[str, str])

    def at(self, place: str) -> str:
        """A place in this template, as seen from the outermost one."""
        return f"{self.path}.{place}" if self.path else place


def read(raw: JsonMap, path: str = "") -> Template:
    """Read a template.

    Raises:
        Invalid: a section is malformed or over its limit (code `InvalidTemplate`).
        NotOffered: it uses a part of the language that this version does not have.
    """
    base = f"{path}." if path else ""
    _refuse_unoffered(raw, base)
    for name in raw:
        if name.lower() not in _SECTIONS:  # what is known elsewhere has been refused above
            raise broken(f"a template has no section '{name[:100]}'.", f"{base}{name[:100]}")
    for name in ("$schema", "contentVersion"):
        text_at(raw, name, f"{base}{name}")
    variables = map_at(raw, "variables", f"{base}variables")
    names = _variable_names(variables, f"{base}variables")
    return Template(
        raw=raw,
        parameters=_parameters(map_at(raw, "parameters", f"{base}parameters"), f"{base}parameters"),
        variables=variables,
        functions=_functions(member(raw, "functions"), f"{base}functions"),
        resources=_resources(member(raw, "resources"), f"{base}resources", None),
        outputs=_outputs(map_at(raw, "outputs", f"{base}outputs"), f"{base}outputs"),
        path=path,
        variable_names=names,
    )


def _refuse_unoffered(raw: JsonMap, base: str) -> None:
    language = member(raw, "languageVersion")
    if language not in (None, "1.0"):
        raise NotOffered(
            f"Templates of languageVersion '{language}' are not offered; write it without symbolic names.", target=f"{base}languageVersion"
        )
    for name in _UNOFFERED:
        if find_key(raw, name):
            raise NotOffered(f"The template section '{name}' is not offered.", target=f"{base}{name}")


def _check_count(count: int, most: int, what: str, path: str) -> None:
    if count > most:
        raise broken(f"a template can have at most {most} {what}; this one has {count}.", path)


def _parameters(section: JsonMap, path: str) -> dict[str, Parameter]:
    _check_count(len(section), bounds.PARAMETERS, "parameters", path)
    found: dict[str, Parameter] = {}
    for name, raw in section.items():
        place = f"{path}.{name}"
        if not isinstance(raw, dict):
            raise broken(f"a parameter's declaration must be an object; it is {word_for(raw)}.", place)
        kind = text_at(raw, "type", f"{place}.type").lower()
        if kind not in _TYPES:
            raise broken(f"'{kind[:50]}' is not a parameter type; there are: {', '.join(sorted(_TYPES))}.", f"{place}.type")
        if name.lower() in found:
            raise broken(f"the parameter '{name}' is declared twice.", place)
        key = find_key(raw, "defaultValue")
        found[name.lower()] = Parameter(name, kind, raw[key] if key else None, key is not None, raw, place)
    return found


def _variable_names(section: JsonMap, path: str) -> dict[str, str]:
    found: dict[str, str] = {}
    loops = member(section, "copy")
    names = [name for name in section if name.lower() != "copy" or not isinstance(loops, list)]
    for place, loop in enumerate(loops if isinstance(loops, list) else ()):
        if not isinstance(loop, dict):
            raise broken("a variable's copy loop must be an object with name, count and input.", f"{path}.copy[{place}]")
        names.append(text_at(loop, "name", f"{path}.copy[{place}].name"))
    _check_count(len(names), bounds.VARIABLES, "variables", path)
    for name in names:
        if name.lower() in found:
            raise broken(f"the variable '{name}' is declared twice.", f"{path}.{name}")
        found[name.lower()] = name
    return found


def _functions(section: Json, path: str) -> dict[str, UserFunction]:
    if section is None:
        return {}
    if not isinstance(section, list):
        raise broken("'functions' must be an array.", path)
    found: dict[str, UserFunction] = {}
    for place, group in enumerate(section):
        here = f"{path}[{place}]"
        if not isinstance(group, dict):
            raise broken("a namespace of functions must be an object.", here)
        space = text_at(group, "namespace", f"{here}.namespace")
        for name, raw in map_at(group, "members", f"{here}.members").items():
            found[f"{space}.{name}".lower()] = _function(raw, f"{here}.members.{name}")
    return found


def _function(raw: Json, path: str) -> UserFunction:
    if not isinstance(raw, dict):
        raise broken("a function's definition must be an object.", path)
    declared = member(raw, "parameters") or []
    if not isinstance(declared, list):
        raise broken("a function's parameters must be an array.", f"{path}.parameters")
    names: list[str] = []
    for place, one in enumerate(declared):
        if not isinstance(one, dict):
            raise broken("a function's parameter must be an object.", f"{path}.parameters[{place}]")
        names.append(text_at(one, "name", f"{path}.parameters[{place}].name").lower())
    output = map_at(raw, "output", f"{path}.output")
    if find_key(output, "value") is None:
        raise broken("a function needs an output with a value.", f"{path}.output")
    return UserFunction(tuple(names), member(output, "value"), f"{path}.output.value")


def _resources(section: Json, path: str, parent: Declared | None) -> tuple[Declared, ...]:
    if section is None and parent is not None:
        return ()
    if not isinstance(section, list):
        raise broken(f"'resources' must be an array; it is {word_for(section)}.", path)
    _check_count(len(section), bounds.RESOURCES, "resources", path)
    found: list[Declared] = []
    for place, raw in enumerate(section):
        here = f"{path}[{place}]"
        if not isinstance(raw, dict):
            raise broken(f"a resource must be an object; it is {word_for(raw)}.", here)
        if here.count(".resources[") > bounds.NESTED_DEPLOYMENTS * 3:
            raise broken("child resources are nested too deeply.", here)
        bare = Declared(raw, here, parent)
        found.append(Declared(raw, here, parent, _resources(member(raw, "resources"), f"{here}.resources", bare)))
    return tuple(found)


def _outputs(section: JsonMap, path: str) -> tuple[Output, ...]:
    _check_count(len(section), bounds.OUTPUTS, "outputs", path)
    found: list[Output] = []
    for name, raw in section.items():
        place = f"{path}.{name}"
        if not isinstance(raw, dict):
            raise broken(f"an output must be an object; it is {word_for(raw)}.", place)
        kind = text_at(raw, "type", f"{place}.type")
        if kind.lower() not in _TYPES:
            raise broken(f"'{kind[:50]}' is not an output type; there are: {', '.join(sorted(_TYPES))}.", f"{place}.type")
        if find_key(raw, "value") is None and find_key(raw, "copy") is None:
            raise broken("an output needs a value or a copy loop.", place)
        found.append(Output(name, kind, raw, place))
    return tuple(found)

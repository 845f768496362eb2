"""The first pass: every expression of a template is read, whether or not it will ever be evaluated.

What a person mistyped is found here, before anything is planned: unknown functions, wrong numbers of arguments,
functions where they cannot stand, parameters and variables that nobody declared.
"""

from __future__ import annotations

from studiolo.rooms.templates.domain.bounds import CHARACTERS_PER_WORK, JSON_LEVELS, Meter
from studiolo.rooms.templates.domain.evaluation import arity_message, function_named, unknown_function
from studiolo.rooms.templates.domain.expressions import Call, Literal, calls, expression_in, parse
from studiolo.rooms.templates.domain.nesting import embedded
from studiolo.rooms.templates.domain.places import Place, Special
from studiolo.rooms.templates.domain.template import Declared, Template
from studiolo.rooms.templates.domain.values import Json, Misuse, broken

_STRUCTURE = frozenset({"condition", "type", "name", "apiversion", "scope", "dependson", "copy", "resourcegroup", "subscriptionid"})
_SILENT = frozenset({"comments", "metadata", "resources"})


def check(template: Template, meter: Meter, *, is_outer: bool = False) -> None:
    """Check a template and the templates nested in it. `is_outer`: its parameters and variables are another's, checked there.

    Raises:
        Invalid: an expression is malformed or names what does not exist (code `InvalidTemplate`).
        NotOffered: a part of the language is used that this version does not have.
    """
    checker = _Checker(template, meter)
    if not is_outer:
        for parameter in template.parameters.values():
            checker.walk(parameter.default, f"{parameter.path}.defaultValue", Place.DEFAULT)
        checker.walk(template.variables, template.at("variables"), Place.VARIABLE)
        for function in template.functions.values():
            checker.walk(function.value, function.path, Place.FUNCTION, own=frozenset(function.parameters))
    for declared in template.resources:
        checker.resource(declared)
    for output in template.outputs:
        checker.walk({k: v for k, v in output.raw.items() if k.lower() not in ("type", "metadata")}, output.path, Place.OUTPUT)


class _Checker:
    def __init__(self, template: Template, meter: Meter) -> None:
        self._template = template
        self._meter = meter

    def resource(self, declared: Declared) -> None:
        nested = embedded(declared, self._template)
        for name, part in declared.raw.items():
            low = name.lower()
            if low in _SILENT:
                continue
            path = f"{declared.path}.{name}"
            is_nest = nested is not None and low == "properties" and isinstance(part, dict)
            own = {k: v for k, v in part.items() if k.lower() != "template"} if is_nest and isinstance(part, dict) else part
            self.walk(own, path, Place.STRUCTURE if low in _STRUCTURE else Place.BODY)
        if nested is not None:
            self._meter.deployments += 1
            check(nested.template, self._meter, is_outer=nested.is_outer)
        for child in declared.children:
            self.resource(child)

    def walk(self, value: Json, path: str, place: Place, *, level: int = 0, own: frozenset[str] | None = None) -> None:
        if level > JSON_LEVELS:
            raise broken(f"a value is nested more than {JSON_LEVELS} levels deep.", path)
        if isinstance(value, str):
            self._string(value, path, place, own)
        elif isinstance(value, list):
            self._meter.spend(1 + len(value), path)
            for index, part in enumerate(value):
                self.walk(part, f"{path}[{index}]", place, level=level + 1, own=own)
        elif isinstance(value, dict):
            self._meter.spend(1 + len(value), path)
            for name, part in value.items():
                self._string(name, path, place, own)
                self.walk(part, f"{path}.{name}", place, level=level + 1, own=own)

    def _string(self, text: str, path: str, place: Place, own: frozenset[str] | None) -> None:
        inner = expression_in(text)
        if inner is None:
            return
        self._meter.spend(1 + len(inner) // CHARACTERS_PER_WORK, path)
        try:
            found = calls(parse(inner))
        except Misuse as misuse:
            raise broken(f"the expression '{text[:120]}' is malformed: {misuse}", path) from None
        for call in found:
            self._call(call, path, place, own)

    def _call(self, call: Call, path: str, place: Place, own: frozenset[str] | None) -> None:
        if call.space:
            user = self._template.functions.get(call.key)
            if user is None or place is Place.FUNCTION:
                raise broken(unknown_function(call), path)
            wrong = arity_message(f"{call.space}.{call.name}", len(user.parameters), len(user.parameters), len(call.arguments))
        else:
            function = function_named(call.key)
            if function is None:
                raise broken(unknown_function(call), path)
            wrong = arity_message(call.name, function.least, function.most, len(call.arguments))
            if isinstance(function, Special) and place not in function.places:
                raise broken(f"the template function '{call.name}' is not expected at this location.", path)
        if wrong:
            raise broken(wrong, path)
        self._names(call, path, own)

    def _names(self, call: Call, path: str, own: frozenset[str] | None) -> None:
        first = call.arguments[0] if call.arguments else None
        if call.space or not isinstance(first, Literal) or not isinstance(first.value, str):
            return
        name, low = first.value, first.value.lower()
        known = self._template.parameters if own is None else own
        if call.key == "parameters" and low not in known:
            raise broken(f"the template parameter '{name[:100]}' is not declared.", path)
        if call.key == "variables" and low not in self._template.variable_names:
            raise broken(f"the template variable '{name[:100]}' is not declared.", path)

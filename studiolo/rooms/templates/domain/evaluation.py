"""The value of expressions and of JSON that holds them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from studiolo.kernel.faults import Invalid
from studiolo.rooms.templates.domain import bounds
from studiolo.rooms.templates.domain.expressions import Call, Item, Literal, Member, Node, calls, expression_in, literal_in, parse
from studiolo.rooms.templates.domain.functions import PURE, Arguments, Function
from studiolo.rooms.templates.domain.lambdas import LAMBDAS
from studiolo.rooms.templates.domain.lookups import LIST, LOOKUPS, is_list, named
from studiolo.rooms.templates.domain.places import PLACES, Special
from studiolo.rooms.templates.domain.template import UserFunction
from studiolo.rooms.templates.domain.values import LATER, Json, JsonMap, Later, Misuse, broken, find_key, word_for
from studiolo.rooms.templates.domain.world import World

SPECIAL: dict[str, Special] = {**PLACES, **LAMBDAS, **LOOKUPS}
_NOTHING: Mapping[str, Json] = MappingProxyType({})


def function_named(key: str) -> Function | Special | None:
    """The built-in function of this lower-case name, or None."""
    return PURE.get(key) or SPECIAL.get(key) or (LIST if is_list(key) else None)


def arity_message(name: str, least: int, most: int | None, given: int) -> str | None:
    """What is wrong with a number of arguments, or None if nothing is."""
    if given >= least and (most is None or given <= most):
        return None
    wanted = str(least) if least == most else f"at least {least}" if most is None else f"{least} to {most}"
    return f"the function '{name}' takes {wanted} arguments; {given} are given."


class Evaluation:
    """One place of a template being evaluated: its loops, lambda variables and function arguments."""

    __slots__ = ("arguments", "copies", "lambdas", "path", "world")

    def __init__(
        self,
        world: World,
        path: str = "",
        *,
        copies: tuple[tuple[str, int], ...] | None = None,
        lambdas: Mapping[str, Json] = _NOTHING,
        arguments: Mapping[str, Json] | None = None,
    ) -> None:
        self.world = world
        self.path = path
        self.copies = world.copies if copies is None else copies
        self.lambdas = lambdas
        self.arguments = arguments

    # ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def whole(self, value: Json, path: str) -> Json:
        """The value of JSON with expressions in it, charged by its size.

        Raises:
            Invalid: an expression is malformed, misuses a function or costs too much (code `InvalidTemplate`).
            Later: it needs what only the run can tell.
        """
        result = self.value(value, path)
        self.world.meter.weigh(result, path)
        return result

    def tree(self, value: Json, path: str) -> Json:
        """The same, seen from the top of the template: without the loops and lambdas around this place."""
        return Evaluation(self.world, path).whole(value, path)

    def value(self, value: Json, path: str) -> Json:
        """The value of JSON with expressions in it, not charged as a whole."""
        if isinstance(value, str):
            return self.string(value, path)
        if not isinstance(value, list | dict):
            return value
        meter = self.world.meter
        meter.down(path)
        try:
            meter.spend(1 + len(value), path)
            if isinstance(value, list):
                return [self.value(part, f"{path}[{place}]") for place, part in enumerate(value)]
            return self._map(value, path)
        finally:
            meter.up()

    def string(self, text: str, path: str) -> Json:
        """The value of a string: what its expression gives, or what it says."""
        inner = expression_in(text)
        if inner is None:
            return literal_in(text)
        self.path = path
        try:
            node = parse(inner)
        except Misuse as misuse:
            raise broken(f"the expression '{_short(text)}' is malformed: {misuse}", path) from None
        return self.node(node)

    def _map(self, value: JsonMap, path: str) -> Json:
        made: JsonMap = {}
        for name, part in value.items():
            loops = loops_in(part) if name.lower() == "copy" else []
            if loops:
                self._loops(loops, made, f"{path}.{name}")
                continue
            key = self.string(name, path) if name.startswith("[") else name
            if not isinstance(key, str):
                raise broken(f"the name of a property must be a string; the expression '{_short(name)}' gives {word_for(key)}.", path)
            made[key] = self.value(part, f"{path}.{key}")
        return made

    def _loops(self, loops: list[JsonMap], made: JsonMap, path: str) -> None:
        for place, loop in enumerate(loops):
            here = f"{path}[{place}]"
            fields = {name.lower(): part for name, part in loop.items()}
            name = self.value(fields.get("name"), f"{here}.name")
            if not isinstance(name, str) or not name:
                raise broken("a copy loop needs a name.", f"{here}.name")
            wanted = self.value(fields.get("count"), f"{here}.count")
            if wanted is LATER:
                continue
            count = loop_count(wanted, f"{here}.count")
            self.world.meter.spend(count, here)
            made[name] = [self.within(name, index).value(fields.get("input"), f"{here}.input") for index in range(count)]

    def within(self, loop: str, index: int) -> Evaluation:
        """The same place, one loop further in."""
        return type(self)(self.world, self.path, copies=(*self.copies, (loop, index)), lambdas=self.lambdas, arguments=self.arguments)

    def with_lambdas(self, values: Mapping[str, Json]) -> Evaluation:
        """The same place with more lambda variables."""
        return type(self)(self.world, self.path, copies=self.copies, lambdas=values, arguments=self.arguments)

    # ── expressions ──────────────────────────────────────────────────────────────────────────────────────────────

    def node(self, node: Node) -> Json:
        """The value of an expression or a part of one."""
        if isinstance(node, Literal):
            return node.value
        meter = self.world.meter
        meter.down(self.path)
        try:
            meter.spend(1, self.path)
            if isinstance(node, Call):
                return self._call(node)
            return self._member(node) if isinstance(node, Member) else self._item(node)
        finally:
            meter.up()

    def text(self, call: Call, index: int) -> str:
        """An argument that must be a string.

        Raises:
            Misuse: it is not.
        """
        value = self.node(call.arguments[index])
        if isinstance(value, str):
            return value
        raise Misuse(f"argument {index + 1} must be a string; it is {word_for(value)}.")

    def _call(self, call: Call) -> Json:
        path = self.path
        user = self.world.template.functions.get(call.key) if call.space else None
        function = None if call.space else function_named(call.key)
        if user is not None:
            return self._user(user, call)
        if function is None:
            raise broken(unknown_function(call), path)
        wrong = arity_message(call.name, function.least, function.most, len(call.arguments))
        if wrong:
            raise broken(wrong, path)
        try:
            if isinstance(function, Special):
                return function.run(self, call)
            return self._pure(function, [self.node(argument) for argument in call.arguments])
        except Misuse as misuse:
            raise broken(f"the function '{call.name}' at position {call.at} of the expression: {misuse}", path) from None
        finally:
            self.path = path

    def _pure(self, function: Function, values: list[Json]) -> Json:
        meter, path = self.world.meter, self.path
        if function.is_glance:
            meter.spend(sum(len(value) for value in values if isinstance(value, list | dict)), path)
            return function.run(Arguments(values))
        for value in values:
            meter.weigh(value, path)
            if function.effort > 1 and isinstance(value, str):
                meter.spend(function.effort * len(value) // bounds.CHARACTERS_PER_WORK, path)
        result = function.run(Arguments(values))
        meter.weigh(result, path)
        return result

    def _user(self, function: UserFunction, call: Call) -> Json:
        if len(call.arguments) != len(function.parameters):
            raise broken(
                f"the function '{call.space}.{call.name}' takes {len(function.parameters)} arguments; {len(call.arguments)} are given.",
                self.path,
            )
        values = [self.node(argument) for argument in call.arguments]
        inner = Evaluation(self.world, function.path, arguments=dict(zip(function.parameters, values, strict=True)))
        return inner.value(function.value, function.path)

    def _member(self, node: Member) -> Json:
        target = self.node(node.target)
        if not isinstance(target, dict):
            raise broken(f"'.{node.name}' at position {node.at} of the expression needs an object; there is {word_for(target)}.", self.path)
        return self._pick(target, node.name, node.at)

    def _item(self, node: Item) -> Json:
        target, index = self.node(node.target), self.node(node.index)
        if isinstance(target, dict) and isinstance(index, str):
            return self._pick(target, index, node.at)
        if not isinstance(target, list) or not isinstance(index, int) or isinstance(index, bool):
            raise broken(
                f"the brackets at position {node.at} of the expression need an array and a whole number, or an object and a string; "
                f"there are {word_for(target)} and {word_for(index)}.",
                self.path,
            )
        if not 0 <= index < len(target):
            raise broken(
                f"the index {index} at position {node.at} of the expression lies outside the array, which has {len(target)} items.",
                self.path,
            )
        return target[index]

    def _pick(self, target: JsonMap, name: str, at: int) -> Json:
        if name not in target:
            self.world.meter.spend(1 + len(target) // 8, self.path)
        key = find_key(target, name)
        if key is None:
            known = ", ".join(list(target)[:20]) or "none"
            raise broken(
                f"the object has no property '{_short(name)}' at position {at} of the expression; it has: {_short(known, 300)}.", self.path
            )
        if target[key] is LATER:
            raise Later
        return target[key]


class Probe(Evaluation):
    """An evaluation before the run: what only the run can tell becomes LATER, and each look-up's target is noted."""

    __slots__ = ()

    def string(self, text: str, path: str) -> Json:
        """The value of a string, or LATER."""
        try:
            return super().string(text, path)
        except Later:
            self._note(text[1:-1], path)
            return LATER

    def _note(self, inner: str, path: str) -> None:
        """Note the targets of all look-ups in an expression: evaluating it stopped at the first."""
        self.path = path
        for call in calls(parse(inner)):
            if call.arguments and not call.space and (call.key == "reference" or is_list(call.key)):
                try:
                    self.world.wanted.add(named(self, self.text(call, 0)).id.lower())
                except (Misuse, Later, Invalid):
                    continue


def loops_in(part: Json) -> list[JsonMap]:
    """The property loops in the value of a `copy` member; none if it is only a property of that name."""
    if not isinstance(part, list):
        return []
    loops = [loop for loop in part if isinstance(loop, dict) and {"name", "input"} <= {name.lower() for name in loop}]
    return loops if len(loops) == len(part) else []


def loop_count(value: Json, path: str) -> int:
    """The number of rounds that a loop makes.

    Raises:
        Invalid: it is no whole number between 0 and the limit (code `InvalidTemplate`).
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= bounds.COPIES:
        found = value if isinstance(value, int) else word_for(value)
        raise broken(f"the count of a copy loop must be a whole number from 0 to {bounds.COPIES}; it is {found}.", path)
    return value


def unknown_function(call: Call) -> str:
    """What to say of a function that nobody knows."""
    name = f"{call.space}.{call.name}" if call.space else call.name
    return f"the template function '{_short(name)}' at position {call.at} of the expression is not known."


def _short(text: str, most: int = 120) -> str:
    return text if len(text) <= most else f"{text[:most]}…"

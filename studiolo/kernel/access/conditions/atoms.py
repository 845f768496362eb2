"""The atoms of a condition: each becomes one function of the ask with three values."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection
from typing import Any, Literal, TypeAlias

import msgspec

from studiolo.kernel.access.ask import Ask
from studiolo.kernel.access.conditions import syntax, values
from studiolo.kernel.access.conditions.attributes import exists, items, reader, single
from studiolo.kernel.access.conditions.operators import OPERATORS, Operator, Reading, is_like
from studiolo.kernel.access.patterns import pattern
from studiolo.kernel.access.spelling import folded

UNKNOWN = None
"""The third value."""

Truth: TypeAlias = bool | None
Run: TypeAlias = Callable[[Ask], Truth]

_NOTHING = Ask("", "", "")


class Probe(msgspec.Struct, frozen=True, eq=False):
    """What has to hold for an atom to be True: one attribute is a constant, starts with it, or holds it anywhere.

    Probes with the same `question` read the same attribute in the same way: their constants can share a table.
    """

    question: tuple[object, ...]
    value: Callable[[Ask], object | None]
    place: Literal["whole", "start", "anywhere"]
    constant: object


class Leaf:
    """One atom: its text, its value for an ask, the attributes that it reads, what it costs in steps.

    `fixed` is set for atoms that rest on the action (given by its key) and the sub-operations alone.
    """

    __slots__ = ("attributes", "cost", "fixed", "probe", "run", "text")

    def __init__(
        self,
        text: str,
        run: Run,
        *,
        fixed: Callable[[str, tuple[str, ...]], bool] | None = None,
        attributes: tuple[syntax.Attribute, ...] = (),
        cost: int | Callable[[Ask], int] = 1,
        probe: Probe | None = None,
    ) -> None:
        self.text = text
        self.run = run
        self.fixed = fixed
        self.attributes = attributes
        self.cost = cost
        self.probe = probe


def action_leaf(node: syntax.ActionMatch) -> Leaf:
    """`ActionMatches`: the permission patterns' rules, on the action of the ask."""
    matches = pattern(node.pattern).matches
    return Leaf(node.text, lambda ask: matches(folded(ask.action)), fixed=lambda action, _: matches(action))


def sub_operation_leaf(node: syntax.SubOperationMatch) -> Leaf:
    """`SubOperationMatches`: `*` any run, no case; False, not Unknown, where the ask has no sub-operation."""
    glob = values.Glob(folded(node.pattern).replace("?", "\\?"))

    def matches(names: tuple[str, ...]) -> bool:
        return any(glob.matches(folded(name)) for name in names)

    return Leaf(node.text, lambda ask: matches(ask.sub_operations), fixed=lambda _, names: matches(names))


def presence_leaf(node: syntax.Presence) -> Leaf:
    """`Exists` and `NotExists`: never Unknown."""
    read = reader(node.attribute)
    wanted = node.wanted
    return Leaf(node.text, lambda ask: exists(read(ask)) is wanted, attributes=(node.attribute,))


def comparison_leaf(node: syntax.Comparison) -> Leaf:
    """An operator between two operands, Unknown where a side is missing, of another type, or of too many values."""
    how = OPERATORS[node.operator]
    attributes = tuple(side for side in (node.left, node.right) if isinstance(side, syntax.Attribute))
    if node.quantifier is not None:
        return Leaf(node.text, _quantified(how, node.quantifier, node.left, node.right), attributes=attributes, cost=_pairs(node))
    left, right = _one(node.left, how.left), _one(node.right, how.right)
    if not isinstance(node.left, syntax.Attribute) or isinstance(node.right, syntax.Attribute):
        return Leaf(node.text, _between(how.holds, left, right), attributes=attributes)
    constant = right(_NOTHING)
    if constant is None:
        return Leaf(node.text, _always_unknown, attributes=attributes)
    run = _against(how, reader(node.left), constant)
    return Leaf(node.text, run, attributes=attributes, probe=_probe(how, node.left, left, constant))


def _against(how: Operator, read: Callable[[Ask], object], constant: object) -> Run:
    """An attribute against a value of the condition: the common case, with that value read once."""
    reading, holds = how.left, how.holds

    def run(ask: Ask) -> Truth:
        value = reading(single(read(ask)))
        return UNKNOWN if value is None else holds(value, constant)

    return run


def _probe(how: Operator, attribute: syntax.Attribute, value: Callable[[Ask], object | None], constant: object) -> Probe | None:
    place: Literal["whole", "start", "anywhere"]
    if isinstance(constant, values.Glob):
        if how.holds is not is_like:
            return None
        is_headed = len(constant.head) == len(constant.core)
        place, constant = ("start", constant.head) if is_headed else ("anywhere", constant.core)
    elif how.holds is operator.eq:
        place = "whole"
    elif how.holds is str.startswith:
        place = "start"
    else:
        return None
    if place == "start" and not constant:  # it tells nothing
        return None
    question = (attribute.source, attribute.path, attribute.key, attribute.form, how.name)
    return Probe(question, value, place, constant)


def _between(holds: Callable[[Any, Any], bool], left: Callable[[Ask], object], right: Callable[[Ask], object]) -> Run:
    def run(ask: Ask) -> Truth:
        one, other = left(ask), right(ask)
        return UNKNOWN if one is None or other is None else holds(one, other)

    return run


def _quantified(how: Operator, quantifier: syntax.Quantifier, left: syntax.Operand, right: syntax.Operand) -> Run:
    """AnyAny: some l, some r. AllAny: every l, some r. AnyAll: some l, every r. AllAll: every l, every r."""
    if not how.takes_quantifiers:
        return _always_unknown
    holds = how.holds
    of_left = any if quantifier in ("anyany", "anyall") else all
    of_right = any if quantifier in ("anyany", "allany") else all
    lefts, rights = _many(left, how.left), _many(right, how.right)

    def run(ask: Ask) -> Truth:
        ones, others = lefts(ask), rights(ask)
        if ones is None or others is None:
            return UNKNOWN
        return of_left(of_right(holds(one, other) for other in others) for one in ones)

    return run


def _always_unknown(_ask: Ask) -> Truth:
    return UNKNOWN


def _one(operand: syntax.Operand, reading: Reading) -> Callable[[Ask], object | None]:
    """The one value of an operand as the operator reads it; None where there is not one, or not of its type."""
    if isinstance(operand, syntax.Attribute):
        read = reader(operand)
        return lambda ask: reading(single(read(ask)))
    literals = _literals(operand)
    constant = _value(literals[0], reading) if len(literals) == 1 else None
    return lambda _ask: constant


def _many(operand: syntax.Operand, reading: Reading) -> Callable[[Ask], tuple[object, ...] | None]:
    """All values of an operand as the operator reads them; None where there is none, or one is not of its type."""
    if isinstance(operand, syntax.Attribute):
        read = reader(operand)
        return lambda ask: _complete([reading(item) for item in items(read(ask))])
    constant = _complete([_value(literal, reading) for literal in _literals(operand)])
    return lambda _ask: constant


def _complete(found: Collection[object | None]) -> tuple[object, ...] | None:
    return tuple(found) if found and None not in found else None


def _literals(operand: syntax.Literal | syntax.LiteralSet) -> tuple[syntax.Literal, ...]:
    return operand.items if isinstance(operand, syntax.LiteralSet) else (operand,)


def _value(literal: syntax.Literal, reading: Reading) -> object | None:
    if literal.kind == "guid" and reading is not values.guid:
        return None
    is_pattern = reading in (values.like, values.caseless_like)
    # A pattern keeps the escapes of stars and question marks; that of the quote ended with the string.
    return reading(literal.raw.replace("\\'", "'") if is_pattern and literal.kind == "text" else literal.value)


def _pairs(node: syntax.Comparison) -> int | Callable[[Ask], int]:
    """How many pairs a quantified comparison looks at."""
    one, other = _count(node.left), _count(node.right)
    if isinstance(one, int) and isinstance(other, int):
        return one * other
    return lambda ask: (one if isinstance(one, int) else one(ask)) * (other if isinstance(other, int) else other(ask))


def _count(operand: syntax.Operand) -> int | Callable[[Ask], int]:
    if isinstance(operand, syntax.Attribute):
        read = reader(operand)
        return lambda ask: len(items(read(ask)))
    return len(_literals(operand))

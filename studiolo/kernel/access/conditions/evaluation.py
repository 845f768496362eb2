"""From the syntax tree to three values.

Every leaf becomes one function of the ask; the joins apply Kleene's tables. Before a tree runs it is reduced for one
action and its sub-operations: those leaves then have their value, and what is left depends on attributes only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from operator import attrgetter
from typing import Any, TypeAlias

from studiolo.kernel.access.ask import Ask, Bag
from studiolo.kernel.access.conditions import syntax, values
from studiolo.kernel.access.conditions.operators import OPERATORS, Operator, Reading
from studiolo.kernel.access.patterns import pattern
from studiolo.kernel.access.spelling import folded

UNKNOWN = None
"""The third value."""

Truth: TypeAlias = bool | None
Run: TypeAlias = Callable[[Ask], Truth]

_BAGS: dict[syntax.Source, Callable[[Ask], Bag]] = {
    "request": attrgetter("request"),
    "resource": attrgetter("resource"),
    "principal": attrgetter("principal_attributes"),
    "environment": attrgetter("environment"),
}
_ABSENT = object()


class Leaf:
    """One atom: its text, its value for an ask, the attributes that it reads, what it costs.

    `fixed` is set for atoms that rest on action and sub-operations alone.
    """

    __slots__ = ("attributes", "cost", "fixed", "run", "text")

    def __init__(
        self,
        text: str,
        run: Run,
        *,
        fixed: Callable[[str, tuple[str, ...]], bool] | None = None,
        attributes: tuple[syntax.Attribute, ...] = (),
        cost: int | Callable[[Ask], int] = 1,
    ) -> None:
        self.text = text
        self.run = run
        self.fixed = fixed
        self.attributes = attributes
        self.cost = cost


class Not:
    """The negation of a part; unknown stays unknown."""

    __slots__ = ("part", "run")

    def __init__(self, part: Tree) -> None:
        self.part = part
        inner = part.run

        def run(ask: Ask) -> Truth:
            value = inner(ask)
            return UNKNOWN if value is None else not value

        self.run: Run = run


class Join:
    """AND (`fixes` is False) or OR (`fixes` is True): one part with the fixing value decides, else any unknown does."""

    __slots__ = ("fixes", "parts", "run")

    def __init__(self, parts: tuple[Tree, ...], *, fixes: bool) -> None:
        self.parts = parts
        self.fixes = fixes
        runs = tuple(part.run for part in parts)

        def run(ask: Ask) -> Truth:
            value: Truth = not fixes
            for each in runs:
                found = each(ask)
                if found is fixes:
                    return fixes
                if found is None:
                    value = UNKNOWN
            return value

        self.run: Run = run


Tree: TypeAlias = Leaf | Not | Join


def build(node: syntax.Node) -> Tree:
    """The runnable tree of a syntax tree."""
    match node:
        case syntax.Negation():
            return Not(build(node.part))
        case syntax.Conjunction():
            return Join(tuple(map(build, node.parts)), fixes=False)
        case syntax.Disjunction():
            return Join(tuple(map(build, node.parts)), fixes=True)
        case syntax.ActionMatch():
            return _action_leaf(node)
        case syntax.SubOperationMatch():
            return _sub_operation_leaf(node)
        case syntax.Presence():
            return _presence_leaf(node)
        case syntax.Comparison():
            return _comparison_leaf(node)


def reduce(tree: Tree, action: str, sub_operations: tuple[str, ...]) -> Tree | bool:
    """The tree with every atom that rests on the action (given by its key) replaced by its value."""
    if isinstance(tree, Leaf):
        return tree if tree.fixed is None else tree.fixed(action, sub_operations)
    if isinstance(tree, Not):
        part = reduce(tree.part, action, sub_operations)
        return not part if isinstance(part, bool) else Not(part)
    parts = [reduce(part, action, sub_operations) for part in tree.parts]
    if tree.fixes in parts:
        return tree.fixes
    left = tuple(part for part in parts if not isinstance(part, bool))
    if not left:
        return not tree.fixes
    return left[0] if len(left) == 1 else Join(left, fixes=tree.fixes)


def leaves(tree: Tree) -> Iterator[Leaf]:
    """Every atom, in the order of the text."""
    if isinstance(tree, Leaf):
        yield tree
    elif isinstance(tree, Not):
        yield from leaves(tree.part)
    else:
        for part in tree.parts:
            yield from leaves(part)


def obstacles(tree: Tree, ask: Ask, *, wanted: bool = True) -> Iterator[Leaf]:
    """The atoms that keep the tree from having the wanted value."""
    if tree.run(ask) is wanted:
        return
    if isinstance(tree, Leaf):
        yield tree
    elif isinstance(tree, Not):
        yield from obstacles(tree.part, ask, wanted=not wanted)
    else:
        for part in tree.parts:
            yield from obstacles(part, ask, wanted=wanted)


def _action_leaf(node: syntax.ActionMatch) -> Leaf:
    matches = pattern(node.pattern).matches

    def fixed(action: str, sub_operations: tuple[str, ...]) -> bool:
        return matches(action)

    return Leaf(node.text, lambda ask: matches(folded(ask.action)), fixed=fixed)


def _sub_operation_leaf(node: syntax.SubOperationMatch) -> Leaf:
    glob = values.Glob(folded(node.pattern).replace("?", "\\?"))

    def fixed(action: str, sub_operations: tuple[str, ...]) -> bool:
        return any(glob.matches(folded(name)) for name in sub_operations)

    return Leaf(node.text, lambda ask: fixed("", ask.sub_operations), fixed=fixed)


def _presence_leaf(node: syntax.Presence) -> Leaf:
    read = reader(node.attribute)
    wanted = node.wanted

    def run(ask: Ask) -> Truth:
        return _exists(read(ask)) is wanted

    return Leaf(node.text, run, attributes=(node.attribute,))


def _exists(value: object) -> bool:
    return value is not None and not (isinstance(value, Collection) and not isinstance(value, str) and len(value) == 0)


def _comparison_leaf(node: syntax.Comparison) -> Leaf:
    how = OPERATORS[node.operator]
    attributes = tuple(side for side in (node.left, node.right) if isinstance(side, syntax.Attribute))
    if node.quantifier is not None:
        left, right = _many(node.left, how.left), _many(node.right, how.right)
        return Leaf(node.text, _quantified(how, node.quantifier, left, right), attributes=attributes, cost=_pairs(node))
    if isinstance(node.left, syntax.Attribute) and not isinstance(node.right, syntax.Attribute):
        return Leaf(node.text, _against(how, reader(node.left), _one(node.right, how.right)), attributes=attributes)
    left, right = _one(node.left, how.left), _one(node.right, how.right)
    holds = how.holds

    def run(ask: Ask) -> Truth:
        one, other = left(ask), right(ask)
        return UNKNOWN if one is None or other is None else holds(one, other)

    return Leaf(node.text, run, attributes=attributes)


def _against(how: Operator, read: Callable[[Ask], object], right: Callable[[Ask], object]) -> Run:
    """An attribute against a value written in the condition: the common case, with that value read once."""
    constant = right(_NOTHING)
    if constant is None:
        return lambda ask: UNKNOWN
    reading, holds = how.left, how.holds

    def run(ask: Ask) -> Truth:
        value = reading(_single(read(ask)))
        return UNKNOWN if value is None else holds(value, constant)

    return run


_NOTHING = Ask("", "", "")


def _one(operand: syntax.Operand, reading: Reading) -> Callable[[Ask], object]:
    """The one value of an operand as the operator reads it; None where there is not one, or not of its type."""
    if isinstance(operand, syntax.Attribute):
        read = reader(operand)
        return lambda ask: reading(_single(read(ask)))
    items = operand.items if isinstance(operand, syntax.LiteralSet) else (operand,)
    constant = _literal(items[0], reading) if len(items) == 1 else None
    return lambda ask: constant


def _many(operand: syntax.Operand, reading: Reading) -> Callable[[Ask], tuple[object, ...] | None]:
    """All values of an operand as the operator reads them; None where there is none, or one is not of its type."""
    if isinstance(operand, syntax.Attribute):
        read = reader(operand)
        return lambda ask: _typed([reading(item) for item in _items(read(ask))])
    items = operand.items if isinstance(operand, syntax.LiteralSet) else (operand,)
    constant = _typed([_literal(item, reading) for item in items])
    return lambda ask: constant


def _typed(items: list[object | None]) -> tuple[object, ...] | None:
    return tuple(items) if items and None not in items else None


def _literal(literal: syntax.Literal, reading: Reading) -> object | None:
    if literal.kind == "guid" and reading is not values.guid:
        return None
    is_pattern = reading in (values.like, values.caseless_like)
    return reading(literal.raw if is_pattern and literal.kind == "text" else literal.value)


def _single(value: object) -> object:
    """The value itself, or the only item of a list; None where there are more or none."""
    if isinstance(value, (list, tuple, set, frozenset)):
        items = _items(value)
        return items[0] if len(items) == 1 else None
    return value


def _items(value: object) -> list[object]:
    if value is None:
        return []
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    return [value]


def _quantified(
    how: Operator,
    quantifier: syntax.Quantifier,
    left: Callable[[Ask], tuple[Any, ...] | None],
    right: Callable[[Ask], tuple[Any, ...] | None],
) -> Run:
    holds = how.holds
    of_left = any if quantifier in ("anyany", "anyall") else all
    of_right = any if quantifier in ("anyany", "allany") else all
    if not how.takes_quantifiers:
        return lambda ask: UNKNOWN

    def run(ask: Ask) -> Truth:
        ones, others = left(ask), right(ask)
        if ones is None or others is None:
            return UNKNOWN
        return of_left(of_right(holds(one, other) for other in others) for one in ones)

    return run


def _pairs(node: syntax.Comparison) -> int | Callable[[Ask], int]:
    """How many pairs a quantified comparison looks at."""
    counts = [_count(side) for side in (node.left, node.right)]
    one, other = counts
    if isinstance(one, int) and isinstance(other, int):
        return one * other
    return lambda ask: (one if isinstance(one, int) else one(ask)) * (other if isinstance(other, int) else other(ask))


def _count(operand: syntax.Operand) -> int | Callable[[Ask], int]:
    if isinstance(operand, syntax.Attribute):
        read = reader(operand)
        return lambda ask: len(_items(read(ask)))
    return len(operand.items) if isinstance(operand, syntax.LiteralSet) else 1


def reader(attribute: syntax.Attribute) -> Callable[[Ask], object]:
    """What the ask's bag holds for an attribute; None where it holds nothing."""
    bag_of = _BAGS[attribute.source]
    path = folded(attribute.path)
    if attribute.form == "keys":
        return lambda ask: list(_mapping(_find(bag_of(ask), attribute.path, path)))
    if attribute.form == "exact":
        key = attribute.key or ""
        return lambda ask: _mapping(_find(bag_of(ask), attribute.path, path)).get(key)
    name = attribute.path if attribute.key is None else f"{attribute.path}:{attribute.key}"
    low = folded(name)
    low_key = None if attribute.key is None else folded(attribute.key)

    def read(ask: Ask) -> object:
        bag = bag_of(ask)
        value = bag.get(name, _ABSENT)
        return value if value is not _ABSENT else _search(bag, low, path, low_key)

    return read


def _search(bag: Bag, name: str, path: str, key: str | None) -> object:
    """The slow way to a plain attribute: by any spelling, else as a key of a mapping."""
    if not bag:
        return None
    found = _find(bag, name, name)
    if found is not None or key is None:
        return found
    inside = _mapping(_find(bag, path, path))
    hits = [value for each, value in inside.items() if folded(each) == key]
    return hits[0] if len(hits) == 1 else hits or None


def _find(bag: Bag, name: str, low: str) -> object:
    value = bag.get(name, _ABSENT)
    if value is not _ABSENT:
        return value
    for each, found in bag.items():
        if folded(each) == low:
            return found
    return None


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}

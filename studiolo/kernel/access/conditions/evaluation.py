"""From the syntax tree to three values.

The joins apply Kleene's tables. Before a tree runs it is reduced for one action and its sub-operations: the atoms that
rest on these then have their value, and what is left depends on attributes only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from studiolo.kernel.access.ask import Ask
from studiolo.kernel.access.conditions import syntax
from studiolo.kernel.access.conditions.atoms import (
    UNKNOWN,
    Leaf,
    Probe,
    Run,
    Truth,
    action_leaf,
    comparison_leaf,
    presence_leaf,
    sub_operation_leaf,
)


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
            return action_leaf(node)
        case syntax.SubOperationMatch():
            return sub_operation_leaf(node)
        case syntax.Presence():
            return presence_leaf(node)
        case _:
            return comparison_leaf(node)


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


def probe_of(tree: Tree) -> Probe | None:
    """A probe without which the tree cannot be True, if it has one: its own or that of a part that AND requires."""
    if isinstance(tree, Leaf):
        return tree.probe
    if isinstance(tree, Join) and not tree.fixes:
        return next((probe for part in tree.parts if (probe := probe_of(part)) is not None), None)
    return None


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

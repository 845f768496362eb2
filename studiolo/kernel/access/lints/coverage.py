"""Checks of a condition against what a role grants: which calls it lets through unasked, and what it asks in vain.

A condition is reduced for each action that the role grants and that carries attributes. What is then already True is
unconditional, whatever the condition says about other actions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from studiolo.kernel.access.blocks import blocks_of
from studiolo.kernel.access.conditions import Condition, syntax
from studiolo.kernel.access.conditions.evaluation import Tree, build, leaves, reduce
from studiolo.kernel.access.conditions.syntax import Attribute
from studiolo.kernel.access.grants import Permission
from studiolo.kernel.access.lints.findings import Finding
from studiolo.kernel.access.lints.offers import OFFERS, Offer, Variant
from studiolo.kernel.access.patterns import pattern

_MOST_NAMED: Final = 5


def granted(permissions: Iterable[Permission]) -> Sequence[Offer]:
    """The actions with attributes that the blocks grant, the first reads first."""
    blocks = blocks_of(tuple(permissions))
    return [offer for (plane, action), offer in OFFERS.items() if blocks.covering(plane, action)]


class Coverage:
    """One condition on one set of permissions."""

    def __init__(self, condition: Condition, permissions: Iterable[Permission]) -> None:
        self._syntax = condition.syntax
        self._tree = build(condition.syntax) if condition.syntax is not None else None
        self._offers = granted(permissions)
        used = [each for leaf in (leaves(self._tree) if self._tree is not None else ()) for each in leaf.attributes]
        self._stored = [each for each in used if each.source in ("request", "resource")]

    def open_actions(self) -> Iterator[Finding]:
        """L1: granted actions on the guarded kind of object that the condition does not speak of and lets through."""
        targets = [pattern(each) for each in _targets(self._syntax)]
        found = [
            offer.action
            for offer in self._guarded()
            if not any(each.matches(offer.action) for each in targets) and all(self._left(offer, way) is True for way in offer.variants)
        ]
        if found:
            yield Finding(
                "L1",
                f"the role also grants {listed(found)}, which no ActionMatches of the condition targets, so they stay open everywhere",
                "target them as well (a pattern such as …/containers/blobs/* covers all of a kind), or assign a role without them",
            )

    def open_variants(self) -> Iterator[Finding]:
        """L5: an action that the condition guards when it is called in one way, and lets through when called in another."""
        for offer in self._guarded():
            opened = [way for way in offer.variants if self._left(offer, way) is True]
            if opened and (len(opened) < len(offer.variants) or self._is_spoken_of(offer)):
                ways = " and ".join(" ".join(way.sub_operations) or "without a sub-operation" for way in opened)
                yield Finding(
                    "L5",
                    f"'{offer.action}' stays open when it is called {ways}",
                    "let the condition hold for the action in every way of calling it, or add a part for this one",
                )

    def unoffered(self) -> Iterator[Finding]:
        """L7: an attribute that no call carries among those on which the comparison is asked."""
        reached: dict[str, list[tuple[Offer, Variant]]] = {}
        needed: dict[str, tuple[Attribute, ...]] = {}
        for offer in self._offers:
            for way in offer.variants:
                left = self._left(offer, way)
                for leaf in leaves(left) if left is not None and not isinstance(left, bool) else ():
                    reached.setdefault(leaf.text, []).append((offer, way))
                    needed[leaf.text] = leaf.attributes
        for leaf in leaves(self._tree) if self._tree is not None else ():
            calls = reached.get(leaf.text, [])
            for attribute in needed.get(leaf.text, leaf.attributes):
                if any(way.offers(attribute) for _, way in calls) or (not calls and Variant().offers(attribute)):
                    continue
                asked = listed(dict.fromkeys(offer.action for offer, _ in calls)) if calls else "any action that the role grants"
                yield Finding(
                    "L7",
                    f"calls of {asked} do not carry {attribute.text}, so {leaf.text[:120]!a} is never true",
                    _elsewhere(attribute),
                )

    def never(self) -> Iterator[Finding]:
        """L2 for the whole: a condition that is already True, or already not True, for everything that the role grants."""
        left = [self._left(offer, way) for offer in self._offers for way in offer.variants]
        if not left or not self._stored:
            return
        if all(each is False for each in left):
            yield Finding("L2", "the condition is false for every action that the role grants", "target an action that the role grants")

    def _guarded(self) -> Iterator[Offer]:
        """The granted actions of which some call carries an attribute that the condition asks for."""
        for offer in self._offers:
            if any(way.offers(attribute) for way in offer.variants for attribute in self._stored):
                yield offer

    def _is_spoken_of(self, offer: Offer) -> bool:
        """Whether an ActionMatches targets the action although the condition holds for every call of it."""
        return any(pattern(each).matches(offer.action) for each in _targets(self._syntax)) and self._mentions_ways()

    def _mentions_ways(self) -> bool:
        return any(True for _ in _sub_operations(self._syntax))

    def _left(self, offer: Offer, way: Variant) -> Tree | bool | None:
        return None if self._tree is None else reduce(self._tree, offer.action, way.sub_operations)


def _targets(node: syntax.Node | None) -> Iterator[str]:
    for leaf in _leaves(node):
        if isinstance(leaf, syntax.ActionMatch):
            yield leaf.pattern


def _sub_operations(node: syntax.Node | None) -> Iterator[str]:
    for leaf in _leaves(node):
        if isinstance(leaf, syntax.SubOperationMatch):
            yield leaf.pattern


def _leaves(node: syntax.Node | None) -> Iterator[syntax.Leaf]:
    if isinstance(node, syntax.Negation):
        yield from _leaves(node.part)
    elif isinstance(node, (syntax.Conjunction, syntax.Disjunction)):
        for part in node.parts:
            yield from _leaves(part)
    elif node is not None:
        yield node


def _elsewhere(attribute: Attribute) -> str:
    """Where an attribute is to be had, if anywhere."""
    for source in ("request", "resource"):
        other = Attribute(source, attribute.path, attribute.key, attribute.form, attribute.text)
        carriers = [offer.action for offer in OFFERS.values() if any(way.offers(other) for way in offer.variants)]
        if carriers:
            return f"write @{source.capitalize()}[…], which {listed(carriers)} carry" + (
                "" if source != attribute.source else " (target those)"
            )
    return "use an attribute of the table in docs/reference/conditions.md"


def listed(actions: Iterable[str]) -> str:
    """Some actions in words: the first few, and how many more there are."""
    found = list(actions)
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return ", ".join(f"'{each}'" for each in found[:_MOST_NAMED]) + more

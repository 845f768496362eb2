"""A condition that has been read: evaluate it, reduce it to one action, ask what stands in its way."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import msgspec

from studiolo.kernel.access.ask import Ask
from studiolo.kernel.access.conditions.atoms import UNKNOWN, Leaf, Probe, Run, Truth
from studiolo.kernel.access.conditions.attributes import reader
from studiolo.kernel.access.conditions.evaluation import Tree, build, leaves, obstacles, probe_of, reduce
from studiolo.kernel.access.conditions.parser import parse
from studiolo.kernel.access.conditions.syntax import Node
from studiolo.kernel.access.spelling import folded
from studiolo.kernel.faults import Invalid

VERSION = "2.0"
MOST_STEPS = 10_000

_REMEMBERED = 256


class AtomOutcome(msgspec.Struct, frozen=True):
    """One atom of a condition, its value for an ask and the attributes that it read, as written and as found."""

    text: str
    value: Truth
    attributes: tuple[tuple[str, object], ...] = ()


class Residue(msgspec.Struct, frozen=True, eq=False):
    """What is left of a condition for one action: a value that no attribute can change, or a function of the ask.

    Where `probe` is set, the run cannot be True unless the probe hits.
    """

    is_fixed: bool
    value: Truth
    run: Run
    probe: Probe | None = None


class Condition:
    """One condition. `problem` says why it cannot be read; such a condition is Unknown for every ask."""

    __slots__ = ("_residues", "_tree", "problem", "syntax", "text")

    def __init__(self, text: str, syntax: Node | None, problem: str = "") -> None:
        self.text = text
        self.syntax = syntax
        self.problem = problem
        self._tree = build(syntax) if syntax is not None else None
        self._residues: dict[tuple[str, tuple[str, ...]], Residue] = {}

    def evaluate(self, ask: Ask) -> Truth:
        """True, False or UNKNOWN; beyond 10,000 steps UNKNOWN."""
        return self.residue(folded(ask.action), ask.sub_operations).run(ask)

    def residue(self, action: str, sub_operations: tuple[str, ...]) -> Residue:
        """What is left to evaluate for an action, given by its key, and its sub-operations."""
        question = (action, sub_operations)
        found = self._residues.get(question)
        if found is None:
            if len(self._residues) >= _REMEMBERED:
                self._residues.clear()
            found = self._residues[question] = _residue(self._tree, action, sub_operations)
        return found

    def outcomes(self, ask: Ask) -> tuple[AtomOutcome, ...]:
        """Every atom with its value, in the order of the text; none beyond 10,000 steps."""
        tree = self._affordable(ask)
        return tuple(_outcome(leaf, ask) for leaf in leaves(tree)) if tree is not None else ()

    def obstacles(self, ask: Ask) -> tuple[AtomOutcome, ...]:
        """The atoms that keep the condition from being True; none if it is, if it cannot be read, or beyond 10,000 steps."""
        tree = self._affordable(ask)
        return tuple(_outcome(leaf, ask) for leaf in obstacles(tree, ask)) if tree is not None else ()

    def _affordable(self, ask: Ask) -> Tree | None:
        steps, counts = (0, ()) if self._tree is None else _cost(self._tree)
        return self._tree if steps + sum(count(ask) for count in counts) <= MOST_STEPS else None


@lru_cache(maxsize=1024)
def compile_condition(text: str) -> Condition:
    """The condition that a text spells, one object per text while it is remembered.

    A comparison that mixes types or lacks a quantifier is read and is Unknown; `check_condition` refuses to write it.

    Raises:
        Invalid: the text does not follow the grammar (code `InvalidCondition`).
    """
    return Condition(text, parse(text))


@lru_cache(maxsize=1024)
def read_condition(text: str, version: str | None = VERSION) -> Condition:
    """The condition of a stored row. What cannot be read, or is of another version than 2.0, is Unknown for every ask."""
    if version not in (None, VERSION):
        return Condition(text, None, f"Conditions of version {version!a} are not evaluated; {VERSION} is.")
    try:
        return compile_condition(text)
    except Invalid as fault:
        return Condition(text, None, fault.message)


def _residue(tree: Tree | None, action: str, sub_operations: tuple[str, ...]) -> Residue:
    left = UNKNOWN if tree is None else reduce(tree, action, sub_operations)
    if left is None or isinstance(left, bool):
        return _fixed(left)
    steps, counts = _cost(left)
    if steps > MOST_STEPS:
        return _fixed(UNKNOWN)
    run = _bounded(left.run, steps, counts) if counts else left.run
    return Residue(is_fixed=False, value=UNKNOWN, run=run, probe=probe_of(left))


def _fixed(value: Truth) -> Residue:
    return Residue(is_fixed=True, value=value, run=lambda _ask: value)


def _cost(tree: Tree) -> tuple[int, tuple[Callable[[Ask], int], ...]]:
    """The steps that are known beforehand, and how to count those that depend on the length of attributes."""
    costs = [leaf.cost for leaf in leaves(tree)]
    return sum(cost for cost in costs if isinstance(cost, int)), tuple(cost for cost in costs if not isinstance(cost, int))


def _bounded(run: Run, steps: int, counts: tuple[Callable[[Ask], int], ...]) -> Run:
    # Counted before the run and over all atoms, so that neither their order nor short cuts change the answer.
    def bounded(ask: Ask) -> Truth:
        return UNKNOWN if steps + sum(count(ask) for count in counts) > MOST_STEPS else run(ask)

    return bounded


def _outcome(leaf: Leaf, ask: Ask) -> AtomOutcome:
    return AtomOutcome(leaf.text, leaf.run(ask), tuple((each.text, reader(each)(ask)) for each in leaf.attributes))

"""Section 5, three values: what a condition says about one request."""

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from tests.access.oracle import grammar, names, text
from tests.access.oracle.grammar import Asked, Attribute, Compared, Joined, Literal, Negated, Operand, Present, Tree

STEPS = 10_000
Bag = Mapping[str, object]


class Truth(enum.Enum):
    """True, False, or Unknown."""

    TRUE = "T"
    FALSE = "F"
    UNKNOWN = "U"


@dataclass
class Circumstances:
    """What a condition may look at; `notes` gathers what was evaluated, for the measure of coverage."""

    action: str
    sub_operations: tuple[str, ...] = ()
    bags: Mapping[str, Bag] = field(default_factory=dict[str, Bag])
    notes: set[str] = field(default_factory=set[str])


class UnknownError(Exception):
    """The value of an atom cannot be known; the text says why."""


def truth_of(condition: str, asked: Circumstances) -> Truth:
    """Evaluate a condition; raises `UnreadableError` for a text that is none."""
    return evaluate(grammar.parse(condition), asked)


def evaluate(tree: Tree, asked: Circumstances) -> Truth:
    """Evaluate a tree by Kleene's logic."""
    if isinstance(tree, Joined):
        values = {evaluate(term, asked) for term in tree.terms}
        decisive, neutral = (Truth.FALSE, Truth.TRUE) if tree.how == "and" else (Truth.TRUE, Truth.FALSE)
        return decisive if decisive in values else Truth.UNKNOWN if Truth.UNKNOWN in values else neutral
    if isinstance(tree, Negated):
        return {Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE, Truth.UNKNOWN: Truth.UNKNOWN}[evaluate(tree.term, asked)]
    if isinstance(tree, Asked):
        return _noted(asked, tree.what, lambda: _asked(tree, asked))
    if isinstance(tree, Present):
        name = "exists" if tree.wanted else "notexists"
        return _noted(asked, name, lambda: exists(lookup(tree.attribute, asked.bags)) == tree.wanted)
    label = f"{tree.quantifier}:{tree.operator}" if tree.quantifier else tree.operator
    return _noted(asked, label, lambda: compared(tree, asked.bags))


def _noted(asked: Circumstances, label: str, answer: Callable[[], bool]) -> Truth:
    try:
        value = Truth.TRUE if answer() else Truth.FALSE
    except UnknownError as unknown:
        value = Truth.UNKNOWN
        asked.notes.add(f"unknown because of {unknown}")
    asked.notes.add(f"{label} {value.value}")
    return value


def _asked(tree: Asked, asked: Circumstances) -> bool:
    if tree.what == "actionmatches":
        return names.matches(tree.pattern, asked.action)
    return any(names.sub_operation_matches(tree.pattern, name) for name in asked.sub_operations)


def exists(value: object) -> bool:
    """Say whether a value is present, not null and not empty as a list (or a map); the empty string exists."""
    return value is not None and value not in ([], (), {})


def lookup(attribute: Attribute, bags: Mapping[str, Bag]) -> object:
    """Return the value of an attribute, or None. Names ignore case; the key of a tag only where the condition does not say otherwise."""
    bag = bags.get(attribute.source, {})
    entries = _under(bag, attribute.path)
    tags = _tags(entries)
    if attribute.suffix == "&$keys$&":
        return list(tags)
    if attribute.suffix is not None:
        return tags.get(attribute.key or "")
    if attribute.key is None:
        return entries
    plain = _under(bag, f"{attribute.path}:{attribute.key}")
    if plain is not None:
        return plain
    found = [value for key, value in tags.items() if names.lower(key) == names.lower(attribute.key)]
    return found if len(found) > 1 else next(iter(found), None)


def _tags(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _under(bag: Bag, name: str) -> object:
    return next((value for key, value in bag.items() if names.lower(key) == names.lower(name)), None)


def compared(tree: Compared, bags: Mapping[str, Bag]) -> bool:
    """Compare two operands, or raise `UnknownError`."""
    like = tree.operator.startswith(("stringlike", "stringnotlike"))
    left = values(tree.left, bags, keep_escapes=False)
    right = values(tree.right, bags, keep_escapes=like)
    if tree.quantifier is not None and not tree.operator.startswith(grammar.QUANTIFIABLE):
        raise UnknownError("a quantifier over what takes none")
    if tree.quantifier is None and (len(left) > 1 or len(right) > 1):
        raise UnknownError("several values under an operator without quantifier")
    if len(left) * len(right) > STEPS:
        raise UnknownError("the budget of steps")
    try:
        table = [[text.compare(tree.operator, one, other) for other in right] for one in left]
    except text.WrongTypeError as wrong:
        raise UnknownError(f"a type error: {wrong}") from wrong
    over_left = all if (tree.quantifier or "").startswith("forall") else any
    over_right = all if (tree.quantifier or "").endswith("ofallvalues") else any
    return over_left(over_right(row) for row in table)


def values(operand: Operand, bags: Mapping[str, Bag], *, keep_escapes: bool) -> list[object]:
    """Return what an operand holds as a list with at least one value, or raise `UnknownError`."""
    if isinstance(operand, tuple):
        return [literal(one, keep_escapes=keep_escapes) for one in operand]
    if isinstance(operand, Literal):
        return [literal(operand, keep_escapes=keep_escapes)]
    value = lookup(operand, bags)
    if value is None:
        raise UnknownError("a missing or null attribute")
    if value in ([], ()):
        raise UnknownError("an empty list")
    return list(value) if isinstance(value, list | tuple) else [value]  # pyright: ignore[reportUnknownArgumentType]


def literal(written: Literal, *, keep_escapes: bool) -> object:
    r"""Return the value of a literal; `\'` is a quote, and `\*` and `\?` are characters except in a pattern, which needs them."""
    if written.kind == "integer":
        return int(written.text)
    if written.kind == "boolean":
        return written.text == "true"
    if written.kind == "guid":
        return text.Bare(written.text)
    return re.sub(r"\\'" if keep_escapes else r"\\(['*?])", lambda found: found.group()[1], written.text)

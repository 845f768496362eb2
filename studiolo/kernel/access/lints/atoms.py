"""Checks on single comparisons, and on pairs of them, that need nothing but the condition itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final

from studiolo.kernel.access.ask import Ask
from studiolo.kernel.access.conditions import syntax
from studiolo.kernel.access.conditions.atoms import comparison_leaf
from studiolo.kernel.access.conditions.operators import OPERATORS, Operator
from studiolo.kernel.access.lints.findings import Finding
from studiolo.kernel.access.spelling import folded

_DELIMITERS: Final = ("-", "/")
_NAMED: Final = frozenset({"name", "path", "prefix"})
_INTEGERS: Final = (-(2**63), 2**63 - 1)
_NOWHERE: Final = Ask("", "", "/")


def comparisons(node: syntax.Node | None) -> Iterator[syntax.Comparison]:
    """Every comparison of a condition, in the order of the text."""
    if isinstance(node, syntax.Comparison):
        yield node
    elif isinstance(node, syntax.Negation):
        yield from comparisons(node.part)
    elif isinstance(node, (syntax.Conjunction, syntax.Disjunction)):
        for part in node.parts:
            yield from comparisons(part)


def literals(operand: syntax.Operand) -> Sequence[syntax.Literal]:
    """The literals of an operand; none of an attribute."""
    if isinstance(operand, syntax.Attribute):
        return ()
    return operand.items if isinstance(operand, syntax.LiteralSet) else (operand,)


# ── L2 ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def settled(node: syntax.Node | None) -> Iterator[Finding]:
    """L2: comparisons, and joins of two, that have one value whatever their attributes hold."""
    if isinstance(node, syntax.Comparison):
        value = _constant(node)
        if value is not None:
            yield Finding("L2", f"{node.text[:200]!a} is always {value}", "compare an attribute with the one value that it has to have")
    elif isinstance(node, syntax.Negation):
        yield from settled(node.part)
    elif isinstance(node, (syntax.Conjunction, syntax.Disjunction)):
        is_all = isinstance(node, syntax.Conjunction)
        for part in node.parts:
            yield from settled(part)
        for one, other in combinations(node.parts, 2):
            if _clash(one, other, is_all=is_all):
                pair = f"{_text(one)!a} {'AND' if is_all else 'OR'} {_text(other)!a}"
                advice = "join alternatives with OR" if is_all else "join exclusions with AND"
                yield Finding("L2", f"{pair} is always {not is_all}", advice)


def _constant(node: syntax.Comparison) -> bool | None:
    """The one value of a comparison, if it has one; an attribute that is absent is left out of account."""
    how = OPERATORS[node.operator]
    left, right = node.left, node.right
    if not isinstance(left, syntax.Attribute) and not isinstance(right, syntax.Attribute):
        return comparison_leaf(node).run(_NOWHERE)
    if isinstance(left, syntax.Attribute) and isinstance(right, syntax.Attribute):
        return _of_itself(how, node, left, right)
    given = literals(right) if isinstance(left, syntax.Attribute) else literals(left)
    is_right = isinstance(left, syntax.Attribute)
    return _everything(how, given, is_right=is_right) if len(given) == 1 else _several(how, node.quantifier, given, is_right=is_right)


def _of_itself(how: Operator, node: syntax.Comparison, left: syntax.Attribute, right: syntax.Attribute) -> bool | None:
    if _name(left) != _name(right) or node.quantifier is not None or "Like" in how.name:
        return None
    return not any(word in how.name for word in ("Not", "GreaterThan", "LessThan")) or how.name.endswith("ThanEquals")


def _everything(how: Operator, given: Sequence[syntax.Literal], *, is_right: bool) -> bool | None:
    """Against one literal: a pattern that all follow, a number beyond which there is none."""
    if not is_right:
        return None
    literal = given[0]
    if "Like" in how.name and literal.kind == "text" and str(literal.raw) and set(str(literal.raw)) == {"*"}:
        return "Not" not in how.name
    if how.family == "Numeric" and isinstance(literal.value, int):
        least, most = _INTEGERS
        return {
            ("NumericLessThan", least): False,
            ("NumericGreaterThanEquals", least): True,
            ("NumericGreaterThan", most): False,
            ("NumericLessThanEquals", most): True,
        }.get((how.name, literal.value))
    return None


def _several(how: Operator, quantifier: syntax.Quantifier | None, given: Sequence[syntax.Literal], *, is_right: bool) -> bool | None:
    """Against several literals: each value equals at most one of them, so it differs from some and does not equal all."""
    read = how.right if is_right else how.left
    values = {read(each.value) for each in given}
    if quantifier is None or None in values or len(values) < 2:
        return None
    if not is_right and quantifier in ("anyall", "allany"):  # each literal may meet another value of a list
        return None
    of_literals = quantifier[3:]
    if how.name.endswith(("NotEquals", "NotEqualsIgnoreCase")):
        return True if of_literals == "any" else None
    if how.name.endswith(("Equals", "EqualsIgnoreCase")) and "Than" not in how.name:
        return False if of_literals == "all" else None
    return None


def _clash(one: syntax.Node, other: syntax.Node, *, is_all: bool) -> bool:
    """Whether two parts can never both be True (`is_all`), or never both be False."""
    for first, second in ((one, other), (other, one)):
        if isinstance(first, syntax.Negation) and first.part == second:
            return True
    if not isinstance(one, syntax.Comparison) or not isinstance(other, syntax.Comparison):
        return False
    if not isinstance(one.left, syntax.Attribute) or not isinstance(other.left, syntax.Attribute) or _name(one.left) != _name(other.left):
        return False
    if one.quantifier is not None or other.quantifier is not None:
        return False
    first, second = _single(one), _single(other)
    if first is None or second is None:
        return False
    verb = "Equals" if is_all else "NotEquals"
    how, same = OPERATORS[one.operator], one.operator == other.operator
    if same and how.name == f"{how.family}{verb}":
        return first != second
    return is_all and _apart(how, first, OPERATORS[other.operator], second)


def _apart(how: Operator, first: object, other: Operator, second: object) -> bool:
    """Whether an upper and a lower bound of one attribute leave nothing between them."""
    if how.family != other.family or how.family not in ("Numeric", "DateTime") or not isinstance(first, int) or not isinstance(second, int):
        return False
    if "LessThan" in other.name and "GreaterThan" in how.name:
        how, first, other, second = other, second, how, first
    if "LessThan" not in how.name or "GreaterThan" not in other.name:
        return False
    is_closed = how.name.endswith("ThanEquals") and other.name.endswith("ThanEquals")
    return first < second or (first == second and not is_closed)


def _single(node: syntax.Comparison) -> object | None:
    given = literals(node.right)
    return OPERATORS[node.operator].right(given[0].value) if len(given) == 1 else None


def _name(attribute: syntax.Attribute) -> tuple[str, ...]:
    key = attribute.key or ""
    return attribute.source, folded(attribute.path), key if attribute.form == "exact" else folded(key), attribute.form


def _text(node: syntax.Node) -> str:
    if isinstance(node, syntax.Negation):
        return f"NOT {_text(node.part)}"
    if isinstance(node, (syntax.Conjunction, syntax.Disjunction)):
        return "(…)"
    return node.text[:120]


# ── L3, L4 ───────────────────────────────────────────────────────────────────────────────────────────────────────


def open_ended(node: syntax.Node | None) -> Iterator[Finding]:
    """L3: a beginning of a name that other names share, because nothing closes it."""
    for each in comparisons(node):
        how = OPERATORS[each.operator]
        if "Not" in how.name or not isinstance(each.left, syntax.Attribute) or (each.left.key or "") not in _NAMED:
            continue
        for literal in literals(each.right):
            head = _head(how, literal)
            if head and not head.endswith(_DELIMITERS):
                yield Finding(
                    "L3",
                    f"{each.text[:200]!a} also holds for names that only begin like {head[:60]!a}, such as {head[:60] + '2'!a}",
                    f"close the beginning with '-' or '/', as in '{head[:60]}-', or compare the whole name with StringEquals",
                )


def _head(how: Operator, literal: syntax.Literal) -> str:
    """What a name has to begin with, where anything may follow it."""
    if literal.kind != "text":
        return ""
    if "StartsWith" in how.name:
        return str(literal.value)
    if "Like" in how.name and literal.raw.endswith("*") and not literal.raw.endswith("\\*"):
        head = literal.raw.rstrip("*")
        return "" if "*" in head or "?" in head else head
    return ""


def empty(node: syntax.Node | None) -> Iterator[Finding]:
    """L4: a text with nothing, or nothing but blanks, in it."""
    for each in comparisons(node):
        for side in (each.left, each.right):
            if any(literal.kind == "text" and not str(literal.value).strip() for literal in literals(side)):
                yield Finding("L4", f"{each.text[:200]!a} compares with an empty text", "name the value, or write Exists or NotExists")

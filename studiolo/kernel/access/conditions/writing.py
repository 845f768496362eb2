"""What may be written: the checks that a condition passes before it is stored.

Reading is lenient where a mistake can only deny; writing is not, so that nobody has to find such a mistake later.
"""

from __future__ import annotations

from studiolo.kernel.access.conditions import syntax
from studiolo.kernel.access.conditions.condition import VERSION, Condition, compile_condition
from studiolo.kernel.access.conditions.operators import OPERATORS
from studiolo.kernel.faults import Invalid


def check_condition(text: str, version: str | None = VERSION) -> Condition:
    """The condition, if it may be written.

    Raises:
        Invalid: another version than 2.0 (code `InvalidConditionVersion`); a text outside the grammar, a value of a
            type that its operator does not take, a set without a quantifier, a quantifier before an operator that takes
            none, or an empty literal (code `InvalidCondition`).
    """
    if version != VERSION:
        raise Invalid(
            f"Set conditionVersion to '{VERSION}': conditions of version {str(version)[:20]!a} are not evaluated.",
            code="InvalidConditionVersion",
        )
    condition = compile_condition(text)
    _check(condition.syntax)
    return condition


def _check(node: syntax.Node | None) -> None:
    match node:
        case syntax.Negation():
            _check(node.part)
        case syntax.Conjunction() | syntax.Disjunction():
            for part in node.parts:
                _check(part)
        case syntax.ActionMatch() | syntax.SubOperationMatch():
            if not node.pattern.strip():
                raise _refused(node.text, "the pattern is empty")
        case syntax.Comparison():
            _check_comparison(node)
        case _:  # Exists and NotExists hold no literal
            pass


def _check_comparison(node: syntax.Comparison) -> None:
    how = OPERATORS[node.operator]
    sides = (node.left, node.right)
    if node.quantifier is None and any(isinstance(side, syntax.LiteralSet) for side in sides):
        raise _refused(node.text, "a set needs a quantifier before the operator, such as ForAnyOfAnyValues:")
    if node.quantifier is not None and not how.takes_quantifiers:
        raise _refused(node.text, f"{how.name} takes no quantifier")
    for side, reading in ((node.left, how.left), (node.right, how.right)):
        if isinstance(side, syntax.Attribute):
            continue
        for literal in side.items if isinstance(side, syntax.LiteralSet) else (side,):
            if literal.kind == "text" and not literal.value:
                raise _refused(node.text, "an empty string compares with nothing worth naming; write Exists or NotExists")
            if (literal.kind == "guid" and how.family != "Guid") or reading(literal.value) is None:
                raise _refused(node.text, f"{literal.raw[:60]!a} is not {_WANTED[how.family]}, which {how.name} compares")


_WANTED = {
    "String": "a string in single quotes",
    "Numeric": "a 64-bit integer",
    "DateTime": "a moment such as '2026-01-31T00:00:00Z'",
    "Guid": "a GUID",
    "Bool": "true or false",
}


def _refused(text: str, why: str) -> Invalid:
    return Invalid(f"The condition may not hold {text[:200]!a}: {why}.", code="InvalidCondition", target="condition")

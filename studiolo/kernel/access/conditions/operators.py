"""The operators of the language 2.0.

String  Equals StartsWith Like, each with Not before and IgnoreCase after      quantifiers allowed
Numeric, DateTime  Equals NotEquals GreaterThan GreaterThanEquals LessThan LessThanEquals      Numeric only
Bool, Guid  Equals NotEquals                                                    Guid only
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias

import msgspec

from studiolo.kernel.access.conditions import values

Family: TypeAlias = Literal["String", "Numeric", "DateTime", "Guid", "Bool"]
Reading: TypeAlias = Callable[[object], object | None]


class Operator(msgspec.Struct, frozen=True):
    """How both sides are read and what then has to hold between them."""

    name: str
    family: Family
    left: Reading
    right: Reading
    holds: Callable[[Any, Any], bool]

    @property
    def takes_quantifiers(self) -> bool:
        """Whether `ForAnyOfAnyValues:` and its kin may stand before it."""
        return self.family in ("String", "Numeric", "Guid")


def is_like(value: str, glob: values.Glob) -> bool:
    """Whether a text follows a pattern."""
    return glob.matches(value)


def _not(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def fails(left: Any, right: Any) -> bool:
        return not holds(left, right)

    return fails


def _table() -> Iterator[Operator]:
    strings = {"Equals": operator.eq, "StartsWith": str.startswith, "Like": is_like}
    for verb, holds in strings.items():
        for suffix, read, pattern in (("", values.text, values.like), ("IgnoreCase", values.caseless, values.caseless_like)):
            right = pattern if verb == "Like" else read
            yield Operator(f"String{verb}{suffix}", "String", read, right, holds)
            yield Operator(f"StringNot{verb}{suffix}", "String", read, right, _not(holds))
    orders = {
        "Equals": operator.eq,
        "NotEquals": operator.ne,
        "GreaterThan": operator.gt,
        "GreaterThanEquals": operator.ge,
        "LessThan": operator.lt,
        "LessThanEquals": operator.le,
    }
    for verb, holds in orders.items():
        yield Operator(f"Numeric{verb}", "Numeric", values.integer, values.integer, holds)
        yield Operator(f"DateTime{verb}", "DateTime", values.ticks, values.ticks, holds)
    for verb, holds in (("Equals", operator.eq), ("NotEquals", operator.ne)):
        yield Operator(f"Bool{verb}", "Bool", values.boolean, values.boolean, holds)
        yield Operator(f"Guid{verb}", "Guid", values.guid, values.guid, holds)


OPERATORS = {each.name.lower(): each for each in _table()}
"""Every operator by its name in small letters."""

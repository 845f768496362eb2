"""Numbers: 64-bit whole numbers, division towards zero."""

from __future__ import annotations

import re
from collections.abc import Callable

from studiolo.rooms.templates.domain.bounds import RANGE
from studiolo.rooms.templates.domain.functions.arguments import Arguments, Function, table
from studiolo.rooms.templates.domain.values import Json, Misuse, word_for

_WHOLE = re.compile(r"\s*[+-]?[0-9]{1,20}\s*")
_LEAST, _MOST = -(2**63), 2**63 - 1


def _checked(value: int) -> Json:
    if not _LEAST <= value <= _MOST:
        raise Misuse("the result does not fit into 64 bits.")
    return value


def _binary(work: Callable[[int, int], int]) -> Callable[[Arguments], Json]:
    def run(args: Arguments) -> Json:
        left, right = args.number(0), args.number(1)
        try:
            return _checked(work(left, right))
        except ZeroDivisionError:
            raise Misuse("argument 2 must not be 0.") from None

    return run


def _divide(left: int, right: int) -> int:
    size = abs(left) // abs(right)
    return size if (left < 0) == (right < 0) else -size


def _rest(left: int, right: int) -> int:
    return left - right * _divide(left, right)


def _int(args: Arguments) -> Json:
    value = args[0]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Misuse(f"argument 1 must be a string or a number; it is {word_for(value)}.")
    if isinstance(value, str) and not _WHOLE.fullmatch(value):
        raise Misuse("argument 1 is not the text of a whole number.")
    return _checked(int(value))


def _float(args: Arguments) -> Json:
    value = args[0]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Misuse(f"argument 1 must be a string or a number; it is {word_for(value)}.")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise Misuse("argument 1 is not the text of a number.") from None
    if number != number or number in (float("inf"), float("-inf")):  # noqa: PLR0124 - the test for NaN
        raise Misuse("argument 1 is not a number that JSON has.")
    return number


def _range(args: Arguments) -> Json:
    start, count = args.number(0), args.number(1)
    if not 0 <= count <= RANGE:
        raise Misuse(f"argument 2 must lie between 0 and {RANGE}.")
    return list[Json](range(start, start + count))


NUMBERS = table(
    Function("add", 2, 2, _binary(lambda left, right: left + right)),
    Function("sub", 2, 2, _binary(lambda left, right: left - right)),
    Function("mul", 2, 2, _binary(lambda left, right: left * right)),
    Function("div", 2, 2, _binary(_divide)),
    Function("mod", 2, 2, _binary(_rest)),
    Function("int", 1, 1, _int),
    Function("float", 1, 1, _float),
    Function("min", 1, None, lambda args: min(args.numbers())),
    Function("max", 1, None, lambda args: max(args.numbers())),
    Function("range", 2, 2, _range),
)

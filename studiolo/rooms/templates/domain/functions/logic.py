"""Comparisons and truth. `if`, `and` and `or` are elsewhere: they do not evaluate what they do not need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from studiolo.rooms.templates.domain.functions.arguments import Arguments, Function, table
from studiolo.rooms.templates.domain.functions.spelling import order
from studiolo.rooms.templates.domain.values import Json, Misuse, is_int, same, word_for


def _compare(holds: Callable[[Any, Any], bool]) -> Callable[[Arguments], Json]:
    def run(args: Arguments) -> Json:
        left, right = args[0], args[1]
        if is_int(left) and is_int(right):
            return holds(left, right)
        if isinstance(left, str) and isinstance(right, str):
            return holds(order(left), order(right))
        raise Misuse(f"it compares two whole numbers or two strings, not {word_for(left)} and {word_for(right)}.")

    return run


def _bool(args: Arguments) -> Json:
    value = args[0]
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value != 0
    if isinstance(value, str) and value.strip().lower() in ("true", "1"):
        return True
    if isinstance(value, str) and value.strip().lower() in ("false", "0"):
        return False
    raise Misuse(f"argument 1 must be a bool, a whole number, 'true' or 'false'; it is {word_for(value)}.")


def _coalesce(args: Arguments) -> Json:
    return next((value for value in args if value is not None), None)


LOGIC = table(
    Function("equals", 2, 2, lambda args: same(args[0], args[1])),
    Function("less", 2, 2, _compare(lambda left, right: left < right)),
    Function("lessOrEquals", 2, 2, _compare(lambda left, right: left <= right)),
    Function("greater", 2, 2, _compare(lambda left, right: left > right)),
    Function("greaterOrEquals", 2, 2, _compare(lambda left, right: left >= right)),
    Function("not", 1, 1, lambda args: not args.truth(0)),
    Function("xor", 2, 2, lambda args: args.truth(0) != args.truth(1)),
    Function("bool", 1, 1, _bool),
    Function("true", 0, 0, lambda _: True),
    Function("false", 0, 0, lambda _: False),
    Function("null", 0, 0, lambda _: None),
    Function("coalesce", 1, None, _coalesce, is_glance=True),
)

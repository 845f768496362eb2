"""JSON values of templates: their types, their words in messages, equality, access without case."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import msgspec

from studiolo.kernel.faults import Invalid

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonMap: TypeAlias = "dict[str, Json]"


class _Later(str):
    """The type of LATER; a string, so that it fits wherever a JSON value does."""

    __slots__ = ()


LATER: Json = _Later("later")
"""Stands for a value that only the run will know. Touching it raises `Later`."""


class Later(Exception):
    """An expression needs what only the run can tell."""


class Misuse(Exception):
    """A function was given what it cannot take; the evaluator adds where."""


def _unknown_yet(value: object) -> None:
    """LATER cannot be written out."""
    raise Later(value)


_compact = msgspec.json.Encoder(enc_hook=_unknown_yet).encode
_sorted = msgspec.json.Encoder(order="sorted", enc_hook=_unknown_yet).encode


def to_json(value: Json, *, is_sorted: bool = False) -> bytes:
    """A value as compact JSON; with `is_sorted`, equal values give equal bytes.

    Raises:
        Later: a part of it is not known yet.
    """
    return _sorted(value) if is_sorted else _compact(value)


def broken(message: str, path: str, *, code: str = "InvalidTemplate") -> Invalid:
    """The fault for a template that breaks a rule at `path`."""
    place = f" It stands at '{path}' in the template." if path else ""
    return Invalid(f"Deployment template validation failed: {message}{place}", code=code, target=path or None)


def is_int(value: Json) -> bool:
    """Whether the value is a JSON integer; Python's bool is not one."""
    return isinstance(value, int) and not isinstance(value, bool)


def word_for(value: Json) -> str:
    """The JSON type of a value, as messages name it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a bool"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"


def same(left: Json, right: Json) -> bool:
    """Deep equality in JSON's sense: 1, true and '1' differ."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(value, right[name]) for name, value in left.items())
    return left == right


def find_key(container: JsonMap, name: str) -> str | None:
    """The member's own spelling, found without case as templates do; an exact match wins."""
    if name in container:
        return name
    low = name.lower()
    return next((key for key in container if key.lower() == low), None)


def member(container: JsonMap, name: str) -> Json:
    """A member by name without case, or None if there is none."""
    key = find_key(container, name)
    return None if key is None else container[key]


def as_map(value: Any) -> JsonMap:
    """A value that is known to be a JSON object, typed."""
    return cast("JsonMap", value)


def text_at(container: JsonMap, name: str, path: str) -> str:
    """A string member of a template object.

    Raises:
        Invalid: it is missing or no string (code `InvalidTemplate`).
    """
    value = member(container, name)
    if not isinstance(value, str) or not value:
        raise broken(f"'{name}' is required and must be a string; it is {word_for(value)}.", path)
    return value


def map_at(container: JsonMap, name: str, path: str) -> JsonMap:
    """An object member of a template object; an absent one is empty.

    Raises:
        Invalid: it is no object (code `InvalidTemplate`).
    """
    value = member(container, name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise broken(f"'{name}' must be an object; it is {word_for(value)}.", path)
    return value

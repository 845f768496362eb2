"""JSON schemas that an answer can be held to: what the engine enforces is taken, anything else is refused, never ignored."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from studiolo.kernel.faults import Invalid, NotOffered

MAX_NODES: Final = 2000
MAX_DEPTH: Final = 16
_PARAM: Final = "response_format"

_TYPES: Final = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_FORMATS: Final = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"})
_NOTES: Final = frozenset({"const", "title", "description", "default", "examples", "$schema", "$id", "$comment"})
_SCHEMAS_BY_NAME: Final = frozenset({"properties", "$defs", "definitions"})
_SCHEMAS_IN_ROW: Final = frozenset({"anyOf", "allOf", "prefixItems"})
_SCHEMAS: Final = frozenset({"items", "additionalProperties"})
_ROWS: Final = frozenset({"required", "enum"})
_MAX_SIZE: Final = 10_000
_LOCAL_REFERENCE: Final = re.compile(r"#(/(\$defs|definitions)/([A-Za-z0-9_.-]+))?")


def check_schema(schema: Any) -> None:
    """Return if the engine enforces every word of this schema.

    Raises:
        Invalid: it is no JSON schema, or it is too large (code `invalid_json_schema`).
        NotOffered: it uses a word that the engine does not enforce.
    """
    if not isinstance(schema, dict):
        raise Invalid("The schema must be a JSON object.", code="invalid_json_schema", target=_PARAM)
    _Walk(schema).node(schema, 0)  # pyright: ignore[reportUnknownArgumentType] - JSON


class _Walk:
    def __init__(self, root: dict[str, Any]) -> None:
        self._nodes = 0
        self._root = root

    def node(self, schema: Any, depth: int) -> None:
        self._count(1, depth)
        if isinstance(schema, bool):
            return
        if not isinstance(schema, dict):
            raise _invalid("a part of it is neither an object nor a boolean")
        words: dict[str, Any] = schema  # pyright: ignore[reportUnknownVariableType] - JSON
        for word, value in words.items():
            self._word(word, value, depth + 1)

    def _count(self, parts: int, depth: int) -> None:
        self._nodes += parts
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            raise _invalid(f"it has more than {MAX_NODES} parts or more than {MAX_DEPTH} levels")

    def _word(self, word: str, value: Any, depth: int) -> None:
        if word in _SCHEMAS_BY_NAME:
            for inner in _members(word, value).values():
                self.node(inner, depth)
        elif word in _SCHEMAS_IN_ROW:
            for inner in _entries(word, value):
                self.node(inner, depth)
        elif word in _SCHEMAS:
            self.node(value, depth)
        elif word in _ROWS:
            self._count(len(_entries(word, value)), depth)
        elif word == "$ref":
            self._reference(value)
        elif word in _LEAVES:
            _LEAVES[word](word, value)
        elif word not in _NOTES:
            raise _not_enforced(f"the keyword '{word[:60]}'")

    def _reference(self, value: Any) -> None:
        found = _LOCAL_REFERENCE.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise _not_enforced("a $ref to anything but '#', '#/$defs/NAME' or '#/definitions/NAME'")
        if found[1] and found[3] not in _members(found[2], self._root.get(found[2], {})):
            raise _invalid(f"the $ref '{value[:60]}' names nothing")


def _check_type(word: str, value: Any) -> None:
    for name in _entries(word, value) if isinstance(value, list) else [value]:
        if not isinstance(name, str) or name not in _TYPES:
            raise _invalid(f"'{str(name)[:60]}' is no type")


def _check_format(word: str, value: Any) -> None:
    if not isinstance(value, str) or value not in _FORMATS:
        raise _not_enforced(f"the {word} '{str(value)[:60]}'")


def _check_bound(word: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _invalid(f"'{word}' must be a number")


def _check_size(word: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_SIZE:
        raise _invalid(f"'{word}' must be a whole number from 0 to {_MAX_SIZE}")


_LEAVES: Final[dict[str, Callable[[str, Any], None]]] = {
    "type": _check_type,
    "format": _check_format,
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), _check_bound),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), _check_size),
}


def _members(word: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _invalid(f"'{word}' must be an object")
    return value  # pyright: ignore[reportUnknownVariableType] - JSON


def _entries(word: str, value: Any) -> list[Any]:
    if not isinstance(value, list) or (not value and word != "required"):
        raise _invalid(f"'{word}' must be an array that is not empty")
    return value  # pyright: ignore[reportUnknownVariableType] - JSON


def _invalid(why: str) -> Invalid:
    return Invalid(f"The schema in '{_PARAM}' is not valid: {why}.", code="invalid_json_schema", target=_PARAM)


def _not_enforced(what: str) -> NotOffered:
    return NotOffered(
        f"Answers cannot be held to {what}: leave it out of the schema in '{_PARAM}'.", code="unsupported_json_schema", target=_PARAM
    )

"""Values as text: JSON, .NET's composite formats, and the order of strings."""

from __future__ import annotations

import re

import msgspec

from studiolo.rooms.templates.domain.bounds import VALUE_CHARACTERS
from studiolo.rooms.templates.domain.values import Json, Misuse, to_json, word_for

_HOLE = re.compile(r"\{\{|\}\}|\{(?P<index>\d{1,3})(?:,(?P<width>-?\d{1,4}))?(?::(?P<code>[^{}]*))?\}|[{}]")
_CODE = re.compile(r"(?P<letter>[DdXxNn])(?P<digits>\d{0,2})")


def to_text(value: Json) -> str:
    """A value as `string` and `concat` write it: bools as .NET does, containers as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, int | float):
        return str(value)
    return to_json(value).decode()


def from_json(text: str) -> Json:
    """A value from JSON text."""
    try:
        value: Json = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeEncodeError) as error:
        raise Misuse(f"the text is not JSON: {error}.") from None
    except RecursionError:
        raise Misuse("the text holds JSON that is nested too deeply.") from None
    return value


def order(text: str) -> tuple[str, str]:
    """A key that sorts as the published comparisons do: letters first without case, then small before capital."""
    return text.casefold(), text.swapcase()


def compose(pattern: str, values: list[Json]) -> str:
    """`format`: `{index[,width][:code]}` with the codes D, N and X; doubled braces stand for themselves."""
    parts: list[str] = []
    size = last = 0
    for hole in _HOLE.finditer(pattern):
        parts.append(pattern[last : hole.start()])
        last = hole.end()
        parts.append(_filled(hole, values))
        size += len(parts[-1]) + len(parts[-2])
        if size > VALUE_CHARACTERS:
            raise Misuse(f"the text would have more than {VALUE_CHARACTERS} characters.")
    parts.append(pattern[last:])
    return "".join(parts)


def _filled(hole: re.Match[str], values: list[Json]) -> str:
    if hole["index"] is None:
        if hole.group() in ("{{", "}}"):
            return hole.group()[0]
        raise Misuse(f"the format string has a single '{hole.group()}' at position {hole.start() + 1}.")
    index = int(hole["index"])
    if index >= len(values):
        raise Misuse(f"the format string asks for argument {index}, but {len(values)} are given.")
    text = _coded(values[index], hole["code"]) if hole["code"] else to_text(values[index])
    width = int(hole["width"] or 0)
    return text.ljust(-width) if width < 0 else text.rjust(width)


def _coded(value: Json, code: str) -> str:
    match = _CODE.fullmatch(code)
    if match is None:
        raise Misuse(f"the format code '{code[:20]}' is not offered; D, N and X are.")
    if not isinstance(value, int) or isinstance(value, bool):
        raise Misuse(f"the format code '{code}' needs a whole number; it was given {word_for(value)}.")
    letter, digits = match["letter"], match["digits"]
    if letter in "Xx":
        return format(value & 0xFFFFFFFFFFFFFFFF, letter).rjust(int(digits or 0), "0")
    if letter in "Nn":
        return f"{value:,}" + ("." + "0" * int(digits or 2) if digits != "0" else "")
    return ("-" if value < 0 else "") + str(abs(value)).rjust(int(digits or 0), "0")

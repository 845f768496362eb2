"""What attribute values and literals mean to each family of operators.

A reading takes any value and returns what compares, or None where the value is of another type: None is a type error
and makes the comparison Unknown. Nothing is coerced, trimmed or normalised.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache
from itertools import groupby

_STAMP = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,7}))?Z")
_GUID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PIECE = re.compile(r"\\[*?]|.", re.DOTALL)


def text(value: object) -> str | None:
    """A string, as it is."""
    return value if type(value) is str else None


def caseless(value: object) -> str | None:
    """A string with every code point in its simple upper case."""
    return upper(value) if type(value) is str else None


def integer(value: object) -> int | None:
    """A 64-bit integer; a boolean or a text is none."""
    return value if type(value) is int and -(2**63) <= value < 2**63 else None


def boolean(value: object) -> bool | None:
    """A JSON boolean; the text 'true' is none."""
    return value if type(value) is bool else None


def guid(value: object) -> str | None:
    """32 small hex digits, of a GUID with or without hyphens or of a resource id that ends in one."""
    if type(value) is not str or not value.isascii():
        return None
    last = value.rpartition("/")[2] if value.startswith("/") else value
    low = last.lower()
    return low.replace("-", "") if _GUID.fullmatch(low) else None


def ticks(value: object) -> int | None:
    """The moment in steps of 100 ns; only `yyyy-mm-ddThh:mm:ss[.f{1,7}]Z` is one."""
    found = _STAMP.fullmatch(value) if type(value) is str else None
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    try:
        moment = dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    except ValueError:
        return None
    seconds = moment.toordinal() * 86400 + hour * 3600 + minute * 60 + second
    return seconds * 10_000_000 + int((found.group(7) or "").ljust(7, "0"))


def upper(value: str) -> str:
    """Simple upper case per code point.

    A mapping to several characters is not taken (sharp s stays), and no character outside ASCII becomes one inside
    (long s, dotless i): a name that only looks like another must not compare equal to it.
    """
    return value.upper() if value.isascii() else "".join(map(_upper_one, value))


@lru_cache(maxsize=2048)
def _upper_one(character: str) -> str:
    high = character.upper()
    return high if len(high) == 1 and high.isascii() == character.isascii() else character


class Glob:
    r"""A `StringLike` pattern: `*` any run, `?` one code point, `\*` and `\?` themselves.

    Matching takes one pass over the text: pieces between stars are found from left to right, and a pattern with `?`
    runs as a set of states held in the bits of one integer. `head` is what every match starts with, `core` the longest
    text that every match holds.
    """

    __slots__ = ("_accept", "_loops", "_pieces", "_steps", "_wild", "core", "head")

    def __init__(self, raw: str, *, is_caseless: bool = False) -> None:
        found: list[str] = _PIECE.findall(raw)
        marks = [upper(mark) for mark in found] if is_caseless else found
        pieces: list[list[str]] = [[]]
        for mark in marks:
            if mark == "*":
                pieces.append([])
            else:
                pieces[-1].append(mark[-1])
        self._pieces = tuple(map("".join, pieces))
        runs = [("" if is_open else "".join(mark[-1] for mark in run)) for is_open, run in groupby(marks, _is_open)]
        self.head = runs[0] if runs else ""
        self.core = max(runs, key=len, default="")
        self._steps: dict[str, int] | None = None
        self._loops = self._wild = self._accept = 0
        if "?" in marks:
            self._steps = self._states(marks)

    def _states(self, marks: list[str]) -> dict[str, int]:
        steps: dict[str, int] = {}
        state = 1
        for mark in marks:
            if mark == "*":
                self._loops |= state
                continue
            if mark == "?":
                self._wild |= state
            else:
                steps[mark[-1]] = steps.get(mark[-1], 0) | state
            state <<= 1
        self._accept = state
        return steps

    def matches(self, value: str) -> bool:
        """Whether the whole text follows the pattern."""
        if self._steps is not None:
            return self._run(value, self._steps)
        head, *middle = self._pieces
        if not middle:
            return value == head
        tail = middle.pop()
        if not value.startswith(head) or not value.endswith(tail):
            return False
        at = len(head)
        for piece in middle:
            found = value.find(piece, at)
            if found < 0:
                return False
            at = found + len(piece)
        return at <= len(value) - len(tail)

    def _run(self, value: str, steps: dict[str, int]) -> bool:
        states = 1
        for character in value:
            states = (states & (steps.get(character, 0) | self._wild)) << 1 | states & self._loops
            if not states:
                return False
        return bool(states & self._accept)


def _is_open(mark: str) -> bool:
    return mark in ("*", "?")


def like(value: object) -> Glob | None:
    """The pattern that a string spells."""
    return _glob(value, is_caseless=False) if type(value) is str else None


def caseless_like(value: object) -> Glob | None:
    """The pattern that a string spells, to be matched against `caseless` text."""
    return _glob(value, is_caseless=True) if type(value) is str else None


@lru_cache(maxsize=256)
def _glob(raw: str, *, is_caseless: bool) -> Glob:
    return Glob(raw, is_caseless=is_caseless)

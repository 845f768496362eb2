"""Section 5, the table of operators: what two values mean to one another."""

import re
from collections.abc import Callable
from dataclasses import dataclass

GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}")
MOMENT = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,7}))?Z")
MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
TICKS = 10_000_000


@dataclass(frozen=True)
class Bare:
    """A GUID written without quotes: no string, so only the Guid operators take it."""

    digits: str


class WrongTypeError(ValueError):
    """The operator does not compare values of this type."""


def fold(text: str) -> str:
    """Simple upper case per code point: no mapping longer than one character, none from outside ASCII into it."""
    found: list[str] = []
    for letter in text:
        upper = letter.upper()
        keeps_out = ord(letter) > 127 and len(upper) == 1 and ord(upper) < 128
        found.append(letter if len(upper) != 1 or keeps_out else upper)
    return "".join(found)


def like(text: str, pattern: str) -> bool:
    r"""Match the whole text: `*` any run, `?` one code point, `\*` and `\?` themselves."""
    rows = [0]  # how much of the text the pattern so far may have used
    place = 0
    while place < len(pattern):
        if pattern[place : place + 2] in {"\\*", "\\?"}:
            letter, special = pattern[place + 1], False
            place += 2
        else:
            letter, special = pattern[place], pattern[place] in "*?"
            place += 1
        if special and letter == "*":
            rows = list(range(min(rows), len(text) + 1)) if rows else []
        else:
            rows = [row + 1 for row in rows if row < len(text) and (special or text[row] == letter)]
    return len(text) in rows


def string(value: object) -> str:
    """Return a string as it is."""
    if not isinstance(value, str):
        raise WrongTypeError("not a string")
    return value


def integer(value: object) -> int:
    """Return a 64-bit integer; text is not coerced and a boolean is no number."""
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        raise WrongTypeError("not a 64-bit integer")
    return value


def boolean(value: object) -> bool:
    """Return a JSON boolean; the text 'true' is none."""
    if not isinstance(value, bool):
        raise WrongTypeError("not a boolean")
    return value


def guid(value: object) -> str:
    """Return a GUID as 32 lower hex digits; a resource id is reduced to its last segment."""
    text = string(value.digits if isinstance(value, Bare) else value)
    if not text.isascii():
        raise WrongTypeError("not a GUID")
    text = (text.split("/")[-1] if text.startswith("/") else text).lower()
    if not GUID.fullmatch(text):
        raise WrongTypeError("not a GUID")
    return text.replace("-", "")


def moment(value: object) -> int:
    """Return `yyyy-mm-ddThh:mm:ss[.f{1,7}]Z` as ticks of 100 ns since the year 1."""
    found = MOMENT.fullmatch(string(value))
    if not found:
        raise WrongTypeError("not a moment in UTC")
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    if not (year >= 1 and 1 <= month <= 12 and hour < 24 and minute < 60 and second < 60 and 1 <= day <= _days(year, month)):
        raise WrongTypeError("no such moment")
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400 + sum(_days(year, earlier) for earlier in range(1, month)) + day - 1
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
    return seconds * TICKS + int((found.group(7) or "0").ljust(7, "0"))


def _days(year: int, month: int) -> int:
    leaps = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if month == 2 and leaps else MONTHS[month - 1]


RELATIONS: dict[str, Callable[[int, int], bool]] = {
    "equals": lambda left, right: left == right,
    "notequals": lambda left, right: left != right,
    "greaterthan": lambda left, right: left > right,
    "greaterthanequals": lambda left, right: left >= right,
    "lessthan": lambda left, right: left < right,
    "lessthanequals": lambda left, right: left <= right,
}
STRINGS = [f"string{no}{way}{case}" for no in ("", "not") for way in ("equals", "startswith", "like") for case in ("", "ignorecase")]
FEW = ["boolequals", "boolnotequals", "guidequals", "guidnotequals"]
OPERATORS = frozenset(STRINGS + FEW + [kind + relation for kind in ("numeric", "datetime") for relation in RELATIONS])


def compare(operator: str, left: object, right: object) -> bool:
    """Compare two single values, or raise `WrongTypeError`."""
    if operator.startswith("string"):
        return _compare_strings(operator.removeprefix("string"), string(left), string(right))
    if operator.startswith("numeric"):
        return RELATIONS[operator.removeprefix("numeric")](integer(left), integer(right))
    if operator.startswith("datetime"):
        return RELATIONS[operator.removeprefix("datetime")](moment(left), moment(right))
    if operator.startswith("guid"):
        return (guid(left) == guid(right)) == (operator == "guidequals")
    return (boolean(left) == boolean(right)) == (operator == "boolequals")


def _compare_strings(way: str, left: str, right: str) -> bool:
    if way.endswith("ignorecase"):
        left, right, way = fold(left), fold(right), way.removesuffix("ignorecase")
    if way.startswith("not"):
        return not _compare_strings(way.removeprefix("not"), left, right)
    if way == "equals":
        return left == right
    return left[: len(right)] == right if way == "startswith" else like(left, right)

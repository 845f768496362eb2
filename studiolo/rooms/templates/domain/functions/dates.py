"""Dates: ISO 8601 in, .NET's custom formats out."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from studiolo.rooms.templates.domain.functions.arguments import Arguments, Function, table
from studiolo.rooms.templates.domain.values import Json, Misuse

ISO_BASIC = "yyyyMMddTHHmmssZ"
"""What `utcNow` answers when no format is given."""

_STANDARD = {
    "d": "MM/dd/yyyy",
    "D": "dddd, dd MMMM yyyy",
    "o": "yyyy-MM-ddTHH:mm:ss.fffffffZ",
    "s": "yyyy-MM-ddTHH:mm:ss",
    "u": "yyyy-MM-dd HH:mm:ssZ",
}
_PIECE = re.compile(r"yyyy|yy|M{1,4}|d{1,4}|HH?|hh?|mm?|ss?|f{1,7}|tt|'[^']*'|\\?.", re.DOTALL)
_LASTING = re.compile(
    r"(?P<sign>-)?P(?:(?P<years>\d{1,4})Y)?(?:(?P<months>\d{1,5})M)?(?:(?P<weeks>\d{1,5})W)?(?:(?P<days>\d{1,6})D)?"
    r"(?:T(?:(?P<hours>\d{1,7})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9}(?:\.\d{1,6})?)S)?)?"
)
_LONGEST_FORMAT = 100


def read(text: str) -> datetime:
    """An ISO 8601 date in UTC; one without a zone is taken as UTC."""
    basic = re.fullmatch(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(Z?)", text)
    if basic:
        text = "{}-{}-{}T{}:{}:{}{}".format(*basic.groups())
    try:
        date = datetime.fromisoformat(text)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Misuse("argument 1 is not an ISO 8601 date.") from None


def write(date: datetime, pattern: str) -> str:
    """A date in one of .NET's standard or custom formats."""
    if len(pattern) > _LONGEST_FORMAT:
        raise Misuse(f"a date format has at most {_LONGEST_FORMAT} characters.")
    pattern = _STANDARD.get(pattern, pattern)
    return "".join(_piece(date, match.group()) for match in _PIECE.finditer(pattern))


def _piece(date: datetime, piece: str) -> str:
    names = {"MMM": "%b", "MMMM": "%B", "ddd": "%a", "dddd": "%A", "tt": "%p"}
    if piece in names:
        return date.strftime(names[piece])
    if piece[0] == "f":
        return f"{date.microsecond:06}0"[: len(piece)]
    if piece in ("yyyy", "yy"):
        return f"{date.year:04}"[-len(piece) :]
    numbers = {"M": date.month, "d": date.day, "H": date.hour, "h": date.hour % 12 or 12, "m": date.minute, "s": date.second}
    if piece[0] in numbers:
        return str(numbers[piece[0]]).rjust(len(piece), "0")
    return piece.strip("'") if piece[0] == "'" else piece.removeprefix("\\")


def _add(args: Arguments) -> Json:
    match = _LASTING.fullmatch(args.text(1))
    if match is None or args.text(1).rstrip("T") in ("P", "-P"):
        raise Misuse("argument 2 is not an ISO 8601 duration.")
    part = {name: float(value or 0) for name, value in match.groupdict().items() if name != "sign"}
    sign = -1 if match["sign"] else 1
    date = read(args.text(0))
    try:
        days = timedelta(weeks=part["weeks"], days=part["days"], hours=part["hours"], minutes=part["minutes"], seconds=part["seconds"])
        moved = _months_later(date, sign * int(part["years"] * 12 + part["months"])) + sign * days
    except (OverflowError, ValueError):
        raise Misuse("the date lies outside the years 1 to 9999.") from None
    return write(moved, args.text_or(2, "yyyy-MM-ddTHH:mm:ssZ"))


def _months_later(date: datetime, months: int) -> datetime:
    year, month = divmod(date.year * 12 + date.month - 1 + months, 12)
    for day in (date.day, 30, 29, 28):
        try:
            return date.replace(year=year, month=month + 1, day=min(date.day, day))
        except ValueError:
            continue
    raise OverflowError


def _from_epoch(args: Arguments) -> Json:
    try:
        return write(datetime.fromtimestamp(args.number(0), UTC), "yyyy-MM-ddTHH:mm:ssZ")
    except (OverflowError, ValueError, OSError):
        raise Misuse("the date lies outside the years 1 to 9999.") from None


DATES = table(
    Function("dateTimeAdd", 2, 3, _add),
    Function("dateTimeFromEpoch", 1, 1, _from_epoch),
    Function("dateTimeToEpoch", 1, 1, lambda args: int(read(args.text(0)).timestamp())),
)

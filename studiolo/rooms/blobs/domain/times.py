"""The two ways in which the Blob protocol writes a moment."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

from studiolo.kernel.faults import Invalid

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# The forms that shared access signatures may use: a day, minutes, seconds, or up to seven decimals; always with a zone.
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,7}))?)?(Z|[+-]\d\d:\d\d))?")


@lru_cache(maxsize=4096)
def http_date(at_ms: int) -> str:
    """Milliseconds since the epoch as RFC 1123 writes them, whatever the locale."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{_DAYS[at.weekday()]}, {at.day:02} {_MONTHS[at.month - 1]} {at.year} {at:%H:%M:%S} GMT"


def seconds_of(http_text: str, header: str) -> int:
    """The seconds since the epoch that an HTTP date names.

    Raises:
        Invalid: the text is no HTTP date (code `InvalidHeaderValue`).
    """
    try:
        return int(parsedate_to_datetime(http_text).timestamp())
    except (ValueError, OverflowError):
        raise Invalid(
            f"'{header}' must be a date such as 'Mon, 23 Nov 2026 22:00:00 GMT'.", code="InvalidHeaderValue", target=header
        ) from None


def iso_moment(text: str) -> datetime | None:
    """The moment that an ISO 8601 text of a shared access signature names; None if it names none."""
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    day, minutes, seconds, decimals, zone = match.groups()
    fraction = f".{decimals[:6]:0<6}" if decimals else ""
    try:
        found = datetime.fromisoformat(f"{day}T{minutes or '00:00'}:{seconds or '00'}{fraction}{(zone or 'Z').replace('Z', '+00:00')}")
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def iso_second(at: datetime) -> str:
    """A moment in whole seconds, as shared access signatures carry it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_of_ms(at_ms: int) -> str:
    """Milliseconds since the epoch as ISO 8601, in whole seconds."""
    return iso_second(datetime.fromtimestamp(at_ms // 1000, UTC))

"""Shared Key authorization: the string that a client signs with an account's key.

Source: Blob service REST, "Authorize with Shared Key"; headers are ordered as the vendor's own clients sort them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import unquote

from studiolo.kernel.faults import Forbidden

MAX_SKEW: Final = timedelta(minutes=15)
_SIGNED: Final = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)
_UNDERSCORE_FIRST = str.maketrans({"_": " ", "-": None})


def text_to_sign(method: str, headers: Mapping[str, str], account: str, raw_path: str, raw_query: str) -> str:
    """What the `Authorization: SharedKey` signature of this request is over."""
    values = ["" if name == "content-length" and headers.get(name) == "0" else headers.get(name, "") for name in _SIGNED]
    if "x-ms-date" in headers:
        values[_SIGNED.index("date")] = ""
    own = sorted((name for name in headers if name.startswith("x-ms-")), key=_place)
    lines = [method, *values, *(f"{name}:{headers[name].strip()}" for name in own), f"/{account}{raw_path}"]
    return "\n".join([*lines, *_query_lines(raw_query)])


def _query_lines(raw_query: str) -> list[str]:
    pairs = [pair.partition("=") for pair in raw_query.split("&") if pair]
    return [f"{unquote(name).lower()}:{unquote(value)}" for name, _, value in sorted(pairs)]


def _place(name: str) -> tuple[str, list[int]]:
    """Hyphens weigh nothing at first; among names that differ in them alone, the later hyphen goes first."""
    return name.translate(_UNDERSCORE_FIRST), [-place for place, letter in enumerate(name) if letter == "-"]


def check_moment(headers: Mapping[str, str], now: datetime) -> None:
    """Return if the request was signed just now.

    Raises:
        Forbidden: its date is missing, malformed or more than 15 minutes off (code `AuthenticationFailed`).
    """
    try:
        at = parsedate_to_datetime(headers.get("x-ms-date") or headers.get("date", ""))
        is_fresh = abs(now - at) <= MAX_SKEW
    except (ValueError, TypeError, OverflowError):
        is_fresh = False
    if not is_fresh:
        raise Forbidden("The request's date (x-ms-date) is missing, malformed or more than 15 minutes off.", code="AuthenticationFailed")

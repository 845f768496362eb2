"""Numbers as callers write them in queries, headers and names."""

from __future__ import annotations

from typing import Final

_MOST_DIGITS: Final = 18


def whole_number(text: str) -> int | None:
    """A number from 0 that the store can count to; None for any other text. Not all that Unicode calls digits is one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None

"""Byte ranges of a read."""

from __future__ import annotations

import re

from studiolo.kernel.faults import Invalid, Unsatisfiable

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def span_of(size: int, ms_range: str | None, plain_range: str | None) -> tuple[int, int] | None:
    """The half-open span that a read asks for, cut to the blob's size; None for the whole blob.

    `ms_range` (`x-ms-range`) wins over `plain_range` (`Range`). A plain range of another form is ignored, as RFC 9110
    wants it.

    Raises:
        Invalid: `x-ms-range` is malformed (code `InvalidHeaderValue`).
        Unsatisfiable: the range begins behind the last byte.
    """
    text = ms_range if ms_range is not None else plain_range
    if text is None:
        return None
    match = _RANGE.fullmatch(text.strip())
    first, last = (match[1], match[2]) if match else ("", "")
    if not first or (last and int(last) < int(first)):
        if ms_range is not None:
            raise Invalid(
                "'x-ms-range' must have the form 'bytes=first-last' or 'bytes=first-'.", code="InvalidHeaderValue", target="x-ms-range"
            )
        if not first and last:
            return _tail(size, int(last))
        return None
    start = int(first)
    if start >= size:
        raise outside(size)
    return start, min(size, int(last) + 1) if last else size


def _tail(size: int, count: int) -> tuple[int, int]:
    if count == 0 or size == 0:
        raise outside(size)
    return max(0, size - count), size


def outside(size: int) -> Unsatisfiable:
    """The fault of a range that lies outside a blob of this size."""
    return Unsatisfiable("The range specified is invalid for the current size of the resource.", info={"size": size})

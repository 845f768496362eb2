"""From when and until when an assignment counts, in the words of the public cloud's role assignment schedules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from studiolo.kernel.access.grants import Timing
from studiolo.kernel.faults import Invalid
from studiolo.kernel.resource import JsonObject

START, END = "startDateTime", "endDateTime"
STATES: Final[Mapping[Timing, str]] = {"not yet": "Pending", "now": "Active", "expired": "Expired"}


def schedule(found: Mapping[str, Any], at: str, kept: str | None = None, target: str = "properties") -> JsonObject:
    """The bounds as they are stored: moments in UTC with microseconds; None where there is none.

    `at` is the present moment, `kept` the end that the assignment has already.

    Raises:
        Invalid: a bound is no moment with an offset, the end is not after the start, or a new end has passed (code
            `InvalidSchedule`).
    """
    bounds = {name: _bound(found.get(name), name, target) for name in (START, END)}
    start, end = bounds[START], bounds[END]
    if end is not None and start is not None and end <= start:
        raise _refused(f"'{END}' must lie behind '{START}'", END, target)
    if end is not None and end != kept and end <= at:
        raise _refused(f"'{END}' has passed; to end an assignment now, delete it", END, target)
    return bounds


def state_of(properties: Mapping[str, Any], at: str) -> str | None:
    """Pending, Active or Expired; None for an assignment without bounds. `at` is a moment as `schedule` writes them."""
    start, end = properties.get(START), properties.get(END)
    if start is None and end is None:
        return None
    if start is not None and at < start:
        return STATES["not yet"]
    return STATES["expired" if end is not None and at >= end else "now"]


def moment(text: str) -> str:
    """A moment with an offset as it is stored: in UTC, with microseconds.

    Raises:
        ValueError: the text is none.
    """
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            raise ValueError(text)
        return found.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")  # years have four digits: texts sort
    except OverflowError as error:
        raise ValueError(text) from error


def _bound(text: object, name: str, target: str) -> str | None:
    if text is None or text == "":
        return None
    try:
        return moment(str(text))
    except ValueError:
        raise _refused(f"'{name}' must be a moment such as 2027-01-31T08:00:00Z", name, target) from None


def _refused(why: str, name: str, target: str) -> Invalid:
    return Invalid(f"The schedule cannot be kept: {why}.", code="InvalidSchedule", target=f"{target}.{name}")

"""A reasoned override of checks on a condition: `"studioloOverride": {"checks": ["L3"], "reason": "…"}`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from studiolo.kernel.access.lints import CODES, Finding
from studiolo.kernel.faults import Invalid
from studiolo.kernel.resource import JsonObject, Remark

MEMBER: Final = "studioloOverride"
OVERRIDES: Final = "Studiolo.Access/overrides/write"
_NEVER: Final = "L4"
_LEAST, _MOST = 10, 1024


class Override(msgspec.Struct, frozen=True):
    """Which checks are passed over, and why."""

    checks: tuple[str, ...] = ()
    reason: str = ""


def override_in(found: Mapping[str, Any]) -> Override:
    """The override that a write carries; an empty one if it carries none.

    Raises:
        Invalid: it names no check, or one that cannot be passed over, or gives no reason (code `InvalidOverride`).
    """
    given = cast("JsonObject | None", found.get(MEMBER))
    if not given:
        return Override()
    checks = cast("Sequence[str]", given.get("checks") or ())
    known = [check for check in CODES if check != _NEVER]
    if not checks or any(check not in known for check in checks):
        raise _refused(
            f"'checks' names at least one of {', '.join(known)}; {_NEVER} and what the writer may not grant are never passed over"
        )
    reason = str(given.get("reason") or "").strip()
    if not _LEAST <= len(reason) <= _MOST or not reason.isprintable():
        raise _refused(f"'reason' says in {_LEAST} to {_MOST} characters why the condition is meant as it stands")
    return Override(tuple(checks), reason)


def remarks(override: Override, passed: Sequence[Finding]) -> tuple[Remark, ...]:
    """The line of the activity log about what was passed over; none if nothing was."""
    if not passed:
        return ()
    info: JsonObject = {"checks": list(override.checks), "reason": override.reason, "findings": [str(each) for each in passed[:20]]}
    return (Remark(OVERRIDES, "Succeeded", info),)


def _refused(why: str) -> Invalid:
    return Invalid(f"The override cannot be taken: {why}.", code="InvalidOverride", target=f"properties.{MEMBER}")

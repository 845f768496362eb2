"""What a check of a condition finds, and how it is told."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from studiolo.kernel.faults import Invalid

Check: TypeAlias = Literal["L1", "L2", "L3", "L4", "L5", "L6", "L7"]

CODES: Final[Mapping[Check, str]] = {
    "L1": "ConditionLeavesActionsOpen",
    "L2": "ConditionNeverVaries",
    "L3": "ConditionPrefixIsOpen",
    "L4": "ConditionComparesWithNothing",
    "L5": "ConditionLeavesVariantsOpen",
    "L6": "ConditionIsBypassed",
    "L7": "ConditionAttributeNotOffered",
}
"""The code of each check's refusal."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong with a condition: by which check, what and where, and what to write instead."""

    check: Check
    what: str
    instead: str

    def __str__(self) -> str:
        return f"{self.check}: {self.what}; {self.instead}."


def refused(
    findings: Iterable[Finding],
    waived: Collection[str] = (),
    target: str = "properties.condition",
    *,
    what: str = "The condition cannot be written.",
) -> Sequence[Finding]:
    """The findings that an override passes over. `what` begins the refusal.

    Raises:
        Invalid: there are others (the code is the first one's, see `CODES`; every one is among the details).
    """
    found = list(findings)
    left = [each for each in found if each.check not in waived]
    if not left:
        return found
    checks = ", ".join(dict.fromkeys(f"'{each.check}'" for each in left))
    how = f'If this is meant, repeat the write with "studioloOverride": {{"checks": [{checks}], "reason": "…"}}'.replace("'", '"')
    raise Invalid(
        f"{what} {' '.join(map(str, left[:5]))} {how}; the reason is kept and goes into the activity log.",
        code=CODES[left[0].check],
        target=target,
        details=tuple(Invalid(str(each), code=CODES[each.check], target=target) for each in left),
    )

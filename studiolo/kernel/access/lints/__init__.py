"""Checks of a condition before it is written (section 8 of the access specification): what is legal and yet not meant.

    findings.py   a finding, its code, the refusal and its override      offers.py    which calls carry which attributes
    atoms.py      L2 L3 L4, from the condition alone                     coverage.py  L1 L5 L7, against what a role grants
    bypass.py     L6, against what the principal holds anyway

Reading a condition is never stricter for it: what is stored decides as section 4 says. L8, what its writer may grant at
all, is no matter of taste and no finding: see the authorization room's delegation.
"""

from collections.abc import Iterable, Sequence

from studiolo.kernel.access.conditions import Condition
from studiolo.kernel.access.grants import Permission
from studiolo.kernel.access.lints.atoms import empty, open_ended, settled
from studiolo.kernel.access.lints.bypass import bypassed
from studiolo.kernel.access.lints.coverage import Coverage
from studiolo.kernel.access.lints.findings import CODES, Finding, refused

__all__ = ["CODES", "Finding", "bypassed", "lint_deny", "lint_grant", "refused"]


def lint_grant(condition: Condition, permissions: Iterable[Permission]) -> Sequence[Finding]:
    """What is wrong with a condition on a grant of these permissions, by L1 to L5 and L7."""
    node, coverage = condition.syntax, Coverage(condition, permissions)
    found = [*coverage.open_actions(), *settled(node), *coverage.never(), *open_ended(node), *empty(node), *coverage.open_variants()]
    return list(dict.fromkeys([*found, *coverage.unoffered()]))


def lint_deny(condition: Condition, permissions: Iterable[Permission]) -> Sequence[Finding]:
    """What is wrong with a condition on a deny assignment: it denies where it is unknown, so only L2, L4 and L7 matter."""
    node, coverage = condition.syntax, Coverage(condition, permissions)
    return list(dict.fromkeys([*settled(node), *coverage.never(), *empty(node), *coverage.unoffered()]))

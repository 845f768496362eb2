"""The decision: deny pass first, then the grant pass, three values, one reason.

    1  a malformed scope or action is refused (a fault, no verdict); an action that no operation needs is denied
    2  a principal that is unknown or disabled is denied
    3  the principal stands for itself and all its groups
    4  a deny assignment on the scope's chain that covers the action and whose condition is not False: deny
    5  every assignment on the chain, every block of its role that covers the action
    6  is a grant if the block's and the assignment's condition are both exactly True; one grant is enough

Whoever asks treats an exception as a deny and raises an alarm.
"""

from __future__ import annotations

from studiolo.kernel.access.ask import Ask, Plane
from studiolo.kernel.access.compiled import CompiledFacts
from studiolo.kernel.access.grants import Assignment, DenyAssignment, Facts, Permission, Role, group_closure
from studiolo.kernel.access.plans import Reason, Verdict
from studiolo.kernel.access.scopes import Hierarchy

__all__ = [
    "Ask",
    "Assignment",
    "CompiledFacts",
    "DenyAssignment",
    "Facts",
    "Hierarchy",
    "Permission",
    "Plane",
    "Reason",
    "Role",
    "Verdict",
    "decide",
    "group_closure",
]


def decide(ask: Ask, facts: CompiledFacts) -> Verdict:
    """May the ask's principal, whom the facts are about, do this?

    The verdict does not depend on the order of the facts. If several deny assignments, or several assignments, would
    decide, the one with the lowest id is named.

    Raises:
        Invalid: the scope or the action is malformed (codes `InvalidScope`, `InvalidAction`); nothing is decided.
    """
    return facts.plan(ask).answer(ask)

"""What the engine knows about one principal: roles, assignments, deny assignments and the tree of scopes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, TypeAlias

import msgspec

from studiolo.kernel.access.ask import Plane
from studiolo.kernel.access.conditions import values
from studiolo.kernel.access.scopes import FLAT, Hierarchy
from studiolo.kernel.access.spelling import folded

EVERYONE = "00000000-0000-0000-0000-000000000000"
"""The principal id (type SystemDefined) by which a deny assignment names everyone."""

Timing: TypeAlias = Literal["now", "not yet", "expired"]

KnownActions: TypeAlias = Callable[[str, Plane], bool]
"""Whether an action, in small ASCII letters, is one that some operation needs on this plane."""


class Permission(msgspec.Struct, frozen=True):
    """One block of a role: what it grants less what it subtracts, per plane, perhaps under a condition of its own."""

    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()
    condition: str | None = None
    condition_version: str | None = "2.0"


class Role(msgspec.Struct, frozen=True):
    """A role definition; an assignment gives it to a principal at a scope."""

    id: str
    name: str
    permissions: tuple[Permission, ...]


class Assignment(msgspec.Struct, frozen=True):
    """A principal has a role at a scope and below, where the condition, if any, is exactly true.

    No condition is None. An empty text is a condition that cannot be read and so grants nothing. It counts from the
    moment `starts` on and no longer from `ends` on; None is no bound.
    """

    id: str
    principal_id: str
    role: Role
    scope: str
    condition: str | None = None
    condition_version: str | None = "2.0"
    starts: str | None = None
    ends: str | None = None

    def timing(self, moment: str | None) -> Timing:
        """Whether it counts at a moment. Without a moment, or with a bound that cannot be read, a bounded one does not."""
        if self.starts is None and self.ends is None:
            return "now"
        at = values.ticks(moment)
        starts, ends = (None if bound is None else values.ticks(bound) for bound in (self.starts, self.ends))
        if at is None or (starts is None and self.starts is not None) or (starts is not None and at < starts):
            return "not yet"
        return "expired" if self.ends is not None and (ends is None or at >= ends) else "now"


class DenyAssignment(msgspec.Struct, frozen=True):
    """What nobody named here may do, whatever is granted, unless the condition is exactly false.

    `principals` and `excluded` may name groups; `EVERYONE` among the principals means all. Only `enforced` ones
    deny; an `audit` one is told by `explain`.
    """

    id: str
    scope: str
    principals: tuple[str, ...]
    permissions: tuple[Permission, ...]
    excluded: tuple[str, ...] = ()
    does_not_apply_to_child_scopes: bool = False
    condition: str | None = None
    condition_version: str | None = "2.0"
    effect: Literal["enforced", "audit"] = "enforced"
    is_system_protected: bool = False


class Facts(msgspec.Struct, frozen=True):
    """One snapshot of everything that bears on one principal.

    `ids` is the principal and all its groups, see `group_closure`. Assignments and deny assignments of others may be
    among the rows; they are passed over, and so are assignments that do not count at `moment`. `hierarchy` is made once
    per store version and shared by all principals.
    """

    known: bool
    enabled: bool
    ids: frozenset[str]
    assignments: tuple[Assignment, ...] = ()
    denies: tuple[DenyAssignment, ...] = ()
    hierarchy: Hierarchy = FLAT
    version: int = 0
    known_actions: KnownActions | None = None
    moment: str | None = None


def group_closure(principal: str, memberships: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """The principal and every group that holds it, directly or through groups, in small ASCII letters.

    `memberships` names for each principal or group the security groups that it is a direct member of. Groups may
    hold each other in a circle.
    """
    direct = {folded(member): groups for member, groups in memberships.items()}
    found = {folded(principal)}
    waiting = list(found)
    while waiting:
        for group in map(folded, direct.get(waiting.pop(), ())):
            if group not in found:
                found.add(group)
                waiting.append(group)
    return frozenset(found)

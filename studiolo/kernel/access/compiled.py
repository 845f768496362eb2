"""Facts made ready for many asks: indexed by scope, compiled where they are first needed, with the answers they gave.

Everything kept here follows from the facts alone, so it may be dropped at any moment and never goes stale. Four steps
lead to a plan, each kept under what it depends on:

    role x action           which of the role's blocks cover it         shared by all principals
    condition x action      what is left to ask of attributes           shared by all principals
    scope x action          the grants and denies that stand there      per principal
    chain x action          the plan: all that stands on the chain      per principal

The plan is found again by the text of the ask: by its scope if that one counts for itself, else by the scope above it,
whose children, seen before or not, share one plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias, TypeVar

import msgspec

from studiolo.kernel.access.ask import Ask, Plane
from studiolo.kernel.access.blocks import Blocks, blocks_of, condition_of
from studiolo.kernel.access.conditions import Condition
from studiolo.kernel.access.grants import EVERYONE, Assignment, DenyAssignment, Facts
from studiolo.kernel.access.patterns import action_key
from studiolo.kernel.access.plans import Plan, Reason, Term, Verdict, assembled, in_order
from studiolo.kernel.access.scopes import DEEPEST_GROUPED, is_name, scope_key
from studiolo.kernel.access.spelling import folded

_MOST_PLANS = 4096
_MOST_LOCAL = 16384
_MOST_FAMILIES = 1024

K = TypeVar("K")
V = TypeVar("V")
Asked: TypeAlias = tuple[str, str, Plane, str, tuple[str, ...]]
"""Principal, action, plane, scope and sub-operations, as they were written."""
Question: TypeAlias = tuple[Plane, str, tuple[str, ...]]
"""Plane, action (its key) and sub-operations."""


class Local(msgspec.Struct, frozen=True, eq=False):
    """What one scope says to one question. `here` denies only the scope itself, `denies` what lies below as well."""

    grants: tuple[Term, ...]
    denies: tuple[Term, ...]
    here: tuple[Term, ...]


class Family(msgspec.Struct, frozen=True, eq=False):
    """The plan for every child of one scope (`parent`, a key) at which nothing stands that is the child's own."""

    parent: str
    plan: Plan


class CompiledFacts:
    """The facts about one principal, ready for `decide`, `visible` and `explain`.

    Raises:
        Invalid: the scope of an assignment or a deny assignment cannot be read (code `InvalidScope`). Stores hold
            only scopes that can be; to pass over a deny assignment would open what it closes.
    """

    __slots__ = ("_answers", "_doors", "_families", "_locals", "_plans", "_rows", "facts", "ids")

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.ids = frozenset(map(folded, facts.ids))
        self._rows: dict[str, list[CompiledRow]] = {}
        self._doors: dict[tuple[str, str, Plane], str | Verdict] = {}
        self._locals: dict[tuple[str, Question], Local] = {}
        self._plans: dict[tuple[tuple[str, ...], bool, Question], Plan] = {}
        self._answers: dict[Asked, Plan] = {}
        self._families: dict[Asked, Family] = {}
        for assignment in facts.assignments:
            key = scope_key(assignment.scope)
            if folded(assignment.principal_id) in self.ids and assignment.timing(facts.moment) == "now":
                self._rows.setdefault(key, []).append(CompiledRow(assignment))
        for deny in facts.denies:
            key = scope_key(deny.scope)
            if self.is_denied_by(deny) and deny.effect != "audit":
                self._rows.setdefault(key, []).append(CompiledRow(deny))

    @property
    def scopes(self) -> frozenset[str]:
        """The keys of all scopes at which an assignment or a deny assignment for the principal stands."""
        return frozenset(self._rows)

    def is_denied_by(self, deny: DenyAssignment) -> bool:
        """Whether a deny assignment names the principal, and does not exclude it."""
        named = {folded(each) for each in deny.principals}
        return (EVERYONE in named or not self.ids.isdisjoint(named)) and self.ids.isdisjoint(map(folded, deny.excluded))

    def door(self, principal: str, action: str, plane: Plane) -> str | Verdict:
        """The key of the action, or the verdict against who asks or what for, before any assignment is looked at.

        Raises:
            Invalid: the action is malformed (code `InvalidAction`).
        """
        question = (principal, action, plane)
        found = self._doors.get(question)
        if found is None:
            key = action_key(action)
            reason = self._objection(principal, key, plane)
            found = Verdict(allowed=False, reason=reason) if reason else key
            _remember(self._doors, question, found, _MOST_PLANS)
        return found

    def plan(self, ask: Ask) -> Plan:
        """How to answer an ask, whatever its attributes.

        Raises:
            Invalid: the scope or the action is malformed (codes `InvalidScope`, `InvalidAction`).
        """
        parent, _, name = ask.scope.rpartition("/")
        family = self._families.get((ask.principal, ask.action, ask.plane, parent, ask.sub_operations))
        if family is not None and is_name(name) and not self._stands_alone(f"{family.parent}/{name.lower()}"):
            return family.plan
        asked = (ask.principal, ask.action, ask.plane, ask.scope, ask.sub_operations)
        found = self._answers.get(asked)
        return self._plan(ask) if found is None else found

    def local(self, key: str, question: Question) -> Local:
        """What stands at the scope with this key."""
        place = (key, question)
        found = self._locals.get(place)
        if found is None:
            found = _local(self._rows.get(key, []), question)
            _remember(self._locals, place, found, _MOST_LOCAL)
        return found

    def _objection(self, principal: str, action: str, plane: Plane) -> Reason | None:
        facts = self.facts
        if facts.known_actions is not None and not facts.known_actions(action, plane):
            return "unknown_action"
        if not facts.known or folded(principal) not in self.ids:
            return "unknown_principal"
        return None if facts.enabled else "disabled_principal"

    def _plan(self, ask: Ask) -> Plan:
        key = scope_key(ask.scope)
        action = self.door(ask.principal, ask.action, ask.plane)
        found = Plan(action) if isinstance(action, Verdict) else self._along(key, (ask.plane, action, ask.sub_operations))
        parent, _, name = ask.scope.rpartition("/")
        # A family needs a scope that brings no management group into the chain, and a text that is the parent's.
        if name and key.count("/") > DEEPEST_GROUPED and not self._stands_alone(key):
            family = Family(key.rpartition("/")[0], found)
            _remember(self._families, (ask.principal, ask.action, ask.plane, parent, ask.sub_operations), family, _MOST_FAMILIES)
        else:
            _remember(self._answers, (ask.principal, ask.action, ask.plane, ask.scope, ask.sub_operations), found, _MOST_PLANS)
        return found

    def _stands_alone(self, key: str) -> bool:
        """Whether something holds at a scope that holds not at its siblings: a row, or roles that it inherits."""
        return key in self._rows or bool(self.facts.hierarchy.extra_parents(key))

    def _along(self, key: str, question: Question) -> Plan:
        rows = self._rows
        # Scopes without rows say nothing, so all scopes below the same ones with rows share a plan.
        above = tuple(each for each in self.facts.hierarchy.chain(key) if each in rows)
        place = (above, key in rows, question)
        found = self._plans.get(place)
        if found is None:
            locals_ = [self.local(each, question) for each in above]
            here = self.local(key, question).here if key in rows else ()
            denies = (*here, *(term for each in locals_ for term in each.denies))
            found = assembled(denies, (term for each in locals_ for term in each.grants))
            _remember(self._plans, place, found, _MOST_PLANS)
        return found


class CompiledRow:
    """One row of the facts; its role and its condition are compiled when a question first needs them."""

    __slots__ = ("_blocks", "_condition", "row")

    def __init__(self, row: Assignment | DenyAssignment) -> None:
        self.row = row
        self._blocks: Blocks | None = None
        self._condition: Condition | None = None

    def terms(self, question: Question) -> Iterator[Term]:
        """One term for each block that covers the action, unless its conditions are settled against the row."""
        row = self.row
        if self._blocks is None:
            self._blocks = blocks_of(row.role.permissions if isinstance(row, Assignment) else row.permissions)
        plane, action, sub_operations = question
        for block in self._blocks.covering(plane, action):
            if self._condition is None:
                self._condition = condition_of(row.condition, row.condition_version)
            residues = [each.residue(action, sub_operations) for each in (block.condition, self._condition) if each is not None]
            settled = [each.value for each in residues if each.is_fixed]
            if False in settled or (None in settled and isinstance(row, Assignment)):
                continue
            left = [each for each in residues if not each.is_fixed]
            yield Term(
                row.id, tuple(each.run for each in left), _verdict(row), next((each.probe for each in left if each.probe is not None), None)
            )


def _verdict(row: Assignment | DenyAssignment) -> Verdict:
    is_grant = isinstance(row, Assignment)
    return Verdict(allowed=is_grant, reason="granted" if is_grant else "deny_assignment", deciding=(row.id,))


def _local(rows: list[CompiledRow], question: Question) -> Local:
    grants: list[Term] = []
    denies: list[Term] = []
    here: list[Term] = []
    for each in rows:
        if isinstance(each.row, Assignment):
            grants.extend(each.terms(question))
        else:
            (here if each.row.does_not_apply_to_child_scopes else denies).extend(each.terms(question))
    return Local(in_order(grants), in_order(denies), in_order(here))


def _remember(kept: dict[K, V], question: K, answer: V, most: int) -> None:
    if len(kept) >= most:
        kept.clear()
    kept[question] = answer

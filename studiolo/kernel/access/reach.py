"""Who may do something at a place, and what somebody may do there: one question each, over everybody or everything.

Both agree with `decide`: for each principal, or action, the verdict is the one that a single ask would get. Rows are
compiled once per question, not once per principal; principals for whom the same rows count share one plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from studiolo.kernel.access.ask import Ask, Plane
from studiolo.kernel.access.blocks import blocks_of
from studiolo.kernel.access.compiled import CompiledFacts, CompiledRow
from studiolo.kernel.access.decision import decide
from studiolo.kernel.access.grants import Assignment, DenyAssignment, Role
from studiolo.kernel.access.patterns import action_key
from studiolo.kernel.access.plans import Plan, Term, Verdict, assembled, in_order
from studiolo.kernel.access.scopes import scope_key
from studiolo.kernel.access.shelves import Alike
from studiolo.kernel.access.spelling import folded
from studiolo.kernel.access.world import CompiledWorld, Holder

# ── who can ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Grant(msgspec.Struct, frozen=True):
    """One assignment by which somebody may: whose it is, and the groups that lead there from the principal."""

    assignment: Assignment
    groups: tuple[str, ...]
    path: tuple[str, ...]
    way: str
    conditions: tuple[str, ...] = ()


class Reach:
    """Everybody who may, or under some attributes might, in the order of their ids, with the verdict on the ask's own attributes."""

    def __init__(self, ask: Ask, world: CompiledWorld, principals: Sequence[str], survey: _Survey | None) -> None:
        self.ask = ask
        self.world = world
        self.principals = principals
        self._among = frozenset(principals)
        self._survey = survey

    def verdict(self, principal: str) -> Verdict | None:
        """What `decide` says of one of them; None for anybody else."""
        if self._survey is None or principal not in self._among:
            return None
        return self._survey.verdict(self.world.world.holders[principal])

    def ways(self, principal: str) -> Iterator[Grant]:
        """Every assignment by which one of them may, the lowest id first."""
        hierarchy, key = self.world.world.hierarchy, scope_key(self.ask.scope)
        rows = self._survey.rows(principal) if self._survey is not None and principal in self._among else []
        for row in sorted(rows, key=lambda row: row.id):
            above = scope_key(row.scope)
            groups = self.world.nesting(principal, folded(row.principal_id))
            yield Grant(row, groups, hierarchy.path(key, above), hierarchy.way(key, above), tuple(_conditions(row, self.ask)))


def who_can(ask: Ask, world: CompiledWorld) -> Reach:
    """Who may do what the ask says; its principal does not count, and each principal's own attributes are taken.

    Raises:
        Invalid: the scope or the action is malformed (codes `InvalidScope`, `InvalidAction`).
    """
    key, action = scope_key(ask.scope), action_key(ask.action)
    ask = msgspec.structs.replace(ask, principal="", principal_attributes={})
    known = world.world.known_actions
    if known is not None and not known(action, ask.plane):
        return Reach(ask, world, (), None)
    survey, holders = _Survey(world, ask, key, action), world.world.holders
    named = sorted(one for one in survey.named() if one in holders and holders[one].is_enabled)
    return Reach(ask, world, [one for one in named if survey.reaches(holders[one])], survey)


class _Survey:
    """What stands on the chain of one scope for one question. Nothing is made for a principal before it must be."""

    def __init__(self, world: CompiledWorld, ask: Ask, key: str, action: str) -> None:
        self._world = world
        self._ask = ask
        self._question = (ask.plane, action, ask.sub_operations)
        self._covering: list[tuple[Alike, tuple[Term, ...]]] = []
        self._holders: set[str] = set()
        plain: set[str] = set()
        self._denies: list[tuple[frozenset[str] | None, frozenset[str], tuple[Term, ...]]] = []
        self._terms: dict[str, tuple[Term, ...]] = {}
        self._plans: dict[tuple[frozenset[str], tuple[int, ...]], tuple[Plan, Verdict]] = {}
        for above in world.world.hierarchy.chain(key):
            for alike in world.shelves.get(above, ()):
                terms = tuple(alike.compiled.terms(self._question)) if alike.counts(world.world.moment) else ()
                if terms:
                    self._covering.append((alike, terms))
                    self._holders.update(alike.holders)
                if any(not term.runs for term in terms):
                    plain.update(alike.holders)
            for row in world.denies.get(above, ()):
                self._deny(world, row, is_here=above == key)
        self._sure = self._with_members(plain)

    def _deny(self, world: CompiledWorld, compiled: CompiledRow, *, is_here: bool) -> None:
        row = compiled.row
        if isinstance(row, DenyAssignment) and (is_here or not row.does_not_apply_to_child_scopes):
            terms = tuple(compiled.terms(self._question))
            if terms:
                self._denies.append((world.named(row), world.excluded(row), terms))

    def named(self) -> set[str]:
        """Everybody who holds an assignment that covers the question, or is in a group that does."""
        return self._with_members(self._holders)

    def _with_members(self, ids: set[str]) -> set[str]:
        return ids.union(*(self._world.below(group) for group in ids & self._world.world.members.keys()))

    def reaches(self, holder: Holder) -> bool:
        """Whether a principal may, or might."""
        if holder.id in self._sure and not self._denying(holder):
            return True
        verdict = self.verdict(holder)
        return verdict.allowed or verdict.is_conditional

    def verdict(self, holder: Holder) -> Verdict:
        """The verdict on a principal."""
        ids = self._world.above(holder.id) & self._holders
        place = (ids, self._denying(holder))
        found = self._plans.get(place)
        if found is None:
            denies = (term for at in place[1] for term in self._denies[at][2])
            plan = assembled(denies, (term for id_ in ids for term in self._grants(id_)))
            found = self._plans[place] = (plan, plan.answer(self._ask))
        plan, verdict = found
        if holder.attributes and plan.verdict is None:
            return plan.answer(msgspec.structs.replace(self._ask, principal_attributes=holder.attributes))
        return verdict

    def rows(self, principal: str) -> list[Assignment]:
        """The assignments by which somebody may."""
        ids = self._world.above(principal) & self._holders
        return [row for id_ in ids for alike, _ in self._covering for row in alike.holders.get(id_, ())]

    def _denying(self, holder: Holder) -> tuple[int, ...]:
        denies = self._denies
        return tuple(at for at, (named, out, _) in enumerate(denies) if (named is None or holder.id in named) and holder.id not in out)

    def _grants(self, id_: str) -> tuple[Term, ...]:
        # Most rows say what a lower one says already: what is left is short, and the same for all who share a group.
        found = self._terms.get(id_)
        if found is None:
            alike = ((row, term) for alike, terms in self._covering for row in alike.holders.get(id_, ()) for term in terms)
            found = self._terms[id_] = in_order(_granting(row.id, term) for row, term in alike)
        return found


def _granting(id_: str, like: Term) -> Term:
    """What an assignment says that says the same as another."""
    return Term(id_, like.runs, Verdict(allowed=True, reason="granted", deciding=(id_,)), like.probe)


def _conditions(row: Assignment, ask: Ask) -> list[str]:
    """The conditions under which an assignment covers the ask's action, each once."""
    key = action_key(ask.action)
    found = [block.condition.text for block in blocks_of(row.role.permissions).covering(ask.plane, key) if block.condition is not None]
    if row.condition is not None:
        found.append(row.condition)
    return list(dict.fromkeys(found))


# ── what can ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Ability(msgspec.Struct, frozen=True):
    """One action that somebody may do, or might under some attributes."""

    action: str
    plane: Plane
    verdict: Verdict


class PatternLine(msgspec.Struct, frozen=True):
    """One pattern of a role that holds at a place, less what its block takes back; `row` is the assignment or the deny."""

    row: Assignment | DenyAssignment
    plane: Plane
    pattern: str
    less: tuple[str, ...]
    conditions: tuple[str, ...]
    path: tuple[str, ...]
    way: str


def abilities(facts: CompiledFacts, ask: Ask, actions: Iterable[tuple[str, Plane]]) -> Iterator[Ability]:
    """Which of these actions the ask's principal may do at the ask's scope; its own action does not count.

    Raises:
        Invalid: the scope or an action is malformed (codes `InvalidScope`, `InvalidAction`).
    """
    for action, plane in actions:
        verdict = decide(msgspec.structs.replace(ask, action=action, plane=plane), facts)
        if verdict.allowed or verdict.is_conditional:
            yield Ability(action, plane, verdict)


def patterns_at(facts: CompiledFacts, scope: str) -> Iterator[PatternLine]:
    """Every pattern that grants, and every one that denies, on the chain of a scope, by the id of its row.

    Raises:
        Invalid: the scope is malformed (code `InvalidScope`).
    """
    known, key = facts.facts, scope_key(scope)
    chain = frozenset(known.hierarchy.chain(key))
    grants = [row for row in known.assignments if folded(row.principal_id) in facts.ids]
    denies = [row for row in known.denies if facts.is_denied_by(row) and row.effect != "audit"]
    for row in (*sorted(denies, key=lambda row: row.id), *sorted(grants, key=lambda row: row.id)):
        above = scope_key(row.scope)
        is_elsewhere = isinstance(row, DenyAssignment) and row.does_not_apply_to_child_scopes and above != key
        if above in chain and not is_elsewhere:
            yield from _lines(row, known.hierarchy.path(key, above), known.hierarchy.way(key, above))


def _lines(row: Assignment | DenyAssignment, path: tuple[str, ...], way: str) -> Iterator[PatternLine]:
    for block in row.role.permissions if isinstance(row, Assignment) else row.permissions:
        conditions = tuple(dict.fromkeys(text for text in (block.condition, row.condition) if text is not None))
        for pattern in block.actions:
            yield PatternLine(row, "control", pattern, block.not_actions, conditions, path, way)
        for pattern in block.data_actions:
            yield PatternLine(row, "data", pattern, block.not_data_actions, conditions, path, way)


# ── which role would do ──────────────────────────────────────────────────────────────────────────────────────────────


def smallest_roles(
    action: str, plane: Plane, roles: Iterable[Role], actions: Iterable[tuple[str, Plane]], most: int = 3
) -> tuple[Role, ...]:
    """The roles that allow an action unconditionally, those first that allow the fewest of the other actions.

    Raises:
        Invalid: the action is malformed (code `InvalidAction`).
    """
    key = action_key(action)
    every: list[tuple[str, Plane]] = [(action_key(each), plane_) for each, plane_ in actions]

    def allows(role: Role, key: str, plane: Plane) -> bool:
        return any(block.condition is None for block in blocks_of(role.permissions).covering(plane, key))

    def weight(role: Role) -> tuple[int, int, str]:
        stars = sum(text.count("*") for block in role.permissions for text in (*block.actions, *block.data_actions))
        return sum(allows(role, each, plane_) for each, plane_ in every), stars, role.name

    return tuple(sorted((role for role in roles if allows(role, key, plane)), key=weight)[:most])

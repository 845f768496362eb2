"""Who may do something at a place, and what somebody may do there: one question each, over everybody or everything.

Both agree with `decide`: for each principal, or action, the verdict is the one that a single ask would get. Rows are
compiled once per question, not once per principal; principals for whom the same rows count share one plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from studiolo.kernel.access.ask import Ask, Plane
from studiolo.kernel.access.blocks import blocks_of
from studiolo.kernel.access.compiled import CompiledFacts, CompiledRow
from studiolo.kernel.access.decision import decide
from studiolo.kernel.access.grants import Assignment, DenyAssignment, Role
from studiolo.kernel.access.patterns import action_key
from studiolo.kernel.access.plans import Plan, Term, Verdict, assembled, in_order
from studiolo.kernel.access.scopes import scope_key
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


class Reach(msgspec.Struct, frozen=True):
    """Everybody who may, or under some attributes might, with the verdict on the ask's own attributes; by id."""

    ask: Ask
    verdicts: Mapping[str, Verdict]
    grants: Mapping[str, tuple[Assignment, ...]]
    world: CompiledWorld

    def ways(self, principal: str) -> Iterator[Grant]:
        """Every assignment by which one of them may, the lowest id first."""
        hierarchy, key = self.world.world.hierarchy, scope_key(self.ask.scope)
        ids = self.world.above(principal)
        rows = [row for id_ in ids for row in self.grants.get(id_, ())]
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
        return Reach(ask, {}, {}, world)
    survey = _Survey(world, ask, key, action)
    named: dict[str, list[str]] = {}
    for id_ in survey.terms:
        for one in world.below(id_):
            named.setdefault(one, []).append(id_)
    verdicts: dict[str, Verdict] = {}
    for one in sorted(named):
        holder = world.world.holders.get(one)
        if holder is None or not holder.is_enabled:
            continue
        verdict = survey.verdict(holder, named[one])
        if verdict.allowed or verdict.is_conditional:
            verdicts[one] = verdict
    return Reach(ask, verdicts, {id_: tuple(rows) for id_, rows in survey.grants.items()}, world)


class _Survey:
    """What stands on the chain of one scope for one question, by principal."""

    def __init__(self, world: CompiledWorld, ask: Ask, key: str, action: str) -> None:
        self._ask = ask
        self._question = (ask.plane, action, ask.sub_operations)
        self._all: dict[str, list[Term]] = {}
        self.grants: dict[str, list[Assignment]] = {}
        self._denies: list[tuple[frozenset[str] | None, frozenset[str], tuple[Term, ...]]] = []
        self._plans: dict[tuple[frozenset[str], tuple[int, ...]], tuple[Plan, Verdict]] = {}
        for above in world.world.hierarchy.chain(key):
            for row in world.rows.get(above, ()):
                self._grant(row)
            for row in world.denies.get(above, ()):
                self._deny(world, row, is_here=above == key)
        # Most rows say what a lower one says already: what is left is short, and the same for all who share a group.
        self.terms = {id_: in_order(terms) for id_, terms in self._all.items()}

    def _grant(self, compiled: CompiledRow) -> None:
        row = compiled.row
        if isinstance(row, Assignment) and (terms := tuple(compiled.terms(self._question))):
            holder = folded(row.principal_id)
            self._all.setdefault(holder, []).extend(terms)
            self.grants.setdefault(holder, []).append(row)

    def _deny(self, world: CompiledWorld, compiled: CompiledRow, *, is_here: bool) -> None:
        row = compiled.row
        if isinstance(row, DenyAssignment) and (is_here or not row.does_not_apply_to_child_scopes):
            terms = tuple(compiled.terms(self._question))
            if terms:
                self._denies.append((world.named(row), world.excluded(row), terms))

    def verdict(self, holder: Holder, ids: Iterable[str]) -> Verdict:
        """The verdict on a principal that these holders of assignments stand for."""
        denying = tuple(
            at for at, (named, out, _) in enumerate(self._denies) if (named is None or holder.id in named) and holder.id not in out
        )
        place = (frozenset(ids), denying)
        found = self._plans.get(place)
        if found is None:
            plan = assembled(
                (term for at in denying for term in self._denies[at][2]), (term for id_ in place[0] for term in self.terms[id_])
            )
            found = self._plans[place] = (plan, plan.answer(self._ask))
        plan, verdict = found
        if holder.attributes and plan.verdict is None:
            return plan.answer(msgspec.structs.replace(self._ask, principal_attributes=holder.attributes))
        return verdict


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

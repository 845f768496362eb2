"""What a planned change would do: who loses what and who gains what, where; nothing is written.

The answer is the difference of `decide` before and after, for asks without attributes, over all principals, actions
and scopes. It stays small because a verdict depends on few things: the ids that a principal stands for, and the scopes
with rows that lie above. Principals who stand for the same rows are judged once, and so are all scopes that lie below
the same rows: what is said of a place holds for everything below it until another place is named, whether one reads
what lies below from the tree of scopes as it is or as it would be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from studiolo.kernel.access.ask import Ask, Bag, Plane
from studiolo.kernel.access.blocks import blocks_of
from studiolo.kernel.access.compiled import CompiledFacts
from studiolo.kernel.access.decision import decide
from studiolo.kernel.access.grants import EVERYONE, Assignment, DenyAssignment, Role
from studiolo.kernel.access.patterns import action_key
from studiolo.kernel.access.scopes import ROOT, Hierarchy, prefixes, scope_key
from studiolo.kernel.access.spelling import folded
from studiolo.kernel.access.world import CompiledWorld, World

_BELOW = "/~"


class PlannedChange(msgspec.Struct, frozen=True):
    """Rows to add, rows to remove (ids), groups with the members that they would have, roles as they would be (by id).

    And the tree: management groups (by name) and subscriptions (by id) with the group above them, None for no group;
    scopes with everything that would inherit their roles.
    """

    assignments: tuple[Assignment, ...] = ()
    denies: tuple[DenyAssignment, ...] = ()
    removed: tuple[str, ...] = ()
    members: Mapping[str, Sequence[str]] = {}
    roles: Mapping[str, Role] = {}
    management_group_parents: Mapping[str, str | None] = {}
    subscription_groups: Mapping[str, str | None] = {}
    heirs: Mapping[str, Sequence[str]] = {}


class Standing(msgspec.Struct, frozen=True):
    """A verdict as far as a change is told: allowed or not, and whether attributes could turn it round."""

    allowed: bool
    is_conditional: bool


class Turn(msgspec.Struct, frozen=True):
    """One action whose verdict changes."""

    action: str
    plane: Plane
    before: Standing
    after: Standing


class Shift(msgspec.Struct, frozen=True):
    """What changes at a place for principals who are alike.

    `is_below` leaves the place itself out. No turns: nothing changes from there on.
    """

    principals: tuple[str, ...]
    scope: str
    is_below: bool
    turns: tuple[Turn, ...]


def changed(world: World, plan: PlannedChange) -> World:
    """The world as it would be, at the same moment. A row that is added replaces the one with the same id.

    Raises:
        Invalid: a scope of the tree is malformed (code `InvalidScope`).
    """
    gone = {folded(each) for each in (*plan.removed, *(row.id for row in plan.assignments), *(row.id for row in plan.denies))}
    roles = {folded(id_): role for id_, role in plan.roles.items()}
    kept = [_with_role(row, roles) for row in world.assignments if folded(row.id) not in gone]
    members = {folded(group): tuple(map(folded, held)) for group, held in plan.members.items()}
    return msgspec.structs.replace(
        world,
        assignments=(*kept, *(_with_role(row, roles) for row in plan.assignments)),
        denies=(*(row for row in world.denies if folded(row.id) not in gone), *plan.denies),
        members={**world.members, **members},
        hierarchy=_tree(world, plan),
    )


def _tree(world: World, plan: PlannedChange) -> Hierarchy:
    turns = plan.management_group_parents, plan.subscription_groups, plan.heirs
    return world.hierarchy.changed(*turns) if any(turns) else world.hierarchy


def _with_role(row: Assignment, roles: Mapping[str, Role]) -> Assignment:
    role = roles.get(folded(row.role.id))
    return row if role is None else msgspec.structs.replace(row, role=role)


def simulate(before: CompiledWorld, after: CompiledWorld, actions: Iterable[tuple[str, Plane]], within: str = ROOT) -> Iterator[Shift]:
    """Every change of a verdict from one world to the other, by principals and places.

    The worlds differ in rows, groups and the tree of scopes alone, not in their moment. Only `within`, and what lies or
    inherits below it before or after, is looked at.

    Raises:
        Invalid: the scope is malformed (code `InvalidScope`).
    """
    key = scope_key(within)
    found = _Difference(before, after)
    touched: list[tuple[str, Plane]] = [(action, plane) for action, plane in actions if found.concerns(action, plane)]
    if not touched:
        return
    classes: dict[object, list[str]] = {}
    for one in sorted(found.principals()):
        classes.setdefault(found.likeness(one), []).append(one)
    for alike in classes.values():
        yield from _Comparison(found, alike[0], touched, key).shifts(tuple(alike))


class _Difference:
    """Which rows, groups and scopes, and therefore which principals and actions a change touches."""

    def __init__(self, before: CompiledWorld, after: CompiledWorld) -> None:
        self.before, self.after = before, after
        old, new = before.world, after.world
        self._groups = [
            group for group in {*old.members, *new.members} if set(old.members.get(group, ())) != set(new.members.get(group, ()))
        ]
        upward = {each for group in self._groups for world in (before, after) for each in world.above(group)}
        # Kept rows are the same objects in both worlds, so that most comparisons are of two addresses.
        rows = [*_unlike(old.assignments, new.assignments), *(row for world in (before, after) for row in world.held(upward))]
        denies = [*_unlike(old.denies, new.denies), *(row for row in {*old.denies, *new.denies} if upward & set(_ids(row)))]
        touched: list[Assignment | DenyAssignment] = [*rows, *denies]
        elsewhere = old.hierarchy.differing(new.hierarchy) if old.hierarchy is not new.hierarchy else {}
        self.scopes = frozenset({*(scope_key(row.scope) for row in touched), *elsewhere})
        self._rows = [*touched, *_standing_at(frozenset[str]().union(*elsewhere.values()), old, new)]
        self._blocks = [blocks_of(each) for each in {_permissions(row) for row in self._rows}]
        self._of_denies = frozenset(id_ for world in (old, new) for row in world.denies for id_ in _ids(row))

    def concerns(self, action: str, plane: Plane) -> bool:
        """Whether a touched row covers an action."""
        key = action_key(action)
        return any(blocks.covering(plane, key) for blocks in self._blocks)

    def principals(self) -> Iterable[str]:
        """Everybody for whom something may change."""
        holders = self.before.world.holders
        if any(isinstance(row, DenyAssignment) and EVERYONE in row.principals for row in self._rows):
            return holders
        named = {id_ for row in self._rows for id_ in ([folded(row.principal_id)] if isinstance(row, Assignment) else _ids(row))}
        found = {one for id_ in {*named, *self._groups} for world in (self.before, self.after) for one in world.below(id_)}
        return (one for one in found if one in holders)

    def likeness(self, principal: str) -> object:
        """Equal for principals whose verdicts are equal everywhere, before and after."""
        holder = self.before.world.holders[principal]
        ids = [
            frozenset(id_ for id_ in world.above(principal) if world.holds(id_) or id_ in self._of_denies)
            for world in (self.before, self.after)
        ]
        return holder.is_enabled, _frozen(holder.attributes), *ids


class _Comparison:
    """Verdicts before and after for one principal, at every place where they may differ."""

    def __init__(self, found: _Difference, principal: str, actions: Sequence[tuple[str, Plane]], within: str) -> None:
        self._facts: tuple[CompiledFacts, CompiledFacts] = (found.before.facts(principal), found.after.facts(principal))
        self._principal = principal
        self._attributes = found.before.world.holders[principal].attributes
        self._actions = actions
        self._trees = tuple(dict.fromkeys((found.before.world.hierarchy, found.after.world.hierarchy)))
        self._sides = [(facts, facts.scopes) for facts in self._facts]
        # What has another way up afterwards is touched itself, so that one tree tells what else is reached.
        tree = self._trees[0]
        every = _with_heirs({within, *found.scopes, *self._facts[0].scopes, *self._facts[1].scopes}, tree)
        inside = frozenset(heir for each in self._trees for heir in each.heirs(within))
        self._places = {place for place in every if not inside.isdisjoint([*prefixes(place), ROOT])}
        reached = {place for place in self._places if not found.scopes.isdisjoint(tree.chain(place))}
        # A scope that inherits from a reached one may lie below none of the touched ones; what is said above must end there.
        self._concerned = {place for place in self._places if not reached.isdisjoint(tree.chain(place))}
        self._judged: dict[object, tuple[Turn, ...]] = {}
        self._below: dict[str, tuple[Turn, ...]] = {}
        self._named: dict[str, bool | None] = {}
        self._relied: set[str] = set()

    def shifts(self, principals: tuple[str, ...]) -> Iterator[Shift]:
        """What changes, by place; places that only repeat what is said above them are left out."""
        for place in sorted(self._concerned):
            if not self._is_named(place):
                continue
            here, beneath = self._turns(place), self._beneath(place)
            yield Shift(principals, place, is_below=False, turns=here)
            if here != beneath:
                yield Shift(principals, place, is_below=True, turns=beneath)

    def _is_named(self, place: str) -> bool:
        """Whether a place has to be named: unnamed it would be taken for something else, or what is below it for the place itself."""
        found = self._named.get(place)
        if found is None:
            self._named[place] = None
            here = self._turns(place)
            is_told = here == self._beneath(place)
            for tree in self._trees:
                is_told = is_told and here == self._read(place, tree)
            found = self._named[place] = not is_told or place in self._relied
        return found

    def _read(self, place: str, tree: Hierarchy) -> tuple[Turn, ...]:
        """What the nearest named place above in a tree says of an unnamed one.

        The ways up from a scope and from what stands above it differ (a project's leads over its hub, a subscription's over
        its management groups), so that the nearest of all places is not enough.
        """
        for above in tree.chain(place)[1:]:
            if above not in self._concerned:
                continue
            if (
                above in self._named and self._named[above] is None
            ):  # a circle of groups, or of two trees: the one that was asked about is named
                self._relied.add(above)
                return self._beneath(above)
            if self._is_named(above):
                return self._beneath(above)
        return ()

    def _beneath(self, place: str) -> tuple[Turn, ...]:
        found = self._below.get(place)
        if found is None:
            found = self._below[place] = self._turns(("" if place == ROOT else place) + _BELOW)
        return found

    def _turns(self, scope: str) -> tuple[Turn, ...]:
        # A verdict rests on the rows at the scope and above it: where these are the same, so is what changes.
        key = scope_key(scope)
        rests = [(key in held, tuple(each for each in facts.facts.hierarchy.chain(key) if each in held)) for facts, held in self._sides]
        found = self._judged.get(alike := tuple(rests))
        if found is None:
            found = self._judged[alike] = self._judge(scope)
        return found

    def _judge(self, scope: str) -> tuple[Turn, ...]:
        turns: list[Turn] = []
        for action, plane in self._actions:
            ask = Ask(self._principal, action, scope, plane, principal_attributes=self._attributes)
            before, after = (_standing(ask, facts) for facts in self._facts)
            if before != after:
                turns.append(Turn(action, plane, before, after))
        return tuple(turns)


def _with_heirs(scopes: set[str], tree: Hierarchy) -> set[str]:
    found: set[str] = set()
    while scopes:
        found |= scopes
        scopes = {heir for scope in scopes for heir in tree.heirs(scope)} - found
    return found


def _standing(ask: Ask, facts: CompiledFacts) -> Standing:
    verdict = decide(ask, facts)
    return Standing(verdict.allowed, verdict.is_conditional)


def _unlike(
    old: Sequence[Assignment | DenyAssignment], new: Sequence[Assignment | DenyAssignment]
) -> Iterator[Assignment | DenyAssignment]:
    same = {id(row) for row in old} & {id(row) for row in new}
    left = {row.id: row for row in old if id(row) not in same}
    right = {row.id: row for row in new if id(row) not in same}
    for id_ in {*left, *right}:
        if left.get(id_) != right.get(id_):
            yield from (row for row in (left.get(id_), right.get(id_)) if row is not None)


def _standing_at(scopes: frozenset[str], *worlds: World) -> Iterator[Assignment | DenyAssignment]:
    """The rows at some scopes (keys)."""
    rows = [row for world in worlds if scopes for row in (*world.assignments, *world.denies)]
    spelled = {scope for scope in {row.scope for row in rows} if scope_key(scope) in scopes}
    return (row for row in rows if row.scope in spelled)


def _ids(row: DenyAssignment) -> list[str]:
    return [folded(each) for each in (*row.principals, *row.excluded)]


def _permissions(row: Assignment | DenyAssignment) -> tuple[object, ...]:
    return row.role.permissions if isinstance(row, Assignment) else row.permissions


def _frozen(attributes: Bag) -> bytes:
    return msgspec.json.encode(attributes, order="sorted") if attributes else b""

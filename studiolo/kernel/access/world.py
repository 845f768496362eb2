"""Everybody's facts at once, for questions that are about all principals: one snapshot of one version of the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from studiolo.kernel.access.ask import Bag
from studiolo.kernel.access.compiled import CompiledFacts, CompiledRow
from studiolo.kernel.access.grants import EVERYONE, Assignment, DenyAssignment, Facts, KnownActions
from studiolo.kernel.access.scopes import FLAT, Hierarchy, scope_key
from studiolo.kernel.access.shelves import Shelf
from studiolo.kernel.access.spelling import folded


class Holder(msgspec.Struct, frozen=True):
    """Somebody who can hold roles: a user, a group or a service principal. `id` is in small ASCII letters."""

    id: str
    kind: str = "User"
    name: str = ""
    is_enabled: bool = True
    attributes: Bag = {}


class World(msgspec.Struct, frozen=True):
    """All principals by id, the direct members of each group, and every row. Ids are in small ASCII letters.

    Assignments that do not count at `moment` are passed over.
    """

    holders: Mapping[str, Holder]
    members: Mapping[str, Sequence[str]]
    assignments: tuple[Assignment, ...]
    denies: tuple[DenyAssignment, ...] = ()
    hierarchy: Hierarchy = FLAT
    version: int = 0
    known_actions: KnownActions | None = None
    moment: str | None = None


class CompiledWorld:
    """A world, indexed by scope, by principal and by group; like `CompiledFacts` it never goes stale.

    Args:
        world: everything.
        shelves: its assignments by scope, if somebody keeps them; they are made from the world if not.

    Raises:
        Invalid: the scope of a row cannot be read (code `InvalidScope`).
    """

    __slots__ = ("_below", "_groups", "_held", "denies", "shelves", "world")

    def __init__(self, world: World, shelves: Mapping[str, Shelf] | None = None) -> None:
        self.world = world
        self.shelves = shelves if shelves is not None else _shelves(world.assignments)
        self.denies: dict[str, list[CompiledRow]] = {}
        self._held: dict[str, list[Assignment]] | None = None
        self._below: dict[str, frozenset[str]] = {}
        for deny in world.denies:
            if deny.effect != "audit":
                self.denies.setdefault(scope_key(deny.scope), []).append(CompiledRow(deny))
        self._groups: dict[str, list[str]] = {}
        for group, members in world.members.items():
            for member in members:
                self._groups.setdefault(member, []).append(group)

    def below(self, group: str) -> frozenset[str]:
        """A principal, and if it is a group everybody whom it holds through any nesting."""
        found = self._below.get(group)
        if found is None:
            found = self._below[group] = closure(group, self.world.members)
        return found

    def above(self, principal: str) -> frozenset[str]:
        """A principal and every group that holds it."""
        return closure(principal, self._groups)

    def nesting(self, principal: str, group: str) -> tuple[str, ...]:
        """The groups that lead from a principal to a group that holds it, the nearest first; the shortest such way."""
        came: dict[str, str] = {principal: ""}
        waiting = [principal]
        for one in waiting:
            if one == group:
                break
            for above in self._groups.get(one, ()):
                if above not in came:
                    came[above] = one
                    waiting.append(above)
        way: list[str] = []
        while group != principal and group in came:
            way.append(group)
            group = came[group]
        return tuple(reversed(way))

    def named(self, deny: DenyAssignment) -> frozenset[str] | None:
        """Whom a deny assignment names, through groups too; None: everyone. Exclusions are not taken off."""
        names = [folded(each) for each in deny.principals]
        return None if EVERYONE in names else frozenset[str]().union(*map(self.below, names))

    def excluded(self, deny: DenyAssignment) -> frozenset[str]:
        """Whom a deny assignment excludes, through groups too."""
        return frozenset[str]().union(*(self.below(folded(each)) for each in deny.excluded))

    def facts(self, principal: str) -> CompiledFacts:
        """The facts about one principal, as a store that keeps this world would give them."""
        holder = self.world.holders.get(principal)
        return self.facts_of(self.above(principal), is_known=holder is not None, is_enabled=holder is not None and holder.is_enabled)

    def facts_of(self, ids: frozenset[str], *, is_known: bool, is_enabled: bool) -> CompiledFacts:
        """The facts about whoever stands for these ids."""
        world = self.world
        return CompiledFacts(
            Facts(
                known=is_known,
                enabled=is_enabled,
                ids=ids,
                assignments=tuple(self.held(ids)),
                denies=world.denies,
                hierarchy=world.hierarchy,
                version=world.version,
                known_actions=world.known_actions,
                moment=world.moment,
            )
        )

    def held(self, ids: Iterable[str]) -> Iterator[Assignment]:
        """The assignments to these principals."""
        held = self._by_holder()
        for id_ in ids:
            yield from held.get(id_, ())

    def holds(self, id_: str) -> bool:
        """Whether a principal has an assignment of its own."""
        return id_ in self._by_holder()

    def _by_holder(self) -> Mapping[str, Sequence[Assignment]]:
        if self._held is None:
            self._held = {}
            for row in self.world.assignments:
                if row.timing(self.world.moment) == "now":
                    self._held.setdefault(folded(row.principal_id), []).append(row)
        return self._held


def closure(start: str, ways: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """What can be reached from `start`, itself included; circles are no harm."""
    found, waiting = {start}, [start]
    while waiting:
        for one in ways.get(waiting.pop(), ()):
            if one not in found:
                found.add(one)
                waiting.append(one)
    return frozenset(found)


def _shelves(assignments: Iterable[Assignment]) -> dict[str, Shelf]:
    keys: dict[str, str] = {}
    found: dict[str, Shelf] = {}
    for row in assignments:
        key = keys.get(row.scope)
        if key is None:
            key = keys[row.scope] = scope_key(row.scope)
        found.setdefault(key, Shelf()).put(row)
    return found

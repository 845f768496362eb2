"""Assignments that are kept together answer as each of them would alone, also after some were taken away."""

from __future__ import annotations

from itertools import permutations

from studiolo.kernel.access.ask import Ask
from studiolo.kernel.access.decision import Assignment, Hierarchy, Permission
from studiolo.kernel.access.reach import who_can
from studiolo.kernel.access.shelves import Shelf
from studiolo.kernel.access.world import CompiledWorld, Holder, World
from tests.access.world import READER, grant, role

NOW, LATER = "2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z"
TRUE, FALSE = "1 NumericEquals 1", "1 NumericEquals 2"
PEOPLE = ("alice", "bob", "carol", "dan", "erin", "frank", "grace")


def told(shelf: Shelf, *rows: Assignment) -> dict[str, tuple[str, ...]]:
    """Who may read at the root, and by which assignment; the shelf holds these rows."""
    world = World({name: Holder(name) for name in PEOPLE}, {}, rows, hierarchy=Hierarchy(), moment=NOW)
    reach = who_can(Ask("", "Box/read", "/"), CompiledWorld(world, {"/": shelf}))
    return {who: verdict.deciding for who in reach.principals if (verdict := reach.verdict(who)) is not None and verdict.allowed}


def test_whatever_tells_assignments_apart_keeps_them_apart() -> None:
    rows = (
        grant(READER, to="alice"),
        grant(role(Permission(actions=("*/write",)), name="reader"), to="bob", id="a2"),
        grant(READER, to="carol", id="a3", condition=FALSE),
        Assignment("a4", "dan", READER, "/", starts=LATER),
        Assignment("a5", "erin", READER, "/", ends=NOW),
        Assignment("a6", "frank", READER, "/", TRUE),
        Assignment("a7", "grace", READER, "/", TRUE, "1.0"),
    )
    for first, last in permutations(rows, 2):
        shelf = Shelf()
        for row in (first, *(each for each in rows if each not in (first, last)), last):
            shelf.put(row)
        assert told(shelf, *rows) == {"alice": ("a1",), "frank": ("a6",)}


def test_what_is_taken_away_is_gone_and_nothing_else() -> None:
    one, other, bobs = grant(READER, to="Alice"), grant(READER, to="alice", id="a2"), grant(READER, to="bob", id="a3")
    shelf = Shelf()
    for row in (one, other, bobs):
        shelf.put(row)
    shelf.drop(one)
    assert told(shelf, other, bobs) == {"alice": ("a2",), "bob": ("a3",)}
    shelf.drop(other)
    assert told(shelf, bobs) == {"bob": ("a3",)}
    shelf.drop(bobs)
    assert told(shelf) == {}
    shelf.put(one)
    assert told(shelf, one) == {"alice": ("a1",)}

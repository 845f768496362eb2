"""decide, visible and explain tell one truth, whatever the facts, and a naive reading of the rules tells it too."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from studiolo.kernel.access.ask import Plane
from studiolo.kernel.access.compiled import CompiledFacts
from studiolo.kernel.access.conditions import Truth
from studiolo.kernel.access.decision import Ask, Assignment, DenyAssignment, Facts, Hierarchy, Permission, Role, decide
from studiolo.kernel.access.explanation import explain
from studiolo.kernel.access.grants import EVERYONE
from studiolo.kernel.access.visibility import visible

T = TypeVar("T")
MG = "/providers/Microsoft.Management/managementGroups/"
TREE = Hierarchy({"mga": "root", "mgb": "root"}, {"s1": "mga", "s2": "mgb"}, {"/subscriptions/s2/rg/p": ("/subscriptions/s1/rg/hub",)})
MG_CHAINS = {"s1": ["mga", "root"], "s2": ["mgb", "root"]}
SCOPES = (
    "/",
    "/providers",
    "/subscriptions",
    f"{MG}root",
    f"{MG}mga",
    f"{MG}mgb",
    "/subscriptions/s1",
    "/subscriptions/s2",
    "/subscriptions/s3",
    "/subscriptions/s1/rg",
    "/subscriptions/s1/rg1",
    "/subscriptions/S1/rg/hub",
    "/subscriptions/s1/rg/hub/child",
    "/subscriptions/s2/rg",
    "/subscriptions/s2/rg/p",
    "/subscriptions/s2/rg/p/child",
    "/subscriptions/s2/rg/p2",
)
PATTERNS = ("*", "*/read", "Box/*", "Box/*/write", "Box/write", "Jar/read")
ACTIONS = ("Box/read", "BOX/write", "Box/a/write", "Jar/read")
IDS = ("alice", "g1", "g2", "bob")
CLOSURE = frozenset({"alice", "g1", "g2"})
# Conditions with what they are worth for an ask; None is unknown.
CONDITIONS: dict[str, Callable[[Ask], Truth]] = {
    "1 NumericEquals 1": lambda _: True,
    "1 NumericEquals 2": lambda _: False,
    "ActionMatches{'*/write'}": lambda ask: ask.action.lower().endswith("/write"),
    "@Resource[x:y] StringEquals 'a'": lambda ask: ask.resource["x:y"] == "a" if "x:y" in ask.resource else None,
    "@Resource[x:y] StringNotEquals 'a'": lambda ask: ask.resource["x:y"] != "a" if "x:y" in ask.resource else None,
    "NotExists @Resource[x:y]": lambda ask: "x:y" not in ask.resource,
    "(": lambda _: None,
}


def asked(action: str, scope: str, plane: Plane, bag: dict[str, str]) -> Ask:
    return Ask("alice", action, scope, plane, resource=bag)


def tuples(of: st.SearchStrategy[T], at_least: int = 0) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(of, min_size=at_least, max_size=2).map(tuple)


patterns = tuples(st.sampled_from(PATTERNS))
conditions = st.one_of(st.none(), st.sampled_from(sorted(CONDITIONS)))
blocks = tuples(st.builds(Permission, patterns, patterns, patterns, patterns, conditions), at_least=1)
scopes = st.sampled_from(SCOPES)
ids = st.integers(0, 50).map(lambda number: f"{number:02}")
people = tuples(st.sampled_from([*IDS, EVERYONE]))
assignments = st.builds(
    Assignment, ids.map("a{}".format), st.sampled_from(IDS), st.builds(Role, st.just("r"), st.just("r"), blocks), scopes, conditions
)
denies = st.builds(DenyAssignment, ids.map("d{}".format), scopes, people, blocks, people, st.booleans(), conditions)
worlds = st.tuples(
    st.lists(assignments, max_size=6, unique_by=lambda row: row.id),
    st.lists(denies, max_size=2, unique_by=lambda row: row.id),
)
planes: st.SearchStrategy[Plane] = st.sampled_from(("control", "data"))
bags = st.sampled_from([dict[str, str](), {"x:y": "a"}, {"x:y": "b"}])
asks = st.builds(asked, st.sampled_from(ACTIONS), scopes, planes, bags)

World = tuple[list[Assignment], list[DenyAssignment]]


def compiled(world: World) -> CompiledFacts:
    rows, nos = world
    return CompiledFacts(Facts(known=True, enabled=True, ids=CLOSURE, assignments=tuple(rows), denies=tuple(nos), hierarchy=TREE))


def naive(ask: Ask, world: World) -> tuple[bool, str | None]:
    """Section 4 of the specification, row by row, with nothing compiled, indexed or kept."""
    rows, nos = world
    denying = [
        row.id
        for row in nos
        if is_above(row.scope, ask.scope)
        and not (row.does_not_apply_to_child_scopes and row.scope.lower() != ask.scope.lower())
        and (EVERYONE in row.principals or CLOSURE & set(row.principals))
        and not CLOSURE & set(row.excluded)
        and any(covers(block, ask) and worth(block.condition, ask) is not False for block in row.permissions)
        and worth(row.condition, ask) is not False
    ]
    if denying:
        return False, min(denying)
    granting = [
        row.id
        for row in rows
        if is_above(row.scope, ask.scope)
        and row.principal_id in CLOSURE
        and any(covers(block, ask) and worth(block.condition, ask) is True for block in row.role.permissions)
        and worth(row.condition, ask) is True
    ]
    return bool(granting), min(granting, default=None)


def is_above(above: str, below: str) -> bool:
    is_heir = re.match(r"/subscriptions/s2/rg/p(/|$)", below.lower()) is not None
    return is_inside(above, below) or (is_heir and above.lower() == "/subscriptions/s1/rg/hub")


def is_inside(above: str, below: str) -> bool:
    one, other = above.lower(), below.lower()
    chain = [other, "/"]
    if found := re.match(r"/subscriptions/(s\d)", other):
        chain += [(MG + name).lower() for name in MG_CHAINS.get(found.group(1), [])]
    if other.startswith(MG.lower() + "mg"):
        chain.append((MG + "root").lower())
    return one in chain or other.startswith(one + "/")


def covers(block: Permission, ask: Ask) -> bool:
    yes, no = (block.actions, block.not_actions) if ask.plane == "control" else (block.data_actions, block.not_data_actions)
    return any(matches(each, ask.action) for each in yes) and not any(matches(each, ask.action) for each in no)


def matches(pattern: str, action: str) -> bool:
    spelled = {"*": ".*", "*/read": ".+/read", "box/*": "box/.+", "box/*/write": "box/(.*/)?write"}
    return re.fullmatch(spelled.get(pattern.lower(), pattern.lower()), action.lower()) is not None


def worth(condition: str | None, ask: Ask) -> Truth:
    if condition is None:
        return True
    return CONDITIONS[condition](ask)


@given(worlds, asks)
def test_decide_agrees_with_a_naive_reading_of_the_rules(world: World, ask: Ask) -> None:
    verdict = decide(ask, compiled(world))
    assert (verdict.allowed, verdict.deciding[0] if verdict.deciding else None) == naive(ask, world)


@given(worlds, asks, st.randoms(use_true_random=False))
def test_the_order_of_the_facts_never_matters(world: World, ask: Ask, chance: random.Random) -> None:
    rows, nos = world
    mixed = (chance.sample(rows, len(rows)), chance.sample(nos, len(nos)))
    assert decide(ask, compiled(mixed)) == decide(ask, compiled(world))


@given(worlds, asks, blocks, people)
def test_a_deny_never_allows_and_a_grant_never_denies(
    world: World, ask: Ask, more: tuple[Permission, ...], others: tuple[str, ...]
) -> None:
    rows, nos = world
    before = decide(ask, compiled(world)).allowed
    denied = [*nos, DenyAssignment("d99", "/", (EVERYONE,), more, others)]
    assert not decide(ask, compiled((rows, denied))).allowed or before
    granted = [*rows, Assignment("a99", "alice", Role("r", "r", more), "/")]
    assert decide(ask, compiled((granted, nos))).allowed or not before


@given(worlds, st.sampled_from(ACTIONS), planes, scopes)
def test_a_list_shows_exactly_what_single_asks_would_allow(world: World, action: str, plane: Plane, listed: str) -> None:
    facts = compiled(world)
    found = visible(facts, action, plane, listed)
    below = [scope for scope in SCOPES if is_inside(listed, scope)]
    shown = {scope: found.admits(scope) for scope in below}
    assert shown == {scope: decide(Ask("alice", action, scope, plane), facts).allowed for scope in below}
    assert not found.is_nothing or not any(shown.values())
    assert not found.is_everything or all(shown.values())


@given(worlds, asks)
def test_an_explanation_tells_why_the_verdict_is_what_it_is(world: World, ask: Ask) -> None:
    facts = compiled(world)
    told = explain(ask, facts)
    denying = [row.id for row in told.denies if row.outcome == "counts"]
    granting = [row.id for row in told.assignments if row.outcome == "counts"]
    assert told.verdict == decide(ask, facts)
    assert told.verdict.deciding == tuple((denying or granting)[:1])
    assert told.verdict.allowed == (not denying and bool(granting))
    assert len(list(told.lines())) > len(told.assignments) + len(told.denies)


@given(worlds, asks, bags)
def test_an_unconditional_verdict_stands_for_all_attributes(world: World, ask: Ask, bag: dict[str, str]) -> None:
    facts = compiled(world)
    verdict = decide(ask, facts)
    other = decide(Ask(ask.principal, ask.action, ask.scope, ask.plane, resource=bag), facts)
    assert verdict.is_conditional or verdict.allowed == other.allowed

from typing import Any

import pytest

from studiolo.kernel.access.decision import Hierarchy
from studiolo.kernel.access.visibility import Filter, visible
from studiolo.kernel.faults import Invalid
from tests.access.world import GROUP, READER, SUB, deny, grant, known

LIST = "Contoso.Boxes/boxes/read"
BOX = f"{GROUP}/providers/Contoso.Boxes/boxes/b1".lower()


def test_a_grant_above_shows_everything() -> None:
    found = visible(known(grant(READER)), LIST, "control", GROUP)
    assert found == Filter(GROUP.lower(), is_open=True)
    assert found.is_everything
    assert found.admits(BOX)


def test_no_grant_shows_nothing() -> None:
    for facts in (
        known(),
        known(grant(READER), enabled=False),
        known(grant(READER), deny(SUB)),
        known(grant(), deny(SUB), deny(GROUP, id="d2")),
    ):
        found = visible(facts, LIST, "control", GROUP)
        assert found == Filter.nothing(GROUP.lower())
        assert not found.admits(BOX)


def test_grants_below_show_their_subtrees_outermost_only() -> None:
    rows = [grant(READER, scope, id=scope) for scope in (BOX, f"{BOX}/lids/l1", f"{GROUP}0", f"{BOX}2")]
    found = visible(known(*rows), LIST, "control", GROUP)
    assert found.included == {BOX, f"{BOX}2"}
    assert found.admits(f"{BOX}/lids/l2".upper())
    assert not found.admits(f"{BOX}3")


def test_denies_below_hide_their_subtrees() -> None:
    found = visible(
        known(grant(READER), deny(BOX), deny(f"{BOX}/lids/l1", id="d2"), deny(f"{BOX}2", id="d3", only_here=True)), LIST, "control", SUB
    )
    assert found.excluded == {BOX}
    assert found.excluded_alone == {f"{BOX}2"}
    assert not found.is_everything
    assert [found.admits(each) for each in (SUB, BOX, f"{BOX}/x", f"{BOX}2", f"{BOX}2/x")] == [True, False, False, False, True]


def test_denies_beside_what_is_granted_are_left_out() -> None:
    found = visible(known(grant(READER, BOX), deny(f"{BOX}2"), deny(f"{BOX}3", id="d2", only_here=True)), LIST, "control", SUB)
    assert found == Filter(SUB, is_open=False, included=frozenset({BOX}))


def test_a_deny_over_all_that_is_granted_below_leaves_nothing() -> None:
    assert visible(known(grant(READER, BOX), deny(BOX)), LIST, "control", SUB).is_nothing


def test_conditions_count_without_attributes_only() -> None:
    def is_open(condition: str) -> bool:
        return visible(known(grant(READER, condition=condition)), LIST, "control", SUB).is_open

    assert is_open("!(ActionMatches{'*/write'}) OR (@Resource[x:y] StringEquals 'a')")
    assert is_open("NotExists @Resource[x:y]")
    assert not is_open("@Resource[x:y] StringEquals 'a'")


def test_a_filter_says_where_a_condition_has_a_say() -> None:
    by_name = "@Resource[x:y] StringEquals 'a'"
    settled = "!(ActionMatches{'*/write'}) OR (@Resource[x:y] StringEquals 'a')"
    project, hub = f"{SUB}/ws/p1", "/subscriptions/other/ws/hub"
    tree = Hierarchy(extra_parents={project: (hub,)})

    def is_conditional(*rows: Any, within: str = SUB) -> bool:
        return visible(known(*rows, hierarchy=tree), LIST, "control", within).is_conditional

    for scope in ("/", SUB, GROUP, BOX, hub):
        assert is_conditional(grant(READER, scope, condition=by_name))
        assert is_conditional(grant(READER), deny(scope, condition=by_name))
        assert not is_conditional(grant(READER, scope, condition=settled))
        assert not is_conditional(grant(READER, scope))
    assert is_conditional(grant(READER), deny(BOX, condition=by_name, only_here=True))
    assert not is_conditional(grant(READER, f"{SUB}2", condition=by_name))
    assert not is_conditional(grant(READER, hub, condition=by_name), within=f"{SUB}/ws/p2")
    assert not is_conditional(grant(READER, SUB, id="a1"), grant(READER, SUB, id="a2", condition=by_name)), "the plain one is enough"
    nothing = visible(known(grant(READER, condition=by_name)), LIST, "control", SUB)
    assert nothing.is_nothing
    assert nothing.is_conditional


def test_a_filter_knows_the_caller_and_the_surroundings() -> None:
    own, at = "@Principal[x:y] StringEquals 'a'", "@Environment[UtcNow] DateTimeLessThan '2027-01-01T00:00:00.0Z'"
    facts = known(grant(READER, condition=f"{own} AND {at}"))
    for attributes, now, expected in (
        ({"x:y": "a"}, "2026-01-01T00:00:00Z", True),
        ({"x:y": "a"}, "2028-01-01T00:00:00Z", False),
        ({}, "2026-01-01T00:00:00Z", False),
    ):
        found = visible(facts, LIST, "control", SUB, principal_attributes=attributes, environment={"UtcNow": now})
        assert found.is_open is expected


def test_a_hub_shows_the_projects_that_inherit_from_it() -> None:
    project, hub = f"{SUB}/ws/p1", f"{SUB}/ws/hub"
    tree = Hierarchy(extra_parents={project: (hub,)})
    found = visible(known(grant(READER, hub), hierarchy=tree), LIST, "control", SUB)
    assert found.included == {project, hub}


def test_a_management_group_shows_its_subscriptions_in_a_list_of_all() -> None:
    tree = Hierarchy({"mga": "root"}, {"s1": "mga", "s2": "root"})
    group = "/providers/microsoft.management/managementgroups/mga"
    found = visible(known(grant(READER, group), hierarchy=tree), LIST, "control", "/")
    assert found.included == {group, "/subscriptions/s1"}


def test_everything_is_everything() -> None:
    assert Filter.everything().is_everything
    assert Filter.everything().admits(BOX)


@pytest.mark.parametrize(("action", "scope"), [("*/read", "/"), ("X/read", "//")])
def test_malformed_questions_are_refused(action: str, scope: str) -> None:
    with pytest.raises(Invalid):
        visible(known(grant()), action, "control", scope)


def test_malformed_scopes_are_no_members() -> None:
    with pytest.raises(Invalid):
        visible(known(grant(scope=BOX)), LIST, "control", "/").admits("/a/../b")


def test_the_sets_of_a_filter_name_only_the_outermost() -> None:
    found = visible(known(grant(READER, GROUP), grant(READER, BOX, id="a2")), LIST, "control", SUB)
    assert found == Filter(SUB.lower(), is_open=False, included=frozenset({GROUP.lower()}))
    denied = known(grant(READER), deny(GROUP), deny(BOX, id="d2"), deny(BOX, id="d3", only_here=True))
    assert visible(denied, LIST, "control", SUB) == Filter(SUB.lower(), is_open=True, excluded=frozenset({GROUP.lower()}))
    child = known(grant(READER, SUB), grant(READER, GROUP, id="a2"))
    assert visible(child, LIST, "control", "/").included == {SUB.lower()}
    parent = known(grant(READER, "/subscriptions"), grant(READER, SUB, id="a2"))
    assert visible(parent, LIST, "control", "/").included == {"/subscriptions"}

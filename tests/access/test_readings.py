"""Where the specification is easily misread (its section 14.3): what it means, in one example each."""

from __future__ import annotations

from studiolo.kernel.access.decision import Hierarchy, Permission
from studiolo.kernel.access.grants import EVERYONE
from studiolo.kernel.access.names import blob_name
from studiolo.kernel.access.scopes import scope_key
from studiolo.kernel.faults import Invalid
from tests.access.world import ALL, GROUP, READER, SUB, allowed, ask, deny, grant, known, role, truth, with_values

SCIENTIST = role(Permission(actions=("W/*/write", "W/*/read"), not_actions=("W/computes/*/write", "W/write")))
MISSING = "@Resource[x:y] StringEquals 'a'"


def is_refused(scope: str) -> bool:
    try:
        scope_key(scope)
    except Invalid:
        return True
    return False


def test_a_star_between_slashes_matches_no_segment_as_well() -> None:
    assert allowed(ask("W/read"), known(grant(SCIENTIST)))
    assert not allowed(ask("W/computes/write"), known(grant(SCIENTIST)))


def test_a_star_spans_segments() -> None:
    assert allowed(ask("A/b/c/d/read"), known(grant(READER)))


def test_permissions_ignore_case() -> None:
    assert allowed(ask("x/READ"), known(grant(READER)))
    assert not allowed(ask("w/COMPUTES/Write"), known(grant(SCIENTIST)))


def test_missing_is_not_false() -> None:
    assert truth(f"NOT ({MISSING})") is None


def test_missing_is_not_unequal() -> None:
    assert truth("@Resource[x:y] StringNotEquals 'a'") is None


def test_missing_does_not_end_the_evaluation() -> None:
    assert truth(f"{MISSING} OR 1 NumericEquals 1") is True
    assert truth(f"{MISSING} AND 1 NumericEquals 2") is False


def test_scopes_compare_by_segments() -> None:
    assert not allowed(ask(scope=f"{SUB}/resourceGroups/rg10"), known(grant(scope=GROUP)))


def test_case_folding_does_not_turn_one_character_into_two() -> None:
    assert truth("@Resource[x:y] StringStartsWithIgnoreCase 'ss-'", with_values(y="\u00df-x")) is False


def test_upper_and_lower_case_do_not_cross_into_ascii() -> None:
    assert truth("@Resource[x:y] StringEqualsIgnoreCase 'ask'", with_values(y="as\u212a")) is False
    assert truth("@Resource[x:y] StringEqualsIgnoreCase 'ask'", with_values(y="a\u017fk")) is False


def test_groups_nest_deeper_than_one_level() -> None:
    assert allowed(ask(), known(grant(to="g3"), memberships={"alice": ["g1"], "g1": ["g2"], "g2": ["g3"]}))


def test_membership_does_not_flow_from_child_to_parent() -> None:
    assert not allowed(ask(who="g2"), known(grant(to="g1"), who="g2", memberships={"g1": ["g2"]}))


def test_an_empty_list_is_not_vacuously_true() -> None:
    assert truth("@Resource[x:y] ForAllOfAllValues:StringEquals {'a'}", with_values(y=[])) is None


def test_times_count_seven_digits() -> None:
    assert truth("'2023-05-01T13:00:00.0000001Z' DateTimeGreaterThan '2023-05-01T13:00:00.0Z'") is True


def test_the_planes_are_apart() -> None:
    assert not allowed(ask("X/read", plane="data"), known(grant(READER)))


def test_not_actions_are_no_deny() -> None:
    less = role(Permission(actions=("*",), not_actions=("X/write",)))
    assert allowed(ask("X/write"), known(grant(less), grant(ALL, id="a2")))


def test_a_deny_of_unknown_condition_applies() -> None:
    assert not allowed(ask(), known(grant(), deny(condition="@Environment[isPrivateLink] BoolEquals false")))


def test_a_deny_leaves_out_whom_it_excludes() -> None:
    assert allowed(ask(), known(grant(), deny(principals=[EVERYONE], excluded=["alice"])))


def test_an_excluded_group_excludes_its_members() -> None:
    assert allowed(ask(), known(grant(), deny(principals=[EVERYONE], excluded=["g1"]), memberships={"alice": ["g1"]}))


def test_a_deny_may_spare_the_children() -> None:
    assert allowed(ask(scope=GROUP), known(grant(), deny(SUB, only_here=True)))
    assert not allowed(ask(scope=SUB), known(grant(), deny(SUB, only_here=True)))


def test_a_blocks_condition_counts() -> None:
    assert not allowed(ask(), known(grant(role(Permission(actions=("*",), condition="1 NumericEquals 2")))))


def test_an_assignments_condition_counts() -> None:
    assert not allowed(ask(), known(grant(condition="1 NumericEquals 2")))


def test_the_first_word_of_a_quantifier_is_about_the_left_side() -> None:
    assert truth("{'a','b'} ForAllOfAnyValues:StringEquals {'a','b','c'}") is True
    assert truth("{1,9} ForAnyOfAllValues:NumericLessThan {5,6}") is True


def test_a_scalar_operator_does_not_take_the_first_of_a_list() -> None:
    assert truth("@Resource[x:y] StringStartsWith 'ws1-'", with_values(y=["ws1-a", "ws2-b"])) is None


def test_a_path_is_decoded_once() -> None:
    assert blob_name("/ws1/%252e%252e/x").blob == "%2e%2e/x"


def test_dot_segments_are_refused() -> None:
    assert is_refused(f"{SUB}/../s2")
    assert is_refused(f"{SUB}/./x")


def test_management_groups_are_in_the_chain() -> None:
    tree = Hierarchy({"mga": "root"}, {"s1": "mga", "s2": "root"})
    row = grant(scope="/providers/Microsoft.Management/managementGroups/mga")
    assert allowed(ask(scope=GROUP), known(row, hierarchy=tree))
    assert not allowed(ask(scope="/subscriptions/s2"), known(row, hierarchy=tree))


def test_a_disabled_principal_may_nothing() -> None:
    assert not allowed(ask(), known(grant(), enabled=False))

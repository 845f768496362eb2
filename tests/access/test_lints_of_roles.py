"""What is said of a condition beside what a role grants: the whole finding, word by word."""

from __future__ import annotations

import pytest

from studiolo.kernel.access.conditions import compile_condition
from studiolo.kernel.access.decision import Assignment, CompiledFacts, Facts, Permission, Role
from studiolo.kernel.access.lints import bypassed, lint_deny, lint_grant
from studiolo.kernel.access.lints.findings import Finding
from tests.access.test_lints import BLOBS, CONTRIBUTOR, DELEGATE, LIST, NAME, OWNER, PATH, PREFIX, READ, READER, fixture, permissions

LOW = BLOBS.lower()
CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"
WORKSPACES = "Microsoft.MachineLearningServices/workspaces"
DEPLOYMENTS = "Microsoft.CognitiveServices/accounts/deployments"
GRANTED = [f"'{LOW}/{verb}'" for verb in ("read", "write", "add/action", "delete")]
TARGET_TOO = "target them as well (a pattern such as …/containers/blobs/* covers all of a kind), or assign a role without them"
EVERY_WAY = "let the condition hold for the action in every way of calling it, or add a part for this one"


def told(condition: str, role: str) -> list[Finding]:
    return list(lint_grant(compile_condition(condition), permissions(role)))


def test_actions_left_open_are_named_up_to_five() -> None:
    first, _ = told(fixture("FDRY"), OWNER)
    named = ", ".join([*GRANTED, f"'{LOW}/deleteblobversion/action'"])
    what = f"the role also grants {named} and 9 more, which no ActionMatches of the condition targets, so they stay open everywhere"
    assert first == Finding("L1", what, TARGET_TOO)


def test_ways_left_open_are_named_by_their_sub_operations() -> None:
    assert told(fixture("WTAG"), CONTRIBUTOR) == [
        Finding("L5", f"{action} stays open when it is called without a sub-operation and Blob.Write.Tier", EVERY_WAY)
        for action in GRANTED[1:3]
    ]


def test_an_action_that_is_let_through_on_purpose_is_left_open_unless_its_ways_are_told_apart() -> None:
    assert told(f"{READ} OR {NAME} StringEquals 'a'", READER) == []
    assert told(f"NOT !({READ}) OR {NAME} StringEquals 'a'", READER) == []
    (open_way,) = told(f"{READ} OR {LIST} OR {NAME} StringEquals 'a'", READER)
    assert open_way == Finding("L5", f"{GRANTED[0]} stays open when it is called without a sub-operation and Blob.List", EVERY_WAY)


def test_an_action_that_one_of_several_targets_names_is_spoken_of() -> None:
    named = " OR ".join(f"ActionMatches{{'{BLOBS}/{verb}'}}" for verb in ("delete", "write"))
    assert told(f"{named} OR {NAME} StringEquals 'a'", CONTRIBUTOR) == []


def test_an_action_of_which_one_way_alone_is_open_is_not_open() -> None:
    assert told(f"{LIST} OR {NAME} StringEquals 'a'", READER) == [
        Finding("L5", f"{GRANTED[0]} stays open when it is called Blob.List", EVERY_WAY)
    ]


def test_an_attribute_that_no_call_carries_is_told_with_where_it_is_to_be_had() -> None:
    source = f"@Resource[{BLOBS}:prefix] StringStartsWith 'a/'"
    calls = ", ".join([*GRANTED, f"'{LOW}/move/action'"])
    assert told(source, CONTRIBUTOR) == [
        Finding(
            "L7",
            f"calls of {calls} and 3 more do not carry @Resource[{BLOBS}:prefix], so {source!a} is never true",
            f"write @Request[…], which {GRANTED[0]} carry",
        )
    ]
    (nowhere,) = told("@Resource[no:such] StringEquals 'a'", CONTRIBUTOR)
    assert nowhere.instead == "use an attribute of the table in docs/reference/conditions.md"
    (path,) = told(f"{PATH} StringEquals 'a'", DELEGATE)
    grants = ", ".join(f"'microsoft.authorization/roleassignments/{verb}'" for verb in ("write", "delete"))
    reads = ", ".join(f"'{each.lower()}/read'" for each in (CONTAINERS, WORKSPACES, DEPLOYMENTS))
    assert path.what.startswith(f"calls of {reads}, {grants} do not carry {PATH}, so ")
    assert path.instead.startswith("write @Resource[…], which ")
    assert path.instead.endswith(" and 8 more carry (target those)")
    assert told(f"{PREFIX} StringEquals 'a/'", READER) == []
    long = f"@Resource[no:such] StringEquals '{'a' * 300}'"
    assert told(long, READER)[0].what.endswith(f"so {long[:120]!a} is never true")


def test_a_condition_for_actions_that_the_role_does_not_grant_is_false_for_all_of_it() -> None:
    never, unheard = told(f"ActionMatches{{'Microsoft.KeyVault/*'}} AND {NAME} StringEquals 'a'", CONTRIBUTOR)
    assert never == Finding("L2", "the condition is false for every action that the role grants", "target an action that the role grants")
    assert unheard.what.startswith(f"calls of any action that the role grants do not carry {NAME}, so ")
    assert told("ActionMatches{'Microsoft.KeyVault/*'} AND @Environment[UtcNow] DateTimeLessThan '2027-01-01T00:00:00Z'", CONTRIBUTOR) == []
    some = f"(ActionMatches{{'{BLOBS}/delete'}} AND {NAME} StringEquals 'a') OR (ActionMatches{{'x/y'}} AND {NAME} StringEquals 'b')"
    assert "L2" not in {each.check for each in told(some, CONTRIBUTOR)}


def test_a_deny_is_told_what_never_varies_and_nothing_of_what_stays_open() -> None:
    checks = [each.check for each in lint_deny(compile_condition(f"{NAME} StringEquals '' AND 1 NumericEquals 1"), permissions(OWNER))]
    assert checks == ["L2", "L4"]
    assert lint_deny(compile_condition(fixture("WTAG")), permissions(OWNER)) == []


# ── ways around ──────────────────────────────────────────────────────────────────────────────────────────────────────

GUARD = Role("guard", "Guard", (Permission(data_actions=(f"{BLOBS}/*",)),))
EVERYTHING = Role("all", "Everything", (Permission(actions=("*",), data_actions=("*",)),))
READS = Role("reads", "Reads", (Permission(actions=("*/read",), data_actions=("*/read",)),))


HELD = ", ".join([*GRANTED, f"'{LOW}/deleteblobversion/action'"]) + " and 9 more"


def around(condition: str, role: Role, *rows: Assignment, own: str = "own") -> list[Finding]:
    facts = CompiledFacts(Facts(known=True, enabled=True, ids=frozenset({"ada"}), assignments=rows))
    return list(bypassed(compile_condition(condition), role.permissions, "/subscriptions/s", facts, own))


def test_every_way_around_is_told_by_the_id_of_its_assignment() -> None:
    rows = [Assignment(id_, "ada", EVERYTHING, "/") for id_ in ("c", "OWN", "a")]
    guarded = [Assignment("b", "ada", EVERYTHING, "/", "1 NumericEquals 1"), Assignment("d", "ada", READS, "/subscriptions/other")]
    assert around(f"{NAME} StringEquals 'a'", GUARD, *rows, *guarded) == [
        Finding(
            "L6",
            f"the principal holds {HELD} through 'Everything' at '/' without a condition ({id_})",
            "remove that assignment, or give it the condition",
        )
        for id_ in "ac"
    ]


def test_only_what_the_condition_restricts_can_be_walked_around() -> None:
    listing = f"!({READ} AND {LIST}) OR {PREFIX} StringStartsWith 'a/'"
    assert len(around(listing, GUARD, Assignment("a", "ada", READS, "/"))) == 1
    deletes = f"!(ActionMatches{{'{BLOBS}/delete'}}) OR {NAME} StringEquals 'a'"
    assert around(deletes, GUARD, Assignment("a", "ada", READS, "/")) == []
    assert around("ActionMatches{'*'}", GUARD, Assignment("a", "ada", EVERYTHING, "/")) == []


@pytest.mark.parametrize("role", [READS, EVERYTHING], ids=lambda role: role.id)
def test_reading_a_container_walks_around_a_condition_on_containers_alone(role: Role) -> None:
    containers = Role("c", "Containers", (Permission(actions=(f"{CONTAINERS}/*",)),))
    both = Role("b", "Both", (Permission(actions=(f"{CONTAINERS}/*",), data_actions=(f"{BLOBS}/write",)),))
    condition = f"{NAME} StringEquals 'a'"
    row = Assignment("a", "ada", role, "/")
    assert around(condition, containers, row)
    assert bool(around(condition, both, row)) is (role is EVERYTHING)
    (writer,) = around(condition, both, Assignment("a", "ada", Role("w", "W", (Permission(actions=("*/write",)),)), "/"))
    assert f"'{CONTAINERS.lower()}/write'" in writer.what
    conditional = Role("w", "W", (Permission(data_actions=("*",), condition="1 NumericEquals 1"),))
    assert around(condition, both, Assignment("a", "ada", conditional, "/")) == []

"""The checks of a condition before it is written: each on what it is for, and none on what real conditions say."""

from pathlib import Path

import msgspec
import pytest

from studiolo.kernel.access.built_in import built_in_roles, find_built_in_role
from studiolo.kernel.access.conditions import compile_condition
from studiolo.kernel.access.decision import Assignment, CompiledFacts, Facts, Permission
from studiolo.kernel.access.lints import CODES, bypassed, lint_deny, lint_grant, refused
from studiolo.kernel.access.scopes import Hierarchy
from studiolo.kernel.faults import Invalid

CONDITIONS = msgspec.json.decode((Path(__file__).parent / "vectors" / "authz-fixtures.json").read_bytes())["conds"]
BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
NAME = "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name]"
PATH = f"@Resource[{BLOBS}:path]"
PREFIX = f"@Request[{BLOBS}:prefix]"
NOW = "@Environment[UtcNow]"
GRANT = "@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId]"
CONTRIBUTOR, OWNER, READER = "Storage Blob Data Contributor", "Storage Blob Data Owner", "Storage Blob Data Reader"
DELEGATE = "Role Based Access Control Administrator"
READ = f"ActionMatches{{'{BLOBS}/read'}}"
LIST = "SubOperationMatches{'Blob.List'}"
A, B = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"


def permissions(role: str) -> tuple[Permission, ...]:
    found = find_built_in_role(role)
    assert found is not None
    return found.permissions


def checks(condition: str, role: str) -> set[str]:
    return {each.check for each in lint_grant(compile_condition(condition), permissions(role))}


def fixture(name: str, argument: str = "ws1") -> str:
    return CONDITIONS[name].replace("$1", argument)


@pytest.mark.parametrize(
    ("condition", "role"),
    [
        (fixture("PSC"), CONTRIBUTOR),
        (fixture("PSC"), OWNER),
        (fixture("DELEG"), DELEGATE),
        (fixture("NOPRIV"), DELEGATE),
        (fixture("NOTEQ"), READER),
        (f"{NAME} StringEquals 'box'", CONTRIBUTOR),
        (f"{NAME} StringStartsWith 'ws1-'", CONTRIBUTOR),
        (f"{NAME} StringLike 'ws1-*'", CONTRIBUTOR),
        (f"{NAME} StringLike '*-public'", CONTRIBUTOR),
        (f"(!({READ} AND NOT {LIST}) OR {PATH} StringLike 'x/*') AND (!({READ} AND {LIST}) OR {PREFIX} StringStartsWith 'x/')", READER),
        (
            f"{GRANT} ForAnyOfAllValues:GuidNotEquals {{{A}, {B}}} OR !(ActionMatches{{'Microsoft.Authorization/roleAssignments/write'}})",
            DELEGATE,
        ),
        ("@Environment[UtcNow] DateTimeLessThan '2027-01-01T00:00:00Z'", "Reader"),
        (
            f"{NOW} DateTimeGreaterThan '2026-01-01T00:00:00Z' AND {NOW} DateTimeLessThan '2027-01-01T00:00:00Z'",
            "Reader",
        ),
        ("@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Team_Name] StringEquals 'a'", CONTRIBUTOR),
        (f"{NAME} StringEquals 'a' OR {NAME} StringEquals 'b'", CONTRIBUTOR),
        (f"{NAME} StringNotEquals 'a' AND {NAME} StringNotEquals 'b'", CONTRIBUTOR),
    ],
)
def test_what_is_meant_passes(condition: str, role: str) -> None:
    assert checks(condition, role) == set()


def test_conditions_inside_built_in_roles_pass() -> None:
    blocks = [block for role in built_in_roles().values() for block in role.permissions if block.condition is not None]
    assert blocks
    for block in blocks:
        assert lint_grant(compile_condition(block.condition or ""), [block]) == []


@pytest.mark.parametrize(
    ("check", "condition", "role"),
    [
        # L1: the condition of public templates for AI projects guards three actions on tags, and nothing that reads or writes
        ("L1", fixture("FDRY"), OWNER),
        ("L1", f"!({READ}) OR {NAME} StringEquals 'a'", CONTRIBUTOR),
        # L2
        ("L2", fixture("TAUT"), DELEGATE),
        ("L2", f"1 NumericEquals 1 AND {NAME} StringEquals 'a'", CONTRIBUTOR),
        ("L2", f"{NAME} StringLike '*'", CONTRIBUTOR),
        ("L2", f"{NAME} StringNotLike '*'", CONTRIBUTOR),
        ("L2", f"{NAME} StringEquals {NAME}", CONTRIBUTOR),
        ("L2", f"{NAME} StringNotEquals {NAME}", CONTRIBUTOR),
        ("L2", f"{NAME} ForAnyOfAllValues:StringEquals {{'a', 'b'}}", CONTRIBUTOR),
        ("L2", f"{NAME} ForAllOfAnyValues:StringNotEquals {{'a', 'b'}}", CONTRIBUTOR),
        ("L2", f"{NAME} StringEquals 'a' AND {NAME} StringEquals 'b'", CONTRIBUTOR),
        ("L2", f"{NAME} StringNotEquals 'a' OR {NAME} StringNotEquals 'b'", CONTRIBUTOR),
        ("L2", f"{NAME} StringEquals 'a' OR NOT {NAME} StringEquals 'a'", CONTRIBUTOR),
        (
            "L2",
            f"{NOW} DateTimeLessThan '2026-01-01T00:00:00Z' AND {NOW} DateTimeGreaterThan '2026-01-01T00:00:00Z'",
            "Reader",
        ),
        ("L2", f"ActionMatches{{'Microsoft.KeyVault/*'}} AND {NAME} StringEquals 'a'", CONTRIBUTOR),
        # L3
        ("L3", fixture("NODASH"), CONTRIBUTOR),
        ("L3", fixture("NODASHI"), CONTRIBUTOR),
        ("L3", f"{NAME} StringLike 'ws1*'", CONTRIBUTOR),
        ("L3", f"{NAME} ForAnyOfAnyValues:StringStartsWith {{'ws1-', 'ws2'}}", CONTRIBUTOR),
        # L4
        ("L4", f"{NAME} StringEquals ''", CONTRIBUTOR),
        ("L4", f"{NAME} StringStartsWith ' '", CONTRIBUTOR),
        # L5
        ("L5", fixture("WTAG"), CONTRIBUTOR),
        ("L5", fixture("LIST"), READER),
        ("L5", fixture("PATH"), READER),
        # L7
        ("L7", fixture("WRONGSRC"), DELEGATE),
        ("L7", f"{NAME.replace('Resource', 'Request')} StringEquals 'a'", CONTRIBUTOR),
        ("L7", f"@Resource[{BLOBS}:prefix] StringStartsWith 'a/'", CONTRIBUTOR),
        ("L7", "@Resource[no:such] StringEquals 'a'", CONTRIBUTOR),
        ("L7", "@Environment[weather] StringEquals 'rain'", CONTRIBUTOR),
        ("L7", f"{PATH} StringEquals 'a'", DELEGATE),
    ],
)
def test_what_is_hardly_meant_is_found(check: str, condition: str, role: str) -> None:
    assert check in checks(condition, role)


def test_a_bound_on_both_sides_leaves_its_own_moment() -> None:
    closed = "@Environment[UtcNow] DateTime{} '2026-01-01T00:00:00Z' AND @Environment[UtcNow] DateTime{} '2026-01-01T00:00:00Z'"
    assert checks(closed.format("LessThanEquals", "GreaterThanEquals"), "Reader") == set()
    assert checks(closed.format("LessThan", "GreaterThanEquals"), "Reader") == {"L2"}


def test_always_true_and_always_false_are_what_the_engine_says() -> None:
    """L2 is sound: whatever values the attributes take, the comparison that it finds has one value."""
    from studiolo.kernel.access.ask import Ask
    from studiolo.kernel.access.lints.atoms import settled

    values: list[object] = ["a", "b", "c", "*", "ws", ["a"], ["a", "b"], ["c", "d"]]
    operators = [f"String{no}{verb}" for no in ("", "Not") for verb in ("Equals", "StartsWith", "Like")]
    quantifiers = ["", *(f"For{left}Of{right}Values:" for left in ("Any", "All") for right in ("Any", "All"))]
    found = 0
    for operator in operators:
        for quantifier in quantifiers:
            for literal in ("'a'", "'*'", "{'a', 'b'}", "{'a'}", "{'a', 'ab'}", "@Resource[x:y]"):
                condition = compile_condition(f"@Resource[x:y] {quantifier}{operator} {literal}")
                said = [each.what for each in settled(condition.syntax)]
                truths = {condition.evaluate(Ask("", "a/b", "/", resource={"x:y": value})) for value in values} - {None}
                for text in said:
                    found += 1
                    assert truths <= {text.endswith("True")}, text
    assert found > 10


def test_a_condition_that_the_principal_can_walk_around_is_found() -> None:
    condition, role = compile_condition(f"{NAME} StringEquals 'a'"), find_built_in_role(CONTRIBUTOR)
    assert role is not None
    reader = find_built_in_role("Reader")
    assert reader is not None

    def held(*rows: Assignment) -> list[str]:
        facts = CompiledFacts(Facts(known=True, enabled=True, ids=frozenset({"ada", "team"}), assignments=rows))
        return [each.what for each in bypassed(condition, role.permissions, "/subscriptions/s/resourceGroups/g", facts, "own")]

    higher = Assignment("x", "team", role, "/subscriptions/s")
    assert len(held(higher)) == 1
    assert "'/subscriptions/s' without a condition (x)" in held(higher)[0]
    assert held(Assignment("own", "ada", role, "/subscriptions/s/resourceGroups/g")) == []
    assert held(Assignment("x", "ada", role, "/subscriptions/s/resourceGroups/other")) == []
    assert held(Assignment("x", "ada", role, "/subscriptions/s", f"{NAME} StringEquals 'b'")) == []
    assert held(Assignment("x", "ada", reader, "/subscriptions/s")) == []  # reads properties of containers, and no blob


def test_a_bypass_through_a_management_group_is_found() -> None:
    condition, role = compile_condition(f"{NAME} StringEquals 'a'"), find_built_in_role(CONTRIBUTOR)
    assert role is not None
    row = Assignment("x", "ada", role, "/providers/Microsoft.Management/managementGroups/top")
    facts = Facts(known=True, enabled=True, ids=frozenset({"ada"}), assignments=(row,), hierarchy=Hierarchy({"low": "top"}, {"s": "low"}))
    assert list(bypassed(condition, role.permissions, "/subscriptions/s", CompiledFacts(facts), "own"))


def test_a_deny_assignment_may_leave_actions_open() -> None:
    condition = compile_condition(fixture("FDRY", "ws1-"))
    assert lint_deny(condition, permissions(OWNER)) == []
    assert {each.check for each in lint_deny(compile_condition("@Resource[no:such] StringEquals 'a'"), permissions(OWNER))} == {"L7"}


def test_a_refusal_names_every_finding_and_how_to_go_on() -> None:
    findings = lint_grant(compile_condition(fixture("NODASH")), permissions(CONTRIBUTOR))
    with pytest.raises(Invalid) as caught:
        refused(findings)
    fault = caught.value
    assert fault.code == CODES["L1"]
    assert [each.code for each in fault.details] == [CODES["L1"], CODES["L3"]]
    assert '"studioloOverride": {"checks": ["L1", "L3"]' in fault.message
    assert refused(findings, ["L1", "L3"]) == findings
    with pytest.raises(Invalid) as caught:
        refused(findings, ["L1"])
    assert caught.value.code == CODES["L3"]


def test_each_check_has_its_code_and_a_refusal_its_target() -> None:
    assert CODES == {
        "L1": "ConditionLeavesActionsOpen",
        "L2": "ConditionNeverVaries",
        "L3": "ConditionPrefixIsOpen",
        "L4": "ConditionComparesWithNothing",
        "L5": "ConditionLeavesVariantsOpen",
        "L6": "ConditionIsBypassed",
        "L7": "ConditionAttributeNotOffered",
    }
    (finding,) = lint_grant(compile_condition(f"{NAME} StringEquals ''"), permissions(CONTRIBUTOR))
    for given, target in (({}, "properties.condition"), ({"target": "x"}, "x")):
        with pytest.raises(Invalid) as caught:
            refused([finding] * 7, **given)
        assert {caught.value.target, *(each.target for each in caught.value.details)} == {target}
        assert caught.value.message.count(str(finding)) == 5
        assert len(caught.value.details) == 7
        assert [caught.value.details[0].message, caught.value.details[0].code] == [str(finding), CODES["L4"]]
    assert str(finding).startswith("L4: ")
    assert str(finding).endswith("compares with an empty text; name the value, or write Exists or NotExists.")

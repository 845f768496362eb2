from datetime import timedelta
from typing import Any

import pytest

from studiolo.kernel import clock
from studiolo.kernel.faults import Conflict, Fault, Forbidden, Invalid, NotFound
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import Caller
from tests.support.studio import AUTHORIZATION, GROUP, HERE, OWNER, READER, Studio, guid

pytestmark = pytest.mark.anyio

THING = f"{GROUP}/providers/Test.Rooms/things/box"
READ, WRITE = "Test.Rooms/things/read", "Test.Rooms/things/write"
RBAC_ADMINISTRATOR = "f58310d9-a9f6-439a-9e8d-f62e7b41a168"
ONLY_READER_TO_USERS = (
    f"((!(ActionMatches{{'Microsoft.Authorization/roleAssignments/write'}})) OR "
    f"(@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{READER}}} AND "
    "@Request[Microsoft.Authorization/roleAssignments:PrincipalType] StringEqualsIgnoreCase 'User')) AND "
    f"((!(ActionMatches{{'Microsoft.Authorization/roleAssignments/delete'}})) OR "
    f"(@Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{READER}}}))"
)


async def may(studio: Studio, caller: Caller, action: str, scope: str = THING) -> bool:
    return await studio.gate.may(caller, action, scope)


async def refused(studio: Studio, number: int, principal: str, role: str, scope: str, **properties: Any) -> Fault:
    with pytest.raises(Fault) as caught:
        await studio.assign(number, principal, role, scope, **properties)
    return caught.value


async def shown(studio: Studio, path: str) -> dict[str, Any]:
    reply = await studio.ask("GET", path)
    assert reply.status == 200, reply.body
    return reply.json()


# ── what an assignment does ──────────────────────────────────────────────────────────────────────────────────────


async def test_an_assignment_is_in_force_for_the_next_call_and_its_removal_too(studio: Studio) -> None:
    ada = await studio.user(1)
    assert not await may(studio, ada, READ)
    made = await studio.assign(100, ada.oid, READER, GROUP)
    assert await may(studio, ada, READ)
    assert not await may(studio, ada, WRITE)
    assert not await may(studio, ada, READ, HERE)
    await studio.control.delete(Caller(studio.beginning.owner), made)
    assert not await may(studio, ada, READ)


async def test_an_assignment_shows_what_clients_expect(studio: Studio) -> None:
    ada = await studio.user(1)
    await studio.assign(100, ada.oid.upper(), READER.upper(), GROUP)
    found = (await shown(studio, f"{GROUP}/{AUTHORIZATION}/roleAssignments/{guid(100)}"))["properties"]
    assert found["roleDefinitionId"] == f"{HERE}/{AUTHORIZATION}/roleDefinitions/{READER}"
    assert (found["principalId"], found["principalType"], found["scope"]) == (ada.oid, "User", GROUP)
    assert {"createdOn", "createdBy", "updatedOn", "updatedBy"} <= set(found)


async def test_repeating_a_put_changes_nothing(studio: Studio) -> None:
    ada = await studio.user(1)
    await studio.assign(100, ada.oid, READER, GROUP)
    before = await shown(studio, f"{GROUP}/{AUTHORIZATION}/roleAssignments/{guid(100)}")
    await studio.assign(100, ada.oid, READER, GROUP)
    assert await shown(studio, f"{GROUP}/{AUTHORIZATION}/roleAssignments/{guid(100)}") == before


async def test_a_condition_is_written_and_decides(studio: Studio) -> None:
    ada = await studio.user(1)
    blobs = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
    name = "Microsoft.Storage/storageAccounts/blobServices/containers:name"
    condition = f"@Resource[{name}] StringStartsWith 'ws1-'"
    await studio.assign(100, ada.oid, "ba92f5b4-2d11-453d-a403-e96b0029c9fe", GROUP, condition=condition, conditionVersion="2.0")
    account = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/sa"
    await studio.gate.require(ada, blobs, account, is_data=True, resource={name: "ws1-data"})
    with pytest.raises(Forbidden):
        await studio.gate.require(ada, blobs, account, is_data=True, resource={name: "ws2-data"})


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_names_must_be_guids_and_ids_must_be_ids(studio: Studio) -> None:
    ada = await studio.user(1)
    path = f"{GROUP}/{AUTHORIZATION}/roleAssignments"
    good = {"principalId": ada.oid, "roleDefinitionId": f"{HERE}/{AUTHORIZATION}/roleDefinitions/{READER}"}
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("not-a-guid", good, "InvalidRoleAssignmentId"),
        (guid(1), {**good, "principalId": "ada"}, "InvalidPrincipalId"),
        (guid(1), {**good, "principalId": None}, "InvalidPrincipalId"),
        (guid(1), {**good, "roleDefinitionId": "Reader"}, "InvalidRoleDefinitionId"),
        (guid(1), {**good, "roleDefinitionId": f"/providers/Microsoft.Evil/roleDefinitions/{READER}"}, "InvalidRoleDefinitionId"),
        (guid(1), {**good, "roleDefinitionId": None}, "InvalidRoleDefinitionId"),
        (guid(1), {**good, "principalType": "Robot"}, "InvalidPrincipalType"),
        (guid(1), {**good, "principalType": "Group"}, "UnmatchedPrincipalType"),
        (guid(1), {**good, "condition": "@Resource[x", "conditionVersion": "2.0"}, "InvalidCondition"),
        (guid(1), {**good, "condition": "@Resource[a:b] StringEquals 'x'"}, "InvalidConditionVersion"),
        (guid(1), {**good, "condition": "@Resource[a:b] StringEquals 'x'", "conditionVersion": "1.0"}, "InvalidConditionVersion"),
        (guid(1), {**good, "condition": "@Resource[a:b] StringEquals 5", "conditionVersion": "2.0"}, "InvalidCondition"),
        (guid(1), {**good, "condition": "x" * 9000, "conditionVersion": "2.0"}, "InvalidCondition"),
        (guid(1), {**good, "principalId": 5}, "InvalidRequestContent"),
    ]
    for name, properties, code in cases:
        with pytest.raises(Invalid) as caught:
            await studio.put(f"{path}/{name}", properties)
        assert caught.value.code == code, (name, properties)
    assert not await may(studio, ada, READ)


async def test_a_role_that_does_not_exist_is_not_assigned(studio: Studio) -> None:
    ada = await studio.user(1)
    fault = await refused(studio, 100, ada.oid, guid(404), GROUP)
    assert (type(fault), fault.code) == (NotFound, "RoleDefinitionDoesNotExist")


async def test_a_principal_must_exist_unless_the_writer_says_what_it_will_be(studio: Studio) -> None:
    assert (await refused(studio, 100, guid(1), READER, GROUP)).code == "PrincipalNotFound"
    await studio.assign(100, guid(1), READER, GROUP, principalType="User")
    ada = await studio.user(1)
    assert await may(studio, ada, READ)


async def test_an_assignment_to_a_user_to_be_gives_nothing_to_a_group_of_that_id(studio: Studio) -> None:
    await studio.assign(100, guid(9), READER, GROUP, principalType="User")
    ada = await studio.user(1)
    await studio.group(9, ada.oid)
    assert not await may(studio, ada, READ)


async def test_an_assignment_cannot_become_another(studio: Studio) -> None:
    ada, bob = await studio.user(1), await studio.user(2)
    await studio.assign(100, ada.oid, READER, GROUP)
    for principal, role in ((bob.oid, READER), (ada.oid, OWNER)):
        fault = await refused(studio, 100, principal, role, GROUP)
        assert (type(fault), fault.code) == (Conflict, "RoleAssignmentUpdateNotPermitted")
    await studio.assign(100, ada.oid, READER, GROUP, description="may look")
    assert not await may(studio, bob, READ)


# ── delegation ───────────────────────────────────────────────────────────────────────────────────────────────────


async def delegate(studio: Studio) -> Caller:
    admin = await studio.user(5)
    await studio.assign(500, admin.oid, RBAC_ADMINISTRATOR, GROUP, condition=ONLY_READER_TO_USERS, conditionVersion="2.0")
    return admin


async def test_a_delegate_assigns_what_the_condition_allows_and_nothing_else(studio: Studio) -> None:
    admin, ada = await delegate(studio), await studio.user(1)
    team = await studio.group(3, ada.oid)
    await studio.assign(100, ada.oid, READER, GROUP, admin, principalType="User")
    for number, principal, role, kind in (
        (101, ada.oid, OWNER, "User"),
        (102, admin.oid, OWNER, "User"),
        (103, team, READER, "Group"),
        (104, ada.oid, READER, None),
        (105, ada.oid, RBAC_ADMINISTRATOR, "User"),
    ):
        with pytest.raises(Forbidden):
            await studio.assign(number, principal, role, THING, admin, **({"principalType": kind} if kind else {}))


async def test_a_delegate_cannot_lie_about_who_gets_a_role(studio: Studio) -> None:
    admin, ada = await delegate(studio), await studio.user(1)
    team = await studio.group(3, ada.oid)
    with pytest.raises(Invalid) as caught:
        await studio.assign(100, team, READER, GROUP, admin, principalType="User")
    assert caught.value.code == "UnmatchedPrincipalType"


async def test_a_delegate_removes_only_what_it_could_have_given(studio: Studio) -> None:
    admin, ada = await delegate(studio), await studio.user(1)
    reader = await studio.assign(100, ada.oid, READER, GROUP)
    owner = await studio.assign(101, ada.oid, OWNER, GROUP)
    with pytest.raises(Forbidden):
        await studio.control.delete(admin, owner)
    await studio.control.delete(admin, reader)
    assert await may(studio, ada, WRITE)


# ── principals that go ───────────────────────────────────────────────────────────────────────────────────────────


async def test_what_a_removed_principal_held_does_not_come_back_with_its_id(studio: Studio) -> None:
    ada = await studio.user(1)
    await studio.group(3, ada.oid)
    await studio.assign(100, ada.oid, READER, GROUP)
    await studio.assign(101, guid(3), OWNER, GROUP)
    assert await may(studio, ada, WRITE)
    await studio.control.delete(Caller(studio.beginning.owner), parse(f"/providers/Studiolo.Directory/users/{ada.oid}"))
    assert not await may(studio, ada, READ)
    await studio.user(1)
    assert not await may(studio, ada, READ)
    assert (await studio.ask("GET", f"{GROUP}/{AUTHORIZATION}/roleAssignments/{guid(100)}")).status == 404


async def test_a_switched_off_person_may_nothing(studio: Studio) -> None:
    ada = await studio.user(1)
    await studio.assign(100, ada.oid, OWNER, GROUP)
    assert await may(studio, ada, WRITE)
    await studio.user(1, accountEnabled=False)
    assert not await may(studio, ada, WRITE)


# ── lists ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def names(studio: Studio, scope: str, query: str = "") -> list[int]:
    reply = await studio.ask("GET", f"{scope}/{AUTHORIZATION}/roleAssignments{query}")
    assert reply.status == 200, reply.body
    return sorted(number for number in (int(each["name"][-12:], 16) for each in reply.json()["value"]) if number < 1000)


async def test_a_list_holds_what_is_at_above_and_below_a_scope(studio: Studio) -> None:
    ada, bob = await studio.user(1), await studio.user(2)
    await studio.group(3, ada.oid)
    await studio.put(f"{THING}", {})
    await studio.assign(100, ada.oid, READER, HERE)
    await studio.assign(101, bob.oid, READER, GROUP)
    await studio.assign(102, guid(3), READER, THING)
    await studio.assign(103, bob.oid, OWNER, f"{HERE}/resourceGroups/rg10")
    assert await names(studio, GROUP) == [100, 101, 102]
    assert await names(studio, GROUP, "?$filter=atScope()") == [100, 101]
    assert await names(studio, HERE) == [100, 101, 102, 103]
    assert await names(studio, HERE, f"?$filter=principalId%20eq%20'{bob.oid}'") == [101, 103]
    assert await names(studio, HERE, f"?$filter=assignedTo('{ada.oid}')") == [100, 102]
    assert await names(studio, GROUP, f"?$filter=atScope()%20and%20assignedTo('{ada.oid}')") == [100]


@pytest.mark.parametrize("text", ["name eq 'x'", "principalId eq 'bob'", "atScope() or atScope()", "assignedTo()"])
async def test_an_unknown_filter_is_refused(studio: Studio, text: str) -> None:
    for kind in ("roleAssignments", "roleDefinitions"):
        reply = await studio.ask("GET", f"{GROUP}/{AUTHORIZATION}/{kind}?$filter={text.replace(' ', '%20')}")
        assert (reply.status, reply.code) == (400, "InvalidFilter")


async def test_permissions_are_the_callers_own(studio: Studio) -> None:
    ada = await studio.user(1)
    await studio.assign(100, ada.oid, READER, HERE)
    await studio.assign(101, ada.oid, "ba92f5b4-2d11-453d-a403-e96b0029c9fe", GROUP)
    at_group = [block["actions"] for block in await permissions(studio, ada, GROUP)]
    at_subscription = [block["actions"] for block in await permissions(studio, ada, HERE)]
    assert ["*/read"] in at_group
    assert len(at_group) == 2
    assert at_subscription == [["*/read"]]


async def permissions(studio: Studio, caller: Caller, scope: str) -> list[dict[str, Any]]:
    from studiolo.kernel.ids import Collection

    listed = await studio.access.permissions(caller, Collection(parse(scope), "Microsoft.Authorization/permissions", ""), {})
    return list(listed)


async def test_permissions_are_served_below_every_scope(studio: Studio) -> None:
    reply = await studio.ask("GET", f"{GROUP}/{AUTHORIZATION}/permissions")
    assert [block["actions"] for block in reply.json()["value"]] == [["*"]]


async def test_time_passes_for_nobodys_assignment(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = await studio.user(1)
    await studio.assign(100, ada.oid, READER, GROUP)
    later = clock.now() + timedelta(days=400)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert await may(studio, ada, READ)

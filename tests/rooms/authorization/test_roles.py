from typing import Any

import msgspec
import pytest

from studiolo.kernel.access.built_in import built_in_roles
from studiolo.kernel.faults import Conflict, Fault, Forbidden, Invalid
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import Caller, Change, Draft
from studiolo.kernel.store.port import PutResource
from studiolo.rooms.authorization.domain import assignments, roles
from tests.support.studio import AUTHORIZATION, GROUP, HERE, OWNER, READER, Studio, guid

pytestmark = pytest.mark.anyio

THING = f"{GROUP}/providers/Test.Rooms/things/box"
DEFINITIONS = f"/{AUTHORIZATION}/roleDefinitions"
USER_ACCESS_ADMINISTRATOR = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"


def role(*actions: str, **properties: Any) -> dict[str, Any]:
    return {"roleName": "Keeper", "assignableScopes": [HERE], "permissions": [{"actions": list(actions)}], **properties}


async def refused(studio: Studio, properties: dict[str, Any], name: str = guid(200)) -> str:
    with pytest.raises(Fault) as caught:
        await studio.put(f"{DEFINITIONS}/{name}", properties)
    return caught.value.code


async def test_a_custom_role_is_written_assigned_and_decides(studio: Studio) -> None:
    ada = await studio.user(1)
    await studio.put(
        f"{DEFINITIONS}/{guid(200)}", role("Test.Rooms/things/*", permissions=[{"actions": ["Test.Rooms/*"], "notActions": ["*/delete"]}])
    )
    await studio.assign(100, ada.oid, guid(200), GROUP)
    assert await studio.gate.may(ada, "Test.Rooms/things/write", THING)
    assert not await studio.gate.may(ada, "Test.Rooms/things/delete", THING)


async def test_a_changed_role_is_in_force_for_the_next_call(studio: Studio) -> None:
    ada = await studio.user(1)
    await studio.put(f"{DEFINITIONS}/{guid(200)}", role("Test.Rooms/things/read"))
    await studio.assign(100, ada.oid, guid(200), GROUP)
    assert not await studio.gate.may(ada, "Test.Rooms/things/write", THING)
    await studio.put(f"{DEFINITIONS}/{guid(200)}", role("Test.Rooms/things/write"))
    assert await studio.gate.may(ada, "Test.Rooms/things/write", THING)
    assert not await studio.gate.may(ada, "Test.Rooms/things/read", THING)


OUTSIDE_THE_RULES: list[tuple[dict[str, Any], str]] = [
    ({"roleName": ""}, "InvalidRoleDefinitionName"),
    ({"roleName": None}, "InvalidRoleDefinitionName"),
    ({"roleName": "x" * 513}, "InvalidRoleDefinitionName"),
    ({"roleName": "a\nb"}, "InvalidRoleDefinitionName"),
    ({"description": "x" * 2049}, "InvalidRequestContent"),
    ({"type": "BuiltInRole"}, "InvalidRequestContent"),
    ({"assignableScopes": []}, "InvalidRoleDefinitionScope"),
    ({"assignableScopes": ["/"]}, "InvalidRoleDefinitionScope"),
    ({"assignableScopes": ["/subscriptions/*"]}, "InvalidRoleDefinitionScope"),
    ({"assignableScopes": ["nonsense"]}, "InvalidResourceId"),
    ({"assignableScopes": [f"/subscriptions/{n}" for n in range(2001)]}, "InvalidRoleDefinitionScope"),
    ({"assignableScopes": [f"/providers/Microsoft.Management/managementGroups/{n}" for n in "ab"]}, "InvalidRoleDefinitionScope"),
    (
        {
            "assignableScopes": ["/providers/Microsoft.Management/managementGroups/a"],
            "permissions": [{"dataActions": ["Microsoft.Storage/*"]}],
        },
        "InvalidRoleDefinitionScope",
    ),
    ({"permissions": []}, "InvalidRoleDefinitionPermissions"),
    ({"permissions": [{"notActions": ["*"]}]}, "InvalidRoleDefinitionPermissions"),
    ({"permissions": [{"actions": ["Test.Rooms/*/things/*"]}]}, "InvalidActionOrNotAction"),
    ({"permissions": [{"actions": ["Test.Rooms/thi*/read"]}]}, "InvalidActionOrNotAction"),
    ({"permissions": [{"actions": ["Test.Rooms//read"]}]}, "InvalidActionOrNotAction"),
    ({"permissions": [{"actions": [" */read"]}]}, "InvalidActionOrNotAction"),
    ({"permissions": [{"actions": [""]}]}, "InvalidActionOrNotAction"),
    ({"permissions": [{"actions": ["*"], "condition": "nonsense", "conditionVersion": "2.0"}]}, "InvalidCondition"),
    ({"permissions": [{"actions": ["*"], "condition": "@Resource[a:b] StringEquals 'x'"}]}, "InvalidConditionVersion"),
    ({"permissions": [{"actions": "*"}]}, "InvalidRequestContent"),
    ({"permissions": "*"}, "InvalidRequestContent"),
]


async def test_a_role_outside_the_rules_is_not_written(studio: Studio) -> None:
    for change, code in OUTSIDE_THE_RULES:
        assert await refused(studio, {**role("Test.Rooms/*"), **change}) == code, change
    assert (await studio.ask("GET", f"{HERE}{DEFINITIONS}/{guid(200)}")).status == 404


async def test_a_role_is_named_by_a_guid(studio: Studio) -> None:
    assert await refused(studio, role("Test.Rooms/*"), "keeper") == "InvalidRoleDefinitionId"


async def test_built_in_roles_are_there_and_stay_as_they_are(studio: Studio) -> None:
    for scope in ("", HERE, GROUP):
        caller = Caller(studio.beginning.owner)
        body = msgspec.json.decode(await studio.control.get(caller, parse(f"{scope}{DEFINITIONS}/{READER}")))
        assert (body["properties"]["roleName"], body["properties"]["type"]) == ("Reader", "BuiltInRole")
        assert body["properties"]["permissions"][0]["actions"] == ["*/read"]
    assert await refused(studio, role("*"), READER) == "RoleDefinitionIsBuiltIn"
    with pytest.raises(Forbidden):
        await studio.control.delete(Caller(studio.beginning.owner), parse(f"{DEFINITIONS}/{READER}"))


async def test_a_start_mends_a_built_in_role_that_was_changed(studio: Studio) -> None:
    row = await studio.store.find(f"{DEFINITIONS}/{READER}".lower())
    assert row is not None
    await studio.store.commit(PutResource(row._replace(doc=row.doc.replace(b"*/read", b"*")), facets=("role-type:builtinrole",)))
    await studio.identity.start()
    body = msgspec.json.decode(await studio.control.get(Caller(studio.beginning.owner), parse(f"{DEFINITIONS}/{READER}")))
    assert body["properties"]["permissions"][0]["actions"] == ["*/read"]


async def test_a_role_that_somebody_holds_is_not_deleted(studio: Studio) -> None:
    ada, owner = await studio.user(1), Caller(studio.beginning.owner)
    await studio.put(f"{DEFINITIONS}/{guid(200)}", role("Test.Rooms/*"))
    held = await studio.assign(100, ada.oid, guid(200), GROUP)
    with pytest.raises(Conflict) as caught:
        await studio.control.delete(owner, parse(f"{DEFINITIONS}/{guid(200)}"))
    assert caught.value.code == "RoleDefinitionHasAssignments"
    await studio.control.delete(owner, held)
    await studio.control.delete(owner, parse(f"{DEFINITIONS}/{guid(200)}"))


async def test_a_role_is_assigned_only_where_it_is_assignable(studio: Studio) -> None:
    ada = await studio.user(1)
    await studio.put(f"{DEFINITIONS}/{guid(200)}", role("Test.Rooms/*", assignableScopes=[GROUP]))
    for scope in (HERE, f"{GROUP}0", "/"):
        with pytest.raises(Invalid) as caught:
            await studio.assign(100, ada.oid, guid(200), scope)
        assert caught.value.code == "RoleDefinitionNotAssignable"
    await studio.assign(100, ada.oid, guid(200), THING)


async def test_whoever_makes_a_role_must_be_allowed_to_at_each_of_its_scopes(studio: Studio) -> None:
    admin = await studio.user(5)
    await studio.assign(500, admin.oid, USER_ACCESS_ADMINISTRATOR, GROUP)
    path = f"{GROUP}{DEFINITIONS}/{guid(200)}"
    for scopes in ([HERE], [GROUP, HERE], [GROUP, f"{HERE}/resourceGroups/rg2"]):
        with pytest.raises(Forbidden):
            await studio.put(path, role("*", assignableScopes=scopes), admin)
    await studio.put(path, role("*", assignableScopes=[GROUP]), admin)


async def test_a_role_of_another_group_is_not_found_by_its_guid(studio: Studio) -> None:
    ada = await studio.user(1)
    await studio.put(f"{HERE}/resourceGroups/rg2", {})
    await studio.assign(100, ada.oid, READER, f"{HERE}/resourceGroups/rg2")
    await studio.put(f"{GROUP}{DEFINITIONS}/{guid(200)}", role("Test.Rooms/*", assignableScopes=[GROUP]))
    for name in (guid(200), guid(201)):
        with pytest.raises(Fault) as caught:
            await studio.control.get(ada, parse(f"{HERE}/resourceGroups/rg2{DEFINITIONS}/{name}"))
        assert caught.value.code == "ResourceNotFound"


async def test_a_list_of_roles_filters_by_name_and_type(studio: Studio) -> None:
    await studio.put(f"{GROUP}{DEFINITIONS}/{guid(200)}", role("Test.Rooms/*", assignableScopes=[GROUP]))

    async def listed(scope: str, text: str = "") -> list[str]:
        reply = await studio.ask("GET", f"{scope}{DEFINITIONS}{'?$filter=' + text.replace(' ', '%20') if text else ''}")
        assert reply.status == 200, reply.body
        return [each["properties"]["roleName"] for each in reply.json()["value"]]

    assert len(await listed(GROUP)) == len(built_in_roles()) + 1
    assert len(await listed(HERE)) == len(built_in_roles())
    assert await listed(GROUP, "type eq 'CustomRole'") == ["Keeper"]
    assert await listed(HERE, "type eq 'CustomRole' and atScopeAndBelow()") == ["Keeper"]
    assert await listed(GROUP, "roleName eq 'reader'") == ["Reader"]
    assert await listed(GROUP, "roleName eq 'Owner' and type eq 'CustomRole'") == []


# ── what a write looks up beside its own id ──────────────────────────────────────────────────────────────────────


async def stored(studio: Studio, path: str) -> Any:
    found = await studio.control.find(parse(path))
    assert found is not None
    return found


def change(path: str, properties: dict[str, Any], facts: dict[str, Any]) -> Change:
    owner = Caller(guid(1), kind="User")
    return Change(
        parse(path),
        None,
        Draft(properties=properties),
        owner,
        "2026-01-01T00:00:00.000000Z",
        guid(2),
        facts={k.lower(): v for k, v in facts.items()},
    )


async def test_a_principal_has_a_role_at_a_scope_once(studio: Studio) -> None:
    ada = await studio.user(1)
    first = await studio.assign(100, ada.oid, READER, GROUP)
    facts = {
        f"{DEFINITIONS}/{READER}": await stored(studio, f"{DEFINITIONS}/{READER}"),
        f"/providers/Studiolo.Directory/users/{ada.oid}": await stored(studio, f"/providers/Studiolo.Directory/users/{ada.oid}"),
        assignments.rival_key(ada.oid, READER, GROUP.upper()): await stored(studio, first.text),
    }
    wanted = {"principalId": ada.oid, "roleDefinitionId": f"{DEFINITIONS}/{READER}"}
    with pytest.raises(Conflict) as caught:
        assignments.admit(change(f"{GROUP}/{AUTHORIZATION}/roleAssignments/{guid(101)}", wanted, facts))
    assert caught.value.code == "RoleAssignmentExists"
    assert guid(100) in caught.value.message


async def test_names_and_ids_of_roles_are_taken_once(studio: Studio) -> None:
    await studio.put(f"{DEFINITIONS}/{guid(200)}", role("Test.Rooms/*"))
    there = await stored(studio, f"{DEFINITIONS}/{guid(200)}")
    same_name = change(f"{DEFINITIONS}/{guid(201)}", role("Test.Rooms/*", roleName="KEEPER"), {roles.by_name_key("keeper"): there})
    same_id = change(f"{GROUP}{DEFINITIONS}/{guid(200)}", role("Test.Rooms/*", roleName="Other"), {roles.by_guid_key(guid(200)): there})
    codes: list[str] = []
    for each in (same_name, same_id):
        with pytest.raises(Conflict) as caught:
            roles.admit(each)
        codes.append(caught.value.code)
    assert codes == ["RoleDefinitionWithSameNameExists", "RoleDefinitionExists"]


async def test_a_custom_role_kept_at_a_subscription_can_be_assigned(studio: Studio) -> None:
    ada = await studio.user(1)
    await studio.put(f"{HERE}{DEFINITIONS}/{guid(200)}", role("Test.Rooms/*"))
    facts = {
        roles.by_guid_key(guid(200)): await stored(studio, f"{HERE}{DEFINITIONS}/{guid(200)}"),
        f"/providers/Studiolo.Directory/users/{ada.oid}": await stored(studio, f"/providers/Studiolo.Directory/users/{ada.oid}"),
    }
    wanted = {"principalId": ada.oid, "roleDefinitionId": guid(200)}
    admitted = assignments.admit(change(f"{GROUP}/{AUTHORIZATION}/roleAssignments/{guid(101)}", wanted, facts))
    assert admitted.properties["roleDefinitionId"] == f"{HERE}{DEFINITIONS}/{guid(200)}"


# ── conditions under which a role is held ────────────────────────────────────────────────────────────────────────────

CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"
BLOBS = f"{CONTAINERS}/blobs"
NOTES = f"(!(ActionMatches{{'{BLOBS}/read'}})) OR (@Resource[{CONTAINERS}:name] StringEquals 'notes')"
ALWAYS = f"@Resource[{CONTAINERS}:name] StringEquals 'notes'"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/sa"
BLOB_READER, BLOB_CONTRIBUTOR = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
OVERRIDE: Any = {"checks": ["L1", "L6"], "reason": "the team shares what it writes"}


def readers(*data_actions: str, **properties: Any) -> dict[str, Any]:
    permissions = [{"actions": [], "dataActions": [f"{BLOBS}/{each}" for each in ("read", *data_actions)]}]
    return {"roleName": "Notes", "assignableScopes": [GROUP], "permissions": permissions, **properties}


def held(oid: str, role: str, condition: str | None = NOTES, **properties: Any) -> dict[str, Any]:
    bound = {"condition": condition, "conditionVersion": "2.0"} if condition else {}
    return {"principalId": oid, "roleDefinitionId": role, **bound, **properties}


async def test_a_role_grows_past_the_conditions_under_which_it_is_held_with_a_reason_alone(studio: Studio) -> None:
    admin, ada = await studio.robot(90, OWNER, "/"), await studio.user(1)
    role, path = f"{GROUP}/{AUTHORIZATION}/roleDefinitions/{guid(300)}", f"{ACCOUNT}/{AUTHORIZATION}/roleAssignments/{guid(100)}"
    assert (await admin.ask("PUT", role, readers())).status == 201
    assert (await admin.ask("PUT", path, held(ada.oid, guid(300)))).status == 201
    refused = await admin.ask("PUT", role, readers("write", "delete"))
    assert (refused.status, refused.code) == (400, "ConditionLeavesActionsOpen")
    assert path in refused.json()["error"]["message"]
    assert not await studio.gate.may(ada, f"{BLOBS}/write", ACCOUNT, is_data=True)
    assert (await admin.ask("PUT", role, readers(description="what they read"))).status == 200
    assert (await admin.ask("PUT", role, readers("write", studioloOverride={**OVERRIDE, "checks": ["L6"]}))).status == 400
    assert (await admin.ask("PUT", role, readers("write", studioloOverride=OVERRIDE))).status == 200
    assert await studio.gate.may(ada, f"{BLOBS}/write", ACCOUNT, is_data=True)
    # What was passed over stays so; what comes on top is looked at anew.
    assert (await admin.ask("PUT", role, readers("write", description="what they read and write"))).status == 200
    assert (await admin.ask("PUT", role, readers("write", "delete"))).code == "ConditionLeavesActionsOpen"


async def test_a_role_that_is_held_without_a_condition_does_not_grow_past_another_ones(studio: Studio) -> None:
    admin, ada = await studio.robot(90, OWNER, "/"), await studio.user(1)
    team, role = await studio.group(10, ada.oid), f"{GROUP}/{AUTHORIZATION}/roleDefinitions/{guid(300)}"
    plain = {"roleName": "Looks", "assignableScopes": [GROUP], "permissions": [{"actions": [f"{CONTAINERS}/read"]}]}
    assert (await admin.ask("PUT", role, plain)).status == 201
    assert (await admin.ask("PUT", f"{GROUP}/{AUTHORIZATION}/roleAssignments/{guid(100)}", held(team, guid(300), None))).status == 201
    path = f"{ACCOUNT}/{AUTHORIZATION}/roleAssignments/{guid(101)}"
    assert (await admin.ask("PUT", path, held(ada.oid, BLOB_READER, ALWAYS))).status == 201
    refused = await admin.ask("PUT", role, readers(roleName="Looks"))
    assert (refused.status, refused.code) == (400, "ConditionIsBypassed")
    assert path in refused.json()["error"]["message"]
    assert (await admin.ask("PUT", role, readers(roleName="Looks", studioloOverride=OVERRIDE))).status == 200


@pytest.mark.parametrize("through", ["itself", "a group", "a group in a group"])
async def test_no_later_assignment_makes_a_condition_idle_without_a_reason(studio: Studio, through: str) -> None:
    admin, ada = await studio.robot(90, OWNER, "/"), await studio.user(1)
    inner = await studio.group(10, ada.oid)
    outer = await studio.group(11, inner)
    holder = {"itself": ada.oid, "a group": inner, "a group in a group": outer}[through]
    bound = f"{ACCOUNT}/{AUTHORIZATION}/roleAssignments/{guid(100)}"
    assert (await admin.ask("PUT", bound, held(ada.oid, BLOB_READER, ALWAYS))).status == 201
    for scope in (ACCOUNT, GROUP, ""):
        refused = await admin.ask("PUT", f"{scope}/{AUTHORIZATION}/roleAssignments/{guid(101)}", held(holder, BLOB_CONTRIBUTOR, None))
        assert (refused.status, refused.code) == (400, "ConditionIsBypassed"), scope
        assert bound in refused.json()["error"]["message"]
    other = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/other/{AUTHORIZATION}/roleAssignments/{guid(102)}"
    assert (await admin.ask("PUT", other, held(holder, BLOB_CONTRIBUTOR, None))).status == 201
    assert (await admin.ask("PUT", f"{GROUP}/{AUTHORIZATION}/roleAssignments/{guid(103)}", held(holder, READER, None))).status == 201
    path = f"{GROUP}/{AUTHORIZATION}/roleAssignments/{guid(101)}"
    assert (await admin.ask("PUT", path, held(holder, BLOB_CONTRIBUTOR, None, studioloOverride=OVERRIDE))).status == 201
    assert (await admin.ask("PUT", path, held(holder, BLOB_CONTRIBUTOR, None, description="again"))).status == 200


async def test_a_condition_is_not_taken_off_past_another_one(studio: Studio) -> None:
    admin, ada = await studio.robot(90, OWNER, "/"), await studio.user(1)
    inner, outer = (f"{scope}/{AUTHORIZATION}/roleAssignments/{guid(100)}" for scope in (ACCOUNT, GROUP))
    assert (await admin.ask("PUT", inner, held(ada.oid, BLOB_READER, ALWAYS))).status == 201
    assert (await admin.ask("PUT", outer, held(ada.oid, BLOB_READER, ALWAYS))).status == 201
    assert (await admin.ask("PUT", outer, held(ada.oid, BLOB_READER, None))).code == "ConditionIsBypassed"
    assert (await admin.ask("PUT", inner, held(ada.oid, BLOB_READER, None))).status == 200
    assert (await admin.ask("PUT", outer, held(ada.oid, BLOB_READER, None))).status == 200

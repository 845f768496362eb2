"""Deny assignments, as they are written and as they hold, over the wire."""

from typing import Any

import pytest

from studiolo.kernel.ids import parse
from studiolo.kernel.resource import PLATFORM, Caller
from tests.support.asgi import Reply, call
from tests.support.studio import AUTHORIZATION, GROUP, HERE, OWNER, READER, Robot, Studio, guid

pytestmark = pytest.mark.anyio

EVERYONE = "00000000-0000-0000-0000-000000000000"
DENIES = f"{GROUP}/{AUTHORIZATION}/denyAssignments"
READ_THINGS = [{"actions": ["Test.Rooms/things/read"]}]
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"


def denial(*principals: str, **properties: Any) -> dict[str, Any]:
    return {"denyAssignmentName": "no", "principals": [{"id": oid} for oid in principals], "permissions": READ_THINGS, **properties}


@pytest.fixture
async def admin(studio: Studio) -> Robot:
    return await studio.robot(90, OWNER, "/")


async def test_a_deny_assignment_is_written_shown_listed_and_removed_and_acts_at_once(studio: Studio, admin: Robot) -> None:
    reader = await studio.robot(1, READER, HERE)
    assert await reader.may_read()
    path = f"{DENIES}/{guid(500)}"
    made = await admin.ask("PUT", path, denial(reader.oid, description="for now"))
    assert made.status == 201, made.body
    assert not await reader.may_read()
    refused = await reader.ask("GET", f"{GROUP}/providers/Test.Rooms/things/none")
    assert (refused.status, refused.code) == (403, "DenyAssignmentAuthorizationFailed")
    shown = (await admin.ask("GET", path)).json()["properties"]
    assert shown["scope"] == GROUP
    assert shown["principals"] == [{"id": reader.oid, "type": "ServicePrincipal"}]
    assert (shown["isSystemProtected"], shown["doNotApplyToChildScopes"], shown["denyAssignmentEffect"]) == (False, False, "enforced")
    for scope, query, is_there in ((GROUP, "", True), (HERE, "", True), (HERE, "?$filter=atScope()", False)):
        listed = (await admin.ask("GET", f"{scope}/{AUTHORIZATION}/denyAssignments{query}")).json()["value"]
        assert (guid(500) in [each["name"] for each in listed]) is is_there
    assert (await admin.ask("DELETE", path)).status == 200
    assert await reader.may_read()


async def test_everyone_but_a_group_through_any_nesting(studio: Studio, admin: Robot) -> None:
    inner, outer = await studio.robot(1, READER, HERE), await studio.robot(2, READER, HERE)
    await studio.group(10, inner.oid)
    await studio.group(11, guid(10))
    made = await admin.ask("PUT", f"{DENIES}/{guid(500)}", denial(EVERYONE, excludePrincipals=[{"id": guid(11), "type": "Group"}]))
    assert made.status == 201, made.body
    assert made.json()["properties"]["principals"] == [{"id": EVERYONE, "type": "SystemDefined"}]
    assert await inner.may_read()
    assert not await outer.may_read()
    await studio.group(10)
    assert not await inner.may_read()


async def test_whoever_is_spared_is_so_no_longer_under_a_name_that_somebody_gets_later(studio: Studio, admin: Robot) -> None:
    ada = await studio.user(1)
    path = f"{DENIES}/{guid(500)}"
    spared = denial(EVERYONE, excludePrincipals=[{"id": ada.oid}, {"id": admin.oid}])
    assert (await admin.ask("PUT", path, spared)).status == 201
    assert (await admin.ask("DELETE", f"/providers/Studiolo.Directory/users/{ada.oid}")).status == 200
    await studio.user(1)
    await studio.assign(100, ada.oid, READER, GROUP)
    assert not await studio.gate.may(ada, "Test.Rooms/things/read", GROUP)
    assert [each["id"] for each in (await admin.ask("GET", path)).json()["properties"]["excludePrincipals"]] == [admin.oid]


async def test_the_scope_alone(studio: Studio, admin: Robot) -> None:
    reader = await studio.robot(1, READER, HERE)
    deny = denial(reader.oid, permissions=[{"actions": ["*/read"]}], doNotApplyToChildScopes=True)
    assert (await admin.ask("PUT", f"{DENIES}/{guid(500)}", deny)).status == 201
    assert await reader.may_read()
    assert (await reader.ask("GET", GROUP)).code == "DenyAssignmentAuthorizationFailed"


async def test_data_actions_and_audit(studio: Studio, admin: Robot) -> None:
    reader = await studio.user(1)
    blobs = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
    await studio.assign(100, reader.oid, "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", GROUP)
    deny = denial(reader.oid, permissions=[{"dataActions": [blobs]}])
    assert await studio.gate.may(reader, blobs, f"{GROUP}/providers/Microsoft.Storage/storageAccounts/sa", is_data=True)
    assert (await admin.ask("PUT", f"{DENIES}/{guid(500)}", {**deny, "denyAssignmentEffect": "audit"})).status == 201
    assert await studio.gate.may(reader, blobs, f"{GROUP}/providers/Microsoft.Storage/storageAccounts/sa", is_data=True)
    assert (await admin.ask("PUT", f"{DENIES}/{guid(500)}", deny)).status == 200
    assert not await studio.gate.may(reader, blobs, f"{GROUP}/providers/Microsoft.Storage/storageAccounts/sa", is_data=True)


async def test_a_condition_that_is_not_false_denies(studio: Studio, admin: Robot) -> None:
    reader = await studio.user(1)
    blobs, name = (
        "Microsoft.Storage/storageAccounts/blobServices/containers",
        "Microsoft.Storage/storageAccounts/blobServices/containers:name",
    )
    await studio.assign(100, reader.oid, "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", GROUP)
    deny = denial(
        reader.oid,
        permissions=[{"dataActions": [f"{blobs}/blobs/read"]}],
        condition=f"@Resource[{name}] StringEquals 'vault'",
        conditionVersion="2.0",
    )
    assert (await admin.ask("PUT", f"{DENIES}/{guid(500)}", deny)).status == 201
    account = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/sa"
    for container, is_allowed in (("open", True), ("vault", False)):
        verdict = await studio.gate.decide(reader, f"{blobs}/blobs/read", account, is_data=True, resource={name: container})
        assert verdict.allowed is is_allowed
    assert not (await studio.gate.decide(reader, f"{blobs}/blobs/read", account, is_data=True)).allowed


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"denyAssignmentName": ""}, "InvalidRequestContent"),
        ({"principals": []}, "InvalidPrincipalId"),
        ({"principals": [{"id": "ada"}]}, "InvalidPrincipalId"),
        ({"principals": [{"id": guid(404)}]}, "PrincipalNotFound"),
        ({"principals": [{"id": EVERYONE}]}, "DenyAssignmentNeedsExclusion"),
        ({"excludePrincipals": [{"id": EVERYONE}]}, "InvalidPrincipalId"),
        ({"permissions": []}, "InvalidDenyAssignmentPermissions"),
        ({"permissions": [{"actions": ["a b"]}]}, "InvalidActionOrNotAction"),
        ({"permissions": [{"actions": ["Microsoft.Authorization/denyAssignments/delete"]}]}, "InvalidActionOrNotAction"),
        ({"permissions": [{"actions": ["Microsoft.Authorization/denyAssignments/*"]}]}, "InvalidActionOrNotAction"),
        ({"denyAssignmentEffect": "perhaps"}, "InvalidDenyAssignmentEffect"),
        ({"condition": "@Resource[x", "conditionVersion": "2.0"}, "InvalidCondition"),
        ({"isSystemProtected": True}, "DenyAssignmentIsSystemProtected"),
        ({"principals": 5}, "InvalidRequestContent"),
    ],
)
async def test_what_cannot_be_written_changes_nothing(studio: Studio, admin: Robot, change: dict[str, Any], code: str) -> None:
    ada = await studio.user(1)
    reply = await admin.ask(
        "PUT", f"{DENIES}/{guid(500)}", denial(ada.oid, **change) if "principals" not in change else {**denial(), **change}
    )
    assert (reply.status // 100, reply.code) == (4, code), reply.body
    assert (await admin.ask("GET", f"{DENIES}/{guid(500)}")).status == 404


async def test_who_may_deny_must_be_allowed_to_assign_roles_as_well(studio: Studio) -> None:
    ada = await studio.user(1)
    only_denies = guid(300)
    role = {
        "roleName": "Denier",
        "assignableScopes": [GROUP],
        "permissions": [{"actions": ["Microsoft.Authorization/denyAssignments/*", "*/read"]}],
    }
    await studio.put(f"{GROUP}/{AUTHORIZATION}/roleDefinitions/{only_denies}", role)
    denier, contributor = await studio.robot(2, only_denies, GROUP), await studio.robot(3, CONTRIBUTOR, GROUP)
    for robot in (denier, contributor):
        assert (await robot.ask("PUT", f"{DENIES}/{guid(500)}", denial(ada.oid))).code == "AuthorizationFailed"
    await studio.put(f"{DENIES}/{guid(500)}", denial(ada.oid))
    for robot in (denier, contributor):
        assert (await robot.ask("DELETE", f"{DENIES}/{guid(500)}")).status == 403
        assert (await robot.ask("PUT", f"{DENIES}/{guid(500)}", denial(ada.oid, excludePrincipals=[{"id": ada.oid}]))).status == 403


# ── who gets out of their reach ──────────────────────────────────────────────────────────────────────────────────

DIRECTORY = "/providers/Studiolo.Directory"
ACCESS_ADMINISTRATOR = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
ROLES_ADMINISTRATOR = "f58310d9-a9f6-439a-9e8d-f62e7b41a168"


async def graph(by: Robot, method: str, path: str, body: dict[str, Any] | None = None) -> Reply:
    return await call(by.studio.front, method, f"/v1.0/{path}", body=body or b"", headers={"authorization": f"Bearer {by.token}"})


async def test_nobody_joins_a_group_that_is_spared_who_could_not_lift_the_denial(studio: Studio, admin: Robot) -> None:
    """The owner of the group, or of one that lies in it, by whatever call; whoever could remove the deny assignment may."""
    mallory = await studio.robot(1, READER, HERE)
    await studio.group(10)
    await studio.group(11, guid(10))
    for number in (10, 11):
        await studio.assign(200 + number, mallory.oid, OWNER, f"{DIRECTORY}/groups/{guid(number)}")
    spared = denial(EVERYONE, excludePrincipals=[{"id": admin.oid}, {"id": guid(11)}])
    assert (await admin.ask("PUT", f"{DENIES}/{guid(500)}", spared)).status == 201
    for number in (10, 11):
        path, wanted = (
            f"{DIRECTORY}/groups/{guid(number)}",
            {"displayName": "g", "members": [mallory.oid, *([guid(10)] if number == 11 else [])]},
        )
        for method in ("PUT", "PATCH"):
            reply = await mallory.ask(method, path, wanted)
            assert (reply.status, reply.code) == (403, "MembershipUndoesDenial"), reply.body
        reference = {"@odata.id": f"https://graph.microsoft.com/v1.0/directoryObjects/{mallory.oid}"}
        refused = await graph(mallory, "POST", f"groups/{guid(number)}/members/$ref", reference)
        assert refused.json()["error"]["innerError"]["code"] == "MembershipUndoesDenial"
    assert not await mallory.may_read()
    await studio.assign(300, mallory.oid, ROLES_ADMINISTRATOR, GROUP)  # it gives roles, and takes no denial back
    assert (await mallory.ask("PATCH", f"{DIRECTORY}/groups/{guid(10)}", {"members": [mallory.oid]})).status == 403
    await studio.assign(301, mallory.oid, ACCESS_ADMINISTRATOR, GROUP)
    assert (await mallory.ask("PATCH", f"{DIRECTORY}/groups/{guid(10)}", {"members": [mallory.oid]})).status == 200
    assert await mallory.may_read()


async def test_nobody_takes_over_who_is_spared_who_could_not_lift_the_denial(studio: Studio, admin: Robot) -> None:
    ada, strong = await studio.user(1), await studio.robot(2)
    owner = await studio.robot(3, OWNER, f"{DIRECTORY}/users/{ada.oid}")
    await studio.assign(200, owner.oid, OWNER, f"{DIRECTORY}/applications/{guid(0xA002)}")
    spared = denial(EVERYONE, excludePrincipals=[{"id": admin.oid}, {"id": ada.oid}, {"id": strong.oid}])
    assert (await admin.ask("PUT", f"{DENIES}/{guid(500)}", spared)).status == 201
    taking = (f"users/{ada.oid}/createPasswordLink", f"applications/{guid(0xA002)}/addPassword")
    for path in taking:
        assert (await owner.ask("POST", f"{DIRECTORY}/{path}")).code == "MembershipUndoesDenial"
        assert (await admin.ask("POST", f"{DIRECTORY}/{path}")).status == 200


@pytest.mark.parametrize("way", ["members", "graph", "nested", "group", "person", "application"])
async def test_nobody_gets_out_of_a_denial_that_they_could_not_lift(studio: Studio, admin: Robot, way: str) -> None:
    """By leaving a denied group, taking an inner group out of it, removing it, or removing the denied one to be made anew."""
    mallory = await studio.robot(1, READER, HERE)
    await studio.group(10, mallory.oid)
    await studio.group(11, guid(10))
    owned = (f"groups/{guid(10)}", f"groups/{guid(11)}", f"servicePrincipals/{mallory.oid}", f"applications/{guid(0xA001)}")
    for number, path in enumerate(owned):
        await studio.assign(200 + number, mallory.oid, OWNER, f"{DIRECTORY}/{path}")
    assert (await admin.ask("PUT", f"{DENIES}/{guid(500)}", denial(guid(11)))).status == 201

    async def leave(by: Robot) -> Reply:
        match way:
            case "members":
                return await by.ask("PATCH", f"{DIRECTORY}/groups/{guid(10)}", {"members": []})
            case "graph":
                return await graph(by, "DELETE", f"groups/{guid(10)}/members/{mallory.oid}/$ref")
            case "nested":
                return await by.ask("PATCH", f"{DIRECTORY}/groups/{guid(11)}", {"members": [mallory.oid]})
            case _:
                at = {"group": 1, "person": 2, "application": 3}[way]
                return await by.ask("DELETE", f"{DIRECTORY}/{owned[at]}")

    refused = await leave(mallory)
    error = refused.json()["error"]
    assert (refused.status, error.get("innerError", error)["code"]) == (403, "MembershipUndoesDenial")
    assert not await mallory.may_read()
    assert (await leave(admin)).status in (200, 202, 204)


async def test_who_joins_a_denied_group_or_leaves_a_spared_one_is_free_to(studio: Studio, admin: Robot) -> None:
    mallory = await studio.robot(1, READER, HERE)
    await studio.group(10)
    await studio.group(11, mallory.oid)
    for number in (10, 11):
        await studio.assign(200 + number, mallory.oid, OWNER, f"{DIRECTORY}/groups/{guid(number)}")
    deny = denial(guid(10), excludePrincipals=[{"id": guid(11)}])
    assert (await admin.ask("PUT", f"{DENIES}/{guid(500)}", deny)).status == 201
    assert (await mallory.ask("PATCH", f"{DIRECTORY}/groups/{guid(10)}", {"members": [mallory.oid]})).status == 200
    assert (await mallory.ask("PATCH", f"{DIRECTORY}/groups/{guid(11)}", {"members": []})).status == 200
    assert not await mallory.may_read()


# ── what belongs to the platform ─────────────────────────────────────────────────────────────────────────────────


async def test_an_owner_of_everything_tries_each_verb_on_what_the_platform_owns(studio: Studio, admin: Robot) -> None:
    identity = await studio.principals.ensure_identity(parse(f"{GROUP}/providers/Test.Rooms/things/box"))
    await studio.assign(400, identity.principal_id, READER, GROUP, PLATFORM)
    guards = (await admin.ask("GET", f"/{AUTHORIZATION}/denyAssignments")).json()["value"]
    assert len(guards) == 3
    assert all(each["properties"]["isSystemProtected"] for each in guards)
    owned: list[tuple[str, dict[str, Any]]] = [
        (f"{GROUP}/{AUTHORIZATION}/roleAssignments/{guid(400)}", {"principalId": identity.principal_id, "roleDefinitionId": READER}),
        (
            f"/{AUTHORIZATION}/roleDefinitions/{READER}",
            {"roleName": "Reader", "permissions": [{"actions": ["*"]}], "assignableScopes": [HERE]},
        ),
        (f"/providers/Studiolo.Directory/servicePrincipals/{identity.principal_id}", {"displayName": "mine", "accountEnabled": False}),
        *((each["id"], {**each["properties"], "isSystemProtected": False}) for each in guards),
    ]
    for path, properties in owned:
        before = (await admin.ask("GET", path)).body
        for reply in (
            await admin.ask("PUT", path, properties),
            await admin.ask("DELETE", path),
            await admin.ask("PATCH", path, properties),
        ):
            assert reply.status in (403, 405), (path, reply.body)
        assert (await admin.ask("GET", path)).body == before


async def test_what_users_own_they_change(studio: Studio, admin: Robot) -> None:
    ada = await studio.user(1)
    robot = await studio.robot(2)
    path = f"{GROUP}/{AUTHORIZATION}/roleAssignments/{guid(401)}"
    assert (await admin.ask("PUT", path, {"principalId": ada.oid, "roleDefinitionId": READER})).status == 201
    assert (await admin.ask("DELETE", path)).status == 200
    assert (await admin.ask("DELETE", f"/providers/Studiolo.Directory/servicePrincipals/{robot.oid}")).status == 200


# ── the last owner ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_nobody_locks_everybody_out_by_a_deny(studio: Studio, admin: Robot) -> None:
    ada = await studio.user(1)
    everything = [{"actions": ["*"]}]
    for scope in ("", HERE, GROUP):
        path = f"{scope}/{AUTHORIZATION}/denyAssignments/{guid(500)}"
        deny = denial(EVERYONE, excludePrincipals=[{"id": ada.oid}], permissions=everything)
        reply = await admin.ask("PUT", path, deny)
        assert (reply.status, reply.code) == (409, "LastOwner"), (scope, reply.body)
    spared = denial(EVERYONE, excludePrincipals=[{"id": admin.oid}], permissions=everything)
    assert (await admin.ask("PUT", f"{DENIES}/{guid(500)}", spared)).status == 201
    owner = Caller(studio.beginning.owner)
    assert not await studio.gate.may(owner, "Test.Rooms/things/read", GROUP)
    assert (await admin.ask("DELETE", f"{DENIES}/{guid(500)}")).status == 200
    assert await studio.gate.may(owner, "Test.Rooms/things/read", GROUP)

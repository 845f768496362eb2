"""Nobody grants, by whatever way, what they could not grant by an assignment; and the last owner stays."""

from typing import Any

import pytest

from studiolo.kernel.faults import Conflict, Forbidden
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import PLATFORM, Caller
from tests.support.studio import AUTHORIZATION, GROUP, HERE, OWNER, READER, Robot, Studio, guid

pytestmark = pytest.mark.anyio

RBAC_ADMINISTRATOR = "f58310d9-a9f6-439a-9e8d-f62e7b41a168"
ACCESS_ADMINISTRATOR = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
GRANT = "Microsoft.Authorization/roleAssignments"
DIRECTORY = "/providers/Studiolo.Directory"


def only(roles: str, kinds: str = "'User', 'ServicePrincipal'") -> str:
    """The condition of a delegate who may give and take these roles, to principals of these types."""
    return (
        f"((!(ActionMatches{{'{GRANT}/write'}})) OR (@Request[{GRANT}:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{roles}}} "
        f"AND @Request[{GRANT}:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {{{kinds}}})) AND "
        f"((!(ActionMatches{{'{GRANT}/delete'}})) OR (@Resource[{GRANT}:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{roles}}}))"
    )


async def delegate(studio: Studio, condition: str, scope: str = GROUP, number: int = 5) -> Robot:
    return await studio.robot(number, RBAC_ADMINISTRATOR, scope, condition=condition, conditionVersion="2.0")


def giving(oid: str, role: str, kind: str = "User", **more: Any) -> dict[str, Any]:
    return {"principalId": oid, "principalType": kind, "roleDefinitionId": role, **more}


PATH = f"{GROUP}/{AUTHORIZATION}/roleAssignments/{guid(100)}"


async def test_a_delegate_gives_what_the_condition_names_and_nothing_else(studio: Studio) -> None:
    ada, team = await studio.user(1), await studio.group(10)
    by = await delegate(studio, only(READER))
    assert (await by.ask("PUT", PATH, giving(ada.oid, READER))).status == 201
    for path, properties in (
        (PATH.replace(guid(100), guid(101)), giving(ada.oid, CONTRIBUTOR)),
        (PATH.replace(guid(100), guid(101)), giving(team, READER, "Group")),
        (PATH.replace(guid(100), guid(101)), giving(by.oid, OWNER, "ServicePrincipal")),
        (f"{HERE}/{AUTHORIZATION}/roleAssignments/{guid(101)}", giving(ada.oid, READER)),
    ):
        assert (await by.ask("PUT", path, properties)).code == "AuthorizationFailed"
    await studio.assign(102, ada.oid, CONTRIBUTOR, GROUP)
    assert (await by.ask("DELETE", PATH.replace(guid(100), guid(102)))).code == "AuthorizationFailed"
    assert (await by.ask("DELETE", PATH)).status == 200


async def test_a_principal_id_can_be_the_limit(studio: Studio) -> None:
    ada, bob = await studio.user(1), await studio.user(2)
    condition = f"!(ActionMatches{{'{GRANT}/write'}}) OR @Request[{GRANT}:PrincipalId] GuidEquals {ada.oid}"
    by = await delegate(studio, condition)
    assert (await by.ask("PUT", PATH, giving(ada.oid, READER))).status == 201
    assert (await by.ask("PUT", PATH.replace(guid(100), guid(101)), giving(bob.oid, READER))).code == "AuthorizationFailed"


async def test_a_delegate_gives_a_role_that_gives_roles_under_its_own_condition_alone(studio: Studio) -> None:
    other = await studio.robot(6)
    condition = only(f"{READER}, {RBAC_ADMINISTRATOR}, {ACCESS_ADMINISTRATOR}")
    by = await delegate(studio, condition)
    for role in (RBAC_ADMINISTRATOR, ACCESS_ADMINISTRATOR):
        for more in ({}, {"condition": only(OWNER), "conditionVersion": "2.0"}):
            reply = await by.ask("PUT", PATH, giving(other.oid, role, "ServicePrincipal", **more))
            assert (reply.status, reply.code) == (403, "RoleBeyondDelegation"), reply.body
    bound = {"condition": condition, "conditionVersion": "2.0"}
    assert (await by.ask("PUT", PATH, giving(other.oid, RBAC_ADMINISTRATOR, "ServicePrincipal", **bound))).status == 201
    assert (await other.ask("PUT", PATH.replace(guid(100), guid(101)), giving(other.oid, OWNER, "ServicePrincipal"))).status == 403
    # Nor does it take the condition off again, or pass over the check with a reason.
    override = {"checks": ["L6"], "reason": "because I want to"}
    for more in ({}, {"studioloOverride": override}):
        reply = await by.ask("PUT", PATH, giving(other.oid, RBAC_ADMINISTRATOR, "ServicePrincipal", **more))
        assert reply.code == "RoleBeyondDelegation"


async def test_a_delegate_widens_no_custom_role(studio: Studio) -> None:
    role = {"roleName": "Looker", "assignableScopes": [GROUP], "permissions": [{"actions": ["Test.Rooms/things/read"]}]}
    path = f"{GROUP}/{AUTHORIZATION}/roleDefinitions/{guid(300)}"
    await studio.put(path, role)
    editor = {
        "roleName": "Editor",
        "assignableScopes": [GROUP],
        "permissions": [{"actions": ["Microsoft.Authorization/roleDefinitions/*"]}],
    }
    await studio.put(f"{GROUP}/{AUTHORIZATION}/roleDefinitions/{guid(301)}", editor)
    by = await delegate(studio, only(guid(300)))
    await studio.assign(101, by.oid, guid(301), GROUP)
    wide = {**role, "permissions": [{"actions": ["*"]}]}
    assert (await by.ask("PUT", path, wide)).code == "AuthorizationFailed"
    await studio.assign(102, by.oid, ACCESS_ADMINISTRATOR, GROUP)
    assert (await by.ask("PUT", path, wide)).status == 200


async def test_a_role_is_not_moved_away_from_under_its_holders(studio: Studio) -> None:
    ada, admin = await studio.user(1), await studio.robot(90, OWNER, "/")
    other = f"{HERE}/resourceGroups/rg2"
    role = {"roleName": "Looker", "assignableScopes": [GROUP, other], "permissions": [{"actions": ["Test.Rooms/things/read"]}]}
    path = f"{GROUP}/{AUTHORIZATION}/roleDefinitions/{guid(300)}"
    assert (await admin.ask("PUT", path, role)).status == 201
    await studio.assign(100, ada.oid, guid(300), other)
    assert (await admin.ask("PUT", path, {**role, "assignableScopes": [GROUP]})).code == "RoleDefinitionHasAssignments"
    assert (await admin.ask("DELETE", path)).code == "RoleDefinitionHasAssignments"
    assert (await admin.ask("PUT", path, {**role, "assignableScopes": [HERE]})).status == 200


async def test_whoever_adds_to_a_group_could_give_all_that_the_group_holds(studio: Studio) -> None:
    ada = await studio.user(1)
    await studio.group(10)
    await studio.group(11, guid(10))
    owner = await studio.robot(5, OWNER, f"{DIRECTORY}/groups/{guid(10)}")
    wanted = {"displayName": "team", "members": [ada.oid]}
    assert (await owner.ask("PUT", f"{DIRECTORY}/groups/{guid(10)}", wanted)).status == 200  # it holds nothing
    await studio.group(10)
    await studio.assign(100, guid(11), READER, GROUP)
    refused = await owner.ask("PUT", f"{DIRECTORY}/groups/{guid(10)}", wanted)
    assert (refused.status, refused.code) == (403, "MembershipBeyondDelegation")
    assert not await studio.gate.may(ada, "Test.Rooms/things/read", GROUP)
    condition = only(READER)
    await studio.assign(101, owner.oid, RBAC_ADMINISTRATOR, GROUP, condition=condition, conditionVersion="2.0")
    assert (await owner.ask("PUT", f"{DIRECTORY}/groups/{guid(10)}", wanted)).status == 200
    assert await studio.gate.may(ada, "Test.Rooms/things/read", GROUP)
    await studio.assign(102, guid(10), CONTRIBUTOR, GROUP)
    assert (await owner.ask("PUT", f"{DIRECTORY}/groups/{guid(10)}", {**wanted, "members": [ada.oid, owner.oid]})).status == 403
    assert (await owner.ask("PUT", f"{DIRECTORY}/groups/{guid(10)}", {**wanted, "members": []})).status == 200


async def test_whoever_makes_a_secret_could_give_all_that_the_application_holds(studio: Studio) -> None:
    strong = await studio.robot(6, CONTRIBUTOR, HERE)
    owner = await studio.robot(5, OWNER, f"{DIRECTORY}/applications/{guid(0xA006)}")
    path = f"{DIRECTORY}/applications/{guid(0xA006)}/addPassword"
    refused = await owner.ask("POST", path)
    assert (refused.status, refused.code) == (403, "MembershipBeyondDelegation")
    await studio.assign(100, owner.oid, ACCESS_ADMINISTRATOR, HERE)
    assert (await owner.ask("POST", path)).status == 200
    assert strong.oid


async def test_nobody_gives_themselves_an_attribute_on_which_roles_hang(studio: Studio) -> None:
    """Owner of one's own object is enough to be renamed, and no more."""
    mallory = await studio.robot(6)
    own = f"{DIRECTORY}/servicePrincipals/{mallory.oid}"
    await studio.assign(100, mallory.oid, OWNER, own)
    await studio.assign(101, mallory.oid, OWNER, f"{DIRECTORY}/users/{guid(7)}")
    condition = "@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Eng_Team] StringEquals 'red'"
    await studio.assign(102, mallory.oid, READER, GROUP, condition=condition, conditionVersion="2.0")
    red, rank = {"customSecurityAttributes": {"Eng": {"Team": "red"}}}, {"customSecurityAttributes": {"Eng": {"Rank": 1}}}
    for path, properties in ((own, red), (f"{DIRECTORY}/users/{guid(7)}", {"displayName": "new", **red})):
        refused = await mallory.ask("PATCH" if path == own else "PUT", path, properties)
        assert (refused.status, refused.code) == (403, "AttributesBeyondDelegation"), refused.body
    assert (await mallory.ask("PATCH", own, {"displayName": "other"})).status == 200
    assert not await mallory.may_read()
    under = await studio.robot(8, OWNER, own, condition="@Environment[isPrivateLink] BoolEquals false", conditionVersion="2.0")
    assert (await under.ask("PATCH", own, red)).code == "AttributesBeyondDelegation"
    admin = await studio.robot(90, OWNER, "/")
    assert (await admin.ask("PATCH", own, rank)).status == 200
    for other in ({"customSecurityAttributes": {"Eng": {"Rank": True}}}, {"customSecurityAttributes": None}):
        assert (await mallory.ask("PATCH", own, {"displayName": "third", **other})).code == "AttributesBeyondDelegation"
    assert (await mallory.ask("PATCH", own, {"displayName": "third", **rank})).status == 200
    assert (await admin.ask("PATCH", own, red)).status == 200
    assert await mallory.may_read()


# ── the last owner ───────────────────────────────────────────────────────────────────────────────────────────────


async def last(studio: Studio) -> Caller:
    """The one owner that is left at the root; the command line's application is one at the subscription."""
    return Caller(studio.beginning.owner, studio.tenant, "User")


async def refused(studio: Studio, by: Caller, method: str, path: str, properties: dict[str, Any] | None = None) -> str:
    id_, body = parse(path), {"properties": properties or {}}
    with pytest.raises((Conflict, Forbidden)) as caught:
        await (studio.control.delete(by, id_) if method == "DELETE" else studio.control.put(by, id_, body))
    return caught.value.code


async def test_the_last_owner_is_not_removed_disabled_or_relieved(studio: Studio) -> None:
    by = await last(studio)
    user = f"{DIRECTORY}/users/{by.oid}"
    own = next(each["id"] for each in await assignments(studio, by) if each["properties"]["principalId"] == by.oid)
    assert await refused(studio, by, "DELETE", user) == "LastOwner"
    assert await refused(studio, by, "PUT", user, {"displayName": "owner", "accountEnabled": False}) == "LastOwner"
    assert await refused(studio, by, "DELETE", own) == "LastOwner"
    await studio.user(1)
    await studio.assign(100, guid(1), OWNER, "/", by)
    await studio.put(user, {"displayName": "owner", "accountEnabled": False}, by)
    ada = Caller(guid(1), studio.tenant, "User")
    assert await refused(studio, ada, "DELETE", f"{DIRECTORY}/users/{guid(1)}") == "LastOwner"
    await studio.control.delete(ada, parse(own))


async def assignments(studio: Studio, by: Caller) -> list[dict[str, Any]]:
    from studiolo.kernel.ids import Collection

    found = await studio.access.role_assignments(by, Collection(None, GRANT, f"/providers/{GRANT}"), {"$filter": "atScope()"})
    return list(found)


async def test_an_owner_through_nested_groups_counts_and_its_groups_stay(studio: Studio) -> None:
    by = await last(studio)
    ada = await studio.user(1)
    await studio.group(10, ada.oid)
    await studio.group(11, guid(10))
    await studio.assign(100, guid(11), OWNER, "/", by)
    await studio.control.delete(by, parse(f"{DIRECTORY}/users/{by.oid}"))
    for path in (f"{DIRECTORY}/groups/{guid(10)}", f"{DIRECTORY}/groups/{guid(11)}", f"{DIRECTORY}/users/{ada.oid}"):
        assert await refused(studio, ada, "DELETE", path) == "LastOwner"
    for number in (10, 11):
        assert await refused(studio, ada, "PUT", f"{DIRECTORY}/groups/{guid(number)}", {"displayName": "g", "members": []}) == "LastOwner"


async def test_who_does_not_count_as_an_owner(studio: Studio) -> None:
    by = await last(studio)
    user = f"{DIRECTORY}/users/{by.oid}"
    private = {"condition": "@Environment[isPrivateLink] BoolEquals true", "conditionVersion": "2.0"}
    ada, bob = await studio.user(1), await studio.user(2, accountEnabled=False)
    robot = await studio.principals.ensure_identity(parse(f"{GROUP}/providers/Test.Rooms/things/box"))
    for number, oid, more in (
        (100, ada.oid, private),
        (101, ada.oid, {"endDateTime": "2999-01-01T00:00:00Z"}),
        (102, ada.oid, {"startDateTime": "2999-01-01T00:00:00Z"}),
        (103, bob.oid, {}),
        (104, robot.principal_id, {}),
    ):
        made = await studio.assign(number, oid, OWNER, "/", PLATFORM, **more)
        assert await refused(studio, by, "DELETE", user) == "LastOwner", number
        await studio.control.delete(PLATFORM, made)
    await studio.assign(105, ada.oid, OWNER, "/", by)
    await studio.control.delete(by, parse(user))


async def test_of_two_owners_who_remove_each_other_at_once_one_stays(studio: Studio) -> None:
    import asyncio

    by = await last(studio)
    ada = await studio.user(1)
    made = await studio.assign(100, ada.oid, OWNER, "/", by)
    own = next(each["id"] for each in await assignments(studio, by) if each["properties"]["principalId"] == by.oid)
    outcomes = await asyncio.gather(studio.control.delete(by, made), studio.control.delete(ada, parse(own)), return_exceptions=True)
    assert sum(isinstance(each, (Conflict, Forbidden)) for each in outcomes) == 1, outcomes
    assert sum([await studio.gate.may(each, f"{GRANT}/write", "/") for each in (by, ada)]) == 1


async def test_a_role_that_owners_of_a_subscription_hold_is_narrowed_while_there_is_an_owner_above(studio: Studio) -> None:
    by = await last(studio)
    ada = await studio.user(1)
    role = {"roleName": "Ruler", "assignableScopes": [HERE], "permissions": [{"actions": ["*"]}]}
    path = f"{HERE}/{AUTHORIZATION}/roleDefinitions/{guid(300)}"
    await studio.put(path, role, by)
    await studio.assign(100, ada.oid, guid(300), HERE, by)
    # With the root's owner there is always somebody at the subscription.
    await studio.put(path, {**role, "permissions": [{"actions": ["*/read"]}]}, by)

"""Management groups: a tree above subscriptions, in force for the next call."""

from typing import Any

import pytest

from tests.support.asgi import Reply
from tests.support.studio import AUTHORIZATION, GROUP, HERE, OWNER, READER, SUBSCRIPTION, Robot, Studio, guid

pytestmark = pytest.mark.anyio

CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
DENY = "Microsoft.Authorization/denyAssignments"
TREE = "/providers/Microsoft.Management/managementGroups"


def under(parent: str = "", **properties: Any) -> dict[str, Any]:
    return {**properties, **({"details": {"parent": {"id": f"{TREE}/{parent}"}}} if parent else {})}


@pytest.fixture
async def admin(studio: Studio) -> Robot:
    return await studio.robot(90, OWNER, "/")


async def make(admin: Robot, *names: str) -> None:
    """A line of groups, each under the one before."""
    for above, name in zip(("", *names), names, strict=False):
        reply = await admin.ask("PUT", f"{TREE}/{name}", under(above))
        assert reply.status == 200, reply.body


async def join(admin: Robot, group: str, subscription: str = SUBSCRIPTION) -> Reply:
    return await admin.ask("PUT", f"{TREE}/{group}/subscriptions/{subscription}", {})


async def test_a_group_is_made_shown_listed_changed_and_removed(studio: Studio, admin: Robot) -> None:
    made = await admin.ask("PUT", f"{TREE}/top", {"displayName": "Top"})
    assert made.status == 200
    found = made.json()["properties"]
    assert (found["displayName"], found["tenantId"], found["details"]["parent"]["name"]) == ("Top", studio.tenant, studio.tenant)
    await make(admin, "low")
    assert (await admin.ask("PUT", f"{TREE}/low", under("top", displayName="Low"))).json()["properties"]["details"]["version"] == 2
    shown = (await admin.ask("GET", f"{TREE}/LOW")).json()
    assert (shown["properties"]["displayName"], shown["properties"]["details"]["parent"]["name"]) == ("Low", "top")
    assert [each["name"] for each in (await admin.ask("GET", TREE)).json()["value"]] == ["low", "top"]
    assert (await admin.ask("DELETE", f"{TREE}/top")).code == "ManagementGroupNotEmpty"
    assert (await admin.ask("DELETE", f"{TREE}/low")).status == 200
    assert (await admin.ask("DELETE", f"{TREE}/top")).status == 200


async def test_roles_and_denies_at_a_group_hold_below_it_at_once_and_no_longer_when_the_subscription_leaves(
    studio: Studio, admin: Robot
) -> None:
    await make(admin, "top", "low")
    reader = await studio.robot(1, READER, f"{TREE}/top")
    assert not await reader.may_read()
    assert (await join(admin, "low")).status == 200
    assert await reader.may_read()
    deny = {"denyAssignmentName": "no", "principals": [{"id": reader.oid}], "permissions": [{"actions": ["Test.Rooms/*"]}]}
    assert (await admin.ask("PUT", f"{TREE}/low/{AUTHORIZATION}/denyAssignments/{guid(500)}", deny)).status == 201
    assert not await reader.may_read()
    assert (await admin.ask("PUT", f"{TREE}/other", {})).status == 200
    assert (await join(admin, "other")).status == 200  # a move: out of the one and into the other in one commit
    assert (await admin.ask("GET", f"{TREE}/low/subscriptions/{SUBSCRIPTION}")).status == 404
    assert not await reader.may_read()
    assert (await admin.ask("PUT", f"{TREE}/other", under("top"))).status == 200
    assert await reader.may_read()
    assert (await admin.ask("DELETE", f"{TREE}/other/subscriptions/{SUBSCRIPTION}")).status == 200
    assert not await reader.may_read()


async def test_what_lies_below_is_told(studio: Studio, admin: Robot) -> None:
    await make(admin, "top", "low")
    await join(admin, "low")
    told = (await admin.ask("GET", f"{TREE}/top/descendants")).json()["value"]
    assert [(each["name"], each["properties"]["parent"]["id"].rpartition("/")[2]) for each in told] == [
        ("low", "top"),
        (SUBSCRIPTION, "low"),
    ]
    assert (await admin.ask("GET", f"{TREE}/low/subscriptions")).json()["value"][0]["properties"]["parent"]["id"] == f"{TREE}/low"


async def test_an_explanation_and_the_lists_know_the_tree(studio: Studio, admin: Robot) -> None:
    ada = await studio.user(1)
    await make(admin, "top", "low")
    await join(admin, "low")
    await studio.assign(100, ada.oid, READER, f"{TREE}/top")
    told = (
        await admin.studio.ask("POST", f"{GROUP}/providers/Studiolo.Access/explain", {"who": ada.oid, "action": "Test.Rooms/things/read"})
    ).json()
    assert told["roleAssignments"][0]["way"] == "a management group above it"
    for scope in (GROUP, HERE, f"{TREE}/low", f"{TREE}/top"):
        listed = (await admin.ask("GET", f"{scope}/{AUTHORIZATION}/roleAssignments?$filter=principalId%20eq%20'{ada.oid}'")).json()["value"]
        assert [each["name"] for each in listed] == [guid(100)], scope
    await studio.assign(101, ada.oid, READER, GROUP)
    below = (await admin.ask("GET", f"{TREE}/top/{AUTHORIZATION}/roleAssignments")).json()["value"]
    assert {guid(100), guid(101)} <= {each["name"] for each in below}


async def test_no_circles_and_no_more_than_six_levels(studio: Studio, admin: Robot) -> None:
    names = [f"g{level}" for level in range(1, 7)]
    await make(admin, *names)
    assert (await admin.ask("PUT", f"{TREE}/g7", under("g6"))).code == "ManagementGroupTooDeep"
    assert (await admin.ask("PUT", f"{TREE}/g1", under("g6"))).code == "ManagementGroupCycle"
    assert (await admin.ask("PUT", f"{TREE}/g3", under("g3"))).code == "ManagementGroupCycle"
    await make(admin, "top")
    assert (await admin.ask("PUT", f"{TREE}/g1", under("top"))).code == "ManagementGroupTooDeep"
    assert (await admin.ask("PUT", f"{TREE}/g2", under("top"))).status == 200


async def test_what_is_not_there_is_not_named(studio: Studio, admin: Robot) -> None:
    assert (await admin.ask("PUT", f"{TREE}/low", under("nowhere"))).code == "ParentGroupNotFound"
    assert (await admin.ask("PUT", f"{TREE}/low", {"details": {"parent": {"id": GROUP}}})).code == "InvalidParentGroup"
    await make(admin, "top")
    assert (await join(admin, "top", guid(404))).code == "SubscriptionNotFound"
    assert (await join(admin, "nowhere")).code == "ParentResourceNotFound"
    assert (await admin.ask("PUT", f"{TREE}/{studio.tenant}", {})).status == 409


async def test_whoever_moves_a_subscription_owns_it_and_writes_both_groups(studio: Studio, admin: Robot) -> None:
    await make(admin, "top")
    await make(admin, "other")
    owner_here = await studio.robot(1, OWNER, HERE)
    groups_only = await studio.robot(2, CONTRIBUTOR, f"{TREE}/top")
    for robot in (owner_here, groups_only):
        assert (await join(robot, "top")).status == 403
    await studio.assign(101, owner_here.oid, OWNER, f"{TREE}/top")
    assert (await join(owner_here, "top")).status == 200
    assert (await join(owner_here, "other")).status == 403
    await studio.assign(102, owner_here.oid, OWNER, f"{TREE}/other")
    assert (await join(owner_here, "other")).status == 200


async def test_a_subscription_is_not_moved_where_nobody_could_give_roles_any_more(studio: Studio, admin: Robot) -> None:
    await make(admin, "closed")
    undenier = {"roleName": "Undenier", "assignableScopes": [f"{TREE}/closed"], "permissions": [{"actions": [f"{DENY}/*"]}]}
    await studio.put(f"{TREE}/closed/{AUTHORIZATION}/roleDefinitions/{guid(300)}", undenier)
    spared = await studio.robot(1, guid(300), f"{TREE}/closed")
    everybody = [{"id": "00000000-0000-0000-0000-000000000000"}]
    deny = {"denyAssignmentName": "shut", "principals": everybody, "excludePrincipals": [{"id": spared.oid}]}
    shut = {**deny, "permissions": [{"actions": ["Microsoft.Authorization/*"]}]}
    assert (await admin.ask("PUT", f"{TREE}/closed/{AUTHORIZATION}/denyAssignments/{guid(500)}", shut)).status == 201
    # The owner of everything may not assign roles inside any more, nor move things out of it, but may still move into it.
    reply = await join(admin, "closed")
    assert (reply.status, reply.code) == (409, "LastOwner"), reply.body
    # Whoever alone can take the deny assignment back stays.
    assert (await admin.ask("DELETE", f"/providers/Studiolo.Directory/servicePrincipals/{spared.oid}")).code == "LastOwner"
    assert (await admin.ask("DELETE", f"/providers/Studiolo.Directory/applications/{guid(0xA001)}")).code == "LastOwner"


async def test_a_custom_role_for_a_group_is_assigned_below_it(studio: Studio, admin: Robot) -> None:
    ada = await studio.user(1)
    await make(admin, "top")
    role = {"roleName": "Things", "assignableScopes": [f"{TREE}/top"], "permissions": [{"actions": ["Test.Rooms/*"]}]}
    made = await admin.ask("PUT", f"{TREE}/top/{AUTHORIZATION}/roleDefinitions/{guid(300)}", role)
    assert made.status == 201, made.body
    wanted = {"principalId": ada.oid, "roleDefinitionId": f"{HERE}/{AUTHORIZATION}/roleDefinitions/{guid(300)}"}
    path = f"{GROUP}/{AUTHORIZATION}/roleAssignments/{guid(100)}"
    assert (await admin.ask("PUT", path, wanted)).code == "RoleDefinitionNotAssignable"
    await join(admin, "top")
    assert (await admin.ask("PUT", path, wanted)).status == 201
    names = [
        each["properties"]["roleName"] for each in (await admin.ask("GET", f"{GROUP}/{AUTHORIZATION}/roleDefinitions")).json()["value"]
    ]
    assert "Things" in names
    data = {**role, "roleName": "Data", "permissions": [{"dataActions": ["Test.Rooms/*"]}]}
    assert (await admin.ask("PUT", f"{TREE}/top/{AUTHORIZATION}/roleDefinitions/{guid(301)}", data)).code == "InvalidRoleDefinitionScope"


async def test_the_tree_is_there_again_after_a_restart(studio: Studio, admin: Robot) -> None:
    from studiolo.app.tree import ScopeTree

    await make(admin, "top", "low")
    await join(admin, "low")
    fresh = ScopeTree(studio.store, studio.seals)
    await fresh.load()
    for tree in (fresh, studio.tree):
        assert {f"{TREE}/low".lower(), f"{TREE}/top".lower()} <= set(tree.hierarchy().chain(HERE))

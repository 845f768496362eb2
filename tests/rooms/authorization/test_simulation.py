"""What a planned change of the tree, of schedules or at another moment would do, asked over the wire and then done."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rooms.authorization.test_seals import workspace
from tests.support.asgi import Reply
from tests.support.studio import GROUP, HERE, OWNER, READER, SUBSCRIPTION, Robot, Studio, guid

pytestmark = pytest.mark.anyio

TREE = "/providers/Microsoft.Management/managementGroups"
WORKSPACES = f"{GROUP}/providers/Microsoft.MachineLearningServices/workspaces"
HUB, PROJECT, BARE = (f"{WORKSPACES}/{name}" for name in ("hub", "project", "bare"))
RIGHTS = "f58310d9-a9f6-439a-9e8d-f62e7b41a168"  # Role Based Access Control Administrator
ASSIGN = "Microsoft.Authorization/roleAssignments/write"
Told = dict[str, dict[str, tuple[bool, bool]]]


@pytest.fixture
async def admin(studio: Studio) -> Robot:
    return await studio.robot(90, OWNER, "/")


async def asked(by: Robot, scope: str = "/", at: str | None = None, **change: Any) -> Reply:
    place = "" if scope == "/" else scope
    body = {"change": change, **({"at": at} if at else {})}
    return await by.studio.ask("POST", f"{place}/providers/Studiolo.Access/simulate", body, token=by.token)


def told(reply: Reply, action: str = ASSIGN) -> Told:
    """By principal and scope, whether it gains and whether it loses an action."""
    assert reply.status == 200, reply.body
    found: Told = {}
    for shift in reply.json()["value"]:
        turns = tuple(action in [turn["action"] for turn in shift[side]] for side in ("gains", "loses"))
        for one in shift["principals"]:
            found.setdefault(one["id"], {}).setdefault(shift["scope"], (turns[0], turns[1]))
    return found


@pytest.fixture
async def groups(studio: Studio) -> Studio:
    """`top` over `low`, which holds the subscription, and `other` beside them; Ada assigns in `low`, Bob in `other`."""
    for name, parent in (("top", ""), ("low", "top"), ("other", "")):
        await studio.put(f"{TREE}/{name}", {"details": {"parent": {"id": f"{TREE}/{parent}"}}} if parent else {})
    await studio.put(f"{TREE}/low/subscriptions/{SUBSCRIPTION}", {})
    for number, group in ((1, "low"), (2, "other")):
        await studio.assign(100 + number, (await studio.user(number)).oid, RIGHTS, f"{TREE}/{group}")
    return studio


async def test_a_subscription_that_moves_loses_whom_it_leaves_and_gains_whom_it_comes_to(groups: Studio, admin: Robot) -> None:
    version = groups.grants.version()
    move = {"id": HERE, "parent": f"{TREE}/other"}
    found = told(await asked(admin, move=[move]))
    assert found[guid(1)][HERE] == (False, True)
    assert found[guid(2)][HERE] == (True, False)
    assert groups.grants.version() == version
    assert told(await asked(admin, HERE, move=[move])) == found
    away = told(await asked(admin, move=[{"id": HERE.upper().replace("/SUBSCRIPTIONS", "/subscriptions")}]))
    assert (away[guid(1)][HERE], guid(2) in away) == ((False, True), False)
    # What was told is what happens.
    await groups.put(f"{TREE}/other/subscriptions/{SUBSCRIPTION}", {})
    assert [await can(groups, guid(number)) for number in (1, 2)] == [False, True]


async def can(studio: Studio, who: str) -> bool:
    reply = await studio.ask("POST", f"{HERE}/providers/Studiolo.Access/explain", {"who": who, "action": ASSIGN})
    return reply.json()["allowed"]


async def test_a_group_that_moves_takes_what_it_holds_with_it(groups: Studio, admin: Robot) -> None:
    found = told(await asked(admin, move=[{"id": f"{TREE}/low", "parent": f"{TREE}/other"}]))
    assert guid(1) not in found
    low = f"{TREE}/low".lower()
    # What is said of the group holds for the subscription in it, both before and after.
    assert found[guid(2)] == {low: (True, False)}
    swapped = [{"id": f"{TREE}/other", "parent": f"{TREE}/low"}, {"id": HERE, "parent": f"{TREE}/other"}]
    found = told(await asked(admin, move=swapped))
    # Ada keeps what she has in the subscription, which would lie in a group where she gains it.
    assert found[guid(1)] == {f"{TREE}/other".lower(): (True, False), HERE: (False, False)}
    assert found[guid(2)] == {HERE: (True, False)}


async def test_who_moves_in_mind_reads_what_moves_where_it_lies_and_where_it_would_lie(groups: Studio, admin: Robot) -> None:
    reader = await groups.robot(50, READER, HERE)
    move: dict[str, Any] = {"move": [{"id": HERE, "parent": f"{TREE}/other"}]}
    assert (await asked(reader, HERE, **move)).status == 403
    await groups.assign(150, reader.oid, READER, f"{TREE}/other")
    refused = await asked(reader, HERE, **move)
    assert refused.status == 403
    assert b"/low" not in refused.body.lower()
    await groups.assign(151, reader.oid, READER, f"{TREE}/low")
    assert guid(2) in told(await asked(reader, HERE, **move))
    hub: dict[str, Any] = {"hubs": [{"hub": HUB, "roleInheritance": "Projects"}]}
    elsewhere = await groups.robot(51, READER, f"{GROUP}/providers/Test.Rooms/things/box")
    assert (await asked(elsewhere, f"{GROUP}/providers/Test.Rooms/things/box", **hub)).status == 403


@pytest.fixture
async def hub(studio: Studio) -> Studio:
    """A hub where Ada assigns, a project of it, and a workspace that is neither."""
    await studio.store.commit(
        workspace(HUB, "Hub", {"roleInheritance": "None"}),
        workspace(PROJECT, "Project", {"hubResourceId": HUB}),
        workspace(BARE, "Default", {}),
    )
    await studio.assign(100, (await studio.user(1)).oid, RIGHTS, HUB)
    return studio


async def test_roles_that_would_reach_a_hubs_projects_or_no_longer(hub: Studio, admin: Robot) -> None:
    on: dict[str, Any] = {"hubs": [{"hub": HUB, "roleInheritance": "Projects"}]}
    off: dict[str, Any] = {"hubs": [{"hub": HUB, "roleInheritance": "None"}]}
    assert told(await asked(admin, **on)) == {guid(1): {PROJECT.lower(): (True, False)}}
    assert told(await asked(admin, PROJECT, **on)) == told(await asked(admin, HUB, **on)) == told(await asked(admin, **on))
    assert told(await asked(admin, **off)) == {}
    await hub.store.commit(workspace(HUB, "Hub", {"roleInheritance": "Projects"}))
    assert told(await asked(admin, **on)) == {}
    assert told(await asked(admin, **off)) == {guid(1): {PROJECT.lower(): (False, True)}}
    reader = await hub.robot(50, READER, HUB)  # it may read assignments in the project as long as the hub's roles reach it
    assert PROJECT.lower() in told(await asked(reader, HUB, **off))[guid(1)]
    await hub.store.commit(workspace(HUB, "Hub", {"roleInheritance": "None"}))
    assert told(await asked(reader, HUB, **on)) == {}


async def test_a_planned_assignment_counts_from_its_start_to_its_end(studio: Studio, admin: Robot) -> None:
    ada = await studio.user(1)
    bounds = {"startDateTime": "2100-01-01T01:00:00+01:00", "endDateTime": "2100-02-01T00:00:00Z"}
    plan: dict[str, Any] = {"assign": [{"role": RIGHTS, "who": ada.oid, "scope": GROUP, **bounds}]}
    gained: list[bool] = []
    for at in (None, "2099-12-31T23:59:59.999999Z", "2100-01-01T00:00:00Z", "2100-01-31T23:59:59Z", "2100-02-01T00:00:00Z"):
        reply = await asked(admin, at=at, **plan)
        gained.append(ada.oid in told(reply))
        assert reply.json().get("at") == (at and at.replace("00Z", "00.000000Z").replace("59Z", "59.000000Z"))
    assert gained == [False, False, True, True, False]


async def test_what_changes_when_a_role_is_taken_is_asked_for_the_moment_at_which_it_counts(studio: Studio, admin: Robot) -> None:
    ada = await studio.user(1)
    kept = await studio.assign(100, ada.oid, RIGHTS, GROUP, endDateTime="2100-02-01T00:00:00Z")
    assert told(await asked(admin, remove=[kept.text]))[ada.oid][GROUP.lower()] == (False, True)
    assert told(await asked(admin, at="2100-01-01T00:00:00Z", remove=[kept.text]))[ada.oid][GROUP.lower()] == (False, True)
    assert told(await asked(admin, at="2100-02-01T00:00:00Z", remove=[kept.text])) == {}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"hubs": [{"hub": f"{WORKSPACES}/none", "roleInheritance": "Projects"}]}, "HubNotFound"),
        ({"hubs": [{"hub": PROJECT, "roleInheritance": "Projects"}]}, "InvalidHub"),
        ({"hubs": [{"hub": BARE, "roleInheritance": "None"}]}, "InvalidHub"),
        ({"hubs": [{"hub": HUB, "roleInheritance": "All"}]}, "InvalidRequestContent"),
        ({"hubs": [{"hub": "hub", "roleInheritance": "None"}]}, "InvalidResourceId"),
        ({"hubs": [{"hub": HUB, "roleInheritance": "None"}] * 21}, "InvalidRequestContent"),
        ({"move": [{"id": f"/subscriptions/{guid(404)}", "parent": f"{TREE}/top"}]}, "SubscriptionNotFound"),
        ({"move": [{"id": f"{TREE}/nowhere", "parent": f"{TREE}/top"}]}, "ManagementGroupNotFound"),
        ({"move": [{"id": HERE, "parent": f"{TREE}/nowhere"}]}, "ParentGroupNotFound"),
        ({"move": [{"id": HERE, "parent": GROUP}]}, "InvalidParentGroup"),
        ({"move": [{"id": GROUP, "parent": f"{TREE}/top"}]}, "InvalidMove"),
        ({"move": [{"id": f"{TREE}/top", "parent": f"{TREE}/g2"}]}, "ManagementGroupCycle"),
        ({"move": [{"id": f"{TREE}/top", "parent": f"{TREE}/top"}]}, "ManagementGroupCycle"),
        ({"move": [{"id": f"{TREE}/a", "parent": f"{TREE}/b"}, {"id": f"{TREE}/b", "parent": f"{TREE}/a"}]}, "ManagementGroupCycle"),
        ({"move": [{"id": f"{TREE}/top", "parent": f"{TREE}/a"}]}, "ManagementGroupTooDeep"),
        ({"move": [{"id": HERE}] * 21}, "InvalidRequestContent"),
        ({"assign": [{"role": OWNER, "who": guid(1), "scope": GROUP, "startDateTime": "soon"}]}, "InvalidSchedule"),
        ({"assign": [{"role": OWNER, "who": guid(1), "scope": GROUP, "endDateTime": "2000-01-01T00:00:00Z"}]}, "InvalidSchedule"),
    ],
)
async def test_a_plan_that_cannot_be_is_refused(hub: Studio, admin: Robot, change: dict[str, Any], code: str) -> None:
    for above, name in (("", "top"), ("top", "g1"), ("g1", "g2"), ("g2", "g3"), ("g3", "g4"), ("g4", "g5"), ("", "a"), ("", "b")):
        await hub.put(f"{TREE}/{name}", {"details": {"parent": {"id": f"{TREE}/{above}"}}} if above else {})
    reply = await asked(admin, **change)
    assert (reply.code, 400 <= reply.status < 500) == (code, True)


async def test_the_roots_group_stays_and_a_moment_has_an_offset(groups: Studio, admin: Robot) -> None:
    assert (await asked(admin, move=[{"id": f"{TREE}/{groups.tenant}"}])).code == "RootGroupIsFixed"
    assert told(await asked(admin, move=[{"id": HERE, "parent": f"{TREE}/{groups.tenant}"}]))[guid(1)][HERE] == (False, True)
    for at in ("now", "2100-01-01T00:00:00", "2100-13-01T00:00:00Z", "0001-01-01T00:00:00+23:00"):
        assert (await asked(admin, at=at)).code == "InvalidMoment", at

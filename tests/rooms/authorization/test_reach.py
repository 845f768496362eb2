"""Who may, what somebody may, and what a change would do, asked over the wire."""

from __future__ import annotations

from typing import Any

import pytest

from studiolo.kernel.access.decision import Ask, decide
from tests.support.asgi import Reply
from tests.support.studio import AUTHORIZATION, GROUP, HERE, OWNER, READER, Studio, guid

pytestmark = pytest.mark.anyio

THING = f"{GROUP}/providers/Test.Rooms/things/box"
READ = "Test.Rooms/things/read"
ASSIGN = "Microsoft.Authorization/roleAssignments/write"
CONDITION = "@Resource[x:y] StringEquals 'a'"
ADMINISTRATOR = "f58310d9-a9f6-439a-9e8d-f62e7b41a168"  # Role Based Access Control Administrator


async def question(studio: Studio, name: str, scope: str = THING, **body: Any) -> Reply:
    return await studio.ask("POST", f"{scope}/providers/Studiolo.Access/{name}", body)


async def test_who_can_names_members_groups_and_conditions(studio: Studio) -> None:
    ada, bob, eve = [await studio.user(number) for number in (1, 2, 3)]
    await studio.group(10, ada.oid)
    await studio.group(11, guid(10))
    await studio.assign(100, guid(11), READER, GROUP)
    await studio.assign(101, bob.oid, READER, GROUP, condition=CONDITION, conditionVersion="2.0")
    told = (await question(studio, "whoCan", action=READ)).json()
    by_id = {each["principal"]["id"]: each for each in told["value"]}
    assert [group["displayName"] for group in by_id[ada.oid]["through"][0]["groups"]] == ["group-10", "group-11"]
    assert by_id[ada.oid]["isMember"]
    assert (by_id[bob.oid]["allowed"], by_id[bob.oid]["isConditional"]) == (False, True)
    assert by_id[bob.oid]["through"][0]["conditions"] == [CONDITION]
    assert eve.oid not in by_id
    assert told["version"] == studio.grants.version()


async def test_who_can_agrees_with_every_decision_and_pages(studio: Studio) -> None:
    people = [await studio.user(number) for number in range(1, 8)]
    await studio.group(10, *(each.oid for each in people[:3]))
    await studio.assign(100, guid(10), READER, HERE)
    await studio.assign(101, people[5].oid, OWNER, GROUP)
    found: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = (await question(studio, "whoCan", action=READ, top=2, **token)).json()
        assert len(page["value"]) <= 2
        found += [each["principal"]["id"] for each in page["value"] if each["allowed"]]
        if "skipToken" not in page:
            break
        token = {"skipToken": page["skipToken"]}
    everybody = [*(each.oid for each in people), guid(10), studio.beginning.owner]
    allowed = [oid for oid in everybody if decide(Ask(oid, READ, THING), await studio.grants.facts(oid)).allowed]
    assert set(allowed) <= set(found)
    assert not set(everybody) - set(allowed) & set(found)


async def test_can_lists_patterns_with_their_way(studio: Studio) -> None:
    ada = await studio.user(1)
    await studio.assign(100, ada.oid, READER, HERE)
    told = (await question(studio, "can", who=ada.oid)).json()
    (line,) = [each for each in told["patterns"] if not each["denies"]]  # the platform guards its own objects by denies
    assert (line["pattern"], line["scope"]) == ("*/read", HERE)
    assert line["path"][0] == THING.lower()
    assert line["path"][-1] == HERE


async def test_a_simulation_names_winners_and_losers_and_writes_nothing(studio: Studio) -> None:
    ada, bob = await studio.user(1), await studio.user(2)
    kept = await studio.assign(100, bob.oid, ADMINISTRATOR, GROUP)
    version = studio.grants.version()
    change = {"assign": [{"role": ADMINISTRATOR, "who": ada.oid, "scope": GROUP}], "remove": [kept.text]}
    told = (await question(studio, "simulate", HERE, change=change)).json()
    sides = {
        each["principals"][0]["id"]: ([t["action"] for t in each["gains"]], [t["action"] for t in each["loses"]]) for each in told["value"]
    }
    assert ASSIGN in sides[ada.oid][0]
    assert sides[ada.oid][1] == []
    assert ASSIGN in sides[bob.oid][1]
    assert {each["scope"] for each in told["value"]} == {GROUP.lower()}
    assert studio.grants.version() == version


async def test_a_refusal_says_who_could_grant_it_and_by_which_role(studio: Studio) -> None:
    ada, boss, guarded = [await studio.user(number) for number in (1, 2, 3)]
    await studio.assign(100, boss.oid, ADMINISTRATOR, GROUP)
    only_owner = f"@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{OWNER}}}"
    await studio.assign(101, guarded.oid, ADMINISTRATOR, GROUP, condition=only_owner, conditionVersion="2.0")
    told = (await question(studio, "explain", who=ada.oid, action="Microsoft.MachineLearningServices/workspaces/read")).json()
    first = told["couldBeGranted"]["roles"][0]
    able = [each["id"] for each in first["grantedBy"]]
    assert boss.oid in able
    assert guarded.oid not in able


async def test_only_readers_of_assignments_may_ask_and_changes_elsewhere_are_refused(studio: Studio) -> None:
    elsewhere = "/subscriptions/00000000-0000-0000-0000-000000000000"
    asked: list[tuple[str, dict[str, Any]]] = [("whoCan", {"action": READ}), ("can", {"who": "me"}), ("simulate", {"change": {}})]
    for name, body in asked:
        assert (await question(studio, name, elsewhere, **body)).status == 403
    change = {"assign": [{"role": OWNER, "who": "me", "scope": elsewhere}]}
    assert (await question(studio, "simulate", HERE, change=change)).status == 403


async def test_what_holds_here_from_the_root_is_told(studio: Studio) -> None:
    ada = await studio.user(1)
    await studio.assign(100, ada.oid, READER, "/")
    told = (await question(studio, "whoCan", action=READ)).json()
    (way,) = next(each for each in told["value"] if each["principal"]["id"] == ada.oid)["through"]
    assert way["scope"] == "/"


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("whoCan", {"action": "A.B/*"}, "InvalidAction"),
        ("whoCan", {"action": READ, "top": 0}, "InvalidRequestContent"),
        ("whoCan", {"action": READ, "skipToken": "!"}, "InvalidSkipToken"),
        ("can", {"who": "nobody"}, "PrincipalNotFound"),
        ("simulate", {"change": {"remove": [f"{GROUP}/{AUTHORIZATION}/roleAssignments/{guid(999)}"]}}, "RoleAssignmentNotFound"),
        ("simulate", {"change": {"colour": "red"}}, "InvalidRequestContent"),
        ("simulate", {"change": {"assign": [{"role": "no such", "who": "me", "scope": GROUP}]}}, "PrincipalNotFound"),
        ("simulate", {"change": {"assign": [{"role": OWNER, "who": "me", "scope": "/a" * 3000}]}}, "InvalidScope"),
    ],
)
async def test_a_question_that_cannot_be_answered_is_refused(studio: Studio, name: str, body: dict[str, Any], code: str) -> None:
    assert (await question(studio, name, GROUP, **body)).code == code

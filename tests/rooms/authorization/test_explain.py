import random
from typing import Any

import pytest

from studiolo.kernel.access.decision import Ask, decide
from tests.support.asgi import Reply
from tests.support.studio import AUTHORIZATION, GROUP, HERE, OWNER, READER, Studio, guid

pytestmark = pytest.mark.anyio

THING = f"{GROUP}/providers/Test.Rooms/things/box"
BLOB_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
BLOB_READ = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
NAME = "Microsoft.Storage/storageAccounts/blobServices/containers:name"


async def explain(studio: Studio, who: str, action: str, scope: str = THING, **rest: Any) -> Reply:
    path = "" if scope == "/" else scope
    return await studio.ask("POST", f"{path}/providers/Studiolo.Access/explain", {"who": who, "action": action, **rest})


async def test_an_explanation_names_the_row_that_decides_and_its_way(studio: Studio) -> None:
    ada = await studio.user(1, mail="ada@example.org")
    await studio.group(10, ada.oid)
    await studio.assign(100, guid(10), READER, HERE)
    for who in (ada.oid, "ada@example.org", "ADA@EXAMPLE.ORG", "user-1"):
        told = (await explain(studio, who, "Test.Rooms/things/read")).json()
        assert (told["allowed"], told["reason"]) == (True, "granted")
        assert told["deciding"] == [f"{HERE}/{AUTHORIZATION}/roleAssignments/{guid(100)}"]
        assert told["roleAssignments"][0]["way"] == "a scope above it"
        assert told["roleAssignments"][0]["blocks"][0]["pattern"] == "*/read"
        assert told["lines"][0].startswith("allow (granted)")
    assert (await explain(studio, ada.oid, "Test.Rooms/things/write")).json()["allowed"] is False


async def test_an_explanation_names_the_atoms_that_fail(studio: Studio) -> None:
    ada = await studio.user(1)
    condition = f"@Resource[{NAME}] StringStartsWith 'ws1-'"
    await studio.assign(100, ada.oid, BLOB_CONTRIBUTOR, GROUP, condition=condition, conditionVersion="2.0")
    account = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/sa"
    told = (await explain(studio, ada.oid, BLOB_READ, account, plane="data", resource={NAME: "ws2-data"})).json()
    note = told["roleAssignments"][0]["blocks"][0]["conditions"][0]
    assert (told["allowed"], note["value"]) == (False, "False")
    assert note["obstacles"][0]["attributes"] == [{"name": f"@Resource[{NAME}]", "value": "ws2-data"}]
    missing = (await explain(studio, ada.oid, BLOB_READ, account, plane="data")).json()
    assert missing["roleAssignments"][0]["blocks"][0]["conditions"][0]["value"] == "Unknown"
    assert (await explain(studio, ada.oid, BLOB_READ, account, plane="data", resource={NAME: "ws1-data"})).json()["allowed"] is True


async def test_the_command_lines_application_is_found_by_client_id_and_as_me(studio: Studio) -> None:
    for who in ("me", studio.beginning.cli_client_id, "studiolo-cli"):
        told = (await explain(studio, who, "Test.Rooms/things/read")).json()
        assert (told["principal"]["displayName"], told["allowed"]) == ("studiolo-cli", True)


async def test_explain_agrees_with_decide(studio: Studio) -> None:
    draw = random.Random(7)
    people = [await studio.user(number) for number in range(1, 5)]
    await studio.user(4, accountEnabled=False)
    await studio.group(10, *(each.oid for each in people[:2]))
    scopes = [HERE, GROUP, THING]
    holders = [*(each.oid for each in people), guid(10)]
    every = [(holder, role, scope) for holder in holders for role in (READER, OWNER, BLOB_CONTRIBUTOR) for scope in scopes]
    for number, (holder, role, scope) in enumerate(draw.sample(every, 12), 100):
        await studio.assign(number, holder, role, scope)
    seen: set[bool] = set()
    for _ in range(60):
        person, scope = draw.choice(people), draw.choice(scopes)
        action = draw.choice(["Test.Rooms/things/read", "Test.Rooms/things/write", BLOB_READ])
        told = (await explain(studio, person.oid, action, scope, plane="control")).json()
        verdict = decide(Ask(person.oid, action, scope), await studio.grants.facts(person.oid))
        assert (told["allowed"], told["reason"], tuple(told["deciding"])) == (verdict.allowed, verdict.reason, verdict.deciding)
        assert told["allowed"] == await studio.gate.may(person, action, scope)
        seen.add(told["allowed"])
    assert seen == {True, False}


async def test_an_explanation_tells_nothing_of_other_scopes(studio: Studio) -> None:
    ada = await studio.user(1)
    await studio.assign(100, ada.oid, OWNER, f"{HERE}/resourceGroups/secret-place")
    reply = await explain(studio, ada.oid, "Test.Rooms/things/read")
    assert reply.json()["elsewhere"] == 1
    assert b"secret-place" not in reply.body


async def test_only_readers_of_assignments_may_ask(studio: Studio) -> None:
    reply = await explain(studio, "me", "Test.Rooms/things/read", "/")
    assert (reply.status, reply.code) == (403, "AuthorizationFailed")
    assert (await explain(studio, "me", "Test.Rooms/things/read", "/subscriptions/00000000-0000-0000-0000-000000000000")).status == 403


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"who": "nobody", "action": "A.B/read"}, 404, "PrincipalNotFound"),
        ({"who": "me", "action": "A.B/*"}, 400, "InvalidAction"),
        ({"who": "me"}, 400, "InvalidRequestContent"),
        ({"who": "me", "action": "A.B/read", "plane": "astral"}, 400, "InvalidRequestContent"),
        ({"who": "me", "action": "A.B/read", "colour": "red"}, 400, "InvalidRequestContent"),
        ({"who": 5, "action": "A.B/read"}, 400, "InvalidRequestContent"),
    ],
)
async def test_a_question_that_cannot_be_read_is_refused(studio: Studio, body: dict[str, Any], status: int, code: str) -> None:
    reply = await studio.ask("POST", f"{GROUP}/providers/Studiolo.Access/explain", body)
    assert (reply.status, reply.code) == (status, code)


async def test_two_of_one_name_are_told_apart_by_object_id(studio: Studio) -> None:
    for number in (1, 2):
        await studio.put(f"/providers/Studiolo.Directory/users/{guid(number)}", {"displayName": "Ada"})
    reply = await explain(studio, "Ada", "Test.Rooms/things/read")
    assert reply.code == "AmbiguousPrincipal"
    assert guid(1) in reply.body.decode()

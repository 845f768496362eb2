"""What a list does not show leaves no trace: not in its pages, not in its status, not in what others say of it."""

from __future__ import annotations

import uuid
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.walls.house import Grant, House, Somebody
from tests.walls.test_attributes import ACCOUNTS, ML, NAME, give, workspace

pytestmark = pytest.mark.anyio


async def pages(house: House, path: str, who: Somebody, **query: str) -> list[list[str]]:
    """The names of each page, following the links as clients do."""
    found: list[list[str]] = []
    asked = dict(query)
    while True:
        reply = await house.arm("GET", path, who=who, query=asked)
        assert reply.status == 200, reply.body
        body = reply.json()
        found.append([each["name"] for each in body["value"]])
        if "nextLink" not in body:
            return found
        link: str = body["nextLink"]
        asked = {**query, "$skipToken": parse_qs(urlsplit(link).query)["$skipToken"][0]}


@pytest.fixture(scope="module")
async def names(house: House) -> list[str]:
    """Plain workspaces, made in this order, every other one for a mere reader to see."""
    made = ["p-hidden", "m-seen", "z-hidden", "a-seen", "k-hidden", "b-seen", "y-hidden"]
    for name in made:
        assert await workspace(house, name) == 201
    return made


@pytest.fixture(scope="module", params=["by a condition", "by plain roles"])
async def person(house: House, names: list[str], request: pytest.FixtureRequest) -> Somebody:
    """Somebody who may read those that end so."""
    if request.param == "by a condition":
        return await give(house, f"{NAME} StringLike '*-seen'", [f"{ML}/read"])
    scopes = [f"{house.group}/providers/{ML}/{name}" for name in names if name.endswith("-seen")]
    return await house.person("sees some", [Grant("Reader", scope) for scope in scopes])


@pytest.mark.parametrize("order", ["", "createdtime asc", "createdtime desc"])
async def test_pages_are_those_of_a_collection_without_what_is_hidden(house: House, person: Somebody, names: list[str], order: str) -> None:
    seen = [name for name in names if name.endswith("-seen")]
    expected = {"": sorted(seen), "createdtime asc": seen, "createdtime desc": seen[::-1]}[order]
    every, query = f"{house.group}/providers/{ML}", {"$orderBy": order} if order else {}
    for top in (1, 2, 3, 4):
        whole = [expected[at : at + top] for at in range(0, len(expected), top)]
        assert await pages(house, every, person, **query, **{"$top": str(top)}) == whole
    for skip in range(5):
        assert await pages(house, every, person, **query, **{"$skip": str(skip)}) == [expected[skip:]]


async def test_a_list_in_which_nothing_may_be_seen_is_refused_like_one_that_is_not_there(house: House) -> None:
    read = f"{ACCOUNTS}/deployments/read"
    by_name = f"@Resource[{ACCOUNTS}/deployments:name] StringEquals 'mine'"
    for condition in (by_name, "@Environment[UtcNow] DateTimeGreaterThan '2999-01-01T00:00:00Z'"):
        person = await give(house, condition, [read])
        told: set[tuple[int, bytes]] = set()
        for name in (house.project["name"], "nothere"):
            reply = await house.arm("GET", f"{house.group}/providers/{ACCOUNTS}/{name}/deployments", who=person)
            assert reply.status == 403
            told.add((reply.status, reply.json()["error"]["message"].replace(name, "~").encode()))
        assert len(told) == 1


async def test_a_hub_names_the_projects_that_its_reader_may_read(house: House) -> None:
    hub = f"{house.group}/providers/{ML}/hub"
    every = {house.project["id"], house.other["id"]}
    reads = Grant("Reader", hub)
    one, all_ = [Grant("Reader", house.other["id"])], [Grant("Reader", house.group)]
    for grants, expected in (([], set[str]()), (one, {house.other["id"]}), (all_, every)):
        person = await house.person("of the hub", [reads, *grants])
        for reply in (await house.arm("GET", hub, who=person), await house.arm("GET", hub.rpartition("/")[0], who=person)):
            body = reply.json()
            found = next(each for each in body.get("value", [body]) if each["name"] == "hub")
            assert set(found["properties"]["associatedWorkspaces"]) == expected


async def test_a_version_that_is_denied_is_not_read_by_the_name_of_the_newest(house: House) -> None:
    container = f"{house.project['id']}/components/mine"
    body = {
        "properties": {
            "componentSpec": {"name": "mine", "version": "1", "type": "command", "command": "true", "environment": "azureml:e:1"}
        }
    }
    for version in ("1", "2"):
        made = await house.arm("PUT", f"{container}/versions/{version}", body)
        assert made.status in (200, 201), made.body
    reader = await house.person("of all but one", [Grant("Reader", house.project["id"])])
    newest = f"{container}/versions/azureml_default"
    assert (await house.arm("GET", newest, who=reader)).json()["name"] == "2"
    denial = {
        "denyAssignmentName": "the newest",
        "permissions": [{"actions": ["*/read"]}],
        "principals": [{"id": reader.oid, "type": "ServicePrincipal"}],
    }
    made = await house.arm(
        "PUT", f"{container}/versions/2/providers/Microsoft.Authorization/denyAssignments/{uuid.uuid4()}", {"properties": denial}
    )
    assert made.status == 201, made.body
    assert (await house.arm("GET", f"{container}/versions/2", who=reader)).status == 403
    refused = await house.arm("GET", newest, who=reader)
    assert (refused.status, b"versions/2" in refused.body) == (404, False)


async def test_a_look_up_by_content_shows_what_may_be_read_of_the_workspace(house: House) -> None:
    codes = f"{house.project['id']}/codes"
    for name in ("mine", "theirs"):
        body = {"properties": {"codeUri": "https://example.invalid/x", "properties": {"hash_sha256": "c0ffee", "hash_version": "202208"}}}
        made = await house.arm("PUT", f"{codes}/{name}/versions/1", body)
        assert made.status in (200, 201), made.body
    asked = {"hash": "c0ffee", "hashVersion": "202208"}
    whole = await house.arm("GET", f"{codes}/mine/versions", query=asked)
    assert {each["id"].rsplit("/", 3)[1] for each in whole.json()["value"]} == {"mine", "theirs"}
    person = await house.person("of one", [Grant("Reader", f"{codes}/mine")])
    for name in ("mine", "nothere"):
        found = await house.arm("GET", f"{codes}/{name}/versions", query=asked, who=person)
        assert b"theirs" not in found.body


async def test_the_newest_are_shown_wherever_they_lie(house: House, names: list[str]) -> None:
    every = await pages(house, f"{house.subscription}/providers/{ML}", house.admin, **{"$orderBy": "createdtime desc", "$top": "100"})
    assert set(names) <= {name for page in every for name in page}


async def test_a_page_behind_the_last_one_is_empty(house: House) -> None:
    start = f"gone-{uuid.uuid4().hex[:6]}-"
    made = [f"{start}{number}" for number in range(2)]
    for name in made:
        assert await workspace(house, name) == 201
    person = await give(house, f"{NAME} StringStartsWith '{start}'", [f"{ML}/read"])
    every = f"{house.group}/providers/{ML}"
    first = await house.arm("GET", every, who=person, query={"$top": "1"})
    assert first.status == 200, first.body
    link: str = first.json()["nextLink"]
    assert (await house.arm("DELETE", f"{every}/{made[1]}")).status in (200, 202, 204)
    token = parse_qs(urlsplit(link).query)["$skipToken"][0]
    rest = await house.arm("GET", every, who=person, query={"$top": "1", "$skipToken": token})
    assert (rest.status, rest.json()["value"]) == (200, [])

"""What is absent and what is forbidden look alike: in status, headers and body, on every surface, for every verb."""

from __future__ import annotations

import re
import statistics
import time
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from studiolo.wire.rates import PROJECT, Rate
from tests.support.asgi import Reply
from tests.walls.house import House, opened
from tests.walls.matrix import Trial, trials
from tests.walls.test_attributes import give

pytestmark = pytest.mark.anyio

_GUID = r"(?:merged-)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
VARIES = re.compile("(?:merged-)?" + _GUID + r"|\d{4}-\d\d-\d\dT[0-9:.]+Z|\w{3}, \d\d \w{3} \d{4} [0-9:]{8} GMT")
_IDS = frozenset({"x-ms-request-id", "x-ms-correlation-request-id", "x-request-id", "x-studiolo-decision-id", "date", "content-length"})


def shown(reply: Reply, *names: str) -> tuple[object, ...]:
    """An answer without ids, times and the names that were asked for."""
    body = reply.body.decode("latin-1")
    for name in names:
        body = re.sub(re.escape(name), "*", body, flags=re.IGNORECASE)
    headers = {name: value for name, value in reply.headers.items() if name not in _IDS}
    return reply.status, headers, VARIES.sub("~", body)


@pytest.fixture(scope="module")
async def furnished(house: House) -> House:
    """The studio, with one of everything that the pairs ask for."""
    own = house.people["managed identity"]
    made = await house.blob("PUT", f"/{house.container}/there.txt", b"there", who=own)
    assert made.status == 201
    for kind, properties in {
        "data": {"dataUri": "azureml://datastores/workspaceblobstore/paths/there.txt", "dataType": "uri_file"},
        "environments": {"image": "x/y:1"},
    }.items():
        written = await house.arm("PUT", f"{house.project['id']}/{kind}/there/versions/1", {"properties": properties})
        assert written.status in (200, 201), written.body
    return house


def pairs(house: House) -> list[tuple[str, str, str, str]]:
    """Host, and targets of something that is there and of something that is not, with the names that tell them apart."""
    first, other = house.project["id"], house.project["id"].replace("workspaces/first", "workspaces/frist")
    ml, blob = "main", "blob"
    found = [
        (ml, f"{first}/{rest}".rstrip("/"), f"{other}/{rest}".rstrip("/"), "api-version=2024-10-01")
        for rest in (
            "",
            "data",
            "data/there",
            "data/there/versions/1",
            "datastores/workspaceblobstore",
            "providers/Microsoft.Authorization/roleAssignments",
            "providers/Microsoft.Authorization/permissions",
            "providers/Studiolo.Access/explain",
            "providers/Studiolo.House/routes",
            "listKeys",
        )
    ]
    found += [
        (ml, f"{first}/{kind}/there{rest}", f"{first}/{kind}/three{rest}", "api-version=2024-10-01")
        for kind in ("data", "environments")
        for rest in ("", "/versions/1", "/versions")
    ]
    accounts = f"{house.group}/providers/Microsoft.CognitiveServices/accounts"
    found += [
        (ml, f"{accounts}/first{rest}", f"{accounts}/frist{rest}", "api-version=2024-10-01")
        for rest in ("", "/listKeys", "/deployments/chat")
    ]
    missing = house.workspace_id[:-4] + ("0000" if house.workspace_id[-4:] != "0000" else "1111")
    for rest in ("v1/models", "deployments", "deployments/chat", "v1/chat/completions", "v1/embeddings"):
        target = f"openai/{rest}"
        found.append((ml, f"/projects/{house.workspace_id}/{target}", f"/projects/{missing}/{target}", "api-version=2024-10-21"))
    found += [(ml, f"/projects/first/{rest}", f"/projects/frist/{rest}", "api-version=2024-10-21") for rest in ("openai/v1/models",)]
    box, absent = f"/{house.container}", f"/{missing}-blobstore"
    found += [
        (blob, f"{box}{rest}", f"{absent}{rest}", query)
        for rest, query in (
            ("", "restype=container"),
            ("", "restype=container&comp=list"),
            ("/there.txt", ""),
            ("/there.txt", "comp=tags"),
            ("/there.txt", "comp=blocklist"),
        )
    ]
    found += [(blob, f"{box}/there.txt", f"{box}/three.txt", query) for query in ("", "comp=tags", "comp=blocklist", "comp=metadata")]
    return found


async def ask(house: House, method: str, host: str, target: str, query: str, who: str) -> Reply:
    trial = Trial("pair", method, f"{target}?{query}" if query else target, host, "", "", None)
    body: bytes | dict[str, object] = (
        {"who": "me", "action": "a/b/read", "properties": {}, "model": "chat", "input": "x"} if method == "POST" else b""
    )
    headers = {"x-ms-version": "2025-11-05", "x-ms-blob-type": "BlockBlob", "content-length": "0"} if host == "blob" else {}
    return await replace(trial, body=body if host == "main" else b"", headers=headers).send(house, house.people[who])


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"])
@pytest.mark.parametrize("who", ["none", "other tenant", "other project", "expired"])
async def test_absent_and_forbidden_are_answered_alike(furnished: House, method: str, who: str) -> None:
    house = furnished
    missing = house.workspace_id[:-4] + ("0000" if house.workspace_id[-4:] != "0000" else "1111")
    for host, there, gone, query in pairs(house):
        replies = [await ask(house, method, host, target, query, who) for target in (there, gone)]
        names = ("first", "frist", "there.txt", "three.txt", "there", "three", house.workspace_id, missing)
        told = [shown(reply, *names) for reply in replies]
        assert told[0] == told[1], (method, who, there)
        assert replies[0].status >= 400
        assert len({"x-studiolo-decision-id" in reply.headers for reply in replies}) == 1, (method, who, there)


async def test_what_is_there_is_there(furnished: House) -> None:
    """Or pairs would prove nothing: who may read both finds the one and not the other."""
    found = 0
    for host, there, gone, query in pairs(furnished):
        present, absent = [await ask(furnished, "GET", host, target, query, "owner") for target in (there, gone)]
        found += present.status == 200 and absent.status != 200
    assert found > 15


async def test_who_may_not_make_a_project_learns_nothing_of_those_that_are_there(furnished: House) -> None:
    hub = furnished.project["properties"]["hubResourceId"]
    body = {"location": "local", "kind": "Project", "properties": {"hubResourceId": hub}}
    there, gone = furnished.project["id"], furnished.project["id"].replace("workspaces/first", "workspaces/frist")
    replies = [await furnished.arm("PUT", path, body, who=furnished.people["other project"]) for path in (there, gone)]
    assert [reply.status for reply in replies] == [403, 403]
    assert shown(replies[0], "first", "frist") == shown(replies[1], "first", "frist")


async def test_a_decision_that_is_not_for_the_caller_is_as_one_that_is_not_there(furnished: House) -> None:
    lost = await furnished.person("lost")
    refused = await furnished.arm("GET", furnished.project["id"], who=lost)
    made, absent = refused.headers["x-studiolo-decision-id"], str(uuid.uuid4())
    place = "/providers/Studiolo.Access/decisions"
    assert [(await furnished.arm("GET", f"{place}/{made}", who=who)).status for who in (lost, furnished.people["owner"])] == [200, 200]
    replies = [await furnished.arm("GET", f"{place}/{id_}", who=furnished.people["other project"]) for id_ in (made, absent)]
    assert replies[0].headers["x-ms-error-code"] == "DecisionNotFound"
    assert shown(replies[0]) == shown(replies[1])


async def test_who_is_refused_is_told_nothing_of_other_lists(furnished: House) -> None:
    """Lists above projects show nothing of a neighbour, filtered or not."""
    for trial in trials(furnished):
        if trial.is_list:
            reply = await trial.send(furnished, furnished.people["other project"])
            assert furnished.workspace_id.encode() not in reply.body, trial.label


@pytest.mark.slow
async def test_absent_and_forbidden_take_as_long(furnished: House) -> None:
    """Two thousand pairs, one after the other in turn; medians, and a second and third try before it counts as a difference."""
    house = furnished
    there, gone = house.project["id"], house.project["id"].replace("workspaces/first", "workspaces/frist")
    blob = f"/{house.container}/there.txt", f"/{house.container}/three.txt"
    for host, (one, other), query in (("main", (there, gone), "api-version=2024-10-01"), ("blob", blob, "")):
        for attempt in range(3):
            taken: tuple[list[float], list[float]] = ([], [])
            for number in range(2000):
                order = (0, 1) if number % 2 else (1, 0)
                for which in order:
                    began = time.perf_counter()
                    await ask(house, "GET", host, (one, other)[which], query, "other project")
                    taken[which].append(time.perf_counter() - began)
            medians = [statistics.median(each) for each in taken]
            if abs(medians[0] - medians[1]) < 0.15 * min(medians):
                break
            assert attempt < 2, (host, medians)


async def test_strangers_neither_use_up_a_projects_calls_nor_learn_that_it_is_busy(tmp_path: Path) -> None:
    async with opened(tmp_path, {PROJECT: Rate(0.001, 40)}) as house:
        stranger, absent = await house.person("stranger"), house.project["id"].replace("/first", "/nothere")
        assert {(await house.arm("GET", house.project["id"], who=stranger)).status for _ in range(60)} == {403}
        assert (await house.arm("GET", house.project["id"])).status == 200
        while (await house.arm("GET", house.project["id"])).status != 429:
            pass
        assert [(await house.arm("GET", path, who=stranger)).status for path in (house.project["id"], absent)] == [403, 403]


async def test_whoever_holds_a_right_in_a_project_uses_up_its_calls_whatever_the_right(tmp_path: Path) -> None:
    async with opened(tmp_path, {PROJECT: Rate(0.001, 40)}) as house:
        condition = "@Resource[Microsoft.MachineLearningServices/workspaces:kind] StringEquals 'Project'"
        person = await give(house, condition, ["Microsoft.MachineLearningServices/workspaces/read"])
        told = [(await house.arm("GET", house.project["id"], who=person)).status for _ in range(60)]
        assert (told[0], told[-1]) == (200, 429)


async def test_a_name_that_looks_like_a_part_of_an_address_counts_as_none(house: House) -> None:
    group = f"{house.subscription}/resourceGroups/containers"
    assert (await house.arm("PUT", group, {"location": "local"})).status == 201
    for path in (
        f"{group}/providers/Microsoft.MachineLearningServices/workspaces",
        f"{group}/providers/Microsoft.Authorization/roleAssignments",
    ):
        assert (await house.arm("GET", path)).status == 200

"""The protocol around the models: doors, errors and limits, spoken over a real connection by the unchanged client."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
from openai import AzureOpenAI, OpenAI

from studiolo.kernel.ids import parse
from studiolo.kernel.resource import PLATFORM
from studiolo.rooms.models.wire import PREFIXES, render
from studiolo.wire.front import Front, Nowhere
from studiolo.wire.http import Receive, Surface
from studiolo.wire.rates import Rate, Rates
from tests.rooms.models.conftest import ACCOUNT, OTHER, House, Studio
from tests.support import asgi
from tests.support.asgi import Application, Reply

HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
CHAT = {"model": "chat", "messages": HELLO}
CALLS = [("POST", "chat/completions"), ("POST", "embeddings"), ("GET", "models"), ("GET", "models/chat")]


@pytest.fixture
def client(studio: Studio) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{studio.url}/openai/v1", api_key=studio.key(), max_retries=0) as found:
        yield found


def post(studio: Studio, path: str, body: bytes | dict[str, Any], **headers: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    connection = http.client.HTTPConnection(urlsplit(studio.url).netloc, timeout=20)
    try:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("POST", path, raw, {"content-type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}"), dict(answer.getheaders())
    finally:
        connection.close()


def test_without_models_every_call_says_how_to_get_some_and_clients_do_not_try_again(studio: Studio) -> None:
    with OpenAI(base_url=f"{studio.url}/openai/v1", api_key=studio.key(), max_retries=5, timeout=10) as client:
        with pytest.raises(openai.InternalServerError, match="started with --no-model") as refused:
            client.chat.completions.create(model="chat", messages=HELLO)
        assert refused.value.status_code == 503
        assert refused.value.code == "ModelsAreOff"
        with pytest.raises(openai.InternalServerError, match="started with --no-model"):
            client.embeddings.create(model="embeddings", input="Hello")
        with pytest.raises(openai.InternalServerError, match="started with --no-model"):
            list(client.chat.completions.create(model="chat", messages=HELLO, stream=True))


@pytest.mark.parametrize("key", ["", "nonsense", "stu_" + "A" * 49])
def test_a_wrong_key_is_refused_as_such(studio: Studio, key: str) -> None:
    status, body, _ = post(studio, "/openai/v1/chat/completions", CHAT, authorization=f"Bearer {key}")
    assert (status, body["error"]["type"]) == (401, "invalid_request_error")
    assert body["error"]["code"] in ("invalid_api_key", "InvalidAuthenticationToken")
    assert "A" * 49 not in body["error"]["message"]


def test_a_key_works_in_both_headers_and_both_addresses(studio: Studio) -> None:
    key = studio.key()
    for path in ("/openai/v1", "/projects/triage/openai/v1", "/PROJECTS/Triage/OpenAI/v1"):
        for header in ({"api_key": key}, {"authorization": f"Bearer {key}"}):
            status, body, _ = post(studio, f"{path}/chat/completions", CHAT, **header)
            assert (status, body["error"]["code"]) == (503, "ModelsAreOff")


def test_a_key_of_another_project_and_a_project_that_is_not_there_look_alike(studio: Studio) -> None:
    for credential in ({"api_key": studio.key(OTHER)}, {"authorization": "Bearer token-of-stranger"}):
        closed = post(studio, "/projects/triage/openai/v1/chat/completions", CHAT, **credential)
        absent = post(studio, "/projects/absent/openai/v1/chat/completions", CHAT, **credential)
        assert closed[0] == absent[0] == 401
        assert json.dumps(closed[1]).replace("triage", "absent") == json.dumps(absent[1])


def door(house: House, **rates: Rate) -> Front:
    """The room's front door, with these rates."""
    surface = Surface("models", house.room.routes, house.kernel.control.gate, render, prefixes=PREFIXES)
    return Front([surface], lambda _: True, Nowhere(), rates=Rates(rates))


async def knock(front: Application, method: str, project: str, rest: str, who: str = "stranger") -> Reply:
    headers = {"authorization": f"Bearer token-of-{who}", "content-type": "application/json", "content-length": "1000"}
    return await asgi.call(front, method, f"/projects/{project}/openai/v1/{rest}", headers=headers, is_cut=True)


@pytest.mark.parametrize(("method", "rest"), CALLS)
async def test_a_closed_project_and_an_absent_one_wait_for_the_same_of_a_body(house: House, method: str, rest: str) -> None:
    """Who withholds the body learns nothing from whether it is asked for."""
    front, waits, told = door(house), dict[str, int](), list[str]()
    for project in ("triage", "absent"):

        async def watched(scope: dict[str, Any], receive: Receive, send: Any, project: str = project) -> None:
            async def counted() -> dict[str, Any]:
                waits[project] += 1
                return await receive()

            await front(scope, counted, send)

        waits[project] = 0
        reply = await knock(watched, method, project, rest)
        assert (reply.status, reply.code) == (401, "PermissionDenied")
        told.append(reply.body.decode().replace(project, "*"))
    assert told[0] == told[1]
    assert waits["triage"] == waits["absent"] == (2 if method == "POST" else 0)


@pytest.mark.parametrize(("method", "rest"), CALLS)
async def test_a_closed_project_and_an_absent_one_count_alike(house: House, method: str, rest: str) -> None:
    slow = Rate(0.0001, 2)  # nothing is gained back during the test
    for order in (["triage"] * 3, ["absent"] * 3, ["triage", "absent", "triage"], ["absent", "triage", "absent"]):
        front = door(house, principal=slow)
        assert [(await knock(front, method, project, rest)).status for project in order] == [401, 401, 429], order


@pytest.mark.parametrize(("method", "rest"), CALLS)
async def test_who_is_refused_uses_up_no_project_and_does_not_see_that_it_is_used_up(house: House, method: str, rest: str) -> None:
    front = door(house, project=Rate(0.0001, 2))
    for project in ("triage", "absent"):
        assert [(await knock(front, method, project, rest)).status for _ in range(4)] == [401] * 4
    own = [(await knock(front, method, "triage", rest, "model-user")).status for _ in range(3)]
    assert own[:2] == [400 if method == "POST" else 200] * 2
    assert own[2] == 429
    assert [(await knock(front, method, project, rest)).status for project in ("triage", "absent")] == [401, 401]


def test_a_token_is_judged_at_the_project(studio: Studio) -> None:
    token = {"authorization": "Bearer token-of-model-user"}
    assert post(studio, "/projects/triage/openai/v1/chat/completions", CHAT, **token)[1]["error"]["code"] == "ModelsAreOff"
    assert post(studio, "/projects/other/openai/v1/chat/completions", CHAT, **token)[1]["error"]["code"] == "PermissionDenied"
    assert post(studio, "/openai/v1/chat/completions", CHAT, **token)[1]["error"]["code"] == "ProjectMissing"
    forged = post(studio, "/projects/triage/openai/v1/chat/completions", CHAT, authorization="Bearer forged")
    assert (forged[0], forged[1]["error"]["code"]) == (401, "InvalidAuthenticationToken")


def test_a_regenerated_key_stops_at_the_next_call(studio: Studio) -> None:
    key = studio.call(studio.house.keys(OTHER))["secondary"]
    assert post(studio, "/openai/v1/chat/completions", CHAT, api_key=key)[0] == 503
    studio.call(studio.house.act(ACCOUNT.replace("triage", "other"), "regenerateKey", {"keyName": "Key2"}))
    assert post(studio, "/openai/v1/chat/completions", CHAT, api_key=key)[0] == 401


def test_an_account_without_local_keys_takes_none(studio: Studio) -> None:
    other = ACCOUNT.replace("triage", "other")
    key = studio.key(OTHER)
    for is_disabled, status in ((True, 401), (False, 503)):
        studio.call(studio.house.put(other, {"location": "local", "properties": {"disableLocalAuth": is_disabled}}))
        assert post(studio, "/openai/v1/chat/completions", CHAT, api_key=key)[0] == status


def test_an_identity_that_lost_its_role_takes_its_keys_along(studio: Studio) -> None:
    key = studio.key(OTHER)
    grants = studio.house.kernel.grants
    held = grants.roles.pop("identity-of-other")
    grants.changes += 1
    assert post(studio, "/openai/v1/chat/completions", CHAT, api_key=key)[1]["error"]["code"] == "PermissionDenied"
    grants.roles["identity-of-other"] = held
    grants.changes += 1
    assert post(studio, "/openai/v1/chat/completions", CHAT, api_key=key)[0] == 503


def test_a_deployment_that_is_not_there_is_not_found_and_one_that_was_removed_is_neither(client: OpenAI, studio: Studio) -> None:
    for model in ("gpt-4o", "../chat", "a" * 200, "chat/../chat"):
        with pytest.raises(openai.NotFoundError) as refused:
            client.chat.completions.create(model=model, messages=HELLO)
        assert refused.value.code == "DeploymentNotFound"
    id_ = f"{ACCOUNT}/deployments/short-lived"
    studio.call(studio.house.put(id_, {"properties": {"model": {"name": "gemma-3-270m"}}}))
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="short-lived", messages=HELLO)
    studio.call(studio.house.kernel.control.delete(PLATFORM, parse(id_)))
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="short-lived", messages=HELLO)


def test_azures_shape_wants_a_well_formed_api_version(studio: Studio) -> None:
    key = studio.key()
    path = "/openai/deployments/chat/chat/completions"
    assert post(studio, path, CHAT, api_key=key)[1]["error"]["code"] == "MissingApiVersionParameter"
    assert post(studio, f"{path}?api-version=soon", CHAT, api_key=key)[1]["error"]["code"] == "InvalidApiVersionParameter"
    assert post(studio, f"{path}?api-version=2099-01-01-preview", CHAT, api_key=key)[1]["error"]["code"] == "ModelsAreOff"
    with AzureOpenAI(azure_endpoint=studio.url, api_key=key, api_version="2024-10-21", max_retries=0) as client:
        assert sorted(model.id for model in client.models.list()) == ["chat", "embeddings"]


def test_what_the_models_do_not_do_is_refused_in_the_clients_own_terms(client: OpenAI) -> None:
    tool: Any = {"type": "function", "function": {"name": "f", "parameters": {}}}
    with pytest.raises(openai.BadRequestError, match="cannot call functions") as refused:
        client.chat.completions.create(model="chat", messages=HELLO, tools=[tool])
    assert (refused.value.code, refused.value.param, refused.value.type) == ("NotOffered", "tools", "invalid_request_error")
    with pytest.raises(openai.BadRequestError, match="Unrecognized request argument supplied: temprature"):
        client.chat.completions.create(model="chat", messages=HELLO, extra_body={"temprature": 1})


def test_bodies_too_large_too_deep_or_no_json_are_refused(studio: Studio) -> None:
    key = studio.key()
    path = "/openai/v1/chat/completions"
    assert post(studio, path, b" " * ((1 << 20) + 1), api_key=key)[0] == 413
    deep = b'{"messages":' + b"[" * 5000 + b"]" * 5000 + b"}"
    status, body, _ = post(studio, path, deep, api_key=key)
    assert status == 400
    assert "deeper than 64" in body["error"]["message"]
    status, body, headers = post(studio, path, b'{"messages"', api_key=key)
    assert (status, body["error"]["code"]) == (400, "invalid_json")
    assert headers["x-request-id"] == headers["x-ms-request-id"]


def test_a_body_without_a_model_is_told_that_one_is_missing(studio: Studio) -> None:
    status, body, _ = post(studio, "/openai/v1/chat/completions", {"messages": HELLO}, api_key=studio.key())
    assert (status, body["error"]["param"]) == (400, "model")


def test_other_verbs_and_paths_are_refused_in_the_same_shape(studio: Studio, client: OpenAI) -> None:
    status, body, _ = post(studio, "/openai/v1/images/generations", {"prompt": "x"}, api_key=studio.key())
    assert (status, body["error"]["type"]) == (404, "invalid_request_error")
    with pytest.raises(openai.APIStatusError) as refused:
        client.get("/chat/completions", cast_to=object)
    assert refused.value.status_code == 405


def test_a_deployment_can_be_read_by_its_name(client: OpenAI) -> None:
    found = client.models.retrieve("embeddings")
    assert (found.id, found.owned_by) == ("embeddings", "Sentence Transformers")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("absent")

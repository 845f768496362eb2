from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs

import msgspec
import pytest
from aiohttp import web

from studiolo.app.client import Client, Refusal, open_client
from studiolo.app.client.reach import check_metadata
from studiolo.kernel.faults import Fault, NotOffered, Unavailable
from studiolo.kernel.resource import JsonObject
from tests.app.stand_in import Say, StandIn, say, signed_in, stand_in, write

API = "2024-10-01-preview"
HUB = "/subscriptions/sub/resourceGroups/studiolo/providers/Microsoft.MachineLearningServices/workspaces/hub"
QUICK = {"x-ms-retry-after-ms": "1"}
HUB_BODY = {"name": "hub", "properties": {"provisioningState": "Succeeded"}}


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[StandIn, Client]]:
    async with signed_in(tmp_path / "home") as both:
        yield both


async def test_it_signs_in_once_and_shows_the_token_with_every_call(pair: tuple[StandIn, Client]) -> None:
    server, client = pair
    server.on("GET", HUB, say(HUB_BODY))
    for _ in range(3):
        assert await client.get(client.workspace_id("hub"), API) == HUB_BODY
    assert [call.headers["authorization"] for call in server.calls("GET", HUB)] == ["Bearer h.eyJvaWQiOiJtZSJ9.s"] * 3
    assert len(server.calls("POST", "/adfs/oauth2/token")) == 1
    form = parse_qs(server.bodies[1].decode(), strict_parsing=True)
    assert form["client_secret"] == [server.environment.client_secret]
    assert form["scope"] == [f"{server.url}/.default"]
    assert await client.principal() == "me"


async def test_names_are_quoted_into_paths(pair: tuple[StandIn, Client]) -> None:
    _, client = pair
    assert client.workspace_id("a/../b?c").endswith("/workspaces/a%2F..%2Fb%3Fc")


async def test_a_secret_is_not_sent_to_a_token_endpoint_elsewhere(pair: tuple[StandIn, Client]) -> None:
    server, client = pair
    server.on("GET", "/adfs/.well-known/openid-configuration", say({"token_endpoint": "https://evil.example/token"}))
    with pytest.raises(Unavailable) as refused:
        await client.get(HUB, API)
    assert refused.value.code == "ForeignAddress"
    assert len(server.seen) == 1


@pytest.mark.parametrize("header", ["azure-asyncoperation", "location"])
async def test_a_token_is_not_sent_where_an_operation_leads_astray(pair: tuple[StandIn, Client], header: str) -> None:
    server, client = pair
    server.on("PUT", HUB, say({}, 202, {**QUICK, header: f"https://127.0.0.1:{server.port}/operations/1"}))
    with pytest.raises(Unavailable) as refused:
        await client.write(HUB, API, {})
    assert refused.value.code == "ForeignAddress"


async def test_a_write_waits_for_its_operation_and_gives_the_thing_back(pair: tuple[StandIn, Client]) -> None:
    server, client = pair
    states: list[str] = []
    server.on(
        "PUT",
        HUB,
        say({"properties": {"provisioningState": "Creating"}}, 201, {**QUICK, "azure-asyncoperation": f"{server.url}/operations/1"}),
    )
    running, over = say({"status": "InProgress"}, 200, QUICK), say({"status": "Succeeded"})
    server.on("GET", "/operations/1", running, running, over)
    server.on("GET", HUB, say(HUB_BODY))
    assert await client.write(HUB, API, {"kind": "Hub"}, states.append) == HUB_BODY
    assert states == ["Creating", "InProgress", "InProgress"]


async def test_a_write_that_is_done_at_once_is_not_polled(pair: tuple[StandIn, Client]) -> None:
    server, client = pair
    server.on("PUT", HUB, say(HUB_BODY, 200))
    assert await client.write(HUB, API, {}) == HUB_BODY
    assert server.calls("GET", HUB) == []


async def test_a_write_whose_state_moves_in_the_thing_itself_is_polled_there(pair: tuple[StandIn, Client]) -> None:
    server, client = pair
    server.on("PUT", HUB, say({"properties": {"provisioningState": "Creating"}}, 200, QUICK))
    server.on("GET", HUB, say({"properties": {"provisioningState": "Creating"}}, 200, QUICK), say(HUB_BODY))
    assert await client.write(HUB, API, {}) == HUB_BODY


async def test_a_failed_operation_tells_its_own_error(pair: tuple[StandIn, Client]) -> None:
    server, client = pair
    server.on("PUT", HUB, say({}, 201, {**QUICK, "azure-asyncoperation": f"{server.url}/operations/1"}))
    server.on("GET", "/operations/1", say({"status": "Failed", "error": {"code": "QuotaExceeded", "message": "Too many hubs."}}))
    with pytest.raises(Refusal) as refused:
        await client.write(HUB, API, {})
    assert (refused.value.code, refused.value.message) == ("QuotaExceeded", "Too many hubs.")


@pytest.mark.parametrize("state", ["Failed", "Canceled"])
async def test_a_thing_that_could_not_be_made_is_not_given_back_as_made(pair: tuple[StandIn, Client], state: str) -> None:
    server, client = pair
    server.on("PUT", HUB, say({"properties": {"provisioningState": state}}, 201))
    with pytest.raises(Refusal) as refused:
        await client.write(HUB, API, {})
    assert refused.value.code == f"Operation{state}"


async def test_a_delete_follows_its_location_to_the_end(pair: tuple[StandIn, Client]) -> None:
    server, client = pair
    where = f"{server.url}/operations/2"
    server.on("DELETE", HUB, say({}, 202, {**QUICK, "location": where}))
    server.on("GET", "/operations/2", say({}, 202, {**QUICK, "location": where}), write(status=204))
    await client.delete(HUB, API)
    assert len(server.calls("GET", "/operations/2")) == 2


async def test_lists_go_on_to_the_last_page(pair: tuple[StandIn, Client]) -> None:
    server, client = pair
    server.on("GET", "/all", say({"value": [{"n": 1}], "nextLink": f"{server.url}/all?page=2"}), say({"value": [{"n": 2}]}))
    assert [item async for item in client.pages("/all", API, **{"$filter": "a eq 'b&c'"})] == [{"n": 1}, {"n": 2}]
    assert server.seen[2].query["$filter"] == "a eq 'b&c'"


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (say({"error": {"code": "AuthorizationFailed", "message": "No."}}, 403), "AuthorizationFailed", "No."),
        (say({"error": "invalid_client", "error_description": "Unknown."}, 401), "invalid_client", "Unknown."),
        (write("<html>", 502), "Http502", "502"),
        (say({"error": {"code": None, "message": None}}, 400), "Http400", "No reason"),
        (write("", 302, {"location": "https://evil.example/"}), "Http302", "302"),
        (write("hello"), "UnexpectedAnswer", "no JSON object"),
        (write("[1]"), "UnexpectedAnswer", "no JSON object"),
    ],
    ids=["ARM", "OAuth", "HTML", "empty", "redirect", "text", "list"],
)
async def test_a_refusal_keeps_the_servers_code_and_words(pair: tuple[StandIn, Client], answer: Say, code: str, message: str) -> None:
    server, client = pair
    server.on("GET", HUB, answer)
    with pytest.raises(Fault) as refused:
        await client.get(HUB, API)
    assert refused.value.code == code
    assert message in refused.value.message


async def test_what_is_not_there_can_be_asked_for(pair: tuple[StandIn, Client]) -> None:
    server, client = pair
    assert await client.find(HUB, API) is None
    server.on("GET", HUB, say({"error": {"code": "AuthorizationFailed", "message": "No."}}, 403))
    with pytest.raises(Refusal):
        await client.find(HUB, API)


async def test_an_answer_of_a_model_comes_in_pieces(pair: tuple[StandIn, Client]) -> None:
    server, client = pair

    def stream(_request: web.Request) -> web.Response:
        events: list[JsonObject] = [{"choices": []}, *({"choices": [{"delta": {"content": text}}]} for text in ("He", "llo", None))]
        text = b"".join(b"data: " + msgspec.json.encode(event) + b"\n\n" for event in events)
        return web.Response(body=text + b"data: [DONE]\n\n", content_type="text/event-stream")

    server.on("POST", "/openai/v1/chat/completions", stream)
    assert [piece async for piece in client.chat("chat", "Hi")] == ["He", "llo"]
    assert server.seen[0].headers["authorization"] == "Bearer key"


async def test_nothing_that_answers_is_told_with_what_to_do(tmp_path: Path) -> None:
    async with stand_in(tmp_path / "home") as server:
        environment, bundle = server.environment, server.home.bundle
    async with open_client(environment, bundle) as client:
        with pytest.raises(Unavailable) as refused:
            await client.get(HUB, API)
    assert refused.value.code == "ServerUnreachable"
    assert "studiolo up" in refused.value.message


async def test_another_studios_certificate_is_not_trusted(tmp_path: Path) -> None:
    async with (
        stand_in(tmp_path / "one") as one,
        stand_in(tmp_path / "two") as two,
        open_client(one.environment, two.home.bundle) as client,
    ):
        with pytest.raises(Unavailable) as refused:
            await client.get(HUB, API)
        assert refused.value.code == "CertificateNotTrusted"
        assert one.seen == []


async def test_a_missing_bundle_is_told(tmp_path: Path) -> None:
    async with stand_in(tmp_path / "one") as one:
        with pytest.raises(Unavailable) as refused:
            async with open_client(one.environment, tmp_path / "gone.pem"):
                pass
    assert refused.value.code == "BundleMissing"


async def test_unchanged_clients_may_rely_on_a_studio_that_names_itself(pair: tuple[StandIn, Client]) -> None:
    server, _ = pair
    server.on("GET", "/metadata/endpoints", say([{"name": "Studiolo", "resourceManager": f"{server.url}/"}]))
    headers = await check_metadata(server.url, server.home.bundle)
    assert "date" in headers


@pytest.mark.parametrize(
    "answer",
    [
        say([{"name": "Studiolo", "resourceManager": "https://management.azure.com/"}]),
        say([]),
        say({"name": "x"}),
        say([{}]),
        say([], 404),
        write("hello"),
    ],
    ids=["another cloud", "no cloud", "an object", "a cloud without address", "not found", "text"],
)
async def test_unchanged_clients_may_not_rely_on_anything_else(pair: tuple[StandIn, Client], answer: Say) -> None:
    server, _ = pair
    server.on("GET", "/metadata/endpoints", answer)
    with pytest.raises(Unavailable) as refused:
        await check_metadata(server.url, server.home.bundle)
    assert refused.value.code == "NotTheStudio"


async def test_unchanged_clients_may_not_rely_on_plain_http(tmp_path: Path) -> None:
    with pytest.raises(NotOffered):
        await check_metadata("http://localhost:8443", tmp_path)

"""The front door and the resource manager façade, over in-process HTTP."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from studiolo.kernel.faults import Unauthenticated
from studiolo.kernel.resource import Caller, ResourceType
from studiolo.wire.arm import ArmSurface
from studiolo.wire.front import Front, Nowhere
from studiolo.wire.http import Answer, Call, Guard, Permit, Public, Route, Surface
from studiolo.wire.render import render_arm
from tests.support.asgi import Reply, call
from tests.support.kernel import GROUP, OWNER, READER, STRANGER, Anything, Kernel, keep, open_kernel

pytestmark = pytest.mark.anyio

THING = f"{GROUP}/providers/Test.Rooms/things"
VERSION = "?api-version=2024-01-01"
PEOPLE = {"owner": OWNER, "reader": READER, "stranger": STRANGER}


class ByName:
    """Callers who say their name."""

    async def identify(self, call: Call) -> Caller:
        name = call.headers.get("x-name", "")
        if name not in PEOPLE:
            raise Unauthenticated("Sign in first.")
        return PEOPLE[name]


@dataclass
class House:
    kernel: Kernel
    front: Front

    async def ask(self, method: str, url: str, body: bytes | dict[str, object] = b"", *, who: str = "owner", **headers: str) -> Reply:
        return await call(
            self.front, method, url, body=body, headers={"x-name": who, **{k.replace("_", "-"): v for k, v in headers.items()}}
        )


async def _answers_without_asking(_: Call, __: Permit, ___: dict[str, str]) -> Answer:
    return Answer(200, b"secret")


async def _asks_for_another_action(request: Call, permit: Permit, _: dict[str, str]) -> Answer:
    await permit.require(OWNER, "Test.Rooms/things/delete", GROUP)
    return Answer(200, b"secret")


async def _fails(_: Call, __: Permit, ___: dict[str, str]) -> Answer:
    msg = "a secret detail"
    raise RuntimeError(msg)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    kernel = await open_kernel(tmp_path, ResourceType(name="Test.Rooms/things", schema=Anything, admit=keep, is_tracked=True))
    guard = Guard(("Test.Rooms/things/read",))
    routes = [
        Route("GET", "/odd/silent", guard, _answers_without_asking),
        Route("GET", "/odd/other", guard, _asks_for_another_action),
        Route("GET", "/odd/broken", Public("a test"), _fails),
    ]
    odd = Surface("odd", routes, kernel.control.gate, render_arm, prefixes=("odd",))
    front = Front([ArmSurface(kernel.control, ByName()), odd], lambda host: host in ("localhost", "127.0.0.1"), Nowhere())
    yield House(kernel, front)
    await kernel.close()


async def test_a_resource_is_made_read_listed_and_removed(house: House) -> None:
    made = await house.ask("PUT", f"{THING}/Box{VERSION}", {"location": "local", "properties": {"size": 1}})
    again = await house.ask("PUT", f"{THING}/box{VERSION}", {"location": "local", "properties": {"size": 2}})
    read = await house.ask("GET", f"{THING.replace('resourceGroups', 'resourcegroups')}/BOX{VERSION}")
    listed = await house.ask("GET", THING + VERSION)
    removed = await house.ask("DELETE", f"{THING}/box{VERSION}")
    gone = await house.ask("DELETE", f"{THING}/box{VERSION}")
    assert [reply.status for reply in (made, again, read, listed, removed, gone)] == [201, 200, 200, 200, 200, 204]
    assert read.json()["id"] == f"{THING}/Box"
    assert read.json()["properties"]["size"] == 2
    assert [each["name"] for each in listed.json()["value"]] == ["Box"]


async def test_every_answer_carries_its_ids_and_no_two_are_alike(house: House) -> None:
    replies = [await house.ask("GET", url) for url in (f"{THING}/x{VERSION}", "/nowhere", "/odd/broken", "/subscriptions/s1" + VERSION)]
    ids = {reply.headers["x-ms-request-id"] for reply in replies}
    assert len(ids) == len(replies)
    told = await house.ask("GET", "/nowhere", x_ms_correlation_request_id="mine")
    assert told.headers["x-ms-correlation-request-id"] == "mine"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "MissingApiVersionParameter"),
        ("?api-version=", "InvalidApiVersionParameter"),
        ("?api-version=latest", "InvalidApiVersionParameter"),
        ("?api-version=2024-01-01&api-version=2024-01-01", "InvalidQueryParameterValue"),
        ("?api-version=%ff", "InvalidQueryParameterValue"),
    ],
)
async def test_the_api_version_must_be_there_and_well_formed(house: House, query: str, code: str) -> None:
    reply = await house.ask("GET", f"{THING}/x{query}")
    assert (reply.status, reply.code) == (400, code)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff",
        b'{"location": 1}',
        b'{"location":"local","properties":{"size":"big"}}',
        b"[" * 100_000,
        b'{"a":' * 80,
    ],
)
async def test_a_malformed_body_is_refused_in_the_error_shape(house: House, body: bytes) -> None:
    reply = await house.ask("PUT", f"{THING}/box{VERSION}", body)
    assert reply.status == 400
    assert set(reply.json()["error"]) >= {"code", "message", "details", "additionalInfo"}
    assert (await house.ask("GET", f"{THING}/box{VERSION}")).status == 404


async def test_a_body_over_the_limit_is_refused_even_when_its_length_is_not_told(house: House) -> None:
    big = await call(house.front, "PUT", f"{THING}/box{VERSION}", pieces=[b"x" * 1_000_000] * 6, headers={"x-name": "owner"})
    told = await house.ask("PUT", f"{THING}/box{VERSION}", b"{}", content_length="99999999")
    assert (big.status, told.status) == (413, 413)


async def test_a_body_that_breaks_off_changes_nothing(house: House) -> None:
    cut = await call(house.front, "PUT", f"{THING}/box{VERSION}", body=b'{"location":"local"}', headers={"x-name": "owner"}, is_cut=True)
    assert (cut.status, cut.code) == (400, "IncompleteBody")
    assert (await house.ask("GET", f"{THING}/box{VERSION}")).status == 404


async def test_who_is_not_known_is_told_how_to_sign_in(house: House) -> None:
    reply = await house.ask("GET", f"{THING}/x{VERSION}", who="nobody")
    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith("Bearer ")


async def test_absent_and_forbidden_look_alike(house: House) -> None:
    await house.ask("PUT", f"{THING}/there{VERSION}", {"location": "local"})
    there, gone = [await house.ask("GET", f"{THING}/{name}{VERSION}", who="stranger") for name in ("there", "gone1")]
    assert there.status == gone.status == 403
    assert there.body.replace(b"there", b"gone1") == gone.body
    assert set(there.headers) == set(gone.headers)


async def test_an_answer_without_a_decision_is_withheld(house: House) -> None:
    silent, other = [await house.ask("GET", f"/odd/{path}") for path in ("silent", "other")]
    assert (silent.status, other.status) == (403, 403)
    assert b"secret" not in silent.body + other.body


async def test_a_route_that_declares_no_action_does_not_start(house: House) -> None:
    with pytest.raises(ValueError, match="declares no action"):
        Surface("bare", [Route("GET", "/bare", Guard(()), _answers_without_asking)], house.kernel.control.gate, render_arm)


async def test_a_failure_inside_tells_an_id_and_no_detail(house: House, caplog: pytest.LogCaptureFixture) -> None:
    reply = await house.ask("GET", "/odd/broken")
    assert reply.status == 500
    assert b"secret detail" not in reply.body
    assert reply.headers["x-ms-request-id"] in reply.body.decode()
    assert reply.headers["x-ms-request-id"] in caplog.text


async def test_other_host_names_are_refused(house: House) -> None:
    reply = await call(house.front, "GET", "/", host="evil.example:8443")
    assert (reply.status, reply.code) == (400, "InvalidHostName")


@pytest.mark.parametrize(
    "path",
    ["/subscriptions/s1/..", "/subscriptions/s1//x", "/subscriptions/s1%252f", "/subscriptions/s1/resourceGroups/%2e%2e", "/providers/x"],
)
async def test_paths_that_are_no_ids_are_refused(house: House, path: str) -> None:
    assert (await house.ask("GET", path + VERSION)).status == 400


async def test_stale_etags_are_answered_with_412(house: House) -> None:
    made = await house.ask("PUT", f"{THING}/box{VERSION}", {"location": "local"})
    fresh = await house.ask("PUT", f"{THING}/box{VERSION}", {"location": "local", "tags": {"a": "b"}}, if_match=made.headers["etag"])
    stale = await house.ask("PUT", f"{THING}/box{VERSION}", {"location": "local"}, if_match=made.headers["etag"])
    only_new = await house.ask("PUT", f"{THING}/box{VERSION}", {"location": "local"}, if_none_match="*")
    assert [reply.status for reply in (fresh, stale, only_new)] == [200, 412, 412]


async def test_a_list_goes_on_behind_its_next_link(house: House) -> None:
    for n in range(5):
        await house.ask("PUT", f"{THING}/box{n}{VERSION}", {"location": "local"})
    names: list[str] = []
    url = f"{THING}{VERSION}&$top=2"
    while url:
        page = (await house.ask("GET", url)).json()
        names += [each["name"] for each in page["value"]]
        url = page.get("nextLink", "").removeprefix("https://localhost:8443")
    assert names == [f"box{n}" for n in range(5)]

"""What a request must be before any surface sees it: names, pages, verbs, spellings, sizes, times and rates."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from studiolo.kernel.access.visibility import Filter
from studiolo.kernel.faults import Fault, Unauthenticated
from studiolo.kernel.record import Asked, Granted
from studiolo.kernel.resource import Caller
from studiolo.wire.front import Front, Nowhere
from studiolo.wire.http import Answer, Call, Guard, Limits, Permit, Public, Route, Surface
from studiolo.wire.rates import ANONYMOUS, DEFAULT_RATES, PRINCIPAL, PROJECT, SIGN_IN, Rate, Rates
from studiolo.wire.render import render_arm
from tests.support.asgi import Reply, call

pytestmark = pytest.mark.anyio

ORIGIN = "https://localhost:8443"
VERBS = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE")
PROJECT_SCOPE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"


class Yes:
    """A judge who allows everything."""

    async def require(self, caller: Caller, action: str, scope: str, **_: Any) -> Granted:
        return Granted()

    async def visible(self, caller: Caller, action: str, scope: str) -> Filter:
        return Filter.everything()

    async def lets_out(self, caller: Caller, action: str, scope: str, status: str, granted: Granted, code: str = "") -> None:
        return

    async def recorded(self, fault: Fault, asked: Asked) -> Fault:
        return fault


async def _hello(_: Call, __: Permit, ___: dict[str, str]) -> Answer:
    return Answer(200, b"hello")


async def _length(request: Call, _: Permit, __: dict[str, str]) -> Answer:
    return Answer(200, b"%d" % len(await request.body()))


async def _never(_: Call, __: Permit, ___: dict[str, str]) -> Answer:
    await asyncio.Event().wait()
    return Answer(200)


async def _known(request: Call, permit: Permit, _: dict[str, str]) -> Answer:
    if "authorization" not in request.headers:
        raise Unauthenticated("Sign in first.")
    await permit.require(Caller(request.headers["authorization"]), "a/b/read", PROJECT_SCOPE)
    return Answer(200, b"hello")


def front(rates: Mapping[str, Rate] | None = None) -> Front:
    """A front door with a few routes behind it."""
    small = Limits(body_bytes=1000, body_seconds=0.05, seconds=0.2, query_characters=50)
    routes = [Route(verb, "/a/{name}", Public("a test"), _hello) for verb in VERBS]
    routes += [
        Route("POST", "/a/x/length", Public("a test"), _length, limits=small),
        Route("GET", "/a/x/known", Guard(("a/b/read",)), _known),
    ]
    routes += [Route("GET", "/a/x/never", Public("a test"), _never, limits=small)]
    surface = Surface("a", routes, Yes(), render_arm, prefixes=("a",))
    files = Surface(
        "files", [Route("GET", "/{rest:path}", Public("a test"), _hello)], Yes(), render_arm, hosts=lambda h: h == "b.localhost"
    )
    return Front(
        [surface, files],
        lambda host: host in ("localhost", "127.0.0.1", "::1", "b.localhost"),
        Nowhere(),
        port=8443,
        origins=frozenset({ORIGIN}),
        rates=Rates({**DEFAULT_RATES, **(rates or {})}) if rates is not None else None,
    )


async def ask(method: str = "GET", path: str = "/a/b", *, to: Front | None = None, host: str = "localhost:8443", **headers: str) -> Reply:
    return await call(to or front(), method, path, host=host, headers={k.replace("_", "-"): v for k, v in headers.items()})


@pytest.mark.parametrize("host", ["localhost:8443", "LOCALHOST:8443", "127.0.0.1:8443", "[::1]:8443", "b.localhost:8443"])
async def test_our_own_names_are_answered(host: str) -> None:
    assert (await ask(host=host)).status in (200, 404)


@pytest.mark.parametrize("method", VERBS)
@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8443",
        "localhost",
        "localhost:443",
        "localhost:84430",
        "localhost:8443:8443",
        "localhost.:8443",
        "localhost:8443.evil.example",
        "localhost.evil.example:8443",
        "evil.localhost:8443",
        "a@localhost:8443",
        "localhost:8443@evil.example",
        "localhost:8443/",
        "localhost:+8443",
        "[::1%25eth0]:8443",
        "[0:0:0:0:0:0:0:1]:8443",
        "[::ffff:127.0.0.1]:8443",
        "::1:8443",
        "127.1:8443",
        "2130706433:8443",
        "0x7f000001:8443",
        "127.0.0.2:8443",
        "0.0.0.0:8443",
        "localhost:8443, evil.example",
        "localhost\t:8443",
        "locаlhost:8443",
    ],
)
async def test_other_names_are_refused_on_every_verb(method: str, host: str) -> None:
    scope_host = host.encode().decode("latin-1")
    reply = await ask(method, host=scope_host)
    assert reply.status == 400
    assert method == "HEAD" or reply.code == "InvalidHostName"


async def test_two_hosts_are_none() -> None:
    assert (await ask(Host="localhost:8443")).status == 400


@pytest.mark.parametrize("method", VERBS)
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:8443"},
        {"origin": "https://localhost"},
        {"origin": "https://localhost:3000"},
        {"origin": "https://b.localhost:8443"},
        {"origin": f"{ORIGIN}, https://evil.example"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "websocket"},
    ],
)
async def test_pages_of_others_are_refused_on_every_verb(method: str, headers: dict[str, str]) -> None:
    reply = await call(front(), method, "/a/b", headers=headers)
    assert reply.status == 403
    assert method == "HEAD" or reply.code == "CrossSiteRequest"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": ORIGIN},
        {"origin": ORIGIN, "sec-fetch-site": "same-origin"},
        {"origin": "null", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
    ],
)
async def test_our_own_pages_and_people_who_follow_a_link_are_let_in(headers: dict[str, str]) -> None:
    assert (await call(front(), "GET", "/a/b", headers=headers)).status == 200


async def test_no_answer_opens_itself_to_other_origins() -> None:
    replies = [await call(front(), verb, "/a/b", headers={"origin": ORIGIN}) for verb in VERBS]
    preflight = await ask("OPTIONS", origin=ORIGIN, access_control_request_method="PUT")
    assert preflight.status == 405
    assert not [name for reply in (*replies, preflight) for name in reply.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "OPTIONS", "PROPFIND", "MERGE", "BREW", "get", "GET\t"])
async def test_other_verbs_are_refused(method: str) -> None:
    reply = await ask(method)
    assert (reply.status, reply.code) == (405, "UnsupportedHttpVerb")


async def test_websockets_are_refused() -> None:
    assert (await ask(connection="Upgrade", upgrade="websocket")).code == "UpgradeNotOffered"
    assert (await ask(connection="Upgrade", upgrade="websocket", origin="https://evil.example")).status in (403, 501)
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    await front()({"type": "websocket", "path": "/a/b", "headers": []}, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


@pytest.mark.parametrize("coding", ["gzip, chunked", "chunked, chunked", "identity", "xchunked", ""])
async def test_bodies_are_framed_in_one_way_only(coding: str) -> None:
    assert (await ask("POST", transfer_encoding=coding)).code == "InvalidHttpRequest"
    assert (await ask("POST", transfer_encoding="chunked", content_length="5")).code == "InvalidHttpRequest"


@pytest.mark.parametrize(
    "path",
    [
        "/a//b",
        "//a/b",
        "/a/./b",
        "/a/../a/b",
        "/a/%2e%2e/a/b",
        "/a/.%2E/b",
        "/a/b/..",
        "/a%2fb",
        "/a/b%2Fc",
        "/a/b%5cc",
        "/a\\b",
        "/a/b%00",
        "/a/b%0d%0ax",
        "/a/b%7f",
        "/a/b%",
        "/a/b%zz",
        "/a/b%2",
        "/a/b%c0%af",
        "/a/b%e0%80%af",
        "/a/b%ff",
        "/a;x/b",
        "/a/b/",
        "/a./b",
        "/%61/b",
        "/a%20/b",
    ],
)
async def test_other_spellings_of_a_path_are_no_way_around(path: str) -> None:
    assert (await ask(path=path)).status in (400, 404)


@pytest.mark.parametrize("path", ["/A/b", "/a/%62", "/a/B"])
async def test_spellings_that_mean_the_same_are_answered_the_same(path: str) -> None:
    assert (await ask(path=path)).status == 200


async def test_every_answer_tells_browsers_to_be_careful() -> None:
    replies = [
        await ask(),
        await ask(path="/nowhere"),
        await ask("TRACE"),
        await ask(host="evil.example"),
        await ask(host="b.localhost:8443"),
        await ask(origin="https://evil.example"),
    ]
    for reply in replies:
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
        assert "unsafe-inline" not in reply.headers["content-security-policy"]
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert reply.headers["cross-origin-opener-policy"] == "same-origin"
        assert reply.headers["cross-origin-resource-policy"] == "same-origin"
        assert "camera=()" in reply.headers["permissions-policy"]
        assert reply.headers["cache-control"] == "no-store"


async def test_a_route_takes_no_more_than_it_declares() -> None:
    full, over = [await call(front(), "POST", "/a/x/length", body=b"x" * size) for size in (1000, 1001)]
    assert (full.status, over.status) == (200, 413)
    fields = {f"x-{n}": "y" for n in range(200)}
    assert (await call(front(), "GET", "/a/b", headers=fields)).code == "TooManyHeaderFields"


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not sent:
            sent.append({})
            return {"type": "http.request", "body": b"x", "more_body": True}
        await asyncio.Event().wait()
        return {}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/a/x/length", "raw_path": b"/a/x/length", "query_string": b"", "scheme": "https"}
    await front()({**scope, "headers": [(b"host", b"localhost:8443")], "client": ("127.0.0.1", 1)}, receive, send)
    assert sent[1]["status"] == 408
    assert (b"connection", b"close") in sent[1]["headers"]


async def test_an_answer_that_does_not_come_is_given_up() -> None:
    reply = await ask(path="/a/x/never")
    assert (reply.status, reply.code) == (503, "RequestTimedOut")
    assert int(reply.headers["retry-after"]) >= 1


# ── rates ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_address_signs_in_only_so_often() -> None:
    door = front({SIGN_IN: Rate(0.001, 3)})
    replies = [await ask("POST", "/a/b", to=door) for _ in range(5)]
    assert [reply.status for reply in replies] == [200, 200, 200, 429, 429]
    assert int(replies[-1].headers["retry-after"]) > 100
    assert (await ask("GET", "/a/x/known", to=door, authorization="somebody")).status == 200


async def test_a_flood_of_strangers_starves_nobody_who_is_signed_in() -> None:
    door = front({ANONYMOUS: Rate(0.001, 5)})
    strangers = [(await ask("GET", "/a/x/known", to=door)).status for _ in range(8)]
    assert strangers == [401] * 5 + [429] * 3
    assert [(await ask("GET", "/a/x/known", to=door, authorization="somebody")).status for _ in range(20)] == [200] * 20


async def test_a_caller_and_a_project_have_a_rate_of_their_own() -> None:
    door = front({PRINCIPAL: Rate(0.001, 2)})
    assert [(await ask("GET", "/a/x/known", to=door, authorization="one")).status for _ in range(3)] == [200, 200, 429]
    assert (await ask("GET", "/a/x/known", to=door, authorization="two")).status == 200
    door = front({PROJECT: Rate(0.001, 2)})
    assert [(await ask("GET", "/a/x/known", to=door, authorization=who)).status for who in ("one", "two", "three")] == [200, 200, 429]


async def test_many_addresses_take_bounded_memory() -> None:
    rates = Rates({SIGN_IN: Rate(1, 5)})
    for number in range(20_000):
        rates.charge_address(SIGN_IN, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(rates._buckets[SIGN_IN]._left) <= 16_384  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - memory shows nowhere else


async def test_an_ipv6_network_counts_as_one_address() -> None:
    door = Rates({SIGN_IN: Rate(0.001, 1)})
    door.charge_address(SIGN_IN, "2001:db8::1")
    with pytest.raises(Exception, match="too often"):
        door.charge_address(SIGN_IN, "2001:db8::2")
    door.charge_address(SIGN_IN, "2001:db8:0:1::1")

"""A server that speaks as much of the public API as a test tells it to, over real TLS, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from aiohttp import web

from studiolo.app.authority import Authority
from studiolo.app.client import Client, open_client
from studiolo.app.environment import ClientEnvironment
from studiolo.app.home import Home
from studiolo.app.server import listen

Say = Callable[[web.Request], web.StreamResponse]


@dataclass
class StandIn:
    """Answers by method and path; every request is kept with its headers."""

    home: Home
    port: int
    answers: dict[tuple[str, str], list[Say]] = field(default_factory=dict[tuple[str, str], list[Say]])
    seen: list[web.Request] = field(default_factory=list[web.Request])
    bodies: list[bytes] = field(default_factory=list[bytes])
    blobs: dict[str, bytes] = field(default_factory=dict[str, bytes])
    _blocks: dict[tuple[str, str], bytes] = field(default_factory=dict[tuple[str, str], bytes])

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def environment(self) -> ClientEnvironment:
        return ClientEnvironment(
            url=self.url,
            client_id="app",
            client_secret="p&ss=+ word",
            subscription="sub",
            resource_group="studiolo",
            hub="home",
            project="first-project",
            model_key="key",
        )

    def on(self, method: str, path: str, *says: Say) -> None:
        """Answer calls of this path one after the other; the last answer stays."""
        self.answers[method, path] = list(says)

    def calls(self, method: str, path: str) -> list[web.Request]:
        return [request for request in self.seen if (request.method, request.path) == (method, path)]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        body = await request.read()
        self.bodies.append(body)
        if request.host.startswith("acct.blob.core.localhost"):
            return self._blob(request, body)
        says = self.answers.get((request.method, request.path))
        if not says:
            return say({"error": {"code": "ResourceNotFound", "message": f"nothing at {request.path}"}}, 404)(request)
        return (says.pop(0) if len(says) > 1 else says[0])(request)

    def sign_in(self) -> None:
        """Serve the sign-in page and the token endpoint for tenant adfs."""
        self.on("GET", "/adfs/.well-known/openid-configuration", say({"token_endpoint": f"{self.url}/adfs/oauth2/token"}))
        self.on("POST", "/adfs/oauth2/token", say({"access_token": "h.eyJvaWQiOiJtZSJ9.s", "expires_in": 3600}))

    def _blob(self, request: web.Request, body: bytes) -> web.Response:
        query = parse_qs(request.raw_path.partition("?")[2], keep_blank_values=True)
        if query.get("sig") != ["a+b/c="]:
            xml = "<Error><Code>AuthenticationFailed</Code><Message>The signature does not match.\nTime: now</Message></Error>"
            return web.Response(status=403, text=xml, headers={"x-ms-error-code": "AuthenticationFailed"})
        name = unquote(request.raw_path.partition("?")[0]).removeprefix("/store/")
        kind = query.get("comp", [""])[0]
        if request.method == "PUT" and kind == "block":
            self._blocks[name, query["blockid"][0]] = body
        elif request.method == "PUT" and kind == "blocklist":
            ids = [part.partition("<")[0] for part in body.decode().split("<Latest>")[1:]]
            self.blobs[name] = b"".join(self._blocks[name, one] for one in ids)
        elif request.method == "PUT":
            self.blobs[name] = body
        elif kind == "list":
            return self._list(query["prefix"][0], query.get("marker", [""])[0])
        elif name in self.blobs:
            return web.Response(body=self.blobs[name])
        else:
            return web.Response(status=404)
        return web.Response(status=201)

    def _list(self, prefix: str, marker: str) -> web.Response:
        """Two blobs a page."""
        names = [name for name in sorted(self.blobs) if name.startswith(prefix) and name >= marker]
        rows = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties><Content-Length>{len(self.blobs[name])}</Content-Length></Properties></Blob>"
            for name in names[:2]
        )
        after = escape(names[2]) if len(names) > 2 else ""
        return web.Response(text=f"<EnumerationResults><Blobs>{rows}</Blobs><NextMarker>{after}</NextMarker></EnumerationResults>")


def say(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Say:
    """An answer with a JSON body."""
    return lambda _request: web.json_response(body, status=status, headers=headers)


def write(text: str = "", status: int = 200, headers: dict[str, str] | None = None) -> Say:
    """An answer with any body."""
    return lambda _request: web.Response(text=text, status=status, headers=headers)


@asynccontextmanager
async def stand_in(folder: Path) -> AsyncGenerator[StandIn]:
    """A stand-in that runs."""
    home = Home(folder)
    home.prepare()
    authority = Authority(home)
    authority.ensure((), datetime.now(UTC))
    authority.write_bundle(None)
    sockets = listen("localhost", 0)
    made = StandIn(home, sockets[0].getsockname()[1])
    application = web.Application(client_max_size=1 << 30)
    application.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    for opened in sockets:
        await web.SockSite(runner, opened, ssl_context=authority.server_context()).start()
    try:
        yield made
    finally:
        await runner.cleanup()
        for opened in sockets:
            opened.close()


@asynccontextmanager
async def signed_in(folder: Path) -> AsyncGenerator[tuple[StandIn, Client]]:
    """A stand-in and a client of it."""
    async with stand_in(folder) as server, open_client(server.environment, server.home.bundle) as client:
        server.sign_in()
        yield server, client

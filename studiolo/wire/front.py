"""The front door: one ASGI application that hands each call to the surface that its host or its path names."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from studiolo.kernel.faults import Fault, Invalid, NotFound
from studiolo.kernel.request import CALLER, REQUEST_ID
from studiolo.wire.http import Answer, Call
from studiolo.wire.render import render_arm

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
_log = logging.getLogger(__name__)
_SAFETY = (b"x-content-type-options", b"nosniff")
# Not for loopback's names: a browser would then refuse every other plain server on this machine for a year.
_TLS_ONLY = (b"strict-transport-security", b"max-age=31536000")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Answers(Protocol):
    """A surface, as the front sees it."""

    @property
    def name(self) -> str:
        """What the reference calls it."""
        ...

    @property
    def prefixes(self) -> Sequence[str]:
        """The first path segments that belong to it on the main host."""
        ...

    @property
    def hosts(self) -> Callable[[str], bool] | None:
        """Which host names belong to it; None: the main one."""
        ...

    async def answer(self, call: Call) -> Answer:
        """Answer one call; faults are rendered, never raised."""
        ...


class Front:
    """Reads the request line, chooses the surface, writes the answer. `is_known_host` is the list of names we answer to."""

    def __init__(self, surfaces: Sequence[Answers], is_known_host: Callable[[str], bool], fallback: Answers) -> None:
        self._by_host = [(surface.hosts, surface) for surface in surfaces if surface.hosts is not None]
        self._by_prefix: dict[str, Answers] = {prefix: s for s in surfaces if s.hosts is None for prefix in s.prefixes}
        self._fallback = fallback
        self._is_known_host = is_known_host
        # A request id is this process's random half and a counter: unique, and free of a system call per request.
        self._half = os.urandom(8).hex()
        self._count = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        if scope["type"] != "http":
            return
        request_id = f"{self._half[:8]}-{self._half[8:12]}-4{self._half[12:15]}-8000-{next(self._count):012x}"
        REQUEST_ID.set(request_id)
        CALLER.set("")
        call = _read(scope, receive, request_id)
        try:
            answer = await self._surface(call).answer(call)
        except Fault as fault:
            answer = render_arm(fault, call)
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001 - the outermost edge: a caller always gets an answer
            _log.exception("request %s failed", request_id)
            answer = render_arm(Fault(f"The server failed on this request; its log has the reason under {request_id}."), call)
        await _write(answer, call, send)

    def _surface(self, call: Call) -> Answers:
        if not self._is_known_host(call.host):
            raise Invalid(f"This server does not answer to the host name '{call.host[:100]}'.", code="InvalidHostName")
        for matches, surface in self._by_host:
            if matches(call.host):
                return surface
        first = call.path[1:].partition("/")[0]
        return self._by_prefix.get(first) or self._by_prefix.get(first.lower()) or self._fallback


def _read(scope: Mapping[str, Any], receive: Receive, request_id: str) -> Call:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1")
        headers[key] = f"{headers[key]}, {value.decode('latin-1')}" if key in headers else value.decode("latin-1")
    host, port = _host(headers.get("host", ""), scope)
    raw = scope.get("raw_path")
    client = scope.get("client")
    return Call(
        method=scope["method"],
        host=host,
        port=port,
        path=scope["path"],
        raw_path=raw.decode("latin-1") if raw else scope["path"],
        raw_query=scope["query_string"].decode("latin-1"),
        headers=headers,
        receive=receive,
        request_id=request_id,
        client=client[0] if client else "",
        scheme=scope.get("scheme", "https"),
    )


def _host(text: str, scope: Mapping[str, Any]) -> tuple[str, int]:
    default = 443 if scope.get("scheme", "https") == "https" else 80
    if text.startswith("["):
        name, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    else:
        name, _, port = text.partition(":")
    return name.lower().rstrip("."), int(port) if port.isdigit() and len(port) < 6 else default


async def _write(answer: Answer, call: Call, send: Send) -> None:
    body = answer.body
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    headers.append(_SAFETY)
    if not call.host.endswith(_LOOPBACK):
        headers.append(_TLS_ONLY)
    headers.append((b"x-ms-request-id", call.request_id.encode()))
    headers.append((b"x-ms-correlation-request-id", call.correlation_id.encode("latin-1")))
    if "x-ms-client-request-id" in call.headers:
        headers.append((b"x-ms-client-request-id", call.headers["x-ms-client-request-id"].encode("latin-1")))
    if isinstance(body, bytes):
        if answer.status not in (204, 304) and not any(name == b"content-length" for name, _ in headers):
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if call.method == "HEAD" else body})
        return
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    async for piece in body:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


class Nowhere:
    """What answers a path that no surface has."""

    name = "nowhere"
    prefixes: Sequence[str] = ()
    hosts = None

    async def answer(self, call: Call) -> Answer:
        """404 in the resource manager's shape."""
        return render_arm(NotFound(f"Nothing is served at '{call.path[:200]}'.", code="NotFound"), call)

"""The front door: one ASGI application that hands each call to the surface that its host or its path names."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from studiolo.kernel.faults import Fault, Invalid, NotFound, TooLarge
from studiolo.kernel.request import CALLER, REQUEST_ID
from studiolo.wire.entrance import MAX_FIELDS, check_framing, check_page, check_path, place_of
from studiolo.wire.freshness import Freshness, Versions
from studiolo.wire.http import Answer, Call, Judge, answer_of
from studiolo.wire.rates import Rates
from studiolo.wire.render import render_arm
from studiolo.wire.reply import Send, write
from studiolo.wire.watch import Watch

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
_log = logging.getLogger(__name__)
_REMEMBERED: Final = 4096


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

    @property
    def render(self) -> Callable[[Fault, Call], Answer]:
        """How its faults look: what the front refuses of its calls looks the same."""
        ...


class Front:
    """Reads the request line, refuses what nobody should see, chooses the surface, writes the answer.

    Args:
        surfaces: what answers.
        is_known_host: the list of names that we answer to.
        fallback: what answers where no surface does.
        port: the port that must stand in `Host`; None takes any.
        origins: the origins of our own pages; None takes the address that was asked.
        rates: how often who may call; None leaves it open.
        versions: who knows the version of the authorization store, which answers name; None names none.
        judge: who puts what is refused here on the record; None leaves it out.
    """

    def __init__(
        self,
        surfaces: Sequence[Answers],
        is_known_host: Callable[[str], bool],
        fallback: Answers,
        *,
        port: int | None = None,
        origins: frozenset[str] | None = None,
        rates: Rates | None = None,
        versions: Versions | None = None,
        judge: Judge | None = None,
    ) -> None:
        self._judge = judge
        self._by_host = [(surface.hosts, surface) for surface in surfaces if surface.hosts is not None]
        self._by_prefix: dict[str, Answers] = {prefix: s for s in surfaces if s.hosts is None for prefix in s.prefixes}
        self._fallback = fallback
        self._is_known_host = is_known_host
        self._port = port
        self._origins = origins
        self._rates = rates
        self._freshness = Freshness(versions) if versions is not None else None
        self._watch = Watch()
        # What a `Host` header means, for the few that come again and again.
        self._places: dict[tuple[str, str], _Place] = {}
        # A request id is this process's random half and a counter: unique, and free of a system call per request.
        self._half = os.urandom(8).hex()
        self._count = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        request_id = f"{self._half[:8]}-{self._half[8:12]}-4{self._half[12:15]}-8000-{next(self._count):012x}"
        REQUEST_ID.set(request_id)
        CALLER.set("")
        call = _read(scope, receive, request_id, self._rates)
        self._watch.begin(call)
        freshness, version, render = self._freshness, 0, render_arm
        try:
            place = self._place(call.headers.get("host", ""), call.scheme)
            if place.surface is not None:
                render = place.surface.render
            surface = self._surface(scope, call, place)
            render = surface.render
            if freshness is not None and not _is_nobody(call):
                version = await freshness.begin(call)
            answer = await surface.answer(call)
        except Fault as fault:
            answer = await answer_of(fault, call, self._judge, render) if self._judge is not None else render(fault, call)
        except asyncio.CancelledError:
            if (late := self._watch.fault_of(call)) is None:
                raise
            answer = render(late, call)
        except Exception:  # noqa: BLE001 - the outermost edge: a caller always gets an answer
            _log.exception("request %s failed", request_id)
            answer = render(Fault(f"The server failed on this request; its log has the reason under {request_id}."), call)
        finally:
            self._watch.end(call)
        if answer.status == 401 and self._rates is not None and (refusal := self._rates.note_stranger(call.client)) is not None:
            answer = render(refusal, call)
        if freshness is not None:
            freshness.name(answer, call, version)
        await write(answer, call, scope.get("extensions"), send)

    def _surface(self, scope: Scope, call: Call, place: _Place) -> Answers:
        """The surface that answers, once nothing is wrong with the request's head."""
        headers = call.headers
        call.host, call.port = place.name, place.port
        check_framing(call.method, scope.get("http_version", "1.1"), headers)
        if len(scope["headers"]) > MAX_FIELDS:
            raise TooLarge(f"The request has more than {MAX_FIELDS} header fields.", code="TooManyHeaderFields")
        if "origin" in headers or "sec-fetch-site" in headers:
            check_page(call.method, self._origins if self._origins is not None else (call.origin,), headers)
        if place.surface is not None:
            return place.surface
        if self._rates is not None and _is_stranger(headers) and self._rates.is_flooding(call.client):
            raise self._rates.refusal(call.client)
        check_path(call.raw_path)
        first = call.path[1:].partition("/")[0]
        return self._by_prefix.get(first) or self._by_prefix.get(first.lower()) or self._fallback

    def _place(self, text: str, scheme: str) -> _Place:
        found = self._places.get((text, scheme))
        if found is not None:
            return found
        named = place_of(text, scheme)
        if named is None or not self._is_known_host(named[0]) or self._port not in (None, named[1]):
            raise Invalid(f"This server does not answer to the host name '{text[:100]}'.", code="InvalidHostName", target="host")
        surface = next((surface for matches, surface in self._by_host if matches(named[0])), None)
        if len(self._places) >= _REMEMBERED:
            self._places.clear()
        found = self._places[text, scheme] = _Place(*named, surface)
        return found


class _Place(NamedTuple):
    """A host name and a port that we answer to, and the surface that has the name to itself."""

    name: str
    port: int
    surface: Answers | None


def _is_stranger(headers: Mapping[str, str]) -> bool:
    """Whether the request carries nothing that could prove anybody."""
    return not ("authorization" in headers or "api-key" in headers or "cookie" in headers)


def _is_nobody(call: Call) -> bool:
    """The same, of a request whose address could prove somebody too."""
    return _is_stranger(call.headers) and "sig=" not in call.raw_query


def _read(scope: Mapping[str, Any], receive: Receive, request_id: str, rates: Rates | None) -> Call:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1")
        headers[key] = f"{headers[key]}, {value.decode('latin-1')}" if key in headers else value.decode("latin-1")
    raw = scope.get("raw_path")
    client = scope.get("client")
    return Call(
        method=scope["method"],
        host="",
        port=0,
        path=scope["path"],
        raw_path=raw.decode("latin-1") if raw else scope["path"],
        raw_query=scope["query_string"].decode("latin-1"),
        headers=headers,
        receive=receive,
        request_id=request_id,
        client=client[0] if client else "",
        scheme=scope.get("scheme", "https"),
        rates=rates,
    )


class Nowhere:
    """What answers a path that no surface has."""

    name = "nowhere"
    prefixes: Sequence[str] = ()
    hosts = None
    render = staticmethod(render_arm)

    async def answer(self, call: Call) -> Answer:
        """404 in the resource manager's shape."""
        return render_arm(NotFound(f"Nothing is served at '{call.path[:200]}'.", code="NotFound"), call)

"""Calls, answers and declared routes: the whole of HTTP that rooms see.

A route declares the actions that it may ask the engine for, or why it is public. The surface hands the handler a
`Permit` bound to those actions, and withholds any answer for which no decision was asked: no answer means no.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, unquote

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.access.visibility import Filter
from studiolo.kernel.faults import Fault, Forbidden, Invalid, NotAllowed, NotFound, TooLarge
from studiolo.kernel.record import Asked, Granted
from studiolo.kernel.resource import Caller, JsonObject
from studiolo.wire.rates import ANONYMOUS, SIGN_IN, Rates

Receive = Callable[[], Awaitable[dict[str, Any]]]
DECISION_ID: Final = "x-studiolo-decision-id"
MAX_JSON_BYTES = 4 << 20
MAX_JSON_DEPTH = 64
_USUAL_QUERY: Final = 1024
# A body that comes more slowly than this is one that is meant to hold us up.
LEAST_BYTES_PER_SECOND = 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call on a route may take, beyond what holds for all: bytes of a body, and seconds for it and for an answer.

    A body has `body_seconds`, and a second more for each KiB that has come. `seconds` end the work on an answer, not
    its way to the client. `query_characters` end a query.
    """

    body_bytes: int = MAX_JSON_BYTES
    body_seconds: float = 30.0
    seconds: float = 300.0
    query_characters: int = 8192


USUAL = Limits()


class Call:
    """One HTTP request. `path` is decoded once, `raw_path` as it came; header names are in lower case."""

    __slots__ = (
        "_receive",
        "body_came",
        "body_until",
        "client",
        "correlation_id",
        "headers",
        "host",
        "limits",
        "method",
        "path",
        "port",
        "rates",
        "raw_path",
        "raw_query",
        "request_id",
        "scheme",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of a request, in the order of its line
        self,
        method: str,
        host: str,
        port: int,
        path: str,
        raw_path: str,
        raw_query: str,
        headers: dict[str, str],
        receive: Receive,
        request_id: str,
        client: str = "",
        scheme: str = "https",
        rates: Rates | None = None,
    ) -> None:
        self.limits = USUAL
        self.rates = rates
        self.method = method
        self.host = host
        self.port = port
        self.path = path
        self.raw_path = raw_path
        self.raw_query = raw_query
        self.headers = headers
        self._receive = receive
        # While more of the body is awaited: how many bytes have come, and until when (monotonic) the next are to come. 0: none is.
        self.body_came = 0
        self.body_until = 0.0
        self.request_id = request_id
        self.correlation_id = headers.get("x-ms-correlation-request-id") or request_id
        self.client = client
        self.scheme = scheme

    @property
    def origin(self) -> str:
        """`https://host:port` as the caller spelled it."""
        return origin_of(self.scheme, self.host, self.port)

    def charge(self, caller: Caller) -> None:
        """Count the call against its caller. Raises TooMany (429)."""
        if self.rates is not None:
            self.rates.charge(caller)

    def charge_project(self, scope: str) -> None:
        """Count the call against the project that a scope lies in, if it lies in one. Raises TooMany (429)."""
        if self.rates is not None:
            self.rates.charge_project(scope)

    def charge_address(self, kind: str) -> None:
        """Count the call against the address that it comes from. Raises TooMany (429)."""
        if self.rates is not None:
            self.rates.charge_address(kind, self.client)

    def query(self) -> dict[str, str]:
        """The query's parameters, decoded once.

        Raises:
            Invalid: a parameter stands twice, or the text is too long or no valid UTF-8 (code `InvalidQueryParameterValue`).
        """
        if not self.raw_query:
            return {}
        if len(self.raw_query) > self.limits.query_characters:
            raise Invalid(f"The query is longer than {self.limits.query_characters} characters.", code="InvalidQueryParameterValue")
        is_usual = len(self.raw_query) <= _USUAL_QUERY
        return dict(_remembered(self.raw_query)) if is_usual else _parameters(self.raw_query)

    async def chunks(self, limit: int | None = None) -> AsyncIterator[bytes]:
        """The body's bytes as they arrive; `limit` stands in for the route's.

        Raises:
            TooLarge: more than `limit` bytes came.
            Invalid: the client went away before the body was whole (code `IncompleteBody`).
            CancelledError: it does not come, or only in drops; the front's watch ends the call.
        """
        limit = self.limits.body_bytes if limit is None else limit
        size, until = 0, clock.monotonic() + self.limits.body_seconds
        declared = self.headers.get("content-length")
        if declared is not None and declared.isascii() and declared.isdigit() and (len(declared) > 18 or int(declared) > limit):
            raise TooLarge(f"The body has {declared[:20]} bytes; at most {limit} are taken here.")
        while True:
            self.body_came, self.body_until = size, until + size / LEAST_BYTES_PER_SECOND
            message = await self._receive()
            self.body_until = 0.0
            if message["type"] == "http.disconnect":
                raise Invalid("The connection ended before the whole body had come.", code="IncompleteBody")
            piece = message.get("body", b"")
            size += len(piece)
            if size > limit:
                raise TooLarge(f"The body is larger than the {limit} bytes that are taken here.")
            if piece:
                yield piece
            if not message.get("more_body"):
                return

    async def body(self, limit: int | None = None) -> bytes:
        """The whole body. Raises as `chunks` does."""
        pieces = [piece async for piece in self.chunks(limit)]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def disconnected(self) -> None:
        """Return when the client has gone away; only for use once the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def json(self, limit: int | None = None) -> JsonObject:
        """The body as a JSON object; {} for an empty body.

        Raises:
            Invalid: the body is no JSON object, or is nested deeper than 64 levels.
        """
        return read_json_object(await self.body(limit))


def _parameters(raw: str) -> dict[str, str]:
    """The parameters of a query."""
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=200)
    except ValueError:
        raise Invalid("The query is not valid percent-encoded UTF-8, or has too many fields.", code="InvalidQueryParameterValue") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Invalid("The query names a parameter twice.", code="InvalidQueryParameterValue")
    return found


# The same few come again and again; what strangers send is kept in bounded memory too.
_remembered = lru_cache(maxsize=2048)(_parameters)


def origin_of(scheme: str, host: str, port: int) -> str:
    """`https://host:port` as browsers spell it: IPv6 addresses in brackets, no port where it is the usual one."""
    usual = 443 if scheme == "https" else 80
    return f"{scheme}://{f'[{host}]' if ':' in host else host}" + ("" if port == usual else f":{port}")


def read_json_object(raw: bytes) -> JsonObject:
    """Bytes as a JSON object, with bounded depth. Raises Invalid (code `InvalidRequestContent`)."""
    if not raw.strip():
        return {}
    if _too_deep(raw):
        raise Invalid(f"The request body is nested deeper than {MAX_JSON_DEPTH} levels.")
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"The request body is not valid JSON: {error}.") from None
    if not isinstance(found, dict):
        raise Invalid("The request body must be a JSON object.")
    return found  # pyright: ignore[reportUnknownVariableType] - JSON


def _too_deep(raw: bytes) -> bool:
    """Whether brackets nest beyond the limit. Counting brackets inside strings only makes this stricter for hostile input."""
    if raw.count(b"{") + raw.count(b"[") <= MAX_JSON_DEPTH:
        return False
    depth = 0
    in_string = False
    for token in re.finditer(rb'\\.|["{}\[\]]', raw):
        mark = token.group()
        if mark == b'"':
            in_string = not in_string
        elif not in_string and mark in (b"{", b"["):
            depth += 1
            if depth > MAX_JSON_DEPTH:
                return True
        elif not in_string and mark in (b"}", b"]"):
            depth -= 1
    return False


@dataclass(slots=True)
class Answer:
    """One HTTP answer. A body that is an iterator is sent in pieces."""

    status: int = 200
    body: bytes | AsyncIterator[bytes] = b""
    headers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> Answer:
        """A JSON answer."""
        return cls(status, msgspec.json.encode(value), [("content-type", "application/json; charset=utf-8"), *headers])


class Judge(Protocol):
    """Whoever decides: the kernel's gate."""

    async def require(
        self,
        caller: Caller,
        action: str,
        scope: str,
        *,
        is_data: bool,
        sub_operations: tuple[str, ...] = (),
        request: Mapping[str, Any] | None = None,
        resource: Mapping[str, Any] | None = None,
    ) -> Granted:
        """Return, with what allows it, if the engine does; raise Forbidden if not."""
        ...

    async def visible(self, caller: Caller, action: str, scope: str) -> Filter:
        """Which part of what lies below `scope` the caller may see."""
        ...

    async def recorded(self, fault: Fault, asked: Asked) -> Fault:
        """The fault to answer with, once the record has it; see `Gate.recorded`."""
        ...

    async def lets_out(self, caller: Caller, action: str, scope: str, status: str, granted: Granted, code: str = "") -> None:
        """Return once the record tells of a secret that is given out; see `Gate.lets_out`."""
        ...


@dataclass(frozen=True, slots=True)
class Guard:
    """The actions that a route may ask for, all of one plane. What `is_secret` is told by the record before it leaves."""

    actions: tuple[str, ...]
    is_data: bool = True
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class Public:
    """A route that answers anybody, and why that is right."""

    reason: str


class Permit:
    """Asks the engine on behalf of one call, for the route's declared actions alone.

    A call counts against its caller before anything is asked, and against its project once the engine has said yes: who
    is refused neither uses up a project's calls nor learns, from a 429, that there is one.
    """

    __slots__ = ("_call", "_guard", "_is_charged", "_is_project_charged", "_judge", "asked", "given")

    def __init__(self, guard: Guard | Public, judge: Judge, call: Call) -> None:
        self._guard = guard
        self._judge = judge
        self._call = call
        self._is_charged = False
        self._is_project_charged = False
        self.asked = 0
        self.given: tuple[Caller, str, str, Granted] | None = None  # the last yes

    async def require(
        self,
        caller: Caller,
        action: str,
        scope: str,
        *,
        sub_operations: tuple[str, ...] = (),
        request: Mapping[str, Any] | None = None,
        resource: Mapping[str, Any] | None = None,
    ) -> None:
        """Return if `caller` may do `action` (one that the route declares) at `scope`; raise Forbidden if not."""
        if isinstance(self._guard, Public) or action not in self._guard.actions:
            raise Forbidden(f"The route does not declare the action '{action}'.", code="UndeclaredAction")
        self.charge(caller)
        granted = await self._judge.require(
            caller, action, scope, is_data=self._guard.is_data, sub_operations=sub_operations, request=request, resource=resource
        )
        self._charge_project(scope)
        self.asked += 1
        self.given = (caller, action, scope, granted)

    async def visible(self, caller: Caller, action: str, scope: str) -> Filter:
        """Which part of what lies at or below `scope` the caller may do `action` to; raise Forbidden if none of it."""
        if isinstance(self._guard, Public) or action not in self._guard.actions:
            raise Forbidden(f"The route does not declare the action '{action}'.", code="UndeclaredAction")
        self.charge(caller)
        view = await self._judge.visible(caller, action, scope)
        if view.is_nothing:
            await self.require(caller, action, scope)
        self._charge_project(scope)
        self.asked += 1
        return view

    def charge(self, caller: Caller) -> None:
        """Count the call against its caller once, however often it asks. Raises TooMany (429)."""
        if not self._is_charged:
            self._is_charged = True
            self._call.charge(caller)

    def _charge_project(self, scope: str) -> None:
        if not self._is_project_charged:
            self._is_project_charged = True
            self._call.charge_project(scope)

    def is_own(self, caller: Caller, owner: str) -> bool:
        """Whether something is the caller's own, of which nobody else decides: what they themselves were told before."""
        self.charge(caller)
        is_own = bool(owner) and caller.oid.lower() == owner.lower()
        self.asked += is_own
        return is_own


Handler = Callable[[Call, Permit, dict[str, str]], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """One verb on one path template: `/a/{b}/{rest:path}`.

    `query` names parameters that must be present with these values (`""`: any value); of the routes of one path the first that
    fits wins, so more particular ones stand first. `about` is the line of the generated reference.
    """

    method: str
    path: str
    guard: Guard | Public
    run: Handler
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    about: str = ""
    limits: Limits = USUAL


_NO_ROUTES: Mapping[re.Pattern[str], list[Route]] = {}


async def answer_of(fault: Fault, call: Call, judge: Judge, render: Callable[[Fault, Call], Answer]) -> Answer:
    """A fault's answer. A refusal is on the record before, and says under which id."""
    told = await judge.recorded(fault, Asked(call.method, call.raw_path, call.client)) if fault.is_refusal else fault
    answer = render(told, call)
    if told.decision_id and told is fault:
        answer.headers.append((DECISION_ID, told.decision_id))
    return answer


def _expression(path: str, *, has_names: bool = True) -> str:
    parts = re.split(r"\{(\w+)(:path)?\}", path)
    text = re.escape(parts[0])
    for name, rest, literal in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        text += f"({f'?P<{name}>' if has_names else '?:'}{'.+' if rest else '[^/]+'})" + re.escape(literal)
    return text


def any_path(routes: Iterable[Route]) -> re.Pattern[str]:
    """An expression that matches the paths of all these routes."""
    return re.compile("|".join(dict.fromkeys(_expression(route.path, has_names=False) for route in routes)), re.IGNORECASE)


class Surface:
    """A family of routes with one way of rendering faults.

    `hosts` says which host names belong to it (None: the main host), `prefixes` which first path segments.
    """

    def __init__(
        self,
        name: str,
        routes: Sequence[Route],
        judge: Judge,
        render: Callable[[Fault, Call], Answer],
        *,
        prefixes: Sequence[str] = (),
        hosts: Callable[[str], bool] | None = None,
    ) -> None:
        for route in routes:
            if isinstance(route.guard, Guard) and not route.guard.actions:
                msg = f"{name}: {route.method} {route.path} declares no action"
                raise ValueError(msg)
        self.name = name
        self.routes = tuple(routes)
        self.prefixes = tuple(prefixes)
        self.hosts = hosts
        self._judge = judge
        self.render = render
        # Routes of one verb and one path stand together, so that a path is matched once however many queries it answers to.
        self._by_method: dict[str, dict[re.Pattern[str], list[Route]]] = {}
        for route in routes:
            self._by_method.setdefault(route.method, {}).setdefault(re.compile(_expression(route.path), re.IGNORECASE), []).append(route)
        self._paths = any_path(routes)

    def serves(self, call: Call) -> bool:
        """Whether a route has this path, whatever its verb."""
        return self._paths.fullmatch(call.raw_path) is not None

    async def answer(self, call: Call) -> Answer:
        """Find the route, let it answer, render its fault; an answer without a decision is withheld."""
        try:
            route, params = self._find(call)
            call.limits = route.limits
            if isinstance(route.guard, Public) and self.hosts is None:
                call.charge_address(SIGN_IN if call.method == "POST" else ANONYMOUS)
            permit = Permit(route.guard, self._judge, call)
            answer = await route.run(call, permit, params)
            if isinstance(route.guard, Guard):
                await self._check(route.guard, permit)
        except Fault as fault:
            return await answer_of(fault, call, self._judge, self.render)
        return answer

    async def _check(self, guard: Guard, permit: Permit) -> None:
        """Withhold what nobody decided, and what the record cannot tell."""
        if not permit.asked:
            raise Forbidden("The route answered without a decision, so its answer is withheld.", code="NoDecision")
        if guard.is_secret and permit.given is not None:
            caller, action, scope, granted = permit.given
            await self._judge.lets_out(caller, action, scope, "Succeeded", granted)

    def _find(self, call: Call) -> tuple[Route, dict[str, str]]:
        path = call.raw_path
        query: dict[str, str] | None = None
        for pattern, routes in self._by_method.get(call.method, _NO_ROUTES).items():
            match = pattern.fullmatch(path)
            if match is None:
                continue
            for route in routes:
                if route.query:
                    if not call.raw_query:
                        continue
                    query = call.query() if query is None else query
                    if not _asks_for(query, route.query):
                        continue
                return route, {k: _decode(v) for k, v in match.groupdict().items()}
        for method, entries in self._by_method.items():
            if method != call.method and any(p.fullmatch(path) for p in entries):
                raise NotAllowed(f"'{call.method}' is not offered on '{path[:200]}'.", code="UnsupportedHttpVerb")
        raise NotFound(f"Nothing is served at '{path[:200]}'.", code="NotFound")


def _asks_for(query: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether a query has every wanted parameter, with the wanted value if one is given."""
    return all(key in query and (not value or query[key].lower() == value) for key, value in wanted.items())


def _decode(text: str) -> str:
    if "%" not in text:
        return text
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise Invalid("The path is not valid percent-encoded UTF-8.", code="InvalidUri") from None

"""The calls of the permission matrix: every served route and every verb and action of every type, from what is served."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from studiolo.app.served import served_routes, served_types
from studiolo.kernel import clock
from tests.support.asgi import Reply
from tests.walls.examples import ROUTES, TYPES, Ask, names
from tests.walls.house import API, BLOB_VERSION, House, Somebody
from tests.walls.roles import may, may_see_some

STRANGERS = ("none", "other tenant", "expired")
_DENIED = frozenset(
    {
        "AuthorizationFailed",
        "AuthorizationPermissionMismatch",
        "DenyAssignmentAuthorizationFailed",
        "LinkedAuthorizationFailed",
        "PermissionDenied",
        "UndeclaredAction",
        "NoDecision",
    }
)


@dataclass(frozen=True)
class Trial:
    """One call, and what decides it."""

    label: str
    method: str
    target: str
    host: str
    action: str
    scope: str
    plane: str | None
    is_list: bool = False
    is_open: bool = False
    always: str = ""
    also: str = ""
    body: bytes | dict[str, Any] = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def expects(self, name: str, person: Somebody) -> str:
        """What must come of it for one identity: yes, no, or unknown (nobody we know is calling)."""
        if self.plane is None:
            return "yes"
        if name in STRANGERS:
            return "unknown"
        if self.always:
            return self.always
        if self.is_open:
            return "yes"
        if self.is_list:
            return "yes" if may_see_some(person.grants, self.action, self.scope) else "no"
        needed = [self.action, *([self.also] if self.also else [])]
        return "yes" if all(may(person.grants, action, self.scope, self.plane) for action in needed) else "no"

    async def send(self, house: House, person: Somebody) -> Reply:
        """Make the call."""
        audience = "blob" if self.host == "blob" else "arm"
        host = f"{house.account}.blob.core.localhost:8443" if self.host == "blob" else "localhost:8443"
        body = self.body
        if isinstance(body, bytes) and b"{bearer}" in body:
            body = body.replace(b"{bearer}", f"Bearer {person.tokens.get(audience, 'nobody')}".encode())
        return await house.ask(self.method, self.target, body, who=person, audience=audience, host=host, headers=self.headers)

    def outcome(self, reply: Reply) -> str:
        """What came of it."""
        code = reply.headers.get("x-ms-error-code", "")
        if not code and reply.headers.get("content-type", "").startswith("application/json") and reply.body[:9] == b'{"error":':
            error: Any = reply.json()["error"]
            code = str(error if isinstance(error, str) else error["code"])
        if self.always and code == self.always:
            return self.always
        if code in _DENIED or (reply.status == 202 and b"HTTP/1.1 403" in reply.body):
            return "no"
        if reply.status == 401 or (reply.status == 202 and b"HTTP/1.1 401" in reply.body):
            return "unknown"
        return "yes" if reply.status < 500 or reply.status == 501 else f"failed with {reply.status}"


def route_label(route: Mapping[str, Any]) -> str:
    """How examples name a route."""
    query = "&".join(f"{name}={value}" for name, value in route["query"].items())
    return f"{route['surface']} {route['method']} {route['path']}" + (f"?{query}" if query else "")


def fill(text: str, known: Mapping[str, str]) -> str:
    """A template with every name put in."""
    return re.sub(r"\{(\w+)(?::path)?\}", lambda match: known[match[1]], text)


def trials(house: House) -> Iterator[Trial]:
    """Every call of the matrix. What has no example is a KeyError, which its own test explains."""
    known = names(house)
    for route in served_routes(house.application.surfaces):
        yield _of_route(route, ROUTES[route_label(route)], known)
    for declared in served_types(house.application.control.catalog):
        yield from _of_type(declared, known)


def _of_route(route: Mapping[str, Any], ask: Ask, known: Mapping[str, str]) -> Trial:
    query = [f"{name}={value}" for name, value in route["query"].items()] + ([fill(ask.query, known)] if ask.query else [])
    is_blob = route["host"] == "blob"
    if route["surface"] in ("deployments", "access", "activity", "house", "record"):
        query.append(f"api-version={API}")
    headers = {**({"x-ms-version": BLOB_VERSION, "x-ms-blob-type": "BlockBlob"} if is_blob else {}), **ask.headers}
    body = ask.body
    if isinstance(body, bytes):
        begins = clock.now()
        for name, value in (
            (b"{start}", f"{begins:%Y-%m-%dT%H:%M:%SZ}"),
            (b"{expiry}", f"{begins + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"),
            (b"{container}", known["container"]),
        ):
            body = body.replace(name, value.encode())
        if is_blob:
            headers |= {"content-length": str(len(body))} if b"{bearer}" not in body else {}
    action = ask.needs or (route["actions"] or [""])[0]
    return Trial(
        label=route_label(route),
        method=route["method"],
        target=quote(fill(ask.path or route["path"], known), safe="/()$") + ("?" + "&".join(query) if query else ""),
        host=route["host"],
        action=action,
        scope=fill(ask.at, known),
        plane="control" if ask.is_own else route["plane"] or ("data" if ask.needs else None),
        is_list=ask.is_list,
        is_open=ask.is_own,
        always=ask.always,
        body=body,
        headers=headers,
    )


def _of_type(declared: Mapping[str, Any], known: Mapping[str, str]) -> Iterator[Trial]:
    thing = TYPES[declared["name"]]
    path = fill(thing.path, known)
    collection = path.rpartition("/")[0]
    holder = collection.partition("/providers/")[0] if collection.count("/providers/") else collection.rpartition("/")[0]
    inner = declared["name"].split("/")[2:]
    if inner:
        holder = collection.rpartition("/")[0]
    elif "/providers/" in collection:
        holder = collection.rpartition("/providers/")[0]
    body: dict[str, Any] = {"properties": {}, **({"location": "local"} if thing.location else {})}
    stale = {"if-match": '"nothing-has-this"'}

    def trial(label: str, method: str, target: str, action: str, scope: str, **more: Any) -> Trial:
        return Trial(
            f"{declared['name']} {label}", method, f"{quote(target)}?api-version={API}", "main", action, scope or "/", "control", **more
        )

    yield trial("GET", "GET", path, declared["read"], path)
    yield trial("HEAD", "HEAD", path, declared["read"], path)
    for verb in ("PUT", "PATCH"):
        yield trial(verb, verb, path, declared["write"], path, body=body, headers=stale)
    yield trial("DELETE", "DELETE", path, declared["delete"], path, headers=stale)
    if "list" in declared["verbs"]:
        is_open = not holder or re.fullmatch(r"/subscriptions/[^/]+", holder) is not None
        yield trial("list", "GET", collection, declared["read"], holder, is_list=True, is_open=is_open)
    for action in declared["actions"]:
        also = thing.also.get(action["name"], "")
        yield trial(action["name"], "POST", f"{path}/{action['name']}", action["permission"], path, body={}, also=also)

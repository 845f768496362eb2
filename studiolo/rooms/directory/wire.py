"""Microsoft Graph v1.0, as far as tools need it that show and give roles: `{studio}/v1.0/users`, groups and so on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol, TypeAlias
from urllib.parse import quote

from studiolo.kernel import clock
from studiolo.kernel.access.scopes import ROOT
from studiolo.kernel.faults import Fault, Forbidden, Invalid, NotFound, NotOffered, Unauthenticated
from studiolo.kernel.principals import APPLICATIONS, GROUPS, principal_id
from studiolo.kernel.resource import Caller, JsonObject
from studiolo.rooms.directory.domain.graph import KINDS, PRINCIPALS, Kind, oid_of, selected
from studiolo.rooms.directory.service.graph import GraphDirectory, Listed
from studiolo.wire.http import Answer, Call, Guard, Judge, Permit, Public, Route, Surface
from studiolo.wire.render import fault_headers, status_of

VERSION: Final = "v1.0"
_READ_GROUPS: Final = f"{GROUPS}/read"
_WRITE_GROUPS: Final = f"{GROUPS}/write"
_READS: Final = tuple(f"{kind.type_name}/read" for kind in PRINCIPALS)
_UNOFFERED: Final = ("$search", "$expand", "$count", "$orderby", "$apply")
Params: TypeAlias = dict[str, str]
Run: TypeAlias = Callable[[Call, Permit, Params], Awaitable[Answer]]


class Callers(Protocol):
    """Who is calling."""

    async def identify(self, call: Call) -> Caller:
        """The caller that the request's credential proves; raises Unauthenticated if none."""
        ...


def graph_surface(directory: GraphDirectory, callers: Callers, judge: Judge) -> Surface:
    """All routes of Graph."""
    graph = _Graph(directory, callers)
    routes = [route for kind in KINDS.values() for route in _collection(graph, kind)]
    routes += [
        Route("GET", f"/{VERSION}/me", Public("tells a signed-in caller who it is"), graph.me, about="The caller's own object."),
        *_memberships(graph),
        *_secrets(graph),
        Route(
            "POST",
            f"/{VERSION}/directoryObjects/getByIds",
            Guard(_READS, is_data=False),
            graph.by_ids,
            about="Principals of any kind by their object ids.",
        ),
    ]
    return Surface("graph", routes, judge, render, prefixes=(VERSION,))


def _collection(graph: _Graph, kind: Kind) -> list[Route]:
    many, one, named = f"/{VERSION}/{kind.name}", f"/{VERSION}/{kind.name}/{{id}}", f"/{VERSION}/{kind.name}({{id}})"
    read, write, delete = (Guard((f"{kind.type_name}/{verb}",), is_data=False) for verb in ("read", "write", "delete"))
    routes = [
        Route("GET", many, read, graph.list(kind), about=f"List {kind.name}; $filter, $select, $top."),
        Route("POST", many, write, graph.create(kind), about=f"A new one of {kind.name}."),
    ]
    for path in (one, named) if kind.name in ("servicePrincipals", "applications") else (one,):
        routes += [
            Route("GET", path, read, graph.get(kind), about=f"One of {kind.name}."),
            Route("PATCH", path, write, graph.update(kind), about=f"Change one of {kind.name}."),
            Route("DELETE", path, delete, graph.remove(kind), about=f"Remove one of {kind.name}."),
        ]
    return routes


def _memberships(graph: _Graph) -> list[Route]:
    reads, write = Guard((_READ_GROUPS, *_READS), is_data=False), Guard((_READ_GROUPS, _WRITE_GROUPS), is_data=False)
    group = f"/{VERSION}/groups/{{id}}"
    found = [
        Route("GET", f"{group}/members", reads, graph.members(is_deep=False), about="The members of a group."),
        Route("GET", f"{group}/transitiveMembers", reads, graph.members(is_deep=True), about="The members through all nesting."),
        Route("POST", f"{group}/members/$ref", write, graph.add_member, about="Add a member."),
        Route("DELETE", f"{group}/members/{{member}}/$ref", write, graph.remove_member, about="Take a member out."),
    ]
    for kind in PRINCIPALS:
        for name, is_deep in (("memberOf", False), ("transitiveMemberOf", True)):
            about = f"The groups that hold one of {kind.name}" + (" through all nesting." if is_deep else ".")
            found.append(Route("GET", f"/{VERSION}/{kind.name}/{{id}}/{name}", reads, graph.member_of(kind, is_deep=is_deep), about=about))
    return found


def _secrets(graph: _Graph) -> list[Route]:
    return [
        Route(
            "POST",
            f"/{VERSION}/applications/{{id}}/{action}",
            Guard((f"{APPLICATIONS}/{action}/action",), is_data=False),
            graph.secret(action),
            about=about,
        )
        for action, about in (("addPassword", "A new secret, shown once."), ("removePassword", "Forget a secret."))
    ]


class _Graph:
    """The handlers. Each asks at the object that its path means; what is behind asks again for what it really touches."""

    def __init__(self, directory: GraphDirectory, callers: Callers) -> None:
        self._directory = directory
        self._callers = callers

    async def _enter(self, call: Call, permit: Permit, kind: Kind, verb: str, key: str | None) -> tuple[Caller, str]:
        """The caller, and the object id behind the path's key, once the caller may do this to it.

        A key that is no object id is looked up only for those who may read the whole directory: to others the answer
        would tell which names exist.
        """
        caller = await self._callers.identify(call)
        action = f"{kind.type_name}/{verb}"
        if key is None or oid_of(key) is None:
            await permit.require(caller, action, ROOT)
        if key is None:
            return caller, ""
        oid = await self._directory.find(kind, key)
        await permit.require(caller, action, principal_id(kind.type_name, oid).text)
        return caller, oid

    async def me(self, call: Call, _: Permit, __: Params) -> Answer:
        caller = await self._callers.identify(call)
        return _one(call, await self._directory.own(caller), "directoryObjects/$entity")

    def list(self, kind: Kind) -> Run:
        async def run(call: Call, permit: Permit, _: Params) -> Answer:
            caller, _oid = await self._enter(call, permit, kind, "read", None)
            listed = await self._directory.list(caller, kind, _query(call))
            return _many(call, listed, kind.name)

        return run

    def get(self, kind: Kind) -> Run:
        async def run(call: Call, permit: Permit, params: Params) -> Answer:
            _query(call)
            caller, oid = await self._enter(call, permit, kind, "read", params["id"])
            return _one(call, await self._directory.get(caller, kind, oid), f"{kind.name}/$entity")

        return run

    def create(self, kind: Kind) -> Run:
        async def run(call: Call, permit: Permit, _: Params) -> Answer:
            caller, _oid = await self._enter(call, permit, kind, "write", None)
            made = await self._directory.create(caller, kind, await call.json())
            answer = _one(call, made, f"{kind.name}/$entity")
            answer.status = 201
            answer.headers.append(("location", f"{call.origin}/{VERSION}/{kind.name}/{made['id']}"))
            return answer

        return run

    def update(self, kind: Kind) -> Run:
        async def run(call: Call, permit: Permit, params: Params) -> Answer:
            caller, oid = await self._enter(call, permit, kind, "write", params["id"])
            await self._directory.get(caller, kind, oid)
            await self._directory.update(caller, kind, oid, await call.json())
            return Answer(204)

        return run

    def remove(self, kind: Kind) -> Run:
        async def run(call: Call, permit: Permit, params: Params) -> Answer:
            caller, oid = await self._enter(call, permit, kind, "delete", params["id"])
            await self._directory.remove(caller, kind, oid)
            return Answer(204)

        return run

    def members(self, *, is_deep: bool) -> Run:
        async def run(call: Call, permit: Permit, params: Params) -> Answer:
            caller, oid = await self._enter(call, permit, KINDS["groups"], "read", params["id"])
            return _many(call, Listed(await self._directory.members(caller, oid, is_deep=is_deep), None), "directoryObjects")

        return run

    def member_of(self, kind: Kind, *, is_deep: bool) -> Run:
        async def run(call: Call, permit: Permit, params: Params) -> Answer:
            caller, oid = await self._enter(call, permit, kind, "read", params["id"])
            return _many(call, Listed(await self._directory.member_of(caller, oid, is_deep=is_deep), None), "directoryObjects")

        return run

    async def add_member(self, call: Call, permit: Permit, params: Params) -> Answer:
        caller, oid = await self._enter(call, permit, KINDS["groups"], "write", params["id"])
        await self._directory.add_member(caller, oid, (await call.json()).get("@odata.id"))
        return Answer(204)

    async def remove_member(self, call: Call, permit: Permit, params: Params) -> Answer:
        caller, oid = await self._enter(call, permit, KINDS["groups"], "write", params["id"])
        await self._directory.remove_member(caller, oid, params["member"])
        return Answer(204)

    def secret(self, action: str) -> Run:
        async def run(call: Call, permit: Permit, params: Params) -> Answer:
            caller, oid = await self._enter(call, permit, KINDS["applications"], f"{action}/action", params["id"])
            made = await self._directory.act(caller, oid, action, await call.json())
            return Answer(204) if made is None else _one(call, made, "microsoft.graph.passwordCredential")

        return run

    async def by_ids(self, call: Call, permit: Permit, _: Params) -> Answer:
        caller = await self._callers.identify(call)
        for action in _READS:
            await permit.require(caller, action, ROOT)
        return _many(call, Listed(await self._directory.by_ids(caller, await call.json()), None), "directoryObjects")


# ── as Graph answers ─────────────────────────────────────────────────────────────────────────────────────────────


def _query(call: Call) -> dict[str, str]:
    query = call.query()
    for name in query:
        if name.lower() in _UNOFFERED and query[name].lower() not in ("", "false"):
            raise NotOffered(f"'{name}' is not offered; use $filter, $select and $top.", target=name)
    return query


def _select(call: Call) -> Sequence[str]:
    text = call.query().get("$select", "")
    return text.split(",") if text else ()


def _one(call: Call, shown: JsonObject, context: str) -> Answer:
    return _json({"@odata.context": f"{call.origin}/{VERSION}/$metadata#{context}", **selected(shown, _select(call))})


def _many(call: Call, listed: Listed, context: str) -> Answer:
    select = _select(call)
    body: JsonObject = {
        "@odata.context": f"{call.origin}/{VERSION}/$metadata#{context}",
        "value": [selected(each, select) for each in listed.value],
    }
    if listed.next is not None:
        kept = {name: value for name, value in call.query().items() if name.lower() != "$skiptoken"} | {"$skiptoken": listed.next}
        text = "&".join(f"{quote(name, safe='$')}={quote(value)}" for name, value in kept.items())
        body["@odata.nextLink"] = f"{call.origin}{call.raw_path}?{text}"
    return _json(body)


def _json(body: JsonObject) -> Answer:
    return Answer.json(body, headers=[("cache-control", "no-cache"), ("odata-version", "4.0")])


_CODES: Final[Sequence[tuple[type[Fault], str]]] = (
    (Unauthenticated, "InvalidAuthenticationToken"),
    (Forbidden, "Authorization_RequestDenied"),
    (NotFound, "Request_ResourceNotFound"),
    (NotOffered, "NotOffered"),
    (Invalid, "Request_BadRequest"),
)


def render(fault: Fault, call: Call) -> Answer:
    """Graph's error shape; codes that are Graph's own already stay."""
    general = next((code for kind, code in _CODES if isinstance(fault, kind)), fault.code)
    code = fault.code if fault.code.startswith("Request_") else general
    inner: dict[str, Any] = {"code": fault.code, "date": clock.stamp(clock.now()), "request-id": call.request_id}
    inner["client-request-id"] = call.headers.get("client-request-id", call.request_id)
    return Answer.json(
        {"error": {"code": code, "message": fault.message, "innerError": inner}}, status_of(fault), fault_headers(fault, call)
    )

"""The resource manager façade: any resource type of the catalog, spoken to as the public cloud's is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Protocol
from urllib.parse import quote

import msgspec

from studiolo.kernel.control import Control, Outcome
from studiolo.kernel.faults import Fault, Invalid, NotAllowed, NotFound
from studiolo.kernel.ids import Collection, ResourceId, split
from studiolo.kernel.operations import status_of
from studiolo.kernel.resource import Caller
from studiolo.kernel.store.port import OperationRow
from studiolo.wire.http import Answer, Call, Surface, answer_of, any_path
from studiolo.wire.rates import project_of
from studiolo.wire.render import render_arm

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-[a-zA-Z0-9.]+)*")
_STATUS_URL = re.compile(
    r"/subscriptions/(?P<sub>[^/]+)/providers/(?P<ns>[^/]+)/locations/(?P<loc>[^/]+)/(?P<kind>operationsStatus|operationResults)/(?P<op>[^/]+)",
    re.IGNORECASE,
)
_JSON = [("content-type", "application/json; charset=utf-8"), ("cache-control", "no-cache")]
# What an action tells may be a secret: nobody keeps it.
_TOLD = [("content-type", "application/json; charset=utf-8"), ("cache-control", "no-store"), ("pragma", "no-cache")]
_POLL_SECONDS = "0.2"


class Authenticator(Protocol):
    """Who is calling."""

    async def identify(self, call: Call) -> Caller:
        """The caller that the request's credential proves.

        Raises:
            Unauthenticated: there is none, or it proves nothing.
        """
        ...


class ArmSurface:
    """Answers every path under `/subscriptions` and `/providers`. `extras` are the few paths that are no resource."""

    def __init__(self, control: Control, authenticator: Authenticator, extras: Sequence[Surface] = ()) -> None:
        self.name = "arm"
        self.prefixes = ("subscriptions", "providers")
        self.hosts = None
        self.render = render_arm
        self._control = control
        self._authenticator = authenticator
        self._extras = extras
        self._extra_paths = any_path(route for extra in extras for route in extra.routes)

    async def answer(self, call: Call) -> Answer:
        """Authenticate, find the type, let the kernel do its work, answer in the shape that clients expect."""
        try:
            if self._extra_paths.fullmatch(call.raw_path) is not None:
                return await next(extra for extra in self._extras if extra.serves(call)).answer(call)
            return await self._answer(call)
        except Fault as fault:
            return await answer_of(fault, call, self._control.gate, self.render)

    async def _answer(self, call: Call) -> Answer:
        caller = await self._authenticator.identify(call)
        call.charge(caller)
        if "%" in call.path:
            raise Invalid("Resource ids cannot hold percent signs after decoding.", code="InvalidResourceId")
        query = call.query()
        version = _api_version(query)
        status = _STATUS_URL.fullmatch(call.path)
        if status is not None:
            return await self._status(call, caller, status)
        found = split(call.path)
        await self._charge_project(call, caller)
        if isinstance(found, ResourceId):
            return await self._resource(call, caller, found, query, version)
        if call.method == "GET":
            return await self._list(call, caller, found, query)
        if call.method == "POST" and found.parent is not None:
            return await self._act(call, caller, found, query, version)
        raise NotAllowed(f"'{call.method}' is not offered on a collection.")

    async def _charge_project(self, call: Call, caller: Caller) -> None:
        """Count the call to its project if the caller holds a right there: strangers neither use up its calls nor learn that it is busy."""
        project = project_of(call.path)
        if project is not None and await self._control.gate.holds_right(caller, project):
            call.charge_project(project)

    async def _resource(self, call: Call, caller: Caller, id_: ResourceId, query: Mapping[str, str], version: str) -> Answer:
        match call.method:
            case "GET":
                return Answer(200, await self._control.get(caller, id_), list(_JSON))
            case "HEAD":
                await self._control.get(caller, id_)
                return Answer(204)
            case "PUT" | "PATCH":
                outcome = await self._control.put(
                    caller,
                    id_,
                    await call.json(self._control.catalog.get(id_.type).max_bytes),
                    version,
                    if_match=call.headers.get("if-match"),
                    if_none_match=call.headers.get("if-none-match"),
                    is_patch=call.method == "PATCH",
                )
                return self._written(call, outcome)
            case "DELETE":
                deleted = await self._control.delete(caller, id_, if_match=call.headers.get("if-match"))
                if deleted.operation is not None:
                    return Answer(202, b"", self._operation_headers(call, deleted.operation, id_))
                return Answer(200 if deleted.existed else 204)
            case _:
                raise NotAllowed(f"'{call.method}' is not offered on '{id_.type}'.")

    def _written(self, call: Call, outcome: Outcome) -> Answer:
        headers = [*_JSON, ("etag", f'"{outcome.resource.etag}"')]
        if outcome.operation is not None:
            headers += self._operation_headers(call, outcome.operation, outcome.resource.id)
        return Answer(201 if outcome.is_new and not outcome.creates_with_ok else 200, outcome.doc, headers)

    async def _list(self, call: Call, caller: Caller, collection: Collection, query: Mapping[str, str]) -> Answer:
        listed = await self._control.list(caller, collection, query)
        body = b'{"value":[' + b",".join(listed.docs) + b"]"
        if listed.next is not None:
            kept = {k: v for k, v in query.items() if k.lower() not in ("$skiptoken", "$skip")}
            link = f"{call.origin}{quote(call.path)}?" + "&".join(
                f"{quote(k, safe='$-')}={quote(v)}" for k, v in {**kept, "$skipToken": listed.next}.items()
            )
            body += b',"nextLink":' + msgspec.json.encode(link)
        return Answer(200, body + b"}", list(_JSON))

    async def _act(self, call: Call, caller: Caller, found: Collection, query: Mapping[str, str], version: str) -> Answer:
        target = found.parent
        if target is None:
            raise NotFound("There is no such action.")
        name = found.type.rpartition("/")[2]
        body = await call.json(self._control.catalog.get(target.type).max_bytes)
        result = await self._control.begin(caller, target, name, body, query, version)
        if result is None:
            return Answer(204)
        if isinstance(result, OperationRow):
            return Answer(202, msgspec.json.encode(status_of(result)), [*_JSON, *self._operation_headers(call, result, target)])
        return Answer(200, msgspec.json.encode(result), list(_TOLD))

    async def _status(self, call: Call, caller: Caller, match: re.Match[str]) -> Answer:
        shape = await self._control.operation(caller, match["op"])
        going_on = shape["status"] == "InProgress"
        if match["kind"].lower() == "operationresults":
            return (
                Answer(202, b"", [("location", f"{call.origin}{call.path}?{call.raw_query}"), ("retry-after", _POLL_SECONDS)])
                if going_on
                else Answer(200)
            )
        shape["id"] = call.path
        return Answer(200, msgspec.json.encode(shape), [*_JSON, *([("retry-after", _POLL_SECONDS)] if going_on else [])])

    @staticmethod
    def _operation_headers(call: Call, operation: OperationRow, id_: ResourceId) -> list[tuple[str, str]]:
        place = f"{call.origin}/subscriptions/{id_.subscription or '0'}/providers/{id_.type.partition('/')[0]}/locations/local"
        version = call.query().get("api-version", "")
        return [
            ("azure-asyncoperation", f"{place}/operationsStatus/{operation.id}?api-version={version}"),
            ("location", f"{place}/operationResults/{operation.id}?api-version={version}"),
            ("retry-after", _POLL_SECONDS),
        ]


def _api_version(query: Mapping[str, str]) -> str:
    version = next((value for name, value in query.items() if name.lower() == "api-version"), None)
    if version is None:
        raise Invalid(
            "The api-version query parameter (?api-version=) is required for all requests.",
            code="MissingApiVersionParameter",
            target="api-version",
        )
    if not _VERSION.fullmatch(version):
        raise Invalid(
            f"'{version[:50]}' is not an api-version: it has the form YYYY-MM-DD or YYYY-MM-DD-preview.",
            code="InvalidApiVersionParameter",
            target="api-version",
        )
    return version

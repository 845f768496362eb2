"""The managed identity endpoint, as the public cloud's hosts offer it to programs, and the binding of workloads to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from studiolo.kernel.faults import Fault, Invalid, Unauthenticated
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.resource import Caller
from studiolo.rooms.authentication.service.workloads import Workloads
from studiolo.rooms.authentication.wire.authenticator import Authenticator
from studiolo.wire.http import Answer, Call, Guard, Judge, Permit, Public, Route, Surface
from studiolo.wire.render import status_of

PATH: Final = "/msi/token"
_PLACE: Final = "/{scope:path}/providers/Studiolo.Identity/workloads"
_TYPE: Final = "Studiolo.Identity/workloads"
# The header that carries a workload's secret, by the api-version that its client speaks.
_HEADERS: Final[Mapping[str, str]] = {"2019-08-01": "x-identity-header", "2017-09-01": "secret"}


class _Bound(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of a binding."""

    name: str = ""
    life_seconds: int | None = None


def workload_routes(workloads: Workloads, authenticator: Authenticator) -> list[Route]:
    """`{resource}/providers/Studiolo.Identity/workloads`: bind, list, end."""
    pages = _Bindings(workloads, authenticator)

    def guard(verb: str, *, is_secret: bool = False) -> Guard:
        return Guard((f"{_TYPE}/{verb}",), is_data=False, is_secret=is_secret)

    return [
        Route(
            "POST",
            _PLACE,
            guard("write", is_secret=True),
            pages.bind,
            about="binds a workload to the resource's identity; its header is shown once",
        ),
        Route("GET", _PLACE, guard("read"), pages.list, about="the workloads that are bound to the resource's identity"),
        Route("DELETE", _PLACE + "/{id}", guard("delete"), pages.unbind, about="ends a binding at once"),
    ]


def workload_surface(workloads: Workloads, judge: Judge) -> Surface:
    """`GET /msi/token`: a token of the identity that the caller's header is bound to."""

    async def token(call: Call, _: Permit, __: dict[str, str]) -> Answer:
        asked = call.query()
        header = _HEADERS.get(asked.get("api-version", ""))
        if header is None:
            raise Invalid(f"The api-version must be one of {', '.join(_HEADERS)}.", code="invalid_request", target="api-version")
        if "x-forwarded-for" in call.headers:
            raise Unauthenticated("A forwarded request is no workload's own.", code="WorkloadUnknown")
        issued, acting = await workloads.token(call.headers.get(header, ""), asked)
        said = {
            "access_token": issued.token,
            "expires_in": str(issued.life_seconds),
            "expires_on": str(issued.not_before + issued.life_seconds),
            "not_before": str(issued.not_before),
            "resource": asked["resource"],
            "token_type": "Bearer",
            "client_id": acting.application,
        }
        return Answer.json(said, headers=[("cache-control", "no-store"), ("pragma", "no-cache")])

    public = Public("proves a workload by the header that it was started with")
    route = Route("GET", PATH, public, token, about="a token of a workload's managed identity (App Service's and Azure ML's shape)")
    return Surface("workloads", [route], judge, _render, prefixes=("msi",))


class _Bindings:
    def __init__(self, workloads: Workloads, authenticator: Authenticator) -> None:
        self._workloads = workloads
        self._authenticator = authenticator

    async def _enter(self, call: Call, permit: Permit, params: dict[str, str], verb: str) -> tuple[Caller, ResourceId]:
        caller = await self._authenticator.identify(call)
        resource = parse(f"/{params['scope']}")
        await permit.require(caller, f"{_TYPE}/{verb}", resource.text)
        return caller, resource

    async def bind(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        caller, resource = await self._enter(call, permit, params, "write")
        try:
            asked = msgspec.convert(await call.json(), _Bound)
        except msgspec.ValidationError as error:
            raise Invalid(f"The binding cannot be read: {str(error)[:300]}.") from None
        kept, secret = await self._workloads.bind(caller, resource, asked.name, asked.life_seconds)
        shown = {**kept.public(), "identityEndpoint": f"{call.origin}{PATH}", "identityHeader": secret}
        return Answer.json(shown, 201, headers=[("cache-control", "no-store")])

    async def list(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        _, resource = await self._enter(call, permit, params, "read")
        return Answer.json({"value": [kept.public() for kept in await self._workloads.list(resource)]})

    async def unbind(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        _, resource = await self._enter(call, permit, params, "delete")
        await self._workloads.unbind(resource, params["id"])
        return Answer(204)


def _render(fault: Fault, call: Call) -> Answer:
    """As hosts answer: a status, and what was wrong."""
    del call
    return Answer.json({"error": fault.code, "error_description": fault.message, "statusCode": status_of(fault)}, status_of(fault))

"""The older path to the steps of a deployment, which clients still use: it names no provider."""

from __future__ import annotations

from typing import Final, Protocol

from studiolo.kernel.documents import body_of
from studiolo.kernel.faults import NotFound
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.resource import Caller
from studiolo.rooms.templates.ports import Records
from studiolo.wire.http import Answer, Call, Guard, Permit, Route

_READ: Final = "Microsoft.Resources/deployments/operations/read"
_PLACE: Final = "/subscriptions/{subscription}/resourcegroups/{group}/deployments/{deployment}/operations"


class Callers(Protocol):
    """Who is calling."""

    async def identify(self, call: Call) -> Caller:
        """The caller that the request's credential proves; raises Unauthenticated if none."""
        ...


def routes(records: Records, callers: Callers) -> list[Route]:
    """`…/resourcegroups/{group}/deployments/{deployment}/operations`, as a list and one by one."""
    steps = _Steps(records, callers)
    guard = Guard((_READ,), is_data=False)
    return [
        Route("GET", _PLACE, guard, steps.list, about="The steps of a deployment."),
        Route("GET", _PLACE + "/{operation}", guard, steps.get, about="One step of a deployment."),
    ]


class _Steps:
    def __init__(self, records: Records, callers: Callers) -> None:
        self._records = records
        self._callers = callers

    async def list(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        deployment = await self._deployment(call, permit, params)
        return Answer.json({"value": [body_of(record) for record in await self._records.list(deployment)]})

    async def get(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        wanted = (await self._deployment(call, permit, params)).child("operations", params["operation"])
        for record in await self._records.list(parse(wanted.text.rpartition("/operations/")[0])):
            if record.id.key == wanted.key:
                return Answer.json(body_of(record))
        raise NotFound(f"The deployment has no operation '{params['operation']}'.", code="DeploymentOperationNotFound")

    async def _deployment(self, call: Call, permit: Permit, params: dict[str, str]) -> ResourceId:
        caller = await self._callers.identify(call)
        place = f"/subscriptions/{params['subscription']}/resourceGroups/{params['group']}"
        found = parse(f"{place}/providers/Microsoft.Resources/deployments/{params['deployment']}")
        await permit.require(caller, _READ, found.text)
        return found

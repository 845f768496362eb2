"""Resources through the kernel's pipeline, as any caller's requests go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import msgspec

from studiolo.kernel.control import Control
from studiolo.kernel.control.steps import Steps
from studiolo.kernel.documents import draft_from
from studiolo.kernel.faults import Conflict, Fault
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.resource import PLATFORM, Caller, Change, Demand, JsonObject, Resource

_BUSY = frozenset({"creating", "updating", "running", "accepted", "deleting"})
_LOOK_SECONDS = 0.1
_decode = msgspec.json.Decoder().decode


class KernelTypes:
    """See `ports.Types`. `control` is asked for at each use, since the catalog that it holds names our types."""

    def __init__(self, control: Callable[[], Control]) -> None:
        self._control = control

    def knows(self, name: str) -> bool:
        """See `ports.Types.knows`."""
        return self._control().catalog.find(name) is not None

    def making(self, id_: ResourceId, body: JsonObject) -> Demand | None:
        """See `ports.Types.making`. What is wrong with the body is found when it is written."""
        declared = self._control().catalog.find(id_.type)
        if declared is None or declared.making is None:
            return None
        try:
            return declared.making(Change(id=id_, old=None, new=draft_from(body), caller=PLATFORM, at="", fresh_id=""))
        except Fault:
            return None


class KernelResources:
    """See `ports.Resources`. `control` is asked for at each use, since the catalog that it holds names our types."""

    def __init__(self, control: Callable[[], Control], *, patience_seconds: float = 3600.0) -> None:
        self._control = control
        self._patience_seconds = patience_seconds

    async def find(self, id_: ResourceId) -> Resource | None:
        """See `ports.Resources.find`."""
        return await self._control().find(id_)

    async def require(self, caller: Caller, demand: Demand) -> None:
        """See `ports.Resources.require`."""
        await self._control().gate.demand(caller, demand)

    async def put(self, caller: Caller, id_: ResourceId, body: JsonObject, api_version: str) -> JsonObject:
        """See `ports.Resources.put`."""
        control = self._control()
        await self._until_idle(id_)
        outcome = await control.put(caller, id_, body, api_version)
        if outcome.operation is None:
            return _decode(outcome.doc)
        operation = outcome.operation
        async with self._patience(id_):
            while operation.status == "InProgress":
                await asyncio.sleep(_LOOK_SECONDS)
                operation = await control.store.operation(operation.id) or operation
        if operation.status != "Succeeded":
            raise Steps.fault_of(operation)
        return await self.get(caller, id_, api_version)

    async def get(self, caller: Caller, id_: ResourceId, api_version: str) -> JsonObject:
        """See `ports.Resources.get`."""
        del api_version
        return _decode(await self._control().get(caller, id_))

    async def act(self, caller: Caller, id_: ResourceId, action: str, body: JsonObject, api_version: str) -> JsonObject:
        """See `ports.Resources.act`."""
        return await self._control().act(caller, id_, action, body, {"api-version": api_version}, api_version) or {}

    async def _until_idle(self, id_: ResourceId) -> None:
        """Wait for a write that is still under way: after a crash, the one that an earlier try of ours began."""
        async with self._patience(id_):
            while (found := await self._control().find(id_)) is not None:
                if str(found.properties.get("provisioningState", "")).lower() not in _BUSY:
                    return
                await asyncio.sleep(_LOOK_SECONDS)

    @asynccontextmanager
    async def _patience(self, id_: ResourceId) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(self._patience_seconds):
                yield
        except TimeoutError:
            raise Conflict(
                f"'{id_}' was not ready within {self._patience_seconds:.0f} seconds.", code="ResourceDeploymentTimeout"
            ) from None

"""POST actions on resources: decided, run, and told to the record, before anything leaves if they give out a secret."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from studiolo.kernel import clock
from studiolo.kernel.control.drafting import stand_in
from studiolo.kernel.control.holders import Holders
from studiolo.kernel.control.judging import Judging, Mark
from studiolo.kernel.documents import resource_of
from studiolo.kernel.faults import Fault
from studiolo.kernel.gate import Gate
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.operations import status_of
from studiolo.kernel.resource import Accepted, Action, Caller, Catalog, Invocation, JsonObject
from studiolo.kernel.store.port import OperationRow, Store


class Actions:
    """Runs what a type declares as actions."""

    def __init__(self, catalog: Catalog, store: Store, gate: Gate, judging: Judging, holders: Holders) -> None:
        self._catalog = catalog
        self._store = store
        self._gate = gate
        self._judging = judging
        self._holders = holders

    async def act(
        self, caller: Caller, id_: ResourceId, name: str, body: JsonObject, query: Mapping[str, str], api_version: str = ""
    ) -> JsonObject | None:
        """Run a POST action; of an operation that goes on, its status. Raises as `begin`."""
        result = await self.begin(caller, id_, name, body, query, api_version)
        return status_of(result) if isinstance(result, OperationRow) else result

    async def begin(
        self, caller: Caller, id_: ResourceId, name: str, body: JsonObject, query: Mapping[str, str], api_version: str = ""
    ) -> JsonObject | OperationRow | None:
        """Run a POST action; an operation that goes on is answered as it stands.

        Raises:
            Forbidden, NotFound, and whatever the action raises.
        """
        declared = self._catalog.get(id_.type)
        action = declared.action(name)
        row = await self._store.find(id_.key)
        mark = await self._judging.ask(caller, declared, action.permission or action.name, id_, row)
        if row is None:
            if not action.needs_no_resource:
                raise await self._holders.missing(id_, declared)
            resource = stand_in(declared, id_)
        else:
            resource = resource_of(row, declared)
        for demand in action.demands(resource) if action.demands is not None else ():
            await self._judging.demand(caller, demand)
        call = Invocation(resource, body, query, caller, api_version)
        if action.is_secret:
            return await self._let_out(mark, action, call)
        result = await action.run(call)
        status = "Accepted" if isinstance(result, Accepted) else "Succeeded"
        await self._store.commit(mark.line(clock.stamp(clock.now()), status))
        return await self._store.operation(result.operation) if isinstance(result, Accepted) else result

    async def _let_out(self, mark: Mark, action: Action, call: Invocation) -> JsonObject | None:
        """Run an action that gives out or changes a secret: the record tells of it before, and of its end before anything leaves."""
        tell = partial(self._gate.lets_out, mark.caller, mark.action, mark.id.text, granted=mark.granted)
        await tell("Started")
        try:
            result = await action.run(call)
        except Fault as fault:
            await tell("Failed", code=fault.code)
            raise
        await tell("Succeeded")
        if isinstance(result, Accepted):
            msg = f"the action {action.name} gives out a secret, so it cannot go on in the background"
            raise TypeError(msg)
        return result

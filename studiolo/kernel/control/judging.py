"""Asks for what a call does to one resource, and keeps what the record is to say of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from studiolo.kernel.documents import draft_of, resource_of
from studiolo.kernel.faults import Forbidden
from studiolo.kernel.gate import Gate
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.record import Granted
from studiolo.kernel.resource import Caller, Catalog, Change, Demand, JsonObject, ResourceType
from studiolo.kernel.store.port import Emit, Row, Store


@dataclass(frozen=True, slots=True)
class Mark:
    """What a line of the record says of a call: who does what to which resource, and what allows it."""

    caller: Caller
    action: str
    id: ResourceId
    granted: Granted

    def line(self, at: str, status: str) -> Emit:
        """The line."""
        deciding = " ".join(self.granted.deciding)
        return Emit(
            at,
            self.action,
            status,
            self.id.key,
            self.caller.oid,
            b"{}",
            reason=self.granted.reason,
            deciding=deciding,
            version=self.granted.version,
        )


class Judging:
    """Asks the gate about resources, with the attributes that calls on their types carry."""

    def __init__(self, catalog: Catalog, store: Store, gate: Gate) -> None:
        self._catalog = catalog
        self._store = store
        self._gate = gate

    async def ask(
        self, caller: Caller, declared: ResourceType, verb: str, id_: ResourceId, row: Row | None, change: Change | None = None
    ) -> Mark:
        """Ask for a verb, with the attributes of what is stored (`row`) and, of a write or a removal, of what is asked for.

        Raises:
            Forbidden: the engine says no.
        """
        request, resource = declared.attributes(change) if change is not None and declared.attributes is not None else ({}, {})
        if declared.described is not None:
            resource = {**declared.described(id_, row.doc if row is not None else None), **resource}
        action = declared.permission(verb)
        return Mark(caller, action, id_, await self._gate.require(caller, action, id_.text, request=request, resource=resource))

    async def demand(self, caller: Caller, demand: Demand) -> Granted:
        """Ask for a further decision. What it does not say of its scope is added: the attributes of what is stored there.

        Raises:
            Forbidden: see `Gate.demand`.
        """
        alternatives = [await self._with_attributes(caller, each) for each in demand.alternatives]
        return await self._gate.demand(caller, replace(await self._with_attributes(caller, demand), alternatives=tuple(alternatives)))

    async def may_read(self, caller: Caller, id_: ResourceId) -> bool:
        """Whether the caller could read a resource by itself."""
        declared = self._catalog.find(id_.type)
        if declared is None:
            return False
        try:
            await self.ask(caller, declared, "read", id_, await self._store.find(id_.key))
        except Forbidden:
            return False
        return True

    async def _with_attributes(self, caller: Caller, demand: Demand) -> Demand:
        """A demand on something that is there asks for it as it is, unless it says more."""
        declared = self._catalog.find(demand.scope.type)
        if declared is None or declared.described is None:
            return demand
        row = await self._store.find(demand.scope.key)
        request: JsonObject = {}
        if row is not None and declared.attributes is not None:
            stored = resource_of(row, declared)
            request, _ = declared.attributes(Change(id=stored.id, old=stored, new=draft_of(stored), caller=caller, at="", fresh_id=""))
        resource = declared.described(demand.scope, row.doc if row is not None else None)
        return replace(demand, request={**request, **demand.request}, resource={**resource, **demand.resource})

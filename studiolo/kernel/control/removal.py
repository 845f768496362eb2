"""What goes with a resource that is removed is looked at first: nobody loses by it what the caller may not remove."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import replace
from typing import Final

from studiolo.kernel.control.judging import Judging
from studiolo.kernel.documents import draft_of, encode, resource_of
from studiolo.kernel.faults import Denied, Forbidden
from studiolo.kernel.gate import Gate, refusal
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import Caller, Catalog, Change, Demand, JsonObject, Resource, ResourceType
from studiolo.kernel.store.port import Row, Store

_DENIES: Final = "microsoft.authorization/denyassignments"
_GROUPS: Final = "microsoft.resources/resourcegroups"
_PAGE: Final = 50
_IN_GROUP: Final = "/subscriptions/s/resourcegroups/g/providers/ns/type".count("/")


class Removal:
    """Asks, before a removal begins, whether its caller may remove what goes with the resource."""

    def __init__(self, catalog: Catalog, store: Store, gate: Gate, judging: Judging) -> None:
        self._catalog = catalog
        self._store = store
        self._gate = gate
        self._judging = judging

    async def check(self, caller: Caller, declared: ResourceType, going: Resource) -> None:
        """Refuse to remove a resource with which more goes than the caller may remove.

        Whoever may remove a resource may remove what lies below it, but for what is denied there: a deny assignment against
        the removal of anything below it, wherever it stands, holds; denials at and below it must be the caller's to take
        back; and of a group, or of what a type takes along, each resource is asked for.

        Raises:
            Forbidden: the caller may not remove all of it; the fault names the first.
        """
        try:
            await self._check(caller, declared, going)
        except Forbidden as fault:
            decision = fault.decision
            if decision is None or await self._judging.may_read(caller, parse(decision.scope)):
                raise
            # What the caller may not see is not named: the words are those of the resource that was to go.
            hidden = decision._replace(scope=going.id.text, ask=None, facts=None)
            raise refusal(hidden, is_denied=isinstance(fault, Denied)) from None

    async def _check(self, caller: Caller, declared: ResourceType, going: Resource) -> None:
        may_be_denied = await self._gate.deniable(caller)
        # Roles go with the scope at which they stand, whoever may take them away by themselves.
        deniable = [each for each in self._catalog if not each.is_extension and may_be_denied(_actions(each))]
        await self._elsewhere(caller, declared, going)
        await self._along(caller, deniable, declared, going)
        await self._below(caller, deniable, going)

    async def _along(self, caller: Caller, deniable: Sequence[ResourceType], declared: ResourceType, going: Resource) -> None:
        for other in await declared.takes_along(going) if declared.takes_along is not None else ():
            await self._gate.demand(caller, _deleting(declared, other))
            await self._elsewhere(caller, declared, other)
            await self._below(caller, deniable, other)

    async def _elsewhere(self, caller: Caller, declared: ResourceType, going: Resource) -> None:
        denials = self._catalog.find(_DENIES)
        if declared.goes_elsewhere is None or denials is None:
            return
        for start in await declared.goes_elsewhere(going):
            async for rows in self._pages(start.rpartition("/")[0], _DENIES):
                for row in rows:
                    if row.key.startswith(start):
                        await self._gate.demand(caller, _deleting(denials, resource_of(row, denials)))

    async def _below(self, caller: Caller, deniable: Sequence[ResourceType], going: Resource) -> None:
        only = None if going.type.lower() == _GROUPS else _DENIES
        async for rows in self._pages(going.id.key, only):
            for row in rows:
                declared = self._catalog.find(row.type)
                if declared is not None and (row.type == _DENIES or _is_in_group(row, declared)):
                    found = resource_of(row, declared)
                    await self._gate.demand(caller, _deleting(declared, found))
                    await self._elsewhere(caller, declared, found)
                    await self._along(caller, deniable, declared, found)
        for declared in deniable:
            async for rows in self._pages(going.id.key, declared.key):
                demands = (each for row in rows for each in _asked(caller, declared, resource_of(row, declared)))
                for demand in await self._gate.denied(caller, demands):
                    await self._gate.demand(caller, demand)

    async def _pages(self, above: str, type_name: str | None) -> AsyncGenerator[Sequence[Row]]:
        after: str | None = ""
        while after is not None:
            page = await self._store.below(above, type_name=type_name, after=after, limit=_PAGE)
            yield page.rows
            after = page.next
            if after is not None:
                await asyncio.sleep(0)  # what holds a lot must not keep everybody else waiting


def _actions(declared: ResourceType) -> tuple[str, ...]:
    """What the removal of one of a type may ask for."""
    return (declared.permission("delete"), *declared.further_actions)


def _described(declared: ResourceType, gone: Resource) -> JsonObject:
    return declared.described(gone.id, encode(gone)) if declared.described is not None else {}


def _deleting(declared: ResourceType, gone: Resource) -> Demand:
    return Demand(declared.permission("delete"), gone.id, resource=_described(declared, gone))


def _asked(caller: Caller, declared: ResourceType, gone: Resource) -> Iterator[Demand]:
    """All that the removal of a resource by itself asks for, with the attributes that it carries there."""
    change = Change(id=gone.id, old=gone, new=draft_of(gone), caller=caller, at="", fresh_id="", is_delete=True)
    kept, further = _described(declared, gone), declared.attributes(change)[1] if declared.attributes is not None else {}
    yield Demand(declared.permission("delete"), gone.id, resource={**kept, **further})
    for each in declared.demands(change) if declared.demands is not None else ():
        if each.scope != gone.id or declared.attributes is None:
            yield each
        else:
            as_it_is, _ = declared.attributes(replace(change, is_delete=False))
            yield replace(each, request={**as_it_is, **each.request}, resource={**kept, **each.resource})


def _is_in_group(row: Row, declared: ResourceType) -> bool:
    """Whether a resource lies directly in a group; roles at a group are not asked for, they go with their scope."""
    return not declared.is_extension and row.parent.count("/") == _IN_GROUP

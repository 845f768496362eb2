"""What goes with a resource that is removed is looked at first: nobody loses by it what the caller may not remove."""

from __future__ import annotations

from typing import Final

from studiolo.kernel.documents import encode, resource_of
from studiolo.kernel.gate import Gate
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import Caller, Catalog, Demand, Resource, ResourceType
from studiolo.kernel.store.port import Row, Store

_DENIES: Final = "microsoft.authorization/denyassignments"
_GROUPS: Final = "microsoft.resources/resourcegroups"
_PAGE: Final = 500
_IN_GROUP: Final = "/subscriptions/s/resourcegroups/g/providers/ns/type".count("/")


class Removal:
    """Asks, before a removal begins, whether its caller may remove what goes with the resource."""

    def __init__(self, catalog: Catalog, store: Store, gate: Gate) -> None:
        self._catalog = catalog
        self._store = store
        self._gate = gate

    async def check(self, caller: Caller, declared: ResourceType, going: Resource) -> None:
        """Refuse to remove a resource with which more goes than the caller may remove.

        Whoever may remove a resource may remove what lies below it, but for what is denied there: so denials at and below
        it must be the caller's to take back, and of a group, or of what a type takes along, each resource is asked for.

        Raises:
            Forbidden: the caller may not remove all of it; the fault names the first.
        """
        await self._along(caller, declared, going)
        await self._below(caller, going)

    async def _along(self, caller: Caller, declared: ResourceType, going: Resource) -> None:
        for other in await declared.takes_along(going) if declared.takes_along is not None else ():
            described = declared.described(other.id, encode(other)) if declared.described is not None else {}
            await self._gate.demand(caller, Demand(declared.permission("delete"), other.id, resource=described))
            await self._below(caller, other)

    async def _below(self, caller: Caller, going: Resource) -> None:
        only = None if going.type.lower() == _GROUPS else _DENIES
        after: str | None = ""
        while after is not None:
            page = await self._store.below(going.id.key, type_name=only, after=after, limit=_PAGE)
            for row in page.rows:
                declared = self._catalog.find(row.type)
                if declared is not None and (row.type == _DENIES or _is_in_group(row, declared)):
                    id_ = parse(row.key)
                    described = declared.described(id_, row.doc) if declared.described is not None else {}
                    await self._gate.demand(caller, Demand(declared.permission("delete"), id_, resource=described))
                    await self._along(caller, declared, resource_of(row, declared))
            after = page.next


def _is_in_group(row: Row, declared: ResourceType) -> bool:
    """Whether a resource lies directly in a group; roles at a group are not asked for, they go with their scope."""
    return not declared.is_extension and row.parent.count("/") == _IN_GROUP

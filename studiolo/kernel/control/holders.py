"""What must be there before a resource can be: its group, its parent, and the resources that it names."""

from __future__ import annotations

from dataclasses import replace

from studiolo.kernel import clock
from studiolo.kernel.control.drafting import is_same, written
from studiolo.kernel.documents import resource_of, row_of
from studiolo.kernel.faults import NotFound
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.resource import Catalog, Change, Resource, ResourceType
from studiolo.kernel.store.port import ABSENT, Expect, ExpectNoFacet, PutResource, Store, Write


class Holders:
    """Looks up what holds a resource, and makes or updates the container of an asset in the same commit."""

    def __init__(self, catalog: Catalog, store: Store) -> None:
        self._catalog = catalog
        self._store = store

    async def facts(self, declared: ResourceType, change: Change) -> dict[str, Resource | None]:
        """The resources that the type's `needs` and `kin` name for this change, by key."""
        found = {wanted.key: await self._find(wanted) for wanted in declared.needs(change)} if declared.needs else {}
        for type_name, facet in declared.kin(change) if declared.kin else ():
            rows = (await self._store.by_facet(type_name.lower(), facet, limit=1)).rows
            found[f"{type_name}#{facet}".lower()] = resource_of(rows[0], self._catalog.find(type_name)) if rows else None
        return found

    @staticmethod
    def absent(declared: ResourceType, change: Change) -> list[Write]:
        """What makes a commit rest on there still being none of what `kin` asked for and did not find.

        So two writers cannot both be the first to carry a facet that `admit` lets one resource have.
        """
        named = declared.kin(change) if declared.kin else ()
        return [ExpectNoFacet(name.lower(), facet) for name, facet in named if change.fact(f"{name}#{facet}") is None]

    async def missing(self, id_: ResourceId, declared: ResourceType) -> NotFound:
        """The fault that says that a resource, or the group that would hold it, is not there."""
        group = id_.group_id
        if group is not None and group.key != id_.key and await self._store.find(group.key) is None:
            return NotFound(f"Resource group '{group.name}' could not be found.", code="ResourceGroupNotFound")
        if group is not None and group.key == id_.key:
            return NotFound(f"Resource group '{id_.name}' could not be found.", code="ResourceGroupNotFound")
        within = f" under resource group '{group.name}'" if group else ""
        return NotFound(
            f"The Resource '{declared.name}/{'/'.join(id_.names)}'{within} was not found.", code="ResourceNotFound", target=id_.name
        )

    async def expected(self, change: Change, declared: ResourceType) -> list[Write]:
        """Check that the group and the parent are there; return the writes that make or update an asset's container.

        What only has to be there is expected to be as it was found: nothing is made in what goes meanwhile.
        """
        if change.old is not None:
            return []
        holder = change.id.parent
        if holder is None:
            return []
        if declared.is_extension and len(change.id.names) == 1:
            row = await self._store.find(holder.key)  # a scope need not be a resource of ours
            return [Expect(row.key, row.etag)] if row else []
        parent_type = self._catalog.find(holder.type)
        parent = await self._find(holder)
        if parent_type is None or (parent is None and holder.type.lower().startswith("microsoft.resources/")):
            raise await self.missing(holder, self._catalog.get(holder.type))
        if declared.parent_draft is None:
            if parent is None:
                raise NotFound(
                    f"Parent resource '{holder.name}' of type '{parent_type.name}' was not found; create it first.",
                    code="ParentResourceNotFound",
                )
            return [as_found(parent)]
        draft = declared.parent_draft(change, parent)
        if draft is None:
            return [as_found(parent)] if parent else []
        upper = replace(change, id=parent.id if parent else holder, old=parent, new=draft, fresh_id=clock.new_id())
        return await self._parent_writes(upper, parent_type)

    async def _parent_writes(self, upper: Change, declared: ResourceType) -> list[Write]:
        if upper.old is None:
            declared.check_name(upper.id.name)
        above = await self.expected(upper, declared)
        upper = replace(upper, facts=await self.facts(declared, upper))
        made = written(declared, upper, declared.admit(upper))
        if upper.old is not None and is_same(upper.old, made):
            return [*above, as_found(upper.old)]
        expect = upper.old.etag if upper.old else ABSENT
        above += self.absent(declared, upper)
        return [*above, PutResource(row_of(made), expect=expect, facets=tuple(declared.facets(made)) if declared.facets else ())]

    async def _find(self, id_: ResourceId) -> Resource | None:
        row = await self._store.find(id_.key)
        return resource_of(row, self._catalog.find(id_.type)) if row else None


def as_found(resource: Resource) -> Expect:
    """The write that makes a commit rest on a resource's being as it was found."""
    return Expect(resource.id.key, resource.etag)

"""Management groups at work: what may be moved where, and what lies below a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from studiolo.kernel.access.scopes import MANAGEMENT_GROUPS as PREFIX
from studiolo.kernel.access.scopes import Hierarchy
from studiolo.kernel.documents import resource_of
from studiolo.kernel.faults import Conflict
from studiolo.kernel.ids import Collection, ResourceId
from studiolo.kernel.resource import Caller, Change, Cleared, Demand, Draft, JsonObject, Resource
from studiolo.kernel.store.port import Store
from studiolo.rooms.authorization.domain import management
from studiolo.rooms.authorization.domain.management import MANAGEMENT_GROUPS, MEMBERSHIPS
from studiolo.rooms.authorization.ports import Heirs
from studiolo.rooms.authorization.service.owners import Owners

_PAGE: Final = 500


class ManagementGroups:
    """The rules that need the present tree."""

    def __init__(self, store: Store, heirs: Heirs, owners: Owners, tenant: str) -> None:
        self._store = store
        self._heirs = heirs
        self._owners = owners
        self._tenant = tenant

    # ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────

    def admit(self, change: Change) -> Draft:
        """A management group that may be written."""
        return management.admit_group(change, self._tenant, self._heirs.hierarchy())

    def needs(self, change: Change) -> Sequence[ResourceId]:
        """The group above."""
        return management.group_needs(change, self._tenant)

    def demands(self, change: Change) -> Sequence[Demand]:
        """What a write needs at the groups above, and a move at what moves."""
        return management.group_demands(change, self._tenant)

    async def guard(self, change: Change) -> Cleared:
        """Refuse to remove a group that holds something (code `ManagementGroupNotEmpty`); keep the owners of what moves."""
        own, hierarchy = change.id.name.lower(), self._heirs.hierarchy()
        if change.is_delete:
            held = hierarchy.members(PREFIX + own)[1:]
            if held:
                raise Conflict(
                    f"The management group '{change.id.name}' holds '{held[0]}'; move or remove what it holds first.",
                    code="ManagementGroupNotEmpty",
                )
            return Cleared()
        below = [key for key in hierarchy.members(PREFIX + own) if key.startswith("/subscriptions/")]
        if change.old is None or not below:
            return Cleared()
        parent = management.parent_in(change.new.properties, self._tenant)
        planned = await self._planned(parents={own: parent.name.lower() if parent else None})
        return Cleared(fence=await self._owners.keep_moved(below, planned))

    # ── subscriptions in groups ──────────────────────────────────────────────────────────────────────────────────

    async def guard_membership(self, change: Change) -> Cleared:
        """A subscription that comes into a group leaves the one that it was in, in the same commit."""
        group = change.id.parent
        after = None if change.is_delete or group is None else group.name.lower()
        planned = await self._planned(members={change.id.name.lower(): after})
        fence = await self._owners.keep_moved([f"/subscriptions/{change.id.name.lower()}"], planned)
        former = None if change.is_delete else management.former(change)
        return Cleared(fence=fence, gone=(former,) if former is not None else ())

    async def _planned(
        self, *, parents: Mapping[str, str | None] | None = None, members: Mapping[str, str | None] | None = None
    ) -> Hierarchy:
        """The tree of groups as it would be with these groups or subscriptions elsewhere."""
        above = {**{group.name.lower(): management.group_above(group) for group in await self._all(MANAGEMENT_GROUPS)}, **(parents or {})}
        lies = {**dict(map(management.membership_of, await self._all(MEMBERSHIPS))), **(members or {})}
        return Hierarchy(
            {child: parent for child, parent in above.items() if parent is not None},
            {subscription: group for subscription, group in lies.items() if group is not None},
        )

    async def _all(self, type_name: str) -> list[Resource]:
        found: list[Resource] = []
        after: str | None = ""
        while after is not None:
            page = await self._store.below("", type_name=type_name.lower(), after=after, limit=_PAGE)
            found += map(resource_of, page.rows)
            after = page.next
        return found

    # ── lists ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def descendants(self, caller: Caller, collection: Collection, query: Mapping[str, str]) -> Sequence[JsonObject]:
        """Every group and every subscription below a group, with what is right above it."""
        del caller, query
        own = collection.parent
        if own is None:
            return []
        hierarchy, found = self._heirs.hierarchy(), list[JsonObject]()
        for key in hierarchy.members(own.key)[1:]:
            row = await self._store.find(key)
            above = next((each for each in hierarchy.chain(key)[1:] if each.startswith(PREFIX)), own.key)
            name = key.rpartition("/")[2]
            shown = resource_of(row) if row is not None else None
            found.append(
                {
                    "id": shown.id.text if shown else key,
                    "name": name,
                    "type": MANAGEMENT_GROUPS if key.startswith(PREFIX) else f"{MANAGEMENT_GROUPS}/subscriptions",
                    "properties": {
                        "displayName": shown.properties.get("displayName") or name if shown else name,
                        "parent": {"id": management.group_id(above.removeprefix(PREFIX)).text},
                    },
                }
            )
        return found

"""A planned change of the tree of scopes: groups and subscriptions elsewhere, hubs whose roles reach their projects or no longer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final, Literal

import msgspec

from studiolo.kernel.access.scopes import MANAGEMENT_GROUPS as PREFIX
from studiolo.kernel.access.scopes import Hierarchy
from studiolo.kernel.faults import Forbidden, Invalid, NotFound
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.store.port import Store
from studiolo.rooms.authorization.domain import management
from studiolo.rooms.authorization.domain.management import MANAGEMENT_GROUPS, SUBSCRIPTIONS
from studiolo.rooms.authorization.ports import Heirs
from studiolo.rooms.authorization.service.reach import May

_MOST: Final = 20
"""How many moves, and how many hubs, one plan names: each costs a look at the whole tree."""


class NewPlace(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A management group or a subscription, and the management group in which it would lie (ids); none: the tenant's root."""

    id: str
    parent: str | None = None


class NewReach(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A hub (its id), and how far its roles would reach."""

    hub: str
    role_inheritance: Literal["None", "Projects"]


Moves = Annotated[tuple[NewPlace, ...], msgspec.Meta(max_length=_MOST)]
Reaches = Annotated[tuple[NewReach, ...], msgspec.Meta(max_length=_MOST)]


Places = Mapping[str, str | None]
"""By name of a management group, or by id of a subscription, the name of the group above; None: the tenant's root."""


def touched(moves: Moves, reaches: Reaches) -> Iterator[str]:
    """Every scope that a planned change of the tree names.

    Raises:
        Invalid: one is no id (code `InvalidResourceId`).
    """
    for each in moves:
        yield parse(each.id).text
        if each.parent:
            yield parse(each.parent).text
    yield from (parse(each.hub).text for each in reaches)


class Moving:
    """Reads such a plan, and refuses what could not be written."""

    def __init__(self, store: Store, heirs: Heirs, tenant: str) -> None:
        self._store = store
        self._heirs = heirs
        self._tenant = tenant

    async def places(self, moves: Moves, present: Hierarchy, may: May) -> tuple[Places, Places]:
        """Where groups, and where subscriptions, would lie.

        Raises:
            NotFound: one is not there (codes `ManagementGroupNotFound`, `SubscriptionNotFound`, `ParentGroupNotFound`).
            Invalid: an id is none of such a thing (codes `InvalidMove`, `InvalidParentGroup`).
            Conflict: the tenant's root group is to move (code `RootGroupIsFixed`).
            Forbidden: something leaves a group whose role assignments the asker may not read.
        """
        groups: dict[str, str | None] = {}
        subscriptions: dict[str, str | None] = {}
        for each in moves:
            id_ = parse(each.id)
            await self._check_movable(id_)
            former = next((above for above in present.chain(id_.key)[1:] if above.startswith(PREFIX)), None)
            if former is not None and not await may(former):
                raise Forbidden(
                    f"'{id_}' lies in a management group where you may not read role assignments: you cannot see what leaving it changes.",
                    target="change.move",
                )
            (groups if _is_group(id_) else subscriptions)[id_.name.lower()] = await self._parent(each.parent)
        return groups, subscriptions

    def check(self, places: Places, tree: Hierarchy) -> None:
        """Refuse a tree, as it would be, in which a group that moves lies wrong.

        Raises:
            Invalid: it lies under itself or too deep (codes `ManagementGroupCycle`, `ManagementGroupTooDeep`).
        """
        for own, parent in places.items():
            if parent is not None:
                management.check_place(own, parent, tree, "change.move")

    async def heirs(self, reaches: Reaches) -> Mapping[str, Sequence[str]]:
        """The projects that would inherit, by key of the hub.

        Raises:
            NotFound: there is no such hub (code `HubNotFound`).
            Invalid: it is a workspace of another kind (code `InvalidHub`).
        """
        found: dict[str, Sequence[str]] = {}
        for each in reaches:
            hub = parse(each.hub)
            projects = self._heirs.projects(hub.key)
            if projects is None:
                raise await self._no_hub(hub)
            found[hub.key] = projects if each.role_inheritance == "Projects" else ()
        return found

    async def _check_movable(self, id_: ResourceId) -> None:
        is_group = _is_group(id_)
        if not is_group and id_.type.lower() != SUBSCRIPTIONS.lower():
            raise Invalid(f"'{id_}' is neither a management group nor a subscription.", code="InvalidMove", target="change.move.id")
        if is_group and id_.name.lower() == self._tenant.lower():
            raise management.root_is_fixed()
        if await self._store.find(id_.key) is None:
            missing = f"'{id_}' could not be found."
            if is_group:
                raise NotFound(missing, code="ManagementGroupNotFound", target="change.move.id")
            raise NotFound(missing, code="SubscriptionNotFound", target="change.move.id")

    async def _parent(self, text: str | None) -> str | None:
        parent = management.group_named(text or "", self._tenant, "change.move.parent")
        if parent is None:
            return None
        if await self._store.find(parent.key) is None:
            raise management.no_parent(parent, "change.move.parent")
        return parent.name.lower()

    async def _no_hub(self, hub: ResourceId) -> Invalid | NotFound:
        if await self._store.find(hub.key) is None:
            return NotFound(f"The hub '{hub}' was not found.", code="HubNotFound", target="change.hubs")
        return Invalid(f"'{hub}' is no hub; a hub alone passes roles on, to its projects.", code="InvalidHub", target="change.hubs")


def _is_group(id_: ResourceId) -> bool:
    return id_.type.lower() == MANAGEMENT_GROUPS.lower() and id_.scope is None

"""The tree of scopes beyond their paths: management groups above subscriptions, hubs whose roles reach their projects."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from studiolo.kernel.access.scopes import Hierarchy
from studiolo.kernel.documents import resource_of
from studiolo.kernel.store.port import DropResource, PutResource, Row, Store, Write
from studiolo.rooms import authorization, hubs

_GROUPS: Final = authorization.MANAGEMENT_GROUPS.lower()
_MEMBERSHIPS: Final = authorization.MEMBERSHIPS.lower()


class ScopeTree:
    """The authorization room's `Heirs`, kept in memory: read where its seals hold, and changed with every commit that changes it.

    The store calls its listeners after a commit is durable and before its caller is told, so that whoever was told finds
    the change in force. Commits of other processes are noticed by a gap in the versions, and by `refresh`.
    """

    def __init__(self, store: Store, seals: authorization.Seals) -> None:
        self._seals = seals
        self._parents: dict[str, str] = {}  # by key of a group, the name of the one above
        self._members: dict[str, tuple[str, str]] = {}  # by key of a membership, subscription and group
        self._hubs: dict[str, str] = {}  # by key of a project, its hub
        self._reaches: dict[str, bool] = {}  # by key of a hub, whether its roles reach its projects
        self._present = Hierarchy()
        self._followed = 0  # the version up to which every change is known
        self._noted = 0  # the newest version of a commit of this process
        self._reading = asyncio.Lock()
        store.listen(self._note)

    async def load(self) -> None:
        """Read what is there, before anything is served. Rows that are not as they were written change nothing: all is closed then."""
        while True:
            standing, noted = await self._seals.standing(), self._noted
            found = [await self._seals.all_of(type_name) for type_name in authorization.TREE]
            if None in found:
                await self._seals.inspect()
            if self._seals.is_closed:
                self._followed = standing.version
                return
            again = await self._seals.standing()
            # Neither another process nor this one may have changed the tree while it was read.
            if None not in found and again.since(authorization.TREE) == standing.since(authorization.TREE) and self._noted == noted:
                break
        for kept in (self._parents, self._members, self._hubs, self._reaches):
            kept.clear()
        for row in (row for rows in found if rows is not None for row in rows):
            self._take(row)
        self._followed = standing.version
        self._rebuild()

    async def refresh(self, standing: authorization.Standing) -> None:
        """See `Heirs.refresh`."""
        async with self._reading:
            if standing.since(authorization.TREE) > self._followed:
                await self.load()
            self._followed = max(self._followed, standing.version)

    def hierarchy(self) -> Hierarchy:
        """The present tree: the same object as long as nothing has changed."""
        return self._present

    def projects(self, hub: str) -> Sequence[str] | None:
        """See `Heirs.projects`."""
        return [project for project, own in self._hubs.items() if own == hub] if hub in self._reaches else None

    def _note(self, writes: Sequence[Write]) -> None:
        """Take over what a commit changes."""
        version = authorization.version_in(writes)
        if version is None or version <= self._followed:
            return
        is_changed = False
        for write in writes:
            if isinstance(write, PutResource) and write.row.type in authorization.TREE:
                is_changed |= self._take(write.row)
            elif isinstance(write, DropResource) and write.type in authorization.TREE:
                is_changed |= self._forget(write.key)
        self._noted = version
        if version == self._followed + 1:
            self._followed = version
        if is_changed:
            self._rebuild()

    def _take(self, row: Row) -> bool:
        """Take over one row; whether the tree changes by it."""
        resource = resource_of(row)
        if row.type == _GROUPS:
            above = authorization.group_above(resource)
            if above is None:
                return self._parents.pop(row.key, None) is not None
            is_new, self._parents[row.key] = self._parents.get(row.key) != above, above
            return is_new
        if row.type == _MEMBERSHIPS:
            pair = authorization.membership_of(resource)
            is_new, self._members[row.key] = self._members.get(row.key) != pair, pair
            return is_new
        heir = hubs.heir_of(resource)
        if heir is not None:
            is_new, self._hubs[row.key] = self._hubs.get(row.key) != heir[1], heir[1]
            return is_new and self._reaches.get(heir[1], False)
        if resource.kind != "Hub":
            return False
        before, reaches = self._reaches.get(row.key, False), hubs.reach_of(resource.properties) == "Projects"
        self._reaches[row.key] = reaches
        return reaches != before

    def _forget(self, key: str) -> bool:
        found = [self._parents.pop(key, None), self._members.pop(key, None), self._hubs.pop(key, None)]
        return self._reaches.pop(key, False) or any(each is not None for each in found)

    def _rebuild(self) -> None:
        self._present = Hierarchy(
            {key.rpartition("/")[2]: above for key, above in self._parents.items()},
            dict(self._members.values()),
            {project: [hub] for project, hub in self._hubs.items() if self._reaches.get(hub, False)},
        )

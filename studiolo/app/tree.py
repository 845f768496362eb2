"""The tree of scopes beyond their paths: management groups above subscriptions, hubs whose roles reach their projects."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from studiolo.kernel.access.scopes import Hierarchy
from studiolo.kernel.documents import resource_of
from studiolo.kernel.store.port import DropResource, PutResource, Row, Store, Write
from studiolo.rooms import hubs, iam

_WORKSPACES: Final = "microsoft.machinelearningservices/workspaces"
_GROUPS: Final = iam.MANAGEMENT_GROUPS.lower()
_MEMBERSHIPS: Final = iam.MEMBERSHIPS.lower()
_TYPES: Final = (_GROUPS, _MEMBERSHIPS, _WORKSPACES)
_PAGE: Final = 500


class ScopeTree:
    """The identity room's `Heirs`, kept in memory and changed with every commit that changes it.

    The store calls its listeners after a commit is durable and before its caller is told, so that whoever was told finds
    the change in force.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._parents: dict[str, str] = {}  # by key of a group, the name of the one above
        self._members: dict[str, tuple[str, str]] = {}  # by key of a membership, subscription and group
        self._hubs: dict[str, str] = {}  # by key of a project, its hub
        self._reaching: set[str] = set()  # hubs whose roles reach their projects
        self._lock = threading.Lock()
        self._present = Hierarchy()
        store.listen(self._note)

    async def load(self) -> None:
        """Read what is there, before anything is served."""
        for type_name in _TYPES:
            after: str | None = ""
            while after is not None:
                page = await self._store.below("", type_name=type_name, after=after, limit=_PAGE)
                with self._lock:
                    for row in page.rows:
                        self._take(row)
                after = page.next
        self._rebuild()

    def hierarchy(self) -> Hierarchy:
        """The present tree: the same object as long as nothing has changed."""
        return self._present

    def _note(self, writes: Sequence[Write]) -> None:
        """Take over what a commit changes. Runs in the store's thread."""
        is_changed = False
        with self._lock:
            for write in writes:
                if isinstance(write, PutResource) and write.row.type in _TYPES:
                    is_changed |= self._take(write.row)
                elif isinstance(write, DropResource) and write.type in _TYPES:
                    is_changed |= self._forget(write.key)
        if is_changed:
            self._rebuild()

    def _take(self, row: Row) -> bool:
        """Take over one row; whether the tree changes by it."""
        resource = resource_of(row)
        if row.type == _GROUPS:
            above = iam.group_above(resource)
            if above is None:
                return self._parents.pop(row.key, None) is not None
            is_new, self._parents[row.key] = self._parents.get(row.key) != above, above
            return is_new
        if row.type == _MEMBERSHIPS:
            pair = iam.membership_of(resource)
            is_new, self._members[row.key] = self._members.get(row.key) != pair, pair
            return is_new
        heir = hubs.heir_of(resource)
        if heir is not None:
            is_new, self._hubs[row.key] = self._hubs.get(row.key) != heir[1], heir[1]
            return is_new and heir[1] in self._reaching
        reaches, before = resource.kind == "Hub" and hubs.reach_of(resource.properties) == "Projects", row.key in self._reaching
        (self._reaching.add if reaches else self._reaching.discard)(row.key)
        return reaches != before

    def _forget(self, key: str) -> bool:
        found = [self._parents.pop(key, None), self._members.pop(key, None), self._hubs.pop(key, None)]
        is_hub = key in self._reaching
        self._reaching.discard(key)
        return is_hub or any(each is not None for each in found)

    def _rebuild(self) -> None:
        with self._lock:
            self._present = Hierarchy(
                {key.rpartition("/")[2]: above for key, above in self._parents.items()},
                dict(self._members.values()),
                {project: [hub] for project, hub in self._hubs.items() if hub in self._reaching},
            )

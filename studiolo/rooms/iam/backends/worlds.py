"""Everybody's facts at once, read from the store: for questions about all principals, which are rare beside decisions.

What was read is kept as long as the grants' version stands. A question about one scope reads the rows on that scope's
chain alone; only a simulation reads them all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.access.decision import Assignment
from studiolo.kernel.access.scopes import ROOT
from studiolo.kernel.access.world import CompiledWorld, Holder, World
from studiolo.kernel.documents import resource_of
from studiolo.kernel.store.port import Row, Store
from studiolo.rooms.iam.backends.stored import StoredGrants, assignment_of
from studiolo.rooms.iam.domain.denials import deny_of
from studiolo.rooms.iam.domain.principals import GROUPS, KINDS, PRINCIPAL_TYPES, custom_attributes
from studiolo.rooms.iam.domain.roles import DENY_ASSIGNMENTS, ROLE_ASSIGNMENTS

_PAGE: Final = 1000
_TRIES: Final = 3
_ASSIGNMENTS: Final = ROLE_ASSIGNMENTS.lower()


class _Shown(msgspec.Struct, rename="camel"):
    display_name: str | None = None
    user_principal_name: str | None = None
    account_enabled: bool | None = None
    members: tuple[str, ...] = ()
    custom_security_attributes: dict[str, dict[str, Any]] | None = None


class _Doc(msgspec.Struct):
    properties: _Shown


_documents = msgspec.json.Decoder(_Doc)


class _People(NamedTuple):
    version: int
    holders: Mapping[str, Holder]
    births: Mapping[str, str]
    members: Mapping[str, tuple[str, ...]]


class StoredWorlds:
    """Worlds of the present version."""

    def __init__(self, store: Store, grants: StoredGrants) -> None:
        self._store = store
        self._grants = grants
        self._people: _People | None = None
        self._whole: CompiledWorld | None = None

    async def whole(self) -> CompiledWorld:
        """Everything."""
        kept = self._present()
        if kept is not None:
            return kept
        found = await self._steady(None)
        self._whole = found
        return found

    async def above(self, scope_key: str) -> CompiledWorld:
        """All principals, all deny assignments, and the assignments on the chain of a scope."""
        kept = self._present()
        if kept is not None:
            return kept
        return await self._steady(scope_key)

    def _present(self) -> CompiledWorld | None:
        """The world that is kept, if it still holds: its version stands, and no row of it begins or ends."""
        kept = self._whole
        is_timed = kept is not None and any(row.starts is not None or row.ends is not None for row in kept.world.assignments)
        return kept if kept is not None and not is_timed and kept.world.version == self._grants.version() else None

    async def _steady(self, scope_key: str | None) -> CompiledWorld:
        """A world of one version: read again if it changed meanwhile, the last time without letting others in between."""
        tries = 0
        while True:
            version, tries = self._grants.version(), tries + 1
            world = await self._read(version, scope_key, is_patient=tries < _TRIES)
            if version == self._grants.version() or tries == _TRIES:
                return await asyncio.to_thread(CompiledWorld, world)

    async def _read(self, version: int, scope_key: str | None, *, is_patient: bool) -> World:
        people = self._people
        if people is None or people.version != version:
            people = self._people = await self._read_people(version, is_patient=is_patient)
        hierarchy = self._grants.hierarchy()
        rows: list[Assignment] = []
        if scope_key is None:
            async for row in self._of_type(ROLE_ASSIGNMENTS, is_patient=is_patient):
                await self._take(row, people, rows)
        else:
            for above in hierarchy.chain(scope_key):
                async for row in self._at(above, is_patient=is_patient):
                    await self._take(row, people, rows)
        moment = clock.now()
        self._grants.expect_boundary(rows, moment)
        denies = [deny_of(resource_of(row)) async for row in self._of_type(DENY_ASSIGNMENTS, is_patient=is_patient)]
        return World(
            people.holders,
            people.members,
            tuple(rows),
            tuple(denies),
            hierarchy,
            version,
            self._grants.known_actions,
            clock.stamp(moment),
        )

    async def _take(self, row: Row, people: _People, rows: list[Assignment]) -> None:
        """An assignment counts for the principal that it was made for, of the kind that it was made for."""
        stored = assignment_of(row)
        holder = people.holders.get(stored.principal)
        role = await self._grants.role(stored.role)
        if holder is None or role is None or stored.kind != holder.kind or stored.since not in (None, people.births[holder.id]):
            return
        rows.append(stored.with_role(role))

    async def _read_people(self, version: int, *, is_patient: bool) -> _People:
        holders: dict[str, Holder] = {}
        births: dict[str, str] = {}
        members: dict[str, tuple[str, ...]] = {}
        for type_name in reversed(PRINCIPAL_TYPES):  # should two have one id, the first type's counts, as in `candidates`
            async for row in self._of_type(type_name, is_patient=is_patient):
                found, id_ = _documents.decode(row.doc).properties, row.key.rpartition("/")[2]
                name = found.user_principal_name or found.display_name or ""
                attributes = custom_attributes(found.custom_security_attributes or {})
                holders[id_] = Holder(id_, KINDS[row.type], name, found.account_enabled is not False, attributes)
                births[id_] = row.created
                if type_name == GROUPS:
                    members[id_] = found.members
        return _People(version, holders, births, members)

    async def _of_type(self, type_name: str, *, is_patient: bool) -> AsyncIterator[Row]:
        after: str | None = ""
        while after is not None:
            page = await self._store.below("", type_name=type_name.lower(), after=after, limit=_PAGE)
            for row in page.rows:
                yield row
            after = page.next
            if is_patient:
                await asyncio.sleep(0)

    async def _at(self, scope_key: str, *, is_patient: bool) -> AsyncIterator[Row]:
        parent, after = f"{'' if scope_key == ROOT else scope_key}/providers/{_ASSIGNMENTS}", ""
        while after is not None:
            page = await self._store.page(parent, after=after, limit=_PAGE)
            for row in page.rows:
                yield row
            after = page.next
            if is_patient:
                await asyncio.sleep(0)

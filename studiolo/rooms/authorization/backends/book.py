"""What is known of everybody at once: principals, deny assignments, and the assignments at the scopes that were asked about.

Every row is checked against its seal when it is read, as for a single decision: what is not as it was written does not
count, and where it could open something everything is denied.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec

from studiolo.kernel.access.grants import Assignment, DenyAssignment, Role
from studiolo.kernel.access.scopes import ROOT, scope_key
from studiolo.kernel.access.shelves import Shelf
from studiolo.kernel.access.world import Holder
from studiolo.kernel.documents import resource_of
from studiolo.kernel.principals import GROUPS, KINDS, PRINCIPAL_TYPES, candidates, custom_attributes
from studiolo.kernel.store.port import Row, Store
from studiolo.rooms.authorization.backends.seals import Seals
from studiolo.rooms.authorization.backends.stored import SHUT, StoredAssignment, StoredGrants, assignment_of
from studiolo.rooms.authorization.domain.denials import deny_of
from studiolo.rooms.authorization.domain.roles import DENY_ASSIGNMENTS, ROLE_ASSIGNMENTS

_PAGE: Final = 200  # others are served in between
_ASSIGNMENTS: Final = ROLE_ASSIGNMENTS.lower()
_UNDER: Final = f"/providers/{_ASSIGNMENTS}"
_GROUPS: Final = GROUPS.lower()


class _Shown(msgspec.Struct, rename="camel"):
    display_name: str | None = None
    user_principal_name: str | None = None
    account_enabled: bool | None = None
    members: tuple[str, ...] = ()
    custom_security_attributes: dict[str, dict[str, Any]] | None = None


class _Doc(msgspec.Struct):
    properties: _Shown


_documents = msgspec.json.Decoder(_Doc)


class Book:
    """One reading of the store, changed row by row as commits touch it."""

    def __init__(self, store: Store, seals: Seals, grants: StoredGrants) -> None:
        self._store = store
        self._seals = seals
        self._grants = grants
        self._births: dict[str, str] = {}
        self._rows: dict[str, StoredAssignment] = {}
        self._of: dict[str, set[str]] = {}  # by principal, the keys of its assignments
        self._counting: dict[str, tuple[str, Assignment]] = {}  # by key, the scope and the assignment, if it counts
        self._roles: dict[str, Role | None] = {}
        self._scopes: set[str] = set()
        self._is_whole = False
        self._denies: Sequence[DenyAssignment] = ()
        self.holders: dict[str, Holder] = {}
        self.members: dict[str, tuple[str, ...]] = {}
        self.shelves: dict[str, Shelf] = {}

    @property
    def size(self) -> int:
        """How many assignments and scopes are kept."""
        return len(self._rows) + len(self._scopes)

    def assignments(self) -> tuple[Assignment, ...]:
        """Those that are kept and count: made for the principal that is there now, of the kind that it is."""
        return tuple(row for _, row in self._counting.values())

    def denies(self) -> tuple[DenyAssignment, ...]:
        """All deny assignments; one that denies everything to everybody where they are not believed."""
        return (SHUT,) if self._seals.is_closed else tuple(self._denies)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def begin(self) -> None:
        """Read principals and deny assignments."""
        seen: set[str] = set()
        for type_name in PRINCIPAL_TYPES:  # should two have one id, the first type's counts, as in `candidates`
            async for row in self._of_type(type_name):
                id_ = row.key.rpartition("/")[2]
                if id_ not in seen and await self._seals.holds(row):
                    self._enter(id_, row)
                seen.add(id_)
        if await self._seals.all_of(_GROUPS) is None:
            await self._seals.inspect()
        await self.reread_denies()

    async def reread_denies(self) -> None:
        """Read all deny assignments."""
        rows = await self._seals.all_of(DENY_ASSIGNMENTS.lower())
        if rows is None:
            await self._seals.inspect()
        self._denies = [deny_of(resource_of(row)) for row in rows or ()]

    async def read(self, scopes: Sequence[str] | None) -> None:
        """Read the assignments at these scopes (keys), or all of them."""
        if self._is_whole:
            return
        if scopes is None:
            async for row in self._of_type(ROLE_ASSIGNMENTS):
                await self._take(row)
            self._is_whole = True
            return
        for scope in scopes:
            if scope not in self._scopes:
                self._scopes.add(scope)
                async for row in self._at(scope):
                    await self._take(row)

    async def reread_principal(self, oid: str) -> None:
        """Read one principal again; its assignments count, or no longer."""
        self.holders.pop(oid, None)
        self._births.pop(oid, None)
        self.members.pop(oid, None)
        for id_ in candidates(oid):
            row = await self._store.find(id_.key)
            if row is not None:
                if await self._seals.holds(row):
                    self._enter(oid, row)
                break
        for key in self._of.get(oid, ()):
            self._count(key)

    async def reread_assignment(self, key: str) -> None:
        """Read one assignment again, if those at its scope are kept."""
        scope = key.rpartition(_UNDER)[0] or ROOT
        if not self._is_whole and scope not in self._scopes:
            return
        row = await self._store.find(key)
        if row is not None:
            await self._take(row)
        elif (stored := self._rows.pop(key, None)) is not None:
            self._of[stored.principal].discard(key)
            self._count(key)

    # ── keeping ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _enter(self, id_: str, row: Row) -> None:
        found = _documents.decode(row.doc).properties
        name = found.user_principal_name or found.display_name or ""
        attributes = custom_attributes(found.custom_security_attributes or {})
        self.holders[id_] = Holder(id_, KINDS[row.type], name, found.account_enabled is not False, attributes)
        self._births[id_] = row.created
        if row.type == _GROUPS:
            self.members[id_] = found.members

    async def _take(self, row: Row) -> None:
        if not await self._seals.holds(row):
            self._rows.pop(row.key, None)
        else:
            stored = self._rows[row.key] = assignment_of(row)
            self._of.setdefault(stored.principal, set()).add(row.key)
            if stored.role not in self._roles:
                self._roles[stored.role] = await self._grants.role(stored.role)
        self._count(row.key)

    def _count(self, key: str) -> None:
        """Put an assignment on its shelf if it counts, and take away what was there."""
        before = self._counting.pop(key, None)
        if before is not None:
            self.shelves[before[0]].drop(before[1])
        stored = self._rows.get(key)
        holder = self.holders.get(stored.principal) if stored is not None else None
        role = self._roles.get(stored.role) if stored is not None else None
        if stored is None or holder is None or role is None or stored.kind != holder.kind:
            return
        if stored.since not in (None, self._births[holder.id]):
            return
        row = stored.with_role(role)
        scope = scope_key(row.scope)
        self.shelves.setdefault(scope, Shelf()).put(row)
        self._counting[key] = scope, row

    async def _of_type(self, type_name: str) -> AsyncIterator[Row]:
        after: str | None = ""
        while after is not None:
            page = await self._store.below("", type_name=type_name.lower(), after=after, limit=_PAGE)
            for row in page.rows:
                yield row
            after = page.next
            await asyncio.sleep(0)

    async def _at(self, scope: str) -> AsyncIterator[Row]:
        parent, after = f"{'' if scope == ROOT else scope}{_UNDER}", ""
        while after is not None:
            page = await self._store.page(parent, after=after, limit=_PAGE)
            for row in page.rows:
                yield row
            after = page.next
            await asyncio.sleep(0)

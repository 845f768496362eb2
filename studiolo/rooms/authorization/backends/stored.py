"""The facts about principals, read from the store and kept until a write touches them.

Each kept thing carries the generation of the grants at which its reading began. It holds as long as nothing that it
rests on has changed since: its principal, a group of the principal, an assignment of either. Roles, group members and
removals touch everybody, and so does the moment at which an assignment that was read begins or ends. The store's
listener runs after a commit is durable and before its caller is told, so that whoever was
told finds the change in force; it only notes generations, under a lock.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.access.built_in import built_in_roles
from studiolo.kernel.access.decision import Assignment, CompiledFacts, DenyAssignment, Facts, Permission, Role
from studiolo.kernel.access.grants import EVERYONE, KnownActions
from studiolo.kernel.access.scopes import FLAT, Hierarchy
from studiolo.kernel.access.spelling import folded
from studiolo.kernel.documents import resource_of
from studiolo.kernel.principals import GROUPS, SERVICE_PRINCIPALS, USERS, Principal, by_member, candidates, principal_of
from studiolo.kernel.store.port import DropResource, PutResource, Row, Write
from studiolo.rooms.authorization.backends.seals import Seals, version_in
from studiolo.rooms.authorization.domain.assignments import Private, Properties, by_principal
from studiolo.rooms.authorization.domain.denials import deny_of
from studiolo.rooms.authorization.domain.roles import DENY_ASSIGNMENTS, ROLE_ASSIGNMENTS, ROLE_DEFINITIONS, by_guid, role_of
from studiolo.rooms.authorization.ports import Flat, Heirs, Reading

_ASSIGNMENTS: Final = ROLE_ASSIGNMENTS.lower()
_DENIES: Final = DENY_ASSIGNMENTS.lower()
_GROUPS: Final = GROUPS.lower()
_PERSONS: Final = frozenset({USERS.lower(), SERVICE_PRINCIPALS.lower()})
_ROLES: Final = ROLE_DEFINITIONS.lower()
_SHARED: Final = frozenset({_GROUPS, _DENIES, _ROLES})
_TOUCHING: Final = _PERSONS | _SHARED | {_ASSIGNMENTS}
_MARK: Final = by_principal("")
FRESH_SECONDS: Final = 0.2
"""How old the knowledge of other processes' changes may be when something is decided."""
SHUT: Final = DenyAssignment("damaged", "/", (EVERYONE,), (Permission(actions=("*",), data_actions=("*",)),))
"""Denies everything to everybody."""
_MOST_KEPT: Final = 20_000
_MOST_MARKS: Final = 50_000


class _AssignmentDoc(msgspec.Struct):
    id: str
    properties: Properties


class _Group(msgspec.Struct):
    members: frozenset[str] = frozenset()


class _GroupDoc(msgspec.Struct):
    properties: _Group


_groups = msgspec.json.Decoder(_GroupDoc)
_assignments = msgspec.json.Decoder(_AssignmentDoc)
_privates = msgspec.json.Decoder(Private)


class StoredAssignment(NamedTuple):
    """A stored assignment: whose it is (small letters), of which kind and birth, and its role's GUID."""

    principal: str
    kind: str
    since: str | None
    role: str
    id: str
    properties: Properties

    def with_role(self, role: Role) -> Assignment:
        """The assignment as the engine reads it."""
        found = self.properties
        bounds = found.start_date_time, found.end_date_time
        return Assignment(self.id, found.principal_id, role, found.scope, found.condition, found.condition_version, *bounds)


def assignment_of(row: Row) -> StoredAssignment:
    """A stored assignment, read."""
    doc = _assignments.decode(row.doc)
    found = doc.properties
    since = _privates.decode(row.private).principal_since if row.private else None
    role = found.role_definition_id.rpartition("/")[2].lower()
    return StoredAssignment(found.principal_id.lower(), found.principal_type, since, role, doc.id, found)


@dataclass(slots=True)
class _Kept:
    generation: int
    ids: frozenset[str]
    principal: Principal | None
    compiled: CompiledFacts | None = None


class _Denials(NamedTuple):
    """Every deny assignment, and the members of the groups that they name."""

    generation: int
    rows: Sequence[DenyAssignment]
    members: Mapping[str, frozenset[str]]


class StoredGrants:
    """The gate's `Grants` and the room's `People`, over the store."""

    def __init__(
        self, store: Reading, *, heirs: Heirs | None = None, known_actions: KnownActions | None = None, seals: Seals | None = None
    ) -> None:
        """Stand on a store. Without `seals` its rows are believed, and changes by other processes are not seen."""
        self._store = store
        self._seals = seals
        self._durable = 0  # the newest version that is known of
        self.followed = 0  # the version up to which every change is known
        self._glanced = 0
        self._fresh_until = 0.0
        self._denials: _Denials | None = None
        self._heirs = heirs or Flat()
        self._known_actions = known_actions
        self._tree: Hierarchy = FLAT
        self._kept: dict[str, _Kept] = {}
        self._roles: dict[str, tuple[int, Role]] = {}
        self._lock = threading.Lock()
        self._generation = 1
        self._everybody = 0  # the generation of the last change that touched everybody
        self._changed: dict[str, int] = {}  # by principal, the generation of its last change
        self._boundary: datetime | None = None  # when the first of the assignments that were read begins or ends
        store.listen(self._note)
        if seals is not None:
            seals.on_damage = self.touch_everybody

    # ── what the gate asks ───────────────────────────────────────────────────────────────────────────────────────

    def version(self) -> int:
        """A number that grows with every change that may change a decision."""
        if self._boundary is not None and clock.now() >= self._boundary:
            self._boundary = None  # whoever is asked about next is read again, and brings the next one
            self._advance((), is_everybody=True)
        tree = self._heirs.hierarchy()
        if tree is not self._tree:
            self._tree = tree
            self._advance((), is_everybody=True)
        return self._generation

    def stamp(self) -> int:
        """The store's durable version, which grows with every change, of any process, that may change a decision."""
        return self._durable

    def is_due(self) -> bool:
        """Whether it is time to look for what other processes changed."""
        return clock.monotonic() >= self._fresh_until

    async def refresh(self) -> None:
        """See what other processes changed.

        Raises:
            Unavailable: the version cannot be read (codes `StoreUnavailable`, `AuthorizationStoreDamaged`): nothing may
                be decided on what might be old.
        """
        seals = self._seals
        if seals is not None:
            glanced = seals.glance()
            if glanced != self._glanced or not self.followed:
                standing = await seals.standing()
                await self._heirs.refresh(standing)
                if standing.version > self.followed:
                    self.followed, self._durable = standing.version, max(self._durable, standing.version)
                    self.touch_everybody()
                self._glanced = glanced
        self._fresh_until = clock.monotonic() + FRESH_SECONDS

    def touch_everybody(self) -> None:
        """Forget all that is kept about anybody."""
        self._advance((), is_everybody=True)

    async def facts(self, oid: str) -> CompiledFacts:
        """Everything that the engine needs to know about one principal, as of the last commit."""
        if self.is_due():
            await self.refresh()
        oid = oid.lower()
        kept = self._kept.get(oid)
        if kept is not None and kept.compiled is not None and self._holds(kept):
            return kept.compiled
        while True:
            kept, compiled = await self._gathered(oid)
            if self._holds(kept):
                return compiled

    async def principal(self, oid: str) -> Principal | None:
        """The principal with this object id, as of the last commit."""
        if self.is_due():
            await self.refresh()
        return (await self._known(oid.lower())).principal

    def attributes(self, oid: str) -> Mapping[str, object]:
        """The custom security attributes of a principal whose facts were just asked for, by their names in conditions."""
        kept = self._kept.get(oid.lower())
        return kept.principal.attributes if kept is not None and kept.principal is not None else {}

    def hierarchy(self) -> Hierarchy:
        """The present tree of scopes."""
        self.version()
        return self._tree

    @property
    def known_actions(self) -> KnownActions | None:
        """Which actions any operation needs; None: all."""
        return self._known_actions

    # ── what is kept ─────────────────────────────────────────────────────────────────────────────────────────────

    def _holds(self, kept: _Kept) -> bool:
        """Whether nothing that it rests on has changed. If so it is marked as looked at, so that the next look is one comparison."""
        generation = self.version()
        if kept.generation == generation:
            return True
        if self._everybody > kept.generation or any(self._changed.get(id_, 0) > kept.generation for id_ in kept.ids):
            return False
        kept.generation = generation
        return True

    async def _known(self, oid: str) -> _Kept:
        kept = self._kept.get(oid)
        if kept is None or not self._holds(kept):
            kept = _Kept(self.version(), frozenset({oid}), await self._find(oid))
            self._keep(oid, kept)
        return kept

    def _keep(self, oid: str, kept: _Kept) -> None:
        if len(self._kept) >= _MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[oid] = kept

    async def _find(self, oid: str) -> Principal | None:
        for id_ in candidates(oid):
            row = await self._store.find(id_.key)
            if row is not None:
                return principal_of(resource_of(row)) if await self._is_sound(row) else None
        return None

    async def _is_sound(self, row: Row) -> bool:
        return self._seals is None or await self._seals.holds(row)

    # ── what is gathered ─────────────────────────────────────────────────────────────────────────────────────────

    async def _gathered(self, oid: str) -> tuple[_Kept, CompiledFacts]:
        generation, moment = self.version(), clock.now()
        principal = await self._find(oid)
        births = await self._births(oid, principal)
        denies = tuple(await self._denies(births))
        facts = Facts(
            known=principal is not None,
            enabled=principal is not None and principal.is_enabled,
            ids=frozenset(births),
            assignments=tuple([found async for found in self._assignments(births, principal.kind if principal else "", oid)]),
            denies=denies,
            hierarchy=self._tree,
            version=generation,
            known_actions=self._known_actions,
            moment=clock.stamp(moment),
        )
        self._expect_boundary(facts.assignments, moment)
        compiled = CompiledFacts(facts)
        kept = _Kept(generation, facts.ids, principal, compiled)
        self._keep(oid, kept)
        return kept, compiled

    async def _births(self, oid: str, principal: Principal | None) -> dict[str, str]:
        """The principal and every group that holds it, through any nesting, each with the moment it was made.

        Groups may hold each other in a circle.
        """
        found, waiting = {oid: principal.since if principal else ""}, [oid]
        while waiting:
            member = waiting.pop()
            async for row in self._carrying(_GROUPS, by_member(member)):
                group = row.key.rpartition("/")[2]
                if group not in found and await self._is_sound(row) and found_in(row, member):
                    found[group] = row.created
                    waiting.append(group)
        return found

    async def _assignments(self, births: Mapping[str, str], kind: str, oid: str) -> AsyncIterator[Assignment]:
        """What the principal and its groups hold, less what was given to an earlier principal of the same id, or to another kind of one."""
        for id_, birth in births.items():
            async for row in self._carrying(_ASSIGNMENTS, by_principal(id_)):
                if not await self._is_sound(row):
                    continue
                found = assignment_of(row)
                role = await self.role(found.role)
                if role is not None and found.since in (None, birth) and found.kind == (kind if id_ == oid else "Group"):
                    yield found.with_role(role)

    def _expect_boundary(self, assignments: Iterable[Assignment], moment: datetime) -> None:
        """Remember when the first of these, read at a moment, begins or ends: the version grows then."""
        bounds = (datetime.fromisoformat(each) for row in assignments for each in (row.starts, row.ends) if each is not None)
        ahead = [each for each in (*bounds, self._boundary) if each is not None and (each > moment or each == self._boundary)]
        self._boundary = min(ahead, default=None)

    async def _denies(self, births: dict[str, str]) -> Sequence[DenyAssignment]:
        """The deny assignments that name the principal, one of its groups or everybody.

        One that is not as it was written denies everything to everybody. Those that name groups find the members that the
        groups themselves name, whatever the index says.
        """
        if self._seals is None:
            rows = [row for id_ in (*births, EVERYONE) async for row in self._carrying(_DENIES, by_principal(id_))]
            return [deny_of(resource_of(row)) for row in {row.key: row for row in rows}.values()]
        kept = self._denials
        if kept is None or kept.generation < self._everybody:
            kept = self._denials = await self._all_denies(self._seals, self._generation)
        for group, members in kept.members.items():
            if group not in births and not members.isdisjoint(births):
                births[group] = ""
        names = {*births, EVERYONE}
        return [deny for deny in kept.rows if any(folded(each) in names for each in deny.principals)]

    async def _all_denies(self, seals: Seals, generation: int) -> _Denials:
        rows = await seals.all_of(_DENIES)
        if rows is None:
            await seals.inspect()
        if rows is None or seals.is_closed:
            return _Denials(generation, [SHUT], {})
        denies = [deny_of(resource_of(row)) for row in rows]
        names = {folded(each) for deny in denies for each in deny.principals if folded(each) != EVERYONE}
        members = {name: await self._members(seals, name) for name in names}
        if seals.is_closed:
            return _Denials(generation, [SHUT], {})
        return _Denials(generation, denies, {name: held for name, held in members.items() if held})

    async def _members(self, seals: Seals, group: str) -> frozenset[str]:
        """Everybody whom a group holds by its own word, through any nesting; nobody, if it is no group."""
        found, waiting = set[str](), [group]
        while waiting:
            row = await self._store.find(f"/providers/{_GROUPS}/{waiting.pop()}")
            if row is not None and await seals.holds(row):
                fresh = _groups.decode(row.doc).properties.members - found
                found |= fresh
                waiting.extend(fresh)
        return frozenset(found)

    async def role(self, guid: str) -> Role | None:
        """The role with this GUID in small letters, as of the last commit."""
        built_in = built_in_roles().get(guid)
        if built_in is not None:
            return built_in
        kept = self._roles.get(guid)
        if kept is not None and kept[0] >= self._everybody:
            return kept[1]
        generation = self._generation
        rows = (await self._store.by_facet(_ROLES, by_guid(guid), limit=1)).rows
        if not rows or not await self._is_sound(rows[0]) or rows[0].key.rpartition("/")[2] != guid:
            return None
        if len(self._roles) >= _MOST_KEPT:
            self._roles.clear()
        role = role_of(resource_of(rows[0]))
        self._roles[guid] = (generation, role)
        return role

    async def _carrying(self, type_name: str, facet: str) -> AsyncIterator[Row]:
        """Every resource of a type that carries a facet."""
        after: str | None = ""
        while after is not None:
            page = await self._store.by_facet(type_name, facet, after=after)
            for row in page.rows:
                yield row
            after = page.next

    # ── what changes ─────────────────────────────────────────────────────────────────────────────────────────────

    def _note(self, writes: Sequence[Write]) -> None:
        """Note whom a commit touches, and the version that it made."""
        version = version_in(writes)
        if version is not None:
            self._durable = max(self._durable, version)
            if version == self.followed + 1:
                self.followed = version
            elif version > self.followed:
                self._fresh_until = 0.0  # another process changed something before: it is looked for before the next decision
        touched: set[str] = set()
        is_everybody = False
        for write in writes:
            if isinstance(write, PutResource):
                type_name, key, facets = write.row.type, write.row.key, write.facets
            elif isinstance(write, DropResource):
                type_name, key, facets = write.type, write.key, ()
            else:
                continue
            if type_name not in _TOUCHING:
                continue
            if type_name in _PERSONS:
                touched.add(key.rpartition("/")[2])
            elif type_name == _ASSIGNMENTS and facets:
                touched.update(_named(facets))
            else:
                is_everybody = True
        if touched or is_everybody:
            self._advance(touched, is_everybody=is_everybody)

    def _advance(self, touched: Iterable[str], *, is_everybody: bool) -> None:
        with self._lock:
            generation = self._generation + 1
            if len(self._changed) > _MOST_MARKS:
                self._changed.clear()
                is_everybody = True
            for principal in touched:
                self._changed[principal] = generation
            if is_everybody:
                self._everybody = generation
            # Last, so that a reader who sees the new generation sees whom it touched.
            self._generation = generation


def found_in(row: Row, member: str) -> bool:
    """Whether a stored group names a member; what finds it by member may not be believed."""
    return member in _groups.decode(row.doc).properties.members


def _named(facets: Iterable[str]) -> Iterable[str]:
    return (facet[len(_MARK) :] for facet in facets if facet.startswith(_MARK))

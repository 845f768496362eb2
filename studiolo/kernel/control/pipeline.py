"""Decide, load, check, admit, commit: once, for every resource type.

parse the id → decide → load and check the ETag → decode → `admit` (pure) → one commit of state, operation and event →
the worker takes the steps. A type supplies `admit`, steps and actions; it writes none of this again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.control.actions import Actions
from studiolo.kernel.control.drafting import asides, check_preconditions, is_same, leaving, put, written
from studiolo.kernel.control.holders import Holders, as_found
from studiolo.kernel.control.judging import Judging, Mark
from studiolo.kernel.control.lists import Listed, Lister, Sight, has_token, place_of
from studiolo.kernel.control.removal import Removal
from studiolo.kernel.control.steps import DELETE, PROVISION, Steps
from studiolo.kernel.documents import draft_from, draft_of, encode, patched, resource_of, row_of
from studiolo.kernel.faults import Conflict, Forbidden, NotAllowed, NotFound, Stale
from studiolo.kernel.gate import Gate
from studiolo.kernel.ids import Collection, ResourceId, parse
from studiolo.kernel.operations import Hold, Operations, status_of
from studiolo.kernel.resource import (
    Caller,
    Catalog,
    Change,
    Cleared,
    Draft,
    JsonObject,
    Resource,
    ResourceType,
)
from studiolo.kernel.store.port import (
    ABSENT,
    DropResource,
    Expect,
    ExpectNothingBelow,
    OperationRow,
    Row,
    Store,
    Write,
)

_RACES = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a write came to: the resource, its ready bytes, and the operation that goes on, if one does."""

    resource: Resource
    doc: bytes
    is_new: bool
    creates_with_ok: bool = False
    operation: OperationRow | None = None


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a delete came to: whether there was something, and the operation that goes on, if one does."""

    existed: bool
    operation: OperationRow | None = None


class Control:
    """The use cases of the resource façade."""

    def __init__(self, catalog: Catalog, store: Store, gate: Gate, operations: Operations, *, patience_seconds: float = 20.0) -> None:
        self.catalog = catalog
        self.store = store
        self.gate = gate
        self._operations = operations
        self._patience = patience_seconds
        self._lister = Lister(store)
        self._holders = Holders(catalog, store)
        self._judging = Judging(catalog, store, gate)
        self._removal = Removal(catalog, store, gate, self._judging)
        actions = Actions(catalog, store, gate, self._judging, self._holders)
        self.act, self.begin = actions.act, actions.begin
        Steps(catalog, store, operations, patience_seconds).register()

    # ── reads ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def find(self, id_: ResourceId) -> Resource | None:
        """The stored resource, or None. No decision is asked: for the platform's own use."""
        row = await self.store.find(id_.key)
        return resource_of(row, self.catalog.find(id_.type)) if row else None

    async def settled(self, id_: ResourceId) -> Resource | None:
        """As `find`, once no operation works on the resource any more.

        Raises:
            Conflict: one still does after a while (code `AnotherOperationInProgress`).
        """
        await self._operations.wait_for(id_.key, self._patience)
        return await self.find(id_)

    async def get(self, caller: Caller, id_: ResourceId) -> bytes:
        """The resource's ready bytes.

        Raises:
            Forbidden: the engine says no, whether or not the resource exists.
            NotFound: there is no such resource or type.
        """
        declared = self.catalog.get(id_.type)
        row = await self.store.find(id_.key)
        await self._judging.ask(caller, declared, "read", id_, row)
        if row is None:
            row = await self._meant(caller, declared, id_)
        return await self._shown(row, declared, caller)

    async def _meant(self, caller: Caller, declared: ResourceType, id_: ResourceId) -> Row:
        """What a name that nothing has stands for; raise NotFound if nothing, or if it is a sibling that the caller may not read.

        What is found above is read from here by who may read here (a role at a scope below its own).
        """
        meant = await declared.resolve(id_) if declared.resolve is not None else None
        row = await self.store.find(meant.key) if meant is not None else None
        refused: Forbidden | None = None
        if meant is not None and row is not None:
            if meant.key.rpartition("/")[0] != id_.key.rpartition("/")[0]:
                return row
            try:
                await self._judging.ask(caller, declared, "read", meant, row)
            except Forbidden as fault:
                refused = fault
            else:
                return row
        missing = await self._holders.missing(id_, declared)
        raise missing if refused is None else NotFound.withheld(missing.message, code=missing.code, refused=refused)

    async def list(self, caller: Caller, collection: Collection, query: Mapping[str, str]) -> Listed:
        """A page of a collection: what the caller may see of it."""
        declared = self.catalog.get(collection.type)
        if "list" not in declared.verbs:
            raise NotAllowed(f"'{declared.name}' cannot be listed.")
        place = place_of(declared, collection, query)
        scope = place.text if place else "/"
        action = declared.permission("read")
        view = await self.gate.visible(caller, action, scope)
        sight = Sight(declared, view, await self.gate.singly(caller, action) if view.is_conditional else None)
        is_closed = view.is_nothing and not _is_open(collection)
        if is_closed and not view.is_conditional:
            await self.gate.require(caller, action, scope)
        if declared.lists is not None:
            bodies = await declared.lists(caller, collection, query)
            listed = Listed([msgspec.json.encode(b) for b in bodies if sight.admits(b["id"])], None)
        else:
            if not is_closed:
                await self._expect_parent(collection, declared, caller)
            listed = await self._lister.page(declared, collection, query, sight)
        if is_closed and not sight.has_seen and not has_token(query):  # like a collection that is not there
            await self.gate.require(caller, action, scope)
        if declared.view is None or declared.lists is not None:
            return listed
        return Listed([await self._shown(row, declared, caller) for row in listed.rows], listed.next, listed.rows)

    async def operation(self, caller: Caller, operation_id: str) -> JsonObject:
        """The status of a long operation, for whoever began it or may read its target.

        Raises:
            NotFound: there is none, or it is somebody else's and the caller may not know (code `OperationNotFound`).
        """
        row = await self.store.operation(operation_id)
        refused: Forbidden | None = None
        if row is not None:
            if msgspec.json.decode(row.doc)["caller"]["oid"] == caller.oid:
                return status_of(row)
            target = parse(row.target)
            try:
                await self._judging.ask(caller, self.catalog.get(target.type), "read", target, await self.store.find(target.key))
            except Forbidden as fault:
                refused = fault
            else:
                return status_of(row)
        raise NotFound.withheld(f"There is no operation '{operation_id}'.", code="OperationNotFound", refused=refused)

    # ── writes ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def put(
        self,
        caller: Caller,
        id_: ResourceId,
        body: JsonObject,
        api_version: str = "",
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
        is_patch: bool = False,
    ) -> Outcome:
        """Create or replace a resource (or merge into one), and wait a while for what must follow.

        A write waits as long for an operation that works on the resource.

        Raises:
            Forbidden, Invalid, NotFound, Conflict, Stale, NotOffered: nothing was written.
        """
        declared = self.catalog.get(id_.type)
        verb = "patch" if is_patch else "put"
        if verb not in declared.verbs:
            await self._judging.ask(caller, declared, "write", id_, await self.store.find(id_.key))
            raise NotAllowed(f"'{declared.name}' cannot be written with {verb.upper()}.")
        draft = draft_from(body)
        races, deadline = 0, clock.monotonic() + self._patience
        while races < _RACES:
            row = await self.store.find(id_.key)
            old = resource_of(row, declared) if row else None
            try:
                return await self._write(
                    caller,
                    declared,
                    row,
                    self._asked(declared, id_, old, draft, caller, api_version, is_patch=is_patch),
                    if_match,
                    if_none_match,
                )
            except _LostRace:
                races += 1
            except _Busy as busy:
                await self._operations.wait_for(busy.key, deadline - clock.monotonic())
        raise _contended(id_)

    def _asked(
        self,
        declared: ResourceType,
        id_: ResourceId,
        old: Resource | None,
        draft: Draft,
        caller: Caller,
        api_version: str,
        *,
        is_patch: bool,
    ) -> Change:
        new = patched(old, draft) if is_patch and old is not None else draft
        if old is not None:
            id_ = old.id
            new = msgspec.structs.replace(
                new, location=new.location or old.location, kind=new.kind or old.kind, private=new.private or old.private
            )
        return Change(
            id=id_,
            old=old,
            new=new,
            caller=caller,
            at=clock.stamp(clock.now()),
            fresh_id=clock.new_id(),
            api_version=api_version,
            is_patch=is_patch,
        )

    async def _write(
        self, caller: Caller, declared: ResourceType, row: Row | None, change: Change, if_match: str | None, if_none_match: str | None
    ) -> Outcome:
        old = change.old
        making = declared.making(change) if declared.making and not change.is_patch else None
        if making is not None and old is None:
            mark = Mark(caller, declared.permission("write"), change.id, await self._judging.demand(caller, making))
        else:
            try:
                mark = await self._judging.ask(caller, declared, "write", change.id, row, change)
            except Forbidden:
                if making is not None:  # in the words of making one, so that nobody learns that there is one
                    await self._judging.demand(caller, making)
                raise
        if old is None and change.is_patch:
            raise await self._holders.missing(change.id, declared)
        check_preconditions(change.id, old, if_match, if_none_match)
        if old is None:
            declared.check_name(change.id.name)
        declared.check_properties(change.new.properties)
        parents = await self._holders.expected(change, declared)
        if facts := await self._holders.facts(declared, change):
            change = replace(change, facts=facts)
        for demand in declared.demands(change) if declared.demands else ():
            await self._judging.demand(caller, demand)
        admitted = declared.admit(change)
        found = [as_found(fact) for fact in change.facts.values() if fact is not None]
        rests_on = [*parents, *found, *self._holders.absent(declared, change)]
        self._check_free(caller, change.id, rests_on)
        resource = written(declared, change, admitted)
        if old is not None and is_same(old, resource):
            return Outcome(old, await self._shown(row_of(old), declared, caller), is_new=False, creates_with_ok=declared.creates_with_ok)
        cleared = await declared.guard(replace(change, new=admitted)) if declared.guard else Cleared()
        return await self._commit(mark, declared, old, resource, [*rests_on, *asides(change, cleared)])

    def _check_free(self, caller: Caller, id_: ResourceId, rests_on: Sequence[Write]) -> None:
        """Raise _Busy if a write has to wait for an operation, Conflict if what it rests on goes.

        The platform itself makes what belongs to a resource while that is being made, so it waits for the resource alone.
        """
        if self._operations.hold_on(id_.key) is not None:
            raise _Busy(id_.key)
        for write in rests_on:
            hold = self._operations.hold_on(write.key) if isinstance(write, Expect) else None
            if isinstance(write, Expect) and hold is not None:
                if hold.is_closing:
                    raise Conflict(f"'{id_}' cannot be made: '{write.key}' is being deleted.", code="ResourceBeingDeleted", target=id_.name)
                if not caller.is_platform:
                    raise _Busy(write.key)

    async def _commit(
        self, mark: Mark, declared: ResourceType, old: Resource | None, resource: Resource, rests_on: Sequence[Write]
    ) -> Outcome:
        operation = None
        if declared.provision is not None:
            state = "Creating" if old is None else "Updating"
            resource = msgspec.structs.replace(resource, properties={**resource.properties, "provisioningState": state})
            operation = self._operations.new(PROVISION, resource.id, mark.caller, mark.action, context={"isNew": old is None})
        stored = put(declared, resource, old.etag if old else ABSENT)
        writes: list[Write] = [
            *rests_on,
            stored,
            mark.line(resource.system.last_modified_at, "Accepted" if operation else "Succeeded"),
        ]
        try:
            if operation is None:
                await self.store.commit(*writes)
                return Outcome(resource, await self._shown(stored.row, declared, mark.caller), old is None, declared.creates_with_ok)
            ended = await self._operations.run(operation, *writes, patience_seconds=self._patience)
        except Stale:
            raise _LostRace from None
        return await self._outcome(mark.caller, declared, resource, ended, is_new=old is None)

    async def _outcome(self, caller: Caller, declared: ResourceType, resource: Resource, ended: OperationRow, *, is_new: bool) -> Outcome:
        if ended.status == "Failed":
            raise Steps.fault_of(ended)
        row = await self.store.find(resource.id.key)
        if row is None:
            raise Conflict(f"'{resource.id}' was deleted while it was being made.", code="ResourceDeleted")
        going_on = None if ended.status == "Succeeded" else ended
        return Outcome(resource_of(row, declared), await self._shown(row, declared, caller), is_new, declared.creates_with_ok, going_on)

    async def delete(self, caller: Caller, id_: ResourceId, *, if_match: str | None = None) -> Deleted:
        """Remove a resource and all that hangs on it, leaves first; whoever else deletes it meanwhile gets the same answer.

        Raises:
            Forbidden, Stale, Conflict, NotAllowed: nothing was removed.
        """
        races, deadline = 0, clock.monotonic() + self._patience
        while races < _RACES:
            try:
                return await self._delete(caller, id_, if_match)
            except _LostRace:
                races += 1
            except _Busy as busy:
                await self._operations.wait_for(busy.key, deadline - clock.monotonic())
        raise _contended(id_)

    async def _delete(self, caller: Caller, id_: ResourceId, if_match: str | None) -> Deleted:
        declared = self.catalog.get(id_.type)
        row = await self.store.find(id_.key)
        old = resource_of(row, declared) if row else None
        change = Change(
            id=id_, old=old, new=draft_of(old) if old else Draft(), caller=caller, at=clock.stamp(clock.now()), fresh_id="", is_delete=True
        )
        mark = await self._judging.ask(caller, declared, "delete", id_, row, change)
        if "delete" not in declared.verbs:
            raise NotAllowed(f"'{declared.name}' cannot be deleted.")
        if old is None or row is None:
            return Deleted(existed=False)
        check_preconditions(id_, old, if_match, None)
        for demand in declared.demands(change) if declared.demands else ():
            await self._judging.demand(caller, demand)
        if declared.may_delete is not None:
            await declared.may_delete(old)
        has_children = bool((await self.store.below(row.key, limit=1)).rows)
        if not caller.is_platform and (has_children or declared.takes_along is not None or declared.goes_elsewhere is not None):
            await self._removal.check(caller, declared, old)
        asked = asides(change, await declared.guard(change) if declared.guard else Cleared())
        hold = self._operations.hold_on(row.key)
        if hold is not None:
            return await self._joined(row, hold)
        try:
            if declared.retire is None and not has_children:
                await self.store.commit(
                    DropResource(row.key, row.type, expect=row.etag),
                    ExpectNothingBelow(row.key),
                    *asked,
                    mark.line(change.at, "Succeeded"),
                )
                return Deleted(existed=True)
            return await self._retire(mark, declared, old, change.at, asked)
        except Stale:
            raise _LostRace from None

    async def _retire(self, mark: Mark, declared: ResourceType, old: Resource, at: str, asked: Sequence[Write]) -> Deleted:
        """Remove what takes steps. The resource is marked first, so that from then on no write rests on it."""
        state = old.properties.get("provisioningState")
        operation = self._operations.new(DELETE, old.id, mark.caller, mark.action, context={"state": state})
        ended = await self._operations.run(
            operation,
            leaving(declared, old)[1],
            *asked,
            mark.line(at, "Accepted"),
            patience_seconds=self._patience,
        )
        return _deleted(ended)

    async def _joined(self, row: Row, hold: Hold) -> Deleted:
        """Wait for a delete that is under way; raise _Busy if it is another operation that works on the resource."""
        operation = await self.store.operation(hold.operation) if hold.is_closing else None
        if operation is None or operation.kind != DELETE:
            raise _Busy(row.key)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await hold.ended.wait()
        return _deleted(await self.store.operation(operation.id) or operation)

    # ── pieces ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _shown(self, row: Row, declared: ResourceType, caller: Caller) -> bytes:
        """The ready bytes, or with what the type computes at read time laid over them: of others, what the caller may read."""
        if declared.view is None:
            return row.doc
        resource = resource_of(row, declared)
        overlay = await declared.view(resource)
        for member in declared.names_others:
            if member in overlay:
                overlay[member] = [each for each in overlay[member] if await self._judging.may_read(caller, parse(each))]
        return encode(msgspec.structs.replace(resource, properties={**resource.properties, **overlay})) if overlay else row.doc

    async def _expect_parent(self, collection: Collection, listed: ResourceType, caller: Caller) -> None:
        parent = collection.parent
        if parent is not None and listed.parent_draft is not None:
            parent = parent.parent  # a container that nobody has made yet is an empty one
        if parent is None or await self.store.find(parent.key) is not None:
            return
        declared = self.catalog.get(parent.type)
        await self._judging.ask(caller, declared, "read", parent, None)
        raise await self._holders.missing(parent, declared)


class _LostRace(Exception):
    """Somebody else's commit came between our read and our write."""


class _Busy(Exception):
    """An operation works on the resource with this key; it is to be waited for."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _contended(id_: ResourceId) -> Conflict:
    return Conflict(f"'{id_}' is being changed by too many callers at once; try again.", code="AnotherOperationInProgress")


def _deleted(ended: OperationRow) -> Deleted:
    if ended.status == "Failed":
        raise Steps.fault_of(ended)
    return Deleted(existed=True, operation=None if ended.status == "Succeeded" else ended)


def _is_open(collection: Collection) -> bool:
    """Lists at a subscription or above answer with what one may see, and never with a refusal."""
    return collection.parent is None or collection.parent.type == "Microsoft.Resources/subscriptions"

"""Nobody locks the last owner out: after every change somebody can still give roles at the root and at each subscription.

Who counts is an enabled person or application (no managed identity: nobody signs in as one) with a grant that is
unconditional and has no end, and that no deny assignment takes away. Two changes that each leave one of two owners step
over the same fence, so that the second one has to look again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.access.ask import Ask
from studiolo.kernel.access.blocks import blocks_of
from studiolo.kernel.access.decision import CompiledFacts, Role, decide
from studiolo.kernel.access.grants import DenyAssignment, Permission
from studiolo.kernel.access.names import GIVES_ROLES
from studiolo.kernel.access.scopes import ROOT, Hierarchy, scope_key
from studiolo.kernel.documents import resource_of
from studiolo.kernel.faults import Conflict
from studiolo.kernel.gate import Grants
from studiolo.kernel.principals import GROUPS, candidates, principal_of
from studiolo.kernel.resource import Fence
from studiolo.kernel.store.port import Row, Store
from studiolo.rooms.authorization.domain.denials import deny_of
from studiolo.rooms.authorization.domain.roles import DENY_ASSIGNMENTS, ROLE_ASSIGNMENTS
from studiolo.rooms.authorization.ports import Heirs, Reading
from studiolo.rooms.authorization.service.planned import Planned

UNDENIES: Final = f"{DENY_ASSIGNMENTS}/delete"
_SPACE, _KEY = "iam.fences", "owners"
_SUBSCRIPTIONS: Final = "microsoft.resources/subscriptions"


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows, with their facets, that a change would put, and keys of resources that it would remove."""

    put: Sequence[tuple[Row, Sequence[str]]] = ()
    gone: Sequence[str] = ()


class Roles(Grants, Protocol):
    """Facts about principals, and roles."""

    async def role(self, guid: str) -> Role | None:
        """The role with this GUID."""
        ...


class Owners:
    """Looks at a planned change. `over` makes grants that read from a planned store."""

    def __init__(self, store: Store, heirs: Heirs, over: Callable[[Reading], Roles]) -> None:
        self._store = store
        self._heirs = heirs
        self._over = over

    async def keep(self, plan: Plan, *, denied: str | None = None) -> Fence:
        """Check that a change leaves an owner wherever there is one now. `denied` is the scope of a deny assignment that changes.

        Raises:
            Conflict: it does not (code `LastOwner`).
        """
        entry = await self._store.entry(_SPACE, _KEY)
        hierarchy = self._heirs.hierarchy()
        planned = Planned(self._store, plan.put, plan.gone)
        wanted = [(GIVES_ROLES, scope) for scope in [ROOT, *await self._subscriptions()]]
        if denied is not None:
            wanted += [(UNDENIES, scope) for scope in dict.fromkeys([*(scope for _, scope in wanted), denied])]
        wanted += [(UNDENIES, scope) for scope in await self.closed()]
        for action, scope in wanted:
            await self._check(action, scope, hierarchy, hierarchy, planned)
        return Fence(_SPACE, _KEY, entry.etag if entry else None)

    async def keep_moved(self, subscriptions: Iterable[str], hierarchy: Hierarchy) -> Fence:
        """Check that subscriptions which are to lie elsewhere in the tree keep an owner; `hierarchy` is the planned tree."""
        entry = await self._store.entry(_SPACE, _KEY)
        for scope in subscriptions:
            await self._check(GIVES_ROLES, scope, self._heirs.hierarchy(), hierarchy, Planned(self._store))
        return Fence(_SPACE, _KEY, entry.etag if entry else None)

    async def _check(self, action: str, scope: str, before: Hierarchy, after: Hierarchy, planned: Reading) -> None:
        if await self._has_owner(action, scope, after, planned) or not await self._has_owner(action, scope, before, Planned(self._store)):
            return
        raise Conflict(
            f"After this change nobody could perform '{action}' at '{scope}' any more: no enabled person or application would hold it "
            "without a condition and without an end. Make somebody else Owner there first.",
            code="LastOwner",
        )

    async def closed(self) -> list[str]:
        """The scopes of the deny assignments that take away the right to take them back: somebody there must keep it."""
        found: list[str] = []
        after: str | None = ""
        while after is not None:
            page = await self._store.below("", type_name=DENY_ASSIGNMENTS.lower(), after=after, limit=500)
            denies = [deny_of(resource_of(row)) for row in page.rows]
            found += [deny.scope for deny in denies if may_lock_out(deny)]
            after = page.next
        return list(dict.fromkeys(found))

    async def _subscriptions(self) -> list[str]:
        found: list[str] = []
        after: str | None = ""
        while after is not None:
            page = await self._store.page("/subscriptions", after=after, limit=500)
            found += [row.key for row in page.rows if row.type == _SUBSCRIPTIONS]
            after = page.next
        return found

    async def _has_owner(self, action: str, scope: str, hierarchy: Hierarchy, reads: Reading) -> bool:
        grants = self._over(reads)
        seen: set[str] = set()
        async for row in self._grants_along(hierarchy.chain(scope_key(scope)), reads):
            found = resource_of(row).properties
            if found.get("condition") or found.get("endDateTime"):
                continue
            role = await grants.role(str(found["roleDefinitionId"]).rpartition("/")[2].lower())
            if role is None or not covers(role.permissions, action):
                continue
            async for oid in self._members(str(found["principalId"]), seen, reads):
                if await self._stands(oid, action, scope, hierarchy, grants, reads):
                    return True
        return False

    async def _grants_along(self, chain: Iterable[str], reads: Reading) -> AsyncIterator[Row]:
        for scope in chain:
            after: str | None = ""
            while after is not None:
                page = await reads.page(f"{'' if scope == ROOT else scope}/providers/{ROLE_ASSIGNMENTS.lower()}", after=after, limit=500)
                for row in page.rows:
                    yield row
                after = page.next

    async def _members(self, oid: str, seen: set[str], reads: Reading) -> AsyncIterator[str]:
        """The persons and applications that a principal is, or has as members through any nesting, each once."""
        waiting = [oid.lower()]
        while waiting:
            each = waiting.pop()
            if each in seen:
                continue
            seen.add(each)
            row = await self._find(each, reads)
            if row is None:
                continue
            if row.type == GROUPS.lower():
                waiting.extend(resource_of(row).properties.get("members") or ())
            else:
                yield each

    async def _find(self, oid: str, reads: Reading) -> Row | None:
        for id_ in candidates(oid):
            row = await reads.find(id_.key)
            if row is not None:
                return row
        return None

    async def _stands(self, oid: str, action: str, scope: str, hierarchy: Hierarchy, grants: Roles, reads: Reading) -> bool:
        row = await self._find(oid, reads)
        if row is None:
            return False
        principal = principal_of(resource_of(row))
        if not principal.is_enabled or principal.resource_id:
            return False
        facts = (await grants.facts(oid)).facts
        lasting = tuple(each for each in facts.assignments if each.ends is None)
        compiled = CompiledFacts(msgspec.structs.replace(facts, assignments=lasting, hierarchy=hierarchy, known_actions=None))
        environment = {"UtcNow": clock.stamp(clock.now()), "isPrivateLink": False}
        ask = Ask(oid, action, scope, principal_attributes=principal.attributes, environment=environment)
        return decide(ask, compiled).allowed


def may_lock_out(deny: DenyAssignment) -> bool:
    """Whether a deny assignment takes away the right to give roles, or to take deny assignments back."""
    return deny.effect == "enforced" and not deny.is_system_protected and covers(deny.permissions, GIVES_ROLES, UNDENIES)


def covers(permissions: Iterable[Permission], *actions: str) -> bool:
    """Whether blocks of permissions cover one of these control actions, under whichever condition."""
    blocks = blocks_of(tuple(permissions))
    return any(blocks.covering("control", action.lower()) for action in actions)

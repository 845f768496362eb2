"""Who may do what, told to people: lists of roles and assignments, one's own permissions, and why an answer is yes or no."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.access.ask import Ask, Plane
from studiolo.kernel.access.compiled import CompiledFacts
from studiolo.kernel.access.explanation import Explanation, explain
from studiolo.kernel.access.scopes import ROOT, Hierarchy, scope_key
from studiolo.kernel.access.telling import told
from studiolo.kernel.documents import body_of, resource_of
from studiolo.kernel.faults import Conflict, Forbidden, Invalid
from studiolo.kernel.gate import Grants
from studiolo.kernel.ids import Collection, ResourceId
from studiolo.kernel.principals import Principal
from studiolo.kernel.resource import Caller, JsonObject, Resource
from studiolo.kernel.store.port import Row, Store
from studiolo.rooms.authorization.domain import roles
from studiolo.rooms.authorization.domain.assignments import Wanted, by_principal, scope_of, wanted
from studiolo.rooms.authorization.domain.roles import BUILT_IN, CUSTOM, DENY_ASSIGNMENTS, ROLE_ASSIGNMENTS, ROLE_DEFINITIONS
from studiolo.rooms.authorization.domain.schedules import state_of
from studiolo.rooms.authorization.ports import Directory, Heirs
from studiolo.rooms.authorization.service.reach import ReachService, shown_principal

_MOST_LISTED = 5000
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Question:
    """May `who` (object id, client id, mail or name) do `action` at `scope`? Attributes are optional, as in `Ask`."""

    who: str
    action: str
    scope: str
    plane: Plane | None = None
    sub_operations: tuple[str, ...] = ()
    request: Mapping[str, object] | None = None
    resource: Mapping[str, object] | None = None
    environment: Mapping[str, object] | None = None


class AccessService:
    """Reads what the engine reads, and says it in words and lists."""

    def __init__(self, store: Store, grants: Grants, directory: Directory, heirs: Heirs, reach: ReachService) -> None:
        self._store = store
        self._grants = grants
        self._directory = directory
        self._heirs = heirs
        self._reach = reach

    # ── why ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def explain(self, question: Question) -> JsonObject:
        """The verdict with everything that bears on it at this scope; assignments elsewhere are only counted.

        Raises:
            NotFound, Invalid: nobody, or several, are meant; the scope or the action is malformed.
        """
        principal = await self._directory.who(question.who)
        ask = Ask(
            principal=principal.oid,
            action=question.action,
            scope=question.scope,
            plane=question.plane or self._reach.plane(question.action),
            sub_operations=question.sub_operations,
            request=question.request or {},
            resource=question.resource or {},
            principal_attributes=principal.attributes,
            environment={"UtcNow": clock.stamp(clock.now()), "isPrivateLink": False, **(question.environment or {})},
        )
        facts = await self._grants.facts(principal.oid)
        found = _told(principal, explain(ask, facts), facts)
        if found["reason"] == "no_grant":
            found["couldBeGranted"] = await self._reach.who_could_grant(principal, ask.action, ask.scope, ask.plane)
        return found

    async def state(self, assignment: Resource) -> JsonObject:
        """What a read of an assignment adds: its state, if it has a schedule."""
        state = state_of(assignment.properties, clock.stamp(clock.now()))
        return {"assignmentState": state} if state else {}

    def chain(self, key: str) -> Sequence[str]:
        """The scopes whose roles hold at the one with this key."""
        return self._heirs.hierarchy().chain(key)

    # ── lists ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def permissions(self, caller: Caller, collection: Collection, query: Mapping[str, str]) -> Sequence[JsonObject]:
        """What the caller may do at a scope: the blocks of every role that reaches it, each block once."""
        scope = collection.parent.text if collection.parent else ROOT
        facts = (await self._grants.facts(caller.oid)).facts
        chain = frozenset(facts.hierarchy.chain(scope_key(scope)))
        found: dict[bytes, JsonObject] = {}
        for assignment in facts.assignments:
            if scope_key(assignment.scope) not in chain or assignment.timing(facts.moment) != "now":
                continue
            for permission in assignment.role.permissions:
                block = roles.block_of(permission)
                if assignment.condition is not None:
                    block |= {"condition": _both(permission.condition, assignment.condition), "conditionVersion": "2.0"}
                found.setdefault(msgspec.json.encode(block), block)
        here = "" if scope == ROOT else scope
        return [{"id": f"{here}/providers/Microsoft.Authorization/permissions/{at}", **block} for at, block in enumerate(found.values())]

    async def role_definitions(self, caller: Caller, collection: Collection, query: Mapping[str, str]) -> Sequence[JsonObject]:
        """The built-in roles, and the custom ones that can be assigned at a scope.

        `$filter` takes `roleName eq '…'`, `type eq 'BuiltInRole'|'CustomRole'`, `atScope()` and `atScopeAndBelow()`.

        Raises:
            Invalid: another filter (code `InvalidFilter`).
        """
        scope = collection.parent.text if collection.parent else ROOT
        chosen = _role_filter(query)
        kinds = [kind for kind in (BUILT_IN, CUSTOM) if chosen.kind in ("", kind.lower())]
        facets = [roles.by_role_name(chosen.name)] if chosen.name else [roles.by_type(kind) for kind in kinds]
        prefix = f"/subscriptions/{collection.parent.subscription}" if collection.parent and collection.parent.subscription else ""
        found: list[JsonObject] = []
        for facet in facets:
            async for row in self._carrying(ROLE_DEFINITIONS.lower(), facet):
                role = resource_of(row)
                if role.properties["type"] in kinds and _offered(role, scope, self._heirs.hierarchy(), and_below=chosen.and_below):
                    found.append({**body_of(role), "id": f"{prefix}/providers/{ROLE_DEFINITIONS}/{role.name}"})
        return found

    async def find_role(self, asked: ResourceId) -> ResourceId | None:
        """Where the role is kept that somebody asks for at a scope: a tenant has one set of roles.

        Only one that can be assigned at this scope or below it is found: whoever may read here need not learn of others.
        """
        page = await self._store.by_facet(ROLE_DEFINITIONS.lower(), roles.by_guid(asked.name), limit=1)
        role = resource_of(page.rows[0]) if page.rows else None
        scope = asked.scope.text if asked.scope else ROOT
        return role.id if role is not None and _offered(role, scope, self._heirs.hierarchy(), and_below=True) else None

    async def may_delete_role(self, role: Resource) -> None:
        """Refuse the removal of a built-in role (Forbidden), and of one that somebody holds (Conflict `RoleDefinitionHasAssignments`)."""
        if roles.is_built_in(role):
            raise Forbidden("Built-in roles cannot be deleted.", code="RoleDefinitionIsBuiltIn")
        page = await self._store.by_facet(ROLE_ASSIGNMENTS.lower(), roles.by_role(role.name), limit=1)
        if page.rows:
            raise Conflict(
                f"There are existing role assignments referencing role '{role.name}', such as {page.rows[0].key}. Delete them first.",
                code="RoleDefinitionHasAssignments",
            )

    async def role_assignments(self, caller: Caller, collection: Collection, query: Mapping[str, str]) -> Sequence[JsonObject]:
        """The assignments at a scope, above it and below it.

        `$filter` takes `atScope()` (not below), `principalId eq '…'` and `assignedTo('…')` (also through groups).

        Raises:
            Invalid: another filter (code `InvalidFilter`), or there are more than 5,000 (code `TooManyToList`).
        """
        del caller
        return [_shown_assignment(each) async for each in self._around(ROLE_ASSIGNMENTS, collection, query)]

    async def deny_assignments(self, caller: Caller, collection: Collection, query: Mapping[str, str]) -> Sequence[JsonObject]:
        """The deny assignments at a scope, above it and below it; `$filter` as for role assignments."""
        del caller
        return [body_of(each) async for each in self._around(DENY_ASSIGNMENTS, collection, query)]

    async def _around(self, type_name: str, collection: Collection, query: Mapping[str, str]) -> AsyncIterator[Resource]:
        """What of an authorization type stands at a scope, above it and below it."""
        scope = collection.parent.text if collection.parent else ROOT
        asked, key, hierarchy, count = wanted(query), scope_key(scope), self._heirs.hierarchy(), 0
        chain = frozenset(hierarchy.chain(key))
        async for row in self._candidates(type_name.lower(), key, hierarchy, asked):
            found = resource_of(row)
            at = scope_key(scope_of(found.id))
            if at not in chain and (asked.at_scope_only or not (key == ROOT or hierarchy.holds(key, at))):
                continue
            count += 1
            if count > _MOST_LISTED:
                raise Invalid(
                    f"More than {_MOST_LISTED} assignments: narrow the scope, or use $filter with atScope() or principalId eq '…'.",
                    code="TooManyToList",
                )
            yield found

    async def _candidates(self, type_name: str, key: str, hierarchy: Hierarchy, asked: Wanted) -> AsyncIterator[Row]:
        if asked.principal or asked.assigned_to:
            holders = [asked.principal] if asked.principal else sorted((await self._grants.facts(asked.assigned_to)).facts.ids)
            for holder in holders:
                async for row in self._carrying(type_name, by_principal(holder)):
                    yield row
            return
        for above in sorted({*hierarchy.chain(key)} - {key}):
            async for row in self._pages(f"{'' if above == ROOT else above}/providers/{type_name}"):
                yield row
        for member in hierarchy.members(key):
            after: str | None = ""
            while after is not None:
                page = await self._store.below("" if member == ROOT else member, type_name=type_name, after=after, limit=_PAGE)
                for row in page.rows:
                    yield row
                after = page.next

    async def _pages(self, collection: str) -> AsyncIterator[Row]:
        after: str | None = ""
        while after is not None:
            page = await self._store.page(collection, after=after, limit=_PAGE)
            for row in page.rows:
                yield row
            after = page.next

    async def _carrying(self, type_name: str, facet: str) -> AsyncIterator[Row]:
        after: str | None = ""
        while after is not None:
            page = await self._store.by_facet(type_name, facet, after=after, limit=_PAGE)
            for row in page.rows:
                yield row
            after = page.next


def _shown_assignment(assignment: Resource) -> JsonObject:
    """The body of an assignment, with its state if it has a schedule: expired ones stay to be seen."""
    state = state_of(assignment.properties, clock.stamp(clock.now()))
    body = body_of(assignment)
    return {**body, "properties": {**assignment.properties, "assignmentState": state}} if state else body


def _both(block: str | None, assignment: str) -> str:
    return assignment if block is None else f"({block}) AND ({assignment})"


def _offered(role: Resource, scope: str, hierarchy: Hierarchy, *, and_below: bool) -> bool:
    key = scope_key(scope)
    if roles.is_assignable(role, hierarchy.chain(key)):
        return True
    return and_below and any(key == ROOT or hierarchy.holds(key, scope_key(at)) for at in role.properties["assignableScopes"])


@dataclass(slots=True)
class _RoleFilter:
    name: str = ""
    kind: str = ""
    and_below: bool = False


_ROLE_TERM = re.compile(
    r"atScope\(\)|(?P<below>atScopeAndBelow\(\))|roleName\s+eq\s+'(?P<name>(?:[^']|'')*)'|type\s+eq\s+'(?P<kind>BuiltInRole|CustomRole)'",
    re.IGNORECASE,
)


def _role_filter(query: Mapping[str, str]) -> _RoleFilter:
    found = _RoleFilter()
    text = query.get("$filter", "").strip()
    for term in re.split(r"(?<!\s)\s+and\s+(?=\w+\s+eq\s|atScope)", text, flags=re.IGNORECASE) if text else ():
        match = _ROLE_TERM.fullmatch(term.strip())
        if match is None:
            raise Invalid(
                "$filter takes roleName eq '…', type eq 'BuiltInRole' or 'CustomRole', atScope() and atScopeAndBelow(), joined by 'and'.",
                code="InvalidFilter",
                target="$filter",
            )
        found.name = (match["name"] or found.name).replace("''", "'")
        found.kind = (match["kind"] or found.kind).lower()
        found.and_below = found.and_below or match["below"] is not None
    return found


# ── an explanation as JSON ───────────────────────────────────────────────────────────────────────────────────────


def _told(principal: Principal, explanation: Explanation, facts: CompiledFacts) -> JsonObject:
    return {"principal": shown_principal(principal), **told(explanation, facts.facts.hierarchy)}

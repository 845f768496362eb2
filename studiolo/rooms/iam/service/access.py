"""Who may do what, told to people: lists of roles and assignments, one's own permissions, and why an answer is yes or no."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.access.ask import Ask, Plane
from studiolo.kernel.access.blocks import blocks_of
from studiolo.kernel.access.built_in import built_in_roles
from studiolo.kernel.access.explanation import Explanation, explain
from studiolo.kernel.access.grants import KnownActions, Role
from studiolo.kernel.access.scopes import ROOT, prefixes, scope_key
from studiolo.kernel.access.spelling import folded
from studiolo.kernel.access.telling import told
from studiolo.kernel.documents import body_of, resource_of
from studiolo.kernel.faults import Conflict, Forbidden, Invalid
from studiolo.kernel.gate import Grants
from studiolo.kernel.ids import Collection, ResourceId
from studiolo.kernel.resource import Caller, JsonObject, Resource
from studiolo.kernel.store.port import Row, Store
from studiolo.rooms.iam.domain import roles
from studiolo.rooms.iam.domain.assignments import by_principal, scope_of, wanted
from studiolo.rooms.iam.domain.principals import GIVES_ROLES, Principal
from studiolo.rooms.iam.domain.roles import BUILT_IN, CUSTOM, ROLE_ASSIGNMENTS, ROLE_DEFINITIONS
from studiolo.rooms.iam.service.directory import Directory

_MOST_LISTED = 5000
_PAGE = 500
_MOST_GRANTORS = 50


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

    def __init__(self, store: Store, grants: Grants, directory: Directory, known_actions: KnownActions | None = None) -> None:
        self._store = store
        self._grants = grants
        self._directory = directory
        self._known = known_actions

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
            plane=question.plane or self._plane(question.action),
            sub_operations=question.sub_operations,
            request=question.request or {},
            resource=question.resource or {},
            principal_attributes=principal.attributes,
            environment={"UtcNow": clock.stamp(clock.now()), "isPrivateLink": False, **(question.environment or {})},
        )
        return _told(principal, explain(ask, await self._grants.facts(principal.oid)))

    def _plane(self, action: str) -> Plane:
        """The plane of the operation that needs this action; the control plane if none is known."""
        key = folded(action)
        is_data = self._known is not None and self._known(key, "data") and not self._known(key, "control")
        return "data" if is_data else "control"

    # ── lists ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def permissions(self, caller: Caller, collection: Collection, query: Mapping[str, str]) -> Sequence[JsonObject]:
        """What the caller may do at a scope: the blocks of every role that reaches it, each block once."""
        scope = collection.parent.text if collection.parent else ROOT
        facts = (await self._grants.facts(caller.oid)).facts
        chain = frozenset(facts.hierarchy.chain(scope_key(scope)))
        found: dict[bytes, JsonObject] = {}
        for assignment in facts.assignments:
            if scope_key(assignment.scope) not in chain:
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
                if role.properties["type"] in kinds and _offered(role, scope, and_below=chosen.and_below):
                    found.append({**body_of(role), "id": f"{prefix}/providers/{ROLE_DEFINITIONS}/{role.name}"})
        return found

    async def find_role(self, asked: ResourceId) -> ResourceId | None:
        """Where the role is kept that somebody asks for at a scope: a tenant has one set of roles.

        Only one that can be assigned at this scope or below it is found: whoever may read here need not learn of others.
        """
        page = await self._store.by_facet(ROLE_DEFINITIONS.lower(), roles.by_guid(asked.name), limit=1)
        role = resource_of(page.rows[0]) if page.rows else None
        return role.id if role is not None and _offered(role, asked.scope.text if asked.scope else ROOT, and_below=True) else None

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
        scope = collection.parent.text if collection.parent else ROOT
        asked = wanted(query)
        key = scope_key(scope)
        chain = frozenset((await self._grants.facts(caller.oid)).facts.hierarchy.chain(key))
        found: list[JsonObject] = []
        async for row in self._assignments(key, chain, asked.principal, asked.assigned_to):
            assignment = resource_of(row)
            at = scope_key(scope_of(assignment.id))
            if at not in chain and (asked.at_scope_only or not (key == ROOT or at.startswith(key + "/"))):
                continue
            found.append(body_of(assignment))
            if len(found) > _MOST_LISTED:
                raise Invalid(
                    f"More than {_MOST_LISTED} role assignments: narrow the scope, or use $filter with atScope() or principalId eq '…'.",
                    code="TooManyToList",
                )
        return found

    async def grantors(self, scope: str) -> Sequence[JsonObject]:
        """The principals whose roles let them write role assignments at a scope, each with the assignment that says so.

        A group is named as itself. Conditions of the assignments are shown: they may keep a grantor from granting some roles.
        """
        key = scope_key(scope)
        found: list[JsonObject] = []
        async for row in self._assignments(key, frozenset({*prefixes(key), ROOT}), "", "", and_below=False):
            assignment = resource_of(row).properties
            role = await self._role(assignment["roleDefinitionId"].rpartition("/")[2])
            if role is None or not any(block.match("control", GIVES_ROLES.lower()).holds for block in blocks_of(role.permissions).each):
                continue
            found.append(
                {
                    "principalId": assignment["principalId"],
                    "principalType": assignment.get("principalType"),
                    "role": role.name,
                    "scope": assignment["scope"],
                    "condition": assignment.get("condition"),
                }
            )
        return found[:_MOST_GRANTORS]

    async def _role(self, guid: str) -> Role | None:
        built_in = built_in_roles().get(guid.lower())
        if built_in is not None:
            return built_in
        rows = (await self._store.by_facet(ROLE_DEFINITIONS.lower(), roles.by_guid(guid), limit=1)).rows
        return roles.role_of(resource_of(rows[0])) if rows else None

    async def _assignments(
        self, key: str, chain: frozenset[str], principal: str, assigned_to: str, *, and_below: bool = True
    ) -> AsyncIterator[Row]:
        type_name = ROLE_ASSIGNMENTS.lower()
        if principal or assigned_to:
            holders = [principal] if principal else sorted((await self._grants.facts(assigned_to)).facts.ids)
            for holder in holders:
                async for row in self._carrying(type_name, by_principal(holder)):
                    yield row
            return
        for above in sorted(chain - {key} if and_below else chain):
            async for row in self._pages(f"{'' if above == ROOT else above}/providers/{type_name}"):
                yield row
        if not and_below:
            return
        after: str | None = ""
        while after is not None:
            page = await self._store.below("" if key == ROOT else key, type_name=type_name, after=after, limit=_PAGE)
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


def _both(block: str | None, assignment: str) -> str:
    return assignment if block is None else f"({block}) AND ({assignment})"


def _offered(role: Resource, scope: str, *, and_below: bool) -> bool:
    if roles.is_assignable(role, scope):
        return True
    key = scope_key(scope)
    return and_below and any(key == ROOT or scope_key(at).startswith(key + "/") for at in role.properties["assignableScopes"])


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
    for term in re.split(r"\s+and\s+(?=\w+\s+eq\s|atScope)", text, flags=re.IGNORECASE) if text else ():
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


def _told(principal: Principal, explanation: Explanation) -> JsonObject:
    who = {"id": principal.oid, "type": principal.kind, "displayName": principal.name, "accountEnabled": principal.is_enabled}
    return {"principal": who, **told(explanation)}

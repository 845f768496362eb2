"""What is looked at before a write of rights or of the directory that no rule on the write alone can see.

Checks of conditions (L1 to L7), what its writer may grant (L8), the limits of a tenant and of a subscription, and that
the last owner stays.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from studiolo.kernel.access.compiled import CompiledFacts
from studiolo.kernel.access.conditions import check_condition
from studiolo.kernel.access.grants import Assignment, Permission
from studiolo.kernel.access.lints import Finding, bypassed, lint_deny, lint_grant, refused
from studiolo.kernel.access.names import GIVES_ROLES
from studiolo.kernel.access.scopes import MANAGEMENT_GROUPS, ROOT, scope_key
from studiolo.kernel.documents import resource_of, row_of
from studiolo.kernel.faults import Conflict, TooMany
from studiolo.kernel.gate import Grants
from studiolo.kernel.platform import made
from studiolo.kernel.principals import (
    APPLICATIONS,
    GROUPS,
    KINDS,
    SERVICE_PRINCIPALS,
    USERS,
    candidates,
    group_facets,
    identity_facets,
    principal_id,
    service_principal_facets,
    user_facets,
)
from studiolo.kernel.resource import Change, Cleared, Fence, JsonObject, Resource
from studiolo.kernel.store.port import Store
from studiolo.rooms.authorization.domain import assignments, denials, ownership, roles
from studiolo.rooms.authorization.domain.assignments import scope_of
from studiolo.rooms.authorization.domain.overrides import override_in, remarks
from studiolo.rooms.authorization.domain.roles import CUSTOM, DENY_ASSIGNMENTS, ROLE_ASSIGNMENTS, ROLE_DEFINITIONS
from studiolo.rooms.authorization.ports import Directory
from studiolo.rooms.authorization.service.delegation import Delegation
from studiolo.rooms.authorization.service.owners import UNDENIES, Owners, Plan, covers, may_lock_out

_MOST_ROLES: Final = 5000
_MOST_ASSIGNMENTS: Final = 4000
_PAGE: Final = 1000
_MOST_MEMBERS: Final = 5000
_OVERTAKES: Final = "The assignment cannot be written: it has no condition, and makes those of others idle."
_OPENS: Final = "The role cannot be written: conditions under which it is assigned, or which its holders have, would hold less than before."
_FACETS: Final[Mapping[str, Callable[[Resource], Iterable[str]]]] = {
    USERS.lower(): user_facets,
    GROUPS.lower(): group_facets,
    SERVICE_PRINCIPALS.lower(): service_principal_facets,
}


class Guards:
    """One guard for each type."""

    def __init__(self, store: Store, grants: Grants, directory: Directory, delegation: Delegation, owners: Owners) -> None:
        self._store = store
        self._grants = grants
        self._directory = directory
        self._delegation = delegation
        self._owners = owners

    # ── assignments ──────────────────────────────────────────────────────────────────────────────────────────────

    async def role_assignment(self, change: Change) -> Cleared:
        """A role assignment that is written or removed."""
        if change.is_delete:
            return Cleared(fence=await self._keep_owner(change, change.old))
        found, scope = change.new.properties, scope_of(change.id)
        definition = self._role_of(change)
        role, condition = roles.role_of(definition), found.get("condition")
        passed: Sequence[Finding] = ()
        override = override_in(found)
        if not change.caller.is_platform:
            if change.old is None:
                await self._check_room(change)
            await self._delegation.require_role(change.caller, role, scope, condition)
            if condition is not None and not (change.old and change.old.properties.get("condition") == condition):
                parsed, holder = check_condition(condition, "2.0"), await self._grants.facts(str(found["principalId"]))
                findings = [*lint_grant(parsed, role.permissions), *bypassed(parsed, role.permissions, scope, holder, change.id.text)]
                passed = refused(findings, override.checks)
            if condition is None and not (change.old and change.old.properties.get("condition") is None):
                wider = Assignment(change.id.text, str(found["principalId"]), role, scope)
                passed = refused([each async for each in self._overtaken(wider)], override.checks, "properties", what=_OVERTAKES)
        fence = await self._keep_owner(change, change.old) if change.old is not None else None
        return Cleared(remarks(override, passed), fence)

    async def _overtaken(self, wider: Assignment, *, but: Assignment | None = None) -> AsyncIterator[Finding]:
        """L6, looked at from the other side: conditions that an assignment without one makes idle, which `but` did not already.

        Those of the principal, of its groups and, if it is a group itself, of the principals in it through any nesting.
        """
        async for oid in self._bound_through(wider.principal_id.lower()):
            compiled = await self._grants.facts(oid)
            alone = CompiledFacts(msgspec.structs.replace(compiled.facts, assignments=(wider,)))
            before = CompiledFacts(msgspec.structs.replace(compiled.facts, assignments=() if but is None else (but,)))
            for each in compiled.facts.assignments:
                if each.condition is None or each.id.lower() == wider.id.lower():
                    continue
                parsed = check_condition(each.condition, each.condition_version)
                known = set(bypassed(parsed, each.role.permissions, each.scope, before, each.id))
                for found in bypassed(parsed, each.role.permissions, each.scope, alone, each.id):
                    if found not in known:
                        yield _told_of(each.id, found)

    async def _bound_through(self, oid: str) -> AsyncIterator[str]:
        """A principal and, of the first thousands in a group, those who have a role under a condition themselves."""
        waiting, seen = [oid], set[str]()
        while waiting and len(seen) < _MOST_MEMBERS:
            each = waiting.pop()
            if each in seen:
                continue
            seen.add(each)
            rows = (await self._store.by_facet(ROLE_ASSIGNMENTS.lower(), assignments.by_principal(each))).rows
            if each == oid or any(resource_of(row).properties.get("condition") is not None for row in rows):
                yield each
            group = await self._store.find(principal_id(GROUPS, each).key)
            waiting += resource_of(group).properties.get("members") or () if group is not None else ()

    def _role_of(self, change: Change) -> Resource:
        guid = roles.guid_of(change.new.properties.get("roleDefinitionId"))
        found = change.fact(roles.role_id(guid).key) or change.fact(roles.by_guid_key(guid))
        if found is None:
            msg = "a role assignment was admitted without its role"
            raise RuntimeError(msg)
        return found

    async def _check_room(self, change: Change) -> None:
        """Raise TooMany if the subscription holds as many assignments as one may."""
        if change.id.subscription is None:
            return
        under = f"/subscriptions/{change.id.subscription.lower()}"
        if await self._is_full(ROLE_ASSIGNMENTS, under, _MOST_ASSIGNMENTS):
            raise TooMany(
                f"The subscription has {_MOST_ASSIGNMENTS} role assignments, which is the most that one can have. Remove some, or give "
                "roles to groups.",
                code="RoleAssignmentLimitExceeded",
            )

    async def _is_full(self, type_name: str, under: str, most: int) -> bool:
        count, after = 0, ""
        while count < most:
            page = await self._store.below(under, type_name=type_name.lower(), after=after, limit=_PAGE)
            count += len(page.rows)
            if page.next is None:
                break
            after = page.next
        return count >= most

    async def _keep_owner(self, change: Change, old: Resource | None) -> Fence | None:
        """Look whether owners stay, if the assignment makes one."""
        if old is None or not (_is_high(scope_of(old.id)) or await self._owners.closed()):
            return None
        facet = roles.by_guid(roles.guid_of(old.properties["roleDefinitionId"]))
        found = (await self._store.by_facet(ROLE_DEFINITIONS.lower(), facet, limit=1)).rows
        if not found or not covers(roles.role_of(resource_of(found[0])).permissions, GIVES_ROLES, UNDENIES):
            return None
        return await self._owners.keep(_plan(change, assignments.facets))

    # ── roles ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def role_definition(self, change: Change) -> Cleared:
        """A custom role that is written; one that is removed has no holders (see `may_delete`)."""
        if change.is_delete:
            return Cleared()
        permissions = tuple(map(roles.permission_of, change.new.properties["permissions"]))
        override, findings = override_in(change.new.properties), list[Finding]()
        for block in permissions:
            if block.condition is not None:
                findings += lint_grant(check_condition(block.condition, "2.0"), [block])
        passed = refused(findings, override.checks, "properties.permissions")
        if change.old is None:
            if await self._has_all_roles():
                text = f"The tenant has {_MOST_ROLES} custom roles, which is the most that one can have."
                raise TooMany(text, code="RoleDefinitionLimitExceeded")
            return Cleared(remarks(override, passed))
        await self._check_holders(change)
        before = tuple(map(roles.permission_of, change.old.properties["permissions"]))
        if before != permissions and not change.caller.is_platform:
            opened = [each async for each in self._opened(change.old, permissions)]
            passed = [*passed, *refused(opened, override.checks, "properties.permissions", what=_OPENS)]
        is_high = covers(before, GIVES_ROLES, UNDENIES) and before != permissions
        return Cleared(remarks(override, passed), await self._owners.keep(_plan(change, roles.facets)) if is_high else None)

    async def _has_all_roles(self) -> bool:
        count, after = 0, ""
        while count < _MOST_ROLES:
            page = await self._store.by_facet(ROLE_DEFINITIONS.lower(), roles.by_type(CUSTOM), after=after, limit=_PAGE)
            count += len(page.rows)
            if page.next is None:
                break
            after = page.next
        return count >= _MOST_ROLES

    async def _check_holders(self, change: Change) -> None:
        """Raise Conflict if the role stays assigned where it is assignable no longer: its writer need not be heard there."""
        chain_of = (await self._grants.facts(change.caller.oid)).facts.hierarchy.chain
        wanted = {scope_key(scope) for scope in change.new.properties["assignableScopes"]}
        async for assignment in self._assigned(change.id.name):
            scope = scope_of(assignment.id)
            if wanted.isdisjoint(chain_of(scope_key(scope))):
                raise Conflict(
                    f"The role is assigned at '{scope}' ({assignment.id.key}), which the new assignable scopes leave out. Remove the "
                    "assignment first, or keep the scope.",
                    code="RoleDefinitionHasAssignments",
                    target="properties.assignableScopes",
                )

    async def _opened(self, old: Resource, permissions: Sequence[Permission]) -> AsyncIterator[Finding]:
        """What a role's new permissions take from the conditions of its assignments, and from others that their holders have.

        A finding that the old ones had as well was passed over, with a reason, when its assignment was written.
        """
        before = roles.role_of(old)
        after = msgspec.structs.replace(before, permissions=tuple(permissions))
        async for assignment in self._assigned(old.name):
            found, scope, holder = assignment.properties, scope_of(assignment.id), str(assignment.properties["principalId"])
            if found.get("condition") is None:
                earlier, later = (Assignment(assignment.id.text, holder, role, scope) for role in (before, after))
                async for each in self._overtaken(later, but=earlier):
                    yield each
                continue
            parsed, facts = check_condition(found["condition"], found.get("conditionVersion")), await self._grants.facts(holder)
            known, now = (
                [*lint_grant(parsed, role.permissions), *bypassed(parsed, role.permissions, scope, facts, assignment.id.text)]
                for role in (before, after)
            )
            for each in now:
                if each not in known:
                    yield _told_of(assignment.id.text, each)

    async def _assigned(self, guid: str) -> AsyncIterator[Resource]:
        """Every assignment of a role."""
        after: str | None = ""
        while after is not None:
            page = await self._store.by_facet(ROLE_ASSIGNMENTS.lower(), roles.by_role(guid), after=after, limit=_PAGE)
            for row in page.rows:
                yield resource_of(row)
            after = page.next

    # ── deny assignments ─────────────────────────────────────────────────────────────────────────────────────────

    async def deny_assignment(self, change: Change) -> Cleared:
        """A deny assignment that is written or removed."""
        denials.check_unprotected(change)
        if change.is_delete or change.caller.is_platform:
            return Cleared()
        override, condition = override_in(change.new.properties), change.new.properties.get("condition")
        deny = denials.deny_of(_after(change))
        passed: Sequence[Finding] = ()
        if condition is not None:
            passed = refused(lint_deny(check_condition(condition, "2.0"), deny.permissions), override.checks)
        fence = await self._owners.keep(_plan(change, denials.facets), denied=deny.scope) if may_lock_out(deny) else None
        return Cleared(remarks(override, passed), fence)

    # ── the directory ────────────────────────────────────────────────────────────────────────────────────────────

    async def principal(self, change: Change) -> Cleared:
        """A person or a service principal that is written or removed."""
        if not change.is_delete:
            await self._delegation.require_attributes(change)
        elif change.old is not None:
            await self._delegation.require_release(change.caller, change.id.name, str(change.old.properties["displayName"]))
        is_off = change.old is not None and (change.is_delete or change.new.properties.get("accountEnabled") is False)
        return Cleared(fence=await self._keep_without(change, change.id.name) if is_off else None)

    async def user(self, change: Change) -> Cleared:
        """A person. Who links them to an identity elsewhere lets its owner in as them, so must be allowed to give what they hold."""
        if not change.is_delete and change.old is not None:
            before, after = set(identity_facets(change.old.properties)), set(identity_facets(change.new.properties))
            oid, name = change.id.name.lower(), change.new.properties["displayName"]
            if after - before:
                await self._delegation.require_holdings(change.caller, oid, name, [(oid, "User")])
            if before - after:  # their next sign-in may make them a user anew
                await self._delegation.require_release(change.caller, oid, name)
        return await self.principal(change)

    async def group(self, change: Change) -> Cleared:
        """A group that is written or removed."""
        before = set(change.old.properties.get("members") or ()) if change.old else set[str]()
        after = set[str]() if change.is_delete else set(change.new.properties.get("members") or ())
        if before - after:
            await self._delegation.require_release(change.caller, change.id.name, change.new.properties["displayName"])
        if not change.is_delete:
            members: list[str] = change.new.properties.get("members") or []
            added = [(oid, self._kind(change, oid)) for oid in members if oid not in before]
            if added:
                await self._delegation.require_holdings(change.caller, change.id.name, change.new.properties["displayName"], added)
            if before <= set(members):
                return Cleared()
        return Cleared(fence=await self._keep_without(change, change.id.name) if before else None)

    @staticmethod
    def principal_attributes(change: Change) -> tuple[JsonObject, JsonObject]:
        """The attributes of a service principal in conditions: managed identities belong to their resources."""
        return ownership.principal_attributes(change)

    @staticmethod
    def _kind(change: Change, oid: str) -> str:
        holder = next((fact for id_ in candidates(oid) if (fact := change.fact(id_.key))), None)
        return KINDS[holder.type.lower()] if holder else "User"

    async def application(self, change: Change) -> Cleared:
        """An application that is written or removed: its service principal goes with it."""
        acting = await self._directory.service_principal(change.id.name) if change.is_delete else None
        if acting is not None:
            await self._delegation.require_release(change.caller, acting.oid, acting.name)
        return Cleared(fence=await self._keep_without(change, acting.oid) if acting is not None else None)

    async def _keep_without(self, change: Change, oid: str) -> Fence | None:
        """Look whether owners stay, if this principal holds rights that make one."""
        held = (await self._grants.facts(oid)).facts.assignments
        high = [each for each in held if covers(each.role.permissions, GIVES_ROLES, UNDENIES)]
        if not any(_is_high(each.scope) for each in high) and not ((high or await self._is_spared(oid)) and await self._owners.closed()):
            return None
        if change.id.type.lower() == APPLICATIONS.lower():
            return await self._owners.keep(Plan(gone=[principal_id(SERVICE_PRINCIPALS, oid).key]))
        return await self._owners.keep(_plan(change, _FACETS[change.id.type.lower()]))

    async def _is_spared(self, oid: str) -> bool:
        """Whether a deny assignment excludes the principal: without it, the others may be locked out."""
        return bool((await self._store.by_facet(DENY_ASSIGNMENTS.lower(), denials.by_excluded(oid), limit=1)).rows)


def _told_of(assignment: str, finding: Finding) -> Finding:
    """A finding, told of an assignment that is not the one that is written."""
    return msgspec.structs.replace(finding, what=f"of the assignment {assignment}, {finding.what}")


def _is_high(scope: str) -> bool:
    """Whether owners of a scope are owners of a subscription or of more."""
    key = scope_key(scope)
    return key == ROOT or key.startswith(MANAGEMENT_GROUPS) or (key.startswith("/subscriptions/") and key.count("/") == 2)


def _after(change: Change) -> Resource:
    """The resource as it would be after the change."""
    if change.old is None:
        fresh = made(change.id, change.id.type, change.new.properties, change.at)
        return msgspec.structs.replace(fresh, private=change.new.private)
    return msgspec.structs.replace(change.old, properties=change.new.properties, private=change.new.private)


def _plan(change: Change, facets: Callable[[Resource], Iterable[str]]) -> Plan:
    """The change, for facts that are read as if it had been made."""
    if change.is_delete:
        return Plan(gone=[change.id.key])
    after = _after(change)
    return Plan(put=[(row_of(after), tuple(facets(after)))])

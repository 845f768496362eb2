"""Role assignments: who holds which role where, and under which condition.

A principal and a role meet at a scope at most once. Assignments are made and removed, not turned into others: only the
condition, the description and the schedule of one can change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from studiolo.kernel.access.conditions import check_condition
from studiolo.kernel.access.scopes import FLAT, ROOT, scope_key
from studiolo.kernel.faults import Conflict, Invalid, NotFound
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.principals import GUID, KINDS, candidates
from studiolo.kernel.resource import Change, Draft, JsonObject, Resource
from studiolo.rooms.authorization.domain.ownership import owned_by
from studiolo.rooms.authorization.domain.roles import (
    ROLE_ASSIGNMENTS,
    ROLE_DEFINITIONS,
    by_guid,
    by_guid_key,
    by_role,
    guid_of,
    is_assignable,
    role_id,
)
from studiolo.rooms.authorization.domain.schedules import END, schedule

_MAX_DESCRIPTION = 1024
_BAG: Final = ROLE_ASSIGNMENTS
_TYPES = {"user": "User", "group": "Group", "serviceprincipal": "ServicePrincipal", "foreigngroup": "ForeignGroup", "device": "Device"}


class Properties(msgspec.Struct, rename="camel"):
    """A stored assignment's properties, as the engine's facts need them."""

    role_definition_id: str
    principal_id: str
    principal_type: str
    scope: str
    condition: str | None = None
    condition_version: str | None = None
    start_date_time: str | None = None
    end_date_time: str | None = None


class Private(msgspec.Struct, rename="camel"):
    """What is kept beside it.

    `principal_since` is the birth of the principal; none if it did not exist yet. `owner` is the resource whose identity
    the platform granted this to; such an assignment is the platform's own.
    """

    principal_since: str | None = None
    owner: str | None = None


def scope_of(assignment: ResourceId) -> str:
    """The scope that an assignment hangs on; `/` at the tenant's root."""
    return assignment.scope.text if assignment.scope else ROOT


def admit(change: Change, chain_of: Callable[[str], Collection[str]] = FLAT.chain) -> Draft:
    """An assignment. `chain_of` tells which scopes a role for one at a scope may be assignable at.

    Raises:
        Invalid: the name is no GUID, the principal is unknown or of another type, the condition cannot be written
            (codes `InvalidRoleAssignmentId`, `PrincipalNotFound`, `UnmatchedPrincipalType`, `InvalidCondition`).
        NotFound: there is no such role (code `RoleDefinitionDoesNotExist`).
        Conflict: the assignment exists under another name (`RoleAssignmentExists`), or an update would make it
            another assignment (`RoleAssignmentUpdateNotPermitted`).
    """
    found, scope = change.new.properties, scope_of(change.id)
    if not GUID.fullmatch(change.id.name):
        raise Invalid(
            f"The role assignment ID '{change.id.name}' is not valid. The role assignment ID must be a GUID.",
            code="InvalidRoleAssignmentId",
            target="name",
        )
    guid, principal = guid_of(found.get("roleDefinitionId")), _principal(found)
    wanted_type = _wanted_type(found)
    if change.old is not None:
        before = change.old.properties
        if (guid_of(before["roleDefinitionId"]), before["principalId"]) != (guid, principal):
            raise Conflict(
                "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.", code="RoleAssignmentUpdateNotPermitted"
            )
    _check_role(change, guid, scope, chain_of(scope_key(scope)))
    rival = change.fact(rival_key(principal, guid, scope))
    if rival is not None and rival.id.key != change.id.key:
        raise Conflict(
            f"The role assignment already exists. The ID of the conflicting role assignment is {rival.name}.", code="RoleAssignmentExists"
        )
    holder = next((fact for id_ in candidates(principal) if (fact := change.fact(id_.key))), None)
    kind = _kind(principal, holder, wanted_type, change.caller.tenant)
    prefix = f"/subscriptions/{change.id.subscription}" if change.id.subscription else ""
    first = change.old.properties if change.old else {"createdOn": change.at, "createdBy": change.caller.oid}
    since = holder.system.created_at if holder else None
    if change.old is not None and since is None:
        since = change.old.private.get("principalSince")
    draft = change.new.with_properties(
        roleDefinitionId=f"{prefix}/providers/{ROLE_DEFINITIONS}/{guid}",
        principalId=principal,
        principalType=kind,
        scope=scope,
        description=_description(found),
        createdOn=first.get("createdOn"),
        createdBy=first.get("createdBy"),
        updatedOn=first.get("updatedOn"),
        updatedBy=first.get("updatedBy"),
        **_condition(found),
        **schedule(found, change.at, kept=change.old.properties.get(END) if change.old else None),
        assignmentState=None,
    )
    kept = {"principalSince": since, "owner": _owner(change, holder)}
    draft = msgspec.structs.replace(draft, private={name: value for name, value in kept.items() if value})
    if change.old is not None and (draft.properties, draft.private) == (change.old.properties, change.old.private):
        return draft  # repeating a PUT changes nothing, not even the time of the last update
    return draft.with_properties(updatedOn=change.at, updatedBy=change.caller.oid)


def needs(change: Change) -> Sequence[ResourceId]:
    """The role if it is a built-in one, and the principal under each id that it may have."""
    principal = _principal(change.new.properties)
    return [role_id(guid_of(change.new.properties.get("roleDefinitionId"))), *candidates(principal)]


def kin(change: Change) -> Sequence[tuple[str, str]]:
    """The role, and the assignment of it to the same principal at the same scope, by type and facet."""
    found = change.new.properties
    guid = guid_of(found.get("roleDefinitionId"))
    return [(ROLE_DEFINITIONS, by_guid(guid)), (ROLE_ASSIGNMENTS, by_meeting(_principal(found), guid, scope_of(change.id)))]


def rival_key(principal: str, guid: str, scope: str) -> str:
    """Under which a change's facts hold the assignment that says the same."""
    return f"{ROLE_ASSIGNMENTS}#{by_meeting(principal, guid, scope)}"


def attributes(change: Change) -> tuple[JsonObject, JsonObject]:
    """What conditions on the right to assign see: the asked-for assignment on a write, the stored one on a delete."""
    owner = owned_by(change.old.private.get("owner") if change.old else None)
    if change.is_delete:
        return {}, {**_bag(change.old.properties), **owner} if change.old else {}
    return _bag(change.new.properties), owner


def _bag(found: Mapping[str, Any]) -> JsonObject:
    bag: JsonObject = {}
    if isinstance(role := found.get("roleDefinitionId"), str):
        bag[f"{_BAG}:RoleDefinitionId"] = role.rpartition("/")[2]
    for name in ("principalId", "principalType"):
        if isinstance(value := found.get(name), str):
            bag[f"{_BAG}:{name[0].upper()}{name[1:]}"] = _TYPES.get(value.lower(), value) if name == "principalType" else value
    return bag


# ── by what they are found ───────────────────────────────────────────────────────────────────────────────────────


def by_principal(oid: str) -> str:
    """The facet that finds the assignments, or deny assignments, that name a principal."""
    return f"principal:{oid.lower()}"


def by_meeting(principal: str, guid: str, scope: str) -> str:
    """The facet that a principal, a role and a scope have in common."""
    return f"meeting:{principal.lower()}|{guid.lower()}|{scope_key(scope)}"


def facets(assignment: Resource) -> Iterable[str]:
    """Principal, role, and both with the scope."""
    found = assignment.properties
    guid = guid_of(found["roleDefinitionId"])
    return [by_principal(found["principalId"]), by_role(guid), by_meeting(found["principalId"], guid, found["scope"])]


class Wanted(msgspec.Struct, frozen=True):
    """What a list of assignments asks for. `assigned_to` includes what the principal holds through groups."""

    at_scope_only: bool = False
    principal: str = ""
    assigned_to: str = ""


_TERM = re.compile(r"atScope\(\)|principalId\s+eq\s+'([^']*)'|assignedTo\('([^']*)'\)", re.IGNORECASE)


def wanted(query: Mapping[str, str]) -> Wanted:
    """Read `$filter`: `atScope()`, `principalId eq '…'`, `assignedTo('…')`, and `atScope() and …`.

    Raises:
        Invalid: another filter (code `InvalidFilter`).
    """
    text = query.get("$filter", "").strip()
    found = Wanted()
    for term in re.split(r"(?<!\s)\s+and\s+", text, flags=re.IGNORECASE) if text else ():
        match = _TERM.fullmatch(term.strip())
        principal = (match[1] or match[2] or "") if match else ""
        if match is None or (principal and not GUID.fullmatch(principal)):
            raise Invalid(
                "$filter takes atScope(), principalId eq '{object id}' and assignedTo('{object id}'), joined by 'and'.",
                code="InvalidFilter",
                target="$filter",
            )
        if match[1]:
            found = msgspec.structs.replace(found, principal=principal.lower())
        elif match[2]:
            found = msgspec.structs.replace(found, assigned_to=principal.lower())
        else:
            found = msgspec.structs.replace(found, at_scope_only=True)
    return found


# ── pieces ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _principal(found: Mapping[str, Any]) -> str:
    oid = found.get("principalId")
    if not isinstance(oid, str) or not GUID.fullmatch(oid):
        raise Invalid(
            "'principalId' is required: the object id (a GUID) of a user, group or service principal.",
            code="InvalidPrincipalId",
            target="properties.principalId",
        )
    return oid.lower()


def _wanted_type(found: Mapping[str, Any]) -> str | None:
    text = found.get("principalType")
    if text is None:
        return None
    kind = _TYPES.get(str(text).lower())
    if kind not in KINDS.values():
        raise Invalid(
            f"'principalType' is User, Group or ServicePrincipal, not '{str(text)[:50]}'.",
            code="InvalidPrincipalType",
            target="properties.principalType",
        )
    return kind


def _check_role(change: Change, guid: str, scope: str, chain: Collection[str]) -> None:
    role = change.fact(role_id(guid).key) or change.fact(by_guid_key(guid))
    if role is None:
        raise NotFound(
            f"The specified role definition with ID '{guid}' does not exist.",
            code="RoleDefinitionDoesNotExist",
            target="properties.roleDefinitionId",
        )
    if not is_assignable(role, chain):
        scopes = ", ".join(role.properties.get("assignableScopes", ())[:5])
        raise Invalid(
            f"The role '{role.properties.get('roleName')}' cannot be assigned at '{scope}': its assignable scopes are {scopes}.",
            code="RoleDefinitionNotAssignable",
            target="properties.roleDefinitionId",
        )
    has_data = any(block.get("dataActions") for block in role.properties.get("permissions", ()))
    if (
        has_data
        and role.properties.get("type") == "CustomRole"
        and scope.lower().startswith("/providers/microsoft.management/managementgroups/")
    ):
        raise Invalid(
            "A custom role with data actions cannot be assigned at a management group.",
            code="RoleDefinitionNotAssignable",
            target="properties.roleDefinitionId",
        )


def _kind(principal: str, holder: Resource | None, wanted_type: str | None, tenant: str) -> str:
    if holder is None:
        if wanted_type is not None:
            return wanted_type
        raise Invalid(
            f"Principal {principal} does not exist in the directory {tenant}. Check that you have the correct principal ID. If you are "
            "creating this principal and then immediately assigning a role, set the role assignment principalType property to a value, "
            "such as ServicePrincipal, User, or Group.",
            code="PrincipalNotFound",
            target="properties.principalId",
        )
    kind = KINDS[holder.type.lower()]
    if wanted_type not in (None, kind):
        raise Invalid(
            f"The PrincipalId '{principal}' has type '{kind}', which is different from specified PrincipalType '{wanted_type}'.",
            code="UnmatchedPrincipalType",
            target="properties.principalType",
        )
    return kind


def _owner(change: Change, holder: Resource | None) -> str | None:
    """The resource that owns the assignment: one that the platform made for the resource's own identity."""
    if change.old is not None and (kept := change.old.private.get("owner")) is not None:
        return kept
    if not change.caller.is_platform or holder is None or holder.properties.get("servicePrincipalType") != "ManagedIdentity":
        return None
    return next(iter(holder.properties.get("alternativeNames") or ()), holder.id.text)


def _description(found: Mapping[str, Any]) -> str | None:
    text = found.get("description")
    if text is not None and len(text) > _MAX_DESCRIPTION:
        raise Invalid(f"'description' has at most {_MAX_DESCRIPTION} characters.", target="properties.description")
    return text or None


def _condition(found: Mapping[str, Any]) -> JsonObject:
    """The condition, if it may be written. A blank one is none; the version alone means nothing."""
    text = found.get("condition")
    if text is None or not text.strip():
        return {"condition": None, "conditionVersion": None}
    check_condition(text, found.get("conditionVersion"))
    return {"condition": text, "conditionVersion": "2.0"}

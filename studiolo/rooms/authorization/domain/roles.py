"""Role definitions: what a role may say, and where it may be given.

Rules after the published limits of Azure custom roles: 5,000 a tenant, name 512 and description 2,048 characters, at
most 2,000 assignable scopes of which one management group, no wildcard and not the root, one `*` in a pattern, and no
data actions in a role for a management group.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from studiolo.kernel.access.conditions import check_condition
from studiolo.kernel.access.grants import Permission, Role
from studiolo.kernel.access.names import GIVES_ROLES
from studiolo.kernel.access.scopes import scope_key
from studiolo.kernel.faults import Conflict, Forbidden, Invalid
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.principals import GUID
from studiolo.kernel.resource import Change, Demand, Draft, JsonObject, Resource

ROLE_DEFINITIONS: Final = "Microsoft.Authorization/roleDefinitions"
ROLE_ASSIGNMENTS: Final = "Microsoft.Authorization/roleAssignments"
DENY_ASSIGNMENTS: Final = "Microsoft.Authorization/denyAssignments"
BUILT_IN, CUSTOM = "BuiltInRole", "CustomRole"
OWNER: Final = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
_MAX_NAME, _MAX_DESCRIPTION, _MAX_SCOPES, _MAX_PATTERNS = 512, 2048, 2000, 2000
_GROUPS = "/providers/microsoft.management/managementgroups/"
_PATTERN = re.compile(r"\*|(?:\*|[A-Za-z0-9][A-Za-z0-9.\-]*)(?:/(?:\*|[A-Za-z0-9$][A-Za-z0-9.\-_$]*))+")
_LISTS = ("actions", "notActions", "dataActions", "notDataActions")


def role_id(guid: str) -> ResourceId:
    """Where a built-in role is kept: at the tenant's root. Custom ones are kept where they were written."""
    return parse(f"/providers/{ROLE_DEFINITIONS}/{guid.lower()}")


def guid_of(role_definition_id: object, target: str = "properties.roleDefinitionId") -> str:
    """The role's GUID from a full role definition id, or from the GUID alone.

    Raises:
        Invalid: it is neither (code `InvalidRoleDefinitionId`).
    """
    text = role_definition_id if isinstance(role_definition_id, str) else ""
    head, _, last = text.rpartition("/")
    if GUID.fullmatch(last) and (not head or head.lower().endswith(f"/providers/{ROLE_DEFINITIONS}".lower())):
        return last.lower()
    raise Invalid(
        f"'{text[:300]}' is not the id of a role definition: it ends in /providers/{ROLE_DEFINITIONS}/ and a GUID.",
        code="InvalidRoleDefinitionId",
        target=target,
    )


def role_of(definition: Resource) -> Role:
    """A stored definition as the engine reads it."""
    return Role(
        id=definition.name.lower(),
        name=definition.properties.get("roleName", ""),
        permissions=tuple(map(permission_of, definition.properties.get("permissions", ()))),
    )


def permission_of(block: Mapping[str, Any]) -> Permission:
    """One stored block of permissions as the engine reads it."""
    return Permission(
        actions=tuple(block.get("actions") or ()),
        not_actions=tuple(block.get("notActions") or ()),
        data_actions=tuple(block.get("dataActions") or ()),
        not_data_actions=tuple(block.get("notDataActions") or ()),
        condition=block.get("condition"),
        condition_version=block.get("conditionVersion") or "2.0",
    )


def block_of(permission: Permission) -> JsonObject:
    """A block of permissions as clients read it."""
    return {
        "actions": list(permission.actions),
        "notActions": list(permission.not_actions),
        "dataActions": list(permission.data_actions),
        "notDataActions": list(permission.not_data_actions),
        "condition": permission.condition,
        "conditionVersion": permission.condition_version if permission.condition is not None else None,
    }


def built_in_properties(role: Role) -> JsonObject:
    """The properties of the resource that shows a built-in role."""
    return {
        "roleName": role.name,
        "type": BUILT_IN,
        "description": f"Built-in role {role.name}.",
        "assignableScopes": ["/"],
        "permissions": [block_of(permission) for permission in role.permissions],
    }


# ── what may be written ──────────────────────────────────────────────────────────────────────────────────────────


def admit(change: Change) -> Draft:
    """A custom role.

    Raises:
        Forbidden: the role is a built-in one (code `RoleDefinitionIsBuiltIn`).
        Conflict: another role has the name (code `RoleDefinitionWithSameNameExists`).
        Invalid: a limit or a rule of the language is broken (target names the member).
    """
    found = change.new.properties
    if is_built_in(change.old):
        raise Forbidden("Built-in roles cannot be changed; make a custom role.", code="RoleDefinitionIsBuiltIn")
    if not GUID.fullmatch(change.id.name):
        raise Invalid(
            f"The role definition ID '{change.id.name}' is not valid. The role definition ID must be a GUID.",
            code="InvalidRoleDefinitionId",
            target="name",
        )
    if str(found.get("type") or CUSTOM).lower() not in (CUSTOM.lower(), "custom"):
        raise Invalid(f"Only roles of type {CUSTOM} can be written.", target="properties.type")
    name = found.get("roleName")
    if not isinstance(name, str) or not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        raise Invalid(
            f"'roleName' is required, with at most {_MAX_NAME} characters.", code="InvalidRoleDefinitionName", target="properties.roleName"
        )
    rival = change.fact(by_name_key(name))
    if rival is not None and rival.name.lower() != change.id.name.lower():
        raise Conflict(
            f"A role named '{name}' exists already: {rival.id}.", code="RoleDefinitionWithSameNameExists", target="properties.roleName"
        )
    same = change.fact(by_guid_key(change.id.name))
    if same is not None and same.id.key != change.id.key:
        raise Conflict(f"The role definition exists already as {same.id}; write it there.", code="RoleDefinitionExists", target="name")
    if len(found.get("description") or "") > _MAX_DESCRIPTION:
        raise Invalid(f"'description' has at most {_MAX_DESCRIPTION} characters.", target="properties.description")
    scopes = _assignable(found.get("assignableScopes"))
    permissions = permissions_from(found.get("permissions"))
    if any(block["dataActions"] for block in permissions) and any(scope.lower().startswith(_GROUPS) for scope in scopes):
        raise Invalid(
            "A role with data actions cannot be assignable at a management group.",
            code="InvalidRoleDefinitionScope",
            target="properties.assignableScopes",
        )
    return change.new.with_properties(
        roleName=name.strip(), type=CUSTOM, description=found.get("description") or "", assignableScopes=scopes, permissions=permissions
    )


def kin(change: Change) -> Sequence[tuple[str, str]]:
    """The roles of the same name and of the same GUID, wherever they are kept, by type and facet."""
    return [
        (ROLE_DEFINITIONS, by_role_name(str(change.new.properties.get("roleName", "")))),
        (ROLE_DEFINITIONS, by_guid(change.id.name)),
    ]


def by_name_key(name: str) -> str:
    """Under which a change's facts hold the role of this name."""
    return f"{ROLE_DEFINITIONS}#{by_role_name(name)}"


def by_guid_key(guid: str) -> str:
    """Under which a change's facts hold the role of this GUID."""
    return f"{ROLE_DEFINITIONS}#{by_guid(guid)}"


def demands(change: Change) -> Sequence[Demand]:
    """Whoever writes or deletes a role must be allowed to at every scope where it is, or was, assignable.

    Whoever writes one must also be allowed to assign any role there: what it says from now on, its holders have.
    """
    verb = "delete" if change.is_delete else "write"
    before = change.old.properties.get("assignableScopes", ()) if change.old and not is_built_in(change.old) else ()
    after = () if change.is_delete else _assignable(change.new.properties.get("assignableScopes"))
    actions = [f"{ROLE_DEFINITIONS}/{verb}", *([] if change.is_delete else [GIVES_ROLES])]
    return [Demand(action, parse(scope)) for scope in dict.fromkeys([*before, *after]) for action in actions]


def is_built_in(definition: Resource | None) -> bool:
    """Whether the definition came with the house."""
    return definition is not None and definition.properties.get("type") == BUILT_IN


def is_assignable(definition: Resource, chain: Collection[str]) -> bool:
    """Whether the role may be assigned at the scope with this chain: it, or one above it, is among its assignable ones."""
    return any(above in chain for above in map(scope_key, definition.properties.get("assignableScopes", ())))


# ── by what they are found ───────────────────────────────────────────────────────────────────────────────────────


def by_role(guid: str) -> str:
    """The facet that finds the assignments of a role."""
    return f"role:{guid.lower()}"


def by_guid(guid: str) -> str:
    """The facet that finds a role by its GUID, at whatever scope it is kept."""
    return f"role-id:{guid.lower()}"


def by_role_name(name: str) -> str:
    """The facet that finds a role by its name."""
    return f"role-name:{name.strip().lower()}"


def by_type(kind: str) -> str:
    """The facet that finds all custom or all built-in roles."""
    return f"role-type:{kind.lower()}"


def facets(definition: Resource) -> Iterable[str]:
    """A role's GUID, name and type."""
    return [by_guid(definition.name), by_role_name(definition.properties["roleName"]), by_type(definition.properties["type"])]


# ── pieces ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _assignable(given: Sequence[str] | None) -> list[str]:
    target, code = "properties.assignableScopes", "InvalidRoleDefinitionScope"
    if not given or len(given) > _MAX_SCOPES:
        raise Invalid(f"'assignableScopes' names 1 to {_MAX_SCOPES} scopes.", code=code, target=target)
    if any("*" in scope or scope.strip() == "/" for scope in given):
        raise Invalid("An assignable scope of a custom role has no '*' in it and is not the root.", code=code, target=target)
    found = [parse(scope).text for scope in given]
    if sum(scope.lower().startswith(_GROUPS) for scope in found) > 1:
        raise Invalid("A role is assignable at one management group at most.", code=code, target=target)
    return found


def permissions_from(given: Sequence[JsonObject] | None, code: str = "InvalidRoleDefinitionPermissions") -> list[JsonObject]:
    """The blocks of permissions that a role, or a deny assignment, may hold.

    Raises:
        Invalid: there is no action in them, or a pattern is malformed (code `code` or `InvalidActionOrNotAction`).
    """
    target = "properties.permissions"
    found = [_block(block, f"{target}[{at}]") for at, block in enumerate(given or ())]
    if not any(block["actions"] or block["dataActions"] for block in found):
        raise Invalid("At least one action or data action is named: 'permissions' holds blocks of them.", code=code, target=target)
    return found


def _block(block: JsonObject, target: str) -> JsonObject:
    found: JsonObject = {name: _patterns(block.get(name) or (), f"{target}.{name}") for name in _LISTS}
    condition = block.get("condition")
    if condition:
        check_condition(condition, block.get("conditionVersion"))
        found |= {"condition": condition, "conditionVersion": "2.0"}
    return found


def _patterns(given: Sequence[str], target: str) -> list[str]:
    if len(given) > _MAX_PATTERNS:
        raise Invalid(f"A list of actions has at most {_MAX_PATTERNS} patterns.", target=target)
    for pattern in given:
        if not _PATTERN.fullmatch(pattern) or pattern.count("*") > 1:
            raise Invalid(
                f"'{pattern[:200]}' is not an action pattern: segments joined by '/', at most one of them '*'.",
                code="InvalidActionOrNotAction",
                target=target,
            )
    return list(given)

"""What belongs to the platform, and the system-protected deny assignments that guard it.

Three deny assignments at the tenant's root guard all such objects, however many there are: their condition is False
wherever an object carries no owner, and nobody but the platform's own code says which objects carry one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from studiolo.kernel.access.grants import EVERYONE
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.principals import SERVICE_PRINCIPALS
from studiolo.kernel.resource import Change, JsonObject
from studiolo.rooms.authorization.domain.roles import DENY_ASSIGNMENTS, ROLE_ASSIGNMENTS, ROLE_DEFINITIONS, is_built_in

SYSTEM: Final = "SystemDefined"
"""The type of the principal that is everyone."""
OWNER_ATTRIBUTE: Final = "Studiolo.Platform:owner"
"""Which part of the platform owns the object that a call is about; absent for objects that belong to users."""
_GUARDED: Final = (
    (
        "5d1f0f5e-0000-4000-8000-000000000001",
        ROLE_DEFINITIONS,
        "Roles that came with the house",
        "Built-in roles are what assignments of them have meant; make a custom role instead.",
    ),
    (
        "5d1f0f5e-0000-4000-8000-000000000002",
        ROLE_ASSIGNMENTS,
        "Roles of resources' own identities",
        "What the platform granted to the identity of a hub or project is its wall; it goes with the resource.",
    ),
    (
        "5d1f0f5e-0000-4000-8000-000000000003",
        SERVICE_PRINCIPALS,
        "Identities of resources",
        "A managed identity is made, described and removed with its resource.",
    ),
)


def guards() -> Iterable[tuple[ResourceId, JsonObject]]:
    """The deny assignments that guard the platform's objects, by id and properties."""
    for name, type_name, title, about in _GUARDED:
        yield (
            parse(f"/providers/{DENY_ASSIGNMENTS}/{name}"),
            {
                "denyAssignmentName": title,
                "description": about,
                "permissions": [
                    {"actions": [f"{type_name}/write", f"{type_name}/delete"], "notActions": [], "dataActions": [], "notDataActions": []}
                ],
                "scope": "/",
                "doNotApplyToChildScopes": False,
                "principals": [{"id": EVERYONE, "type": SYSTEM}],
                "excludePrincipals": [],
                "isSystemProtected": True,
                "denyAssignmentEffect": "enforced",
                "condition": f"Exists @Resource[{OWNER_ATTRIBUTE}]",
                "conditionVersion": "2.0",
            },
        )


def owned_by(owner: str | None) -> JsonObject:
    """The attributes of an object that a part of the platform owns; none if none does."""
    return {OWNER_ATTRIBUTE: owner} if owner else {}


def role_attributes(change: Change) -> tuple[JsonObject, JsonObject]:
    """Built-in roles belong to the house."""
    return {}, owned_by("studiolo" if is_built_in(change.old) else None)


def principal_attributes(change: Change) -> tuple[JsonObject, JsonObject]:
    """Managed identities belong to their resources."""
    found = change.old.properties if change.old else {}
    is_managed = found.get("servicePrincipalType") == "ManagedIdentity"
    return {}, owned_by(next(iter(found.get("alternativeNames") or ("studiolo",))) if is_managed else None)

"""The properties of this room's types, with the JSON types that they must have."""

from __future__ import annotations

from typing import Any

import msgspec


class Permissions(msgspec.Struct):
    """One block of a role."""

    actions: list[str] | None = None
    notActions: list[str] | None = None
    dataActions: list[str] | None = None
    notDataActions: list[str] | None = None
    condition: str | None = None
    conditionVersion: str | None = None


class Override(msgspec.Struct):
    """Which checks of a condition are passed over, and why."""

    checks: list[str] | None = None
    reason: str | None = None


class NamedPrincipal(msgspec.Struct):
    """Whom a deny assignment names."""

    id: str | None = None
    type: str | None = None


class RoleDefinition(msgspec.Struct):
    """A role."""

    roleName: str | None = None
    type: str | None = None
    description: str | None = None
    assignableScopes: list[str] | None = None
    permissions: list[Permissions] | None = None
    studioloOverride: Override | None = None


class RoleAssignment(msgspec.Struct):
    """Who has which role."""

    roleDefinitionId: str | None = None
    principalId: str | None = None
    principalType: str | None = None
    description: str | None = None
    condition: str | None = None
    conditionVersion: str | None = None
    startDateTime: str | None = None
    endDateTime: str | None = None
    studioloOverride: Override | None = None


class DenyAssignment(msgspec.Struct):
    """Who may not, whatever is granted."""

    denyAssignmentName: str | None = None
    description: str | None = None
    permissions: list[Permissions] | None = None
    doNotApplyToChildScopes: bool | None = None
    principals: list[NamedPrincipal] | None = None
    excludePrincipals: list[NamedPrincipal] | None = None
    isSystemProtected: bool | None = None
    denyAssignmentEffect: str | None = None
    condition: str | None = None
    conditionVersion: str | None = None
    studioloOverride: Override | None = None


class OwnPermissions(msgspec.Struct):
    """What a caller may do at a scope; computed."""


class ManagementGroup(msgspec.Struct):
    """A group above subscriptions."""

    displayName: str | None = None
    tenantId: str | None = None
    details: dict[str, Any] | None = None


class Membership(msgspec.Struct):
    """A subscription in a management group; computed."""

    displayName: str | None = None

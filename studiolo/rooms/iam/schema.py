"""The properties of this room's types, with the JSON types that they must have."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

AttributeValue: TypeAlias = str | int | bool | list[str | int | bool]


class User(msgspec.Struct):
    """A person."""

    displayName: str | None = None
    userPrincipalName: str | None = None
    mail: str | None = None
    accountEnabled: bool | None = None
    perUserMfaState: str | None = None
    identities: list[dict[str, Any]] | None = None
    creationType: str | None = None
    customSecurityAttributes: dict[str, dict[str, AttributeValue]] | None = None


class Group(msgspec.Struct):
    """A security group."""

    displayName: str | None = None
    description: str | None = None
    members: list[str] | None = None


class ServicePrincipal(msgspec.Struct):
    """What an application, or the platform for a resource, acts as."""

    displayName: str | None = None
    appId: str | None = None
    accountEnabled: bool | None = None
    servicePrincipalType: str | None = None
    alternativeNames: list[str] | None = None
    customSecurityAttributes: dict[str, dict[str, AttributeValue]] | None = None


class RedirectUris(msgspec.Struct):
    """Where answers may go."""

    redirectUris: list[str] | None = None


class Api(msgspec.Struct):
    """What others may ask of an application for a person."""

    oauth2PermissionScopes: list[dict[str, Any]] | None = None


class Application(msgspec.Struct):
    """What a client id names."""

    displayName: str | None = None
    web: RedirectUris | None = None
    publicClient: RedirectUris | None = None
    isFallbackPublicClient: bool | None = None
    api: Api | None = None
    delegatedResources: list[str] | None = None
    groupMembershipClaims: str | None = None
    passwordCredentials: list[dict[str, Any]] | None = None
    keyCredentials: list[dict[str, Any]] | None = None


class IdentityProvider(msgspec.Struct):
    """A provider elsewhere that people sign in by."""

    displayName: str | None = None
    issuer: str | None = None
    clientId: str | None = None
    scopes: list[str] | None = None
    groupsClaim: str | None = None
    groupMappings: list[dict[str, Any]] | None = None
    admitsNewUsers: bool | None = None


class SignInPolicy(msgspec.Struct):
    """What is asked of everybody who signs in."""

    secondFactor: str | None = None


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


class UserAssignedIdentity(msgspec.Struct):
    """An identity that is a resource of its own."""

    principalId: str | None = None
    clientId: str | None = None
    tenantId: str | None = None

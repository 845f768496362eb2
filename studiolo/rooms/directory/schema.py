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


class UserAssignedIdentity(msgspec.Struct):
    """An identity that is a resource of its own."""

    principalId: str | None = None
    clientId: str | None = None
    tenantId: str | None = None

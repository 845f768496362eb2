"""The resource types of the directory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from studiolo.kernel.principals import (
    APPLICATIONS,
    GROUPS,
    GUID_PATTERN,
    SERVICE_PRINCIPALS,
    USERS,
    application_facets,
    demands,
    group_facets,
    service_principal_facets,
    user_facets,
)
from studiolo.kernel.resource import Action, Change, Draft, JsonObject, Resource, ResourceType, Step
from studiolo.rooms.directory import schema
from studiolo.rooms.directory.domain import principals
from studiolo.rooms.directory.ports import Clients, Credentials, Guards, SignOuts
from studiolo.rooms.directory.service.certificates import Certificates
from studiolo.rooms.directory.service.directory import Directory
from studiolo.rooms.directory.service.secrets import ClientSecrets


@dataclass(frozen=True, slots=True)
class Parts:
    """What the types' steps and actions stand on; the last four are other rooms'."""

    directory: Directory
    secrets: ClientSecrets
    certificates: Certificates
    guards: Guards
    credentials: Credentials
    signouts: SignOuts
    clients: Clients


def types(parts: Parts) -> list[ResourceType]:
    """All types of this room."""
    return [_users(parts), _groups(parts), _service_principals(parts), _applications(parts), _identity_type(parts)]


def _users(parts: Parts) -> ResourceType:
    async def retire(user: Resource, step: Step) -> None:
        """A user goes with everything that they prove themselves with, and with what they let applications do."""
        await parts.credentials.forget(user)
        await parts.directory.retire(user, step)

    return ResourceType(
        name=USERS,
        about="People who sign in and hold roles.",
        schema=schema.User,
        admit=principals.admit_user,
        kin=principals.user_kin,
        demands=demands,
        guard=parts.guards.user,
        retire=retire,
        facets=user_facets,
        finds=principals.finds,
        name_pattern=GUID_PATTERN,
        actions=(
            Action("createPasswordLink", parts.credentials.link, is_secret=True),
            Action("resetCredentials", parts.credentials.reset, is_secret=True),
            Action("setPassword", parts.credentials.set_password, is_secret=True),
            Action("revokeSignInSessions", parts.signouts.revoke_person, is_secret=True),
        ),
    )


def _groups(parts: Parts) -> ResourceType:
    return ResourceType(
        name=GROUPS,
        about="Security groups; members are principals and other groups.",
        schema=schema.Group,
        admit=principals.admit_group,
        needs=principals.group_needs,
        demands=demands,
        guard=parts.guards.group,
        retire=parts.directory.retire,
        facets=group_facets,
        finds=principals.finds,
        name_pattern=GUID_PATTERN,
    )


def _service_principals(parts: Parts) -> ResourceType:
    return ResourceType(
        name=SERVICE_PRINCIPALS,
        about="What applications, and resources with an identity, act as.",
        schema=schema.ServicePrincipal,
        admit=principals.admit_service_principal,
        needs=principals.service_principal_needs,
        kin=principals.service_principal_kin,
        demands=demands,
        attributes=parts.guards.principal_attributes,
        guard=parts.guards.principal,
        retire=parts.directory.retire,
        facets=service_principal_facets,
        finds=principals.finds,
        name_pattern=GUID_PATTERN,
        actions=(Action("revokeTokens", parts.signouts.revoke_principal, is_secret=True),),
    )


def _applications(parts: Parts) -> ResourceType:
    async def retire(application: Resource, step: Step) -> None:
        await parts.certificates.drop_all(application.name)
        await parts.signouts.of_application(application)
        await parts.directory.retire_application(application, step)

    async def view(application: Resource) -> JsonObject:
        return {**await parts.secrets.view(application), "keyCredentials": await parts.certificates.view(application)}

    return ResourceType(
        name=APPLICATIONS,
        about="Client ids, each with several secrets and certificates that end, and where people are sent back to.",
        schema=schema.Application,
        admit=partial(principals.admit_application, is_reserved=parts.clients.is_everybodys, checked_client=parts.clients.checked),
        demands=demands,
        guard=parts.guards.application,
        retire=retire,
        view=view,
        facets=application_facets,
        finds=principals.finds,
        name_pattern=GUID_PATTERN,
        actions=(
            Action("addPassword", parts.secrets.add, is_secret=True),
            Action("removePassword", parts.secrets.remove, is_secret=True),
            Action("addKey", parts.certificates.add, is_secret=True),
            Action("removeKey", parts.certificates.remove, is_secret=True),
            Action("revokeTokens", parts.signouts.revoke_application, is_secret=True),
        ),
    )


def _identity_type(parts: Parts) -> ResourceType:
    return ResourceType(
        name="Microsoft.ManagedIdentity/userAssignedIdentities",
        about="Identities that are resources of their own.",
        schema=schema.UserAssignedIdentity,
        admit=_admit_identity,
        provision=parts.directory.provision,
        retire=parts.directory.retire_resource,
        is_tracked=True,
    )


def _admit_identity(change: Change) -> Draft:
    """Its properties are the platform's to write."""
    kept = change.old.properties if change.old else {}
    return change.new.with_properties(**{name: kept.get(name) for name in ("principalId", "clientId", "tenantId")})

"""The resource types of identity."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from studiolo.kernel.faults import NotOffered
from studiolo.kernel.resource import Action, Change, Draft, JsonObject, Resource, ResourceType, Step
from studiolo.rooms.iam import schema
from studiolo.rooms.iam.domain import assignments, denials, federation, management, ownership, principals, roles
from studiolo.rooms.iam.domain.federation import PROVIDERS
from studiolo.rooms.iam.domain.management import DESCENDANTS, MANAGEMENT_GROUPS, MEMBERSHIPS
from studiolo.rooms.iam.domain.principals import APPLICATIONS, GROUPS, SERVICE_PRINCIPALS, SIGN_IN_POLICIES, USERS
from studiolo.rooms.iam.domain.roles import DENY_ASSIGNMENTS, ROLE_ASSIGNMENTS, ROLE_DEFINITIONS
from studiolo.rooms.iam.service.access import AccessService
from studiolo.rooms.iam.service.certificates import Certificates
from studiolo.rooms.iam.service.directory import Directory
from studiolo.rooms.iam.service.guards import Guards
from studiolo.rooms.iam.service.invitations import Invitations
from studiolo.rooms.iam.service.management import ManagementGroups
from studiolo.rooms.iam.service.providers import Providers
from studiolo.rooms.iam.service.secrets import ClientSecrets
from studiolo.rooms.iam.service.signouts import SignOuts

_GUID = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
# Names that must be GUIDs, but whose own fault says so in the public cloud's words.
_ANY = r"^[^/]{1,260}$"
_NO_PATCH = frozenset({"get", "list", "put", "delete"})


@dataclass(frozen=True, slots=True)
class Parts:
    """What the types' steps and actions stand on."""

    directory: Directory
    secrets: ClientSecrets
    certificates: Certificates
    invitations: Invitations
    signouts: SignOuts
    access: AccessService
    guards: Guards
    groups: ManagementGroups
    providers: Providers


def iam_types(parts: Parts) -> list[ResourceType]:
    """All types of this room."""
    people = [
        _users(parts),
        _groups(parts),
        _service_principals(parts),
        _applications(parts),
        _policies(),
        _identity_providers(parts.providers),
    ]
    return [
        *people,
        *_authorization_types(parts.access, parts.guards),
        *_management_types(parts.groups),
        _identity_type(parts.directory),
    ]


def _users(parts: Parts) -> ResourceType:
    return ResourceType(
        name=USERS,
        about="People who sign in and hold roles.",
        schema=schema.User,
        admit=principals.admit_user,
        kin=principals.user_kin,
        demands=principals.demands,
        guard=parts.guards.user,
        retire=parts.invitations.retire,
        facets=principals.user_facets,
        finds=principals.finds,
        name_pattern=_GUID,
        actions=(
            Action("createPasswordLink", parts.invitations.link, is_secret=True),
            Action("resetCredentials", parts.invitations.reset, is_secret=True),
            Action("setPassword", parts.invitations.set_password, is_secret=True),
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
        demands=principals.demands,
        guard=parts.guards.group,
        retire=parts.directory.retire,
        facets=principals.group_facets,
        finds=principals.finds,
        name_pattern=_GUID,
    )


def _service_principals(parts: Parts) -> ResourceType:
    return ResourceType(
        name=SERVICE_PRINCIPALS,
        about="What applications, and resources with an identity, act as.",
        schema=schema.ServicePrincipal,
        admit=principals.admit_service_principal,
        needs=principals.service_principal_needs,
        kin=principals.service_principal_kin,
        demands=principals.demands,
        attributes=ownership.principal_attributes,
        guard=parts.guards.principal,
        retire=parts.directory.retire,
        facets=principals.service_principal_facets,
        finds=principals.finds,
        name_pattern=_GUID,
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
        admit=principals.admit_application,
        demands=principals.demands,
        guard=parts.guards.application,
        retire=retire,
        view=view,
        facets=principals.application_facets,
        finds=principals.finds,
        name_pattern=_GUID,
        actions=(
            Action("addPassword", parts.secrets.add, is_secret=True),
            Action("removePassword", parts.secrets.remove, is_secret=True),
            Action("addKey", parts.certificates.add, is_secret=True),
            Action("removeKey", parts.certificates.remove, is_secret=True),
            Action("revokeTokens", parts.signouts.revoke_application, is_secret=True),
        ),
    )


def _policies() -> ResourceType:
    return ResourceType(
        name=SIGN_IN_POLICIES,
        about="What is asked of everybody who signs in with a password.",
        schema=schema.SignInPolicy,
        admit=principals.admit_policy,
        demands=principals.demands,
        name_pattern="^default$",
    )


def _identity_providers(providers: Providers) -> ResourceType:
    return ResourceType(
        name=PROVIDERS,
        about="Providers of OpenID Connect elsewhere that people sign in by, and which of their groups mean which of ours.",
        schema=schema.IdentityProvider,
        admit=federation.admit_provider,
        needs=federation.provider_needs,
        demands=principals.demands,
        guard=providers.guard,
        retire=providers.retire,
        view=providers.view,
        name_pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,39}$",
        actions=(Action("setClientSecret", providers.set_secret, is_secret=True),),
    )


def _authorization_types(access: AccessService, guards: Guards) -> list[ResourceType]:
    return [
        ResourceType(
            name=ROLE_DEFINITIONS,
            about="Built-in and custom roles.",
            schema=schema.RoleDefinition,
            admit=roles.admit,
            kin=roles.kin,
            demands=roles.demands,
            may_delete=access.may_delete_role,
            attributes=ownership.role_attributes,
            guard=guards.role_definition,
            resolve=access.find_role,
            facets=roles.facets,
            lists=access.role_definitions,
            verbs=_NO_PATCH,
            name_pattern=_ANY,
            is_extension=True,
        ),
        ResourceType(
            name=ROLE_ASSIGNMENTS,
            about="Who holds which role at which scope, and under which condition.",
            schema=schema.RoleAssignment,
            admit=partial(assignments.admit, chain_of=access.chain),
            needs=assignments.needs,
            kin=assignments.kin,
            attributes=assignments.attributes,
            guard=guards.role_assignment,
            view=access.state,
            facets=assignments.facets,
            lists=access.role_assignments,
            verbs=_NO_PATCH,
            name_pattern=_ANY,
            is_extension=True,
        ),
        ResourceType(
            name=DENY_ASSIGNMENTS,
            about="What nobody named may do, whatever is granted; system-protected ones guard the platform's objects.",
            schema=schema.DenyAssignment,
            admit=denials.admit,
            needs=denials.needs,
            demands=denials.demands,
            guard=guards.deny_assignment,
            facets=denials.facets,
            lists=access.deny_assignments,
            verbs=_NO_PATCH,
            name_pattern=_ANY,
            is_extension=True,
        ),
        ResourceType(
            name="Microsoft.Authorization/permissions",
            about="What the caller may do at a scope.",
            schema=schema.OwnPermissions,
            admit=_not_written,
            lists=access.permissions,
            verbs=frozenset({"list"}),
            is_extension=True,
        ),
    ]


def _management_types(groups: ManagementGroups) -> list[ResourceType]:
    return [
        ResourceType(
            name=MANAGEMENT_GROUPS,
            about="Groups above subscriptions, at most six deep; what is assigned at one holds in everything below it.",
            schema=schema.ManagementGroup,
            admit=groups.admit,
            needs=groups.needs,
            demands=groups.demands,
            guard=groups.guard,
            facets=management.group_facets,
            name_pattern=r"^[A-Za-z0-9_\-().]{0,89}[A-Za-z0-9_\-()]$",
            creates_with_ok=True,
        ),
        ResourceType(
            name=MEMBERSHIPS,
            about="Which subscription lies in a management group; a PUT moves it there.",
            schema=schema.Membership,
            admit=management.admit_membership,
            needs=management.membership_needs,
            kin=management.membership_kin,
            demands=management.membership_demands,
            guard=groups.guard_membership,
            facets=management.membership_facets,
            verbs=_NO_PATCH,
            name_pattern=_GUID,
            creates_with_ok=True,
        ),
        ResourceType(
            name=DESCENDANTS,
            about="Everything below a management group.",
            schema=schema.OwnPermissions,
            admit=_not_written,
            lists=groups.descendants,
            verbs=frozenset({"list"}),
            permission_name=MANAGEMENT_GROUPS,
        ),
    ]


def _identity_type(directory: Directory) -> ResourceType:
    return ResourceType(
        name="Microsoft.ManagedIdentity/userAssignedIdentities",
        about="Identities that are resources of their own.",
        schema=schema.UserAssignedIdentity,
        admit=_admit_identity,
        provision=directory.provision,
        retire=directory.retire_resource,
        is_tracked=True,
    )


def _admit_identity(change: Change) -> Draft:
    """Its properties are the platform's to write."""
    kept = change.old.properties if change.old else {}
    return change.new.with_properties(**{name: kept.get(name) for name in ("principalId", "clientId", "tenantId")})


def _not_written(change: Change) -> Draft:
    raise NotOffered(f"'{change.id.type}' cannot be written.")

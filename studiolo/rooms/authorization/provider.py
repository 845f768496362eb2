"""The resource types of rights: roles, who holds them, what is denied, and management groups."""

from __future__ import annotations

from functools import partial

from studiolo.kernel.faults import NotOffered
from studiolo.kernel.principals import GUID_PATTERN
from studiolo.kernel.resource import Change, Draft, ResourceType
from studiolo.rooms.authorization import schema
from studiolo.rooms.authorization.domain import assignments, denials, management, ownership, roles
from studiolo.rooms.authorization.domain.management import DESCENDANTS, MANAGEMENT_GROUPS, MEMBERSHIPS
from studiolo.rooms.authorization.domain.roles import DENY_ASSIGNMENTS, ROLE_ASSIGNMENTS, ROLE_DEFINITIONS
from studiolo.rooms.authorization.service.access import AccessService
from studiolo.rooms.authorization.service.guards import Guards
from studiolo.rooms.authorization.service.management import ManagementGroups

# Names that must be GUIDs, but whose own fault says so in the public cloud's words.
_ANY = r"^[^/]{1,260}$"
_NO_PATCH = frozenset({"get", "list", "put", "delete"})


def types(access: AccessService, guards: Guards, groups: ManagementGroups) -> list[ResourceType]:
    """All types of this room."""
    return [*_authorization_types(access, guards), *_management_types(groups)]


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
            name_pattern=GUID_PATTERN,
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


def _not_written(change: Change) -> Draft:
    raise NotOffered(f"'{change.id.type}' cannot be written.")

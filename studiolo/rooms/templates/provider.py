"""The declarations: deployments and their steps, resource groups, subscriptions."""

from __future__ import annotations

from functools import partial

from studiolo.kernel.resource import Action, ResourceType
from studiolo.rooms.templates import schema
from studiolo.rooms.templates.domain import groups
from studiolo.rooms.templates.domain.names import DEPLOYMENTS, GROUPS, OPERATIONS, SUBSCRIPTIONS
from studiolo.rooms.templates.service import Deployments

_NAME = r"^[-\w.()]{1,64}$"
_GROUP_NAME = r"^[-\w.()]{1,90}$"


def deployments(service: Deployments) -> ResourceType:
    """Templates, deployed."""
    return ResourceType(
        name=DEPLOYMENTS,
        about="ARM templates, executed: each resource is written on the caller's behalf.",
        schema=schema.DeploymentProperties,
        admit=service.admit,
        needs=service.needs,
        demands=service.demands,
        provision=service.provision,
        may_delete=service.refuse_while_running,
        keeps_failed=True,
        view=service.view,
        verbs=frozenset({"get", "list", "put", "delete"}),
        actions=(
            Action("validate", service.validate, needs_no_resource=True),
            Action("cancel", service.cancel),
            Action("exportTemplate", service.export),
            Action("whatIf", service.what_if, needs_no_resource=True),
        ),
        name_pattern=_NAME,
        max_bytes=4 << 20,
    )


def operations() -> ResourceType:
    """The steps of a deployment, one for each resource."""
    return ResourceType(
        name=OPERATIONS,
        about="The steps of a deployment, one for each resource that it writes.",
        schema=schema.OperationProperties,
        admit=groups.refuse,
        verbs=frozenset({"get", "list"}),
    )


def resource_groups() -> ResourceType:
    """Resource groups."""
    return ResourceType(
        name=GROUPS,
        about="Groups of resources that live and die together.",
        schema=schema.GroupProperties,
        admit=groups.admit_group,
        permission_name="Microsoft.Resources/subscriptions/resourceGroups",
        name_pattern=_GROUP_NAME,
    )


def subscriptions(tenant: str) -> ResourceType:
    """Subscriptions: what holds resource groups."""
    return ResourceType(
        name=SUBSCRIPTIONS,
        about="What holds resource groups; made by the platform itself.",
        schema=schema.SubscriptionProperties,
        admit=partial(groups.admit_subscription, tenant=tenant),
        verbs=frozenset({"get", "list", "put"}),
    )

"""The declarations: deployments and their steps, resource groups, subscriptions."""

from __future__ import annotations

from functools import partial

from studiolo.kernel.resource import Action, ResourceType
from studiolo.rooms.templates import schema
from studiolo.rooms.templates.domain import groups
from studiolo.rooms.templates.domain.shapes import OPERATIONS
from studiolo.rooms.templates.domain.targets import GROUPS
from studiolo.rooms.templates.domain.template import DEPLOYMENTS
from studiolo.rooms.templates.service import Admission, DeploymentActions, DeploymentRuns

_NAME = r"^[-\w.()]{1,64}$"
_GROUP_NAME = r"^[-\w.()]{1,90}$"


def deployments(admission: Admission, runs: DeploymentRuns, actions: DeploymentActions) -> ResourceType:
    """Templates, deployed."""
    return ResourceType(
        name=DEPLOYMENTS,
        about="ARM templates, executed: each resource is written on the caller's behalf.",
        schema=schema.DeploymentProperties,
        admit=admission.admit,
        needs=admission.needs,
        demands=admission.demands,
        provision=runs.provision,
        may_delete=actions.refuse_while_running,
        keeps_failed=True,
        view=actions.view,
        verbs=frozenset({"get", "list", "put", "delete"}),
        actions=(
            Action("validate", actions.validate, needs_no_resource=True),
            Action("cancel", actions.cancel),
            Action("exportTemplate", actions.export),
            Action("whatIf", actions.what_if, needs_no_resource=True),
        ),
        name_pattern=_NAME,
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
        read_action="Microsoft.Resources/subscriptions/resourceGroups/read",
        name_pattern=_GROUP_NAME,
    )


def subscriptions(tenant: str) -> ResourceType:
    """Subscriptions: what holds resource groups."""
    return ResourceType(
        name="Microsoft.Resources/subscriptions",
        about="What holds resource groups; made by the platform itself.",
        schema=schema.SubscriptionProperties,
        admit=partial(groups.admit_subscription, tenant=tenant),
        verbs=frozenset({"get", "list", "put"}),
    )

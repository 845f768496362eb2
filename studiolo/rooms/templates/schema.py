"""The wire's words of deployments, groups and subscriptions: which members have which JSON types."""

from __future__ import annotations

from typing import Any

import msgspec


class DeploymentProperties(msgspec.Struct, rename="camel"):
    """What a client may send for a deployment."""

    template: dict[str, Any] | None = None
    template_link: dict[str, Any] | None = None
    parameters: dict[str, Any] | None = None
    parameters_link: dict[str, Any] | None = None
    mode: str | None = None
    expression_evaluation_options: dict[str, Any] | None = None
    outer_scope: dict[str, Any] | None = None


class OperationProperties(msgspec.Struct, rename="camel"):
    """One step of a deployment; nobody but the engine writes it."""

    provisioning_state: str | None = None


class GroupProperties(msgspec.Struct, rename="camel"):
    """A resource group."""

    provisioning_state: str | None = None


class SubscriptionProperties(msgspec.Struct, rename="camel"):
    """A subscription."""

    display_name: str | None = None
    state: str | None = None

"""The properties of accounts and deployments as clients write them (API versions 2023-05-01 and later)."""

from __future__ import annotations

from typing import Any

import msgspec


class AccountProperties(msgspec.Struct, rename="camel"):
    """Microsoft.CognitiveServices/accounts."""

    custom_sub_domain_name: str | None = None
    disable_local_auth: bool | None = None
    public_network_access: str | None = None
    network_acls: dict[str, Any] | None = None


class DeploymentModel(msgspec.Struct):
    """Which model a deployment holds."""

    name: str
    format: str | None = None
    version: str | None = None


class DeploymentProperties(msgspec.Struct, rename="camel"):
    """Microsoft.CognitiveServices/accounts/deployments."""

    model: DeploymentModel | None = None
    rai_policy_name: str | None = None
    version_upgrade_option: str | None = None
    scale_settings: dict[str, Any] | None = None


class ModelProperties(msgspec.Struct):
    """Microsoft.CognitiveServices/accounts/models: read only."""

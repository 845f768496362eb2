"""The properties of workspaces as clients write them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Flag = bool | Literal["true", "false", "True", "False"]
"""Templates of published clients write these flags as text; `domain.flag` reads both."""


class WorkspaceProperties(msgspec.Struct, rename="camel"):
    """Microsoft.MachineLearningServices/workspaces, kinds Hub, Project and Default."""

    friendly_name: str | None = None
    description: str | None = None
    storage_account: str | None = None
    key_vault: str | None = None
    container_registry: str | None = None
    application_insights: str | None = None
    hub_resource_id: str | None = None
    hbi_workspace: Flag | None = None
    image_build_compute: str | None = None
    public_network_access: str | None = None
    encryption: dict[str, Any] | None = None
    primary_user_assigned_identity: str | None = None
    system_datastores_auth_mode: str | None = None
    managed_network: dict[str, Any] | None = None
    v1_legacy_mode: Flag | None = None
    enable_data_isolation: Flag | None = None
    allow_role_assignment_on_rg: Flag | None = msgspec.field(default=None, name="allowRoleAssignmentOnRG")
    workspace_hub_config: dict[str, Any] | None = None
    serverless_compute_settings: dict[str, Any] | None = None
    # Ours: whether roles on the hub also hold in its projects.
    role_inheritance: str | None = None

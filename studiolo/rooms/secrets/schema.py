"""The properties of vaults as clients write them."""

from __future__ import annotations

from typing import Any

import msgspec


class VaultProperties(msgspec.Struct, rename="camel"):
    """Microsoft.KeyVault/vaults."""

    tenant_id: str | None = None
    sku: dict[str, Any] | None = None
    access_policies: list[dict[str, Any]] | None = None
    enable_rbac_authorization: bool | None = None
    enable_soft_delete: bool | None = None
    enable_purge_protection: bool | None = None
    enabled_for_deployment: bool | None = None
    public_network_access: str | None = None
    vault_uri: str | None = None

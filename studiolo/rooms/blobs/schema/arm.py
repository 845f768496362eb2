"""The properties of storage accounts and containers as clients write them."""

from __future__ import annotations

from typing import Any

import msgspec


class AccountProperties(msgspec.Struct, rename="camel"):
    """Microsoft.Storage/storageAccounts."""

    access_tier: str | None = None
    allow_blob_public_access: bool | None = None
    allow_shared_key_access: bool | None = None
    is_hns_enabled: bool | None = None
    is_nfs_v3_enabled: bool | None = msgspec.field(default=None, name="isNfsV3Enabled")
    is_sftp_enabled: bool | None = None
    minimum_tls_version: str | None = None
    supports_https_traffic_only: bool | None = None
    public_network_access: str | None = None
    encryption: dict[str, Any] | None = None
    network_acls: dict[str, Any] | None = None


class ServiceProperties(msgspec.Struct, rename="camel"):
    """Microsoft.Storage/storageAccounts/blobServices."""

    is_versioning_enabled: bool | None = None
    delete_retention_policy: dict[str, Any] | None = None
    container_delete_retention_policy: dict[str, Any] | None = None


class ContainerProperties(msgspec.Struct, rename="camel"):
    """Microsoft.Storage/storageAccounts/blobServices/containers."""

    public_access: str | None = None
    metadata: dict[str, str] | None = None

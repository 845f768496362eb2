"""The declaration of vaults."""

from __future__ import annotations

from studiolo.kernel.resource import ResourceType
from studiolo.rooms.secrets import domain, schema


def vaults(tenant: str, vault_suffix: str) -> ResourceType:
    """Vaults; hubs name one each."""
    return ResourceType(
        name="Microsoft.KeyVault/vaults",
        about="Vaults that hubs name. Reading and writing secrets (the Key Vault protocol) is not offered yet.",
        schema=schema.VaultProperties,
        admit=lambda change: domain.admit(change, tenant, vault_suffix),
        name_pattern=r"^[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]$",
        is_tracked=True,
    )

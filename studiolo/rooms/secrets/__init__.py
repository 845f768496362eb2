"""Vaults: declared here; their data plane is not offered yet."""

from __future__ import annotations

from studiolo.kernel.resource import ResourceType
from studiolo.rooms.secrets.provider import vaults

__all__ = ["room"]


def room(*, tenant: str, vault_suffix: str) -> list[ResourceType]:
    """Open the room: its resource types. `vault_suffix` is `vault.localhost:8443`."""
    return [vaults(tenant, vault_suffix)]

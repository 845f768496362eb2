"""The keys of hubs and projects, and customers' keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from studiolo.kernel.keys import CustomerKeys, KeyRing
from studiolo.kernel.outbound import Outbound
from studiolo.kernel.resource import ResourceType
from studiolo.rooms.keys.backends.files import KeyFiles
from studiolo.rooms.keys.backends.keepers import Keepers
from studiolo.rooms.keys.backends.shares import SharesFolder
from studiolo.rooms.keys.backends.vaults import VaultKeys
from studiolo.rooms.keys.ports import Owners, Places, Sealed
from studiolo.rooms.keys.provider import rotations
from studiolo.rooms.keys.service import WorkspaceKeys

__all__ = ["Owners", "SharesFolder", "WorkspaceKeys", "customer_keys", "room"]


def customer_keys(folders: Sequence[Path], outbound: Outbound, tokens: Mapping[str, str] | None = None) -> CustomerKeys:
    """Customers' keys in files outside of `folders` and in vaults; see `backends.vaults` for the rest."""
    return Keepers(KeyFiles(folders), VaultKeys(outbound, tokens))


def room(ring: KeyRing, places: Places, sealed: Sealed) -> tuple[WorkspaceKeys, list[ResourceType]]:
    """Open the room: its service for whoever composes, and its resource types."""
    return WorkspaceKeys(ring, places, sealed), [rotations()]

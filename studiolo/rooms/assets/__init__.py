"""Assets: data, models, code, environments and components with their versions, and the datastores that hold their bytes."""

from __future__ import annotations

from dataclasses import dataclass

from studiolo.kernel.resource import ResourceType
from studiolo.kernel.store import Store
from studiolo.rooms.assets.domain import ProjectStorage, default_datastores
from studiolo.rooms.assets.ports import Containers, Recipient, Workspaces
from studiolo.rooms.assets.provider import asset_types
from studiolo.rooms.assets.service import AssetService


@dataclass(frozen=True, slots=True)
class Assets:
    """The opened room. Its types are all that it serves: clients ask nothing of assets beyond the resource façade and blobs."""

    types: tuple[ResourceType, ...]


def assets(store: Store, workspaces: Workspaces, containers: Containers) -> Assets:
    """Open the room."""
    return Assets(tuple(asset_types(AssetService(store, workspaces, containers))))


__all__ = ["Assets", "Containers", "ProjectStorage", "Recipient", "Workspaces", "assets", "default_datastores"]

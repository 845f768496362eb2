"""Hubs and projects: the workspaces in which everything else lives."""

from __future__ import annotations

from studiolo.kernel.gate import Gate
from studiolo.kernel.resource import ResourceType
from studiolo.rooms.hubs.domain.kinds import heir_of, reach_of
from studiolo.rooms.hubs.ports import Containers, Defaults, Identities, Keys, Resources
from studiolo.rooms.hubs.provider import workspaces
from studiolo.rooms.hubs.service import WorkspaceService

__all__ = ["WorkspaceService", "heir_of", "reach_of", "room"]


def room(
    resources: Resources,
    identities: Identities,
    containers: Containers,
    defaults: Defaults,
    keys: Keys,
    gate: Gate,
    *,
    base_url: str,
    subscription: str,
) -> tuple[WorkspaceService, list[ResourceType]]:
    """Open the room: its service for whoever composes, and its resource types."""
    service = WorkspaceService(resources, identities, containers, defaults, keys, gate, base_url=base_url, subscription=subscription)
    return service, [workspaces(service)]

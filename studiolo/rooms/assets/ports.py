"""What this room needs from others."""

from __future__ import annotations

from typing import Protocol

from studiolo.kernel.ids import ResourceId
from studiolo.rooms.assets.domain import ProjectStorage


class Workspaces(Protocol):
    """Knows the projects."""

    async def storage(self, workspace: ResourceId) -> ProjectStorage | None:
        """Where a project keeps its bytes; None if there is no such workspace, or it keeps none (a hub)."""
        ...


class Containers(Protocol):
    """Lets others into a container for a while."""

    async def delegate(self, account: str, container: str, permissions: str, seconds: int) -> str:
        """A shared access signature as query text without `?`, for one container, over TLS only.

        `permissions` are the letters of the Blob protocol; the signature ends after `seconds`.
        """
        ...

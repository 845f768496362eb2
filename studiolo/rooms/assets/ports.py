"""What this room needs from others."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from studiolo.kernel.ids import ResourceId
from studiolo.kernel.resource import Caller
from studiolo.rooms.assets.domain import ProjectStorage


class Workspaces(Protocol):
    """Knows the projects."""

    async def storage(self, workspace: ResourceId) -> ProjectStorage | None:
        """Where a project keeps its bytes; None if there is no such workspace, or it keeps none (a hub)."""
        ...


class Recipient(NamedTuple):
    """Who is let in, and by which of a resource's actions they got it."""

    caller: Caller
    resource: ResourceId
    action: str


class Containers(Protocol):
    """Lets others into a container for a while."""

    async def delegate(self, account: str, container: str, permissions: str, seconds: int, to: Recipient) -> str:
        """A shared access signature as query text without `?`, for one container, over TLS only.

        `permissions` are the letters of the Blob protocol; the signature ends after `seconds`, and for as long as its
        recipient may not get another one.
        """
        ...

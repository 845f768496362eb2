"""What hubs and projects need from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from studiolo.kernel.ids import ResourceId
from studiolo.kernel.resource import Accepted, Caller, Invocation, JsonObject, Resource


class Resources(Protocol):
    """The resource façade, used by the platform itself or on a caller's behalf."""

    async def find(self, id_: ResourceId) -> Resource | None:
        """A resource, or None."""
        ...

    async def ensure(self, caller: Caller, id_: ResourceId, body: JsonObject) -> Resource:
        """Create or update a resource; safe to repeat."""
        ...

    async def remove(self, caller: Caller, id_: ResourceId) -> None:
        """Delete a resource and all below it; safe to repeat."""
        ...

    async def by_facet(self, type_name: str, value: str) -> Sequence[Resource]:
        """Resources of a type that carry a facet."""
        ...


class Identities(Protocol):
    """Service principals of resources."""

    async def ensure(self, resource: ResourceId, name: str) -> tuple[str, str]:
        """The object id and the tenant id of the resource's own identity; makes it if it is not there."""
        ...

    async def retire(self, resource: ResourceId) -> None:
        """Remove the resource's identity and what was granted to it."""
        ...


class Containers(Protocol):
    """Blob containers in a storage account."""

    async def ensure(self, account: ResourceId, name: str) -> None:
        """Make the container if it is not there."""
        ...

    async def drop_all(self, account: ResourceId, prefix: str) -> None:
        """Remove all containers whose name begins with the prefix, and the key that sealed them."""
        ...


class Keys(Protocol):
    """The keys of workspaces."""

    async def prepare(self, workspace: Resource) -> None:
        """See that the workspace's keys are there; safe to repeat."""
        ...

    async def guard(self, workspace: Resource) -> None:
        """Let the customer's key that the workspace names guard its key; safe to repeat."""
        ...

    async def release(self, workspace: Resource) -> None:
        """Destroy the keys of a workspace that goes; safe to repeat."""
        ...

    async def show(self, call: Invocation) -> JsonObject:
        """What can be said of the workspace's key."""
        ...

    async def rotate(self, call: Invocation) -> JsonObject | Accepted:
        """Give the workspace's key a new version."""
        ...

    async def destroy(self, call: Invocation) -> JsonObject:
        """Destroy the workspace's key for good."""
        ...


class Defaults(Protocol):
    """What other rooms put into a new project."""

    async def furnish(self, workspace: Resource) -> None:
        """Make the datastores, model deployments and the like; safe to repeat."""
        ...

    def place(self, workspace: Resource) -> ResourceId:
        """Where that lies which `furnish` made outside the workspace's own id."""
        ...

    async def clear(self, workspace: Resource) -> None:
        """Remove what `furnish` made outside the workspace's own id; safe to repeat."""
        ...

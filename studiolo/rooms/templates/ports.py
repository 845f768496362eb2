"""What deployments need from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from studiolo.kernel.ids import ResourceId
from studiolo.kernel.resource import Caller, Demand, JsonObject, Resource


class Resources(Protocol):
    """The resource façade, used on the caller's behalf: each resource is decided on its own."""

    async def find(self, id_: ResourceId) -> Resource | None:
        """A resource, or None. No decision is asked: for the platform's own use."""
        ...

    async def require(self, caller: Caller, demand: Demand) -> None:
        """Return if the caller may do what is demanded, or something that is as good.

        Raises:
            Forbidden: the engine says no.
        """
        ...

    async def put(self, caller: Caller, id_: ResourceId, body: JsonObject, api_version: str) -> JsonObject:
        """Create or update a resource and wait until it is done; its body as clients see it. Safe to repeat.

        Raises:
            Fault: whatever refuses the write, or what its provisioning failed with.
        """
        ...

    async def get(self, caller: Caller, id_: ResourceId, api_version: str) -> JsonObject:
        """A resource's body as clients see it.

        Raises:
            Forbidden, NotFound: as for any caller.
        """
        ...

    async def act(self, caller: Caller, id_: ResourceId, action: str, body: JsonObject, api_version: str) -> JsonObject:
        """What a POST action answers.

        Raises:
            Fault: as for any caller.
        """
        ...


class Types(Protocol):
    """The resource types that are served here."""

    def knows(self, name: str) -> bool:
        """Whether resources of this type can be written."""
        ...

    def making(self, id_: ResourceId, body: JsonObject) -> Demand | None:
        """What is enough to make this resource, if that is something else than the right to write it."""
        ...


class Records(Protocol):
    """What is known of each step of a deployment, and whether somebody asked it to stop."""

    async def clear(self, deployment: ResourceId) -> None:
        """Forget the records of earlier runs. Safe to repeat."""
        ...

    async def write(self, record: Resource) -> None:
        """Keep a record, in place of an older one with its id."""
        ...

    async def list(self, deployment: ResourceId) -> Sequence[Resource]:
        """All records of a deployment, the oldest first."""
        ...

    async def ask_to_stop(self, run: str) -> None:
        """Ask a run to stop before its next resource. Safe to repeat."""
        ...

    async def is_asked_to_stop(self, run: str) -> bool:
        """Whether somebody asked this run to stop."""
        ...

    async def forget_stop(self, run: str) -> None:
        """Forget that a run was asked to stop: it has ended. Safe to repeat."""
        ...


class Seals(Protocol):
    """Makes bytes unreadable to whoever only sees the store."""

    def seal(self, data: bytes, place: str) -> str:
        """The sealed text; it opens at the same place alone."""
        ...

    def open(self, sealed: str, place: str) -> bytes:
        """What was sealed.

        Raises:
            Fault: it was changed or moved, or the key is another (code `SecretDamaged`).
        """
        ...

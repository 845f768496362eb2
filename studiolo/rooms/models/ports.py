"""What this room needs from others, and what its back ends give. `app/compose.py` plugs them in."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from studiolo.kernel.ids import ResourceId
from studiolo.kernel.resource import Caller, JsonObject, Resource
from studiolo.rooms.models.domain.inference import Embedded, End, Generation


class Models(Protocol):
    """Models that answer. A back end: models on this machine, or none."""

    def write(self, model: str, ask: Generation, ended: Callable[[End], None]) -> AsyncGenerator[str]:
        """The pieces of a text as they are written; empty ones while the prompt is still being read.

        `ended` is called once when the model says that the text has ended, also after the generator was closed early,
        which stops the writing. It is not called for a text that failed.

        Raises:
            TooMany: more callers wait than the queue takes.
            Invalid: the request does not fit the model (code `context_length_exceeded` and others).
            Unavailable: the model ended or does not start.
            NotOffered: there is no such model here (code `ModelNotInstalled`, `ModelsAreOff`).
        """
        ...

    async def embed(self, model: str, texts: Sequence[str]) -> Embedded:
        """The texts' vectors, in their order. Raises as `write` does."""
        ...

    async def warm(self) -> None:
        """Load what is used at once, so that the first caller does not wait for it."""
        ...

    def health(self) -> Sequence[Health]:
        """How each model stands now; starts nothing."""
        ...

    async def close(self) -> None:
        """End every process of this back end."""
        ...


@dataclass(frozen=True, slots=True)
class Health:
    """How one model stands: whether its process runs, and which walls hold it on this machine."""

    model: str
    is_running: bool
    pid: int | None
    applied: tuple[str, ...]
    missing: tuple[str, ...]
    load_seconds: float | None


@dataclass(frozen=True, slots=True)
class Project:
    """A project, as far as model calls need it."""

    id: ResourceId
    workspace_id: str


class Projects(Protocol):
    """Finds projects. The hubs room."""

    async def find(self, name: str) -> Project | None:
        """The project with this workspace id or unique name."""
        ...


class Callers(Protocol):
    """Knows who holds a bearer token. The authentication room."""

    async def of_token(self, token: str) -> Caller:
        """The holder of this access token. Raises Unauthenticated if it is not valid here and now."""
        ...


class Identities(Protocol):
    """Service principals of resources. The directory room."""

    async def ensure(self, resource: ResourceId, name: str) -> tuple[str, str]:
        """The object id and the tenant id of the resource's own identity; makes it if it is not there."""
        ...

    async def retire(self, resource: ResourceId) -> None:
        """Remove the resource's identity and what was granted to it."""
        ...


class Resources(Protocol):
    """The resource façade, used by the platform itself."""

    async def find(self, id_: ResourceId) -> Resource | None:
        """A resource, or None."""
        ...

    async def settled(self, id_: ResourceId) -> Resource | None:
        """A resource, or None, once nothing works on it any more. Raises Conflict if something does for long."""
        ...

    async def ensure(self, caller: Caller, id_: ResourceId, body: JsonObject) -> Resource:
        """Create or update a resource; safe to repeat."""
        ...

    async def remove(self, caller: Caller, id_: ResourceId) -> None:
        """Delete a resource and all below it; safe to repeat."""
        ...


@dataclass(frozen=True, slots=True)
class Used:
    """What one call used: exact numbers of tokens, also of texts whose reader went away."""

    project: ResourceId
    deployment: str
    model: str
    caller: Caller
    action: str
    prompt_tokens: int
    completion_tokens: int
    request_id: str


class Usage(Protocol):
    """Where numbers of tokens go. The costs room."""

    def record(self, used: Used) -> None:
        """Note what one call used. Returns at once; never fails the call."""
        ...

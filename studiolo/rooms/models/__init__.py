"""Models: accounts and deployments of projects, and the OpenAI and Azure OpenAI protocols over the models that run here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studiolo.kernel.keys import KeyRing
    from studiolo.kernel.resource import ResourceType
    from studiolo.kernel.store.port import Store
    from studiolo.rooms.models.ports import Callers, Identities, Models, Projects, Resources, Usage
    from studiolo.rooms.models.service.accounts import Accounts
    from studiolo.wire.http import Route

__all__ = ["Room", "room"]


@dataclass(frozen=True, slots=True)
class Room:
    """What the room gives to whoever composes: its use cases, its resource types, its routes."""

    accounts: Accounts
    types: list[ResourceType]
    routes: list[Route]


def room(  # noqa: PLR0913 - one argument a port
    store: Store,
    ring: KeyRing,
    resources: Resources,
    identities: Identities,
    callers: Callers,
    projects: Projects,
    models: Models,
    usage: Usage,
    *,
    base_url: str,
) -> Room:
    """Open the room. `base_url` is the server's address without a slash at its end."""
    # The worker process comes through this package too, and needs none of this.
    from studiolo.rooms.models.provider import account_types
    from studiolo.rooms.models.service.accounts import Accounts
    from studiolo.rooms.models.service.deployments import Deployments
    from studiolo.rooms.models.service.door import Door
    from studiolo.rooms.models.service.inference import Inference
    from studiolo.rooms.models.service.keys import Keys
    from studiolo.rooms.models.wire import ModelCalls

    keys = Keys(store, ring)
    accounts = Accounts(resources, identities, keys, base_url=base_url)
    calls = ModelCalls(Door(keys, callers, projects), Deployments(store), Inference(models, usage))
    return Room(accounts, account_types(accounts), calls.routes())

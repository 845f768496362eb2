"""What the keys of workspaces need from elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from studiolo.kernel.resource import Resource


class Owners(NamedTuple):
    """Whose keys a workspace's things are under.

    `root` is the hub's key (a workspace without a hub has one of its own), `account` that of its storage account, `own`
    the project's; a hub has none of the last. `below` are owners of keys that hang on `own`.
    """

    root: str
    account: str | None
    own: str | None
    below: tuple[str, ...] = ()


class Places(Protocol):
    """The owners of keys by workspace."""

    async def owners(self, workspace: Resource) -> Owners:
        """The owners of a workspace's keys."""
        ...

    async def projects(self, hub: Resource) -> list[Resource]:
        """The projects of a hub; none for any other workspace."""
        ...


class Sealed(Protocol):
    """Whatever holds bytes that are sealed by the keys of projects and accounts."""

    async def count(self, owner: str, newest: int) -> tuple[int, int]:
        """How many things an owner's key seals, and how many of them an older generation than the newest does."""
        ...

    async def seal(self, owner: str, newest: int, told: Callable[[int], Awaitable[None]]) -> bool:
        """Seal everything by the newest generation, at low priority; whether nothing needs an older one any more.

        `told` hears how many were looked at. Safe to repeat.
        """
        ...

"""What this room needs from the rest of the house."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from studiolo.kernel.access.ask import Plane
from studiolo.kernel.access.scopes import Hierarchy
from studiolo.kernel.access.world import CompiledWorld
from studiolo.rooms.iam.domain.principals import Principal


class Sealer(Protocol):
    """Keeps private keys unreadable on disk: the kernel's key ring."""

    async def seal(self, owner: str, plaintext: bytes, aad: bytes = b"") -> bytes:
        """The sealed bytes; they open for the same owner and the same associated data alone."""
        ...

    async def open(self, owner: str, sealed: bytes, aad: bytes = b"") -> bytes:
        """The bytes that were sealed. Raises a fault if anything of it was changed."""
        ...


class KeyHolder(Sealer, Protocol):
    """The key ring, of which this room also has a key of its own."""

    async def data_key(self, owner: str) -> bytes:
        """The owner's 32-byte key, made on first use. Raises a fault if it cannot be opened."""
        ...


class Heirs(Protocol):
    """Which projects inherit the roles of their hub, and how management groups hold subscriptions."""

    def hierarchy(self) -> Hierarchy:
        """The present tree: the same object as long as nothing has changed."""
        ...


class People(Protocol):
    """Looks principals up by object id, on every call: fast, and never older than the last commit."""

    async def principal(self, oid: str) -> Principal | None:
        """The user, group or service principal; None if there is none."""
        ...


class Actions(Protocol):
    """The actions that operations need."""

    def __call__(self, action: str, plane: Plane) -> bool:
        """Whether an action, in small letters, is needed by an operation on this plane."""
        ...

    def each(self) -> Iterable[tuple[str, Plane]]:
        """All of them, as they are written."""
        ...


class Worlds(Protocol):
    """Everybody's facts, as of the last commit."""

    async def whole(self) -> CompiledWorld:
        """All of them."""
        ...

    async def above(self, scope_key: str) -> CompiledWorld:
        """All principals, and the rows that bear on one scope."""
        ...

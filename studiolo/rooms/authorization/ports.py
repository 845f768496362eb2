"""What this room needs from the rest of the house."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from studiolo.kernel.access.ask import Plane
from studiolo.kernel.access.scopes import FLAT, Hierarchy
from studiolo.kernel.access.world import CompiledWorld
from studiolo.kernel.principals import Principal
from studiolo.kernel.store.port import Page, Row, Write


class KeyHolder(Protocol):
    """The key ring, which holds a key of this room's own."""

    async def data_key(self, owner: str) -> bytes:
        """The owner's 32-byte key, made on first use. Raises a fault if it cannot be opened."""
        ...


class Standing(NamedTuple):
    """The authorization store's durable version, and the versions at which types (lower case) changed last."""

    version: int
    changed: Mapping[str, int]

    def since(self, type_names: Iterable[str]) -> int:
        """The version at which one of these types changed last."""
        return max((self.changed.get(name, 0) for name in type_names), default=0)


class Heirs(Protocol):
    """Which projects inherit the roles of their hub, and how management groups hold subscriptions."""

    def hierarchy(self) -> Hierarchy:
        """The present tree: the same object as long as nothing has changed."""
        ...

    def projects(self, hub: str) -> Sequence[str] | None:
        """The projects of a hub, by key, whether they inherit or not; None if the key is no hub's."""
        ...

    async def refresh(self, standing: Standing) -> None:
        """Follow what other processes changed, up to this version. Raises Unavailable if it cannot be read."""
        ...


class Flat:
    """No management groups, and no project that inherits."""

    def hierarchy(self) -> Hierarchy:
        """The tree that the paths alone make."""
        return FLAT

    def projects(self, hub: str) -> Sequence[str] | None:
        """There are no hubs."""
        return None

    async def refresh(self, standing: Standing) -> None:
        """Nothing changes."""


class Reading(Protocol):
    """As much of the store as facts about principals are read from."""

    def listen(self, listener: Callable[[Sequence[Write]], None]) -> None:
        """Call `listener` with the writes of each commit."""
        ...

    async def find(self, key: str) -> Row | None:
        """The resource with this lower-case id."""
        ...

    async def page(self, parent: str, *, after: str = "", limit: int = 100) -> Page:
        """Resources directly in a collection."""
        ...

    async def by_facet(self, type_name: str, value: str, *, under: str = "", after: str = "", limit: int = 1000) -> Page:
        """Resources of a type that carry a facet."""
        ...


class Directory(Protocol):
    """Whom a name means. The directory room."""

    async def who(self, text: str) -> Principal:
        """The one principal that a person means: by object id, client id, principal name, mail, or shown name.

        Raises:
            NotFound: nobody is meant (code `PrincipalNotFound`).
            Invalid: several are, by name (code `AmbiguousPrincipal`).
        """
        ...

    async def service_principal(self, app_id: str) -> Principal | None:
        """The principal that acts for this client id."""
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

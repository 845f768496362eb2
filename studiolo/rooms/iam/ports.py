"""What this room needs from the rest of the house."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from studiolo.kernel.access.ask import Plane
from studiolo.kernel.access.scopes import FLAT, Hierarchy
from studiolo.kernel.access.world import CompiledWorld
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.resource import Caller, JsonObject
from studiolo.kernel.store.port import Page, Row, Write
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

    async def refresh(self, standing: Standing) -> None:
        """Follow what other processes changed, up to this version. Raises Unavailable if it cannot be read."""
        ...


class Flat:
    """No management groups, and no project that inherits."""

    def hierarchy(self) -> Hierarchy:
        """The tree that the paths alone make."""
        return FLAT

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


class People(Protocol):
    """Looks principals up by object id, on every call: fast, and never older than the last commit."""

    async def principal(self, oid: str) -> Principal | None:
        """The user, group or service principal; None if there is none."""
        ...


class Objects(Protocol):
    """The resource façade for directory objects, on behalf of a caller: decided, checked and recorded as every write is."""

    async def get(self, caller: Caller, id_: ResourceId) -> JsonObject:
        """One object's body, with its `etag`; NotFound if there is none, Forbidden if the caller may not."""
        ...

    async def page(
        self, caller: Caller, type_name: str, wanted: str | None, top: int, token: str
    ) -> tuple[Sequence[JsonObject], str | None]:
        """A page of a type's bodies, those that a filter such as `mail eq '…'` finds, and the token of the next."""
        ...

    async def carrying(self, caller: Caller, type_name: str, facet: str) -> Sequence[JsonObject]:
        """The bodies of a type that carry a facet and that the caller may see."""
        ...

    async def write(
        self,
        caller: Caller,
        id_: ResourceId,
        properties: JsonObject,
        *,
        is_patch: bool,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> JsonObject:
        """Write an object; its new body."""
        ...

    async def remove(self, caller: Caller, id_: ResourceId) -> bool:
        """Remove an object; whether there was one."""
        ...

    async def act(self, caller: Caller, id_: ResourceId, action: str, body: JsonObject) -> JsonObject | None:
        """Run an object's action."""
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

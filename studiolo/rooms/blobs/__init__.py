"""Storage accounts, containers and blobs: sealed per project, spoken to as the public cloud's are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studiolo.kernel.resource import ResourceType
from studiolo.kernel.store.port import Store
from studiolo.rooms.blobs.backends import open_objects
from studiolo.rooms.blobs.domain.names import key_owner
from studiolo.rooms.blobs.ports import Callers, Keys, Objects, Recipients
from studiolo.rooms.blobs.provider import types
from studiolo.rooms.blobs.service.delegation import Recipient
from studiolo.rooms.blobs.service.resources import StorageResources
from studiolo.rooms.blobs.service.storage import Storage
from studiolo.rooms.blobs.wire import surface
from studiolo.wire.http import Judge, Surface

__all__ = ["Address", "Recipient", "Room", "Storage", "key_owner", "open_objects", "room"]


@dataclass(frozen=True, slots=True)
class Room:
    """The opened room. `storage` answers other rooms' ports; `start` and `stop` mind what crashes leave behind."""

    storage: Storage
    types: list[ResourceType]
    surfaces: list[Surface]

    async def start(self) -> None:
        """Begin the background work; needs a running loop."""
        await self.storage.start()

    async def stop(self) -> None:
        """Finish what is short and let go."""
        await self.storage.stop()


@dataclass(frozen=True, slots=True)
class Address:
    """Where accounts answer (`{account}.blob.{suffix}:{port}`), and the address of the token service.

    `is_https_only`: the platform's own signatures are void over plain HTTP.
    """

    suffix: str
    port: int
    login_url: str
    is_https_only: bool = True


def room(
    store: Store, objects: Objects | Path | str, keys: Keys, callers: Callers, recipients: Recipients, judge: Judge, at: Address
) -> Room:
    """Open the room. `objects` is a folder or a URL for sealed objects, or a back end of one's own."""
    back_end = open_objects(objects) if isinstance(objects, Path | str) else objects
    storage = Storage(store, back_end, keys, is_https_only=at.is_https_only)
    endpoint = at.suffix if at.port == 443 else f"{at.suffix}:{at.port}"
    declared = types(StorageResources(storage, endpoint))
    return Room(storage, declared, [surface(storage, callers, recipients, judge, suffix=at.suffix, login_url=at.login_url)])

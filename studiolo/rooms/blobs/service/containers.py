"""Containers: made, listed and dropped, on the data plane and as resources in one commit."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Conflict, NotFound, Stale, Unavailable
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import Caller
from studiolo.kernel.store.port import ABSENT, DropEntry, DropResource, Emit, Entry, PutEntry, PutResource, Store, Write
from studiolo.rooms.blobs.domain.blob import Account, Container
from studiolo.rooms.blobs.domain.conditions import NONE, Conditions, check_write
from studiolo.rooms.blobs.domain.names import check_container, key_owner
from studiolo.rooms.blobs.service.purge import Purge
from studiolo.rooms.blobs.service.rows import CONTAINERS, row

_RACES = 5
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Container).decode


class Containers:
    """The containers of all accounts."""

    def __init__(self, store: Store, purge: Purge) -> None:
        self._store = store
        self._purge = purge
        self._known: dict[tuple[str, str], Container] = {}
        store.listen(self._forget)

    async def find(self, account: Account, name: str) -> Container | None:
        """The container of this name."""
        found = self._known.get((account.name, name))
        if found is None:
            entry = await self._store.entry(_space(account.name), name)
            if entry is None:
                return None
            found = self._known[account.name, name] = _decode(entry.doc)
        return found

    async def get(self, account: Account, name: str) -> Container:
        """The container of this name.

        Raises:
            NotFound: there is none (code `ContainerNotFound`).
        """
        found = await self.find(account, name)
        if found is None:
            raise NotFound("The specified container does not exist.", code="ContainerNotFound")
        return found

    async def create(self, account: Account, name: str, caller: Caller, metadata: dict[str, str] | None = None) -> Container:
        """A new container.

        Raises:
            Invalid: the name is no container name.
            Conflict: it exists already (code `ContainerAlreadyExists`).
        """
        check_container(name)
        at = clock.now()
        stamp, now = clock.stamp(at), int(at.timestamp() * 1000)
        owner, parent = key_owner(account.name, name)
        made = Container(
            cid=clock.new_tag() + clock.new_tag(),
            owner=owner,
            parent=parent,
            created=now,
            modified=now,
            etag=new_etag(),
            metadata=metadata or {},
        )
        id_ = parse(account.container_id(name))
        writes: list[Write] = [PutEntry(_space(account.name), Entry(name, made.etag, _encode(made)), expect=ABSENT)]
        if await self._store.find(id_.key) is None:
            writes.append(PutResource(row(id_.text, CONTAINERS, caller, stamp, {"publicAccess": "None"})))
            writes.append(Emit(stamp, f"{CONTAINERS}/write", "Succeeded", id_.key, caller.oid, b"{}"))
        try:
            await self._store.commit(*writes)
        except Stale:
            raise Conflict("The specified container already exists.", code="ContainerAlreadyExists") from None
        return made

    async def ensure(self, account: Account, name: str, caller: Caller) -> Container:
        """The container, made if it is not there. Safe to repeat."""
        found = await self.find(account, name)
        if found is not None:
            return found
        try:
            return await self.create(account, name, caller)
        except Conflict:
            return await self.get(account, name)

    async def set_metadata(self, account: Account, name: str, metadata: dict[str, str], asked: Conditions = NONE) -> Container:
        """Replace the container's metadata.

        Raises:
            NotFound: there is no such container.
            Stale: a condition does not hold.
        """
        for _ in range(_RACES):
            old = await self.get(account, name)
            check_write(asked, old.etag, old.modified)
            now = int(clock.now().timestamp() * 1000)
            made = msgspec.structs.replace(old, metadata=metadata, modified=now, etag=new_etag())
            try:
                await self._store.commit(PutEntry(_space(account.name), Entry(name, made.etag, _encode(made)), expect=old.etag))
            except Stale:
                continue
            return made
        raise contended()

    async def drop(self, account: Account, name: str, caller: Caller, asked: Conditions = NONE) -> None:
        """Remove the container; its blobs can no longer be found at once and are removed in the background.

        Raises:
            NotFound: there is no such container.
            Stale: a condition does not hold.
        """
        old = await self.get(account, name)
        check_write(asked, old.etag, old.modified)
        id_ = parse(account.container_id(name))
        await self._store.commit(
            DropEntry(_space(account.name), name),
            *self._purge.noted(old),
            DropResource(id_.key, CONTAINERS.lower()),
            Emit(clock.stamp(clock.now()), f"{CONTAINERS}/delete", "Succeeded", id_.key, caller.oid, b"{}"),
        )
        self._purge.begin(old)

    async def page(self, account: Account, *, prefix: str = "", after: str = "", limit: int = 5000) -> Sequence[tuple[str, Container]]:
        """Containers by name."""
        entries = await self._store.entries(_space(account.name), prefix=prefix, after=after, limit=limit)
        return [(entry.key, _decode(entry.doc)) for entry in entries]

    def _forget(self, writes: Sequence[Write]) -> None:
        for write in writes:
            if isinstance(write, PutEntry | DropEntry) and write.space.startswith(_space("")):
                name = write.entry.key if isinstance(write, PutEntry) else write.key
                self._known.pop((write.space.rpartition("/")[2], name), None)


def new_etag() -> str:
    """A fresh ETag in the form that the public cloud gives to blobs."""
    return f"0x{clock.new_tag().upper()}"


def contended() -> Unavailable:
    """Too many writers at once; clients wait and try again."""
    return Unavailable(
        "The server is busy: too many callers are changing this at once. Try again.", code="ServerBusy", retry_after_seconds=1
    )


def _space(account: str) -> str:
    return f"blobs/containers/{account}"

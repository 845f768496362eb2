"""Blob storage as the rest of the platform sees it: other rooms' ports are plugged into this."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

from studiolo.kernel.faults import NotFound
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.resource import PLATFORM, Caller
from studiolo.kernel.store.port import Store
from studiolo.rooms.blobs.domain.blob import Account, Content
from studiolo.rooms.blobs.domain.names import key_owner
from studiolo.rooms.blobs.ports import Keys, Objects
from studiolo.rooms.blobs.service.accounts import SPACE, Accounts
from studiolo.rooms.blobs.service.anew import Anew
from studiolo.rooms.blobs.service.blobs import Blobs, Check, Facts, Terms, once
from studiolo.rooms.blobs.service.blocks import Blocks
from studiolo.rooms.blobs.service.containers import Containers
from studiolo.rooms.blobs.service.delegation import Delegation, Recipient
from studiolo.rooms.blobs.service.index import Index
from studiolo.rooms.blobs.service.listing import Lister, Listing
from studiolo.rooms.blobs.service.loose import LooseObjects
from studiolo.rooms.blobs.service.pieces import Body, Pieces
from studiolo.rooms.blobs.service.purge import Purge

_BATCH = 500


class Storage:
    """All accounts with what is in them."""

    def __init__(self, store: Store, objects: Objects, keys: Keys, *, is_https_only: bool = True) -> None:
        """Stand on the kernel's store, an object store and a key ring."""
        self._store = store
        self._keys = keys
        self.loose = LooseObjects(store, objects)
        pieces = Pieces(store, objects, keys, self.loose)
        index = Index(store)
        self.purge = Purge(store, index, pieces)
        self.accounts = Accounts(store, keys)
        self.delegation = Delegation(self.accounts, is_https_only=is_https_only)
        self.containers = Containers(store, self.purge)
        self.blobs = Blobs(store, index, pieces, self.purge)
        self.blocks = Blocks(store, self.blobs)
        self.lister = Lister(store, index, self.blocks)
        self.anew = Anew(store, self.accounts, self.containers, self.blobs, self.blocks)
        self._expiry: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to remove, in the background, what earlier processes have left behind."""
        await self.loose.start()
        await self.purge.start()
        self._expiry = asyncio.create_task(self._expire_blocks(), name="blobs-expiry")

    async def stop(self) -> None:
        """Finish what is short and let go."""
        if self._expiry is not None:
            self._expiry.cancel()
            await asyncio.gather(self._expiry, return_exceptions=True)
        await self.purge.stop()
        await self.loose.stop()

    # ── accounts and containers ──────────────────────────────────────────────────────────────────────────────────

    async def ensure_account(self, id_: ResourceId, *, is_shared_key_allowed: bool = False) -> Account:
        """The account of this resource, made if it is not there. Raises as `Accounts.ensure`."""
        return await self.accounts.ensure(id_, is_shared_key_allowed=is_shared_key_allowed)

    async def drop_account(self, id_: ResourceId) -> None:
        """Remove the account with all its containers and its keys. Safe to repeat."""
        account = await self.accounts.find(id_.name.lower())
        if account is None or account.id.lower() != id_.key:
            return
        await self._drop_containers(account, "")
        await self.accounts.drop(account.name)

    async def ensure(self, account: ResourceId, name: str) -> None:
        """Make the container if it is not there. Safe to repeat.

        Raises:
            NotFound: there is no such account.
        """
        await self.containers.ensure(await self.accounts.get(account), name, PLATFORM)

    async def drop(self, account: ResourceId, name: str) -> None:
        """Remove one container. Safe to repeat."""
        found = await self.accounts.find(account.name.lower())
        if found is not None:
            try:
                await self.containers.drop(found, name, PLATFORM)
            except NotFound:
                return

    async def drop_all(self, account: ResourceId, prefix: str) -> None:
        """Remove all containers whose name begins with the prefix, and the key that sealed them. Safe to repeat."""
        found = await self.accounts.find(account.name.lower())
        if found is None:
            return
        await self._drop_containers(found, prefix)
        owner, parent = key_owner(found.name, f"{prefix}x")
        if parent is not None:
            await self._keys.destroy(owner)

    # ── for datastores and uploads ───────────────────────────────────────────────────────────────────────────────

    async def delegate(
        self, account: ResourceId, container: str, letters: str, caller: Caller, expires: datetime, *, to: Recipient | None = None
    ) -> str:
        """A user delegation signature (a query string) for one container, worth what the caller may do, as long as `to` may hold it.

        Raises:
            NotFound: there is no such account.
        """
        return await self.delegation.sign(await self.accounts.get(account), container, letters, caller, expires, to=to)

    # ── for the platform's own use; no decision is asked ─────────────────────────────────────────────────────────

    async def read_all(self, account: ResourceId, container: str, blob: str) -> bytes:
        """All bytes of a small blob. Raises NotFound if something on the way is not there."""
        found = await self.accounts.get(account)
        return await self.blobs.whole(await self.containers.get(found, container), blob)

    async def write_all(self, account: ResourceId, container: str, blob: str, data: bytes, content_type: str = "") -> None:
        """Put a small blob in place of whatever is there. Raises NotFound if there is no such container."""
        found = await self.containers.get(await self.accounts.get(account), container)
        facts = Facts(content=Content(type=content_type) if content_type else Content())
        await self.blobs.put(found, blob, Body(once(data), len(data)), facts, Terms(), Check())

    async def names(self, account: ResourceId, container: str, prefix: str = "") -> AsyncIterator[tuple[str, int]]:
        """Names and sizes of the blobs that begin with the prefix, in order."""
        found = await self.containers.get(await self.accounts.get(account), container)
        after: str | None = ""
        while after is not None:
            page = await self.lister.page(found, Listing(prefix=prefix, after=after, limit=_BATCH))
            for item in page.items:
                if item.blob is not None:
                    yield item.name, item.blob.size
            after = page.next

    async def _drop_containers(self, account: Account, prefix: str) -> None:
        while page := await self.containers.page(account, prefix=prefix, limit=_BATCH):
            for name, _ in page:
                await self.drop_one(account, name)

    async def drop_one(self, account: Account, name: str) -> None:
        """Remove a container that may be gone already."""
        try:
            await self.containers.drop(account, name, PLATFORM)
        except NotFound:
            return

    async def _expire_blocks(self) -> None:
        """Once a start: blocks that nobody has committed within a week are dropped, container by container."""
        after = ""
        while accounts := await self._store.entries(SPACE, after=after, limit=_BATCH):
            after = accounts[-1].key
            for entry in accounts:
                account = await self.accounts.find(entry.key)
                behind = ""
                while account is not None and (page := await self.containers.page(account, after=behind, limit=_BATCH)):
                    behind = page[-1][0]
                    for _, container in page:
                        await self.blocks.expire(container)
                        await asyncio.sleep(0)

"""Sealing anew: after a key got a new generation, what the older ones sealed, in the background and at low priority."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

from studiolo.kernel import clock
from studiolo.kernel.faults import Stale
from studiolo.kernel.store.port import Entry, Store
from studiolo.rooms.blobs.domain.blob import Container
from studiolo.rooms.blobs.domain.names import account_of
from studiolo.rooms.blobs.service.accounts import Accounts
from studiolo.rooms.blobs.service.blobs import Blobs, is_stale
from studiolo.rooms.blobs.service.blocks import Blocks
from studiolo.rooms.blobs.service.containers import Containers
from studiolo.rooms.blobs.service.pieces import Moved

_BATCH = 200
_PATIENCE_SECONDS = 30.0
_LONGEST_PAUSE = 0.5


class Counted(NamedTuple):
    """How many blobs and staged blocks a key seals, and how many of them an older generation does."""

    total: int
    stale: int


class Anew:
    """Seals an owner's bytes anew. Readers and writers go on meanwhile, and what they replace is left alone."""

    def __init__(self, store: Store, accounts: Accounts, containers: Containers, blobs: Blobs, blocks: Blocks) -> None:
        self._store = store
        self._accounts = accounts
        self._containers = containers
        self._blobs = blobs
        self._blocks = blocks

    async def count(self, owner: str, newest: int) -> Counted:
        """What an owner's key seals."""
        total = stale = 0
        async for container, is_staged, entry in self._entries(owner):
            total += 1
            stale += await self._is_stale(container, entry, newest, is_staged=is_staged)
        return Counted(total, stale)

    async def seal(self, owner: str, newest: int, told: Callable[[int], Awaitable[None]]) -> bool:
        """Seal what older generations sealed; whether nothing needs those any more. Safe to repeat, and to stop at any point.

        `told` hears how many were looked at, again and again.
        """
        account = account_of(owner)
        if owner == f"account/{account}":
            await self._accounts.reseal(account)
        while await self._is_let_go(owner, newest):
            if not await self._pass(owner, newest, told):
                return True
        await self._pass(owner, newest, told)
        return False

    async def _pass(self, owner: str, newest: int, told: Callable[[int], Awaitable[None]]) -> bool:
        """Once through everything, staged blocks before the blobs that they may become; whether anything was sealed anew."""
        seen, is_any = 0, False
        async for container, is_staged, entry in self._entries(owner):
            seen += 1
            if await self._is_stale(container, entry, newest, is_staged=is_staged):
                is_any = True
                began = clock.monotonic()
                await self._reseal(container, entry, is_staged=is_staged)
                # Half of the time belongs to others, however fast the disk is.
                await asyncio.sleep(min(clock.monotonic() - began, _LONGEST_PAUSE))
            if seen % _BATCH == 0 or is_any:
                await told(seen)
        await told(seen)
        return is_any

    async def _reseal(self, container: Container, entry: Entry, *, is_staged: bool) -> None:
        if not is_staged:
            await self._blobs.reseal(container, entry.key)
            return
        try:
            await self._blocks.reseal(container, entry)
        except Stale:
            return  # somebody has committed, replaced or dropped it

    async def _is_stale(self, container: Container, entry: Entry, newest: int, *, is_staged: bool) -> bool:
        if is_staged:
            return self._blobs.index.staged(entry).generation != newest
        blob = self._blobs.index.decode(entry.doc)
        if blob.manifest is None or blob.marked_by != newest:
            return is_stale(blob, blob.pieces, newest)
        try:
            pieces, _ = await self._blobs.index.parts(blob)
        except Moved:
            return False
        return is_stale(blob, pieces, newest)

    async def _is_let_go(self, owner: str, newest: int) -> bool:
        """Wait a while until nobody writes or reads with an older generation any more."""
        deadline = clock.monotonic() + _PATIENCE_SECONDS
        while self._blobs.pieces.in_use(owner, newest):
            if clock.monotonic() > deadline:
                return False
            await asyncio.sleep(0.1)
        return True

    async def _entries(self, owner: str) -> AsyncIterator[tuple[Container, bool, Entry]]:
        account = await self._accounts.find(account_of(owner))
        behind = ""
        while account is not None and (page := await self._containers.page(account, after=behind, limit=_BATCH)):
            behind = page[-1][0]
            for container in [one for _, one in page if one.owner == owner]:
                for is_staged, space in ((True, container.staged), (False, container.blobs)):
                    after = ""
                    while entries := await self._store.entries(space, after=after, limit=_BATCH):
                        after = entries[-1].key
                        for entry in entries:
                            yield container, is_staged, entry

"""What a dropped container leaves behind is removed in the background, and at the next start if that was cut short."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Final

from studiolo.kernel.faults import Fault
from studiolo.kernel.store.port import DropEntry, DropPayload, DropSpace, Entry, PutEntry, Store, Write
from studiolo.rooms.blobs.domain.blob import Container, Piece
from studiolo.rooms.blobs.service.index import Index
from studiolo.rooms.blobs.service.pieces import Pieces

SPACE: Final = "blobs/dropped"
_BATCH = 100
_NOTHING: list[str] = []
_log = logging.getLogger(__name__)


class Purge:
    """Empties the spaces of dropped containers."""

    def __init__(self, store: Store, index: Index, pieces: Pieces) -> None:
        self._store = store
        self._index = index
        self._pieces = pieces
        self._gone: set[str] = set()
        self._running: set[asyncio.Task[None]] = set()

    def noted(self, container: Container) -> list[Write]:
        """The writes by which the commit that drops a container asks for this."""
        return [PutEntry(SPACE, Entry(container.cid, "-", b"{}"))]

    def begin(self, container: Container) -> None:
        """Remove what is in a dropped container."""
        self._gone.add(container.cid)
        self._spawn(container.cid)

    def is_gone(self, container: Container) -> bool:
        """Whether the container was dropped while a write to it was on its way."""
        return container.cid in self._gone

    async def start(self) -> None:
        """Go on with what an earlier process has left."""
        while entries := await self._store.entries(SPACE, limit=_BATCH):
            fresh = [entry.key for entry in entries if entry.key not in self._gone]
            for cid in fresh:
                self._gone.add(cid)
                self._spawn(cid)
            if len(fresh) < _BATCH:
                return

    async def settle(self) -> None:
        """Return when everything that was begun is done."""
        while self._running:
            await asyncio.gather(*self._running, return_exceptions=True)

    async def stop(self) -> None:
        """Let go; the next start goes on."""
        for task in self._running:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.settle()

    def _spawn(self, cid: str) -> None:
        task = asyncio.create_task(self._empty(cid), name=f"blobs-purge-{cid}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _empty(self, cid: str) -> None:
        ghost = Container(cid=cid, owner="", parent=None, created=0, modified=0, etag="")
        try:
            while entries := await self._store.entries(ghost.blobs, limit=_BATCH):
                await self._drop(ghost.blobs, entries, *[await self._index.parts(self._index.decode(e.doc)) for e in entries])
            while entries := await self._store.entries(ghost.staged, limit=_BATCH):
                await self._drop(ghost.staged, entries, *[((self._index.staged_piece(e),), _NOTHING) for e in entries])
            await self._store.commit(DropSpace(ghost.blobs), DropSpace(ghost.staged), DropEntry(SPACE, cid))
        except Fault as fault:
            _log.warning("a dropped container is not empty yet: %s", fault.message)

    async def _drop(self, space: str, entries: Sequence[Entry], *parts: tuple[Sequence[Piece], Sequence[str]]) -> None:
        lost = [piece for pieces, _ in parts for piece in pieces]
        lists = [name for _, names in parts for name in names]
        await self._store.commit(
            *(DropEntry(space, entry.key) for entry in entries), *self._pieces.dropped(lost), *(DropPayload(name) for name in lists)
        )
        self._pieces.discard(lost)

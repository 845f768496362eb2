"""Loose objects: names of objects that no index entry refers to, not yet or no longer.

A name is noted as loose before its object is written, and the commit that publishes the object takes the note away; the
commit that replaces an object notes it again. So after a crash the notes of an earlier process are exactly the objects
that nobody needs, and the sweep at start has no need to look at any other. Names are noted in advance, many in one
commit, so that a write does not wait for its note.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from typing import Final

from studiolo.kernel import clock
from studiolo.kernel.faults import Fault
from studiolo.kernel.store.port import DropEntry, Entry, PutEntry, Store, Write
from studiolo.rooms.blobs.ports import Objects

SPACE: Final = "blobs/loose"
_STOCK = 32
_LOW = 8
_BATCH = 200
_log = logging.getLogger(__name__)


class LooseObjects:
    """Hands out fresh object names and removes objects that came loose. One process writes an index at a time."""

    def __init__(self, store: Store, objects: Objects) -> None:
        self._store = store
        self._objects = objects
        self._epoch = clock.new_tag()
        self._stock: list[str] = []
        self._filling: asyncio.Task[None] | None = None
        self._held: Counter[str] = Counter()
        self._waiting: set[str] = set()
        self._rubbish: asyncio.Queue[str] = asyncio.Queue()
        self._sweeper: asyncio.Task[None] | None = None
        self._is_swept = asyncio.Event()

    async def start(self) -> None:
        """Begin to remove, in the background, what earlier processes have left."""
        self._sweeper = asyncio.create_task(self._sweep(), name="blobs-sweep")

    async def stop(self) -> None:
        """Remove what is due and let go."""
        if self._sweeper is None:
            return
        self._sweeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._sweeper
        self._sweeper = None
        if self._filling is not None:
            await self._filling
        due = [self._rubbish.get_nowait() for _ in range(self._rubbish.qsize())]
        with contextlib.suppress(Fault):
            await self._remove(due)
            await self._store.commit(*self.kept(self._stock))
        self._stock.clear()

    async def take(self) -> str:
        """A fresh name, durably noted as loose."""
        while not self._stock:
            await self._fill()
        name = self._stock.pop()
        if len(self._stock) < _LOW and self._filling is None:
            self._filling = asyncio.create_task(self._fill_up(), name="blobs-names")
        return name

    def kept(self, names: Iterable[str]) -> list[Write]:
        """The writes by which a commit that refers to these objects keeps them."""
        return [DropEntry(SPACE, name) for name in names]

    def loosened(self, names: Iterable[str]) -> list[Write]:
        """The writes by which a commit that no longer refers to these objects gives them up."""
        return [PutEntry(SPACE, Entry(name, "-", self._epoch.encode())) for name in names]

    def discard(self, names: Iterable[str]) -> None:
        """Remove loose objects soon, those that are being read as soon as they no longer are."""
        for name in names:
            if name in self._held:
                self._waiting.add(name)
            else:
                self._rubbish.put_nowait(name)

    @contextlib.contextmanager
    def hold(self, names: Sequence[str]) -> Generator[None]:
        """Keep objects from being removed while they are read."""
        self._held.update(names)
        try:
            yield
        finally:
            self._held.subtract(names)
            for name in names:
                if self._held[name] <= 0:
                    del self._held[name]
                    if name in self._waiting:
                        self._waiting.discard(name)
                        self._rubbish.put_nowait(name)

    async def settle(self) -> None:
        """Return when everything that was discarded before is removed."""
        await self._rubbish.join()

    async def swept(self) -> None:
        """Return when what earlier processes have left is removed."""
        await self._is_swept.wait()

    async def _fill(self) -> None:
        names = ["o" + clock.new_tag() + clock.new_tag() for _ in range(_STOCK)]
        await self._store.commit(*self.loosened(names))
        self._stock += names

    async def _fill_up(self) -> None:
        try:
            await self._fill()
        except Fault as fault:
            _log.warning("no names for objects could be noted: %s", fault.message)
        finally:
            self._filling = None

    async def _sweep(self) -> None:
        await self._sweep_left_behind()
        self._is_swept.set()
        while True:
            names = [await self._rubbish.get()]
            while len(names) < _BATCH and not self._rubbish.empty():
                names.append(self._rubbish.get_nowait())
            try:
                await self._remove(names)
            except Fault as fault:
                # They stay noted as loose: the next start removes them.
                _log.warning("%d objects could not be removed: %s", len(names), fault.message)
            for _ in names:
                self._rubbish.task_done()

    async def _sweep_left_behind(self) -> None:
        mine = self._epoch.encode()
        after = ""
        while entries := await self._store.entries(SPACE, after=after, limit=_BATCH):
            after = entries[-1].key
            try:
                await self._remove([entry.key for entry in entries if entry.doc != mine])
            except Fault as fault:
                _log.warning("objects of an earlier run could not be removed: %s", fault.message)

    async def _remove(self, names: Sequence[str]) -> None:
        if names:
            await self._objects.remove(names)
            await self._store.commit(*self.kept(names))

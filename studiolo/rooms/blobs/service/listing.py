"""Lists of blobs: flat, or as folders that a delimiter makes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from studiolo.kernel.store.port import Store
from studiolo.rooms.blobs.domain.blob import Blob, Container
from studiolo.rooms.blobs.service.blocks import Blocks
from studiolo.rooms.blobs.service.index import Index

MAX_PAGE: Final = 5000
_SCAN = 1000
_BEHIND = "\U0010ffff\U0010ffff"  # sorts behind everything that can follow a prefix


class Item(NamedTuple):
    """A line of a list: a blob with its ETag, a name that has only staged blocks, or a folder."""

    name: str
    etag: str = ""
    blob: Blob | None = None
    is_folder: bool = False


class Listed(NamedTuple):
    """A page, and the name after which the next one begins; None at the end."""

    items: list[Item]
    next: str | None


class Listing(NamedTuple):
    """What a list asks for."""

    prefix: str = ""
    delimiter: str = ""
    after: str = ""
    limit: int = MAX_PAGE
    with_staged: bool = False


class Lister:
    """Lists the blobs of containers in the order of their names' UTF-8 bytes."""

    def __init__(self, store: Store, index: Index, blocks: Blocks) -> None:
        self._store = store
        self._index = index
        self._blocks = blocks

    async def page(self, container: Container, asked: Listing) -> Listed:
        """One page."""
        items: list[Item] = []
        walk = self._merged(container, asked) if asked.with_staged else self._walk(container, asked)
        last = asked.after
        async for item, resume in walk:
            if len(items) == asked.limit:
                return Listed(items, last)
            items.append(item)
            last = resume
        return Listed(items, None)

    async def _walk(self, container: Container, asked: Listing) -> AsyncIterator[tuple[Item, str]]:
        """Items, each with the key behind which the walk goes on after it."""
        after, scan = asked.after, min(_SCAN, asked.limit + 1)
        skip = ""
        while True:
            entries = await self._store.entries(container.blobs, prefix=asked.prefix, after=after, limit=scan)
            for key, etag, doc in entries:
                if skip and key.startswith(skip):
                    continue
                folder = _folder(key, asked)
                if folder:
                    skip = folder
                    yield Item(folder, is_folder=True), folder + _BEHIND
                else:
                    yield Item(key, etag, self._index.decode(doc)), key
            if len(entries) < scan:
                return
            await asyncio.sleep(0)  # a long page must not keep everybody else waiting
            after = entries[-1].key
            if skip and after.startswith(skip):
                after = skip + _BEHIND

    async def _merged(self, container: Container, asked: Listing) -> AsyncIterator[tuple[Item, str]]:
        """The walk with names that have staged blocks only in between."""
        staged = self._staged_items(container, asked)
        waiting = await anext(staged, None)
        async for item, resume in self._walk(container, asked):
            while waiting is not None and waiting[0].name < item.name:
                yield waiting
                waiting = await anext(staged, None)
            if waiting is not None and waiting[0].name == item.name:
                waiting = await anext(staged, None)
            yield item, resume
        while waiting is not None:
            yield waiting
            waiting = await anext(staged, None)

    async def _staged_items(self, container: Container, asked: Listing) -> AsyncIterator[tuple[Item, str]]:
        last = ""
        async for name in self._blocks.names(container, prefix=asked.prefix, after=asked.after):
            folder = _folder(name, asked)
            if folder and folder != last:
                last = folder
                yield Item(folder, is_folder=True), folder + _BEHIND
            elif not folder:
                yield Item(name), name


def _folder(name: str, asked: Listing) -> str:
    if not asked.delimiter:
        return ""
    cut = name.find(asked.delimiter, len(asked.prefix))
    return name[: cut + len(asked.delimiter)] if cut >= 0 else ""

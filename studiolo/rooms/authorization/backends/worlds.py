"""Everybody's facts at once: for questions about all principals, which are rare beside decisions.

What was read is kept in a book and follows the commits of this process row by row. After a commit of another process,
or damage, it is read again: such a question agrees with single decisions also on a database that somebody has edited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from studiolo.kernel import clock
from studiolo.kernel.access.world import CompiledWorld, World
from studiolo.kernel.store.port import DropResource, PutResource, Store, Write
from studiolo.rooms.authorization.backends.book import Book
from studiolo.rooms.authorization.backends.seals import SEALED, TREE, Seals, version_in
from studiolo.rooms.authorization.backends.stored import StoredGrants
from studiolo.rooms.authorization.domain.roles import DENY_ASSIGNMENTS, ROLE_ASSIGNMENTS, ROLE_DEFINITIONS

_ASSIGNMENTS: Final = ROLE_ASSIGNMENTS.lower()
_DENIES: Final = DENY_ASSIGNMENTS.lower()
_ROLES: Final = ROLE_DEFINITIONS.lower()
_READ: Final = SEALED.difference(TREE)
_MOST_KEPT: Final = 500_000


class StoredWorlds:
    """Worlds of the present version."""

    def __init__(self, store: Store, grants: StoredGrants, seals: Seals) -> None:
        self._store = store
        self._grants = grants
        self._seals = seals
        self._book: Book | None = None
        self._mark: tuple[int, int] = (0, 0)  # which commits of others, and how much damage, the book has seen
        self._followed = 0  # the version up to which the book follows, with what is touched
        self._touched: set[tuple[str, str]] = set()
        self._reading = asyncio.Lock()
        store.listen(self._note)

    async def whole(self) -> CompiledWorld:
        """Everything."""
        return await self._world(is_whole=True)

    async def above(self, scope_key: str) -> CompiledWorld:
        """All principals, all deny assignments, and on shelves alone the assignments at the chain of a scope."""
        return await self._world(scope_key)

    async def _world(self, scope_key: str = "", *, is_whole: bool = False) -> CompiledWorld:
        grants = self._grants
        async with self._reading:
            while True:
                book = await self._present()
                hierarchy = grants.hierarchy()
                await book.read(None if is_whole else hierarchy.chain(scope_key))
                if self._book is book and not self._touched and self._seen() == self._mark and grants.hierarchy() is hierarchy:
                    break
        world = World(
            dict(book.holders),
            dict(book.members),
            book.assignments() if is_whole else (),
            book.denies(),
            hierarchy,
            grants.version(),
            grants.known_actions,
            clock.stamp(clock.now()),
        )
        return CompiledWorld(world, book.shelves)

    async def _present(self) -> Book:
        """The book, brought up to what is durable now."""
        await self._grants.refresh()
        book, mark = self._book, self._seen()
        if book is None or mark != self._mark or self._followed < self._grants.followed or book.size > _MOST_KEPT:
            book = self._book = Book(self._store, self._seals, self._grants)
            self._followed = self._grants.followed
            self._touched.clear()
            await book.begin()
            self._mark = self._seen()
        while self._touched:
            type_name, key = self._touched.pop()
            await _reread(book, type_name, key)
        return book

    def _seen(self) -> tuple[int, int]:
        return self._store.watch().strangers, len(self._seals.damage)

    def _note(self, writes: Sequence[Write]) -> None:
        """Note which rows a commit touches. A gap in the versions is another process's: then everything is read again."""
        version = version_in(writes)
        if version is None or self._book is None:
            return
        for write in writes:
            if isinstance(write, PutResource | DropResource):
                type_name, key = (write.row.type, write.row.key) if isinstance(write, PutResource) else (write.type, write.key)
                if type_name == _ROLES:
                    self._book = None  # a role bears on whoever has it
                elif type_name in _READ:
                    self._touched.add((type_name, key))
        if version == self._followed + 1:
            self._followed = version


async def _reread(book: Book, type_name: str, key: str) -> None:
    if type_name == _ASSIGNMENTS:
        await book.reread_assignment(key)
    elif type_name == _DENIES:
        await book.reread_denies()
    else:
        await book.reread_principal(key.rpartition("/")[2])

"""The store as it would be after a change that is not written yet, as far as facts about principals are read from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from studiolo.kernel.store.port import Page, Row, Store, Write
from studiolo.rooms.authorization.ports import Reading


class Planned(Reading):
    """Reads of a store, with some rows put and some gone."""

    def __init__(self, store: Store | Reading, put: Sequence[tuple[Row, Sequence[str]]] = (), gone: Sequence[str] = ()) -> None:
        self._store = store
        self._put = {row.key: (row, frozenset(facets)) for row, facets in put}
        self._gone = frozenset(gone)

    def listen(self, listener: Callable[[Sequence[Write]], None]) -> None:
        """Nothing is ever committed here."""

    async def find(self, key: str) -> Row | None:
        """The resource with this lower-case id."""
        if key in self._gone:
            return None
        return self._put[key][0] if key in self._put else await self._store.find(key)

    async def page(self, parent: str, *, after: str = "", limit: int = 100) -> Page:
        """Resources directly in a collection, those of the plan first."""
        found = await self._store.page(parent, after=after, limit=limit)
        planned = [] if after else [row for row, _ in self._put.values() if row.parent == parent]
        return Page([*planned, *self._kept(found)], found.next)

    async def by_facet(self, type_name: str, value: str, *, under: str = "", after: str = "", limit: int = 1000) -> Page:
        """Resources of a type that carry a facet, those of the plan first."""
        found = await self._store.by_facet(type_name, value, under=under, after=after, limit=limit)
        planned = [] if after else [row for row, facets in self._put.values() if row.type == type_name and value in facets]
        return Page([*planned, *self._kept(found)], found.next)

    def _kept(self, page: Page) -> list[Row]:
        return [row for row in page.rows if row.key not in self._gone and row.key not in self._put]

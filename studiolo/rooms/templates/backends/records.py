"""Records of deployments in the kernel's store: each is a resource below its deployment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from studiolo.kernel import clock
from studiolo.kernel.documents import resource_of, row_of
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.resource import Resource
from studiolo.kernel.store.port import DropEntry, DropResource, Entry, PutEntry, PutResource, Store

_STOPS: Final = "deployment-stops"
_PAGE = 200


class StoredRecords:
    """See `ports.Records`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def clear(self, deployment: ResourceId) -> None:
        """See `ports.Records.clear`."""
        while rows := (await self._store.page(f"{deployment.key}/operations", limit=_PAGE)).rows:
            await self._store.commit(*(DropResource(row.key, row.type) for row in rows))

    async def write(self, record: Resource) -> None:
        """See `ports.Records.write`."""
        await self._store.commit(PutResource(row_of(record)))

    async def list(self, deployment: ResourceId) -> Sequence[Resource]:
        """See `ports.Records.list`."""
        found: list[Resource] = []
        after = ""
        while True:
            page = await self._store.page(f"{deployment.key}/operations", after=after, limit=_PAGE)
            found.extend(resource_of(row) for row in page.rows)
            if page.next is None:
                return sorted(found, key=lambda record: record.system.created_at)
            after = page.next

    async def ask_to_stop(self, run: str) -> None:
        """See `ports.Records.ask_to_stop`."""
        await self._store.commit(PutEntry(_STOPS, Entry(run, clock.new_tag(), b"{}")))

    async def is_asked_to_stop(self, run: str) -> bool:
        """See `ports.Records.is_asked_to_stop`."""
        return await self._store.entry(_STOPS, run) is not None

    async def forget_stop(self, run: str) -> None:
        """See `ports.Records.forget_stop`."""
        await self._store.commit(DropEntry(_STOPS, run))

"""The master key's rotation: a new file, everything wrapped anew, the old file erased; goes on behind a crash at any point."""

from __future__ import annotations

import asyncio
from pathlib import Path

from studiolo.app.home import Home
from studiolo.kernel.faults import NotFound
from studiolo.kernel.keys import KeyRing, Rotation
from studiolo.kernel.store.sqlite import SqliteStore
from studiolo.rooms.keys import SharesFolder


def rotate_master(home: Home, database: Path) -> None:
    """Give a home that no server uses a new master key.

    Raises:
        Conflict: a server uses the home (code `HomeInUse`).
        NotFound: there is no database to wrap anew (code `NoStudio`), or its key is missing.
    """
    if not database.exists():
        raise NotFound(f"There is no studio's database at '{database}'.", code="NoStudio")
    with home.hold():
        home.prepare(database)
        home.renew_master_key()
        asyncio.run(_rewrap(home, database))


async def _rewrap(home: Home, database: Path) -> None:
    store = SqliteStore(database)
    try:
        ring = KeyRing(store, home.master_key(), previous=home.previous_master_key(), shares=SharesFolder(home.shares))
        await finish(ring, home)
    finally:
        await store.close()


async def finish(ring: KeyRing, home: Home) -> None:
    """Go on with changes of keys that were begun, those of the master key first."""
    rotation = Rotation(ring)
    if home.previous_master_key() is not None:
        await rotation.rewrap_master()
        home.end_renewal()
    await rotation.recover()

"""Writes blobs until it is killed, and says what was acknowledged. Run as `python victim.py HOME ROUND`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from studiolo.kernel.ids import parse
from studiolo.kernel.keys import KeyRing
from studiolo.kernel.store.sqlite import SqliteStore
from studiolo.rooms.blobs import Storage, open_objects
from studiolo.rooms.blobs.domain.blob import Etagged
from studiolo.rooms.blobs.service.blobs import Check, Facts, Terms
from studiolo.rooms.blobs.service.blocks import Asked
from studiolo.rooms.blobs.service.pieces import Body

ACCOUNT = parse("/subscriptions/s1/resourceGroups/rg1/providers/Microsoft.Storage/storageAccounts/hubsa")
MASTER_KEY = bytes(range(32))
SIZES = (10, 5_000, 20_000, 200_000, 1_500_000)
NAMES = 6


def body_of(name: str, turn: int) -> bytes:
    """What turn number `turn` writes under a name."""
    seed = f"{name}:{turn}|".encode()
    size = SIZES[turn % len(SIZES)]
    return (seed * (size // len(seed) + 1))[:size]


async def open_storage(home: Path) -> tuple[SqliteStore, Storage]:
    store = SqliteStore(home / "studiolo.db")
    storage = Storage(store, open_objects(home / "objects"), KeyRing(store, MASTER_KEY))
    await storage.start()
    await storage.ensure_account(ACCOUNT)
    await storage.ensure(ACCOUNT, "box")
    return store, storage


def arriving(data: bytes) -> Body:
    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(data), 60_000):
            yield data[at : at + 60_000]
            await asyncio.sleep(0)  # noqa: TID251 - lets others in, as a socket would

    return Body(chunks(), len(data))


async def allowed(found: Etagged) -> None:
    """Lets everybody keep blocks."""
    del found


async def write(storage: Storage, name: str, turn: int) -> None:
    account = await storage.accounts.get(ACCOUNT)
    box = await storage.containers.get(account, "box")
    data = body_of(name, turn)
    if turn % 3 == 2:
        third = len(data) // 3
        for n, part in enumerate((data[:third], data[third : 2 * third], data[2 * third :])):
            await storage.blocks.stage(box, name, f"YjE{n}", arriving(part), Check())
        await storage.blocks.commit(box, name, [Asked("Latest", f"YjE{n}") for n in range(3)], Facts(), Terms(), allowed)
    else:
        await storage.blobs.put(box, name, arriving(data), Facts(), Terms(), Check())


async def main(home: Path, first: int) -> None:
    _, storage = await open_storage(home)

    async def keep_writing(name: str) -> None:
        turn = first
        while True:
            sys.stdout.write(f"begin {name} {turn}\n")
            sys.stdout.flush()
            await write(storage, name, turn)
            sys.stdout.write(f"done {name} {turn}\n")
            sys.stdout.flush()
            turn += 1

    await asyncio.gather(*(keep_writing(f"n{n}") for n in range(NAMES)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))

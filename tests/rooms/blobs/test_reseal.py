"""After a key got a new generation: what older ones sealed opens, is sealed anew in the background, and then they are gone."""

import asyncio
import os
from pathlib import Path

import pytest

from studiolo.kernel.faults import Fault
from studiolo.kernel.keys import KeyRing, Rotation
from studiolo.kernel.store.sqlite import SqliteStore
from studiolo.rooms.blobs import Storage, open_objects
from studiolo.rooms.blobs.domain.blob import Container
from studiolo.rooms.blobs.service.blobs import Check, Facts, Terms
from studiolo.rooms.blobs.service.blocks import Asked
from tests.rooms.blobs import victim

OWNER = "account/hubsa"


class Open:
    """A storage with its key ring."""

    def __init__(self, home: Path) -> None:
        self.store = SqliteStore(home / "studiolo.db")
        self.ring = KeyRing(self.store, victim.MASTER_KEY)
        self.rotation = Rotation(self.ring)
        self.storage = Storage(self.store, open_objects(home / "objects"), self.ring)

    async def start(self) -> Container:
        await self.storage.start()
        await self.storage.ensure_account(victim.ACCOUNT)
        await self.storage.ensure(victim.ACCOUNT, "box")
        return await self.box()

    async def box(self) -> Container:
        return await self.storage.containers.get(await self.storage.accounts.get(victim.ACCOUNT), "box")

    async def put(self, name: str, data: bytes) -> str:
        return (await self.storage.blobs.put(await self.box(), name, victim.arriving(data), Facts(), Terms(), Check())).etag

    async def blocks(self, name: str, *parts: bytes) -> None:
        box = await self.box()
        ids = [f"YjE{n}" for n in range(len(parts))]
        for block, part in zip(ids, parts, strict=True):
            await self.storage.blocks.stage(box, name, block, victim.arriving(part), Check())
        await self.storage.blocks.commit(box, name, [Asked("Latest", block) for block in ids], Facts(), Terms(), victim.allowed)

    async def stop(self) -> None:
        await self.storage.stop()
        await self.store.close()


async def silent(seen: int) -> None:
    del seen


async def test_everything_is_sealed_anew_under_the_same_names_and_tags(tmp_path: Path) -> None:
    studio = Open(tmp_path)
    box = await studio.start()
    big = os.urandom(2_500_000)
    tags = {name: await studio.put(name, data) for name, data in (("empty", b""), ("small", b"canary"), ("big", big))}
    await studio.blocks("blocks", b"one", big, b"three")
    await studio.blocks("many", *[bytes([n]) * 70_000 for n in range(10)])
    await studio.storage.blocks.stage(box, "staged", "YjE0", victim.arriving(b"later"), Check())
    keys_before = (await studio.storage.accounts.secrets(await studio.storage.accounts.get(victim.ACCOUNT))).key1
    assert await studio.rotation.rotate(OWNER) == 2
    assert await studio.storage.anew.count(OWNER, 2) == (6, 6)
    assert await studio.storage.blobs.whole(box, "big") == big
    seen: list[int] = []

    async def told(count: int) -> None:
        seen.append(count)

    assert await studio.storage.anew.seal(OWNER, 2, told)
    assert max(seen) == 6
    assert await studio.storage.anew.count(OWNER, 2) == (6, 0)
    await studio.rotation.retire(OWNER)
    assert list((await studio.ring.keys(OWNER)).older) == []
    for name, data in (("empty", b""), ("small", b"canary"), ("big", big), ("blocks", b"one" + big + b"three")):
        assert await studio.storage.blobs.whole(box, name) == data
    assert {name: (await studio.storage.blobs.get(box, name)).etag for name in tags} == tags
    await studio.storage.blocks.commit(box, "staged", [Asked("Uncommitted", "YjE0")], Facts(), Terms(), victim.allowed)
    assert await studio.storage.blobs.whole(box, "staged") == b"later"
    assert (await studio.storage.accounts.secrets(await studio.storage.accounts.get(victim.ACCOUNT))).key1 == keys_before
    await studio.storage.loose.settle()
    assert len([path for path in (tmp_path / "objects").rglob("*") if path.is_file()]) == 1 + 1 + 10
    await studio.stop()


async def test_writers_and_readers_go_on_and_win(tmp_path: Path) -> None:
    studio = Open(tmp_path)
    box = await studio.start()
    for n in range(30):
        await studio.put(f"n{n}", os.urandom(40_000))
    await studio.rotation.rotate(OWNER)
    last: dict[str, bytes] = {}
    done = asyncio.Event()

    async def write(name: str) -> None:
        turn = 0
        while not done.is_set():
            turn += 1
            data = f"{name}:{turn}".encode() * (1 + turn % 3 * 9_000)
            await studio.put(name, data)
            last[name] = data
            assert await studio.storage.blobs.whole(box, name) == data
            await studio.storage.blobs.update(box, name, Terms(), lambda blob: blob)
            await asyncio.sleep(0)  # noqa: TID251 - lets others in

    writers = [asyncio.create_task(write(f"n{n}")) for n in range(5)]
    assert await studio.storage.anew.seal(OWNER, 2, silent)
    await studio.rotation.retire(OWNER)
    done.set()
    await asyncio.gather(*writers)
    for n in range(30):
        data = await studio.storage.blobs.whole(box, f"n{n}")
        assert data == last.get(f"n{n}", data)
    await studio.storage.loose.settle()
    assert len([path for path in (tmp_path / "objects").rglob("*") if path.is_file()]) <= 30
    await studio.stop()


async def test_a_write_that_began_before_the_rotation_keeps_its_key(tmp_path: Path) -> None:
    studio = Open(tmp_path)
    box = await studio.start()
    go_on = asyncio.Event()

    async def slow():  # noqa: ANN202 - an async generator of bytes
        yield bytes(60_000)
        await go_on.wait()
        yield bytes(60_000)

    body = victim.arriving(b"")._replace(chunks=slow(), size=120_000)
    writing = asyncio.create_task(studio.storage.blobs.put(box, "slow", body, Facts(), Terms(), Check()))
    while not studio.storage.blobs.pieces.in_use(OWNER, 2):  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0)  # noqa: TID251 - until the write has begun
    await studio.rotation.rotate(OWNER)
    sealing = asyncio.create_task(studio.storage.anew.seal(OWNER, 2, silent))
    await asyncio.sleep(0.3)  # noqa: TID251 - it must not end in this time
    assert not sealing.done()
    go_on.set()
    await writing
    del writing, body
    assert await sealing
    await studio.rotation.retire(OWNER)
    assert await studio.storage.blobs.whole(box, "slow") == bytes(120_000)
    await studio.stop()


async def test_a_key_that_goes_ends_a_long_download(tmp_path: Path) -> None:
    studio = Open(tmp_path)
    box = await studio.start()
    data = os.urandom(5_000_000)
    await studio.put("a", data)
    body = await studio.storage.blobs.read(box, "a", await studio.storage.blobs.get(box, "a"), 0, len(data))
    assert not isinstance(body, bytes)
    await anext(body)
    await studio.ring.shred(OWNER)
    with pytest.raises(Fault) as refused:
        [part async for part in body]
    assert refused.value.code == "KeyDestroyed"
    await studio.stop()


async def test_sealed_keys_of_accounts_that_were_swapped_or_cut_are_told_and_the_others_open(tmp_path: Path) -> None:
    import json

    from studiolo.kernel.ids import parse
    from studiolo.kernel.store.port import Entry, PutEntry
    from studiolo.rooms.blobs.service.accounts import SPACE

    studio = Open(tmp_path)
    await studio.start()
    other = parse(f"{victim.ACCOUNT.text}2")
    await studio.storage.ensure_account(other)
    one, two = await studio.store.entry(SPACE, "hubsa"), await studio.store.entry(SPACE, "hubsa2")
    assert one is not None
    assert two is not None
    mine, theirs = json.loads(one.doc), json.loads(two.doc)
    kept = await studio.storage.accounts.secrets(await studio.storage.accounts.get(other))
    for sealed in (theirs["sealed"], mine["sealed"][:-8], mine["sealed"][:8] + theirs["sealed"][8:], ""):
        await studio.store.commit(PutEntry(SPACE, Entry("hubsa", "t", json.dumps({**mine, "sealed": sealed}).encode())))
        with pytest.raises(Fault) as refused:
            await studio.storage.accounts.secrets(await studio.storage.accounts.get(victim.ACCOUNT))
        assert refused.value.code == "SecretDamaged"
        assert await studio.storage.accounts.secrets(await studio.storage.accounts.get(other)) == kept
    await studio.stop()

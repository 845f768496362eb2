"""The key ring: keys by owner, wrapped up to the master key, gone when destroyed."""

from pathlib import Path

import pytest

from studiolo.kernel.faults import Fault
from studiolo.kernel.keys import SPACE, KeyRing
from studiolo.kernel.store.port import Entry, PutEntry
from studiolo.kernel.store.sqlite import SqliteStore

MASTER = bytes(range(32))
ACCOUNT, PROJECT, OTHER = "account/hubsa", "account/hubsa/project/one", "account/hubsa/project/two"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


async def test_a_key_is_made_once_and_found_again_after_a_restart(path: Path) -> None:
    store = SqliteStore(path)
    ring = KeyRing(store, MASTER)
    key = await ring.data_key(PROJECT, ACCOUNT)
    assert len(key) == 32
    assert await ring.data_key(PROJECT, ACCOUNT) == key
    assert await ring.data_key(OTHER, ACCOUNT) != key
    assert await KeyRing(store, MASTER).data_key(PROJECT) == key
    await store.close()


async def test_two_that_ask_at_once_get_one_key(path: Path) -> None:
    store = SqliteStore(path)
    one, two = KeyRing(store, MASTER), KeyRing(store, MASTER)
    import asyncio

    first, second = await asyncio.gather(one.data_key(PROJECT, ACCOUNT), two.data_key(PROJECT, ACCOUNT))
    assert first == second
    await store.close()


async def test_no_key_lies_in_the_store_in_clear(path: Path) -> None:
    store = SqliteStore(path)
    key = await KeyRing(store, MASTER).data_key(PROJECT, ACCOUNT)
    await store.close()
    raw = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert key not in raw
    assert MASTER not in raw


async def test_another_master_key_opens_nothing(path: Path) -> None:
    store = SqliteStore(path)
    await KeyRing(store, MASTER).data_key(PROJECT, ACCOUNT)
    with pytest.raises(Fault) as refused:
        await KeyRing(store, bytes(32)).data_key(PROJECT, ACCOUNT)
    assert refused.value.code == "KeyRingDamaged"
    await store.close()


async def test_swapped_and_changed_rows_are_seen(path: Path) -> None:
    store = SqliteStore(path)
    ring = KeyRing(store, MASTER)
    await ring.data_key(PROJECT, ACCOUNT)
    await ring.data_key(OTHER, ACCOUNT)
    one, two = await store.entry(SPACE, PROJECT), await store.entry(SPACE, OTHER)
    assert one is not None
    assert two is not None
    for doc in (two.doc, one.doc.replace(b'"parent":"account/hubsa"', b'"parent":null'), one.doc[:-10] + b"AAAAAAA" + one.doc[-3:]):
        await store.commit(PutEntry(SPACE, Entry(PROJECT, "t", doc)))
        with pytest.raises(Fault) as refused:
            await KeyRing(store, MASTER).data_key(PROJECT)
        assert refused.value.code == "KeyRingDamaged"
    await store.close()


async def test_a_destroyed_owner_takes_all_below_along(path: Path) -> None:
    store = SqliteStore(path)
    ring = KeyRing(store, MASTER)
    before = {owner: await ring.data_key(owner, ACCOUNT) for owner in (PROJECT, OTHER)}
    kept = await ring.data_key("account/hubsab")
    sealed = await ring.seal(PROJECT, b"canary")
    await ring.destroy(ACCOUNT)
    with pytest.raises(Fault):
        await ring.open(PROJECT, sealed)
    for owner, key in before.items():
        assert await ring.data_key(owner, ACCOUNT) != key
    assert await ring.data_key("account/hubsab") == kept
    with pytest.raises(Fault):
        await ring.open(PROJECT, sealed)
    await store.close()


async def test_a_secret_opens_in_its_place_only(path: Path) -> None:
    store = SqliteStore(path)
    ring = KeyRing(store, MASTER)
    sealed = await ring.seal(PROJECT, b"canary", b"name/1", parent=ACCOUNT)
    again = await ring.seal(PROJECT, b"canary", b"name/1")
    assert sealed != again
    assert b"canary" not in sealed
    assert await ring.open(PROJECT, sealed, b"name/1") == b"canary"
    await ring.data_key(OTHER, ACCOUNT)
    for owner, raw, aad in (
        (PROJECT, sealed, b"name/2"),
        (OTHER, sealed, b"name/1"),
        (PROJECT, sealed[:-1], b"name/1"),
        (PROJECT, sealed[:20] + bytes([sealed[20] ^ 1]) + sealed[21:], b"name/1"),
        (PROJECT, b"", b"name/1"),
        ("account/nobody", sealed, b"name/1"),
    ):
        with pytest.raises(Fault) as refused:
            await ring.open(owner, raw, aad)
        assert refused.value.code == "SecretDamaged"
    await store.close()


async def test_a_child_lies_below_its_parent(path: Path) -> None:
    store = SqliteStore(path)
    with pytest.raises(ValueError, match="not below"):
        await KeyRing(store, MASTER).data_key("project/one", ACCOUNT)
    with pytest.raises(ValueError, match="32 bytes"):
        KeyRing(store, b"short")
    await store.close()

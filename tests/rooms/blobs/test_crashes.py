"""Whatever ends the process: what was acknowledged is there, and nobody's objects are left behind."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobBlock

from studiolo.kernel.faults import Invalid, NotFound, Stale
from studiolo.rooms.blobs.service.blobs import Check, Facts, Terms
from studiolo.rooms.blobs.service.turns import Turn, Turns
from tests.rooms.blobs import victim
from tests.rooms.blobs.studio import Studio
from tests.rooms.blobs.wire import code_of

ROUNDS = 6


def objects_in(home: Path) -> set[Path]:
    return {path for path in (home / "objects").rglob("*") if path.is_file()}


async def settled(storage: victim.Storage) -> None:
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() in ("blobs-names", "blobs-expiry")))
    await storage.purge.settle()
    await storage.loose.settle()


def until_killed(home: Path, turn: int, acknowledged: int, said: dict[str, dict[str, int]]) -> None:
    """Let a process write, and kill it when it has acknowledged so many writes; add up what it said."""
    command = [sys.executable, victim.__file__, str(home), str(turn)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:  # goes on behind the kill, with what was said before
            word, name, number = line.split()
            said[word][name] = int(number)
            acknowledged -= word == "done"
            if acknowledged == 0:
                process.send_signal(signal.SIGKILL)


async def check(home: Path, said: dict[str, dict[str, int]]) -> None:
    """What was acknowledged is there, and every object on disk is one that somebody refers to."""
    store, storage = await victim.open_storage(home)
    for name, last in said["done"].items():
        found = await storage.read_all(victim.ACCOUNT, "box", name)
        assert found in [victim.body_of(name, turn) for turn in range(last, said["begin"][name] + 1)], name
    await storage.loose.swept()
    await settled(storage)
    box = await storage.containers.get(await storage.accounts.get(victim.ACCOUNT), "box")
    referenced: set[str] = set()
    for name in said["begin"]:
        try:
            lists = await storage.blocks.list(box, name)
        except NotFound:
            continue
        pieces = (await storage.blobs.index.parts(lists.found.blob))[0] if lists.found else ()
        referenced |= {piece.ref for piece in [*pieces, *lists.staged] if piece.is_object}
    assert {path.name for path in objects_in(home)} == referenced
    await storage.stop()
    await store.close()


@pytest.mark.recovery
def test_what_was_acknowledged_survives_a_kill_and_nothing_else_is_left(tmp_path: Path) -> None:
    said: dict[str, dict[str, int]] = {"begin": {}, "done": {}}
    turn = 0
    for n in range(ROUNDS):
        until_killed(tmp_path, turn, 15 + 11 * n, said)
        turn = max(said["begin"].values()) + 1
        asyncio.run(check(tmp_path, said))


async def test_an_object_that_was_never_published_is_swept_at_the_next_start(tmp_path: Path) -> None:
    store, storage = await victim.open_storage(tmp_path)
    await victim.write(storage, "kept", 3)
    account = await storage.accounts.get(victim.ACCOUNT)
    box = await storage.containers.get(account, "box")
    from studiolo.rooms.blobs.service.pieces import Sums

    kept = objects_in(tmp_path)
    for n in range(3):
        await storage.blobs.pieces.write(box, f"lost{n}", victim.arriving(bytes(100_000)), Sums(md5=False))
    assert len(objects_in(tmp_path)) == len(kept) + 3
    second = victim.Storage(store, victim.open_objects(tmp_path / "objects"), victim.KeyRing(store, victim.MASTER_KEY))
    await second.start()
    await second.loose.swept()
    assert objects_in(tmp_path) == kept
    assert await second.read_all(victim.ACCOUNT, "box", "kept") == victim.body_of("kept", 3)
    await second.stop()
    await storage.stop()
    await store.close()


async def test_a_container_whose_removal_was_cut_short_is_emptied_at_the_next_start(tmp_path: Path) -> None:
    store, storage = await victim.open_storage(tmp_path)
    for n in range(250):
        await storage.write_all(victim.ACCOUNT, "box", f"b{n:03}", bytes(10) if n % 5 else bytes(20_000))
    await storage.drop(victim.ACCOUNT, "box")
    await storage.purge.stop()
    second = victim.Storage(store, victim.open_objects(tmp_path / "objects"), victim.KeyRing(store, victim.MASTER_KEY))
    await second.start()
    await second.purge.settle()
    await second.loose.settle()
    await storage.loose.settle()
    assert objects_in(tmp_path) == set()
    await second.stop()
    await storage.stop()
    await store.close()
    with sqlite3.connect(tmp_path / "studiolo.db") as connection:
        assert connection.execute("select count(*) from payloads").fetchone() == (0,)
        assert connection.execute("select count(*) from entries where space like 'blobs/in/%' or space = 'blobs/dropped'").fetchone() == (
            0,
        )
    connection.close()


# ── storage that somebody has tampered with ──────────────────────────────────────────────────────────────────────────


def is_damaged(studio: Studio, container: str, name: str, offset: int | None = None, length: int | None = None) -> bool:
    try:
        studio.container(container).download_blob(name, offset, length).readall()
    except HttpResponseError as error:
        return code_of(error) == "BlobDamaged"
    return False


def test_changed_swapped_and_missing_objects_are_seen(own_studio: Studio) -> None:
    box = own_studio.service().create_container("box")
    box.upload_blob("a", os.urandom(200_000))
    [first] = own_studio.files()
    box.upload_blob("b", os.urandom(200_000))
    [second] = set(own_studio.files()) - {first}
    one, two = first.read_bytes(), second.read_bytes()
    changed = bytearray(one)
    changed[150_000] ^= 1
    first.write_bytes(changed)
    assert is_damaged(own_studio, "box", "a")
    assert is_damaged(own_studio, "box", "a", 140_000, 20_000)
    assert not is_damaged(own_studio, "box", "a", 0, 10)  # another chunk, untouched
    first.write_bytes(two)
    assert is_damaged(own_studio, "box", "a")
    first.write_bytes(one[:100_000])
    assert is_damaged(own_studio, "box", "a", 150_000, 10)
    first.unlink()
    assert is_damaged(own_studio, "box", "a")
    assert not is_damaged(own_studio, "box", "b")


def test_rows_that_were_swapped_or_rolled_back_are_seen(own_studio: Studio) -> None:
    box = own_studio.service().create_container("box")
    for name in ("a", "b"):
        box.upload_blob(name, name.encode() * 100)
    blob = box.get_blob_client("blocks")
    for name in ("b1", "b2", "b3"):
        blob.stage_block(name, name.encode() * 100)
    blob.commit_block_list([BlobBlock(name) for name in ("b1", "b2", "b3")])

    def change(sql: str, *arguments: object) -> None:
        with sqlite3.connect(own_studio.home / "studiolo.db", timeout=20) as connection:
            assert connection.execute(sql, arguments).rowcount > 0
        connection.close()

    def doc(name: str) -> bytes:
        with sqlite3.connect(own_studio.home / "studiolo.db") as connection:
            [found] = connection.execute("select doc from entries where space like 'blobs/in/%' and key = ?", (name,)).fetchone()
        connection.close()
        return found

    one, two, blocks = doc("a"), doc("b"), doc("blocks")
    put = "update entries set doc = ? where space like 'blobs/in/%' and key = ?"
    change(put, two, "a")
    assert is_damaged(own_studio, "box", "a")
    change(put, one, "a")
    assert not is_damaged(own_studio, "box", "a")
    import json

    cut = json.loads(blocks)
    at = next(n for n, value in enumerate(cut) if isinstance(value, list) and value and isinstance(value[0], list))
    for pieces, size in ((cut[at][:2], 400), (cut[at][::-1], 600), (cut[at][:1], 200)):
        change(put, json.dumps([size, *cut[1:at], pieces, *cut[at + 1 :]]).encode(), "blocks")
        assert is_damaged(own_studio, "box", "blocks")
    stripped = [200, *cut[1:at], [[*cut[at][0][:2], ""]], *cut[at + 1 :]]
    stripped = ["" if isinstance(value, str) and len(value) == 32 else value for value in stripped]
    change(put, json.dumps(stripped).encode(), "blocks")
    assert is_damaged(own_studio, "box", "blocks")
    change(put, blocks, "blocks")
    assert not is_damaged(own_studio, "box", "blocks")
    box.upload_blob("a", b"newer", overwrite=True)
    change(put, one, "a")
    assert is_damaged(own_studio, "box", "a")


async def test_a_write_that_the_store_refuses_leaves_no_object(tmp_path: Path) -> None:
    from studiolo.rooms.blobs.domain.conditions import Conditions

    store, storage = await victim.open_storage(tmp_path)
    account = await storage.accounts.get(victim.ACCOUNT)
    box = await storage.containers.get(account, "box")
    await storage.blobs.put(box, "a", victim.arriving(b"x"), Facts(), Terms(), Check())
    with pytest.raises(Stale):
        await storage.blobs.put(box, "a", victim.arriving(bytes(90_000)), Facts(), Terms(Conditions(match=("0x1",))), Check())
    await storage.loose.settle()
    assert objects_in(tmp_path) == set()
    await storage.stop()
    await store.close()


@pytest.mark.parametrize(("announced", "sent"), [(10, 9), (10, 11), (100_000, 99_999), (100_000, 100_001), (3_000_000, 2_000_000)])
async def test_a_body_of_another_length_than_announced_is_refused_and_leaves_nothing(tmp_path: Path, announced: int, sent: int) -> None:
    store, storage = await victim.open_storage(tmp_path)
    box = await storage.containers.get(await storage.accounts.get(victim.ACCOUNT), "box")
    body = victim.arriving(bytes(sent))._replace(size=announced)
    with pytest.raises(Invalid) as refused:
        await storage.blobs.put(box, "a", body, Facts(), Terms(), Check())
    assert refused.value.code == "IncompleteBody"
    assert await storage.blobs.find(box, "a") is None
    await storage.loose.settle()
    assert objects_in(tmp_path) == set()
    await storage.stop()
    await store.close()


async def test_a_reader_keeps_what_it_reads_until_it_is_done(tmp_path: Path) -> None:
    store, storage = await victim.open_storage(tmp_path)
    box = await storage.containers.get(await storage.accounts.get(victim.ACCOUNT), "box")
    data = os.urandom(5_000_000)
    found = await storage.blobs.put(box, "a", victim.arriving(data), Facts(), Terms(), Check())
    body = await storage.blobs.read(box, "a", found, 0, len(data))
    assert not isinstance(body, bytes)
    first = bytes(await anext(body))
    await storage.blobs.delete(box, "a", Terms())
    await storage.loose.settle()
    assert first + b"".join([bytes(part) async for part in body]) == data
    await storage.loose.settle()
    assert objects_in(tmp_path) == set()
    await storage.stop()
    await store.close()


async def test_a_refusal_that_rests_on_a_write_which_failed_is_looked_at_again() -> None:
    turns = Turns()
    seen: list[Turn | None] = []

    def take(ends_with: Exception | None) -> None:
        with turns.take("c", "a", None):
            seen.append(turns.newest("c", "a"))
            if ends_with is not None:
                raise ends_with

    with pytest.raises(Stale):
        take(Stale("somebody else was quicker"))
    take(None)
    assert [await turn.is_durable() for turn in seen if turn is not None] == [False, True]
    assert turns.newest("c", "a") is None

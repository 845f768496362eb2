"""Many writers on one blob: every answer is true, and nothing is left over."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError
from azure.storage.blob import BlobBlock

from tests.rooms.blobs.studio import Client, Studio

WRITERS = 12


@pytest.mark.parametrize("size", [100, 40_000])
def test_of_many_who_create_one_wins(studio: Studio, container: Client, size: int) -> None:
    before = len(studio.files())
    bodies = [bytes([n]) * size for n in range(WRITERS)]

    def create(body: bytes) -> str | None:
        try:
            return container.get_blob_client("a").upload_blob(body)["etag"]
        except ResourceExistsError:
            return None

    with ThreadPoolExecutor(WRITERS) as pool:
        won = [etag for etag in pool.map(create, bodies) if etag]
    assert len(won) == 1
    found = container.download_blob("a")
    assert found.readall() in bodies
    assert found.properties.etag == won[0]
    assert len(studio.files()) == before + (size > 16 << 10)


def test_counting_up_with_etags_loses_no_step(container: Client) -> None:
    blob = container.get_blob_client("n")
    blob.upload_blob(b"0")

    def step(_: int) -> None:
        while True:
            found = blob.download_blob()
            try:
                blob.upload_blob(
                    str(int(found.readall()) + 1), overwrite=True, etag=found.properties.etag, match_condition=MatchConditions.IfNotModified
                )
            except ResourceModifiedError:
                continue
            return

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(step, range(30)))
    assert blob.download_blob().readall() == b"30"


def test_overwrites_without_conditions_all_succeed_and_leave_one_object(studio: Studio, container: Client) -> None:
    before = len(studio.files())
    blob = container.get_blob_client("a")
    bodies = [bytes([n]) * (20_000 if n % 2 else 200) for n in range(24)]

    def overwrite(body: bytes) -> str:
        return blob.upload_blob(body, overwrite=True)["etag"]

    with ThreadPoolExecutor(8) as pool:
        etags = list(pool.map(overwrite, bodies))
    assert len(set(etags)) == len(etags)
    found = blob.download_blob()
    assert found.readall() in bodies
    assert found.properties.etag in etags
    assert len(studio.files()) - before in (0, 1)


def test_a_reader_sees_one_state_while_writers_write(container: Client) -> None:
    blob = container.get_blob_client("a")
    bodies = [bytes([n]) * (2_000_000 + n) for n in range(6)]
    blob.upload_blob(bodies[0])

    def read(_: int) -> bool:
        return b"".join(blob.download_blob().chunks()) in bodies

    with ThreadPoolExecutor(8) as pool:
        writing = [pool.submit(blob.upload_blob, body, overwrite=True) for body in bodies]
        assert all(pool.map(read, range(12)))
        for one in writing:
            one.result()


def test_readers_of_a_blob_of_many_blocks_see_one_state(studio: Studio, container: Client) -> None:
    blob = container.get_blob_client("a")
    states: list[bytes] = []
    names: list[str] = []
    for n in range(2):
        parts = {f"{n}-{at}": os.urandom(300_000) for at in range(6)}
        for name, data in parts.items():
            blob.stage_block(name, data)
        if n == 0:
            blob.commit_block_list([BlobBlock(name) for name in parts])
        states.append(b"".join(parts.values()))
        names = list(parts)

    def read(_: int) -> bool:
        return blob.download_blob().readall() in states

    with ThreadPoolExecutor(6) as pool:
        reading = [pool.submit(read, n) for n in range(8)]
        blob.commit_block_list([BlobBlock(name) for name in names])
        assert all(one.result() for one in reading)
    assert blob.download_blob().readall() == states[1]
    assert studio.files()

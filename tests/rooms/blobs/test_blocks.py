"""Blocks: staged, listed, committed, dropped."""

import os
from base64 import b64encode

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobBlock

from tests.rooms.blobs.studio import Client, Studio
from tests.rooms.blobs.wire import Reply, ask, code_of


def ids(blocks: list[BlobBlock]) -> list[str]:
    return [block.id for block in blocks]


def commit(studio: Studio, blob: Client, **blocks: str) -> Reply:
    """A list with a block of each kind, in the order given."""
    lines = "".join(f"<{kind.title()}>{b64encode(name.encode()).decode()}</{kind.title()}>" for kind, name in blocks.items())
    body = f"<BlockList>{lines}</BlockList>".encode()
    return ask(studio, "PUT", f"/{blob.container_name}/{blob.blob_name}?comp=blocklist", {"content-length": str(len(body))}, body)


def stage(blob: Client, **blocks: bytes) -> None:
    for name, data in blocks.items():
        blob.stage_block(name, data)


def test_blocks_become_a_blob_in_the_order_of_the_list(container: Client) -> None:
    parts = {f"b{n}": os.urandom(size) for n, size in enumerate((10, 100_000, 16 << 10, 1_500_000))}
    blob = container.get_blob_client("a")
    stage(blob, **parts)
    assert not blob.exists()
    assert list(container.list_blobs()) == []
    assert [found.name for found in container.list_blobs(include=["uncommittedblobs"])] == ["a"]
    committed, staged = blob.get_block_list("all")
    assert (ids(committed), ids(staged)) == ([], ["b0", "b1", "b2", "b3"])
    order = ["b3", "b0", "b2", "b1"]
    blob.commit_block_list([BlobBlock(name) for name in order], metadata={"m": "1"})
    whole = b"".join(parts[name] for name in order)
    assert blob.download_blob().readall() == whole
    for offset, length in ((0, 5), (1_499_998, 20), (1_500_005, 20_000), (len(whole) - 3, 3)):
        assert blob.download_blob(offset, length).readall() == whole[offset : offset + length]
    committed, staged = blob.get_block_list("all")
    assert (ids(committed), ids(staged)) == (order, [])
    assert [block.size for block in committed] == [len(parts[name]) for name in order]
    assert blob.get_blob_properties().metadata == {"m": "1"}


def test_a_list_can_keep_committed_blocks_and_take_newer_ones(studio: Studio, container: Client) -> None:
    blob = container.get_blob_client("a")
    before = len(studio.files())
    big = {name: os.urandom(30_000) for name in ("x1", "x2", "x3")}
    stage(blob, **big)
    blob.commit_block_list([BlobBlock(name) for name in big])
    stage(blob, x2=b"new", x4=b"four")
    commit(studio, blob, Committed="x3", Latest="x2", Uncommitted="x4", latest="x1")
    assert blob.download_blob().readall() == big["x3"] + b"new" + b"four" + big["x1"]
    assert len(studio.files()) == before + 2
    for kind, name in (("Uncommitted", "x4"), ("Committed", "x9"), ("Latest", "x9")):
        reply = commit(studio, blob, **{kind: name})
        assert (reply.status, reply.code) == (400, "InvalidBlockList")
    blob.commit_block_list([])
    assert blob.download_blob().readall() == b""
    assert len(studio.files()) == before


def test_many_blocks_are_one_blob(container: Client) -> None:
    blob = container.get_blob_client("many")
    parts = {f"{n:04}": str(n).encode() for n in range(420)}
    stage(blob, **parts)
    blob.commit_block_list([BlobBlock(name) for name in parts])
    whole = b"".join(parts.values())
    assert blob.download_blob().readall() == whole
    assert blob.download_blob(900, 300).readall() == whole[900:1200]
    assert ids(blob.get_block_list("committed")[0]) == list(parts)
    stage(blob, **{"9999": b"more"})
    blob.commit_block_list([BlobBlock(name) for name in [*parts, "9999"]])
    assert blob.download_blob().readall() == whole + b"more"
    blob.upload_blob(b"one", overwrite=True)
    assert blob.download_blob().readall() == b"one"


def test_a_staged_block_replaces_its_namesake(studio: Studio, container: Client) -> None:
    blob = container.get_blob_client("a")
    before = len(studio.files())
    stage(blob, b1=os.urandom(40_000))
    stage(blob, b1=os.urandom(50_000))
    assert len(studio.files()) == before + 1
    assert [block.size for block in blob.get_block_list("uncommitted")[1]] == [50_000]


def test_a_put_ends_what_was_staged(studio: Studio, container: Client) -> None:
    blob = container.get_blob_client("a")
    before = len(studio.files())
    stage(blob, b1=os.urandom(40_000), b2=b"small")
    blob.upload_blob(b"whole")
    assert blob.get_block_list("all") == ([], [])
    assert len(studio.files()) == before


def test_blocks_of_other_blobs_are_not_in_the_way(container: Client) -> None:
    for name in ("a", "a b", "a/b", "ab", "a!"):
        stage(container.get_blob_client(name), b1=name.encode())
    for name in ("a", "a b", "a/b", "ab", "a!"):
        blob = container.get_blob_client(name)
        assert len(blob.get_block_list("uncommitted")[1]) == 1
        blob.commit_block_list([BlobBlock("b1")])
        assert blob.download_blob().readall() == name.encode()
    assert list(container.list_blobs(include=["uncommittedblobs"]))


def test_the_terms_of_a_commit_hold(container: Client) -> None:
    blob = container.get_blob_client("a")
    etag = blob.upload_blob(b"there")["etag"]
    with pytest.raises(ResourceExistsError):
        blob.upload_blob(iter([b"y" * 10]), overwrite=False)
    with pytest.raises(ResourceModifiedError):
        blob.upload_blob(iter([b"y" * 10]), overwrite=True, etag='"0x1"', match_condition=MatchConditions.IfNotModified)
    assert blob.download_blob().readall() == b"there"
    blob.upload_blob(iter([b"y" * 10]), overwrite=True, etag=etag, match_condition=MatchConditions.IfNotModified)
    assert blob.download_blob().readall() == b"y" * 10


def test_ids_of_different_lengths_are_refused(container: Client) -> None:
    blob = container.get_blob_client("a")
    stage(blob, b1=b"x")
    with pytest.raises(HttpResponseError) as refused:
        stage(blob, b1000=b"y")
    assert code_of(refused.value) == "InvalidBlobOrBlock"


def test_malformed_lists_and_ids_are_refused(studio: Studio, container: Client) -> None:
    target = f"/{container.container_name}/a"
    for body in (b"", b"nonsense", b"<BlockList><Other>x</Other></BlockList>", b"<Tags/>", b"<!DOCTYPE x><BlockList/>"):
        reply = ask(studio, "PUT", f"{target}?comp=blocklist", {"content-length": str(len(body))}, body)
        assert (reply.status, reply.code) == (400, "InvalidXmlDocument")
    long = b64encode(bytes(65)).decode()
    for block in ("", "%%%", "abc", long):
        reply = ask(studio, "PUT", f"{target}?comp=block&blockid={block}", {"content-length": "1"}, b"x")
        assert reply.status == 400, block
    assert ask(studio, "GET", f"{target}?comp=blocklist&blocklisttype=some").code == "InvalidQueryParameterValue"
    absent = container.get_blob_client("nothing")
    with pytest.raises(ResourceNotFoundError):
        absent.get_block_list("all")

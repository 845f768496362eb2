import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from studiolo.app.client import Client, Container, Refusal, parse_asset_uri
from studiolo.app.client.storage import PIECE_BYTES, read_upload
from studiolo.kernel.faults import Invalid, Unavailable
from tests.app.stand_in import StandIn, say, signed_in

STORE = "/subscriptions/sub/resourceGroups/studiolo/providers/Microsoft.MachineLearningServices/workspaces/p/datastores/d"
AWKWARD = ["a b.txt", "ü%2F.txt", "plus+and&#?.csv", "deep/er/x~y.bin", "q'uote\".txt"]


def ignore(_bytes: int) -> None: ...


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[tuple[StandIn, Client, Container]]:
    async with signed_in(tmp_path / "home") as (server, client):
        told = {"accountName": "acct", "containerName": "store", "endpoint": f"core.localhost:{server.port}", "protocol": "https"}
        server.on("GET", STORE, say({"properties": told}))
        server.on("POST", f"{STORE}/listSecrets", say({"secretsType": "Sas", "sasToken": "?sv=1&sig=a%2Bb%2Fc%3D"}))
        yield server, client, await Container.open(client, "p", "d")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "my tickets"
    for number, name in enumerate(AWKWARD):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(bytes([number]) * (number + 1))
    return made


async def test_a_folder_comes_back_as_it_was_sent(opened: tuple[StandIn, Client, Container], folder: Path, tmp_path: Path) -> None:
    server, _, container = opened
    moved: list[int] = []
    upload = read_upload(folder)
    await container.upload(upload, "LocalUpload/x", moved.append)
    assert set(server.blobs) == {f"LocalUpload/x/my tickets/{name}" for name in AWKWARD}
    assert sum(moved) == upload.size_bytes
    target = tmp_path / "target"
    prefix = "LocalUpload/x/my tickets/"
    found = await container.list(prefix)
    assert {blob.name for blob in found} == set(server.blobs)
    await container.download(found, prefix, target, ignore)
    assert {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()} == set(AWKWARD)
    assert all((target / name).read_bytes() == (folder / name).read_bytes() for name in AWKWARD)


async def test_a_large_file_goes_in_blocks_that_become_visible_together(opened: tuple[StandIn, Client, Container], tmp_path: Path) -> None:
    server, _, container = opened
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(2 * PIECE_BYTES + 5))
    await container.upload(read_upload(large), "x", ignore)
    assert server.blobs["x/large.bin"] == large.read_bytes()
    kinds = [request.query.get("comp") for request in server.seen if request.method == "PUT"]
    assert kinds == ["block", "block", "block", "blocklist"]


async def test_no_token_goes_to_storage(opened: tuple[StandIn, Client, Container], folder: Path) -> None:
    server, _, container = opened
    await container.upload(read_upload(folder), "x", ignore)
    assert all("authorization" not in request.headers for request in server.seen if request.method == "PUT")


async def test_a_refusal_of_storage_keeps_its_code_and_not_the_signature(opened: tuple[StandIn, Client, Container], folder: Path) -> None:
    server, client, _ = opened
    server.on("POST", f"{STORE}/listSecrets", say({"sasToken": "sv=1&sig=SECRET"}))
    container = await Container.open(client, "p", "d")
    with pytest.raises(Refusal) as refused:
        await container.upload(read_upload(folder), "x", ignore)
    assert refused.value.code == "AuthenticationFailed"
    assert refused.value.message == "The signature does not match."
    assert "SECRET" not in str(refused.value)


async def test_a_datastore_without_a_signature_is_told(opened: tuple[StandIn, Client, Container]) -> None:
    server, client, _ = opened
    server.on("POST", f"{STORE}/listSecrets", say({"secretsType": "None"}))
    with pytest.raises(Unavailable):
        await Container.open(client, "p", "d")


@pytest.mark.parametrize("name", ["../outside", "a/../../outside", "a//b", "a/./b", "a\\b"])
async def test_no_blobs_name_leads_out_of_the_folder(opened: tuple[StandIn, Client, Container], tmp_path: Path, name: str) -> None:
    server, _, container = opened
    server.blobs[f"data/{name}"] = b"gotcha"
    with pytest.raises(Invalid) as refused:
        await container.download(await container.list("data/"), "data", tmp_path / "deep" / "target", ignore)
    assert refused.value.code == "UnsafeName"
    assert not (tmp_path / "deep" / "outside").exists()
    assert not (tmp_path / "outside").exists()


async def test_a_file_appears_only_when_it_is_whole(opened: tuple[StandIn, Client, Container], tmp_path: Path) -> None:
    server, _, container = opened
    server.blobs = {"data/here": b"x", "data/gone": b"y"}
    listed = await container.list("data")
    del server.blobs["data/gone"]
    with pytest.raises(Refusal):
        await container.download(listed, "data", tmp_path / "target", ignore)
    assert [path.name for path in (tmp_path / "target").iterdir() if path.name != "here"] == []


def test_the_same_files_have_the_same_digest_and_others_another(folder: Path, tmp_path: Path) -> None:
    first = read_upload(folder).digest
    assert read_upload(folder).digest == first
    (folder / "a b.txt").write_bytes(b"changed")
    changed = read_upload(folder).digest
    (folder / "a b.txt").rename(folder / "renamed.txt")
    assert len({first, changed, read_upload(folder).digest}) == 3


def test_nothing_to_upload_is_told(tmp_path: Path) -> None:
    for source in (tmp_path / "missing", tmp_path):
        with pytest.raises(Invalid) as refused:
            read_upload(source)
        assert refused.value.code == "NothingToUpload"


@pytest.mark.parametrize("uri", ["https://elsewhere/x", "azureml://registries/r/models/m", "wasbs://x"])
def test_an_asset_outside_a_datastore_is_told(uri: str) -> None:
    with pytest.raises(Invalid):
        parse_asset_uri(uri)


def test_a_datastore_and_a_path_are_read_from_an_assets_address() -> None:
    long = "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/store/paths/a/b/"
    assert parse_asset_uri(long) == ("store", "a/b/")
    assert parse_asset_uri("azureml://datastores/store/paths/x") == ("store", "x")

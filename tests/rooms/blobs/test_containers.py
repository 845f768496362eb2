"""Containers and the service, as the unchanged client sees them."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import PartialBatchErrorException, PublicAccess, StandardBlobTier

from studiolo.kernel.resource import PLATFORM
from studiolo.wire.rates import Rate, Rates
from tests.rooms.blobs.studio import OWNER, PROJECT, READER, Client, Studio
from tests.rooms.blobs.wire import Reply, ask, code_of


def fresh() -> str:
    return f"box-{uuid4().hex[:10]}"


def test_a_container_is_made_shown_changed_and_removed(studio: Studio) -> None:
    box = studio.container(fresh())
    assert not box.exists()
    made = box.create_container(metadata={"purpose": "tests"})
    assert box.exists()
    shown = box.get_container_properties()
    assert (shown.etag, shown.last_modified) == (made["etag"], made["last_modified"])
    assert shown.metadata == {"purpose": "tests"}
    assert (shown.has_legal_hold, shown.has_immutability_policy) == (False, False)
    changed = box.set_container_metadata({"purpose": "more tests"})
    assert changed["etag"] != made["etag"]
    assert box.get_container_properties().metadata == {"purpose": "more tests"}
    with pytest.raises(ResourceExistsError) as refused:
        box.create_container()
    assert code_of(refused.value) == "ContainerAlreadyExists"
    with pytest.raises(ResourceModifiedError):
        box.delete_container(if_unmodified_since=made["last_modified"].replace(year=2020))
    box.delete_container()
    assert not box.exists()
    with pytest.raises(ResourceNotFoundError) as gone:
        box.delete_container()
    assert code_of(gone.value) == "ContainerNotFound"


def test_nothing_of_a_removed_container_shines_through_its_namesake(studio: Studio) -> None:
    before = len(studio.files())
    box = studio.container(fresh())
    box.create_container()
    for n in range(5):
        box.upload_blob(f"large-{n}", b"x" * 40_000)
        box.upload_blob(f"small-{n}", b"x")
    box.get_blob_client("staged").stage_block("b1", b"x" * 40_000)
    box.delete_container()
    box.create_container()
    assert list(box.list_blobs(include=["uncommittedblobs"])) == []
    assert not box.get_blob_client("small-1").exists()
    assert len(studio.files()) == before


def test_containers_are_listed_in_pages(studio: Studio) -> None:
    prefix = fresh()
    names = [f"{prefix}-{n:02}" for n in range(7)]
    for name in names:
        studio.container(name).create_container(metadata={"n": name[-2:]})
    service = studio.service()
    pages = [[found.name for found in page] for page in service.list_containers(name_starts_with=prefix, results_per_page=3).by_page()]
    assert pages == [names[:3], names[3:6], names[6:]]
    [last] = service.list_containers(name_starts_with=names[-1], include_metadata=True)
    assert last.metadata == {"n": "06"}


@pytest.mark.parametrize("name", ["ab", "a" * 64, "Upper", "two--hyphens", "-first", "last-", "under_score", "dot.ted"])
def test_a_name_that_no_container_can_have_is_refused(studio: Studio, name: str) -> None:
    reply = ask(studio, "PUT", f"/{name}?restype=container")
    assert (reply.status, reply.code) == (400, "InvalidResourceName")


def test_the_service_tells_what_it_is(studio: Studio, container: Client) -> None:
    service = studio.service()
    info = service.get_account_information()
    assert (info["account_kind"], info["sku_name"], info["is_hns_enabled"]) == ("StorageV2", "Standard_LRS", False)
    assert container.get_account_information()["account_kind"] == "StorageV2"
    assert container.get_blob_client("any").get_account_information()["account_kind"] == "StorageV2"
    properties = service.get_service_properties()
    assert not properties["analytics_logging"].delete
    assert not properties["delete_retention_policy"].enabled


def test_a_write_on_its_way_to_a_removed_container_leaves_nothing(studio: Studio) -> None:
    import asyncio
    from collections.abc import AsyncIterator

    from studiolo.rooms.blobs.service.blobs import Check, Facts, Terms
    from studiolo.rooms.blobs.service.pieces import Body

    box = studio.container(f"{PROJECT}-{uuid4().hex[:8]}")
    box.create_container()
    before = len(studio.files())
    storage = studio.room.storage

    async def race() -> None:
        account = await storage.accounts.find(box.account_name)
        assert account is not None
        found = await storage.containers.get(account, box.container_name)
        half, go_on = asyncio.Event(), asyncio.Event()

        async def arriving() -> AsyncIterator[bytes]:
            yield b"x" * 30_000
            half.set()
            await go_on.wait()
            yield b"x" * 30_000

        writing = asyncio.create_task(storage.blobs.put(found, "late", Body(arriving(), 60_000), Facts(), Terms(), Check()))
        await half.wait()
        await storage.containers.drop(account, box.container_name, PLATFORM)
        go_on.set()
        await writing

    studio.run(race())
    assert not box.exists()
    assert len(studio.files()) == before


NOT_OFFERED: list[Callable[[Client], Any]] = [
    lambda box: box.create_container(public_access=PublicAccess.BLOB),
    lambda box: box.acquire_lease(),
    lambda box: box.get_container_access_policy(),
    lambda box: box.set_container_access_policy({}),
    lambda box: box.get_blob_client("a").upload_blob(b"x", blob_type="AppendBlob"),
    lambda box: box.get_blob_client("a").create_page_blob(512),
    lambda box: box.get_blob_client("a").create_append_blob(),
    lambda box: box.get_blob_client("a").create_snapshot(),
    lambda box: box.get_blob_client("a").acquire_lease(),
    lambda box: box.get_blob_client("a").undelete_blob(),
    lambda box: box.get_blob_client("a").set_legal_hold(legal_hold=True),
    lambda box: box.get_blob_client("a").query_blob("select 1").readall(),
    lambda box: box.get_blob_client("a").set_standard_blob_tier("Archive"),
    lambda box: box.get_blob_client("a", snapshot="2026-01-01T00:00:00.0000000Z").download_blob(),
    lambda box: box.get_blob_client("a", version_id="2026-01-01T00:00:00.0000000Z").download_blob(),
    lambda box: box.get_blob_client("a").download_blob(if_tags_match_condition="a='b'"),
    lambda box: list(box.find_blobs_by_tags("a='b'")),
]


@pytest.mark.parametrize("ask_for", NOT_OFFERED)
def test_what_is_not_offered_says_so_and_changes_nothing(studio: Studio, ask_for: Callable[[Client], Any]) -> None:
    box = studio.container(fresh())
    if ask_for is not NOT_OFFERED[0]:
        box.create_container()
    with pytest.raises(HttpResponseError) as refused:
        ask_for(box)
    assert refused.value.status_code in (405, 501, 404), refused.value
    answer: Any = refused.value.response
    assert answer.headers["x-ms-error-code"] in ("NotOffered", "UnsupportedHttpVerb", "NotFound")
    assert not box.exists() or list(box.list_blobs()) == []


def test_many_blobs_are_removed_in_one_request(studio: Studio, container: Client) -> None:
    names = [f"dir/{n} ü.txt" for n in range(20)]
    for name in names:
        container.upload_blob(name, b"x")
    with pytest.raises(PartialBatchErrorException) as partial:
        container.delete_blobs(*names[:5], "absent")
    error: Any = partial.value
    assert sorted(part.status_code for part in error.parts) == [202] * 5 + [404]
    theirs = studio.container(container.container_name, READER)
    assert {part.status_code for part in theirs.delete_blobs(*names[5:], raise_on_any_failure=False)} == {403}
    assert len(list(container.list_blobs())) == 15
    assert {part.status_code for part in container.set_standard_blob_tier_blobs(StandardBlobTier.COOL, *names[5:])} == {200}
    assert {blob.blob_tier for blob in container.list_blobs()} == {"Cool"}
    assert {part.status_code for part in container.delete_blobs(*names[5:])} == {202}
    assert list(container.list_blobs()) == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", b""),
        ("multipart/mixed; boundary=b", b""),
        ("multipart/mixed; boundary=b", b"--b\r\nContent-ID: 0\r\n\r\nGET /a/b HTTP/1.1\r\n\r\n--b--"),
        ("multipart/mixed; boundary=b", b"--b\r\nContent-ID: 0\r\n\r\nPUT /a/b HTTP/1.1\r\nx-ms-blob-type: BlockBlob\r\n\r\n--b--"),
        ("multipart/mixed; boundary=b", b"--b\r\n\r\nx" * 300 + b"--b--"),
    ],
)
def test_a_malformed_batch_is_refused(studio: Studio, kind: str, body: bytes) -> None:
    reply = ask(studio, "POST", "/?comp=batch", {"content-type": kind, "content-length": str(len(body))}, body)
    assert reply.status == 400
    assert reply.code in ("InvalidInput", "ExceedsMaxBatchRequestCount")
    assert ask(studio, "POST", "/?comp=batch", {"authorization": "", "content-type": kind}, body).status == 401


def parts_of(reply: Reply) -> list[tuple[int, str]]:
    """Status and code of each part of a batch's answer."""
    return [(int(status), code) for status, code in re.findall(r"HTTP/1.1 (\d+).*?x-ms-error-code: (\w+)", reply.body.decode(), re.DOTALL)]


def batch_of(container: str, who: str, count: int) -> bytes:
    """That many deletes of blobs that are not there."""
    line = f"authorization: Bearer {who}\r\ncontent-length: 0\r\n\r\n"
    parts = [f"--b\r\nContent-Type: application/http\r\n\r\nDELETE /{container}/absent{n} HTTP/1.1\r\n{line}" for n in range(count)]
    return "".join([*parts, "--b--\r\n"]).encode()


def test_the_parts_of_a_batch_count_like_single_calls(tmp_path: Path) -> None:
    # Slow enough that nothing is gained back during the test.
    studio = Studio(tmp_path, Rates({"principal": Rate(0.0001, 10), "anonymous": Rate(0.0001, 3)}))
    try:
        asked = {"content-type": "multipart/mixed; boundary=b"}
        absent, busy = (404, "ContainerNotFound"), (503, "ServerBusy")
        # The batch itself is a call too, so nine parts are left of ten.
        first = ask(studio, "POST", "/?comp=batch", asked, batch_of("box", f"token-{OWNER}", 12))
        assert parts_of(first) == [absent] * 9 + [busy] * 3
        assert b"retry-after: " in first.body
        again = ask(studio, "POST", "/?comp=batch", asked, batch_of("box", f"token-{OWNER}", 1))
        assert (again.status, again.code) == busy
        single = ask(studio, "DELETE", "/box/absent")
        assert (single.status, single.code) == busy
        # Credentials that prove nothing are counted by the address that they come from.
        asked["authorization"] = f"Bearer token-{READER}"
        guesses = ask(studio, "POST", "/?comp=batch", asked, batch_of("box", "forged", 5))
        assert parts_of(guesses) == [(401, "InvalidAuthenticationInfo")] * 3 + [busy] * 2
    finally:
        studio.stop()

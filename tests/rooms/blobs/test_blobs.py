"""What the unchanged client does with one blob."""

import base64
import hashlib
import os
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobType, ContentSettings, StandardBlobTier

from studiolo.rooms.blobs.domain.sealing import CHUNK
from tests.rooms.blobs.studio import ACCOUNT, Client, Studio
from tests.rooms.blobs.wire import ask, code_of

SIZES = [0, 1, 4096, 16 << 10, (16 << 10) + 1, CHUNK, CHUNK + 1, (1 << 20) + 17, 5_000_000]


@pytest.mark.parametrize("size", SIZES)
def test_what_was_uploaded_is_downloaded(container: Client, size: int) -> None:
    data = os.urandom(size)
    blob = container.get_blob_client("data.bin")
    made = blob.upload_blob(data)
    assert bytes(made["content_md5"]) == hashlib.md5(data, usedforsecurity=False).digest()
    found = blob.download_blob()
    assert found.readall() == data
    assert found.properties.etag == made["etag"]
    shown = blob.get_blob_properties()
    assert (shown.size, shown.etag, shown.blob_type) == (size, made["etag"], BlobType.BLOCKBLOB)
    assert bytes(shown.content_settings.content_md5) == hashlib.md5(data, usedforsecurity=False).digest()
    assert shown.server_encrypted
    assert shown.creation_time is not None


NAMES = [
    "plain.txt",
    "with blank/and more.txt",
    "percent%20sign",
    "percent%",
    "plus+and&and=and;and,",
    "ünïcödé/日本語/😀.txt",
    "quote'\"<tag>&amp;",
    "question?mark#hash",
    "a/b/c/d/e",
    "[brackets]{braces}|pipe~`^",
    "x" * 1000,
    ".hidden/..two/three...",
    "trailing blank ",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_comes_back_as_it_went_in(container: Client, name: str) -> None:
    blob = container.get_blob_client(name)
    blob.upload_blob(name.encode())
    assert blob.download_blob().readall() == name.encode()
    assert [found.name for found in container.list_blobs()] == [name]
    assert [found.name for found in container.list_blobs(name_starts_with=name[:3])] == [name]
    blob.delete_blob()
    assert not blob.exists()


@pytest.mark.parametrize("name", ["a//b", "a/../b", "./a", "a/", "a\\b", "e\u0301.txt", "tab\there", "x" * 1025])
def test_a_name_that_two_readers_could_read_differently_is_refused(studio: Studio, container: Client, name: str) -> None:
    from urllib.parse import quote

    reply = ask(studio, "PUT", f"/{container.container_name}/{quote(name)}", {"x-ms-blob-type": "BlockBlob", "content-length": "1"}, b"x")
    assert (reply.status, reply.code) == (400, "InvalidResourceName")
    assert list(container.list_blobs()) == []


def test_content_settings_metadata_tags_and_tier_are_kept(container: Client) -> None:
    settings = ContentSettings("text/plain", "gzip", "en", "attachment", "no-cache")
    blob = container.get_blob_client("a.txt")
    blob.upload_blob(
        b"x",
        content_settings=settings,
        metadata={"one": "1", "two": "zwei drei"},
        tags={"k": "v 1"},
        standard_blob_tier=StandardBlobTier.COOL,
    )
    shown = blob.get_blob_properties()
    for name in ("content_type", "content_encoding", "content_language", "content_disposition", "cache_control"):
        assert shown.content_settings[name] == settings[name]
    assert shown.metadata == {"one": "1", "two": "zwei drei"}
    assert (shown.tag_count, shown.blob_tier, shown.blob_tier_inferred) == (1, "Cool", None)
    assert blob.get_blob_tags() == {"k": "v 1"}
    [listed] = container.list_blobs(include=["metadata", "tags"])
    assert listed.metadata == shown.metadata
    assert listed.tags == {"k": "v 1"}
    assert (listed.size, listed.etag, listed.last_modified) == (1, shown.etag.strip('"'), shown.last_modified)
    assert listed.content_settings == shown.content_settings


def test_metadata_properties_tags_and_tier_change_without_the_bytes(container: Client) -> None:
    data = os.urandom(100_000)
    blob = container.get_blob_client("a.bin")
    first = blob.upload_blob(data, metadata={"old": "1"})["etag"]
    second = blob.set_blob_metadata({"upload_status": "completed"})["etag"]
    third = blob.set_http_headers(ContentSettings(content_type="text/csv"))["etag"]
    blob.set_blob_tags({"a": "b"})
    blob.set_standard_blob_tier(StandardBlobTier.COLD)
    shown = blob.get_blob_properties()
    assert len({first, second, third}) == 3
    assert shown.metadata == {"upload_status": "completed"}
    assert shown.content_settings.content_type == "text/csv"
    assert shown.content_settings.content_md5 is None
    assert (shown.blob_tier, shown.tag_count) == ("Cold", 1)
    assert blob.download_blob().readall() == data


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        (0, 1),
        (0, 10),
        (CHUNK - 1, 2),
        (CHUNK, CHUNK),
        (3 * CHUNK + 5, 10 * CHUNK),
        ((1 << 20) - 7, 14),
        (0, 3_000_000),
        (2_999_999, 1),
        (2_999_990, 100),
    ],
)
def test_a_range_is_the_slice(container: Client, offset: int, length: int) -> None:
    data = os.urandom(3_000_000)
    blob = container.get_blob_client("r")
    blob.upload_blob(data)
    assert blob.download_blob(offset, length).readall() == data[offset : offset + length]


def test_a_range_is_answered_with_206_and_its_place(studio: Studio, container: Client) -> None:
    container.upload_blob("r", b"0123456789")
    target = f"/{container.container_name}/r"
    for header, place, body in (
        ({"x-ms-range": "bytes=2-4"}, "bytes 2-4/10", b"234"),
        ({"range": "bytes=7-"}, "bytes 7-9/10", b"789"),
        ({"range": "bytes=-2"}, "bytes 8-9/10", b"89"),
        ({"x-ms-range": "bytes=0-999"}, "bytes 0-9/10", b"0123456789"),
        ({"x-ms-range": "bytes=1-1", "range": "bytes=5-6"}, "bytes 1-1/10", b"1"),
    ):
        reply = ask(studio, "GET", target, header)
        assert (reply.status, reply.headers["content-range"], reply.body) == (206, place, body)
        assert "content-md5" not in reply.headers
        assert (
            reply.headers["x-ms-blob-content-md5"] == base64.b64encode(hashlib.md5(b"0123456789", usedforsecurity=False).digest()).decode()
        )
    assert ask(studio, "GET", target, {"range": "lines=1-2"}).status == 200
    for header in ({"x-ms-range": "bytes=10-"}, {"range": "bytes=99-100"}):
        reply = ask(studio, "GET", target, header)
        assert (reply.status, reply.code, reply.headers["content-range"]) == (416, "InvalidRange", "bytes */10")
    assert ask(studio, "GET", target, {"x-ms-range": "bytes=5-2"}).code == "InvalidHeaderValue"


def test_checksums_of_ranges_are_given_when_asked(studio: Studio, container: Client) -> None:
    data = os.urandom(1000)
    container.upload_blob("r", data)
    assert container.download_blob("r", 10, 100, validate_content=True).readall() == data[10:110]
    target = f"/{container.container_name}/r"
    reply = ask(studio, "GET", target, {"x-ms-range": "bytes=10-109", "x-ms-range-get-content-md5": "true"})
    assert reply.headers["content-md5"] == base64.b64encode(hashlib.md5(data[10:110], usedforsecurity=False).digest()).decode()
    reply = ask(studio, "GET", target, {"x-ms-range": "bytes=0-8", "x-ms-range-get-content-crc64": "true"})
    assert len(base64.b64decode(reply.headers["x-ms-content-crc64"])) == 8
    assert ask(studio, "GET", target, {"x-ms-range-get-content-md5": "true"}).code == "InvalidHeaderValue"


def test_an_upload_does_not_overwrite_unless_told(container: Client) -> None:
    blob = container.get_blob_client("a")
    blob.upload_blob(b"one")
    with pytest.raises(ResourceExistsError) as refused:
        blob.upload_blob(b"two")
    assert code_of(refused.value) == "BlobAlreadyExists"
    assert blob.download_blob().readall() == b"one"
    blob.upload_blob(b"two", overwrite=True)
    assert blob.download_blob().readall() == b"two"


def test_conditions_hold_for_writes_and_reads(container: Client) -> None:
    blob = container.get_blob_client("a")
    old = blob.upload_blob(b"one")["etag"]
    new = blob.upload_blob(b"two", etag=old, match_condition=MatchConditions.IfNotModified, overwrite=True)["etag"]
    only_old = {"etag": old, "match_condition": MatchConditions.IfNotModified}
    for refuse in (
        lambda: blob.upload_blob(b"three", overwrite=True, **only_old),
        lambda: blob.set_blob_metadata({"a": "b"}, **only_old),
        lambda: blob.delete_blob(**only_old),
        lambda: blob.download_blob(**only_old),
        lambda: blob.upload_blob(b"x", overwrite=True, if_unmodified_since=datetime.now(UTC) - timedelta(days=1)),
        lambda: container.get_blob_client("absent").upload_blob(b"x", overwrite=True, **only_old),
    ):
        with pytest.raises(ResourceModifiedError) as refused:
            refuse()
        assert refused.value.status_code == 412
        assert code_of(refused.value) == "ConditionNotMet"
    with pytest.raises(HttpResponseError) as unchanged:
        blob.download_blob(etag=new, match_condition=MatchConditions.IfModified)
    assert unchanged.value.status_code == 304
    with pytest.raises(HttpResponseError):
        blob.get_blob_properties(if_modified_since=datetime.now(UTC) + timedelta(days=1))
    assert blob.download_blob(etag=old, match_condition=MatchConditions.IfModified).readall() == b"two"
    blob.delete_blob(etag=new, match_condition=MatchConditions.IfNotModified)


def test_an_absent_blob_is_not_found(container: Client) -> None:
    blob = container.get_blob_client("absent")
    assert not blob.exists()
    for refuse in (blob.download_blob, blob.get_blob_properties, blob.delete_blob, blob.get_blob_tags, lambda: blob.set_blob_metadata({})):
        with pytest.raises(ResourceNotFoundError) as refused:
            refuse()
        assert code_of(refused.value) == "BlobNotFound"


def test_a_stream_of_unknown_length_is_uploaded(container: Client) -> None:
    parts = [os.urandom(700_000) for _ in range(9)]
    blob = container.get_blob_client("stream")
    blob.upload_blob(iter(parts))
    assert blob.download_blob(max_concurrency=3).readall() == b"".join(parts)
    assert b"".join(blob.download_blob().chunks()) == b"".join(parts)


def test_every_answer_names_its_request_and_version(studio: Studio, container: Client) -> None:
    container.upload_blob("a", b"x")
    for method, path in (
        ("GET", "/a"),
        ("HEAD", "/a"),
        ("GET", "/absent"),
        ("GET", "?restype=container&comp=list"),
        ("PUT", "/a?comp=lease"),
    ):
        reply = ask(studio, method, f"/{container.container_name}{path}", {"x-ms-version": "2021-12-02", "x-ms-client-request-id": "mine"})
        assert reply.headers["x-ms-version"] == "2021-12-02"
        assert reply.headers["x-ms-client-request-id"] == "mine"
        assert reply.headers["x-ms-request-id"]
        assert reply.headers["date"].endswith("GMT")


def test_overwrites_and_deletes_leave_no_object(studio: Studio, container: Client) -> None:
    blob = container.get_blob_client("a")
    blob.upload_blob(os.urandom(50_000))
    before = studio.files()
    blob.upload_blob(os.urandom(60_000), overwrite=True)
    assert len(studio.files()) == len(before)
    assert studio.files() != before
    blob.upload_blob(b"small", overwrite=True)
    assert len(studio.files()) == len(before) - 1
    blob.upload_blob(os.urandom(50_000), overwrite=True)
    blob.delete_blob()
    assert len(studio.files()) == len(before) - 1


def test_nothing_lies_on_disk_in_clear(studio: Studio, container: Client) -> None:
    canary = b"canary-in-a-blob"
    container.upload_blob("small", canary * 10)
    container.upload_blob("large", canary * 10_000)
    raw = b"".join(path.read_bytes() for path in studio.home.rglob("*") if path.is_file())
    assert canary not in raw


def test_after_the_keys_destruction_nothing_is_told_of_a_blob_but_that_it_is_there(studio: Studio) -> None:
    project = str(uuid4())
    box = studio.container(f"{project}-box")
    box.create_container()
    for name, data in (("a", b"x"), ("empty", b"")):
        box.upload_blob(name, data, metadata={"canary": "meta"}, tags={"canary": "tag"})
    studio.run(studio.keys.shred(f"account/{ACCOUNT}/project/{project}"))
    for name in ("a", "empty"):
        base = f"/{box.container_name}/{name}"
        for method, target in (("GET", base), ("HEAD", base), ("GET", f"{base}?comp=tags"), ("GET", f"{base}?comp=blocklist")):
            reply = ask(studio, method, target)
            assert (reply.status, reply.headers["x-ms-error-code"]) == (403, "KeyDestroyed"), (method, target)
            assert not any("canary" in name for name in reply.headers)
        assert ask(studio, "PUT", f"{base}?comp=metadata", {"content-length": "0"}).status == 403
    shelf = f"/{box.container_name}?restype=container&comp=list"
    for include in ("metadata", "tags", "metadata,tags"):
        reply = ask(studio, "GET", f"{shelf}&include={include}")
        assert (reply.status, reply.code) == (403, "KeyDestroyed")
    assert [blob.name for blob in box.list_blobs()] == ["a", "empty"]
    box.delete_blob("a")
    box.delete_container()

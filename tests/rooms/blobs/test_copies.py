"""Copies within the service: the bytes, what goes along, and that the source is a decision of its own."""

import os
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceModifiedError
from azure.storage.blob import BlobBlock, ContainerSasPermissions, ContentSettings, generate_container_sas

from tests.rooms.blobs.studio import ACCOUNT, MEMBER, OTHER_PROJECT, OWNER, Client, Studio
from tests.rooms.blobs.wire import ask, code_of


@pytest.fixture
def other(studio: Studio) -> Client:
    made = studio.container(f"{OTHER_PROJECT}-{uuid4().hex[:8]}")
    made.create_container()
    return made


@pytest.mark.parametrize("size", [0, 100, 50_000, 2_500_000])
@pytest.mark.parametrize("waits", [False, True])
def test_a_copy_has_the_bytes_and_what_was_known_of_them(container: Client, other: Client, size: int, *, waits: bool) -> None:
    data = os.urandom(size)
    source = container.get_blob_client("from here/ü.bin")
    source.upload_blob(data, metadata={"m": "1"}, content_settings=ContentSettings("text/x", content_language="de"))
    target = other.get_blob_client("copy")
    said = target.start_copy_from_url(source.url, requires_sync=waits)
    assert said["copy_status"] == "success"
    assert target.download_blob().readall() == data
    shown = target.get_blob_properties()
    assert shown.metadata == {"m": "1"}
    assert (shown.content_settings.content_type, shown.content_settings.content_language) == ("text/x", "de")
    assert shown.content_settings.content_md5 == source.get_blob_properties().content_settings.content_md5
    assert (shown.copy.status, shown.copy.id) == ("success", said["copy_id"])
    assert shown.copy.source is not None
    assert "sig=" not in shown.copy.source
    source.delete_blob()
    assert target.download_blob().readall() == data
    with pytest.raises(HttpResponseError) as refused:
        target.abort_copy(said["copy_id"])
    assert code_of(refused.value) == "NoPendingCopyOperation"


def test_a_blob_and_a_block_are_made_from_a_url(container: Client) -> None:
    data = os.urandom(300_000)
    source = container.get_blob_client("source")
    source.upload_blob(data)
    target = container.get_blob_client("target")
    target.upload_blob_from_url(source.url, metadata={"own": "1"}, content_settings=ContentSettings("text/own"))
    assert target.download_blob().readall() == data
    assert target.get_blob_properties().metadata == {"own": "1"}
    assert target.get_blob_properties().content_settings.content_type == "text/own"
    parts = container.get_blob_client("parts")
    parts.stage_block_from_url("b1", source.url, 100_000, 70_000)
    parts.stage_block_from_url("b2", source.url, 0, 10)
    parts.commit_block_list([BlobBlock("b1"), BlobBlock("b2")])
    assert parts.download_blob().readall() == data[100_000:170_000] + data[:10]


def test_the_source_is_decided_by_itself(studio: Studio, container: Client, other: Client) -> None:
    other.upload_blob("secret", b"theirs")
    mine = studio.container(container.container_name, MEMBER).get_blob_client("mine")
    for make in (
        lambda: mine.start_copy_from_url(f"{other.url}/secret"),
        lambda: mine.start_copy_from_url(f"{other.url}/absent"),
        lambda: mine.upload_blob_from_url(f"{other.url}/secret"),
        lambda: mine.stage_block_from_url("b1", f"{other.url}/secret"),
        lambda: mine.start_copy_from_url(f"{studio.url('nosuchaccount')}/box/secret"),
    ):
        with pytest.raises(HttpResponseError) as refused:
            make()
        assert (refused.value.status_code, code_of(refused.value)) == (403, "CannotVerifyCopySource")
    assert not mine.exists()
    key = studio.service().get_user_delegation_key(datetime.now(UTC) - timedelta(minutes=5), datetime.now(UTC) + timedelta(hours=1))
    token = generate_container_sas(
        ACCOUNT,
        other.container_name,
        user_delegation_key=key,
        permission=ContainerSasPermissions(read=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    mine.start_copy_from_url(f"{other.url}/secret?{token}")
    assert mine.download_blob().readall() == b"theirs"
    mine.upload_blob_from_url(f"{other.url}/secret", source_authorization=f"Bearer token-{OWNER}", overwrite=True)


def test_a_page_or_an_append_from_a_url_is_no_copy(studio: Studio, container: Client) -> None:
    source = container.get_blob_client("source")
    source.upload_blob(b"x")
    for comp in ("page", "appendblock", "incrementalcopy", "unheardof"):
        headers = {"x-ms-copy-source": source.url, "content-length": "0"}
        assert ask(studio, "PUT", f"/{container.container_name}/target?comp={comp}", headers).status == 501
    assert not container.get_blob_client("target").exists()


def test_conditions_hold_on_both_ends(container: Client) -> None:
    source, target = container.get_blob_client("s"), container.get_blob_client("t")
    etag = source.upload_blob(b"x")["etag"]
    with pytest.raises(ResourceModifiedError):
        target.start_copy_from_url(source.url, source_etag='"0x1"', source_match_condition=MatchConditions.IfNotModified)
    assert not target.exists()
    target.start_copy_from_url(source.url, source_etag=etag, source_match_condition=MatchConditions.IfNotModified)
    with pytest.raises(ResourceModifiedError):
        target.start_copy_from_url(source.url, etag='"0x1"', match_condition=MatchConditions.IfNotModified)


@pytest.mark.parametrize("url", ["https://example.org/a/b", "file:///etc/passwd", "https://hubsa.blob.core.localhost:1/box/a", "not a url"])
def test_a_source_elsewhere_is_refused(container: Client, url: str) -> None:
    with pytest.raises(HttpResponseError) as refused:
        container.get_blob_client("t").start_copy_from_url(url)
    assert refused.value.status_code in (400, 501)
    assert not container.get_blob_client("t").exists()


def test_a_blob_can_be_copied_onto_itself(container: Client) -> None:
    data = os.urandom(1_500_000)
    blob = container.get_blob_client("a")
    blob.upload_blob(data)
    blob.start_copy_from_url(blob.url, metadata={"touched": "1"})
    assert blob.download_blob().readall() == data
    assert blob.get_blob_properties().metadata == {"touched": "1"}

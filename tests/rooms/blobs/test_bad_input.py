"""Requests that break a rule: each a clear refusal in the Blob shape, and nothing half-written."""

import base64
import hashlib
import os

import pytest

from studiolo.rooms.blobs.domain.checksums import Crc64
from tests.rooms.blobs.studio import Client, Studio
from tests.rooms.blobs.wire import ask, ask_cut

BLOCK_BLOB = {"x-ms-blob-type": "BlockBlob"}


def md5_of(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def crc_of(data: bytes) -> str:
    crc = Crc64()
    crc.update(data)
    return base64.b64encode(crc.digest()).decode()


@pytest.mark.parametrize("size", [10, 100_000, 2_500_000])
@pytest.mark.parametrize("header", ["content-md5", "x-ms-blob-content-md5", "x-ms-content-crc64"])
def test_a_body_with_another_checksum_is_refused_and_leaves_nothing(studio: Studio, container: Client, size: int, header: str) -> None:
    data = os.urandom(size)
    before = studio.files()
    target = f"/{container.container_name}/a"
    of = crc_of if "crc" in header else md5_of
    reply = ask(studio, "PUT", target, {**BLOCK_BLOB, header: of(b"other")}, data)
    assert (reply.status, reply.code) == (400, "Crc64Mismatch" if "crc" in header else "Md5Mismatch")
    assert not container.get_blob_client("a").exists()
    assert studio.files() == before
    reply = ask(studio, "PUT", target, {**BLOCK_BLOB, header: of(data)}, data)
    assert reply.status == 201
    assert container.download_blob("a").readall() == data


@pytest.mark.parametrize("header", ["content-md5", "x-ms-content-crc64"])
def test_a_block_with_another_checksum_is_refused(studio: Studio, container: Client, header: str) -> None:
    of = crc_of if "crc" in header else md5_of
    target = f"/{container.container_name}/a?comp=block&blockid=YjE%3D"
    assert ask(studio, "PUT", target, {header: of(b"other")}, b"x" * 50_000).status == 400
    assert container.get_blob_client("a").exists() is False
    reply = ask(studio, "PUT", target, {header: of(b"x" * 50_000)}, b"x" * 50_000)
    assert reply.status == 201
    assert reply.headers[header] == of(b"x" * 50_000)


@pytest.mark.parametrize(("announced", "sent"), [(100, 10), (10_000, 0), (100_000, 99_999), (8_000_000, 3_000_000)])
@pytest.mark.parametrize("place", ["/a", "/a?comp=block&blockid=YjE%3D"])
def test_an_upload_that_ends_early_leaves_what_was_there(studio: Studio, container: Client, announced: int, sent: int, place: str) -> None:
    container.upload_blob("a", b"as before")
    before = studio.files()
    ask_cut(studio, f"/{container.container_name}{place}", BLOCK_BLOB, announced, os.urandom(sent))
    # The next call on this service's one loop comes after the cut one was noticed.
    for _ in range(3):
        assert container.download_blob("a").readall() == b"as before"
    assert container.get_blob_client("a").get_block_list("all") == ([], [])
    assert studio.files() == before


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 400, "MissingRequiredHeader"),
        ({"x-ms-blob-type": "Sausage"}, 400, "MissingRequiredHeader"),
        ({"x-ms-blob-type": "PageBlob"}, 501, "NotOffered"),
        ({**BLOCK_BLOB, "content-md5": "short"}, 400, "InvalidMd5"),
        ({**BLOCK_BLOB, "x-ms-content-crc64": "short"}, 400, "InvalidCrc64"),
        ({**BLOCK_BLOB, "content-md5": md5_of(b"x"), "x-ms-content-crc64": crc_of(b"x")}, 400, "InvalidHeaderValue"),
        ({**BLOCK_BLOB, "x-ms-meta-two-words": "x"}, 400, "InvalidMetadata"),
        ({**BLOCK_BLOB, "x-ms-copy-source": "https://[::1"}, 400, "InvalidHeaderValue"),
        ({**BLOCK_BLOB, "x-ms-meta-1": "x"}, 400, "InvalidMetadata"),
        ({**BLOCK_BLOB, "x-ms-meta-a": "x" * 9000}, 400, "MetadataTooLarge"),
        ({**BLOCK_BLOB, "x-ms-tags": "a"}, 400, "InvalidHeaderValue"),
        ({**BLOCK_BLOB, "x-ms-tags": "a=1&a=2"}, 400, "InvalidHeaderValue"),
        ({**BLOCK_BLOB, "x-ms-tags": "a=%3C"}, 400, "InvalidTag"),
        ({**BLOCK_BLOB, "x-ms-tags": "&".join(f"a{n}=1" for n in range(11))}, 400, "TagsTooLarge"),
        ({**BLOCK_BLOB, "x-ms-access-tier": "Lukewarm"}, 400, "InvalidHeaderValue"),
        ({**BLOCK_BLOB, "if-modified-since": "yesterday"}, 400, "InvalidHeaderValue"),
        ({**BLOCK_BLOB, "x-ms-lease-id": "1"}, 412, "LeaseNotPresentWithBlobOperation"),
        ({**BLOCK_BLOB, "x-ms-encryption-key": "AAAA"}, 501, "NotOffered"),
        ({**BLOCK_BLOB, "x-ms-encryption-scope": "one"}, 501, "NotOffered"),
        ({**BLOCK_BLOB, "x-ms-structured-body": "XSM/1.0; properties=crc64"}, 501, "NotOffered"),
        ({**BLOCK_BLOB, "content-length": str(6 << 30)}, 413, "RequestBodyTooLarge"),
    ],
)
def test_a_malformed_put_is_refused(studio: Studio, container: Client, headers: dict[str, str], status: int, code: str) -> None:
    reply = ask(studio, "PUT", f"/{container.container_name}/a", headers, b"x" if "content-length" not in headers else b"")
    assert (reply.status, reply.code) == (status, code)
    assert not container.get_blob_client("a").exists()


def test_a_put_without_a_length_is_refused(studio: Studio, container: Client) -> None:
    import http.client
    import ssl

    from tests.rooms.blobs.studio import ACCOUNT, SUFFIX
    from tests.rooms.blobs.wire import bearer

    context = ssl.create_default_context(cafile=str(studio.certificate))
    connection = http.client.HTTPSConnection(f"{ACCOUNT}.blob.{SUFFIX}", studio.port, context=context, timeout=20)
    connection.request("PUT", f"/{container.container_name}/a", iter([b"x"]), {**bearer(), **BLOCK_BLOB}, encode_chunked=True)
    answer = connection.getresponse()
    assert answer.status == 411
    assert answer.headers["x-ms-error-code"] == "MissingContentLengthHeader"
    connection.close()


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("/%7ebox/a", 400),
        ("/box%2Fa/b", 400),
        ("/box/a%zz", 400),
        ("/box/%c0%ae%c0%ae/x", 400),
        ("/box/a%00b", 400),
        ("/box/a/../b", 400),
        ("//box/a", 404),
        ("/BOX/a", 400),
        ("/box/a?comp=unheardof", 501),
        ("/box/a?restype=container", 501),
        ("/box/a?snapshot=2026", 501),
        ("/box/a?a=1&a=2", 400),
        ("/box", 405),
    ],
)
def test_a_malformed_address_is_refused(studio: Studio, raw: str, status: int) -> None:
    reply = ask(studio, "GET", raw)
    assert reply.status == status
    assert reply.code


@pytest.mark.parametrize("method", ["PATCH", "OPTIONS", "POST"])
def test_a_verb_that_nothing_has_is_refused(studio: Studio, container: Client, method: str) -> None:
    reply = ask(studio, method, f"/{container.container_name}/a")
    assert (reply.status, reply.code) == (405, "UnsupportedHttpVerb")


def test_malformed_tags_and_key_infos_are_refused(studio: Studio, container: Client) -> None:
    container.upload_blob("a", b"x")
    target = f"/{container.container_name}/a?comp=tags"
    for body in (b"", b"<Tags>", b"<!DOCTYPE a [<!ENTITY b 'c'>]><Tags/>", b"<Other/>"):
        reply = ask(studio, "PUT", target, {"content-length": str(len(body))}, body)
        assert (reply.status, reply.code) == (400, "InvalidXmlDocument")
    key = "/?restype=service&comp=userdelegationkey"
    assert ask(studio, "POST", key, {}, b"<KeyInfo><Start>x</Start></KeyInfo>").code == "InvalidXmlNodeValue"
    assert ask(studio, "POST", key, {}, b"nonsense").code == "InvalidXmlDocument"

"""Clients that go away in the middle of what they send: nothing is half written, and the server goes on."""

from __future__ import annotations

import base64
import json
import socket
import struct
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.parity.studio import API, Person, Studio, account_of, opened, unique
from tests.recovery.audit import troubles
from tests.support.server import Server

pytestmark = pytest.mark.slow

BLOCK = base64.b64encode(b"block-1").decode().replace("=", "%3D")
BIG = 3_000_000
# How a connection ends: politely (TLS says goodbye), by the socket alone, by a reset.
GOODBYES = ("unwrapped", "closed", "reset")


@dataclass
class Uploads:
    """One container that a person may write to."""

    studio: Studio
    person: Person
    account: str
    box: str

    @property
    def host(self) -> str:
        return f"{self.account}.blob.core.localhost"

    def blob(self, method: str, target: str, body: bytes | None = None) -> tuple[int, bytes]:
        reply = self.studio.blob(method, self.account, f"/{self.box}{target}", body, by=self.person)
        return reply.status, reply.body

    def head(self, target: str, *, length: int | None, **headers: str) -> bytes:
        """The head of a PUT that announces a body."""
        sent = {
            "host": f"{self.host}:{self.studio.server.port}",
            "authorization": f"Bearer {self.studio.token(self.person, 'https://storage.azure.com')}",
            "x-ms-version": "2025-11-05",
            **({"transfer-encoding": "chunked"} if length is None else {"content-length": str(length)}),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return _head(f"PUT /{self.box}{target}", sent)

    def names(self, query: str = "") -> set[str]:
        status, listed = self.blob("GET", f"?restype=container&comp=list{query}")
        assert status == 200
        return {each.findtext("Name") or "" for each in ET.fromstring(listed).iter("Blob")}  # noqa: S314 - our own answer


def _head(line: str, headers: dict[str, str]) -> bytes:
    return "".join([f"{line} HTTP/1.1\r\n", *(f"{name}: {value}\r\n" for name, value in headers.items()), "\r\n"]).encode()


def cut(server: Server, host: str, sent: bytes, goodbye: str) -> None:
    """Send so much and go away."""
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=30)) as plain:
        speaking = server.tls.wrap_socket(plain, server_hostname=host)
        speaking.sendall(sent)
        if goodbye == "reset":
            speaking.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif goodbye == "unwrapped":
            with suppress(OSError):  # the other side need not say goodbye in its turn
                speaking.unwrap()
        speaking.close()


def objects(server: Server) -> set[Path]:
    """The files in which blobs' bytes lie."""
    return {path for path in (server.home / "data" / "blobs").rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Uploads]:
    """A server of this module's own, so that all files on its disk are accounted for."""
    server = Server(tmp_path_factory.mktemp("cut") / "home")
    try:
        server.start()
        with opened(server) as studio:
            account = account_of(studio.arm("GET", studio.workspace("home")).json())
            person = studio.person("uploader")
            studio.grant(person.oid, "Storage Blob Data Owner", f"{studio.group}/providers/Microsoft.Storage/storageAccounts/{account}")
            made = Uploads(studio, person, account, unique("box"))
            assert made.blob("PUT", "?restype=container") == (201, b"")
            yield made
    finally:
        server.end()


@pytest.mark.parametrize("goodbye", GOODBYES)
@pytest.mark.parametrize("sent", [0, 1, 70_000, BIG - 1])
def test_a_blob_that_was_cut_short_is_as_it_was(uploads: Uploads, sent: int, goodbye: str) -> None:
    server, before = uploads.studio.server, b"before" * 20_000
    assert uploads.blob("PUT", "/kept", before)[0] == 201
    for name in ("kept", "fresh"):
        head = uploads.head(f"/{name}", length=BIG, x_ms_blob_type="BlockBlob")
        cut(server, uploads.host, head + bytes(sent), goodbye)
    chunked = uploads.head("/fresh", length=None, x_ms_blob_type="BlockBlob")
    cut(server, uploads.host, chunked + f"{sent + 1:x}\r\n".encode() + bytes(sent), goodbye)
    assert uploads.blob("GET", "/kept") == (200, before)
    assert uploads.blob("GET", "/fresh")[0] == 404
    assert uploads.names() == {"kept"}


@pytest.mark.parametrize("goodbye", GOODBYES)
@pytest.mark.parametrize("sent", [0, 70_000, BIG - 1])
def test_a_block_that_was_cut_short_is_not_staged(uploads: Uploads, sent: int, goodbye: str) -> None:
    name = f"/{unique('blocks')}"
    head = uploads.head(f"{name}?comp=block&blockid={BLOCK}", length=BIG)
    cut(uploads.studio.server, uploads.host, head + bytes(sent), goodbye)
    assert uploads.blob("GET", f"{name}?comp=blocklist&blocklisttype=all")[0] == 404
    assert name[1:] not in uploads.names("&include=uncommittedblobs")
    assert uploads.blob("PUT", f"{name}?comp=block&blockid={BLOCK}", b"whole")[0] == 201
    cut(uploads.studio.server, uploads.host, head + bytes(sent), goodbye)  # one of the same name is kept
    listed = f"<BlockList><Latest>{base64.b64encode(b'block-1').decode()}</Latest></BlockList>".encode()
    cut(uploads.studio.server, uploads.host, uploads.head(f"{name}?comp=blocklist", length=len(listed)) + listed[:-1], goodbye)
    assert uploads.blob("GET", name)[0] == 404
    assert uploads.blob("PUT", f"{name}?comp=blocklist", listed)[0] == 201
    assert uploads.blob("GET", name) == (200, b"whole")
    assert uploads.blob("DELETE", name)[0] == 202


@pytest.mark.parametrize("goodbye", GOODBYES)
@pytest.mark.parametrize("missing", [1, 40])
def test_a_json_body_that_was_cut_short_changes_nothing(uploads: Uploads, missing: int, goodbye: str) -> None:
    studio = uploads.studio
    path = f"{studio.workspace(unique('half'))}"
    body = json.dumps({"location": "local", "kind": "Hub", "properties": {}}).encode()
    whole: dict[str, Any] = studio.arm("GET", studio.workspace("home")).json()
    for method, target, sent in (
        ("PUT", path, body),
        ("PATCH", studio.workspace("home"), b'{"tags": {"was": "here and there and everywhere"}}'),
    ):
        headers = {
            "host": f"localhost:{studio.server.port}",
            "authorization": f"Bearer {studio.token(studio.owner)}",
            "content-type": "application/json",
        }
        for framing in ({"content-length": str(len(sent))}, {"transfer-encoding": "chunked"}):
            data = sent[:-missing] if "content-length" in framing else f"{len(sent):x}\r\n".encode() + sent[:-missing]
            cut(studio.server, "localhost", _head(f"{method} {target}?api-version={API}", {**headers, **framing}) + data, goodbye)
    assert studio.arm("GET", path).status == 404
    assert studio.arm("GET", studio.workspace("home")).json() == whole
    assert studio.server.is_healthy()


def test_nothing_of_all_that_is_left_on_the_disk(uploads: Uploads) -> None:
    """After a start, which sweeps what nobody refers to."""
    server = uploads.studio.server
    assert uploads.blob("PUT", "/kept", b"of this test or of another one")[0] == 201
    assert uploads.names("&include=uncommittedblobs") == {"kept"}
    assert uploads.blob("DELETE", "/kept")[0] == 202
    head = uploads.head("/late", length=BIG, x_ms_blob_type="BlockBlob")
    cut(server, uploads.host, head + bytes(BIG - 1), "reset")
    server.kill()
    server.start()
    for _ in range(1000):
        if not objects(server):
            break
        assert server.is_healthy()
    assert objects(server) == set()
    assert troubles(server.home) == []

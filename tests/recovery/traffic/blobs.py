"""Blobs: single uploads, staged blocks, replacements and removals, by plain HTTP and by the unchanged client."""

from __future__ import annotations

import base64
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree as ET

from tests.parity.studio import Person, account_of, unique
from tests.recovery.hand import Cut, Known
from tests.recovery.traffic.kind import Traffic

SIZES = (10, 5_000, 90_000, 700_000)
NAMES = tuple(f"n{number}" for number in range(5))


def body_of(name: str, turn: int) -> bytes:
    """What turn number `turn` writes under a name."""
    seed = f"{name}:{turn}|".encode()
    size = SIZES[turn % len(SIZES)]
    return (seed * (size // len(seed) + 1))[:size]


class Blobs(Traffic):
    """Plain HTTP."""

    def prepare(self) -> None:
        self.account = account_of(self.hand.arm("GET", self.hand.workspace("home")).json())
        self.person: Person = self.hand.person("uploader")
        place = f"{self.hand.group}/providers/Microsoft.Storage/storageAccounts/{self.account}"
        self.hand.grant(self.person.oid, "Storage Blob Data Owner", place)
        self.box = unique("box")
        self.known = {name: Known[int | None](None) for name in NAMES}
        self.tags: dict[str, str] = {}
        self.turn = 0
        assert self.blob("PUT", "?restype=container") == (201, b"", None)

    def blob(self, method: str, target: str, body: bytes | None = None) -> tuple[int, bytes, str | None]:
        """Status, body and ETag."""
        reply = self.hand.blob(method, self.account, f"/{self.box}{target}", body, by=self.person)
        return reply.status, reply.body, reply.headers.get("etag") if target.count("/") and "comp=block" not in target else None

    def act(self) -> None:
        name, known = self.chance.choice(list(self.known.items()))
        self.turn += 1
        kind = self.chance.random()
        if known.told is not None and kind < 0.2:
            with known.trying(None):
                assert self.blob("DELETE", f"/{name}")[0] == 202
            self.tags.pop(name, None)
        elif kind < 0.7:
            with known.trying(self.turn):
                status, _, tag = self.blob("PUT", f"/{name}", body_of(name, self.turn))
                assert status == 201
            self.tags[name] = tag or ""
        else:
            self._staged(name, known)

    def _staged(self, name: str, known: Known[int | None]) -> None:
        data, parts = body_of(name, self.turn), 3
        cut = len(data) // parts + 1
        ids = [base64.b64encode(f"{self.turn:06}-{part}".encode()).decode() for part in range(parts)]
        for part, block in enumerate(ids):
            status, _, _ = self.blob("PUT", f"/{name}?comp=block&blockid={block.replace('=', '%3D')}", data[part * cut : (part + 1) * cut])
            assert status == 201
        listed = "".join(f"<Latest>{block}</Latest>" for block in ids)
        with known.trying(self.turn):
            status, _, _ = self.blob("PUT", f"/{name}?comp=blocklist", f"<BlockList>{listed}</BlockList>".encode())
            assert status == 201
        self.tags.pop(name, None)

    def check(self) -> None:
        seen: dict[str, tuple[str, int]] = {}
        for name, known in self.known.items():
            if known.tried:
                self.tags.pop(name, None)
            status, data, tag = self.blob("GET", f"/{name}")
            assert status in (200, 404), status
            turn = int(data.partition(b"|")[0].partition(b":")[2]) if status == 200 and data[:1] == b"n" else None
            if status == 200:
                assert turn is not None
                assert data == body_of(name, turn), f"{name} is not whole"
                assert tag == self.tags.get(name, tag), f"{name} has another ETag than its writer was told"
                seen[name] = (tag or "").strip('"'), len(data)
            known.is_(turn)
        status, listed, _ = self.blob("GET", "?restype=container&comp=list")
        assert status == 200
        found = {
            each.findtext("Name") or "": (
                (each.findtext("Properties/Etag") or "").strip('"'),
                int(each.findtext("Properties/Content-Length") or -1),
            )
            for each in ET.fromstring(listed).iter("Blob")  # noqa: S314 - our own answer
        }
        assert found == seen, "the list and the blobs disagree"


class ClientBlobs(Traffic):
    """The unchanged `azure-storage-blob`, which stages blocks for all but small bodies."""

    def prepare(self) -> None:
        from azure.identity import ClientSecretCredential
        from azure.storage.blob import BlobServiceClient

        account = account_of(self.hand.arm("GET", self.hand.workspace("home")).json())
        person = self.hand.person("client")
        self.hand.grant(person.oid, "Storage Blob Data Owner", f"{self.hand.group}/providers/Microsoft.Storage/storageAccounts/{account}")
        bundle = self.hand.env["SSL_CERT_FILE"]
        credential = ClientSecretCredential("adfs", person.client_id, person.secret, authority=self.hand.url, connection_verify=bundle)
        service: Any = BlobServiceClient(
            f"https://{account}.blob.core.localhost:{self.hand.server.port}",
            credential,
            connection_verify=bundle,
            retry_total=0,
            max_single_put_size=60_000,
            max_block_size=200_000,
        )
        self.closing = (service, credential)
        self.box: Any = service.create_container(unique("client"))
        self.known = {name: Known[int | None](None) for name in NAMES[:3]}
        self.turn = 0

    @contextmanager
    def _cut(self) -> Generator[None]:
        from azure.core.exceptions import AzureError, HttpResponseError

        try:
            yield
        except HttpResponseError as refused:
            if refused.status_code is not None:
                raise
            raise Cut from refused
        except AzureError as gone:
            raise Cut from gone

    def act(self) -> None:
        name, known = self.chance.choice(list(self.known.items()))
        self.turn += 1
        with self._cut():
            if known.told is not None and self.chance.random() < 0.2:
                with known.trying(None):
                    self.box.delete_blob(name)
            else:
                with known.trying(self.turn):
                    self.box.upload_blob(name, body_of(name, self.turn), overwrite=True, max_concurrency=2)

    def check(self) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        for name, known in self.known.items():
            try:
                data = self.box.download_blob(name).readall()
            except ResourceNotFoundError:
                known.is_(None)
                continue
            turn = int(data.partition(b"|")[0].partition(b":")[2])
            assert data == body_of(name, turn), f"{name} is not whole"
            known.is_(turn)
        assert {blob.name for blob in self.box.list_blobs()} == {name for name, known in self.known.items() if known.told is not None}

    def close(self) -> None:
        super().close()
        for each in self.closing:
            each.close()

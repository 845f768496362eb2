"""Files into and out of a container, over the Blob protocol with the signature that a datastore hands out.

Small files go in one call, larger ones as blocks that become visible together; four pieces are under way at a time.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import mimetypes
import re
import secrets
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree as ET

import aiohttp

from studiolo.app.client.session import Client, Refusal, reaching
from studiolo.kernel.faults import Invalid, Unavailable

API_VERSION: Final = "2024-10-01-preview"
BLOB_VERSION: Final = "2025-11-05"
PIECE_BYTES: Final = 8 << 20
AT_ONCE: Final = 4
_ASSET = re.compile(r"azureml://(?:.*/)?datastores/(?P<datastore>[^/]+)/paths/(?P<path>.*)")

Moved = Callable[[int], None]


class LocalFile(NamedTuple):
    """A file to send: where it lies, its name in the container below the upload's folder, its size."""

    path: Path
    name: str
    size_bytes: int


class Stored(NamedTuple):
    """A blob of a container."""

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Upload:
    """What will be sent: the files, a digest of their names and bytes, and what the whole is called."""

    files: Sequence[LocalFile]
    digest: str
    name: str
    is_folder: bool

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(file.size_bytes for file in self.files)


def read_upload(source: Path) -> Upload:
    """The files of a folder, or one file, with their digest.

    Raises:
        Invalid: there is no such file, or the folder holds none (code `NothingToUpload`).
    """
    name = source.resolve().name
    if source.is_file():
        files = [LocalFile(source, name, source.stat().st_size)]
    elif source.is_dir():
        found = sorted(path for path in source.rglob("*") if path.is_file())
        files = [LocalFile(path, f"{name}/{path.relative_to(source).as_posix()}", path.stat().st_size) for path in found]
    else:
        raise Invalid(f"There is no file or folder '{source}'.", code="NothingToUpload", target="path")
    if not files:
        raise Invalid(f"The folder '{source}' holds no files.", code="NothingToUpload", target="path")
    digest = hashlib.sha256()
    for file in files:
        with file.path.open("rb") as opened:
            digest.update(f"{file.name}\0{file.size_bytes}\0".encode() + hashlib.file_digest(opened, "sha256").digest())
    return Upload(files, digest.hexdigest()[:32], name, source.is_dir())


def parse_asset_uri(uri: str) -> tuple[str, str]:
    """The datastore and the path in an `azureml://…` URI.

    Raises:
        Invalid: the asset lies outside the studio's datastores (code `NotInDatastore`).
    """
    found = _ASSET.fullmatch(uri)
    if found is None:
        raise Invalid(f"'{uri}' does not lie in a datastore of a project, so it cannot be downloaded from here.", code="NotInDatastore")
    return found["datastore"], found["path"]


class Container:
    """A datastore's container, opened with a short-lived signature."""

    def __init__(self, http: aiohttp.ClientSession, url: str, signature: str) -> None:
        self._http = http
        self._url = url
        self._signature = signature

    @classmethod
    async def open(cls, client: Client, workspace: str, datastore: str) -> Container:
        """The container behind a datastore of a project."""
        path = f"{client.workspace_id(workspace)}/datastores/{quote(datastore, safe='')}"
        told = (await client.get(path, API_VERSION))["properties"]
        secret = await client.act(f"{path}/listSecrets", API_VERSION, {"expirableSecret": True, "expireAfterHours": 1})
        signature = secret.get("sasToken")
        if not signature:
            raise Unavailable(
                f"The datastore '{datastore}' hands out no signature, so files cannot be moved from here.", code="NoSignature"
            )
        host = f"{told.get('protocol', 'https')}://{told['accountName']}.blob.{told['endpoint']}"
        return cls(client.http, f"{host}/{quote(told['containerName'], safe='')}", str(signature).removeprefix("?"))

    async def upload(self, upload: Upload, folder: str, moved: Moved) -> None:
        """Send all files below `folder`; the first failure stops the rest."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def send(file: LocalFile) -> None:
            await self._upload_one(file, f"{folder}/{file.name}", turns, moved)

        await _all(send(file) for file in upload.files)

    async def list(self, prefix: str) -> Sequence[Stored]:
        """The blobs whose names begin with `prefix`."""
        found: list[Stored] = []
        marker = ""
        while True:
            query = f"restype=container&comp=list&prefix={quote(prefix, safe='')}" + (f"&marker={quote(marker, safe='')}" if marker else "")
            async with self._request("GET", "", query) as answer:
                # The expat of every Python that we run on refuses exponential entities by itself.
                tree = ET.fromstring(await answer.read())  # noqa: S314
            found += [Stored(b.findtext("Name") or "", int(b.findtext("Properties/Content-Length") or 0)) for b in tree.iter("Blob")]
            marker = tree.findtext("NextMarker") or ""
            if not marker:
                return found

    async def download(self, blobs: Sequence[Stored], prefix: str, target: Path, moved: Moved) -> None:
        """Bring blobs into a folder, each under its name without `prefix`. A file appears when it is whole."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def bring(blob: Stored) -> None:
            place = _place(target, blob.name.removeprefix(prefix).lstrip("/") or blob.name.rsplit("/", 1)[-1])
            place.parent.mkdir(parents=True, exist_ok=True)
            beside = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
            try:
                async with turns, self._request("GET", blob.name) as answer:
                    with beside.open("xb") as file:
                        async for piece in answer.content.iter_chunked(1 << 20):
                            file.write(piece)
                            moved(len(piece))
                beside.replace(place)
            finally:
                beside.unlink(missing_ok=True)

        await _all(bring(blob) for blob in blobs)

    async def _upload_one(self, file: LocalFile, name: str, turns: asyncio.Semaphore, moved: Moved) -> None:
        kind = mimetypes.guess_type(file.path.name)[0] or "application/octet-stream"
        headers = {"x-ms-blob-type": "BlockBlob", "x-ms-blob-content-type": kind}
        if file.size_bytes <= PIECE_BYTES:
            async with turns:
                await self._put(name, "", _read(file.path, 0), headers)
            moved(file.size_bytes)
            return
        starts = range(0, file.size_bytes, PIECE_BYTES)
        ids = [base64.b64encode(f"{number:010d}".encode()).decode() for number in range(len(starts))]

        async def send(start: int, block: str) -> None:
            async with turns:
                piece = _read(file.path, start)
                await self._put(name, f"comp=block&blockid={quote(block, safe='')}", piece, {})
            moved(len(piece))

        await _all(send(start, block) for start, block in zip(starts, ids, strict=True))
        blocks = "".join(f"<Latest>{block}</Latest>" for block in ids)
        text = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{blocks}</BlockList>'
        await self._put(name, "comp=blocklist", text.encode(), {"x-ms-blob-content-type": kind})

    async def _put(self, name: str, query: str, data: bytes, headers: dict[str, str]) -> None:
        async with self._request("PUT", name, query, data, headers):
            pass

    @asynccontextmanager
    async def _request(
        self, method: str, name: str, query: str = "", data: bytes | None = None, headers: dict[str, str] | None = None
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        path = f"/{quote(name, safe='/~')}" if name else ""
        address = f"{self._url}{path}?{query}{'&' if query else ''}{self._signature}"
        sent = {"x-ms-version": BLOB_VERSION, **(headers or {})}
        body = None if data is None else io.BytesIO(data)
        async with reaching(self._url), self._http.request(method, address, data=body, headers=sent, allow_redirects=False) as answer:
            if answer.status >= 300:
                raise _blob_refusal(answer.status, answer.headers.get("x-ms-error-code"), await answer.read())
            yield answer


def _read(path: Path, start: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(PIECE_BYTES)


def _place(folder: Path, name: str) -> Path:
    """Where a blob's file goes; never outside the folder, whatever the blob is called."""
    parts = name.split("/")
    if any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts):
        raise Invalid(f"The blob '{name}' has a name that cannot be a file's name here.", code="UnsafeName")
    return folder.joinpath(*parts)


def _blob_refusal(status: int, code: str | None, raw: bytes) -> Refusal:
    message = "The storage account refused."
    try:
        tree = ET.fromstring(raw)  # noqa: S314 - as above
        code = code or tree.findtext("Code")
        message = (tree.findtext("Message") or message).strip().splitlines()[0]
    except ET.ParseError:
        pass
    return Refusal(status, code or f"Http{status}", message)


async def _all(works: Iterable[Coroutine[None, None, None]]) -> None:
    """Do all works, a few at a time; the first failure stops the rest and is the one that is told."""
    waiting = iter(works)

    async def take() -> None:
        for work in waiting:
            await work

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(take())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None

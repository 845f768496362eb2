"""The values that are stored: accounts, containers, blobs, staged blocks."""

from __future__ import annotations

from typing import Final

import msgspec

MIB: Final = 1 << 20
MAX_PUT_BYTES: Final = 5000 * MIB
MAX_BLOCK_BYTES: Final = 4000 * MIB
MAX_BLOCKS: Final = 50_000
MAX_METADATA_BYTES: Final = 8192
SMALL_BYTES: Final = 16 << 10
"""What is no larger lies as a payload beside its entry, written in the same commit."""

DEFAULT_TYPE: Final = "application/octet-stream"
NO_TEXTS: dict[str, str] = {}


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A storage account. `sealed` holds its shared keys and its delegation secret, opened by the key ring only."""

    name: str
    id: str
    sealed: str
    is_shared_key_allowed: bool = False
    created: int = 0

    @property
    def owner(self) -> str:
        """The account's name in the key ring."""
        return f"account/{self.name}"

    @property
    def service_id(self) -> str:
        """The scope of decisions on the blob service."""
        return f"{self.id}/blobServices/default"

    def container_id(self, container: str) -> str:
        """The scope of decisions on one container."""
        return f"{self.id}/blobServices/default/containers/{container}"


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """A container. `cid` is made anew with each creation, so that nothing of a deleted namesake shines through."""

    cid: str
    owner: str
    parent: str | None
    created: int
    modified: int
    etag: str
    metadata: dict[str, str] = NO_TEXTS

    @property
    def blobs(self) -> str:
        """The space of its blobs, by name."""
        return f"blobs/in/{self.cid}"

    @property
    def staged(self) -> str:
        """The space of its staged blocks, by blob name and block id."""
        return f"blobs/staged/{self.cid}"


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """A stretch of a blob's bytes under one seal. `ref` is `p…` for a payload, `o…` for an object; `block` its block id.

    `generation` is that of the data key that sealed it.
    """

    ref: str
    size: int
    block: str = ""
    generation: int = 1

    @property
    def is_object(self) -> bool:
        """Whether the bytes lie in the object store and not in the index."""
        return self.ref[0] == "o"


class Manifest(msgspec.Struct, frozen=True, array_like=True):
    """Where the pieces of a blob of many blocks are listed: payloads `{ref}.0` to `{ref}.{parts - 1}`."""

    ref: str
    parts: int
    count: int

    def payloads(self) -> list[str]:
        """The names of the payloads that hold it."""
        return [f"{self.ref}.{part}" for part in range(self.parts)]


class Copied(msgspec.Struct, frozen=True, array_like=True):
    """Where a blob was copied from, and when."""

    id: str
    source: str
    at: int


class Content(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The HTTP properties of a blob's content; `md5` in base64."""

    type: str = DEFAULT_TYPE
    md5: str = ""
    encoding: str = ""
    language: str = ""
    disposition: str = ""
    cache: str = ""


NO_CONTENT: Final = Content()


class Blob(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A committed block blob: what its index entry holds. Times are milliseconds since the epoch.

    `mark` authenticates the list of pieces of a blob that has not exactly one; it is made with the data key's generation
    `marked_by`.
    """

    size: int
    created: int
    modified: int
    content: Content
    pieces: tuple[Piece, ...] = ()
    metadata: dict[str, str] = NO_TEXTS
    tags: dict[str, str] = NO_TEXTS
    tier: str = ""
    manifest: Manifest | None = None
    mark: str = ""
    copied: Copied | None = None
    marked_by: int = 1


class Staged(msgspec.Struct, frozen=True, array_like=True):
    """A staged block that no list has committed yet."""

    ref: str
    size: int
    at: int
    generation: int = 1


class Etagged(msgspec.Struct, frozen=True):
    """A blob as it was read: its ETag (without quotes) and its value."""

    etag: str
    blob: Blob

"""The index: a blob's entry, and the list of its pieces where that is too long for the entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.keys import DataKeys
from studiolo.kernel.store.port import Entry, PutPayload, Store, Write
from studiolo.rooms.blobs.domain.blob import Blob, Container, Etagged, Manifest, Piece, Staged
from studiolo.rooms.blobs.domain.sealing import check_mark, mark_of
from studiolo.rooms.blobs.service.pieces import Moved, place_of

SEPARATOR: Final = "\x1f"
"""Between a blob's name and a block id in the key of a staged block; names hold no control characters."""
_INLINE_PIECES = 8
_PIECES_PER_PART = 400
_REMEMBERED = 256
_encode = msgspec.json.Encoder().encode
_decode_blob = msgspec.json.Decoder(Blob).decode
_decode_staged = msgspec.json.Decoder(Staged).decode
_encode_pieces = msgspec.msgpack.Encoder().encode
_decode_pieces = msgspec.msgpack.Decoder(tuple[Piece, ...]).decode


class Index:
    """Reads entries and writes them ready for a commit."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lists: dict[str, tuple[Piece, ...]] = {}

    async def find(self, container: Container, name: str) -> Etagged | None:
        """The committed blob of this name."""
        entry = await self._store.entry(container.blobs, name)
        return Etagged(entry.etag, _decode_blob(entry.doc)) if entry else None

    @staticmethod
    def decode(doc: bytes) -> Blob:
        """An entry's document as a blob."""
        return _decode_blob(doc)

    @staticmethod
    def encode(value: Blob | Staged) -> bytes:
        """A blob or a staged block as an entry's document."""
        return _encode(value)

    @staticmethod
    def staged_key(name: str, block: str) -> str:
        """The key of a staged block."""
        return f"{name}{SEPARATOR}{block}"

    @staticmethod
    def staged_piece(entry: Entry) -> Piece:
        """The piece that a staged block's entry names."""
        staged = _decode_staged(entry.doc)
        return Piece(staged.ref, staged.size, entry.key.rpartition(SEPARATOR)[2], staged.generation)

    @staticmethod
    def staged(entry: Entry) -> Staged:
        """A staged block."""
        return _decode_staged(entry.doc)

    def listed(self, container: Container, name: str, keys: DataKeys, blob: Blob, pieces: Sequence[Piece]) -> tuple[Blob, list[Write]]:
        """The blob with these pieces, and the payloads that hold their list if it is long.

        A blob of one piece needs no mark: that piece's own seal is bound to the blob's name and its length.
        """
        if len(pieces) == 1 and not pieces[0].block:
            return msgspec.structs.replace(blob, pieces=tuple(pieces), manifest=None, mark=""), []
        blob = msgspec.structs.replace(blob, mark=mark_of(keys.key, place_of(container, name), blob.size, pieces), marked_by=keys.number)
        if len(pieces) <= _INLINE_PIECES:
            return msgspec.structs.replace(blob, pieces=tuple(pieces), manifest=None), []
        manifest = Manifest("m" + clock.new_tag() + clock.new_tag(), -(-len(pieces) // _PIECES_PER_PART), len(pieces))
        parts = [_encode_pieces(pieces[at : at + _PIECES_PER_PART]) for at in range(0, len(pieces), _PIECES_PER_PART)]
        writes: list[Write] = [PutPayload(ref, data) for ref, data in zip(manifest.payloads(), parts, strict=True)]
        return msgspec.structs.replace(blob, pieces=(), manifest=manifest), writes

    async def pieces(self, container: Container, name: str, keys: DataKeys, blob: Blob) -> tuple[Piece, ...]:
        """The blob's pieces in order, checked against its mark.

        Raises:
            Moved: the list is gone, so the blob was replaced meanwhile.
            Damaged: the list was changed.
        """
        if not blob.mark and len(blob.pieces) == 1 and blob.pieces[0].size == blob.size:
            return blob.pieces
        known = self._lists.get(blob.manifest.ref) if blob.manifest else None
        if known is not None:
            return known
        pieces, _ = await self.parts(blob)
        check_mark(keys.of(blob.marked_by), place_of(container, name), blob.size, pieces, blob.mark)
        if blob.manifest is not None:
            if len(self._lists) >= _REMEMBERED:
                self._lists.clear()
            self._lists[blob.manifest.ref] = pieces
        return pieces

    async def parts(self, blob: Blob) -> tuple[tuple[Piece, ...], list[str]]:
        """Everything that lies outside the entry: the pieces and the payloads of their list. Nothing is checked."""
        if blob.manifest is None:
            return blob.pieces, []
        names = blob.manifest.payloads()
        found: list[Piece] = []
        for name in names:
            payload = await self._store.payload(name)
            if payload is None:
                raise Moved(name)
            found += _decode_pieces(payload)
        return tuple(found), names

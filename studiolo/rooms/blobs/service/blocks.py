"""Blocks: staged one by one, committed as a list; committing copies no bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias

from studiolo.kernel.faults import Invalid, Stale
from studiolo.kernel.store.port import ABSENT, DropEntry, Entry, PutEntry, Store
from studiolo.rooms.blobs.domain.blob import MAX_BLOCKS, Blob, Container, Etagged, Piece, Staged
from studiolo.rooms.blobs.service.blobs import Blobs, Check, Draft, Facts, Terms, absent, now_ms
from studiolo.rooms.blobs.service.containers import contended, new_etag
from studiolo.rooms.blobs.service.index import SEPARATOR
from studiolo.rooms.blobs.service.pieces import Body, Moved, Sums, Written

Source: TypeAlias = Literal["Committed", "Uncommitted", "Latest"]
_RACES = 20
_BATCH = 1000
_WEEK_MS = 7 * 24 * 3600 * 1000


class Asked(NamedTuple):
    """A line of a block list: where to look for the block, and its id in base64."""

    source: Source
    id: str


class BlockLists(NamedTuple):
    """The committed blob, its blocks in order, and the staged ones by id."""

    found: Etagged | None
    committed: Sequence[Piece]
    staged: Sequence[Piece]


class Blocks:
    """The blocks of all blobs."""

    def __init__(self, store: Store, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs

    async def stage(self, container: Container, name: str, block: str, body: Body, check: Check) -> None:
        """Stage a block, in place of one with the same id.

        Raises:
            Invalid: its id has another length than those of the blob's other blocks (code `InvalidBlobOrBlock`), or the
                bytes are not the announced ones; nothing was changed.
        """
        first = await self._store.entries(container.staged, prefix=name + SEPARATOR, limit=1)
        if first and len(first[0].key) != len(self._blobs.index.staged_key(name, block)):
            raise Invalid("All block ids of a blob must have the same length.", code="InvalidBlobOrBlock", target="blockid")
        sums = check.sums()
        written = await self._blobs.pieces.write(container, name, body, sums, block=block)
        with self._blobs.giving_up([written]):
            check.compare(sums)
            await self._put(container, name, written)

    async def commit(
        self,
        container: Container,
        name: str,
        asked: Sequence[Asked],
        facts: Facts,
        terms: Terms,
        may_keep: Callable[[Etagged], Awaitable[None]],
    ) -> Etagged:
        """Make the blob from the blocks of this list; staged blocks that it does not name are dropped.

        `may_keep` raises if the caller may not keep blocks of the blob as it is; it is asked where the list looks for one of them.

        Raises:
            Invalid: a block is not where the list says (code `InvalidBlockList`), or there are too many.
            Conflict, Stale, Forbidden: the terms do not hold.
        """
        if len(asked) > MAX_BLOCKS:
            raise Invalid(f"The list has {len(asked)} blocks; a blob can have {MAX_BLOCKS}.", code="BlockListTooLong")

        async def draw(old: Etagged | None) -> Draft:
            keys = await self._blobs.pieces.keys_of(container)
            staged = {piece.block: piece for piece in await self._staged(container, name)}
            if old is not None and any(source == "Committed" or (source == "Latest" and block not in staged) for source, block in asked):
                await may_keep(old)
            pieces = await self._blobs.index.pieces(container, name, keys, old.blob) if old and old.blob.size else ()
            chosen = _chosen(asked, {piece.block: piece for piece in pieces}, staged)
            now = now_ms()
            blob = Blob(
                size=sum(piece.size for piece in chosen),
                created=old.blob.created if old else now,
                modified=now,
                content=facts.content,
                metadata=facts.metadata,
                tags=facts.tags,
                tier=facts.tier,
            )
            return Draft(blob, chosen)

        return await self._blobs.replace(container, name, terms, draw, ends_staging=True)

    async def list(self, container: Container, name: str) -> BlockLists:
        """The blob's blocks.

        Raises:
            NotFound: there is neither a blob nor a staged block (code `BlobNotFound`).
        """
        keys = await self._blobs.pieces.keys_of(container)
        for _ in range(_RACES):
            found = await self._blobs.find(container, name)
            staged = await self._staged(container, name)
            if found is None and not staged:
                raise absent()
            try:
                pieces = await self._blobs.index.pieces(container, name, keys, found.blob) if found and found.blob.size else ()
            except Moved:
                continue
            return BlockLists(found, [piece for piece in pieces if piece.block], staged)
        raise contended()

    async def names(self, container: Container, *, prefix: str, after: str) -> AsyncIterator[str]:
        """Names of blobs that have staged blocks, in order, behind `after`."""
        at = after + SEPARATOR + "\U0010ffff" if after else ""
        while page := await self._store.entries(container.staged, prefix=prefix, after=at, limit=1):
            name = page[0].key.rpartition(SEPARATOR)[0]
            if name > after:
                yield name
            at = name + SEPARATOR + "\U0010ffff"

    async def expire(self, container: Container) -> None:
        """Drop blocks that were staged more than a week ago and never committed."""
        after, before = "", now_ms() - _WEEK_MS
        while page := await self._store.entries(container.staged, after=after, limit=_BATCH):
            after = page[-1].key
            due = [entry for entry in page if self._blobs.index.staged(entry).at < before]
            lost = [self._blobs.index.staged_piece(entry) for entry in due]
            if due:
                drops = (DropEntry(container.staged, entry.key, expect=entry.etag) for entry in due)
                await self._store.commit(*drops, *self._blobs.pieces.dropped(lost))
                self._blobs.committed(container, lost)

    async def _put(self, container: Container, name: str, written: Written) -> None:
        piece = written.piece
        key = self._blobs.index.staged_key(name, piece.block)
        fresh = Entry(key, new_etag(), self._blobs.index.encode(Staged(piece.ref, piece.size, now_ms(), piece.generation)))
        for _ in range(_RACES):
            old = await self._store.entry(container.staged, key)
            lost = [self._blobs.index.staged_piece(old)] if old else []
            put = PutEntry(container.staged, fresh, expect=old.etag if old else ABSENT)
            try:
                await self._store.commit(*written.writes, put, *self._blobs.pieces.dropped(lost))
            except Stale:
                continue
            self._blobs.committed(container, lost)
            return
        raise contended()

    async def reseal(self, container: Container, entry: Entry) -> bool:
        """Seal a staged block anew if an older generation of the key sealed it; whether it was.

        Raises nothing if it is committed, replaced or dropped meanwhile: then it is left alone.
        """
        old, pieces = self._blobs.index.staged(entry), self._blobs.pieces
        name, _, block = entry.key.rpartition(SEPARATOR)
        piece = self._blobs.index.staged_piece(entry)
        if old.generation == (await pieces.keys_of(container)).number:
            return False
        try:
            body = Body(pieces.plain(container, name, piece), piece.size)
            written = await pieces.write(container, name, body, Sums(md5=False), block=block)
        except Moved:
            return False
        fresh = Staged(written.piece.ref, written.piece.size, old.at, written.piece.generation)
        with self._blobs.giving_up([written]):
            put = PutEntry(container.staged, Entry(entry.key, new_etag(), self._blobs.index.encode(fresh)), expect=entry.etag)
            await self._store.commit(*written.writes, put, *pieces.dropped([piece]))
        self._blobs.committed(container, [piece])
        return True

    async def _staged(self, container: Container, name: str) -> list[Piece]:
        return [self._blobs.index.staged_piece(entry) for entry in await self._blobs.staged(container, name)]


def _chosen(asked: Iterable[Asked], committed: dict[str, Piece], staged: dict[str, Piece]) -> list[Piece]:
    found: list[Piece] = []
    for source, block in asked:
        piece = staged.get(block) if source != "Committed" else committed.get(block)
        if piece is None and source == "Latest":
            piece = committed.get(block)
        if piece is None:
            raise Invalid("The specified block list is invalid: it names a block that is not there.", code="InvalidBlockList", target=block)
        found.append(piece)
    return found

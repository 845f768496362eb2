"""Blobs: put, read, changed, copied, deleted; overwrites race fairly and leave nothing behind."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Fault, Forbidden, Invalid, NotFound, Stale, Unavailable
from studiolo.kernel.keys import DataKeys
from studiolo.kernel.store.port import ABSENT, DropEntry, DropPayload, Entry, PutEntry, Store, Write
from studiolo.rooms.blobs.domain.blob import NO_CONTENT, NO_TEXTS, Blob, Container, Content, Copied, Etagged, Piece
from studiolo.rooms.blobs.domain.conditions import NONE, Conditions, check_write
from studiolo.rooms.blobs.domain.sealing import Damaged
from studiolo.rooms.blobs.service.containers import contended, new_etag
from studiolo.rooms.blobs.service.index import SEPARATOR, Index
from studiolo.rooms.blobs.service.pieces import STRETCH, Body, Moved, Pieces, Stream, Sums, Written
from studiolo.rooms.blobs.service.purge import Purge
from studiolo.rooms.blobs.service.turns import Turn, Turns

_RACES = 20
_BATCH = 1000


class Terms(NamedTuple):
    """Under which a write may replace what is there; `must_be_new` for callers who may only add.

    `tags` are those that the blob had when it was decided, where the decision looked at them.
    """

    conditions: Conditions = NONE
    must_be_new: bool = False
    tags: Mapping[str, str] | None = None


class Facts(NamedTuple):
    """What a caller says about a blob besides its bytes."""

    content: Content = NO_CONTENT
    metadata: dict[str, str] = NO_TEXTS
    tags: dict[str, str] = NO_TEXTS
    tier: str = ""


class Draft(NamedTuple):
    """What a write makes of a blob: its new value, its pieces, and what else its commit holds."""

    blob: Blob
    pieces: Sequence[Piece]
    writes: Sequence[Write] = ()


class Source(NamedTuple):
    """A blob that is copied, as it was found."""

    container: Container
    name: str
    found: Etagged


class Check(NamedTuple):
    """Digests that the bytes must have, raw; empty ones are not asked for."""

    md5: bytes = b""
    crc: bytes = b""

    def sums(self, *, md5: bool = False) -> Sums:
        """What to compute on the way."""
        return Sums(md5=md5 or bool(self.md5), crc=bool(self.crc))

    def compare(self, sums: Sums) -> None:
        """Return if the sums are the ones asked for; raise Invalid (`Md5Mismatch`, `Crc64Mismatch`) if not."""
        if self.md5 and sums.md5 is not None and sums.md5.digest() != self.md5:
            raise Invalid(
                "The MD5 value specified in the request did not match the MD5 value calculated by the server.", code="Md5Mismatch"
            )
        if self.crc and sums.crc is not None and sums.crc.digest() != self.crc:
            raise Invalid(
                "The CRC64 value specified in the request did not match the CRC64 value calculated by the server.", code="Crc64Mismatch"
            )


class Blobs:
    """The blobs of all containers."""

    def __init__(self, store: Store, index: Index, pieces: Pieces, purge: Purge) -> None:
        self._store = store
        self._purge = purge
        self._turns = Turns()
        self.index = index
        self.pieces = pieces

    async def find(self, container: Container, name: str) -> Etagged | None:
        """The blob, if it is there."""
        return await self.index.find(container, name)

    async def get(self, container: Container, name: str) -> Etagged:
        """The blob.

        Raises:
            NotFound: there is none (code `BlobNotFound`).
        """
        found = await self.index.find(container, name)
        if found is None:
            raise absent()
        return found

    async def put(self, container: Container, name: str, body: Body, facts: Facts, terms: Terms, check: Check) -> Etagged:
        """Write a whole blob. Its MD5 is computed and kept.

        Raises:
            Invalid: the bytes are not the ones that were announced; nothing was changed.
            Conflict, Stale, Forbidden: the terms do not hold.
        """
        await self._foresee(container, name, terms)
        sums = check.sums(md5=True)
        written = await self.pieces.write(container, name, body, sums)
        with self.giving_up([written]):
            check.compare(sums)
            md5 = base64.b64encode(sums.md5.digest()).decode() if sums.md5 is not None else ""
            fresh = _fresh(body.size, facts, msgspec.structs.replace(facts.content, md5=md5))
            return await self._publish(container, name, terms, fresh, written)

    async def update(self, container: Container, name: str, terms: Terms, change: Callable[[Blob], Blob]) -> Etagged:
        """Change what is known of a blob, not its bytes.

        Raises:
            NotFound: there is no such blob.
            Stale: a condition does not hold.
        """

        async def draw(old: Etagged | None) -> Draft:
            if old is None:
                raise absent()
            return Draft(change(old.blob), old.blob.pieces)

        return await self.replace(container, name, terms, draw, keeps_bytes=True)

    async def replace(
        self,
        container: Container,
        name: str,
        terms: Terms,
        draw: Callable[[Etagged | None], Awaitable[Draft]],
        *,
        keeps_bytes: bool = False,
        ends_staging: bool = False,
    ) -> Etagged:
        """Put what `draw` makes of the present blob in its place; drawn again if somebody else was quicker.

        Raises:
            Unavailable: too many others were quicker.
        """
        for _ in range(_RACES):
            keys = await self.pieces.keys_of(container)
            use = self.pieces.using(keys.owner, keys.number)
            turn, old = await self._present(container, name)
            try:
                check_terms(terms, old)
                draft = await draw(old)
                lost, lists = ((), []) if keeps_bytes or old is None else await self.index.parts(old.blob)
            except Fault:
                if turn is None or await turn.is_durable():
                    raise
                continue
            except Moved:
                if turn is not None:
                    await turn.is_durable()
                continue
            kept = {piece.ref for piece in draft.pieces}
            staged = await self.staged(container, name) if ends_staging else []
            lost = [piece for piece in (*lost, *map(self.index.staged_piece, staged)) if piece.ref not in kept]
            blob, more = (draft.blob, []) if keeps_bytes else self.index.listed(container, name, keys, draft.blob, draft.pieces)
            made = Etagged(new_etag(), blob)
            writes = [
                *draft.writes,
                *more,
                PutEntry(container.blobs, Entry(name, made.etag, self.index.encode(blob)), expect=old.etag if old else ABSENT),
                *self._gone(lost, lists),
                *(DropEntry(container.staged, entry.key, expect=entry.etag) for entry in staged),
            ]
            is_committed = await self._is_committed(container, name, turn, made, writes)
            del use
            if is_committed:
                self.committed(container, lost)
                return made
        raise contended()

    async def reseal(self, container: Container, name: str) -> bool:
        """Seal a blob anew if an older generation of the key sealed any of it; whether it was.

        Nothing about the blob changes for its readers and writers, its ETag neither. One that somebody else replaces
        meanwhile is left alone: it is sealed by the newest generation.
        """
        keys = await self.pieces.keys_of(container)
        turn, old = await self._present(container, name)
        if old is None or (turn is not None and not await turn.is_durable()):
            return False
        written: list[Written] = []
        try:
            before = await self.index.pieces(container, name, keys, old.blob)
            if not is_stale(old.blob, before, keys.number):
                return False
            for piece in before:
                if piece.generation != keys.number:
                    body = Body(self.pieces.plain(container, name, piece), piece.size)
                    written.append(await self.pieces.write(container, name, body, Sums(md5=False), block=piece.block))
            _, lists = await self.index.parts(old.blob)
            is_done = await self._reseal(container, name, turn, old, keys, before, written, lists)
        except Moved:
            is_done = False
        except Fault:
            self._abandon(written)
            raise
        if not is_done:
            self._abandon(written)
        return is_done

    async def _reseal(
        self,
        container: Container,
        name: str,
        turn: Turn | None,
        old: Etagged,
        keys: DataKeys,
        before: Sequence[Piece],
        written: Sequence[Written],
        lists: Sequence[str],
    ) -> bool:
        fresh = iter(written)
        after = [piece if piece.generation == keys.number else next(fresh).piece for piece in before]
        blob, more = self.index.listed(container, name, keys, old.blob, after)
        lost = [piece for piece in before if piece.generation != keys.number]
        made = Etagged(old.etag, blob)
        writes = [
            *(write for one in written for write in one.writes),
            *more,
            PutEntry(container.blobs, Entry(name, made.etag, self.index.encode(blob)), expect=old.etag),
            *self._gone(lost, lists),
        ]
        if not await self._is_committed(container, name, turn, made, writes):
            return False
        self._turns.linger(container.cid, name, made)
        self.committed(container, lost)
        return True

    def _abandon(self, written: Sequence[Written]) -> None:
        for one in written:
            self.pieces.abandon(one)

    async def delete(self, container: Container, name: str, terms: Terms) -> None:
        """Remove a blob.

        Raises:
            NotFound: there is no such blob.
            Conflict, Stale: the terms do not hold.
        """
        for _ in range(_RACES):
            turn, old = await self._present(container, name)
            try:
                if old is None:
                    raise absent()
                check_terms(terms, old)
                lost, lists = await self.index.parts(old.blob)
            except Fault:
                if turn is None or await turn.is_durable():
                    raise
                continue
            except Moved:
                if turn is not None:
                    await turn.is_durable()
                continue
            writes = [DropEntry(container.blobs, name, expect=old.etag), *self._gone(lost, lists)]
            if await self._is_committed(container, name, turn, None, writes):
                self.committed(container, lost)
                return
        raise contended()

    async def _present(self, container: Container, name: str) -> tuple[Turn | None, Etagged | None]:
        """What the next writer builds on: the newest state on its way to the disk, else the one on it."""
        turn = self._turns.newest(container.cid, name)
        return (turn, turn.made) if turn is not None else (None, await self.index.find(container, name))

    async def _is_committed(self, container: Container, name: str, on: Turn | None, made: Etagged | None, writes: Sequence[Write]) -> bool:
        """Commit what was built on a turn; False if somebody else was quicker."""
        if self._turns.newest(container.cid, name) is not on:
            return False
        try:
            with self._turns.take(container.cid, name, made):
                await self._store.commit(*writes)
        except Stale:
            return False
        return True

    def _gone(self, lost: Sequence[Piece], lists: Sequence[str]) -> list[Write]:
        return [*self.pieces.dropped(lost), *(DropPayload(ref) for ref in lists)]

    async def read(self, container: Container, name: str, found: Etagged, start: int, end: int) -> bytes | AsyncIterator[bytes]:
        """The bytes of a half-open span of a blob that was found; what is long comes as a stream.

        Raises:
            Moved: the blob was replaced meanwhile; find it again.
            Damaged: what is stored is not what was sealed.
            Forbidden, Unavailable: as `check_readable`.
        """
        keys = await self.pieces.keys_of(container)
        if start == end:
            return b""
        pieces = await self.index.pieces(container, name, keys, found.blob)
        if len(pieces) == 1 and not pieces[0].is_object:
            plain = await self.pieces.small(keys, container, name, pieces[0])
            return plain[start:end]
        span = self.pieces.span(container, name, pieces, start, end)
        if end - start <= STRETCH and len(pieces) == 1:
            return await self._joined(span.next, end - start)
        held = self.pieces.hold(pieces)
        try:
            # Whoever replaces the blob after this look finds its pieces held.
            entry = await self._store.entry(container.blobs, name)
            if entry is None or entry.etag != found.etag or (first := await span.next()) is None:
                raise Moved(name)
        except BaseException:
            held.close()
            raise
        return aiter(Stream(span, first, held))

    async def check_readable(self, container: Container) -> None:
        """Return if the key that seals the container opens it; what is known of its blobs is then told.

        Raises:
            Forbidden: the key was destroyed or withdrawn.
            Unavailable: a customer's key above it cannot be reached.
        """
        await self.pieces.keys_of(container)

    async def whole(self, container: Container, name: str) -> bytes:
        """All bytes of a blob, for the platform's own use and small blobs.

        Raises:
            NotFound: there is no such blob.
        """
        for _ in range(_RACES):
            found = await self.get(container, name)
            try:
                body = await self.read(container, name, found, 0, found.blob.size)
            except Moved:
                continue
            return body if isinstance(body, bytes) else b"".join([piece async for piece in body])
        raise lost_bytes()

    async def copy(
        self, source: Source, container: Container, name: str, facts: Facts, terms: Terms, copied: Copied | None, check: Check
    ) -> Etagged:
        """Write a blob from another's bytes, sealed anew for where they now lie.

        Raises:
            Moved: the source was replaced meanwhile.
            Invalid: the bytes are not the ones that were expected.
            Conflict, Stale, Forbidden: the terms do not hold.
        """
        await self._foresee(container, name, terms)
        size = source.found.blob.size
        body = await self.read(source.container, source.name, source.found, 0, size)
        chunks, sums = once(body) if isinstance(body, bytes) else body, check.sums()
        written = await self.pieces.write(container, name, Body(chunks, size), sums)
        with self.giving_up([written]):
            check.compare(sums)
            fresh = msgspec.structs.replace(_fresh(size, facts, facts.content), copied=copied)
            return await self._publish(container, name, terms, fresh, written)

    async def _publish(self, container: Container, name: str, terms: Terms, fresh: Blob, written: Written) -> Etagged:
        async def draw(old: Etagged | None) -> Draft:
            blob = msgspec.structs.replace(fresh, created=old.blob.created) if old else fresh
            return Draft(blob, (written.piece,), written.writes)

        return await self.replace(container, name, terms, draw, ends_staging=True)

    @contextmanager
    def giving_up(self, written: Sequence[Written]) -> Generator[None]:
        """Remove what was written if the block refuses to publish it.

        After anything but a refusal (a cancelled call, a store that did not answer) nobody knows whether the commit
        went through: the objects stay noted as loose if it did not, and the next start removes them.
        """
        try:
            yield
        except Unavailable:
            raise
        except Fault:
            self._abandon(written)
            raise

    async def _foresee(self, container: Container, name: str, terms: Terms) -> None:
        """Refuse before the bytes are taken in, where that is already clear."""
        if terms != Terms():
            check_terms(terms, await self.index.find(container, name))

    async def staged(self, container: Container, name: str) -> list[Entry]:
        """The entries of all staged blocks of a blob."""
        found: list[Entry] = []
        prefix, after = name + SEPARATOR, ""
        while page := await self._store.entries(container.staged, prefix=prefix, after=after, limit=_BATCH):
            found += page
            if len(page) < _BATCH:
                break
            after = page[-1].key
        return found

    def committed(self, container: Container, lost: Sequence[Piece]) -> None:
        """Say that a durable commit has given up these pieces."""
        self.pieces.discard(lost)
        if self._purge.is_gone(container):
            self._purge.begin(container)

    @staticmethod
    async def _joined(next_part: Callable[[], Awaitable[bytearray | memoryview | None]], size: int) -> bytes:
        first = await next_part() or b""
        if len(first) == size:
            return bytes(first)
        parts = [bytes(first)]
        while (part := await next_part()) is not None:
            parts.append(bytes(part))
        return b"".join(parts)


def check_terms(terms: Terms, old: Etagged | None) -> None:
    """Return if a write over what is there may go on; raise Conflict, Stale, Forbidden or Unavailable if not."""
    if terms.tags is not None and terms.tags != (old.blob.tags if old else NO_TEXTS):
        raise contended()  # what was decided on is not what is there: another try is another decision
    if old is None:
        check_write(terms.conditions, None, 0)
        return
    check_write(terms.conditions, old.etag, old.blob.modified)
    if terms.must_be_new:
        raise Forbidden(
            "This request may create blobs and not replace them: it lacks blobs/write, or its signature lacks 'w'.",
            code="AuthorizationPermissionMismatch",
        )


def is_stale(blob: Blob, pieces: Sequence[Piece], newest: int) -> bool:
    """Whether an older generation of the key than the newest sealed any of a blob."""
    return any(piece.generation != newest for piece in pieces) or bool(blob.mark and blob.marked_by != newest)


def absent() -> NotFound:
    """The fault of a blob that is not there."""
    return NotFound("The specified blob does not exist.", code="BlobNotFound")


def lost_bytes() -> Fault:
    """The fault of an entry whose bytes are gone."""
    return Damaged("The blob's stored bytes are missing.")


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return int(clock.now().timestamp() * 1000)


def _fresh(size: int, facts: Facts, content: Content) -> Blob:
    now = now_ms()
    return Blob(size=size, created=now, modified=now, content=content, metadata=facts.metadata, tags=facts.tags, tier=facts.tier)


async def once(data: bytes) -> AsyncIterator[bytes]:
    """Bytes that are there already, as a body that arrives."""
    yield data

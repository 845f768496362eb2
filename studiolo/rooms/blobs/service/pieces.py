"""Sealed pieces: written from a stream in bounded memory, read by range.

While one stretch of a body is hashed and sealed in a thread (both release the interpreter's lock), the one before is
written and the one after arrives; no more than a few stretches are in memory, however long the body.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, aclosing
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias
from weakref import WeakSet

from studiolo.kernel import clock
from studiolo.kernel.faults import Invalid
from studiolo.kernel.keys import DataKeys
from studiolo.kernel.store.port import DropPayload, PutPayload, Store, Write
from studiolo.rooms.blobs.domain.blob import SMALL_BYTES, Container, Piece
from studiolo.rooms.blobs.domain.checksums import Crc64
from studiolo.rooms.blobs.domain.sealing import CHUNK, Damaged, Seal, chunks_of, sealed_span
from studiolo.rooms.blobs.ports import Keys, Missing, Objects
from studiolo.rooms.blobs.service.loose import LooseObjects

if TYPE_CHECKING:
    from cryptography.utils import Buffer

Fetch: TypeAlias = Callable[[str, int, int], Awaitable[bytes]]
STRETCH: Final = 1 << 20
_INLINE = 64 << 10


class Sums:
    """Checksums over a body as it arrives."""

    __slots__ = ("crc", "md5")

    def __init__(self, *, md5: bool, crc: bool = False) -> None:
        self.md5 = hashlib.md5(usedforsecurity=False) if md5 else None
        self.crc = Crc64() if crc else None

    def update(self, data: Buffer) -> None:
        """Go on with more bytes."""
        if self.md5 is not None:
            self.md5.update(data)
        if self.crc is not None:
            self.crc.update(data)


class Body(NamedTuple):
    """What is to be written: its bytes as they arrive, and how many were announced."""

    chunks: AsyncIterator[bytes]
    size: int


class Use:
    """That a writer seals with one generation of a key: from before its first byte until it is published or given up."""

    __slots__ = ("__weakref__", "generation", "owner")

    def __init__(self, owner: str, generation: int) -> None:
        self.owner = owner
        self.generation = generation


class Written(NamedTuple):
    """A piece that lies sealed, and the writes that the commit which publishes it must hold.

    While somebody has it, the key that sealed it is in use.
    """

    piece: Piece
    writes: tuple[Write, ...]
    use: Use


class Moved(Exception):
    """A piece that an index entry named is gone: the entry was replaced meanwhile, or the piece was lost."""


class Pieces:
    """Writes and reads the sealed bytes of blobs and blocks."""

    def __init__(self, store: Store, objects: Objects, keys: Keys, loose: LooseObjects) -> None:
        self._store = store
        self._objects = objects
        self._keys = keys
        self._loose = loose
        self._uses: WeakSet[Use] = WeakSet()

    async def keys_of(self, container: Container) -> DataKeys:
        """The data keys that seal what lies in a container. Raises as the key ring does."""
        return await self._keys.keys(container.owner, container.parent)

    def using(self, owner: str, generation: int) -> Use:
        """Say that a generation of an owner's key is in use, for as long as the result is kept."""
        use = Use(owner, generation)
        self._uses.add(use)
        return use

    def in_use(self, owner: str, newest: int) -> bool:
        """Whether somebody still seals, or reads what was sealed, with an older generation of the owner's key than the newest."""
        return any(use.owner == owner and use.generation < newest for use in self._uses)

    async def plain(self, container: Container, blob: str, piece: Piece) -> AsyncIterator[bytes]:
        """The plain bytes of one piece, as a body that arrives.

        Raises:
            Moved: it is gone.
            Damaged: it does not open.
        """
        if piece.size == 0 or not piece.is_object:
            yield await self.small(await self.keys_of(container), container, blob, piece)
            return
        span = self.span(container, blob, (piece,), 0, piece.size)
        while (part := await span.next()) is not None:
            yield bytes(part)

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def write(self, container: Container, blob: str, body: Body, sums: Sums, *, block: str = "") -> Written:
        """Seal a body for one blob: as a payload if it is small, else as an object.

        Raises:
            Invalid: fewer or more bytes came than were announced (code `IncompleteBody`); nothing is kept.
        """
        place = place_of(container, blob)
        keys = await self.keys_of(container)
        use, key = self.using(keys.owner, keys.number), keys.key
        if body.size <= SMALL_BYTES:
            data = b"".join([chunk async for chunk in body.chunks])
            _check_length(len(data), body.size)
            sums.update(data)
            piece = Piece("p" + clock.new_tag() + clock.new_tag(), body.size, block, keys.number)
            return Written(piece, (PutPayload(piece.ref, bytes(Seal(key, place, piece).seal(data))),), use)
        piece = Piece(await self._loose.take(), body.size, block, keys.number)
        try:
            async with aclosing(_sealed(Seal(key, place, piece), body, sums)) as stretches:
                await self._objects.write(piece.ref, stretches)
        except BaseException:
            self._loose.discard([piece.ref])
            raise
        return Written(piece, tuple(self._loose.kept([piece.ref])), use)

    def abandon(self, written: Written) -> None:
        """Give up what was written and will not be published."""
        if written.piece.is_object:
            self._loose.discard([written.piece.ref])

    def dropped(self, pieces: Iterable[Piece]) -> list[Write]:
        """The writes by which a commit gives up these pieces; `discard` them once it is durable."""
        found: list[Write] = []
        for piece in pieces:
            found += self._loose.loosened([piece.ref]) if piece.is_object else [DropPayload(piece.ref)]
        return found

    def discard(self, pieces: Iterable[Piece]) -> None:
        """Remove the objects of pieces that a durable commit has given up."""
        self._loose.discard(piece.ref for piece in pieces if piece.is_object)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────

    def span(self, container: Container, blob: str, pieces: Sequence[Piece], start: int, end: int) -> Span:
        """A half-open, non-empty span of plain bytes over consecutive pieces, to be read.

        The keys are asked for part by part: a long download ends when its key does.
        """
        use = self.using(container.owner, min(piece.generation for piece in pieces))
        return Span(self._fetch, lambda: self.keys_of(container), place_of(container, blob), _plan(pieces, start, end), use)

    async def small(self, keys: DataKeys, container: Container, blob: str, piece: Piece) -> bytes:
        """All plain bytes of a piece that lies as a payload.

        Raises:
            Moved: it is gone.
            Damaged: it does not open.
        """
        sealed = await self._store.payload(piece.ref)
        if sealed is None:
            raise Moved(piece.ref)
        return bytes(Seal(keys.of(piece.generation), place_of(container, blob), piece).open(sealed))

    def hold(self, pieces: Iterable[Piece]) -> ExitStack:
        """Keep pieces from being removed until the result is closed."""
        stack = ExitStack()
        stack.enter_context(self._loose.hold([piece.ref for piece in pieces if piece.is_object]))
        return stack

    async def _fetch(self, ref: str, start: int, end: int) -> bytes:
        if ref[0] == "o":
            try:
                return await self._objects.read(ref, start, end)
            except Missing:
                raise Moved(ref) from None
        found = await self._store.payload(ref)
        if found is None:
            raise Moved(ref)
        return found[start:end]


class _Part(NamedTuple):
    """What is fetched at once: chunks `first` to before `beyond` of one piece, of which a span of the piece is wanted."""

    piece: Piece
    first: int
    beyond: int
    start: int
    end: int


class Span:
    """Reads a span part by part, each no longer than a stretch."""

    def __init__(
        self, fetch: Fetch, keys: Callable[[], Awaitable[DataKeys]], place: tuple[str, str, str], plan: Iterator[_Part], use: Use
    ) -> None:
        self._use = use
        self._fetch = fetch
        self._keys = keys
        self._place = place
        self._plan = plan
        self._ref = ""
        self._seal: Seal | None = None

    async def next(self) -> bytearray | memoryview | None:
        """The next part's plain bytes; None behind the last.

        Raises:
            Moved: the piece is gone.
            Damaged: it does not open.
        """
        part = next(self._plan, None)
        if part is None:
            return None
        piece = part.piece
        keys = await self._keys()
        if self._seal is None or self._ref != piece.ref:
            self._seal, self._ref = Seal(keys.of(piece.generation), self._place, piece), piece.ref
        low, high = sealed_span(part.first, part.beyond, piece.size)
        sealed = await self._fetch(piece.ref, low, high)
        if len(sealed) != high - low:
            raise Damaged("A stored object is shorter than it was when it was sealed.")
        plain = self._seal.open(sealed, part.first)
        base = part.first * CHUNK
        if part.start == base and part.end - base == len(plain):
            return plain
        return memoryview(plain)[part.start - base : part.end - base]


class Stream:
    """A span as an answer's body: the next part is fetched while the one before is sent."""

    def __init__(self, span: Span, first: bytearray | memoryview, held: ExitStack) -> None:
        """`first` was read already; `held` is closed at the end, or when nobody reads on."""
        self._span = span
        self._held = held
        self._ready: bytearray | memoryview | None = first
        self._ahead: asyncio.Task[bytearray | memoryview | None] | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self  # type: ignore[return-value] - any buffer will do for a body

    async def __anext__(self) -> bytearray | memoryview:
        if self._ahead is not None:
            try:
                self._ready = await self._ahead
            except BaseException:
                self.close()
                raise
        if self._ready is None:
            self.close()
            raise StopAsyncIteration
        self._ahead = asyncio.create_task(self._span.next())
        return self._ready

    def close(self) -> None:
        """Let go of the pieces."""
        if self._ahead is not None:
            self._ahead.cancel()
            self._ahead = None
        self._ready = None
        self._held.close()

    def __del__(self) -> None:
        self._held.close()


def place_of(container: Container, blob: str) -> tuple[str, str, str]:
    """What a seal binds bytes to."""
    return container.owner, container.cid, blob


def _plan(pieces: Sequence[Piece], start: int, end: int) -> Iterator[_Part]:
    base = 0
    per_stretch = STRETCH // CHUNK
    for piece in pieces:
        low, high = max(start - base, 0), min(end - base, piece.size)
        if low < high:
            first, beyond = chunks_of(low, high)
            for at in range(first, beyond, per_stretch):
                until = min(at + per_stretch, beyond)
                yield _Part(piece, at, until, max(low, at * CHUNK), min(high, until * CHUNK))
        base += piece.size
        if base >= end:
            return


def _check_length(found: int, announced: int) -> None:
    if found != announced:
        raise Invalid(f"The request announced {announced} bytes and sent {found}.", code="IncompleteBody")


async def _sealed(seal: Seal, body: Body, sums: Sums) -> AsyncGenerator[bytearray]:
    """The sealed stretches of a body, one of them always in the making."""
    making: asyncio.Task[bytearray] | None = None
    total = first = 0
    try:
        async for stretch in _stretches(body.chunks):
            total += len(stretch)
            if total > body.size:
                break
            done = await making if making is not None else None
            making = asyncio.create_task(_sum_and_seal(seal, sums, stretch, first))
            first += STRETCH // CHUNK
            if done is not None:
                yield done
        _check_length(total, body.size)
        if making is not None:
            yield await making
    finally:
        if making is not None:
            making.cancel()


async def _sum_and_seal(seal: Seal, sums: Sums, stretch: memoryview, first: int) -> bytearray:
    def work() -> bytearray:
        sums.update(stretch)
        return seal.seal(stretch, first)

    return work() if len(stretch) <= _INLINE else await asyncio.to_thread(work)


async def _stretches(chunks: AsyncIterator[bytes]) -> AsyncIterator[memoryview]:
    """The same bytes cut at every stretch; the last cut is never empty, and there is one for an empty body."""
    parts: list[Buffer] = []
    size = 0
    async for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size > STRETCH:
            whole = memoryview(b"".join(parts))
            while len(whole) > STRETCH:
                yield whole[:STRETCH]
                whole = whole[STRETCH:]
            parts = [whole]
            size = len(whole)
    yield memoryview(b"".join(parts))

"""The port of the store, and the writes that one commit can hold.

Three shapes hold what is: *resources* (by lower-case id), *operations*, and
*spaces*: sorted maps from a text key to a small JSON document, for what a room keeps in numbers (blobs of a
container, keys, sessions). A *payload* is a byte string of at most a few dozen KB that belongs to an entry. What was
done and decided stands in the *record*: lines that are only ever added, each chained to the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from studiolo.kernel.store.head import Head

ANY: Final = "*any*"
"""Write whatever is there."""
ABSENT: Final = "*absent*"
"""Write only if nothing is there."""


class Row(NamedTuple):
    """A stored resource. `doc` is the resource body as clients get it, `private` what they never get (both JSON)."""

    key: str
    type: str  # lower case
    parent: str  # lower-case path of the collection that holds it
    etag: str
    doc: bytes
    private: bytes | None
    created: str  # ISO 8601, for ordering


class Entry(NamedTuple):
    """One entry of a space."""

    key: str
    etag: str
    doc: bytes


class OperationRow(NamedTuple):
    """A long operation. `token` fences: a worker writes only while it holds the newest."""

    id: str
    target: str
    kind: str
    status: str
    doc: bytes  # caller, journal, error: JSON
    token: int
    owner: str | None
    leased_until: float  # seconds since the epoch; 0: free
    created: str


class Line(NamedTuple):
    """One line of the record. `digest` covers all fields before it, and so the whole record up to here; see `chain`."""

    seq: int
    id: str  # of a decision; empty for other lines
    at: str
    action: str
    status: str
    target: str  # lower-case id of what was acted on, or the scope of a decision
    caller: str
    kind: str  # change, grant, refusal, repeats, secret, adopted, cut, loss
    reason: str
    deciding: str  # ids of the rows that decided, separated by spaces
    version: int  # the decision saw every line up to this one
    request: str
    doc: bytes
    previous: bytes
    digest: bytes
    seal: bytes


class PutResource(NamedTuple):
    """Insert or replace a resource. `expect` is an ETag, ANY or ABSENT. `facets` replace the old ones."""

    row: Row
    expect: str = ANY
    facets: tuple[str, ...] = ()


class DropResource(NamedTuple):
    """Remove a resource."""

    key: str
    type: str
    expect: str = ANY


class Expect(NamedTuple):
    """Write nothing; the commit holds only while the resource has this ETag."""

    key: str
    etag: str


class ExpectNothingBelow(NamedTuple):
    """Write nothing; the commit holds only while no resource hangs on this one."""

    key: str


class ExpectNoFacet(NamedTuple):
    """Write nothing; the commit holds only while no resource of a type (lower case) carries this facet."""

    type: str
    value: str


class PutEntry(NamedTuple):
    """Insert or replace an entry of a space."""

    space: str
    entry: Entry
    expect: str = ANY


class DropEntry(NamedTuple):
    """Remove an entry of a space."""

    space: str
    key: str
    expect: str = ANY


class DropSpace(NamedTuple):
    """Remove a space with all its entries."""

    space: str


class PutPayload(NamedTuple):
    """Write a payload under a fresh name."""

    name: str
    data: bytes


class DropPayload(NamedTuple):
    """Remove a payload."""

    name: str


class PutOperation(NamedTuple):
    """Insert an operation (`expect_token` None) or replace it while its token is still `expect_token`."""

    row: OperationRow
    expect_token: int | None = None


class Emit(NamedTuple):
    """Append a line to the record; the store gives it its number and its place in the chain."""

    at: str
    action: str
    status: str
    target: str
    caller: str
    doc: bytes
    kind: str = "change"
    reason: str = ""
    deciding: str = ""
    version: int = 0
    request: str = ""
    id: str = ""


class CutRecord(NamedTuple):
    """Drop lines from the beginning of the record, all older than a moment, at most so many; a line stands in for them."""

    older_than: str
    at: str
    caller: str
    limit: int = 5000


Write = (
    PutResource
    | DropResource
    | Expect
    | ExpectNothingBelow
    | ExpectNoFacet
    | PutEntry
    | DropEntry
    | DropSpace
    | PutPayload
    | DropPayload
    | PutOperation
    | Emit
    | CutRecord
)


class Page(NamedTuple):
    """A page of rows and the key to go on from; None at the end."""

    rows: Sequence[Row]
    next: str | None


class Watch(NamedTuple):
    """What a glance at the store tells.

    `changes` is another number after any commit, `strangers` grows when a commit of another process is noticed.
    """

    changes: int
    strangers: int


Companion = Callable[[Sequence[Write], Callable[[str, str], Entry | None], Callable[[], Head]], Sequence[Write]]
"""Given the writes of a commit, a way to read entries as they are within it, and one to the record's head behind the lines
that it adds: what must be written along with them, no lines."""


class Lines(NamedTuple):
    """Which lines of the record: numbers between `after` and `before` (0: no end), oldest or newest first.

    `under` is a target's lower-case id (with all below it), `kinds` and `caller` are exact; empty means all.
    """

    after: int = 0
    before: int = 0
    under: str = ""
    kinds: tuple[str, ...] = ()
    caller: str = ""
    limit: int = 100
    newest_first: bool = False


class Store(Protocol):
    """Durable state. Reads see every commit that was acknowledged before them."""

    def accompany(self, companion: Companion) -> None:
        """Let `companion` add writes to every commit, inside its transaction.

        It runs in the writer's thread; a fault of it refuses the commit.
        """
        ...

    def watch(self) -> Watch:
        """A glance, cheap enough for several a second.

        Raises:
            Unavailable: the store cannot be read (code `StoreUnavailable`).
        """
        ...

    def listen(self, listener: Callable[[Sequence[Write]], None]) -> None:
        """Call `listener` with the writes of each commit, companions' included, after it is durable and before its caller is told."""
        ...

    async def find(self, key: str) -> Row | None:
        """The resource with this lower-case id."""
        ...

    async def page(self, parent: str, *, after: str = "", limit: int = 100) -> Page:
        """Resources directly in a collection (lower-case path), by key."""
        ...

    async def by_age(self, parent: str, *, limit: int, after: tuple[str, str] | None = None, is_descending: bool = True) -> Sequence[Row]:
        """Resources of a collection by age, the last created first, or the first; strictly after one that was created then (its key)."""
        ...

    async def below(self, prefix: str, *, type_name: str | None = None, after: str = "", limit: int = 100) -> Page:
        """Resources whose key begins with `prefix` + '/', by key, optionally of one type (lower case)."""
        ...

    async def by_facet(self, type_name: str, value: str, *, under: str = "", after: str = "", limit: int = 1000) -> Page:
        """Resources of a type (lower case) that carry a facet, by key, optionally only below a key."""
        ...

    async def entry(self, space: str, key: str) -> Entry | None:
        """One entry of a space."""
        ...

    async def entries(self, space: str, *, prefix: str = "", after: str = "", limit: int = 1000) -> Sequence[Entry]:
        """Entries of a space in the order of their keys' UTF-8 bytes, strictly after `after`, beginning with `prefix`."""
        ...

    async def payload(self, name: str) -> bytes | None:
        """A payload's bytes."""
        ...

    async def operation(self, operation_id: str) -> OperationRow | None:
        """One operation."""
        ...

    async def due(self, now: float, *, limit: int = 16) -> Sequence[OperationRow]:
        """Unfinished operations whose lease has run out."""
        ...

    async def lines(self, asked: Lines) -> Sequence[Line]:
        """Lines of the record."""
        ...

    async def line(self, decision: str) -> Line | None:
        """The line of a decision."""
        ...

    def head(self) -> tuple[int, bytes]:
        """Number and digest of the record's newest line, as of the last commit."""
        ...

    async def commit(self, *writes: Write) -> None:
        """Make all writes durable, or none.

        Raises:
            Stale: an expectation does not hold; nothing was written.
        """
        ...

    async def close(self) -> None:
        """Finish what was queued and let go of the files."""
        ...

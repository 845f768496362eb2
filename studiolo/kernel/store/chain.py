"""The record's chain: each line holds the digest of the line before it, and a seal that only the studio's key can make.

    digest  SHA-256 over every stored field and the digest of the line before: anybody can check it
    seal    HMAC-SHA-256 of the digest under a key that no table holds: who may edit rows cannot make it

The one writer makes the lines inside the commit of what they tell. A *head* (number and digest of the newest line,
sealed) is kept outside the database, so that lines cut off at the end are missed.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.resource import PLATFORM
from studiolo.kernel.store.head import Head
from studiolo.kernel.store.port import CutRecord, Emit, Line

BEGINNING: Final = bytes(32)
"""What stands for the digest of the line before the first."""
HEAD_EVERY: Final = 500
"""After so many lines the head outside the database is written anew."""
ADOPTED: Final = "adopted"
CUT: Final = "cut"
LOSS: Final = "loss"

LINE_FIELDS: Final = Line._fields
"""The fields of a line, in the order in which they are stored and digested."""

_encode = msgspec.json.Encoder().encode


class Witness(Protocol):
    """Keeps the head outside of the database."""

    def load(self) -> bytes | None:
        """What was saved last; None if nothing ever was."""
        ...

    def save(self, data: bytes) -> None:
        """Keep this in place of what was saved before. Raises Fault if it cannot."""
        ...


class Keeper(NamedTuple):
    """What makes the record provable: the key of its seals, and where its head is kept outside the database."""

    key: bytes
    witness: Witness | None = None

    @classmethod
    def of(cls, master_key: bytes, witness: Witness | None = None) -> Keeper:
        """The keeper of a studio with this master key."""
        return cls(hmac.digest(master_key, b"studiolo record seals\x01", "sha256"), witness)

    def head(self) -> Head | None:
        """The head as it was kept outside; None if there is none, or none that was made with this key."""
        raw = self.witness.load() if self.witness is not None else None
        try:
            found = msgspec.json.decode(raw, type=Head) if raw else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return found if found is not None and found.holds(self.key) else None


def digest_of(line: Line) -> bytes:
    """The digest that a line with these fields has to carry.

    Raises:
        ValueError, TypeError: a field is of another type than it was written with, so the line was edited.
    """
    told = (*line[:12], line.doc.decode(), line.previous.hex())
    return hashlib.sha256(_encode(told)).digest()


def seal_of(key: bytes, digest: bytes) -> bytes:
    """The seal of a digest."""
    return hmac.digest(key, digest, "sha256")


class Chain:
    """Makes the lines. A transaction that fails is followed by `return_to` with the `place` that was before it."""

    def __init__(self, keeper: Keeper | None, seq: int, digest: bytes) -> None:
        self._key = keeper.key if keeper is not None else b""
        self._witness = keeper.witness if keeper is not None else None
        self._seq = seq
        self._digest = digest
        self._witnessed = -1

    @property
    def place(self) -> tuple[int, bytes]:
        """Number and digest of the newest line."""
        return self._seq, self._digest

    def return_to(self, place: tuple[int, bytes]) -> None:
        """Forget the lines made since."""
        self._seq, self._digest = place

    def line(self, write: Emit) -> Line:
        """The next line."""
        bare = Line(self._seq + 1, write.id, *write[:5], write.kind, *write[7:11], write.doc, self._digest, b"", b"")
        digest = digest_of(bare)
        self._seq, self._digest = bare.seq, digest
        return bare._replace(digest=digest, seal=seal_of(self._key, digest) if self._key else b"")

    def head(self) -> Head:
        """The sealed head, for whoever keeps it elsewhere."""
        head = Head(self._seq, self._digest.hex(), clock.stamp(clock.now()))
        return head.sealed(self._key) if self._key else head

    def bear_witness(self, *, is_last: bool = False) -> None:
        """Keep the head outside the database, if enough lines came since or this is the end. Raises what the witness does."""
        due = self._seq != self._witnessed if is_last else self._witnessed < 0 or self._seq - self._witnessed >= HEAD_EVERY
        if self._witness is not None and due:
            self._witness.save(_encode(self.head()))
            self._witnessed = self._seq


def first_words(keeper: Keeper | None, newest: Line | None, witnessed: Line | None) -> Emit | None:
    """What an opened record has to say about itself before anything else is written; None if all is as it was left.

    `newest` is its last line, `witnessed` the line that the head outside names.
    """
    if keeper is None or keeper.witness is None:
        return None
    head = keeper.head()
    if head is None:
        if newest is None:
            return None
        if newest.seal or keeper.witness.load() is not None:
            return _said(LOSS, "WitnessMissing", {"found": newest.seq})
        return _said(ADOPTED, "MadeBeforeSeals", {"through": newest.seq, "digest": newest.digest.hex()})
    found = newest.seq if newest is not None else 0
    if found < head.seq:
        return loss_words("LinesMissing", found, head.seq)
    if witnessed is not None and witnessed.digest.hex() != head.digest:
        return loss_words("LinesReplaced", found, head.seq)
    return None


def further_words(left: tuple[int, bytes], found: tuple[int, bytes]) -> Emit | None:
    """What a record has to say whose newest line is not the one that was `left` a moment ago; None if lines were but added."""
    if found[0] < left[0]:
        return loss_words("LinesMissing", found[0], left[0])
    return loss_words("LinesReplaced", found[0], left[0]) if found[0] == left[0] and found[1] != left[1] else None


def loss_words(reason: str, found: int, witnessed: int) -> Emit:
    """The line that tells that the record ended at `found`, where something else than the record knew of line `witnessed`."""
    return _said(LOSS, reason, {"found": found, "witnessed": witnessed})


def cut_words(write: CutRecord, last: Line) -> Emit:
    """The line that stands in for everything up to `last`."""
    doc = _encode({"through": last.seq, "digest": last.digest.hex(), "lineAt": last.at, "olderThan": write.older_than})
    action = "Studiolo.Audit/retention/cut"
    return Emit(write.at, action, "Succeeded", "/", write.caller, doc, kind=CUT, reason="Retention")


def _said(kind: str, reason: str, doc: dict[str, Any]) -> Emit:
    at = clock.stamp(clock.now())
    status = "Succeeded" if kind == ADOPTED else "Failed"
    return Emit(at, f"Studiolo.Audit/record/{kind}", status, "/", PLATFORM.oid, _encode(doc), kind=kind, reason=reason)

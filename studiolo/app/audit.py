"""Looks at a record without its studio: in a home's database, whether the studio runs or not, or in an exported file."""

from __future__ import annotations

import hmac
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from studiolo.app.home import Home, RecordWitness
from studiolo.kernel.faults import Fault, Invalid, NotFound
from studiolo.kernel.store.chain import LINE_FIELDS, Keeper
from studiolo.kernel.store.export import Ending, further, place_of
from studiolo.kernel.store.head import Head
from studiolo.kernel.store.port import Line
from studiolo.kernel.store.verify import Finding, Report, Verifier

__all__ = ["Ending", "Head", "Report", "verify_file", "verify_home"]

_BATCH: Final = 5000
_TAIL: Final = 1 << 16
_BEGINS_ENDING: Final = b'{"end":'
_OLDER_MEMBERS: Final = 7  # of an ending: see `Ending`
_OUTSIDE: Final = "the head kept outside"
Told = Callable[[int], None]
"""Takes how many lines were looked at so far."""


class _Exported(msgspec.Struct, omit_defaults=True):
    """A line as the API shows it, member by member; in exports of older releases it has no place."""

    seq: int
    id: str
    at: str
    action: str
    status: str
    target: str
    caller: str
    kind: str
    reason: str
    deciding: str
    version: int
    request: str
    doc: str
    previous: str
    digest: str
    seal: str
    place: str = ""


class _End(msgspec.Struct):
    end: Ending


_exported = msgspec.json.Decoder(_Exported)
_encode = msgspec.json.Encoder().encode


def verify_home(home: Home, told: Told, *, database: Path | None = None, head: Head | None = None) -> Report:
    """Look at every line of a home's record.

    Raises:
        NotFound: there is no database (code `NoStudio`), or no key (code `RecordKeyMissing`).
        Invalid: the database holds no record (code `RecordUnreadable`).
    """
    path = database or home.database
    if not path.exists():
        raise NotFound(f"There is no database at '{path}': name the studio's folder with --home.", code="NoStudio")
    keeper = Keeper.of(home.record_key(), RecordWitness(home))
    witnessed = keeper.head()  # before the lines are read: a studio that runs goes on writing both
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
            connection.execute("begin")  # rights and record as of one moment
            rights, finding = _rights(connection, keeper.key)
            newest, who = _newest((head, _OUTSIDE), (witnessed, _OUTSIDE), (rights, "the last change of rights"))
            report = _taken(Verifier(keeper.key, newest, keeper=who), _rows(connection), told)
    except sqlite3.Error as error:
        raise Invalid(f"The record in '{path}' cannot be read: {error}.", code="RecordUnreadable") from None
    report.finding = report.finding or finding
    return report


def _rights(connection: sqlite3.Connection, key: bytes) -> tuple[Head | None, Finding | None]:
    """The head as of the last change of rights, which the standing of rights names; or what is wrong with that."""
    from studiolo.rooms.authorization import SEALS, STATE, STATE_KEY, told_of_record

    found = connection.execute("select doc from entries where space = ? and key = ?", (STATE, STATE_KEY)).fetchone()
    newest = connection.execute("select max(cast(etag as integer)) from entries where space = ?", (SEALS,)).fetchone()[0] or 0
    last = connection.execute("select max(seq) from record").fetchone()[0] or 0
    if found is None:
        told = "The standing of rights, which names the line of their last change, is missing, and there are rights."
        return None, Finding(last + 1, "missing", told) if newest else None
    try:
        head = told_of_record(found[0], newest)
    except (ValueError, TypeError) as error:
        return None, Finding(last + 1, "missing", f"The standing of rights is not that of the rights: {error}.")
    if head is not None and not head.holds(key):
        return None, Finding(head.seq, "forged", f"The standing of rights names line {head.seq} without this studio's seal.")
    return head, None


def verify_file(path: Path, told: Told, *, home: Home | None = None, head: Head | None = None) -> Report:
    """Look at every line of an exported file; with a home also at the seals, of lines and ending, for which its key is needed.

    The report's `ending` says what the file's last line is worth. Without the key it is taken at its word (`unchecked`). With it,
    one that an older release wrote (`unsealed`) or that is not as the studio sealed it excuses nothing that is missing.

    Raises:
        Invalid: the file is no export (code `RecordUnreadable`).
    """
    ending, file = _ending(path), _File(path)
    key = Keeper.of(home.record_key()).key if home is not None else None
    if ending is None:
        report = _unended(Verifier(key), file, told)
    elif key is None:
        report = _at_its_word(ending, file, told, head)
    elif ending.holds(key):
        report = _sealed(ending, key, file, told, head)
    else:
        report = _unproven(ending, key, file, told, head)
    report.finding = file.finding or report.finding
    return report


def _at_its_word(ending: Ending, file: _File, told: Told, head: Head | None) -> Report:
    """Look at the chain alone."""
    head = head or (None if ending.until else ending.head)
    verifier = Verifier(None, head, is_partial=ending.is_partial, is_range=bool(ending.since))
    report = _taken(verifier, (line for line, _ in file.lines()), told)
    report.ending = "unchecked"
    if report.finding is None and report.lines != ending.lines:
        report.finding = Finding(report.last + 1, "missing", f"The file ends with the words that it has {ending.lines} lines.")
    return report


def _sealed(ending: Ending, key: bytes, file: _File, told: Told, head: Head | None) -> Report:
    """Look at seals and places, and at the end whether all that the studio exported is there."""
    track = _Track(ending, key)
    verifier = Verifier(key, head, is_partial=ending.is_partial, is_range=bool(ending.since))
    report = _taken(verifier, track.lines(file), told)
    report.ending = "sealed"
    if track.finding is not None:
        report.finding = track.finding
    elif report.finding is None and track.running.hex() != ending.digest:
        number = report.last + 1 if report.lines else ending.first
        report.finding = Finding(
            number, "missing", f"The studio exported {ending.lines} lines up to {ending.last}; those from here on are missing."
        )
    return report


def _unproven(ending: Ending, key: bytes, file: _File, told: Told, head: Head | None) -> Report:
    """Look at a file whose ending proves nothing: it counts as whole, from the first line to the newest that a seal names."""
    is_unsealed = not ending.seal
    if head is None and ending.head is not None and ending.head.holds(key) and not (is_unsealed and ending.until):
        head = ending.head
    report = _taken(Verifier(key, head), (line for line, _ in file.lines()), told)
    report.ending = "unsealed" if is_unsealed else "forged"
    if report.finding is None and not is_unsealed:
        words = "The file's ending is not as the studio sealed it: whether lines are missing from here on is not told."
        report.finding = Finding(report.last + 1, "forged", words)
    return report


class _File:
    """An exported file. `finding` is the first thing in it that the studio does not write so, once `lines` have come that far.

    What is checked is what a line says as it is read here. Whatever else reads the file must find the same in it, so every line is
    exactly the text that the studio writes: no member twice, none besides, and nothing behind the ending.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.finding: Finding | None = None

    def lines(self) -> Iterator[tuple[Line, str]]:
        """The lines with the marks of their places, up to the ending or the finding.

        Raises:
            Invalid: a line is no line of a record (code `RecordUnreadable`).
        """
        with self._path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                text = raw.removesuffix(b"\n")
                if text.startswith(_BEGINS_ENDING):
                    self.finding = _ended(number, text, is_last=not file.read(1))
                    return
                line, place = self._read(number, text)
                if _written(line, place) != text:
                    told = f"Line {number} of the file is not as the studio writes it: it says more than is checked, or says it otherwise."
                    self.finding = Finding(number, "foreign", told)
                    return
                yield line, place

    def _read(self, number: int, text: bytes) -> tuple[Line, str]:
        try:
            found = _exported.decode(text)
            given = (found.doc.encode(), *(bytes.fromhex(told) for told in (found.previous, found.digest, found.seal)))
        except (ValueError, RecursionError):
            raise Invalid(f"Line {number} of '{self._path}' is no line of a record.", code="RecordUnreadable") from None
        told = (getattr(found, name) for name in LINE_FIELDS[:12])
        return Line._make((*told, *given)), found.place


def _written(line: Line, place: str) -> bytes:
    """A line as the studio writes it."""
    return _encode(_Exported(*line[:12], line.doc.decode(), line.previous.hex(), line.digest.hex(), line.seal.hex(), place))


def _ended(number: int, text: bytes, *, is_last: bool) -> Finding | None:
    """What is wrong with a file's first ending, or behind it. One that was cut short is none, and missing."""
    if not is_last:
        return Finding(number + 1, "foreign", f"Line {number + 1} of the file stands behind an ending.")
    ending = _read_ending(text)
    if ending is None or text == _encode(_End(ending)):
        return None
    older = dict(list(msgspec.to_builtins(ending).items())[:_OLDER_MEMBERS])
    if text == _encode({"end": older}):
        return None
    return Finding(number, "foreign", f"Line {number} of the file, its ending, is not as the studio writes it.")


class _Track:
    """Follows the places of lines in their export. `finding` is the first line that did not stand where it does."""

    def __init__(self, ending: Ending, key: bytes) -> None:
        self._key = key
        self._last = 0
        self._first = ending.first
        self.running = ending.running()
        self.finding: Finding | None = None

    def lines(self, file: _File) -> Iterator[Line]:
        """The file's lines, up to the first that does not stand in its place."""
        for line, place in file.lines():
            self.running = further(self.running, line.digest)
            if not hmac.compare_digest(place.encode(), place_of(self._key, self.running).encode()):
                self.finding = self._misplaced(line)
                return
            yield line
            self._last = line.seq

    def _misplaced(self, line: Line) -> Finding:
        start = self._last + 1 if self._last else self._first
        if start >= line.seq:
            return Finding(line.seq, "replaced", f"Line {line.seq} is not what the studio exported here.")
        lines = f"line {start}" if start == line.seq - 1 else f"one of the lines {start} to {line.seq - 1}"
        return Finding(start, "missing", f"Before line {line.seq} the studio exported {lines}, which is missing.")


def _unended(verifier: Verifier, file: _File, told: Told) -> Report:
    report = _taken(verifier, (line for line, _ in file.lines()), told)
    if report.finding is None:
        report.finding = Finding(report.last + 1, "missing", "The file's last line is missing: it was cut short.")
    return report


def _taken(verifier: Verifier, lines: Iterator[Line], told: Told) -> Report:
    for count, line in enumerate(lines, 1):
        if not verifier.take(line):
            return verifier.stop()
        if count % _BATCH == 0:
            told(count)
    return verifier.end()


def _rows(connection: sqlite3.Connection) -> Iterator[Line]:
    cursor = connection.execute(f"select {', '.join(LINE_FIELDS)} from record order by seq")  # noqa: S608 - names of our own
    while rows := cursor.fetchmany(_BATCH):
        for row in rows:
            yield Line._make(row)


def _ending(path: Path) -> Ending | None:
    """The file's last line, if it has one."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            last = file.read().rstrip(b"\n").rpartition(b"\n")[2]
    except OSError as error:
        raise Fault(f"'{path}' cannot be read: {error.strerror}.", code="SystemError") from None
    return _read_ending(last)


def _read_ending(text: bytes) -> Ending | None:
    try:
        return msgspec.json.decode(text, type=_End).end
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _newest(*heads: tuple[Head | None, str]) -> tuple[Head | None, str]:
    """The newest of some heads, with who names it."""
    return max(heads, key=lambda one: one[0].seq if one[0] is not None else -1)

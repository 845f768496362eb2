"""Looks at a record without its studio: in a home's database, whether the studio runs or not, or in an exported file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec

from studiolo.app.home import Home, RecordWitness
from studiolo.kernel.faults import Fault, Invalid, NotFound
from studiolo.kernel.store.chain import LINE_FIELDS, Keeper
from studiolo.kernel.store.head import Head
from studiolo.kernel.store.port import Line
from studiolo.kernel.store.verify import Finding, Report, Verifier

__all__ = ["Ending", "Head", "Report", "verify_file", "verify_home"]

_BATCH: Final = 5000
_TAIL: Final = 1 << 16
Told = Callable[[int], None]
"""Takes how many lines were looked at so far."""


class Ending(msgspec.Struct, rename="camel"):
    """The last line of an exported file: what is in it, and whether lines were left out on purpose."""

    lines: int
    first: int
    last: int
    is_partial: bool
    since: str = ""
    until: str = ""
    head: Head | None = None


class _Exported(msgspec.Struct):
    """A line as the API shows it."""

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


class _End(msgspec.Struct):
    end: Ending


_exported = msgspec.json.Decoder(_Exported)


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
            newest, who = _newest((head, "the head kept outside"), (witnessed, "the head kept outside"), (rights, "the last change of rights"))
            report = _taken(Verifier(keeper.key, newest, keeper=who), _rows(connection), told)
    except sqlite3.Error as error:
        raise Invalid(f"The record in '{path}' cannot be read: {error}.", code="RecordUnreadable") from None
    report.finding = report.finding or finding
    return report


def _rights(connection: sqlite3.Connection, key: bytes) -> tuple[Head | None, Finding | None]:
    """The head as of the last change of rights, which the standing of rights names; or what is wrong with that."""
    from studiolo.rooms import iam

    found = connection.execute("select doc from entries where space = ? and key = ?", (iam.STATE, iam.STATE_KEY)).fetchone()
    newest = connection.execute("select max(cast(etag as integer)) from entries where space = ?", (iam.SEALS,)).fetchone()[0] or 0
    last = connection.execute("select max(seq) from record").fetchone()[0] or 0
    if found is None:
        told = "The standing of rights, which names the line of their last change, is missing, and there are rights."
        return None, Finding(last + 1, "missing", told) if newest else None
    try:
        head = iam.told_of_record(found[0], newest)
    except (ValueError, TypeError) as error:
        return None, Finding(last + 1, "missing", f"The standing of rights is not that of the rights: {error}.")
    if head is not None and not head.holds(key):
        return None, Finding(head.seq, "forged", f"The standing of rights names line {head.seq} without this studio's seal.")
    return head, None


def verify_file(path: Path, told: Told, *, home: Home | None = None, head: Head | None = None) -> Report:
    """Look at every line of an exported file; with a home also at the seals, for which its key is needed.

    Raises:
        Invalid: the file is no export (code `RecordUnreadable`).
    """
    ending = _ending(path)
    key = Keeper.of(home.record_key()).key if home is not None else None
    if ending is None:
        return _unended(Verifier(key), path, told)
    if head is None and ending.head is not None and not ending.until and (key is None or ending.head.holds(key)):
        head = ending.head
    is_range = bool(ending.since)
    report = _taken(Verifier(key, head, is_partial=ending.is_partial, is_range=is_range), _lines(path), told)
    if report.finding is None and report.lines != ending.lines:
        report.finding = Finding(report.last + 1, "missing", f"The file ends with the words that it has {ending.lines} lines.")
    return report


def _unended(verifier: Verifier, path: Path, told: Told) -> Report:
    report = _taken(verifier, _lines(path), told)
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


def _lines(path: Path) -> Iterator[Line]:
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            if raw.startswith(b'{"end":'):
                return
            try:
                found = _exported.decode(raw)
                given = (found.doc.encode(), *(bytes.fromhex(text) for text in (found.previous, found.digest, found.seal)))
            except (msgspec.DecodeError, ValueError, UnicodeError):
                raise Invalid(f"Line {number} of '{path}' is no line of a record.", code="RecordUnreadable") from None
            yield Line._make((*_told(found), *given))


def _told(found: _Exported) -> tuple[Any, ...]:
    return tuple(getattr(found, name) for name in LINE_FIELDS[:12])


def _ending(path: Path) -> Ending | None:
    """The file's last line, if it has one."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            last = file.read().rstrip(b"\n").rpartition(b"\n")[2]
    except OSError as error:
        raise Fault(f"'{path}' cannot be read: {error.strerror}.", code="SystemError") from None
    try:
        return msgspec.json.decode(last, type=_End).end
    except msgspec.DecodeError:
        return None


def _newest(*heads: tuple[Head | None, str]) -> tuple[Head | None, str]:
    """The newest of some heads, with who names it."""
    return max(heads, key=lambda one: one[0].seq if one[0] is not None else -1)

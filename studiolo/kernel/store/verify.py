"""Does a record hold? Reads lines in the order they are kept in and names the first that is not as it was written."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Any

import msgspec

from studiolo.kernel.store.chain import ADOPTED, BEGINNING, CUT, LOSS, digest_of, seal_of
from studiolo.kernel.store.head import Head
from studiolo.kernel.store.port import Line


class Finding(msgspec.Struct, frozen=True):
    """A line that is not as it was written: `edited`, `forged`, `missing`, `out of order`, `replaced`, `unsealed`.

    `foreign` is what an exported file holds that the studio does not write so; its number is that in the file.
    """

    line: int
    what: str
    told: str


class Loss(msgspec.Struct, frozen=True):
    """A line by which the studio itself told at a start that its record was not as it had left it."""

    line: int
    at: str
    reason: str


class Report(msgspec.Struct, rename="camel"):
    """What a look at a record came to. `finding` is the first broken line; None: every line is as it was written.

    `ending` says of an exported file whether its last line was proven: `sealed`, `unsealed`, `forged`, or `unchecked` without the key.
    """

    lines: int = 0
    first: int = 0
    last: int = 0
    digest: str = ""
    is_keyed: bool = False
    finding: Finding | None = None
    losses: list[Loss] = []
    cut_through: int = 0
    unseen: int = 0
    ending: str = ""


class Verifier:
    """Takes lines one by one; `end` says what was found.

    Args:
        key: the key of the seals; None checks the digests alone, which whoever may edit all lines can make anew.
        head: a head that was kept elsewhere.
        keeper: where that was, for people.
        is_partial: lines of others were left out (an export by somebody who does not see all): gaps are counted, not refused.
        is_range: the lines begin somewhere on purpose.
    """

    def __init__(
        self,
        key: bytes | None,
        head: Head | None = None,
        *,
        keeper: str = "the head kept outside",
        is_partial: bool = False,
        is_range: bool = False,
    ) -> None:
        self._key = key
        self._head = head
        self._keeper = keeper
        self._is_partial = is_partial
        self._is_range = is_range
        self._report = Report(is_keyed=key is not None)
        self._previous: bytes | None = None
        self._gap_digest = b""
        self._unsealed = 0
        self._cuts: dict[int, str] = {}

    def take(self, line: Line) -> bool:
        """Look at the next line; False once one is broken."""
        report = self._report
        told = self._broken(line)
        if told is not None:
            what, words = told
            number = line.seq if what != "missing" else report.last + 1
            report.finding = Finding(number, what, words)
            return False
        report.lines += 1
        report.last = line.seq
        self._previous = line.digest
        return True

    def take_all(self, lines: Iterable[Line]) -> Report:
        """Look at all lines, up to the first broken one."""
        for line in lines:
            if not self.take(line):
                return self.stop()
        return self.end()

    def stop(self) -> Report:
        """What was found, once a line was broken."""
        return self._report

    def end(self) -> Report:
        """What was found, once all lines were taken."""
        report = self._report
        report.digest = self._previous.hex() if self._previous is not None else ""
        if report.finding is None:
            report.finding = self._missing_at_the_start() or self._missing_at_the_end()
        return report

    def _broken(self, line: Line) -> tuple[str, str] | None:
        last = self._report.last
        try:
            is_whole = hmac.compare_digest(digest_of(line), line.digest)
        except (ValueError, TypeError, AttributeError):
            is_whole = False
        if line.seq <= last:
            return "out of order", f"Line {line.seq} stands behind line {last}." if last else f"No line has the number {line.seq}."
        if not is_whole:
            return "edited", f"Line {line.seq} is not as it was written: its digest does not fit what it says."
        return self._unlinked(line, last) or self._unsealed_line(line) or self._noted(line)

    def _unlinked(self, line: Line, last: int) -> tuple[str, str] | None:
        """Whether the line does not follow the one before it."""
        if self._previous is None:
            self._report.first = line.seq
            self._gap_digest = line.previous
            return None
        if line.seq > last + 1:
            if self._is_partial:
                self._report.unseen += line.seq - last - 1
                return None
            gone = f"Line {last + 1} is" if line.seq == last + 2 else f"Lines {last + 1} to {line.seq - 1} are"
            return "missing", f"{gone} missing."
        if not hmac.compare_digest(line.previous, self._previous):
            return "replaced", f"Line {line.seq} does not follow line {last}: one of the two was put in place of another."
        return None

    def _unsealed_line(self, line: Line) -> tuple[str, str] | None:
        """Whether the studio's key did not make this line. Lines from before there were seals are vouched for by one that has its own."""
        if self._key is None:
            return None
        if not line.seal:
            if self._unsealed == line.seq - 1 or (self._previous is None):
                self._unsealed = line.seq
                return None
            return "unsealed", f"Line {line.seq} has no seal, though lines before it have."
        if not hmac.compare_digest(line.seal, seal_of(self._key, line.digest)):
            return "forged", f"Line {line.seq} was not written by this studio: its seal was not made with the studio's key."
        if self._unsealed and self._unsealed == line.seq - 1:
            doc = _doc(line) if line.kind == ADOPTED else {}
            if doc.get("through") != self._unsealed or doc.get("digest") != line.previous.hex():
                return "unsealed", f"No seal vouches for the lines up to {self._unsealed}."
        return None

    def _noted(self, line: Line) -> tuple[str, str] | None:
        if line.kind == LOSS:
            self._report.losses.append(Loss(line.seq, line.at, line.reason))
        elif line.kind == CUT:
            doc = _doc(line)
            if isinstance(through := doc.get("through"), int):
                self._cuts[through] = str(doc.get("digest", ""))
        head = self._head
        if head is not None and head.seq == line.seq and head.digest != line.digest.hex():
            return "replaced", f"Line {line.seq} is another than the one that {self._keeper} names."
        return None

    def _missing_at_the_start(self) -> Finding | None:
        report = self._report
        before = report.first - 1
        if before <= 0 or self._is_partial or self._is_range:
            is_fine = before != 0 or self._is_partial or self._gap_digest == BEGINNING
            return None if is_fine else Finding(1, "replaced", "Line 1 does not begin a record.")
        if self._cuts.get(before) == self._gap_digest.hex():
            report.cut_through = before
            return None
        return Finding(1, "missing", f"Lines 1 to {before} are missing, and no line says that they were cut for their age.")

    def _missing_at_the_end(self) -> Finding | None:
        report, head = self._report, self._head
        if self._key is not None and self._unsealed and self._unsealed == report.last:
            return Finding(report.last, "unsealed", f"No seal vouches for the lines up to {report.last}.")
        if head is None or self._is_partial or head.seq <= report.last:
            return None
        gone = f"Line {head.seq} is" if head.seq == report.last + 1 else f"Lines {report.last + 1} to {head.seq} are"
        return Finding(report.last + 1, "missing", f"{gone} missing from the end: {self._keeper} names line {head.seq}.")


def _doc(line: Line) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line.doc, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return {}

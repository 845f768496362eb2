"""The record exported page by page. What is exported so far travels with the caller, sealed; the last page brings the ending."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from studiolo.kernel.faults import Invalid
from studiolo.kernel.store.export import Ending, further, place_of
from studiolo.kernel.store.port import Line, Lines, Store
from studiolo.rooms.records.domain import Wanted
from studiolo.rooms.records.service.records import Records

_BATCH: Final = 1000
_MOST_LOOKED_AT: Final = 20_000
_encode = msgspec.json.Encoder().encode


class Exported(NamedTuple):
    """A page: lines with the marks of their places, then the token to go on with, or the ending."""

    lines: Sequence[tuple[Line, str]]
    token: str = ""
    ending: Ending | None = None


class _SoFar(msgspec.Struct, frozen=True):
    """What a page hands to the next one: the number of the last line that was looked at, and the export so far."""

    after: int
    export: Ending
    seal: str = ""

    def sealed(self, key: bytes) -> _SoFar:
        return msgspec.structs.replace(self, seal=self._seal(key))

    def holds(self, key: bytes) -> bool:
        return hmac.compare_digest(self.seal.encode(), self._seal(key).encode())

    def _seal(self, key: bytes) -> str:
        return hmac.digest(key, b"studiolo record export so far" + _encode([self.after, self.export]), "sha256").hex()


@dataclass(slots=True)
class _Page:
    """A page in the making."""

    key: bytes
    after: int
    export: Ending
    admits: Callable[[str], bool]
    found: list[tuple[Line, str]]

    def take(self, line: Line) -> None:
        """Put the line in, or remember that it was left out."""
        export = self.export
        is_partial = export.is_partial or 0 < self.after < line.seq - 1  # lines between went for their age meanwhile
        self.after = line.seq
        if not self.admits(line.target or "/"):
            self.export = msgspec.structs.replace(export, is_partial=True)
            return
        running = further(bytes.fromhex(export.digest), line.digest)
        self.found.append((line, place_of(self.key, running)))
        self.export = msgspec.structs.replace(
            export,
            lines=export.lines + 1,
            first=export.first or line.seq,
            last=line.seq,
            is_partial=is_partial,
            digest=running.hex(),
        )


class Exports:
    """Exports of the lines that somebody may see."""

    def __init__(self, store: Store, records: Records, key: bytes) -> None:
        self._store = store
        self._records = records
        self._key = key

    async def page(self, wanted: Wanted, token: str, caller: str, scope: str, admits: Callable[[str], bool]) -> Exported:
        """The next lines of an export; the first ones without a token. A page can be empty and still have a next one.

        Raises:
            Invalid: the token is not this export's (code `InvalidQueryParameterValue`).
        """
        begun = await self._begun(wanted, token, caller, scope)
        page = _Page(self._key, begun.after, begun.export, admits, [])
        if await self._is_over(page, wanted, "" if scope == "/" else scope.lower()):
            return Exported(page.found, ending=page.export.sealed(self._key))
        return Exported(page.found, _written(_SoFar(page.after, page.export).sealed(self._key)))

    async def _begun(self, wanted: Wanted, token: str, caller: str, scope: str) -> _SoFar:
        if not token:
            after = await self._records.last_before(wanted.since) if wanted.since else 0
            return _SoFar(after, Ending.begun(self._records.head(), caller, scope, wanted.since, wanted.until, is_partial=scope != "/"))
        found = _read(token)
        asked = (found.export.caller, found.export.scope, found.export.since, found.export.until)
        if not found.holds(self._key) or asked != (caller, scope, wanted.since, wanted.until):
            raise _foreign()
        return found

    async def _is_over(self, page: _Page, wanted: Wanted, under: str) -> bool:
        """Fill the page; whether nothing comes behind it. What is written after the export began is the next one's."""
        before = page.export.head.seq + 1 if page.export.head is not None else 1
        for _ in range(0, _MOST_LOOKED_AT, _BATCH):
            lines = await self._store.lines(Lines(page.after, before, under, limit=_BATCH))
            for line in lines:
                if wanted.until and line.at >= wanted.until:
                    return True
                page.take(line)
                if len(page.found) == wanted.limit:
                    return False
            if len(lines) < _BATCH:
                return True
        return False


def _written(found: _SoFar) -> str:
    return urlsafe_b64encode(_encode(found)).decode().rstrip("=")


def _read(token: str) -> _SoFar:
    try:
        return msgspec.json.decode(urlsafe_b64decode(token + "=" * (-len(token) % 4)), type=_SoFar)
    except (ValueError, RecursionError):  # msgspec's and base64's errors are of the first kind too
        raise _foreign() from None


def _foreign() -> Invalid:
    text = "'$skipToken' must be what the page before said, asked by the same caller for the same scope, 'since' and 'until'."
    return Invalid(text, code="InvalidQueryParameterValue", target="$skipToken")

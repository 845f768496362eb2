"""Which version of the authorization store an answer rests on, and answers that rest on at least a version that is demanded.

Whoever was told a version by one answer may demand it of another, also of another process on the same database: then
no decision of it rests on rights that are older.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final, Protocol

from studiolo.kernel import clock
from studiolo.kernel.faults import Invalid, Unavailable
from studiolo.kernel.numbers import whole_number
from studiolo.wire.http import Answer, Call

VERSION: Final = "x-studiolo-authz-version"
DEMAND: Final = "x-studiolo-authz-at-least"
PATIENCE_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.05
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_WRITES_RIGHTS: Final = re.compile(r"/providers/(microsoft\.authorization|studiolo\.directory)/", re.IGNORECASE)


class Versions(Protocol):
    """Who knows the version."""

    def stamp(self) -> int:
        """The newest version known here."""
        ...

    def is_due(self) -> bool:
        """Whether it is time to look for what other processes changed."""
        ...

    async def refresh(self) -> None:
        """See what other processes changed. Raises Unavailable if the version cannot be read."""
        ...


class Freshness:
    """Stands at the front door."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions

    async def begin(self, call: Call) -> int:
        """The version that every decision of the call will rest on, or a newer one.

        Raises:
            Invalid: the demanded version is no number (code `InvalidHeaderValue`).
            Unavailable: the version cannot be read, or the demanded one is not reached in a second (code
                `AuthorizationVersionNotReached`).
        """
        versions = self._versions
        if versions.is_due():
            await versions.refresh()
        demanded = call.headers.get(DEMAND)
        if demanded is not None:
            await self._reach(demanded)
        return versions.stamp()

    async def _reach(self, text: str) -> None:
        wanted = whole_number(text)
        if wanted is None:
            raise Invalid(f"'{DEMAND}' must be a number that '{VERSION}' named.", code="InvalidHeaderValue", target=DEMAND)
        until = clock.monotonic() + PATIENCE_SECONDS
        while self._versions.stamp() < wanted:
            if clock.monotonic() >= until:
                raise Unavailable(
                    f"This server knows version {self._versions.stamp()} of the authorization store, and {text} is demanded: "
                    "try again, or ask the server that named it.",
                    code="AuthorizationVersionNotReached",
                    retry_after_seconds=1,
                )
            await asyncio.sleep(_LOOK_SECONDS)
            await self._versions.refresh()

    def name(self, answer: Answer, call: Call, begun: int) -> None:
        """Say on the answer which version it rests on; a write of rights names the one in which it is in force."""
        if begun and answer.status != 401:
            now = self._versions.stamp()
            is_write = now != begun and call.method not in _READS and _WRITES_RIGHTS.search(call.raw_path) is not None
            answer.headers.append((VERSION, str(now if is_write else begun)))

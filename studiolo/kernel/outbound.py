"""Speaking to hosts elsewhere, as rooms see it: one request to the host that is named, one bounded answer.

Whoever fills this port speaks to no other host than the named one: no redirects, no proxies, and no address of this
machine or its networks unless the operator allows that host.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Reply(NamedTuple):
    """What came back: the HTTP status and the body. Redirects are answers like others."""

    status: int
    body: bytes


class Outbound(Protocol):
    """The way out."""

    def may_reach(self, address: str) -> bool:
        """Whether this address may be asked at all, as far as its text says."""
        ...

    async def ask(
        self, method: str, address: str, *, headers: Mapping[str, str], body: bytes = b"", seconds: float, most_bytes: int
    ) -> Reply:
        """Send one request, and read its answer.

        Raises:
            Unavailable: nothing answers within `seconds`, the answer is longer than `most_bytes`, or the address may not be
                asked (code `OutboundUnreachable`); the message says which, and nothing of headers or body.
        """
        ...

"""Resolving host names: `*.localhost` is this machine, whether or not the system knows it (RFC 6761 section 6.3)."""

from __future__ import annotations

import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver


class LocalNames(AbstractResolver):
    """Loopback for `localhost` and everything below it, the system's answer for other names."""

    def __init__(self) -> None:
        self._system: ThreadedResolver | None = None

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """The addresses of a name; IPv6 stands first, as systems answer."""
        if host == "localhost" or host.endswith(".localhost"):
            pairs = [("::1", socket.AF_INET6), ("127.0.0.1", socket.AF_INET)]
            return [
                ResolveResult(hostname=host, host=address, port=port, family=kind, proto=socket.IPPROTO_TCP, flags=socket.AI_NUMERICHOST)
                for address, kind in pairs
                if family in (socket.AF_UNSPEC, kind)
            ]
        if self._system is None:
            self._system = ThreadedResolver()
        return await self._system.resolve(host, port, family)

    async def close(self) -> None:
        """Let go of the system's resolver."""
        if self._system is not None:
            await self._system.close()

"""The one place from which the studio speaks to hosts that others name: customers' vaults, providers of sign-in.

HTTPS alone, to the host that was named and no other (no redirects, no proxies), on port 443, and to an address of this
machine or its networks only where the operator allows that host. Names are resolved once for each request, and the
connection goes to an address that was looked at.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import ssl
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, urlsplit

from studiolo.app.settings import LOOPBACK_NAMES, is_address
from studiolo.kernel.faults import Unavailable
from studiolo.kernel.outbound import Reply

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import AbstractResolver

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_LONGEST: Final = 2048
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")


class GuardedOutbound:
    """See `kernel.outbound.Outbound`."""

    def __init__(self, allowed: Collection[str] = (), context: ssl.SSLContext | None = None) -> None:
        """Allow public hosts, and those that `allowed` names; `context` says which certificates are trusted.

        An allowed host (`vault.example:8443`) may have private addresses, and another port than 443. Plain HTTP is for this
        machine alone, and is allowed by its origin (`http://localhost:8080`).
        """
        self._allowed = frozenset(name.lower().rstrip("/").removeprefix("https://") for name in allowed)
        self._context = context

    def may_reach(self, address: str) -> bool:
        """See `Outbound.may_reach`."""
        parts = _parts(address)
        return parts is not None and (self._is_allowed(parts) or _is_public_spelling(parts))

    async def ask(
        self, method: str, address: str, *, headers: Mapping[str, str], body: bytes = b"", seconds: float, most_bytes: int
    ) -> Reply:
        """See `Outbound.ask`."""
        import aiohttp

        parts = _parts(address)
        if parts is None or not self.may_reach(address):
            raise _unreachable(address, "it is not an address that this studio may ask")
        try:
            async with (
                self._session(parts, seconds) as session,
                session.request(
                    method, address, data=body or None, headers={"accept-encoding": "identity", **headers}, allow_redirects=False
                ) as response,
            ):
                return Reply(response.status, await _read(response, address, most_bytes))
        except (aiohttp.ClientError, TimeoutError, ssl.SSLError, OSError) as error:
            raise _unreachable(address, type(error).__name__) from None

    def _is_allowed(self, parts: SplitResult) -> bool:
        place = _netloc(parts)
        if parts.scheme == "http":
            return parts.hostname in LOOPBACK_NAMES and f"http://{place}" in self._allowed
        return place in self._allowed

    def _session(self, parts: SplitResult, seconds: float) -> aiohttp.ClientSession:
        """A connection of its own for each question: questions are rare, and nothing lingers."""
        import aiohttp

        connector = aiohttp.TCPConnector(
            resolver=_resolver(is_free=self._is_allowed(parts)),
            ssl=self._context or ssl.create_default_context(),
            use_dns_cache=False,
            force_close=True,
        )
        timeout = aiohttp.ClientTimeout(total=seconds)
        return aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False, auto_decompress=False)


def _resolver(*, is_free: bool) -> AbstractResolver:
    """Names to addresses; addresses that are not public are left out, whoever owns the name."""
    from aiohttp.abc import AbstractResolver, ResolveResult
    from aiohttp.resolver import ThreadedResolver

    class Addresses(AbstractResolver):
        async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
            found = await ThreadedResolver().resolve(host, port, family)
            kept = [one for one in found if is_free or is_public(one["host"].partition("%")[0])]
            if not kept:
                msg = "its address is not public"
                raise OSError(msg)
            return kept

        async def close(self) -> None:
            await asyncio.sleep(0)

    return Addresses()


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet, also where it stands for another one (mapped, 6to4, Teredo, NAT64)."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast


async def _read(response: aiohttp.ClientResponse, address: str, most_bytes: int) -> bytes:
    found = bytearray()
    async for piece in response.content.iter_any():
        found += piece
        if len(found) > most_bytes:
            raise _unreachable(address, f"its answer is longer than {most_bytes} bytes")
    return bytes(found)


def _parts(address: str) -> SplitResult | None:
    """The address in its parts, if it is a plain one; None for what readers could take for two different ones."""
    if not address.isascii() or not address.isprintable() or len(address) > _LONGEST or "\\" in address or " " in address:
        return None
    try:
        parts = urlsplit(address)
        is_plain = parts.scheme in ("http", "https") and "@" not in parts.netloc and (parts.port or 443) > 0
    except ValueError:
        return None
    return parts if is_plain and not parts.fragment and _HOST.fullmatch(parts.hostname or "") else None


def _is_public_spelling(parts: SplitResult) -> bool:
    """Whether it names a host by name, on the usual port. Of spellings that only some readers take for addresses: no."""
    host = (parts.hostname or "").rstrip(".")
    return parts.scheme == "https" and (parts.port or 443) == 443 and not is_address(host) and not host.rpartition(".")[2].isdigit()


def _netloc(parts: SplitResult) -> str:
    """The host, and the port if it is not the usual one."""
    host, usual = parts.hostname or "", 443 if parts.scheme == "https" else 80
    shown = f"[{host}]" if ":" in host else host
    return shown if (parts.port or usual) == usual else f"{shown}:{parts.port}"


def _unreachable(address: str, why: str) -> Unavailable:
    parts = _parts(address)
    place = parts.netloc if parts is not None else "the address"
    return Unavailable(f"'{place}' could not be asked: {why}.", code="OutboundUnreachable", retry_after_seconds=5)

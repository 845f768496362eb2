"""Customers' keys of all sorts, told apart by their addresses."""

from __future__ import annotations

from studiolo.kernel.keys import CustomerKeys


class Keepers:
    """See `kernel.keys.CustomerKeys`: files and vaults."""

    def __init__(self, files: CustomerKeys, vaults: CustomerKeys) -> None:
        self._files = files
        self._vaults = vaults

    async def wrap(self, address: str, secret: bytes) -> bytes:
        """See `CustomerKeys.wrap`."""
        return await self._keeper(address).wrap(address, secret)

    async def unwrap(self, address: str, wrapped: bytes) -> bytes:
        """See `CustomerKeys.unwrap`."""
        return await self._keeper(address).unwrap(address, wrapped)

    def _keeper(self, address: str) -> CustomerKeys:
        return self._files if address.lower().startswith("file:") else self._vaults

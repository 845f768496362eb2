"""What the key ring needs from outside the store."""

from __future__ import annotations

from typing import Protocol


class Shares(Protocol):
    """A share per owner that lies outside the data: without it, the owner's key does not open, whoever has a copy of the data."""

    def take(self, owner: str) -> bytes:
        """The owner's 32-byte share, made durably if there is none."""
        ...

    def find(self, owner: str) -> bytes | None:
        """The owner's share; None if it was erased or never made."""
        ...

    def erase(self, owner: str) -> None:
        """Erase the owner's share for good; safe to repeat."""
        ...


class CustomerKeys(Protocol):
    """Keys that belong to a customer, named by address, and never seen here.

    Both raise Forbidden (code `CustomerKeyRevoked`) if the key is gone, disabled or refused to us, and Unavailable (code
    `CustomerKeyUnreachable`) if whoever keeps it does not answer.
    """

    async def wrap(self, address: str, secret: bytes) -> bytes:
        """A 32-byte secret, wrapped by the key.

        Raises:
            Invalid: the address can be no key of a customer (code `CustomerKeyInvalid`).
        """
        ...

    async def unwrap(self, address: str, wrapped: bytes) -> bytes:
        """What `wrap` was given."""
        ...

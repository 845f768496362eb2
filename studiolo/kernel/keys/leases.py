"""Leases: what a customer's key opened is held for a few seconds, and then only if it opens again.

Whoever asks after that pays one question to the keeper of the customer's key; many who ask at once share it. A refusal is
remembered for a moment too, so that a withdrawn key does not make a storm.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Sequence
from typing import Final

from studiolo.kernel import clock
from studiolo.kernel.faults import Fault, Unavailable
from studiolo.kernel.keys.ports import CustomerKeys
from studiolo.kernel.keys.stored import Customer

LIFE_SECONDS: Final = 3.0
_REFUSAL_SECONDS = 1.0


class _Lease:
    """What one customer's key opened, and who stands on it."""

    __slots__ = ("address", "owners", "secret")

    def __init__(self, customer: Customer, secret: bytes) -> None:
        self.address = (customer.address, customer.wrapped)
        self.secret = secret
        self.owners: set[str] = set()


class Leases:
    """The leases of all customers' keys. `drop` is called with the owners whose keys are to be forgotten."""

    def __init__(self, customers: CustomerKeys | None, drop: Callable[[Sequence[str]], None]) -> None:
        self._customers = customers
        self._drop = drop
        self._live: dict[str, _Lease] = {}
        self._under: dict[str, str] = {}
        self._asking: dict[str, asyncio.Lock] = {}
        self._refused: dict[str, tuple[float, Fault]] = {}

    @property
    def customers(self) -> CustomerKeys:
        """Whoever reaches customers' keys.

        Raises:
            Unavailable: nobody was plugged in.
        """
        if self._customers is None:
            raise Unavailable("Keys of customers cannot be reached by this process.", code="CustomerKeyUnreachable")
        return self._customers

    async def secret(self, owner: str, customer: Customer) -> bytes:
        """The secret that the customer's key unwraps. Raises as `CustomerKeys.unwrap`."""
        async with self._asking.setdefault(owner, asyncio.Lock()):
            live = self._live.get(owner)
            if live is not None and live.address == (customer.address, customer.wrapped):
                return live.secret
            until, fault = self._refused.get(owner, (0.0, None))
            if fault is not None and clock.monotonic() < until:
                raise fault.with_traceback(None)
            began = asyncio.get_running_loop().time()
            try:
                secret = await self.customers.unwrap(customer.address, base64.b64decode(customer.wrapped))
            except Fault as refusal:
                self._refused[owner] = (clock.monotonic() + _REFUSAL_SECONDS, refusal)
                raise
            self._refused.pop(owner, None)
            lease = self._live[owner] = _Lease(customer, secret)
            # Counted from the question, so that an answer that was long on its way lends no more time.
            asyncio.get_running_loop().call_at(began + LIFE_SECONDS, self._end, owner, lease)
            return secret

    def follow(self, owner: str, above: str) -> bool:
        """Let an owner's key go when that of `above` goes; False if it has gone already."""
        root = above if owner == above else self._under.get(above, "")
        if not root:
            return owner != above
        lease = self._live.get(root)
        if lease is None:
            return False
        lease.owners.add(owner)
        self._under[owner] = root
        return True

    def forget(self, owner: str) -> None:
        """End an owner's lease now."""
        lease = self._live.get(owner)
        self._refused.pop(owner, None)
        if lease is not None:
            self._end(owner, lease)

    def _end(self, root: str, lease: _Lease) -> None:
        if self._live.get(root) is lease:
            del self._live[root]
        for owner in lease.owners:
            if self._under.get(owner) == root:
                del self._under[owner]
        self._drop([*lease.owners])

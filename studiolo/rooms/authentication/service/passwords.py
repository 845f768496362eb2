"""Hashes of passwords: Argon2id, in threads, a few at a time, so that guessing is slow and memory stays bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from studiolo.kernel import clock
from studiolo.kernel.faults import TooMany
from studiolo.rooms.authentication.domain.passwords import prepared

T = TypeVar("T")
TIME_COST: Final = 3
MEMORY_KIB: Final = 65_536
LANES: Final = 4
_AT_ONCE: Final = 2
_MOST_WAITING: Final = 16


class Hasher:
    """Makes and compares hashes. At most two run at a time, 128 MiB together."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._nobodys = ""

    async def hash(self, password: str) -> str:
        """The hash of a password, with its parameters and salt."""
        from argon2 import PasswordHasher, Type

        hasher = PasswordHasher(TIME_COST, MEMORY_KIB, LANES, type=Type.ID)
        return await self._run(lambda: hasher.hash(prepared(password)))

    async def fits(self, stored: str | None, password: str) -> bool:
        """Whether the password has this hash. Without one it takes the same time, and the answer is no."""
        from argon2 import PasswordHasher
        from argon2.exceptions import VerificationError

        if not self._nobodys:
            self._nobodys = await self.hash(clock.new_secret(16).hex())

        def verify() -> bool:
            try:
                return PasswordHasher().verify(stored or self._nobodys, prepared(password))
            except VerificationError:
                return False

        return await self._run(verify) and stored is not None

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= _MOST_WAITING:
            raise TooMany("Too many people sign in at this moment. Try again in a few seconds.", retry_after_seconds=5)
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1

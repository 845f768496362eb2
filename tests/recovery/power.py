"""A store whose power fails: at one commit, before or after it reaches the disk, and from then on for everybody."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from studiolo.kernel.store import Write
from studiolo.kernel.store.sqlite import SqliteStore


@dataclass
class Power:
    """Counts commits from the moment that it is armed, and fails at one of them.

    `fails_at` counts from 1. With `is_after` that commit still reaches the disk, and nobody is told.
    """

    fails_at: int = 0
    is_after: bool = False
    commits: int = 0
    is_armed: bool = False
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def arm(self) -> None:
        """Count from here."""
        self.is_armed, self.commits = True, 0


class MortalStore(SqliteStore):
    """The real store. When the power is gone, what was on its way may reach the disk, and nobody hears of it."""

    def __init__(self, path: Path, power: Power) -> None:
        super().__init__(path)
        self._power = power

    async def commit(self, *writes: Write) -> None:
        power = self._power
        if power.is_armed and not power.gone.is_set():
            power.commits += 1
            if power.commits == power.fails_at:
                power.gone.set()
                if power.is_after:
                    await super().commit(*writes)
        if power.gone.is_set():
            await asyncio.Event().wait()
        await super().commit(*writes)
        if power.gone.is_set():
            await asyncio.Event().wait()

    async def perish(self) -> None:
        """Let go of the files as the end of a process does: nothing more is written than was on its way."""
        await super().close()

"""Turns: writers of one blob build on each other's commits before those are durable.

A commit waits for the disk. Without turns, of many writers of one blob each commit would make all others draw again.
With them, a writer takes the state that the last one has handed to the store as the present one and expects its ETag:
the store commits in the order of arrival, so the expectation holds unless the earlier commit fails, and then this one is
refused and drawn again. Nothing is told to a caller before it is durable, a refusal neither.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager

from studiolo.rooms.blobs.domain.blob import Etagged

_LINGER_SECONDS = 60.0


class Turn:
    """A state of a blob that was handed to the store: what it will be, None if it will be gone."""

    __slots__ = ("_settled", "made")

    def __init__(self, made: Etagged | None) -> None:
        self.made = made
        self._settled: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def is_durable(self) -> bool:
        """Whether the store took it; waits until that is known."""
        return await asyncio.shield(self._settled)

    def settle(self, *, is_durable: bool) -> None:
        """Say how it ended."""
        if not self._settled.done():
            self._settled.set_result(is_durable)


class Turns:
    """The newest turn of each blob that has one."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, str], Turn] = {}
        self._lingering: deque[tuple[float, tuple[str, str], Turn]] = deque()

    def newest(self, cid: str, name: str) -> Turn | None:
        """The last state that was handed to the store and is not known to be durable."""
        return self._newest.get((cid, name))

    def linger(self, cid: str, name: str, made: Etagged) -> None:
        """Keep a durable state that has its predecessor's ETag as the newest turn for a while.

        Who drew on the predecessor would not be refused by the ETag, so it must be by the turn.
        """
        turn = Turn(made)
        turn.settle(is_durable=True)
        now = asyncio.get_running_loop().time()
        if (cid, name) not in self._newest:
            self._newest[cid, name] = turn
            self._lingering.append((now + _LINGER_SECONDS, (cid, name), turn))
        while self._lingering and self._lingering[0][0] < now:
            _, place, old = self._lingering.popleft()
            if self._newest.get(place) is old:
                del self._newest[place]

    @contextmanager
    def take(self, cid: str, name: str, made: Etagged | None) -> Generator[None]:
        """Take a turn for as long as the commit runs."""
        turn = Turn(made)
        self._newest[cid, name] = turn
        try:
            yield
        except BaseException:
            turn.settle(is_durable=False)
            raise
        else:
            turn.settle(is_durable=True)
        finally:
            if self._newest.get((cid, name)) is turn:
                del self._newest[cid, name]

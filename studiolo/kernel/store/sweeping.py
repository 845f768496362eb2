"""What is over is removed by whoever comes by: codes, sessions, steps and bindings that nobody ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from studiolo.kernel import clock
from studiolo.kernel.store.port import Entry, Store

_SEEN: Final = 100


async def overdue(store: Store, space: str, is_over: Callable[[Entry], bool]) -> Sequence[Entry]:
    """Some entries of a space that are over, for the next commit to remove, so that none stays for ever.

    Keys are digests, so a first one drawn by chance makes every entry's turn come.
    """
    entries = await store.entries(space, after=clock.new_secret(1).hex(), limit=_SEEN)
    return [entry for entry in entries if is_over(entry)]

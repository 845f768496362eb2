"""Ends the work on answers that take too long, and on bodies that come too slowly.

One look a second at all calls costs less than a timer for each.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from studiolo.kernel import clock
from studiolo.kernel.faults import Fault, TooSlow, Unavailable
from studiolo.wire.http import Call

_LOOK_SECONDS: Final = 1.0


class Watch:
    """The calls that are being answered, each with the task that does it and when it began."""

    def __init__(self) -> None:
        self._calls: dict[Call, tuple[asyncio.Task[Any], float]] = {}
        self._late: set[Call] = set()
        self._is_looking = False

    def begin(self, call: Call) -> None:
        """This task works on the call from now on."""
        task = asyncio.current_task()
        if task is not None:
            self._calls[call] = (task, clock.monotonic())
            if not self._is_looking:
                self._is_looking = True
                asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    def end(self, call: Call) -> None:
        """The answer is there, or will never be."""
        self._calls.pop(call, None)

    def fault_of(self, call: Call) -> Fault | None:
        """What to tell a caller whose call was ended here; None if something else ended it."""
        if call not in self._late:
            return None
        self._late.discard(call)
        if call.body_until:
            return TooSlow(f"The body came too slowly: {call.body_came} bytes had come after {call.limits.body_seconds:.0f} s.")
        return Unavailable(
            f"The request was not answered within {call.limits.seconds:.0f} s and was given up.",
            code="RequestTimedOut",
            retry_after_seconds=_LOOK_SECONDS,
        )

    def _look(self) -> None:
        now = clock.monotonic()
        for call, (task, began) in list(self._calls.items()):
            if now - began > call.limits.seconds or 0.0 < call.body_until < now:
                del self._calls[call]
                self._late.add(call)
                task.cancel()
        self._is_looking = bool(self._calls)
        if self._is_looking:
            asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

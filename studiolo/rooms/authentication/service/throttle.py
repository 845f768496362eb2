"""How often somebody may try: even paces for what costs, growing pauses for what guesses.

Kept in memory and bounded: what is counted concerns the last minutes, and a flood of names cannot fill it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from studiolo.kernel import clock
from studiolo.kernel.faults import TooMany

_MOST: Final = 20_000
_WINDOW_SECONDS: Final = 60.0


def too_many_tries(pause_seconds: float) -> TooMany:
    """The refusal of somebody who has to wait so long."""
    text = f"Too many tries. The next one counts in {int(pause_seconds) + 1} seconds."
    return TooMany(text, code="SignInThrottled", retry_after_seconds=pause_seconds + 1)


class Pace:
    """At most so many steps a minute for each key."""

    def __init__(self) -> None:
        self._steps: dict[str, tuple[float, int]] = {}

    def step(self, key: str, most: int) -> None:
        """Take a step.

        Raises:
            TooMany: there were `most` within the minute.
        """
        now = clock.monotonic()
        began, count = self._steps.pop(key, (now, 0))
        if now - began >= _WINDOW_SECONDS:
            began, count = now, 0
        if count >= most:
            self._steps[key] = (began, count)
            raise TooMany(
                f"At most {most} of these are answered in a minute. Wait, and try again.",
                retry_after_seconds=_WINDOW_SECONDS - (now - began),
            )
        if len(self._steps) >= _MOST:
            del self._steps[next(iter(self._steps))]
        self._steps[key] = (began, count + 1)


class _Count(NamedTuple):
    failures: int
    until: float
    forgotten: float


class Pauses:
    """Pauses that double with each failure beyond a few, up to a longest one; a success forgets them, and so does time."""

    def __init__(self, free: int, longest_seconds: float, forget_seconds: float = 3600.0) -> None:
        self._free = free
        self._longest = longest_seconds
        self._forget = forget_seconds
        self._counts: dict[str, _Count] = {}

    def remaining(self, key: str) -> float:
        """Seconds until the next try; 0 if one may be made now."""
        count = self._counts.get(key)
        return max(0.0, count.until - clock.monotonic()) if count is not None else 0.0

    def failed(self, key: str) -> None:
        """Count a failure."""
        now = clock.monotonic()
        before = self._counts.pop(key, None)
        failures = before.failures + 1 if before is not None and before.forgotten > now else 1
        pause = min(self._longest, 2.0 ** min(30, failures - self._free)) if failures > self._free else 0.0
        if len(self._counts) >= _MOST:
            del self._counts[next(iter(self._counts))]
        self._counts[key] = _Count(failures, now + pause, now + self._forget)

    def succeeded(self, key: str) -> None:
        """Forget the failures."""
        self._counts.pop(key, None)

    def forgave(self, key: str) -> None:
        """Take one failure back, and the pause that it brought; what came before it stays."""
        count = self._counts.get(key)
        if count is not None:
            self._counts[key] = _Count(count.failures - 1, 0.0, count.forgotten)

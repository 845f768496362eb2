"""The only owner of time and chance: everything else takes them as arguments."""

from __future__ import annotations

import os
import time
import uuid
from datetime import UTC, datetime


def now() -> datetime:
    """Aware UTC time."""
    return datetime.now(UTC)


def stamp(at: datetime) -> str:
    """ISO 8601 with microseconds and `Z`, as `systemData` carries it."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"  # without the "+00:00"


def epoch() -> float:
    """Seconds since the epoch, for leases that other processes read."""
    return time.time()


def monotonic() -> float:
    """Seconds on a clock that never jumps, for durations and leases within one process."""
    return time.monotonic()


def new_id() -> str:
    """A random UUID, version 4, in lower case with dashes."""
    return str(uuid.uuid4())


def new_tag() -> str:
    """A fresh ETag value: 64 random bits in hexadecimal, without quotes."""
    return os.urandom(8).hex()


def new_secret(size_bytes: int = 32) -> bytes:
    """Random bytes for a key or a one-time code."""
    return os.urandom(size_bytes)

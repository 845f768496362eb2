"""The only owner of time and chance: everything else takes them as arguments."""

from __future__ import annotations

import base64
import os
import time
from datetime import UTC, datetime


def now() -> datetime:
    """Aware UTC time."""
    return datetime.now(UTC)


def stamp(at: datetime) -> str:
    """ISO 8601 with microseconds and `Z`, as `systemData` carries it."""
    return (at if at.tzinfo is UTC else at.astimezone(UTC)).isoformat(timespec="microseconds")[:-6] + "Z"  # without the "+00:00"


def epoch() -> float:
    """Seconds since the epoch, for leases that other processes read."""
    return time.time()


def monotonic() -> float:
    """Seconds on a clock that never jumps, for durations and leases within one process."""
    return time.monotonic()


def new_id() -> str:
    """A random UUID, version 4, in lower case with dashes."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]  # RFC 9562, 4.1
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def new_tag() -> str:
    """A fresh ETag value: 64 random bits in hexadecimal, without quotes."""
    return os.urandom(8).hex()


def new_token() -> str:
    """256 random bits as text that may stand in addresses and cookies."""
    return base64.urlsafe_b64encode(new_secret()).decode().rstrip("=")


def new_secret(size_bytes: int = 32) -> bytes:
    """Random bytes for a key or a one-time code."""
    return os.urandom(size_bytes)

"""Callers who go away: nobody works on for them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

from studiolo.wire.http import Call

T = TypeVar("T")
CLIENT_CLOSED_REQUEST: Final = 499
"""The status of an answer that nobody reads any more; it stands in logs only."""


async def unless_gone(call: Call, work: Coroutine[Any, Any, T]) -> T | None:
    """What the work comes to; None if the caller went away first, which stops the work."""
    gone = asyncio.create_task(call.disconnected())
    try:
        return await first_of(work, gone)
    finally:
        gone.cancel()


async def first_of(work: Coroutine[Any, Any, T], gone: asyncio.Task[None]) -> T | None:
    """What the work comes to; None if `gone` came first, in which case the work has been stopped."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

"""Answering with a text: whole, or as server-sent events; either way the work stops when the caller goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

from studiolo.kernel import clock
from studiolo.kernel.faults import Fault
from studiolo.rooms.models.schema.chat import Asked
from studiolo.rooms.models.service.inference import Writing, check_kept
from studiolo.rooms.models.wire.errors import encoded
from studiolo.rooms.models.wire.readers import CLIENT_CLOSED_REQUEST, first_of
from studiolo.rooms.models.wire.voices import DONE, ChatVoice, TextVoice
from studiolo.wire.http import Answer, Call

_EVENT_STREAM = [("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"), ("x-accel-buffering", "no")]


async def answer_text(call: Call, asked: Asked, writing: Writing, model: str, *, is_chat: bool) -> Answer:
    """The text as the caller wants it.

    What goes wrong before the first piece is raised, so that it becomes the answer's status; after that a stream tells it
    as its last event.
    """
    voice = (ChatVoice if is_chat else TextVoice)(
        clock.new_id().replace("-", ""), int(clock.now().timestamp()), model, has_usage=asked.has_usage_chunk
    )
    gone = asyncio.create_task(call.disconnected())
    try:
        first = await first_of(_first(writing), gone)
        if first is None:
            await writing.pieces.aclose()
            return Answer(CLIENT_CLOSED_REQUEST)
        if asked.is_stream:
            stream = _events(asked, writing, voice, first, gone)
            gone = None
            return Answer(200, stream, [*_EVENT_STREAM, ("x-request-id", call.request_id)])
        text = await _whole(writing, first, gone)
    finally:
        if gone is not None:
            gone.cancel()
    if text is None:
        return Answer(CLIENT_CLOSED_REQUEST)
    check_kept(asked.generation, writing.end, text)
    return Answer(200, voice.whole(text, writing.end), [("content-type", "application/json"), ("x-request-id", call.request_id)])


async def _first(writing: Writing) -> str:
    """The first piece, for which a caller may wait in a queue."""
    return await anext(writing.pieces, "")


async def _whole(writing: Writing, first: str, gone: asyncio.Task[None]) -> str | None:
    pieces = [first]
    async with aclosing(writing.pieces) as rest:
        async for piece in rest:
            if gone.done():
                return None
            pieces.append(piece)
    return "".join(pieces)


async def _events(
    asked: Asked, writing: Writing, voice: ChatVoice | TextVoice, first: str, gone: asyncio.Task[None]
) -> AsyncIterator[bytes]:
    """The text's pieces as events. Pieces are looked at one by one for whether anybody still reads: sending does not tell."""
    pieces = [first] if asked.generation.schema is not None else None
    try:
        yield voice.first() + (voice.piece(first) if first else b"")
        async with aclosing(writing.pieces) as rest:
            async for piece in rest:
                if gone.done():
                    return
                if piece:
                    yield voice.piece(piece)
                if pieces is not None:
                    pieces.append(piece)
        if pieces is not None:
            check_kept(asked.generation, writing.end, "".join(pieces))
        yield voice.last(writing.end) + (voice.usage(writing.end) if asked.has_usage_chunk else b"") + DONE
    except Fault as fault:
        yield b"data: " + encoded(fault) + b"\n\n"
    finally:
        gone.cancel()

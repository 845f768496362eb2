"""What server and worker say to each other: frames of four length bytes and one message in MessagePack.

Requests carry a number; every message about one request repeats it. A request ends with `Ended`, `Vectors` or `Failed`.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from studiolo.rooms.models.domain.inference import Embedded, End, Generation

MAX_FRAME_BYTES: Final = 64 << 20
WorkerKind = Literal["chat", "embeddings"]


class Begin(msgspec.Struct, frozen=True, tag=True):
    """The first frame: what to load, and from where. `weights` empty means the packaged ones."""

    kind: WorkerKind
    parent: int
    cache: str
    weights: str = ""
    context_tokens: int = 8192
    threads: int = 2


class Write(msgspec.Struct, frozen=True, tag=True):
    """Write a text."""

    id: int
    ask: Generation


class Embed(msgspec.Struct, frozen=True, tag=True):
    """Turn texts into vectors."""

    id: int
    texts: tuple[str, ...]


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Stop working on a request; its end is still told."""

    id: int


class Started(msgspec.Struct, frozen=True, tag=True):
    """The model is loaded. `applied` and `missing` say what the sandbox holds and what the kernel did not give."""

    model: str
    applied: tuple[str, ...]
    missing: tuple[str, ...]
    load_seconds: float
    context_tokens: int


class Delta(msgspec.Struct, frozen=True, tag=True):
    """The next piece of a text; empty while the prompt is being read."""

    id: int
    text: str


class Ended(msgspec.Struct, frozen=True, tag=True):
    """A text is complete."""

    id: int
    end: End


class Vectors(msgspec.Struct, frozen=True, tag=True):
    """The vectors are ready."""

    id: int
    embedded: Embedded


class Failed(msgspec.Struct, frozen=True, tag=True):
    """A request cannot be served, or (id 0) the model cannot be loaded. `code` is the fault's."""

    id: int
    code: str
    message: str
    target: str | None = None


Order = Begin | Write | Embed | Cancel
Report = Started | Delta | Ended | Vectors | Failed

_encode = msgspec.msgpack.Encoder().encode
decode_order = msgspec.msgpack.Decoder(Order).decode
decode_report = msgspec.msgpack.Decoder(Report).decode


def frame(message: Order | Report) -> bytes:
    """A message with its length in front."""
    body = _encode(message)
    return len(body).to_bytes(4, "big") + body

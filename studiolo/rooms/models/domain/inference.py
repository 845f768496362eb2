"""What is asked of a model and what it answers, whatever the wire's spelling."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length"]

DEFAULT_CHAT_TOKENS: Final = 512
"""How long a chat answer may become when the caller sets no limit."""
DEFAULT_COMPLETION_TOKENS: Final = 16
"""The published default of `max_tokens` for plain completions."""


class Message(msgspec.Struct, frozen=True, array_like=True):
    """One turn of a conversation."""

    role: Role
    content: str


class Sampling(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """How the next token is chosen; None leaves the choice to the model's own settings."""

    max_tokens: int
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


class Generation(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """A text to be written: the next turn of a conversation, or the continuation of `prompt`.

    `schema` is a JSON schema (as bytes) that the text must fulfil.
    """

    sampling: Sampling
    messages: tuple[Message, ...] = ()
    prompt: str | None = None
    schema: bytes | None = None


class End(msgspec.Struct, frozen=True, array_like=True):
    """The end of a text: why it ended, and the exact numbers of tokens read and written."""

    reason: FinishReason
    prompt_tokens: int
    completion_tokens: int


class Embedded(msgspec.Struct, frozen=True, array_like=True):
    """Vectors of unit length, one after the other, each of `dimensions` little-endian 32-bit floats."""

    vectors: bytes
    dimensions: int
    prompt_tokens: int

    def rows(self) -> list[bytes]:
        """The bytes of each vector."""
        width = self.dimensions * 4
        return [self.vectors[at : at + width] for at in range(0, len(self.vectors), width)]

"""How a conversation becomes the text that a model continues.

Weights tuned for instructions learned one spelling of turns, and carry it in their header. Base weights learned no
turns at all: given the marks of a tuned model they babble, given a plain transcript they answer and stop by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

from studiolo.kernel.faults import NotOffered
from studiolo.rooms.models.domain.gguf import GgufHeader
from studiolo.rooms.models.domain.inference import Message


class ChatFormat(StrEnum):
    """A spelling of turns."""

    TRANSCRIPT = "transcript"
    GEMMA = "gemma"


STOPS: Final = {
    ChatFormat.TRANSCRIPT: ("\n\nUser:", "\n\nAssistant:", "\nUser:", "\nAssistant:", "\nSystem:"),
    ChatFormat.GEMMA: ("<end_of_turn>", "<start_of_turn>"),
}
"""Texts that end an answer because the next turn would begin."""

_OPENING = "A conversation between a user and a helpful assistant. The assistant answers briefly and politely."
_EXAMPLE = (
    Message("user", "Good morning!"),
    Message("assistant", "Good morning! How can I help you today?"),
    Message("user", "What colour is the sky?"),
    Message("assistant", "The sky is blue during the day."),
)
_LABELS: Final = {"user": "User", "assistant": "Assistant", "system": "System"}
_LABEL_AT_LINE_START = re.compile(r"(?m)^(User|Assistant|System):")
# Tokens that steer the model; a message may talk about them, yet must not be able to use them.
_CONTROL = re.compile(r"<(?=(?:bos|eos|pad|unk|mask|start_of_turn|end_of_turn|start_of_image|end_of_image|image_soft_token|unused\d+)>)")


def chat_format(header: GgufHeader) -> ChatFormat:
    """The spelling that these weights understand.

    Raises:
        NotOffered: the weights are of another family, whose turns nothing here can spell (code `ModelNotOffered`).
    """
    family = header.text("general.architecture")
    if not family.startswith("gemma"):
        raise NotOffered(
            f"Models of the family '{family[:40]}' are not offered: only Gemma weights in GGUF form are, "
            "since a chat needs its model's own spelling of turns.",
            code="ModelNotOffered",
            target="general.architecture",
        )
    template = header.text("tokenizer.chat_template")
    return ChatFormat.GEMMA if "<start_of_turn>" in template else ChatFormat.TRANSCRIPT


def spell(messages: Sequence[Message], spelling: ChatFormat) -> str:
    """The text whose continuation is the assistant's next turn."""
    return _SPELLINGS[spelling](messages)


def _transcript(messages: Sequence[Message]) -> str:
    instructions = [_plain(m.content) for m in messages if m.role == "system"]
    turns = [m for m in messages if m.role != "system"]
    lines = ["\n".join([_OPENING, *instructions])]
    lines += [f"{_LABELS[m.role]}: {_plain(m.content)}" for m in (*_EXAMPLE, *turns)]
    return "\n\n".join([*lines, "Assistant:"])


def _gemma(messages: Sequence[Message]) -> str:
    """As the model's card has it: two roles, instructions stand at the head of the first user turn."""
    text = ""
    instructions = "".join(f"{_without_control(m.content)}\n\n" for m in messages if m.role == "system")
    for message in messages:
        if message.role == "system":
            continue
        role = "model" if message.role == "assistant" else "user"
        head = instructions if role == "user" else ""
        instructions = "" if head else instructions
        text += f"<start_of_turn>{role}\n{head}{_without_control(message.content).strip()}<end_of_turn>\n"
    if instructions:
        text += f"<start_of_turn>user\n{instructions.strip()}<end_of_turn>\n"
    return text + "<start_of_turn>model\n"


def _without_control(text: str) -> str:
    return _CONTROL.sub("< ", text)


def _plain(text: str) -> str:
    return _LABEL_AT_LINE_START.sub(r"\1 :", _without_control(text)).strip()


_SPELLINGS: Final[dict[ChatFormat, Callable[[Sequence[Message]], str]]] = {ChatFormat.TRANSCRIPT: _transcript, ChatFormat.GEMMA: _gemma}

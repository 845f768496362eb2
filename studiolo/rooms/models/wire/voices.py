"""The bytes of answers. What all chunks of a stream share is spelled once; a piece of text costs one JSON string."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from studiolo.rooms.models.domain.inference import End

DONE: Final = b"data: [DONE]\n\n"
_encode = msgspec.json.Encoder().encode


class ChatVoice:
    """`chat.completion` and its chunks."""

    def __init__(self, number: str, created: int, model: str, *, has_usage: bool) -> None:
        self._head: dict[str, Any] = {"id": f"chatcmpl-{number}", "object": "chat.completion", "created": created, "model": model}
        shared = _encode({**self._head, "object": "chat.completion.chunk", "system_fingerprint": None})[:-1]
        close = b',"logprobs":null,"finish_reason":'
        self._open = b"data: " + shared + b',"choices":[{"index":0,"delta":'
        self._shut = close + b"null}]" + (b',"usage":null' if has_usage else b"") + b"}\n\n"
        self._last = close + b"%b}]" + (b',"usage":null' if has_usage else b"") + b"}\n\n"
        self._usage = b"data: " + shared + b',"choices":[],"usage":%b}\n\n'

    def first(self) -> bytes:
        """The chunk that says who speaks."""
        return self._open + b'{"role":"assistant","content":"","refusal":null}' + self._shut

    def piece(self, text: str) -> bytes:
        """A piece of the text."""
        return self._open + b'{"content":' + _encode(text) + b"}" + self._shut

    def last(self, end: End) -> bytes:
        """The chunk that says why the text ended."""
        return self._open + b"{}" + self._last % _encode(end.reason)

    def usage(self, end: End) -> bytes:
        """The chunk with the numbers of tokens."""
        return self._usage % _encode(_usage(end))

    def whole(self, text: str, end: End) -> bytes:
        """The answer in one piece."""
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": end.reason}
        return _encode({**self._head, "choices": [choice], "usage": _usage(end), "system_fingerprint": None})


class TextVoice:
    """`text_completion` and its chunks."""

    def __init__(self, number: str, created: int, model: str, *, has_usage: bool) -> None:
        self._head: dict[str, Any] = {"id": f"cmpl-{number}", "object": "text_completion", "created": created, "model": model}
        shared = _encode(self._head)[:-1]
        self._open = b"data: " + shared + b',"choices":[{"index":0,"logprobs":null,"text":'
        self._shut = b',"finish_reason":%b}]' + (b',"usage":null' if has_usage else b"") + b"}\n\n"
        self._usage = b"data: " + shared + b',"choices":[],"usage":%b}\n\n'

    def first(self) -> bytes:
        """Nothing: plain texts begin with their first piece."""
        return b""

    def piece(self, text: str) -> bytes:
        """A piece of the text."""
        return self._open + _encode(text) + self._shut % b"null"

    def last(self, end: End) -> bytes:
        """The chunk that says why the text ended."""
        return self._open + b'""' + self._shut % _encode(end.reason)

    def usage(self, end: End) -> bytes:
        """The chunk with the numbers of tokens."""
        return self._usage % _encode(_usage(end))

    def whole(self, text: str, end: End) -> bytes:
        """The answer in one piece."""
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": end.reason}
        return _encode({**self._head, "choices": [choice], "usage": _usage(end)})


def _usage(end: End) -> dict[str, int]:
    total = end.prompt_tokens + end.completion_tokens
    return {"prompt_tokens": end.prompt_tokens, "completion_tokens": end.completion_tokens, "total_tokens": total}

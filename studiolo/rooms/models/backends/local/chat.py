"""Writes texts with llama.cpp. Runs in the worker process only."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from studiolo.rooms.models.backends.local.frames import Failed
from studiolo.rooms.models.domain.inference import End, Generation
from studiolo.rooms.models.domain.prompts import STOPS, ChatFormat, spell

_BATCH_TOKENS: Final = 256
"""How much of a prompt is read between two looks at whether somebody still waits for the answer."""
# The settings of the Gemma 3 model card, a little cooler: small weights wander off at temperature 1.
_DEFAULTS: Final[dict[str, Any]] = {"temperature": 0.7, "top_p": 0.95, "top_k": 64, "min_p": 0.02, "repeat_last_n": 1024}
_NEVER_WRITTEN: Final = [["<start_of_image>", False], ["<end_of_image>", False], ["<image_soft_token>", False]]


class _Choice(msgspec.Struct):
    text: str = ""
    finish_reason: str | None = None


class _Tokens(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int


class _Trouble(msgspec.Struct):
    message: str
    type: str = ""
    n_prompt_tokens: int = 0
    n_ctx: int = 0


class _Timings(msgspec.Struct):
    cache_n: int = 0
    prompt_n: int = 0
    predicted_n: int = 0


class _Progress(msgspec.Struct):
    processed: int = 0


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Tokens | None = None
    timings: _Timings | None = None
    prompt_progress: _Progress | None = None
    error: _Trouble | None = None


class ChatEngine:
    """One loaded model."""

    def __init__(self, weights: Path, spelling: ChatFormat, *, sockets: Path, context_tokens: int, threads: int) -> None:
        import xllamacpp

        engine: Any = xllamacpp  # a native module without types
        params = engine.CommonParams()
        params.model.path = str(weights)
        params.n_ctx = context_tokens
        params.n_parallel = 1
        params.n_batch = params.n_ubatch = _BATCH_TOKENS
        # Reading a prompt is bound by computing, writing by memory: half the threads write as fast, and wait for each other less.
        params.cpuparams_batch.n_threads = threads
        params.cpuparams.n_threads = max(1, threads // 2)
        params.cpuparams.poll = params.cpuparams_batch.poll = 0
        params.cache_ram_mib = 0
        params.fit_params = params.warmup = params.ui = params.endpoint_slots = False
        params.offline = True
        params.verbosity = -1
        # The engine insists on serving HTTP beside us. It gets a socket in a folder of ours, which is closed at once.
        os.chdir(sockets)
        name = f"{os.getpid()}.sock"
        params.hostnames = [name]
        params.n_threads_http = 1
        try:
            self._server: Any = engine.Server(params)
            _close_listeners()
        finally:
            Path(name).unlink(missing_ok=True)
        self._spelling = spelling
        self._decode = msgspec.json.Decoder(_Chunk).decode

    def write(self, ask: Generation, emit: Callable[[str], None], is_cancelled: Callable[[], bool]) -> End | Failed:
        """Write the text piece by piece; an empty piece says that the prompt is still being read."""
        is_chat = ask.prompt is None
        piece = _Pieces(emit, is_cancelled, self._decode, strip_head=is_chat)
        self._server.handle_completions(msgspec.json.encode(self._request(ask, is_chat=is_chat)), piece)
        return piece.outcome()

    def _request(self, ask: Generation, *, is_chat: bool) -> dict[str, Any]:
        sampling = ask.sampling
        own_stops = STOPS[self._spelling] if is_chat else ()
        request: dict[str, Any] = {
            **_DEFAULTS,
            "prompt": spell(ask.messages, self._spelling) if ask.prompt is None else ask.prompt,
            "max_tokens": sampling.max_tokens,
            "stop": [*sampling.stop, *own_stops],
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,
            "timings_per_token": True,
            "cache_prompt": False,  # what one caller sent must not shorten another's wait
            "logit_bias": _NEVER_WRITTEN,
        }
        for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed"):
            value = getattr(sampling, name)
            if value is not None:
                request[name] = value
        if ask.schema is not None:
            request["json_schema"] = msgspec.Raw(ask.schema)
        return request


class _Pieces:
    """Takes the engine's chunks; returning True stops it."""

    def __init__(
        self, emit: Callable[[str], None], is_cancelled: Callable[[], bool], decode: Callable[[bytes], _Chunk], *, strip_head: bool
    ) -> None:
        self._emit = emit
        self._is_cancelled = is_cancelled
        self._decode = decode
        self._strip_head = strip_head
        self._reason: str | None = None
        self._tokens = _Tokens(0, 0)
        self._trouble: _Trouble | None = None

    def __call__(self, raw: bytes) -> bool:
        chunk = self._decode(raw)
        if chunk.error is not None:
            self._trouble = chunk.error
            return True
        self._tokens = chunk.usage or _counted(chunk) or self._tokens
        for choice in chunk.choices:
            self._take(choice)
        return self._is_cancelled()

    def _take(self, choice: _Choice) -> None:
        self._reason = choice.finish_reason or self._reason
        text = choice.text
        if self._strip_head:
            text = text.lstrip()
            self._strip_head = not text
        if text or self._reason is None:
            self._emit(text)

    def outcome(self) -> End | Failed:
        """How it ended, with the numbers of tokens that were read and written, also where somebody stopped it."""
        if self._trouble is not None:
            return _failed(self._trouble)
        return End("length" if self._reason == "length" else "stop", self._tokens.prompt_tokens, self._tokens.completion_tokens)


def _counted(chunk: _Chunk) -> _Tokens | None:
    """The numbers so far, of a text that has not ended."""
    if chunk.timings is not None:
        return _Tokens(chunk.timings.cache_n + chunk.timings.prompt_n, chunk.timings.predicted_n)
    if chunk.prompt_progress is not None:
        return _Tokens(chunk.prompt_progress.processed, 0)
    return None


def _failed(trouble: _Trouble) -> Failed:
    if trouble.type == "exceed_context_size_error":
        return Failed(
            0,
            "context_length_exceeded",
            f"This model's maximum context length is {trouble.n_ctx} tokens, but the messages have {trouble.n_prompt_tokens}. "
            "Shorten them.",
            "messages",
        )
    if trouble.type == "invalid_request_error":
        return Failed(0, "invalid_value", f"The model refused the request: {trouble.message}")
    return Failed(0, "ModelError", "The model could not write an answer.")


def _close_listeners() -> None:
    """Shut every listening socket of this process; the engine's thread that waits on it ends."""
    for number in range(3, 128):
        try:
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            with socket.socket(fileno=os.dup(number)) as found:
                if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    found.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue

"""`chat/completions` and `completions`: what callers ask.

The arguments are those of the OpenAI API reference (chat and completions, create). What has no effect here is refused
unless its value asks for nothing; `user`, `safety_identifier` and `prompt_cache_key` are labels and change no answer there either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Raw

from studiolo.kernel.faults import Invalid
from studiolo.rooms.models.domain.inference import DEFAULT_CHAT_TOKENS, DEFAULT_COMPLETION_TOKENS, Generation, Message, Role, Sampling
from studiolo.rooms.models.domain.schemas import check_schema
from studiolo.rooms.models.schema.reading import NULL, decoder, not_offered, read, read_any, refuse_not_offered

MAX_BODY_BYTES: Final = 1 << 20
_NOTHING: Final = Raw(b"")
_MAX_STOPS: Final = 4
_SEEDS: Final = (1 << 32) - 1

_Tokens = Annotated[int, Meta(ge=1, le=1_000_000)] | None
_Penalty = Annotated[float, Meta(ge=-2, le=2)] | None
_Label = Annotated[str, Meta(max_length=512)] | None


class _StreamOptions(msgspec.Struct, forbid_unknown_fields=True):
    include_usage: bool | None = None
    include_obfuscation: Raw = _NOTHING


class _Shared(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    model: str | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    max_tokens: _Tokens = None
    stop: str | list[str] | None = None
    seed: int | None = None
    presence_penalty: _Penalty = None
    frequency_penalty: _Penalty = None
    user: _Label = None
    n: Raw = _NOTHING
    logit_bias: Raw = _NOTHING
    logprobs: Raw = _NOTHING


class _Part(msgspec.Struct):
    type: str
    text: str | None = None


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    role: str
    content: str | list[_Part] | None = None
    name: _Label = None
    refusal: Raw = _NOTHING
    annotations: Raw = _NOTHING
    audio: Raw = _NOTHING
    function_call: Raw = _NOTHING
    tool_calls: Raw = _NOTHING
    tool_call_id: Raw = _NOTHING


class _NamedSchema(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    schema: Raw = _NOTHING
    description: str | None = None
    strict: bool | None = None


class _ResponseFormat(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _NamedSchema | None = None


class _Chat(_Shared, forbid_unknown_fields=True, kw_only=True):
    messages: Annotated[list[_Message], Meta(min_length=1, max_length=2048)]
    max_completion_tokens: _Tokens = None
    response_format: _ResponseFormat | None = None
    safety_identifier: _Label = None
    prompt_cache_key: _Label = None
    audio: Raw = _NOTHING
    data_sources: Raw = _NOTHING
    function_call: Raw = _NOTHING
    functions: Raw = _NOTHING
    metadata: Raw = _NOTHING
    modalities: Raw = _NOTHING
    moderation: Raw = _NOTHING
    parallel_tool_calls: Raw = _NOTHING
    prediction: Raw = _NOTHING
    prompt_cache_options: Raw = _NOTHING
    prompt_cache_retention: Raw = _NOTHING
    reasoning_effort: Raw = _NOTHING
    service_tier: Raw = _NOTHING
    store: Raw = _NOTHING
    tool_choice: Raw = _NOTHING
    tools: Raw = _NOTHING
    top_logprobs: Raw = _NOTHING
    verbosity: Raw = _NOTHING
    web_search_options: Raw = _NOTHING


class _Completion(_Shared, forbid_unknown_fields=True, kw_only=True):
    prompt: Raw
    best_of: Raw = _NOTHING
    echo: Raw = _NOTHING
    suffix: Raw = _NOTHING


_NEUTRAL_SHARED: Final = {"n": NULL | {b"1"}, "logit_bias": NULL | {b"{}"}, "logprobs": NULL | {b"false"}}
_NEUTRAL_CHAT: Final = {
    **_NEUTRAL_SHARED,
    **dict.fromkeys(
        ("audio", "data_sources", "functions", "metadata", "moderation", "prediction", "prompt_cache_options", "prompt_cache_retention"),
        NULL | {b"{}", b"[]"},
    ),
    "function_call": NULL | {b'"none"'},
    "modalities": NULL | {b'["text"]'},
    "parallel_tool_calls": NULL | {b"true", b"false"},
    "reasoning_effort": NULL | {b'"none"'},
    "service_tier": NULL | {b'"auto"', b'"default"'},
    "store": NULL | {b"false"},
    "tool_choice": NULL | {b'"none"', b'"auto"'},
    "tools": NULL | {b"[]"},
    "top_logprobs": NULL | {b"0"},
    "verbosity": NULL | {b'"medium"'},
    "web_search_options": NULL,
}
_NEUTRAL_COMPLETION: Final = {
    **_NEUTRAL_SHARED,
    "logprobs": NULL,
    "best_of": NULL | {b"1"},
    "echo": NULL | {b"false"},
    "suffix": NULL | {b'""'},
}
_NEUTRAL_MESSAGE: Final[dict[str, frozenset[bytes]]] = dict.fromkeys(
    ("audio", "function_call", "tool_call_id", "tool_calls"), NULL | {b"[]"}
)
_NEUTRAL_STREAM: Final = {"include_obfuscation": NULL | {b"false", b"true"}}
_WHY: Final = {
    "n": "they write one answer at a time; ask again for another",
    "tools": "they cannot call functions",
    "functions": "they cannot call functions",
    "logprobs": "they tell no probabilities",
}
_ROLES: Final[dict[str, Role]] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}

_chat_decoder = decoder(_Chat)
_completion_decoder = decoder(_Completion)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a text: the deployment it names, if it names one, and how the answer shall come."""

    model: str | None
    generation: Generation
    is_stream: bool
    has_usage_chunk: bool


def read_chat(raw: bytes) -> Asked:
    """A body of `chat/completions`.

    Raises:
        Invalid: it is malformed, or an argument is unknown or out of range.
        NotOffered: it asks for something that these models do not do.
    """
    body = read(raw, _chat_decoder)
    refuse_not_offered(body, _NEUTRAL_CHAT, _WHY)
    if body.max_tokens is not None and body.max_completion_tokens is not None:
        raise Invalid("Set 'max_completion_tokens' or 'max_tokens', not both.", code="invalid_value", target="max_tokens")
    messages = tuple(_message(index, message) for index, message in enumerate(body.messages))
    limit = body.max_completion_tokens or body.max_tokens or DEFAULT_CHAT_TOKENS
    return _asked(body, Generation(sampling=_sampling(body, limit), messages=messages, schema=_schema(body.response_format)))


def read_completion(raw: bytes) -> Asked:
    """A body of `completions`. Raises as `read_chat` does."""
    body = read(raw, _completion_decoder)
    refuse_not_offered(body, _NEUTRAL_COMPLETION, _WHY)
    return _asked(body, Generation(sampling=_sampling(body, body.max_tokens or DEFAULT_COMPLETION_TOKENS), prompt=_prompt(body.prompt)))


def _asked(body: _Shared, generation: Generation) -> Asked:
    options = body.stream_options
    if options is not None:
        if not body.stream:
            raise Invalid("'stream_options' is only allowed when 'stream' is true.", code="invalid_value", target="stream_options")
        refuse_not_offered(options, _NEUTRAL_STREAM, {})
    return Asked(body.model, generation, is_stream=bool(body.stream), has_usage_chunk=bool(options and options.include_usage))


def _sampling(body: _Shared, max_tokens: int) -> Sampling:
    stop = [body.stop] if isinstance(body.stop, str) else body.stop or []
    if len(stop) > _MAX_STOPS or any(not 0 < len(text) <= 256 for text in stop):
        raise Invalid(f"'stop' takes at most {_MAX_STOPS} texts of 1 to 256 characters.", code="invalid_value", target="stop")
    return Sampling(
        max_tokens=max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        seed=None if body.seed is None else body.seed % _SEEDS,
        stop=tuple(stop),
    )


def _message(index: int, message: _Message) -> Message:
    refuse_not_offered(message, _NEUTRAL_MESSAGE, {})
    where = f"messages[{index}]"
    role = _ROLES.get(message.role)
    if role is None:
        if message.role in ("tool", "function"):
            raise not_offered(f"{where}.role", f"they take no answers of functions (role '{message.role}')")
        known = ", ".join(_ROLES)
        raise Invalid(f"Invalid '{where}.role': '{message.role[:40]}' is none of {known}.", code="invalid_value", target=f"{where}.role")
    content = message.content
    if isinstance(content, str):
        return Message(role, content)
    if content is None:
        if role != "assistant":
            raise Invalid(f"Missing required parameter: '{where}.content'.", code="missing_required_parameter", target=f"{where}.content")
        return Message(role, "")
    return Message(role, "\n".join(_text(f"{where}.content[{number}]", part) for number, part in enumerate(content)))


def _text(where: str, part: _Part) -> str:
    if part.type not in ("text", "refusal"):
        raise not_offered(f"{where}.type", f"they read text only, not '{part.type[:40]}'")
    if part.text is None:
        raise Invalid(f"Missing required parameter: '{where}.text'.", code="missing_required_parameter", target=f"{where}.text")
    return part.text


def _schema(asked: _ResponseFormat | None) -> bytes | None:
    if asked is None or asked.type == "text":
        return None
    if asked.type == "json_object":
        return b'{"type":"object"}'
    raw = bytes(asked.json_schema.schema) if asked.json_schema is not None else b""
    if not raw:
        raise Invalid(
            "Missing required parameter: 'response_format.json_schema.schema'.", code="missing_required_parameter", target="response_format"
        )
    check_schema(read_any(raw))
    return raw


def _prompt(raw: Raw) -> str:
    value: Any = read_any(raw)
    if isinstance(value, list):
        parts: list[Any] = value  # pyright: ignore[reportUnknownVariableType] - JSON
        if any(not isinstance(part, str) for part in parts):
            raise not_offered("prompt", "they take text, not numbers of tokens")
        if len(parts) != 1:
            raise not_offered("prompt", "they take one prompt a call")
        value = parts[0]
    if not isinstance(value, str):
        raise Invalid("Invalid 'prompt': it must be a text.", code="invalid_type", target="prompt")
    return value

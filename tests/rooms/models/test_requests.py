"""Bodies of model calls: what is taken, what is refused, and in which words."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studiolo.kernel.faults import Fault, Invalid, NotOffered
from studiolo.rooms.models.domain.schemas import check_schema
from studiolo.rooms.models.schema.chat import read_chat, read_completion
from studiolo.rooms.models.schema.embeddings import read_embeddings

HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
encode = msgspec.json.encode


def chat(**arguments: Any) -> bytes:
    return encode({"model": "chat", "messages": HELLO, **arguments})


def test_every_argument_that_is_offered_arrives() -> None:
    asked = read_chat(
        chat(
            temperature=0.5,
            top_p=0.9,
            max_completion_tokens=7,
            stop=["a", "b"],
            seed=-1,
            presence_penalty=1,
            frequency_penalty=-1,
            stream=True,
            stream_options={"include_usage": True},
            user="somebody",
        )
    )
    sampling = asked.generation.sampling
    assert (sampling.temperature, sampling.top_p, sampling.max_tokens, sampling.stop) == (0.5, 0.9, 7, ("a", "b"))
    assert (sampling.presence_penalty, sampling.frequency_penalty) == (1, -1)
    assert sampling.seed is not None
    assert 0 <= sampling.seed < 1 << 32
    assert asked.is_stream
    assert asked.has_usage_chunk
    assert asked.model == "chat"


def test_parts_of_text_and_an_assistants_answer_given_back_are_read() -> None:
    given_back = {"role": "assistant", "content": "Hi", "refusal": None, "tool_calls": None, "function_call": None, "audio": None}
    parts = {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    messages = read_chat(encode({"messages": [{"role": "developer", "content": "c"}, given_back, parts]})).generation.messages
    assert [(m.role, m.content) for m in messages] == [("system", "c"), ("assistant", "Hi"), ("user", "a\nb")]


@pytest.mark.parametrize(
    ("arguments", "target"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"store": True}, "store"),
        ({"metadata": {"a": "b"}}, "metadata"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}, "tool_call_id"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x"}}]}]},
            "messages[0].content[0].type",
        ),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"not": {}}}}}, "response_format"),
    ],
)
def test_what_is_not_offered_is_refused_and_never_ignored(arguments: dict[str, Any], target: str) -> None:
    with pytest.raises(NotOffered) as refused:
        read_chat(chat(**arguments))
    assert refused.value.target == target


@pytest.mark.parametrize(
    "arguments",
    [{"tools": []}, {"n": 1}, {"logprobs": False}, {"tool_choice": "none"}, {"store": False}, {"logit_bias": {}}, {"metadata": None}],
)
def test_arguments_that_ask_for_nothing_are_taken(arguments: dict[str, Any]) -> None:
    assert read_chat(chat(**arguments)).generation.messages


@pytest.mark.parametrize(
    ("raw", "code", "target"),
    [
        (b"{", "invalid_json", None),
        (b"[]", "invalid_type", None),
        (b'{"messages": [{"role": "user", "content": "\xff"}]}', "invalid_json", None),
        (chat(temprature=1), "unknown_parameter", "temprature"),
        (encode({"model": "chat"}), "missing_required_parameter", "messages"),
        (encode({"messages": []}), "invalid_value", "messages"),
        (chat(temperature="hot"), "invalid_type", "temperature"),
        (chat(temperature=3), "invalid_value", "temperature"),
        (chat(max_tokens=0), "invalid_value", "max_tokens"),
        (chat(max_tokens=1, max_completion_tokens=1), "invalid_value", "max_tokens"),
        (chat(stop=["a"] * 5), "invalid_value", "stop"),
        (chat(stop=""), "invalid_value", "stop"),
        (chat(stream_options={"include_usage": True}), "invalid_value", "stream_options"),
        (chat(messages=[{"role": "robot", "content": "x"}]), "invalid_value", "messages[0].role"),
        (chat(messages=[{"role": "user"}]), "missing_required_parameter", "messages[0].content"),
        (chat(messages=[{"role": "user", "content": "x", "colour": 1}]), "unknown_parameter", "messages[0].colour"),
        (chat(response_format={"type": "json_schema"}), "missing_required_parameter", "response_format"),
    ],
)
def test_a_malformed_body_is_refused_with_code_and_place(raw: bytes, code: str, target: str | None) -> None:
    with pytest.raises(Invalid) as refused:
        read_chat(raw)
    assert (refused.value.code, refused.value.target) == (code, target)


def test_completions_take_one_text() -> None:
    assert read_completion(encode({"model": "chat", "prompt": ["a"]})).generation.prompt == "a"
    assert read_completion(encode({"model": "chat", "prompt": "a"})).generation.sampling.max_tokens == 16
    for body in (
        {"prompt": [1, 2]},
        {"prompt": ["a", "b"]},
        {"prompt": "a", "echo": True},
        {"prompt": "a", "best_of": 2},
        {"prompt": "a", "suffix": "z"},
    ):
        with pytest.raises(NotOffered):
            read_completion(encode(body))
    with pytest.raises(Invalid):
        read_completion(encode({"prompt": {}}))


def test_embeddings_take_texts() -> None:
    assert read_embeddings(encode({"input": "a"})).texts == ("a",)
    assert read_embeddings(encode({"input": ["a", "b"], "encoding_format": "base64", "dimensions": 384})).is_base64
    for body in ({"input": [1, 2]}, {"input": [[1]]}, {"input": "a", "dimensions": 64}):
        with pytest.raises(NotOffered):
            read_embeddings(encode(body))
    malformed: list[Any] = [[], [""], ["a"] * 2049, {}, [None]]
    for body in [{"input": value} for value in malformed] + [{"input": "a", "encoding_format": "hex"}]:
        with pytest.raises(Invalid):
            read_embeddings(encode(body))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"type": []},
        {"properties": []},
        {"enum": []},
        {"minLength": -1},
        {"maxItems": 1 << 40},
        {"minimum": "1"},
        {"$ref": "#/$defs/absent"},
        {"anyOf": [{"anyOf": 3}]},
        "text",
    ],
)
def test_a_schema_that_is_none_is_refused(schema: object) -> None:
    with pytest.raises(Invalid) as refused:
        check_schema(schema)
    assert refused.value.code == "invalid_json_schema"


def test_a_schema_too_deep_or_too_large_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"items": deep}
    for schema in (deep, {"enum": list(range(5000))}):
        with pytest.raises(Invalid):
            check_schema(schema)


@pytest.mark.parametrize(
    "schema", [{"pattern": "("}, {"patternProperties": 1}, {"format": "bogus"}, {"$ref": "https://x"}, {"oneOf": [True]}, {"if": True}]
)
def test_a_word_that_the_engine_does_not_enforce_is_refused(schema: object) -> None:
    with pytest.raises(NotOffered):
        check_schema(schema)


def test_a_schema_of_the_words_that_are_enforced_is_taken() -> None:
    check_schema(
        {
            "type": "object",
            "title": "Person",
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": 40},
                "age": {"type": ["integer", "null"], "minimum": 0},
                "friends": {"type": "array", "items": {"$ref": "#/$defs/name"}, "maxItems": 3},
                "born": {"type": "string", "format": "date"},
                "kind": {"anyOf": [{"const": "a"}, {"enum": ["b", "c"]}]},
            },
            "required": ["name"],
            "additionalProperties": False,
            "$defs": {"name": {"type": "string"}},
        }
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["model", "messages", "role", "content", "type", "tools", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_read_or_refused_with_a_fault(value: object) -> None:
    for read in (read_chat, read_completion, read_embeddings):
        with suppress(Fault):
            read(encode(value))

"""The unchanged `openai` client against the real models."""

from __future__ import annotations

import base64
import json
from array import array
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AzureOpenAI, OpenAI

from tests.rooms.models.conftest import OTHER, WORKSPACE_IDS, Studio

pytestmark = pytest.mark.model
AZURE: dict[str, Any] = {"api_version": "2024-10-21", "max_retries": 0}
HELLO: list[Any] = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def client(model_studio: Studio) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{model_studio.url}/openai/v1", api_key=model_studio.key(), max_retries=0) as found:
        yield found


def test_a_chat_is_answered_with_its_exact_usage(client: OpenAI, model_studio: Studio) -> None:
    before = len(model_studio.house.ledger.lines)
    answer = client.chat.completions.create(model="chat", messages=HELLO, max_tokens=12, seed=7)
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.model == "gemma-3-270m"
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 12
    used = model_studio.house.ledger.wait_for(before + 1)
    assert (used.prompt_tokens, used.completion_tokens) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)
    assert (used.deployment, used.caller.kind) == ("chat", "ProjectKey")


def test_the_same_seed_gives_the_same_answer(client: OpenAI) -> None:
    first, second = (client.chat.completions.create(model="chat", messages=HELLO, max_tokens=8, seed=3) for _ in range(2))
    assert first.choices[0].message.content == second.choices[0].message.content


def test_a_stream_tells_role_pieces_reason_and_usage_in_this_order(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="chat", messages=HELLO, max_tokens=12, seed=7, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    whole = client.chat.completions.create(model="chat", messages=HELLO, max_tokens=12, seed=7)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole.choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == [whole.choices[0].finish_reason]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_azures_client_reaches_the_same_deployment_with_a_key_and_with_a_token(model_studio: Studio) -> None:
    key = model_studio.key()
    clients = (
        AzureOpenAI(azure_endpoint=model_studio.url, api_key=key, **AZURE),
        AzureOpenAI(azure_endpoint=f"{model_studio.url}/projects/triage", api_key=key, **AZURE),
        AzureOpenAI(
            azure_endpoint=f"{model_studio.url}/projects/{WORKSPACE_IDS['triage']}",
            azure_ad_token_provider=lambda: "token-of-model-user",
            **AZURE,
        ),
    )
    for client in clients:
        with client:
            assert client.chat.completions.create(model="chat", messages=HELLO, max_tokens=2).choices[0].message.role == "assistant"
            assert len(client.embeddings.create(model="embeddings", input="Hello").data[0].embedding) == 384


def test_completions_go_on_with_a_text(client: OpenAI) -> None:
    answer = client.completions.create(model="chat", prompt="Paris is the capital of", max_tokens=3, temperature=0)
    assert "France" in answer.choices[0].text
    chunks = client.completions.create(model="chat", prompt="Paris is the capital of", max_tokens=3, temperature=0, stream=True)
    assert "".join(c.choices[0].text for c in chunks) == answer.choices[0].text


def test_a_stop_text_ends_the_answer_and_is_not_in_it(client: OpenAI) -> None:
    answer = client.completions.create(model="chat", prompt="1, 2, 3, 4,", max_tokens=32, temperature=0, stop="8")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].text.strip().startswith("5")
    assert "8" not in answer.choices[0].text


def test_embeddings_have_unit_length_and_the_published_similarities(client: OpenAI) -> None:
    """The sentences and figures of the quick start at https://sbert.net/docs/quickstart.html for all-MiniLM-L6-v2."""
    texts = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    answer = client.embeddings.create(model="embeddings", input=texts)
    vectors = [item.embedding for item in answer.data]
    near = [[sum(x * y for x, y in zip(a, b, strict=True)) for b in vectors] for a in vectors]
    for row, expected in zip(near, [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]], strict=True):
        assert row == pytest.approx(expected, abs=2e-4)
    assert answer.usage.prompt_tokens == 25


def test_floats_and_base64_are_the_same_vector(client: OpenAI, model_studio: Studio) -> None:
    plain = client.embeddings.create(model="embeddings", input="Hello", encoding_format="float").data[0].embedding
    packed = client.embeddings.create(model="embeddings", input="Hello", encoding_format="base64").data[0].embedding
    assert list(array("f", base64.b64decode(str(packed)))) == pytest.approx(plain)


def test_padding_changes_no_vector(client: OpenAI) -> None:
    alone = client.embeddings.create(model="embeddings", input="short").data[0].embedding
    beside = client.embeddings.create(model="embeddings", input=["a much longer text " * 20, "short"]).data[1].embedding
    assert beside == pytest.approx(alone, abs=1e-5)


def test_an_answer_keeps_to_its_schema(client: OpenAI) -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"sunny": {"type": "boolean"}},
        "required": ["sunny"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model="chat",
        messages=[{"role": "user", "content": "Is the sun out? Answer in JSON."}],
        response_format={"type": "json_schema", "json_schema": {"name": "weather", "schema": schema, "strict": True}},
        max_tokens=40,
        temperature=0,
    )
    assert answer.choices[0].finish_reason == "stop"
    assert list(json.loads(answer.choices[0].message.content or "")) == ["sunny"]


def test_a_conversation_over_the_context_is_refused_with_both_numbers(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match=r"maximum context length is 8192 tokens, but the messages have \d+") as refused:
        client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "word " * 9000}])
    assert refused.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError, match="at index 1 has 602") as refused:
        client.embeddings.create(model="embeddings", input=["short", "word " * 600])
    assert refused.value.code == "context_length_exceeded"


def test_a_model_of_the_other_kind_is_refused(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="does not work with the model") as refused:
        client.chat.completions.create(model="embeddings", messages=HELLO)
    assert refused.value.code == "OperationNotSupported"
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model="chat", input="Hello")


def test_a_reader_who_leaves_frees_the_model_and_is_charged_for_what_was_written(client: OpenAI, model_studio: Studio) -> None:
    before = len(model_studio.house.ledger.lines)
    stream = client.completions.create(model="chat", prompt="A very long story:", max_tokens=6000, stream=True, stop=["\u2603"])
    for _ in range(3):
        next(stream)
    stream.close()
    # Had the writing gone on, this would wait for its end: six thousand tokens, a minute or more.
    quick = client.with_options(timeout=10).chat.completions.create(model="chat", messages=HELLO, max_tokens=4)
    assert quick.choices[0].message.role == "assistant"
    used = model_studio.house.ledger.wait_for(before + 1)
    assert 3 <= used.completion_tokens < 1000
    assert used.prompt_tokens > 3


def test_deployments_are_listed_as_models(client: OpenAI) -> None:
    assert sorted(model.id for model in client.models.list()) == ["chat", "embeddings"]
    assert client.models.retrieve("chat").owned_by == "Google"


def test_a_key_opens_its_own_project_alone(model_studio: Studio) -> None:
    base = f"{model_studio.url}/projects/triage/openai/v1"
    with (
        OpenAI(base_url=base, api_key=model_studio.key(OTHER), max_retries=0) as client,
        pytest.raises(openai.AuthenticationError) as refused,
    ):
        client.chat.completions.create(model="chat", messages=HELLO)
    assert refused.value.code == "invalid_api_key"

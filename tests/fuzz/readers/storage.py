"""What clients of the blobs write: addresses, signatures, headers, XML, batches. And the files of models."""

# Readers are often private to what they belong to.
# ruff: noqa: SLF001
# pyright: reportPrivateUsage=false

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any, cast

from studiolo.rooms.blobs.domain import conditions, ranges, sas, sharedkey
from studiolo.rooms.blobs.domain.names import address, check_container, key_owner
from studiolo.rooms.blobs.domain.times import iso_moment, seconds_of
from studiolo.rooms.blobs.schema import texts
from studiolo.rooms.blobs.wire import batch, headers
from studiolo.rooms.models.domain.gguf import read_gguf
from studiolo.rooms.models.domain.safetensors import read_safetensors
from studiolo.rooms.models.schema.chat import read_chat, read_completion
from studiolo.rooms.models.schema.embeddings import read_embeddings
from studiolo.wire.http import Answer, Call
from tests.fuzz.readers.raw import call, each, finished, head, query

NOW = datetime(2026, 11, 29, tzinfo=UTC)
MIB = 1 << 20


def blob_url(raw: bytes) -> None:
    found = address(raw.decode("latin-1"))
    for part in (found.container, *found.blob.split("/")):
        assert part not in {".", ".."}
    assert "\\" not in found.blob
    check_container(found.container)
    key_owner("hubsa", found.container)


def signature(raw: bytes) -> None:
    asked = query(raw)
    found = sas.read(asked)
    signed = sas.text_to_sign(found, "hubsa", "ws1-azureml", "a b/c.txt", {}, asked)
    assert not sas.is_signed_with("AAAA", signed, found.get("sig"))
    assert all(value.isprintable() or not value.isascii() for _, value in found.overrides)
    each(
        [
            lambda: sas.check_moment(found, NOW),
            lambda: sas.check_way(found, "127.0.0.1", "https"),
            lambda: sas.check_covers(found, "blob"),
        ]
    )


def blob_headers(raw: bytes) -> None:
    """Everything that the header fields of one call say about a blob, and about when it may be touched."""
    given = head(raw)
    asked = call(headers=given)
    each(
        [
            lambda: headers.check_offered(asked),
            lambda: headers.length_of(asked, MIB),
            lambda: headers.facts_of(asked),
            lambda: headers.check_of(asked, is_whole_blob=True),
            lambda: finished(asked.body(MIB)),
            lambda: _conditions(given),
            lambda: _span(given),
            lambda: sharedkey.check_moment(given, NOW),
            lambda: sharedkey.text_to_sign("PUT", given, "hubsa", "/a/b", given.get("x-query", "")),
        ]
    )
    assert headers._VERSION.fullmatch(headers.version_of(asked))


def _conditions(given: dict[str, str]) -> None:
    for prefix in ("", "x-ms-source-"):
        asked = conditions.conditions_of(given, prefix=prefix)
        each([lambda asked=asked: conditions.check_read(asked, "tag", 0), lambda asked=asked: conditions.check_write(asked, "tag", 0)])


def _span(given: dict[str, str]) -> None:
    found = ranges.span_of(1000, given.get("x-ms-range"), given.get("range"))
    assert found is None or 0 <= found[0] < found[1] <= 1000


def moments(raw: bytes) -> None:
    """A moment, as HTTP and as signatures write it."""
    written = raw.decode("latin-1")
    found = iso_moment(written)
    assert found is None or found.tzinfo is UTC
    seconds_of(written, "If-Modified-Since")


def batch_body(raw: bytes) -> None:
    """The first line is the boundary. Every part becomes a call."""
    boundary, _, body = raw.partition(b"\n")

    async def answer(part: Call) -> Answer:
        assert part.method in {"DELETE", "PUT"}
        part.query()
        address(part.raw_path)
        return Answer(202)

    whole = batch.Batch(cast("Any", None), answer, lambda fault, _: Answer(429, fault.message.encode()))
    asked = call(method="POST")
    for _, part in batch._parts(body, boundary.decode("latin-1").strip() or "b"):
        assert isinstance(part, str)
        each([lambda part=part: finished(whole._answered(asked, part))])


def xml(raw: bytes) -> None:
    each([lambda: list(texts.read_block_list(raw)), lambda: texts.read_tags(raw), lambda: texts.read_key_info(raw)])


def model_calls(raw: bytes) -> None:
    each([lambda: read_chat(raw), lambda: read_completion(raw), lambda: read_embeddings(raw)])


def model_file(raw: bytes) -> None:
    """The bytes in base64, since a corpus is text."""
    try:
        data = memoryview(base64.b64decode(raw))
    except ValueError:
        return
    each([lambda: read_gguf(data), lambda: read_safetensors(data)])

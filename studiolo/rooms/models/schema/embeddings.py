"""`embeddings`: what callers ask (the OpenAI API reference, embeddings, create)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
from msgspec import Raw

from studiolo.kernel.faults import Invalid
from studiolo.rooms.models.schema.reading import NULL, decoder, not_offered, read, read_any, refuse_not_offered

MAX_BODY_BYTES: Final = 8 << 20
MAX_INPUTS: Final = 2048
_NOTHING: Final = Raw(b"")


class _Embeddings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    input: Raw
    model: str | None = None
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None
    dimensions: Raw = _NOTHING
    input_type: Raw = _NOTHING


_NEUTRAL: Final = {"dimensions": NULL | {b"384"}, "input_type": NULL}
_WHY: Final = {"dimensions": "their vectors have 384 dimensions"}
_decoder = decoder(_Embeddings)


@dataclass(frozen=True, slots=True)
class AskedVectors:
    """A request for vectors."""

    model: str | None
    texts: tuple[str, ...]
    is_base64: bool


def read_embeddings(raw: bytes) -> AskedVectors:
    """A body of `embeddings`.

    Raises:
        Invalid: it is malformed, or an argument is unknown or out of range.
        NotOffered: numbers of tokens in place of text, or other dimensions.
    """
    body = read(raw, _decoder)
    refuse_not_offered(body, _NEUTRAL, _WHY)
    return AskedVectors(body.model, _texts(read_any(body.input)), body.encoding_format == "base64")


def _texts(value: Any) -> tuple[str, ...]:
    inputs: list[Any] = [value] if isinstance(value, str) else value
    if not isinstance(value, str | list) or not inputs:
        raise Invalid("Invalid 'input': it must be a text or an array of texts.", code="invalid_type", target="input")
    if len(inputs) > MAX_INPUTS:
        raise Invalid(f"'input' takes at most {MAX_INPUTS} texts a call; {len(inputs)} were given.", code="invalid_value", target="input")
    for index, text in enumerate(inputs):
        if isinstance(text, int | list):
            raise not_offered("input", "they take text, not numbers of tokens")
        if not isinstance(text, str):
            raise Invalid(f"Invalid 'input[{index}]': it must be a text.", code="invalid_type", target=f"input[{index}]")
        if not text:
            raise Invalid(f"Invalid 'input[{index}]': it is empty.", code="invalid_value", target=f"input[{index}]")
    return tuple(inputs)

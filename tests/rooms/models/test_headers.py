"""Headers of model files: what is well formed is read, anything else is refused at once."""

from __future__ import annotations

import struct
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studiolo.kernel.faults import Invalid
from studiolo.rooms.models.domain.gguf import MAX_ELEMENTS, read_gguf
from studiolo.rooms.models.domain.safetensors import read_safetensors
from tests.rooms.models.files import Q4_K, gguf, pair, safetensors, tensor, text

PAIRS = [pair("general.architecture", "gemma3"), pair("gemma3.context_length", 32768)]
TENSORS = [tensor("a", (4,)), tensor("b", (256, 2), Q4_K, offset=32)]
GOOD = gguf(PAIRS, TENSORS, b"\0" * (32 + 288))
WORDS = {"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}, "__metadata__": {"format": "pt"}}
GOOD_SAFETENSORS = safetensors(WORDS, b"\0" * 16)


def test_a_well_formed_gguf_header_is_read() -> None:
    header = read_gguf(memoryview(GOOD))
    assert header.text("general.architecture") == "gemma3"
    assert header.number("gemma3.context_length") == 32768
    assert (header.version, header.tensors) == (3, 2)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "does not begin with"),
        (b"GGML" + GOOD[4:], "does not begin with"),
        (gguf(version=1), "version is 1"),
        (GOOD[:40], "ends inside"),
        (gguf(PAIRS, TENSORS, b"\0" * 32), "beyond the end"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 63, 0), "at most"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 63), "at most"),
        (gguf([text("k") + struct.pack("<I", 8) + struct.pack("<Q", 1 << 62)]), "where at most"),
        (gguf([text("k") + struct.pack("<IIQ", 9, 4, 1 << 62)]), "array elements"),
        (gguf([text("k") + struct.pack("<IIQ", 9, 8, MAX_ELEMENTS)]), "ends inside"),
        (gguf([text("k") + struct.pack("<IIQ", 9, 9, 1)]), "array of the type 9"),
        (gguf([text("k") + struct.pack("<I", 99)]), "unknown value type"),
        (gguf([PAIRS[0], PAIRS[0]]), "twice"),
        (gguf([pair("general.alignment", 33)]), "alignment"),
        (gguf(PAIRS, [tensor("a", (4,), kind=77)]), "unknown type"),
        (gguf(PAIRS, [tensor("a", (1, 1, 1, 1, 1))]), "5 dimensions"),
        (gguf(PAIRS, [tensor("a", (1 << 40, 1 << 40))]), "impossible size"),
        (gguf(PAIRS, [tensor("a", (0,))]), "impossible size"),
        (gguf(PAIRS, [tensor("a", (100,), Q4_K)]), "whole blocks"),
        (gguf(PAIRS, [tensor("a", (4,), offset=32)]), "does not follow"),
        (gguf(PAIRS, [tensor("a" * 65, (4,))]), "where at most 64"),
        (gguf(PAIRS, [tensor("a", (4,)), tensor("a", (4,), offset=32)], b"\0" * 64), "twice"),
    ],
)
def test_a_malformed_gguf_header_is_refused_with_its_reason(data: bytes, why: str) -> None:
    with pytest.raises(Invalid, match=why) as refused:
        read_gguf(memoryview(data))
    assert refused.value.code == "InvalidModelFile"


def test_forty_nine_hostile_bytes_are_refused_in_less_than_fifty_milliseconds() -> None:
    hostile = (b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + text("k") + struct.pack("<IIQ", 9, 8, MAX_ELEMENTS) + b"\xff" * 8)[:49]
    began = time.perf_counter()
    with pytest.raises(Invalid):
        read_gguf(memoryview(hostile))
    assert time.perf_counter() - began < 0.05


@given(st.binary(max_size=400))
def test_no_bytes_after_the_magic_do_anything_but_parse_or_be_refused(tail: bytes) -> None:
    for data in (b"GGUF\x03\0\0\0" + tail, struct.pack("<Q", len(tail)) + tail):
        for read in (read_gguf, read_safetensors):
            with suppress(Invalid):
                read(memoryview(data))


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_changed_byte_never_leads_outside_the_file(at: int, value: int) -> None:
    bent = bytearray(GOOD)
    bent[at] = value
    try:
        header = read_gguf(memoryview(bent))
    except Invalid:
        return
    assert header.tensors <= 2


def test_a_well_formed_safetensors_header_is_read() -> None:
    assert read_safetensors(memoryview(GOOD_SAFETENSORS))["w"].shape == (2, 2)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x01", "shorter"),
        (struct.pack("<Q", 1 << 60), "claims"),
        (safetensors(b"{nonsense}"), "does not parse"),
        (safetensors(b"[" * 100_000), "does not parse"),
        (safetensors({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 16]}}, b"\0" * 16), "where its shape says"),
        (safetensors({"w": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}}, b"\0" * 16), "impossible shape"),
        (safetensors({"w": {"dtype": "PICKLE", "shape": [4], "data_offsets": [0, 16]}}, b"\0" * 16), "unknown type"),
        (safetensors(WORDS, b"\0" * 32), "do not fill"),
        (safetensors({"a": WORDS["w"], "b": WORDS["w"]}, b"\0" * 16), "where its shape says"),
    ],
)
def test_a_malformed_safetensors_header_is_refused_with_its_reason(data: bytes, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        read_safetensors(memoryview(data))

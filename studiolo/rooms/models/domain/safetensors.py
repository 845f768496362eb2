"""The header of a safetensors file, read by a parser whose work is bounded before the tensors are touched.

The format is that of https://github.com/huggingface/safetensors (Format): eight bytes of length, JSON, data.
"""

from __future__ import annotations

from math import prod
from typing import Any, Final, NoReturn

import msgspec

from studiolo.kernel.faults import Invalid

MAX_HEADER_BYTES: Final = 8 << 20
MAX_TENSORS: Final = 1 << 16

_WIDTHS: Final = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


class Tensor(msgspec.Struct, frozen=True):
    """One tensor: its element type, its shape, and where its bytes lie after the header."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def read_safetensors(data: memoryview) -> dict[str, Tensor]:
    """Read and check the header of a whole safetensors file; the tensors by name.

    Raises:
        Invalid: the bytes are no safetensors file (code `InvalidModelFile`).
    """
    if len(data) < 8:
        _refuse("it is shorter than its own length field")
    length = int.from_bytes(data[:8], "little")
    if not 2 <= length <= min(MAX_HEADER_BYTES, len(data) - 8):
        _refuse(f"its header claims {length} bytes")
    try:
        raw = msgspec.json.decode(bytes(data[8 : 8 + length]), type=dict[str, msgspec.Raw])
        raw.pop("__metadata__", None)
        tensors = {name: msgspec.json.decode(entry, type=Tensor) for name, entry in raw.items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _refuse(f"its header does not parse ({type(error).__name__})")
    if len(tensors) > MAX_TENSORS:
        _refuse(f"it holds more than {MAX_TENSORS} tensors")
    _check_places(tensors, len(data) - 8 - length)
    return tensors


def _check_places(tensors: dict[str, Tensor], size: int) -> None:
    """The tensors fill the data part without gaps and without overlaps."""
    end = 0
    for name, tensor in sorted(tensors.items(), key=_place):
        begin, stop = tensor.data_offsets
        if tensor.dtype not in _WIDTHS:
            _refuse(f"the tensor '{name[:80]}' has the unknown type '{tensor.dtype[:20]}'")
        if len(tensor.shape) > 8 or any(not 0 <= axis <= 1 << 40 for axis in tensor.shape):
            _refuse(f"the tensor '{name[:80]}' has an impossible shape")
        if begin != end or stop - begin != prod(tensor.shape) * _WIDTHS[tensor.dtype]:
            _refuse(f"the tensor '{name[:80]}' does not lie where its shape says")
        end = stop
    if end != size:
        _refuse("its tensors do not fill the file")


def _place(item: tuple[str, Tensor]) -> Any:
    return item[1].data_offsets


def _refuse(why: str) -> NoReturn:
    raise Invalid(f"The file is not a safetensors model that can be loaded: {why}.", code="InvalidModelFile")

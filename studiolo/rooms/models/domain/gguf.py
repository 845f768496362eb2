"""The header of a GGUF file, read by a parser whose work is bounded before a native loader sees the file.

The format is that of https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from studiolo.kernel.faults import Invalid

MAX_KEYS: Final = 4096
MAX_TENSORS: Final = 1 << 16
MAX_ELEMENTS: Final = 4 << 20
"""All array elements of the metadata together: a large vocabulary has half a million."""
MAX_TEXT_BYTES: Final = 1 << 20
MAX_NAME_BYTES: Final = 64

_ARRAY = 9
_TEXT = 8
_SCALARS: Final = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}

# Tensor types: elements in a block, bytes of a block.
_BLOCKS: Final = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136),
    24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2),
    34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip

Scalar = int | float | bool | str


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a well-formed header says: its scalar metadata, the sizes of its arrays, and how many tensors follow."""

    version: int
    metadata: dict[str, Scalar]
    arrays: dict[str, int]
    tensors: int

    def text(self, key: str) -> str:
        """A text value of the metadata; empty if it is absent or no text."""
        found = self.metadata.get(key, "")
        return found if isinstance(found, str) else ""

    def number(self, key: str) -> int:
        """A whole-number value of the metadata; 0 if it is absent or no whole number."""
        found = self.metadata.get(key, 0)
        return found if type(found) is int else 0


def read_gguf(data: memoryview) -> GgufHeader:
    """Read and check the header of a whole GGUF file, whose bytes are looked at only where the header lies.

    Raises:
        Invalid: the bytes are no GGUF file that a loader should see (code `InvalidModelFile`).
    """
    reader = _Reader(data)
    if bytes(data[:4]) != b"GGUF":
        _refuse("it does not begin with the letters GGUF")
    _, version = reader.take("<II")
    if version not in (2, 3):
        _refuse(f"its version is {version}, versions 2 and 3 are read")
    tensors, keys = reader.take("<QQ")
    if keys > MAX_KEYS or tensors > MAX_TENSORS:
        _refuse(f"it declares {keys} metadata keys and {tensors} tensors; at most {MAX_KEYS} and {MAX_TENSORS} are read")
    metadata: dict[str, Scalar] = {}
    arrays: dict[str, int] = {}
    for _ in range(keys):
        key = reader.text()
        if key in metadata or key in arrays:
            _refuse(f"its metadata names '{key[:80]}' twice")
        (kind,) = reader.take("<I")
        if kind == _ARRAY:
            arrays[key] = reader.skip_array()
        else:
            metadata[key] = reader.scalar(kind)
    alignment = metadata.get("general.alignment", 32)
    if type(alignment) is not int or not 8 <= alignment <= 4096 or alignment & (alignment - 1):
        _refuse("its general.alignment is not a power of two from 8 to 4096")
    _check_tensors(reader, tensors, alignment)
    return GgufHeader(version, metadata, arrays, tensors)


def _check_tensors(reader: _Reader, count: int, alignment: int) -> None:
    """Every tensor lies inside the file, directly after the one before it, as loaders take for granted."""
    names: set[str] = set()
    expected = 0
    for _ in range(count):
        name = reader.text(MAX_NAME_BYTES)
        if name in names:
            _refuse(f"it holds the tensor '{name}' twice")
        names.add(name)
        (rank,) = reader.take("<I")
        if not 1 <= rank <= 4:
            _refuse(f"the tensor '{name}' has {rank} dimensions")
        shape = reader.take(f"<{rank}Q")
        kind, offset = reader.take("<IQ")
        if kind not in _BLOCKS:
            _refuse(f"the tensor '{name}' has the unknown type {kind}")
        elements = 1
        for size in shape:
            elements *= size
            if not 0 < elements <= 1 << 48:
                _refuse(f"the tensor '{name}' has an impossible size")
        block, block_bytes = _BLOCKS[kind]
        if shape[0] % block:
            _refuse(f"the rows of the tensor '{name}' are not whole blocks of {block}")
        if offset != expected:
            _refuse(f"the tensor '{name}' does not follow the one before it")
        expected += -(-(elements // block * block_bytes) // alignment) * alignment
    start = -(-reader.at // alignment) * alignment
    # Writers may leave out the padding after the last tensor.
    if start + expected - alignment >= reader.size and count:
        _refuse("its tensors reach beyond the end of the file")


class _Reader:
    """Walks forward through the header; every size is checked against what is left before it is believed."""

    __slots__ = ("_data", "_elements", "at", "size")

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._elements = 0
        self.at = 0
        self.size = len(data)

    def take(self, layout: str) -> tuple[int, ...]:
        end = self.at + struct.calcsize(layout)
        if end > self.size:
            _refuse("it ends inside its header")
        values = struct.unpack_from(layout, self._data, self.at)
        self.at = end
        return values

    def text(self, limit: int = MAX_TEXT_BYTES) -> str:
        (length,) = self.take("<Q")
        if length > limit:
            _refuse(f"it holds a text of {length} bytes where at most {limit} are read")
        end = self.at + length
        if end > self.size:
            _refuse("it ends inside its header")
        raw = bytes(self._data[self.at : end])
        self.at = end
        return raw.decode("utf-8", "replace")

    def scalar(self, kind: int) -> Scalar:
        if kind == _TEXT:
            return self.text()
        if kind not in _SCALARS:
            _refuse(f"its metadata holds the unknown value type {kind}")
        return self.take(_SCALARS[kind])[0]

    def skip_array(self) -> int:
        kind, count = self.take("<IQ")
        self._elements += count
        if self._elements > MAX_ELEMENTS:
            _refuse(f"its metadata holds more than {MAX_ELEMENTS} array elements")
        if kind == _TEXT:
            self._skip_texts(count)
        elif kind in _SCALARS:
            self.at += count * struct.calcsize(_SCALARS[kind])
            if self.at > self.size:
                _refuse("it ends inside its header")
        else:
            _refuse(f"its metadata holds an array of the type {kind}")
        return count

    def _skip_texts(self, count: int) -> None:
        read: Callable[[memoryview, int], tuple[int]] = struct.Struct("<Q").unpack_from
        data, at, last = self._data, self.at, self.size - 8
        for _ in range(count):
            if at > last:
                _refuse("it ends inside its header")
            at += 8 + read(data, at)[0]
        if at > self.size:
            _refuse("it ends inside its header")
        self.at = at


def _refuse(why: str) -> NoReturn:
    raise Invalid(f"The file is not a GGUF model that can be loaded: {why}.", code="InvalidModelFile")

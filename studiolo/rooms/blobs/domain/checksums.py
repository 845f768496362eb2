"""CRC-64 as the Blob protocol uses it (polynomial 0x9A6C9329AC4BC9B5 reflected, known as CRC-64/NVME).

No library that we stand on has this polynomial, and a loop over bytes in Python makes some 5 MB/s. So a stretch of bytes
is taken as one large integer and folded onto itself: half the bits, times the residue of the distance that they move,
onto the other half. A fold is a few dozen shifts and exclusive ors of long integers, each at memory speed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.utils import Buffer

# In the reflected order bit 0 is the term of the highest degree; an integer of n bits stands for a polynomial below x^n.
_POLYNOMIAL: Final = 0x9A6C9329AC4BC9B5
_MASK: Final = (1 << 64) - 1
_ONE: Final = 1 << 63  # x^0
_WORD: Final = 8  # bytes
_LEAST: Final = 512  # bits; below that the bitwise loop is quicker


class Crc64:
    """A running checksum: `update` with bytes, `digest` for the eight bytes that the wire carries in base64."""

    __slots__ = ("_crc",)

    def __init__(self) -> None:
        self._crc = _MASK

    def update(self, data: Buffer) -> None:
        """Go on with more bytes."""
        view = memoryview(data)
        # The running value is added to the first 64 bits, as the bytewise algorithm does.
        if len(view) < _WORD:
            self._crc = _short(self._crc, bytes(view))
        else:
            self._crc = _residue(int.from_bytes(view, "little") ^ self._crc, 8 * len(view))

    def digest(self) -> bytes:
        """The checksum, least significant byte first."""
        return (self._crc ^ _MASK).to_bytes(8, "little")


def _residue(value: int, bits: int) -> int:
    """`value * x^64` modulo the polynomial, for a reflected polynomial of `bits` bits."""
    while bits > _LEAST:
        # The upper part (low-order bits here) moves down by `keep` places: times x^keep.
        keep = bits // 2 // 8 * 8
        high_bits = bits - keep
        high, low = value & ((1 << high_bits) - 1), value >> high_bits
        product = _times(high, _power(keep))  # high_bits + 63 bits, reflected
        product_bits = high_bits + 63
        # Align the last terms of both: the longer one keeps its length.
        if product_bits >= keep:
            value, bits = product ^ (low << (product_bits - keep)), product_bits
        else:
            value, bits = (product << (keep - product_bits)) ^ low, keep
    return _bitwise(value, bits)


def _times(value: int, factor: int) -> int:
    """Carry-less product of a reflected polynomial and one of 64 bits, in reflected order."""
    product = 0
    while factor:
        lowest = factor & -factor
        product ^= value << (lowest.bit_length() - 1)
        factor ^= lowest
    return product


def _bitwise(value: int, bits: int) -> int:
    """The residue of a short polynomial times x^64, one bit at a time from the highest degree."""
    crc = 0
    for place in range(bits):
        crc ^= (value >> place) & 1
        crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc


def _short(crc: int, data: bytes) -> int:
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc


@lru_cache(maxsize=4096)
def _power(exponent: int) -> int:
    """x^exponent modulo the polynomial, reflected."""
    if exponent == 0:
        return _ONE
    root = _power(exponent // 2)
    square = _reduced(_times(root, root))
    return _shifted(square) if exponent % 2 else square


def _reduced(product: int) -> int:
    """A reflected product of 127 bits modulo the polynomial."""
    crc = 0
    for place in range(127):
        bit = (product >> place) & 1
        carry = crc & 1
        crc = (crc >> 1) ^ (_POLYNOMIAL if carry else 0)
        if bit:
            crc ^= _ONE
    return crc


def _shifted(value: int) -> int:
    return (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)

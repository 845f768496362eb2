"""CRC-64/NVME: the catalogue's check value, and agreement with the definition."""

from hypothesis import given
from hypothesis import strategies as st

from studiolo.rooms.blobs.domain.checksums import Crc64

POLYNOMIAL = 0x9A6C9329AC4BC9B5


def by_definition(data: bytes) -> bytes:
    crc = (1 << 64) - 1
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (POLYNOMIAL if crc & 1 else 0)
    return (crc ^ ((1 << 64) - 1)).to_bytes(8, "little")


def of(*parts: bytes) -> bytes:
    crc = Crc64()
    for part in parts:
        crc.update(part)
    return crc.digest()


def test_the_check_value_of_the_catalogue_comes_out() -> None:
    assert int.from_bytes(of(b"123456789"), "little") == 0xAE8B14860A799888
    assert of(b"") == bytes(8)


@given(st.lists(st.binary(max_size=400), max_size=5))
def test_it_agrees_with_the_definition_however_the_bytes_come(parts: list[bytes]) -> None:
    assert of(*parts) == by_definition(b"".join(parts))


@given(st.binary(min_size=1, max_size=64), st.integers(1, 200))
def test_it_agrees_with_the_definition_for_long_bodies(pattern: bytes, times: int) -> None:
    data = pattern * times
    assert of(data) == by_definition(data)

"""Seals: any range is a slice; anything that was changed, moved, cut or swapped is seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studiolo.rooms.blobs.domain.blob import Piece
from studiolo.rooms.blobs.domain.sealing import (
    CHUNK,
    TAG,
    Damaged,
    Seal,
    check_mark,
    chunks_of,
    mark_of,
    sealed_size,
    sealed_span,
)

KEY = bytes(range(32))
PLACE = ("account/hubsa/project/p", "c1d", "a b/c.txt")
PIECE = Piece("o" + "0" * 32, 3 * CHUNK + 100, "")
PLAIN = (bytes(n * 31 % 251 for n in range(1 << 10)) * (PIECE.size // 1024 + 1))[: PIECE.size]


def seal_of(piece: Piece = PIECE, key: bytes = KEY, place: tuple[str, str, str] = PLACE) -> Seal:
    return Seal(key, place, piece)


SEALED = bytes(seal_of().seal(PLAIN))


def test_a_sealed_object_is_no_longer_than_promised_and_opens() -> None:
    assert len(SEALED) == sealed_size(PIECE.size) == PIECE.size + 4 * TAG
    assert seal_of().open(SEALED) == PLAIN
    assert PLAIN[:64] not in SEALED


@given(st.integers(0, PIECE.size - 1), st.integers(1, PIECE.size))
def test_any_range_is_the_slice(start: int, length: int) -> None:
    end = min(start + length, PIECE.size)
    first, beyond = chunks_of(start, end)
    low, high = sealed_span(first, beyond, PIECE.size)
    plain = seal_of().open(SEALED[low:high], first)
    assert plain[start - first * CHUNK : end - first * CHUNK] == PLAIN[start:end]


@given(st.integers(0, 5 * CHUNK // 2), st.binary(max_size=2))
def test_a_body_sealed_in_stretches_is_the_same_as_sealed_at_once(size: int, noise: bytes) -> None:
    plain = (PLAIN * 2)[:size] + noise
    piece = Piece("o1", len(plain))
    whole = bytes(seal_of(piece).seal(plain))
    parts = b"".join(bytes(seal_of(piece).seal(plain[at : at + CHUNK], at // CHUNK)) for at in range(0, max(len(plain), 1), CHUNK))
    assert whole == parts
    assert seal_of(piece).open(whole) == plain


@given(st.integers(0, len(SEALED) - 1), st.integers(0, 7))
def test_any_flipped_bit_is_seen(place: int, bit: int) -> None:
    changed = bytearray(SEALED)
    changed[place] ^= 1 << bit
    with pytest.raises(Damaged):
        seal_of().open(changed)


@given(st.permutations(range(3)).filter(lambda order: list(order) != [0, 1, 2]))
def test_swapped_chunks_are_seen(order: list[int]) -> None:
    step = CHUNK + TAG
    swapped = b"".join(SEALED[at * step : (at + 1) * step] for at in order) + SEALED[3 * step :]
    with pytest.raises(Damaged):
        seal_of().open(swapped)


@given(st.integers(0, len(SEALED) - 1))
def test_a_cut_object_is_seen(length: int) -> None:
    with pytest.raises(Damaged):
        seal_of().open(SEALED[:length])


@pytest.mark.parametrize(
    "seal",
    [
        seal_of(key=bytes(32)),
        seal_of(place=("account/hubsa/project/q", *PLACE[1:])),
        seal_of(place=(PLACE[0], "c2d", PLACE[2])),
        seal_of(place=(*PLACE[:2], "a b/d.txt")),
        seal_of(Piece("o" + "1" * 32, PIECE.size)),
        seal_of(Piece(PIECE.ref, PIECE.size + 1)),
        seal_of(Piece(PIECE.ref, PIECE.size, "YQ==")),
    ],
    ids=["key", "project", "container", "blob name", "object", "length", "block"],
)
def test_an_object_opens_nowhere_but_in_its_place(seal: Seal) -> None:
    with pytest.raises(Damaged):
        seal.open(SEALED)


def test_the_list_of_pieces_is_marked() -> None:
    pieces = [Piece(f"o{n}", 10, f"b{n}") for n in range(4)]
    mark = mark_of(KEY, PLACE, 40, pieces)
    check_mark(KEY, PLACE, 40, pieces, mark)
    for changed in (pieces[:3], pieces[::-1], [*pieces, pieces[0]], [*pieces[:3], Piece("o3", 11, "b3")]):
        with pytest.raises(Damaged):
            check_mark(KEY, PLACE, 40, changed, mark)
    with pytest.raises(Damaged):
        check_mark(KEY, (*PLACE[:2], "other"), 40, pieces, mark)

"""No text that a stranger writes makes a reader fail in another way than by a fault, or takes it a second."""

from __future__ import annotations

import random
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import feed, seeds
from tests.fuzz.themes import NAMES

pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # a provider may sign with it, and a reader reads it
ALPHABET = "/'\"{}[]()@$%&!|\\*?.:,;=<>-_ \t\n\0\u00e9\u212a\u0301\U0001f600aA09TZ"

LONG = 60_000


def changed(name: str, number: int) -> bytes:
    """An input of the corpus with a few bytes, pieces or lengths changed, by number."""
    chance = random.Random(f"{name} {number}")
    raw = bytearray(chance.choice(seeds(name)))
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        place = chance.randrange(len(raw) + 1)
        match chance.randrange(5):
            case 0:
                raw[place:place] = chance.choice(ALPHABET).encode()
            case 1:
                del raw[place : place + chance.choice((1, 2, 8))]
            case 2:
                other = chance.choice(seeds(name))
                raw[place:place] = other[chance.randrange(len(other) + 1) :][:64]
            case 3:
                raw[place : place + 1] = bytes([chance.randrange(256)])
            case _:
                raw[place:place] = bytes(raw[max(0, place - 4) : place]) * chance.choice((2, 50, 500))
    return bytes(raw[:20_000])


@pytest.mark.parametrize("name", NAMES)
def test_every_input_of_the_corpus_is_read_or_refused(name: str) -> None:
    assert seeds(name)
    for raw in seeds(name):
        feed(name, raw)


@pytest.mark.parametrize("name", NAMES)
def test_changed_inputs_are_read_or_refused_within_a_second(name: str) -> None:
    for number in range(250):
        raw = changed(name, number)
        begun = time.process_time()
        feed(name, raw)
        assert time.process_time() - begun < 1, raw[:200]


@pytest.mark.parametrize("name", NAMES)
@given(st.data())
@settings(max_examples=60)
def test_any_text_is_read_or_refused(name: str, data: st.DataObject) -> None:
    feed(name, data.draw(st.one_of(st.binary(max_size=200), st.text(alphabet=ALPHABET, max_size=200).map(str.encode))))


def grown(name: str, number: int) -> bytes:
    """An input of the corpus with one short piece said again and again, by number."""
    chance = random.Random(f"{name} grown {number}")
    raw = chance.choice(seeds(name))
    place, size = chance.randrange(len(raw) + 1), chance.choice((1, 1, 2, 3, 5, 8, 20))
    piece = raw[place : place + size] or chance.choice(ALPHABET).encode()
    return raw[:place] + piece * (LONG // len(piece)) + raw[place:]


@pytest.mark.parametrize("name", NAMES)
def test_long_inputs_are_read_or_refused_within_a_second(name: str) -> None:
    """What takes the square of an input's length takes minutes here."""
    for number in range(40):
        raw = grown(name, number)
        begun = time.process_time()
        feed(name, raw)
        assert time.process_time() - begun < 1, (raw[:200], number)


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMES)
def test_a_minute_of_guided_fuzzing_finds_nothing(name: str) -> None:
    found = subprocess.run([sys.executable, "-m", "tests.fuzz.campaign", name], capture_output=True, text=True, check=False, timeout=800)
    assert found.returncode == 0, found.stdout[-4000:]

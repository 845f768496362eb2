"""What is fuzzed: everything that reads bytes or text which a stranger wrote.

Each target takes bytes; a `Fault` is an answer, all else is a finding.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from studiolo.kernel.faults import Fault
from tests.fuzz.readers.raw import check
from tests.fuzz.themes import THEMES

CORPUS = Path(__file__).parent / "corpus"


@functools.cache
def target(name: str) -> Callable[[bytes], None]:
    """The target of this name; its theme alone is imported."""
    theme = next(theme for theme, names in THEMES.items() if name in names)
    return getattr(importlib.import_module(f"tests.fuzz.readers.{theme}"), name)


def feed(name: str, raw: bytes) -> None:
    """Give bytes to a target; a fault is an answer, and has a text and a code."""
    fault: Fault | None = None
    try:
        target(name)(raw)
    except Fault as raised:
        fault = raised
    if fault is not None:
        check(fault)


@functools.cache
def seeds(name: str) -> list[bytes]:
    """The corpus of a target: texts in a JSON list."""
    found: list[str] = msgspec.json.decode((CORPUS / f"{name}.json").read_bytes())
    return [each.encode("utf-8", "surrogateescape") for each in found]

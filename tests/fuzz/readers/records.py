"""The record as a stranger hands it over: an exported file that is to be verified."""

from __future__ import annotations

import atexit
import contextlib
import functools
import tempfile
from pathlib import Path
from typing import Any, cast

import msgspec

from studiolo.app.audit import verify_file
from studiolo.app.home import Home
from studiolo.kernel.faults import Fault
from studiolo.kernel.store.chain import BEGINNING, LINE_FIELDS, Keeper, digest_of, seal_of
from studiolo.kernel.store.port import Line
from tests.fuzz.readers.raw import check


def exported(raw: bytes) -> None:
    """As it came; and chained and sealed anew, as whoever has edited it and knows how would hand it on."""
    home, folder = _home()
    key = Keeper.of(home.record_key()).key
    for name, lines in (("given", raw), ("anew", b"\n".join(_chained(raw.split(b"\n"), key)))):
        file = folder / name
        file.write_bytes(lines)
        for place in (None, home):
            try:
                report = verify_file(file, lambda _: None, home=place)
            except Fault as fault:
                check(fault)
            else:
                assert report.lines == 0 or report.last
                msgspec.json.encode(report)


def _chained(lines: list[bytes], key: bytes) -> list[bytes]:
    """The lines with digests and seals that fit, as far as they are lines."""
    previous, found = BEGINNING, list[bytes]()
    for line in lines:
        with contextlib.suppress(msgspec.DecodeError, UnicodeError, RecursionError, KeyError, AttributeError, TypeError, ValueError):
            said = cast("dict[str, Any]", msgspec.json.decode(line))
            told = Line._make((*(said[name] for name in LINE_FIELDS[:12]), said["doc"].encode(), previous, b"", b""))
            previous = digest_of(told)
            given = {"previous": told.previous.hex(), "digest": previous.hex(), "seal": seal_of(key, previous).hex()}
            found.append(msgspec.json.encode({**said, **given}))
            continue
        found.append(line)
    return found


@functools.cache
def _home() -> tuple[Home, Path]:
    kept = tempfile.TemporaryDirectory(prefix="studiolo-fuzz-")
    atexit.register(kept.cleanup)
    home = Home(Path(kept.name) / "home")
    home.prepare()
    return home, Path(kept.name)

"""Coverage-guided fuzzing of one target or all: `.venv/bin/python -m tests.fuzz.campaign condition --seconds 60 --keep FOLDER`.

Each target runs in a process of its own: no failure but a `Fault`, no input that takes over a second of the processor, at most
1 GiB of memory.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.fuzz.themes import NAMES

SLOWEST = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("target", nargs="?", choices=NAMES)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--keep", type=Path, help="where inputs that reach something new are kept, and findings")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        return fuzz(given.target, given.seconds, given.keep)
    failed: list[str] = []
    for name in [given.target] if given.target else NAMES:
        with tempfile.TemporaryDirectory() as scratch:
            keep = (given.keep or Path(scratch)) / name
            keep.mkdir(parents=True, exist_ok=True)
            command = [sys.executable, "-m", __spec__.name, name, "--seconds", str(given.seconds), "--keep", str(keep), "--inside"]
            found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=given.seconds * 10 + 120)
        told = [line for line in found.stderr.splitlines() if line.startswith("Done") or "cov:" in line][-2:]
        sys.stdout.write(f"{name}: {'ok' if found.returncode == 0 else 'FOUND SOMETHING'}  {' | '.join(told)}\n")
        if found.returncode:
            failed.append(name)
            sys.stdout.write(found.stdout[-3000:] + found.stderr[-3000:])
        sys.stdout.flush()
    return int(bool(failed))


def fuzz(name: str, seconds: int, keep: Path) -> int:
    """Run libFuzzer on a target, starting from its corpus."""
    atheris: Any = importlib.import_module("atheris")  # it has no types, and not every platform has it

    with atheris.instrument_imports(include=["studiolo"]):
        from tests.fuzz import targets

        targets.target(name)

    for number, seed in enumerate(targets.seeds(name)):
        (keep / f"seed-{number}").write_bytes(seed)

    def one(raw: bytes) -> None:
        begun = time.process_time()
        targets.feed(name, raw)
        spent = time.process_time() - begun
        assert spent < SLOWEST, f"{spent:.1f} s for {raw[:200]!r}"

    limits = [f"-max_total_time={seconds}", "-rss_limit_mb=1024", "-max_len=4096", "-timeout=60", f"-artifact_prefix={keep}/"]
    atheris.Setup([sys.argv[0], *limits, str(keep)], one)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())

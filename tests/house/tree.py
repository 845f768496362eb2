"""The files that make up the tree: what git tracks, and what it would track if added now."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@cache
def files(*patterns: str) -> list[Path]:
    """Return the tree's files that fit any of the patterns (git's own), or all."""
    said = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        capture_output=True,
        check=True,
    ).stdout.decode()
    return [path for name in said.split("\0") if name and (path := ROOT / name).is_file()]


def place(path: Path) -> str:
    """Return a file's place in the tree."""
    return path.relative_to(ROOT).as_posix()

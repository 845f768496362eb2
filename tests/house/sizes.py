"""How long files and functions are, against what we aim at and where we stop.

`python -m tests.house.sizes` lists what is above the aim, longest first, and fails above the stop.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TREES = ("studiolo", "tests", "benchmarks")
HISTORY = "/migrations/versions/"  # a revision is a list of statements, written once
FILE_AIM, FILE_STOP = 400, 600
FUNCTION_AIM, FUNCTION_STOP = 40, 60


@dataclass(frozen=True, order=True)
class Size:
    """Something with a length: a file, or a function in one."""

    lines: int
    place: str
    aim: int
    stop: int

    @property
    def share(self) -> float:
        """The length as a share of the stop."""
        return self.lines / self.stop


def measure(source: str, place: str) -> Iterator[Size]:
    """Yield the size of a file and of each function in it."""
    yield Size(source.count("\n"), place, FILE_AIM, FILE_STOP)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            yield Size(lines, f"{place}:{node.lineno} {node.name}", FUNCTION_AIM, FUNCTION_STOP)


def sizes() -> list[Size]:
    """Return every size in the tree, longest for its kind first."""
    paths = (path for tree in TREES for path in sorted((ROOT / tree).rglob("*.py")) if HISTORY not in path.as_posix())
    found = (size for path in paths for size in measure(path.read_text("utf-8"), str(path.relative_to(ROOT))))
    return sorted(found, key=lambda size: size.share, reverse=True)


def main() -> int:
    """Print what is above its aim; return 1 when something is above its stop."""
    above = [size for size in sizes() if size.lines > size.aim]
    for size in above:
        mark = "STOP" if size.lines > size.stop else "long"
        print(f"{mark}  {size.lines:4d} lines, aim {size.aim}, stop {size.stop}  {size.place}")  # noqa: T201
    return int(any(size.lines > size.stop for size in above))


if __name__ == "__main__":
    sys.exit(main())

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.house.tree import ROOT, files, place

# What a part is called says what it is for; these words say that nobody knew.
EMPTY_WORDS = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "managers", "new", "v2", "handler2"}
ROOM_PARTS = {"__init__", "domain", "ports", "service", "schema", "backends", "provider", "wire"}


def words(name: str) -> set[str]:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return set(snake.lower().split("_"))


def is_empty(name: str) -> bool:
    """Whether a module or class is named by nothing but an empty word, or counts its own versions."""
    found = words(name.strip("_"))
    return bool(found & {"utils", "util", "helpers", "misc", "handler2", "v2"}) or found <= EMPTY_WORDS


def test_no_module_or_folder_has_an_empty_name() -> None:
    parts = {
        part for path in files("studiolo", "tests", "benchmarks", "*.py") for part in (*path.relative_to(ROOT).parent.parts, path.stem)
    }
    assert sorted(part for part in parts if part.strip("_.") and is_empty(part)) == []


def test_no_class_is_a_manager_an_impl_or_a_mixin() -> None:
    wrong = re.compile(r"(Manager|Impl|Mixin|Helper|Utils?)$|^(Abstract|Base)[A-Z]")
    assert sorted(f"{where}: {name}" for where, name in classes() if wrong.search(name)) == []


def test_a_room_has_only_the_parts_that_rooms_have() -> None:
    rooms = (path for path in (ROOT / "studiolo/rooms").iterdir() if path.is_dir() and path.name != "__pycache__")
    parts = ((room.name, part) for room in rooms for part in room.iterdir() if part.name != "__pycache__")
    strays = [f"{room}/{part.name}" for room, part in parts if part.stem not in ROOM_PARTS and part.name != "README.md"]
    assert sorted(strays) == []


def test_every_test_is_a_sentence() -> None:
    short = [
        f"{place(path)}: {node.name}"
        for path in files("tests/**/test_*.py", "tests/test_*.py")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_") and len(node.name.split("_")) < 4
    ]
    assert short == []


def test_a_domain_never_waits() -> None:
    waits = (ast.Await, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith)
    found = [
        f"{place(path)}:{node.lineno}"
        for path in files("studiolo/rooms/*/domain.py", "studiolo/rooms/*/domain/*.py")
        for node in ast.walk(parsed(path))
        if isinstance(node, waits)
    ]
    assert found == []


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def classes() -> Iterator[tuple[str, str]]:
    for path in files("*.py"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef):
                yield f"{place(path)}:{node.lineno}", node.name

"""The import contracts hold for rooms that nobody has written yet, and each way of breaking them is seen."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.house.tree import ROOT

PARTS = ("provider", "wire", "service", "schema", "backends", "ports", "domain")
KERNEL = (
    "control",
    "operations",
    "gate",
    "documents",
    "keys",
    "record",
    "access",
    "store",
    "resource",
    "faults",
    "clock",
    "ids",
    "request",
)


@dataclass(frozen=True)
class Break:
    """One line in one module that the contracts must refuse, and how they name it."""

    module: str
    line: str
    seen: str


def imports(module: str, target: str) -> Break:
    parent, _, name = target.rpartition(".")
    line = f"from {parent} import {name}" if parent else f"import {name}"
    shown = target.split(".", 1)[0] if not target.startswith("studiolo") else target
    return Break(module, line, f"{module} -> {shown}")


BREAKS = {
    "a room imports another room": imports("studiolo.rooms.left.service", "studiolo.rooms.right.ports"),
    "a room imports the app": imports("studiolo.rooms.left.provider", "studiolo.app.settings"),
    "the kernel imports the wire": imports("studiolo.kernel.resource", "studiolo.wire.arm"),
    "the kernel imports a room": imports("studiolo.kernel.clock", "studiolo.rooms.left.domain"),
    "the wire imports a room": imports("studiolo.wire.arm", "studiolo.rooms.right.service"),
    "the store imports operations": imports("studiolo.kernel.store", "studiolo.kernel.operations"),
    "ids import the resource": imports("studiolo.kernel.ids", "studiolo.kernel.resource"),
    "a service imports a schema": imports("studiolo.rooms.left.service", "studiolo.rooms.left.schema"),
    "a schema imports a back end": imports("studiolo.rooms.left.schema", "studiolo.rooms.left.backends"),
    "a domain imports a service": imports("studiolo.rooms.right.domain", "studiolo.rooms.right.service"),
    "a provider imports the wire": imports("studiolo.rooms.right.provider", "studiolo.wire.arm"),
    "a service speaks HTTP": imports("studiolo.rooms.right.service", "uvicorn"),
    "a service speaks to the outside": imports("studiolo.rooms.right.service", "aiohttp"),
    "a schema opens blobs": imports("studiolo.rooms.right.schema", "obstore"),
    "a domain reads the clock": imports("studiolo.rooms.left.domain", "time"),
    "a domain reads the store": imports("studiolo.rooms.right.domain", "studiolo.kernel.store"),
}
STRAYS = ("studiolo.utils", "studiolo.rooms.left.helpers", "studiolo.rooms.right.common", "studiolo.kernel.misc")


def path_of(root: Path, module: str) -> Path:
    path = root.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def a_tree_with_two_more_rooms(root: Path) -> None:
    """Copy this tree and add two rooms of the full shape, and whatever the kernel still lacks."""
    shutil.copytree(ROOT / "studiolo", root / "studiolo", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    wanted = [f"studiolo.kernel.{part}" for part in KERNEL] + ["studiolo.wire.arm", "studiolo.app.settings"]
    for room in ("left", "right"):
        (root / "studiolo/rooms" / room).mkdir()
        wanted += [f"studiolo.rooms.{room}", *(f"studiolo.rooms.{room}.{part}" for part in PARTS)]
    for module in wanted:
        path = path_of(root, module)
        if not path.exists():
            path.write_text("")
    (root / "studiolo/rooms/left/backends.py").write_text("import aiohttp\nfrom studiolo.rooms.left import ports\n")
    (root / "studiolo/rooms/left/provider.py").write_text("from studiolo.rooms.left import schema, service\n")


def checked(root: Path) -> tuple[bool, str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=100)
    return done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bool, str]:
    root = tmp_path_factory.mktemp("whole")
    a_tree_with_two_more_rooms(root)
    return checked(root)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> tuple[bool, str]:
    """The same tree, broken in every way at once: each must be named, so one run judges all."""
    root = tmp_path_factory.mktemp("broken")
    a_tree_with_two_more_rooms(root)
    for one in BREAKS.values():
        path = path_of(root, one.module)
        path.write_text(f"{path.read_text('utf-8')}\n{one.line}\n", "utf-8")
    for stray in STRAYS:
        path_of(root, stray).write_text("")
    return checked(root)


def test_the_tree_and_two_rooms_of_the_full_shape_keep_every_contract(whole: tuple[bool, str]) -> None:
    kept, said = whole
    assert kept, said


@pytest.mark.parametrize("what", BREAKS)
def test_the_contracts_see_that(what: str, broken: tuple[bool, str], whole: tuple[bool, str]) -> None:
    kept, said = broken
    assert not kept
    assert BREAKS[what].seen in said
    assert BREAKS[what].seen not in whole[1]


@pytest.mark.parametrize("stray", STRAYS)
def test_the_contracts_see_the_stray_module(stray: str, broken: tuple[bool, str]) -> None:
    assert f"\n- {stray}\n" in broken[1]

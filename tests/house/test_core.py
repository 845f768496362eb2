import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.tree import ROOT

PROGRAM = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{name} is not in a core install", name=name)
BLOCKED = set(sys.argv[2].split(","))
sys.meta_path.insert(0, Absent())
__import__(sys.argv[1])
"""


def modules_beyond_core() -> set[str]:
    """Return the modules of installed packages that a core install lacks."""
    core = {canonicalize_name(line.split("==")[0]) for line in (ROOT / "locks/core.txt").read_text().splitlines() if "==" in line}
    core.add(canonicalize_name("studiolo"))
    owners = packages_distributions()
    return {module for module, names in owners.items() if not {canonicalize_name(name) for name in names} & core}


def starts(module: str, blocked: set[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, module, ",".join(sorted(blocked))]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("part", ["cli", "compose", "server"])
def test_the_app_starts_from_a_core_install(part: str) -> None:
    done = starts(f"studiolo.app.{part}", modules_beyond_core())
    assert done.returncode == 0, done.stderr


def test_what_an_extra_brings_is_kept_from_the_core() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {canonicalize_name(Requirement(text).name) for extra in project["optional-dependencies"].values() for text in extra}
    brought = {module for module, names in packages_distributions().items() if {canonicalize_name(name) for name in names} & extras}
    assert brought <= modules_beyond_core()
    assert {"xllamacpp", "openai", "pytest"} <= modules_beyond_core()
    assert starts("pytest", {"pytest"}).returncode != 0
    assert Path(sys.executable).exists()

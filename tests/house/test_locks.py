import re
import tomllib
from itertools import pairwise
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.tree import ROOT

PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)")
# Each holds the one before it.
LOCKS = ("core", "clients", "up", "dev")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(lock: str) -> dict[str, set[str]]:
    """Return each package's versions in a lock: more than one where the platforms differ."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / f"locks/{lock}.txt").read_text().splitlines():
        if match := PIN.match(line):
            found.setdefault(canonicalize_name(match["name"]), set()).add(match["version"])
    return found


def asked(lock: str) -> list[Requirement]:
    """Return what pyproject.toml asks for in a lock."""
    texts: list[str] = [*PROJECT["project"]["dependencies"]]
    if lock in {"up", "dev"}:
        texts += [text for extra in PROJECT["project"]["optional-dependencies"].values() for text in extra]
    if lock in {"clients", "up", "dev"}:
        texts += PROJECT["dependency-groups"]["clients"]
    if lock == "dev":
        texts += [text for text in PROJECT["dependency-groups"]["dev"] if isinstance(text, str)]
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_what_the_project_asks_for(lock: str) -> None:
    have = pins(lock)
    wrong = [
        str(wanted)
        for wanted in asked(lock)
        if not any(wanted.specifier.contains(version) for version in have.get(canonicalize_name(wanted.name), ()))
    ]
    assert wrong == [], "scripts/lock makes the locks again"


@pytest.mark.parametrize(("small", "large"), list(pairwise(LOCKS)))
def test_a_larger_lock_holds_the_same_pins(small: str, large: str) -> None:
    have = pins(large)
    assert {name: versions for name, versions in pins(small).items() if have.get(name) != versions} == {}


@pytest.mark.parametrize("lock", [*LOCKS, "uv", "build"])
def test_every_line_of_a_lock_is_a_pin_or_its_digest(lock: str) -> None:
    entries = (ROOT / f"locks/{lock}.txt").read_text().replace("\\\n", "").splitlines()
    whole = re.compile(r"^[A-Za-z0-9._-]+==[^\s;]+(?: ; [^#@]+?)?(?:\s+--hash=sha256:[0-9a-f]{64})+$")
    assert entries
    assert [entry[:80] for entry in entries if not whole.match(entry)] == []


def test_the_core_lock_holds_nothing_of_an_extra() -> None:
    extras = {canonicalize_name(Requirement(text).name) for extra in PROJECT["project"]["optional-dependencies"].values() for text in extra}
    assert pins("core").keys() & extras == set()

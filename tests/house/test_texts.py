import os
import re

import pytest

from tests.house.tree import ROOT, files, place

# Written so that no pattern matches its own line.
FORBIDDEN = {
    "a path of somebody's machine": r"(?<![\w.:/}])/(?:root|work|Users|home/[a-z][\w-]*)/",
    "the host of a package registry": r"pythonhosted\.(?:org)|\bpy[p]i\.org|registry\.npm[j]s|crates\.[i]o/|proxy\.gol[a]ng",
    "an address of an index": r"--(?:extra-)?index-url|--find-link[s]",
    "a note to oneself": r"\b(?:T[O]DO|F[I]XME|X[X]X|H[A]CK)\b",
    "a key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KE[Y]|\bgh[ps]_\w{36}|\bsk-[A-Za-z0-9]{40}",
    "a conflict that was not resolved": r"^(?:<{7} |>{7} )",
    "a carriage return": r"\r",
}
PICTURES = {".png", ".jpg", ".ico", ".woff2", ".gguf", ".pdf", ".zip", ".bin", ".sqlite"}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_text_in_the_tree_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what], re.MULTILINE)
    found: list[str] = []
    for path in files():
        if path.suffix in PICTURES:
            continue
        text = path.read_bytes().decode("utf-8")
        found += [f"{place(path)}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]!r}" for match in pattern.finditer(text)]
    assert found == []


def test_every_script_can_be_run_and_stops_at_its_first_mistake() -> None:
    scripts = [path for path in files("scripts", ".ci") if not path.name.startswith(".") and path.suffix == ""]
    assert {"setup", "lint", "test", "docs", "bench", "run"} <= {path.name for path in scripts}
    assert [place(path) for path in scripts if not os.access(path, os.X_OK)] == []
    assert [place(path) for path in scripts if not re.search(r"^set -(e?)uo pipefail$", path.read_text(), re.MULTILINE)] == []


def test_the_checks_run_what_make_test_runs() -> None:
    recipe = re.search(r"^test:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    assert recipe[1].split() == ["@.ci/run"]

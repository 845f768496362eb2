"""Plant the faults, one process each, and say which of them no test noticed.

`nice -n 15 .venv/bin/python -m tests.access.mutation.run --results FILE [--sample 400] [--only patterns]`
What FILE holds is not run again.
A fault is killed by a thousand decisions and the lists of forty generated worlds, or by the tests about its part, the vectors among them.
"""

import argparse
import functools
import gc
import hashlib
import importlib.abc
import importlib.util
import os
import re
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType

import msgspec
import pytest
from hypothesis import settings

from tests.access.differential.worlds import SCOPES, Maker
from tests.access.mutation.operators import Mutant, mutants, planted
from tests.access.oracle import judge, names
from tests.access.oracle.judge import Question, World

ROOT = Path(__file__).parents[3]
PACKAGE = "studiolo.kernel.access"
TESTS = ROOT / "tests/access"
ABOUT = {
    "conditions": ("condition_values", "condition_logic", "condition_texts", "decision", "readings", "vectors"),
    "patterns": ("patterns", "decision"),
    "scopes": ("scopes", "visibility", "explanation", "telling", "decision", "reach"),
    "visibility": ("visibility",),
    "names": ("names", "vectors"),
    "vectors": ("vectors",),
    "built_in": ("built_in", "vectors"),
    "lints": ("lints", "lints_of_comparisons", "lints_of_roles", "lints_offers"),
    "explanation": ("explanation", "telling", "agreement"),
    "telling": ("telling", "explanation"),
    "reach": ("reach",),
    "simulation": ("reach",),
    "world": ("reach",),
    "shelves": ("shelves", "reach"),
    "": ("decision", "vectors", "visibility", "explanation", "readings", "agreement"),
}
"""Which tests are about a part of the engine; what only others notice counts as not noticed."""
SEEDS = range(2_000, 2_040)
CPU_SECONDS, WALL_SECONDS = 30, 300
say = functools.partial(print, flush=True)


@dataclass(frozen=True)
class Case:
    """A world, questions with the answers expected of the engine, and lists with what they show."""

    world: World
    questions: list[tuple[Question, tuple[str, str, str | None]]]
    lists: list[tuple[Question, dict[str, bool]]]


class Planted(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from a changed tree."""

    def __init__(self, name: str, code: CodeType, path: Path) -> None:
        self.name, self.code, self.path = name, code, path

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        package = [str(self.path.parent)] if self.path.name == "__init__.py" else None
        return importlib.util.spec_from_file_location(fullname, self.path, loader=self, submodule_search_locations=package)

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(self.code, module.__dict__)  # noqa: S102 # the module's own code, changed in one place


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--only", default="", help="modules whose names match this regular expression")
    parser.add_argument("--again", action="store_true", help="run the survivors again, after tests were added")
    given = parser.parse_args()
    settings.register_profile("mutation", max_examples=15, deadline=None, derandomize=True, database=None)
    settings.load_profile("mutation")
    chosen = [each for each in every_mutant() if re.search(given.only, each.module)]
    # In an order of its own, which few changes of the source disturb: a sample holds every smaller one.
    chosen.sort(key=lambda each: hashlib.sha256(f"{each.id} {each.text}".encode()).digest())
    chosen = chosen[: given.sample]
    results = read(given.results, again=given.again)
    cases = list(map(case, SEEDS))
    gc.freeze()  # what every process inherits is looked through by none of them
    if (clean := in_a_process(lambda: attack(None, cases))) != "survived":
        say(f"the engine as it is does not pass: {clean}")
        return 2
    for each in chosen:
        if (each.id, each.text) in results:
            continue
        results[each.id, each.text] = in_a_process(functools.partial(attack, each, cases))
        with given.results.open("ab") as out:
            out.write(msgspec.json.encode([each.id, each.text, results[each.id, each.text]]) + b"\n")
    return report(chosen, results)


def every_mutant() -> list[Mutant]:
    found: list[Mutant] = []
    for path in sorted((ROOT / PACKAGE.replace(".", "/")).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found.extend(mutants(name, path.read_text("utf-8")))
    return found


def read(path: Path, *, again: bool) -> dict[tuple[str, str], str]:
    rows: list[list[str]] = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()] if path.exists() else []
    found = {(name, text): outcome for name, text, outcome in rows}
    return {key: outcome for key, outcome in found.items() if not (again and outcome == "survived")}


def case(seed: int) -> Case:
    """What the second opinion expects; computed once, for all faults."""
    maker = Maker(seed)
    world = maker.world()
    questions = [maker.question() for _ in range(25)]
    told = [judge.decide(world, asked) for asked in questions]
    expected = [(one.outcome, "" if one.outcome == "reject" else one.because, one.id) for one in told]
    lists = [(asked, shown(world, asked)) for asked, one in zip(questions[:4], told, strict=False) if one.outcome != "reject"]
    return Case(world, list(zip(questions, expected, strict=True)), lists)


def shown(world: World, asked: Question) -> dict[str, bool]:
    listed = names.segments(asked.scope)
    below = [each for each in SCOPES if listed in names.ancestors(names.segments(each), world.group_parents, world.subscription_groups, {})]
    return {each: judge.decide(world, replace(asked, scope=each, sub_operations=(), bags={})).outcome == "allow" for each in below}


def in_a_process(work: Callable[[], str]) -> str:
    """What `work` answers in a process of its own, or that it ran out of time or died."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
        resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
        signal.alarm(WALL_SECONDS)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        try:
            answer = work()
        except BaseException as error:  # noqa: BLE001 # whatever a fault leads to, it was noticed
            answer = f"killed by {type(error).__name__}"
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read().decode()
    os.waitpid(child, 0)
    return answer or "killed by time"


def attack(mutant: Mutant | None, cases: list[Case]) -> str:
    """Load the engine with the fault and let everything loose on it."""
    if mutant is not None:
        path = ROOT / mutant.module.replace(".", "/")
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        sys.meta_path.insert(0, Planted(mutant.module, compile(planted(mutant, path.read_text("utf-8")), str(path), "exec"), path))
    module = mutant.module if mutant is not None else ""
    if not is_asked(module):
        return tested(module) or answered(cases) or "survived"
    return answered(cases) or tested(module) or "survived"


def is_asked(module: str) -> bool:
    """Whether decisions pass through a module; the others fall to their own tests, which are then tried first."""
    return not re.search(r"\.(lints|names|vectors|built_in|explanation|telling|reach|simulation|shelves|world)\b", module)


def answered(cases: list[Case]) -> str:
    """What noticed the fault among the generated questions, if anything."""
    from tests.access.differential.engine import Engine

    for each in cases:
        engine = Engine(each.world)
        for asked, expected in each.questions:
            if engine.decide(asked) != expected:
                return "killed by a decision"
        for asked, expected in each.lists:
            found = engine.visible(asked)
            if any(found.admits(scope) != is_shown for scope, is_shown in expected.items()):
                return "killed by a list"
    return ""


def tested(module: str) -> str:
    """Whether a test of the part noticed the fault."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # half of the time of a fault would go into loading them
    files = [str(TESTS / f"test_{name}.py") for name in tests_about(module)]
    alone = ("-c", os.devnull, "--noconftest", "-p", "no:cacheprovider", "-p", "no:unraisableexception", "--import-mode=importlib")
    code = pytest.main(["-x", "-q", "-W", "ignore", "-m", "not nightly", *alone, *files])
    return "killed by a test" if code else ""


def tests_about(module: str) -> tuple[str, ...]:
    return next(tests for part, tests in ABOUT.items() if part in module.removeprefix(PACKAGE))


def report(chosen: list[Mutant], results: dict[tuple[str, str], str]) -> int:
    """Print what survived, and a table by module."""
    table: dict[str, Counter[str]] = {}
    for each in sorted(chosen, key=lambda one: (one.module, one.place)):
        is_killed = results[each.id, each.text] != "survived"
        outcome = "killed" if is_killed else "equivalent" if is_equivalent(each) else "survived"
        table.setdefault(each.module.removeprefix(f"{PACKAGE}."), Counter())[outcome] += 1
        if outcome == "survived":
            say(f"survived  {each.id}  {each.text}")
    say("| module | planted | killed | equivalent | rate |\n|---|---|---|---|---|")
    for name, counts in [*table.items(), ("all", sum(table.values(), Counter[str]()))]:
        rate = 100 * counts["killed"] / max(1, counts["killed"] + counts["survived"])
        say(f"| {name} | {counts.total()} | {counts['killed']} | {counts['equivalent']} | {rate:.1f} % |")
    say(time.strftime("%F"))
    return 0


def is_equivalent(mutant: Mutant) -> bool:
    """Whether `equivalent.txt` says why the fault changes no answer."""
    rows = [line for line in (Path(__file__).parent / "equivalent.txt").read_text("utf-8").splitlines() if not line.startswith("#")]
    name, text = mutant.module.removeprefix(f"{PACKAGE}."), " ".join(mutant.text.split())
    for row in rows:
        module, _, rest = row.partition(" | ")
        fault = rest.rpartition(" | ")[0]
        if name == module and re.fullmatch(".*".join(map(re.escape, fault.split("*"))), text):
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())

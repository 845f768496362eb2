"""Many seeds: the engine and the second opinion asked the same, and a count of what was reached.

`python -m tests.access.differential.campaign --decisions 1000000 --progress FILE` runs a long one on two processes and goes on
where FILE says that it ended.
"""

import argparse
import functools
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

import msgspec

from tests.access.differential.engine import Engine, Told
from tests.access.differential.worlds import SCOPES, Maker
from tests.access.oracle import names
from tests.access.oracle.judge import Question, World, decide

QUESTIONS = 25
LISTS = 2
CHUNK = 400
FIRST = 1_000_000


@dataclass
class Mismatch:
    """A question that the two answer differently, with the seed that makes it again."""

    seed: int
    asked: Question
    expected: Told
    found: Told
    world: World


@dataclass
class Tally:
    """What a campaign asked and reached."""

    decisions: int = 0
    listed: int = 0
    outcomes: Counter[str] = field(default_factory=Counter[str])
    reasons: Counter[str] = field(default_factory=Counter[str])
    notes: Counter[str] = field(default_factory=Counter[str])
    mismatches: list[Mismatch] = field(default_factory=list[Mismatch])

    def add(self, other: "Tally") -> None:
        self.decisions += other.decisions
        self.listed += other.listed
        self.outcomes.update(other.outcomes)
        self.reasons.update(other.reasons)
        self.notes.update(other.notes)
        self.mismatches.extend(other.mismatches)


def run(seeds: Iterable[int]) -> Tally:
    """Ask the questions of these seeds."""
    tally = Tally()
    for seed in seeds:
        run_seed(seed, tally)
    return tally


def run_seed(seed: int, tally: Tally) -> None:
    """One world: its questions, the same with the rows and the questions in another order, and some lists."""
    maker = Maker(seed)
    world = maker.world()
    engine, shuffled = Engine(world), Engine(world, shuffle=seed)
    told: list[tuple[Question, Told]] = []
    for asked in [maker.question() for _ in range(QUESTIONS)]:
        answer = decide(world, asked)
        expected = (answer.outcome, "" if answer.outcome == "reject" else answer.because, answer.id)
        tally.decisions += 1
        tally.outcomes[answer.outcome] += 1
        tally.reasons[answer.because] += 1
        tally.notes.update(answer.notes)
        told.append((asked, expected))
    for each, questions in ((engine, told), (shuffled, reversed(told))):
        for asked, expected in questions:
            found = each.decide(asked)
            if found != expected:
                tally.mismatches.append(Mismatch(seed, asked, expected, found, world))
    for _ in range(LISTS):
        run_list(seed, maker, world, engine, tally)


def run_list(seed: int, maker: Maker, world: World, engine: Engine, tally: Tally) -> None:
    """A list shows a scope at or below it if and only if the question for that scope, without attributes, is allowed.

    A filter in which no condition has a say holds for a question with attributes as well.
    """
    asked = maker.question()
    try:
        names.check_action(asked.action)
        listed = names.segments(asked.scope)
    except names.MalformedError:
        return
    shown = engine.visible(asked)
    for scope in SCOPES:
        if listed not in names.ancestors(names.segments(scope), world.group_parents, world.subscription_groups, {}):
            continue
        plain = Question(asked.principal, asked.action, scope, asked.data, moment=asked.moment)
        found = "allow" if shown.admits(scope) else "deny"
        for one in (plain,) if shown.is_conditional else (plain, replace(plain, bags=asked.bags)):
            expected = decide(world, one).outcome
            tally.listed += 1
            if found != expected:
                tally.mismatches.append(Mismatch(seed, one, (expected, "listed", asked.scope), (found, "listed", asked.scope), world))


def run_many(seeds: range, processes: int, progress: Path | None = None) -> Tally:
    """Ask the questions of many seeds, in chunks over some processes; what `progress` holds is not asked again."""
    done: dict[int, dict[str, object]] = {}
    if progress is not None and progress.exists():
        rows = map(msgspec.json.decode, progress.read_bytes().splitlines())
        done = {row["seed"]: row["tally"] for row in rows}
    chunks = [range(start, min(start + CHUNK, seeds.stop)) for start in range(seeds.start, seeds.stop, CHUNK)]
    tally = Tally()
    for found in done.values():
        tally.add(msgspec.convert(found, Tally))
    left = [chunk for chunk in chunks if chunk.start not in done]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for chunk, found in zip(left, pool.map(run, left), strict=True):
            tally.add(found)
            if progress is not None and not found.mismatches:
                with progress.open("ab") as out:
                    out.write(msgspec.json.encode({"seed": chunk.start, "tally": found}) + b"\n")
    return tally


def main() -> int:
    """Run a campaign and print what it found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--decisions", type=int, default=1_000_000)
    parser.add_argument("--first-seed", type=int, default=FIRST)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--progress", type=Path)
    given = parser.parse_args()
    begun = time.monotonic()
    seeds = range(given.first_seed, given.first_seed + given.decisions // QUESTIONS)
    tally = run_many(seeds, given.processes, given.progress)
    say = functools.partial(print, file=sys.stdout)
    say(f"{tally.decisions:,} decisions and {tally.listed:,} entries of lists in {time.monotonic() - begun:,.0f} s of this run")
    say(f"outcomes {dict(tally.outcomes)}")
    say(f"{len(tally.mismatches)} mismatches")
    for each in tally.mismatches[:5]:
        say(each)
    return int(bool(tally.mismatches))


if __name__ == "__main__":
    sys.exit(main())

"""Every planted misreading of the specification is noticed, by a published vector or by the generated questions.

The misreading is planted in the second opinion; what it then says is held against the vectors and against the engine. It is the same
disagreement that an engine with that fault would show.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from studiolo.kernel.access import names
from studiolo.kernel.access.names import blob_name
from studiolo.kernel.access.vectors import run_vectors
from tests.access.differential.engine import Engine, Told
from tests.access.differential.worlds import Maker
from tests.access.oracle import grammar, judge
from tests.access.oracle.judge import Question, World
from tests.access.oracle.misreadings import MISREADINGS, planted
from tests.access.oracle.published import (
    DECISIONS,
    EXPRESSIONS,
    FOUND,
    FOUND_DECISIONS,
    HERE,
    OWN_DECISIONS,
    OWN_FIXTURES,
    circumstances,
    question,
    world,
)
from tests.access.oracle.truth import truth_of

Case = tuple[World, Question]
SEEDS = range(150)
PUBLISHED: list[tuple[Case, str]] = [
    *(((world(row), question(row["rq"])), row["x"]) for row in (*DECISIONS, *FOUND_DECISIONS)),
    *(((world(row, OWN_FIXTURES), question(row["rq"], OWN_FIXTURES)), row["x"]) for row in OWN_DECISIONS),
]


@pytest.fixture(scope="module")
def generated() -> list[tuple[Case, Told]]:
    """Questions with the engine's answers."""
    return list(asked_of_the_engine())


def asked_of_the_engine() -> Iterator[tuple[Case, Told]]:
    for seed in SEEDS:
        maker = Maker(seed)
        here = maker.world()
        engine = Engine(here)
        for _ in range(25):
            asked = maker.question()
            yield (here, asked), engine.decide(asked)


def said(case: Case) -> Told:
    answer = judge.decide(*case)
    return answer.outcome, "" if answer.outcome == "reject" else answer.because, answer.id


def vectors_notice() -> bool:
    return (
        any(judge.decide(*case).outcome != expected for case, expected in PUBLISHED)
        or any(evaluated(row) != row["x"] for row in (*EXPRESSIONS["expr"], *FOUND["expr"]))
        or any(written(row["c"]) != row["x"] for row in EXPRESSIONS["write"])
    )


def evaluated(row: dict[str, Any]) -> str:
    try:
        return truth_of(row["e"], circumstances(row)).value
    except grammar.UnreadableError:
        return "unreadable"


def written(condition: str) -> str:
    try:
        grammar.check_writable(grammar.parse(condition))
    except grammar.UnreadableError:
        return "reject"
    return "accept"


def test_without_a_misreading_nothing_is_noticed(generated: list[tuple[Case, Told]]) -> None:
    assert not vectors_notice()
    assert all(said(case) == told for case, told in generated)


@pytest.mark.parametrize("name", MISREADINGS)
def test_a_planted_misreading_is_noticed(name: str, generated: list[tuple[Case, Told]]) -> None:
    with planted(name):
        assert vectors_notice() or any(said(case) != told for case, told in generated)


def test_a_path_that_is_decoded_twice_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    once: Callable[[str], str] = getattr(names, "_decoded")  # noqa: B009

    def twice(text: str) -> str:
        return once(once(text))

    monkeypatch.setattr(names, "_decoded", twice)
    report = run_vectors(HERE / "authz-fixtures.json", [HERE / "authz-expressions.json"])
    assert [each.id for each in report.disagreements] == ["H03"]
    monkeypatch.undo()
    assert blob_name("/ws1/%252e%252e/x").blob == "%2e%2e/x"

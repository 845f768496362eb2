"""The second opinion itself answers every published vector, before it may judge anybody."""

from typing import Any

import pytest

from tests.access.oracle import grammar, judge
from tests.access.oracle.published import DECISIONS, EXPRESSIONS, FOUND, OWN_DECISIONS, OWN_FIXTURES, circumstances, question, world
from tests.access.oracle.truth import Truth, truth_of


@pytest.mark.parametrize("row", DECISIONS, ids=lambda row: row["id"])
def test_decides_as_published(row: dict[str, Any]) -> None:
    assert judge.decide(world(row), question(row["rq"])).outcome == row["x"], row["why"]


@pytest.mark.parametrize("row", OWN_DECISIONS, ids=lambda row: row["id"])
def test_decides_by_the_rules_that_are_ours(row: dict[str, Any]) -> None:
    assert judge.decide(world(row, OWN_FIXTURES), question(row["rq"], OWN_FIXTURES)).outcome == row["x"], row["why"]


@pytest.mark.parametrize("row", [*EXPRESSIONS["expr"], *FOUND["expr"]], ids=lambda row: row["id"])
def test_evaluates_as_published(row: dict[str, Any]) -> None:
    assert truth_of(row["e"], circumstances(row)) is Truth(row["x"]), row["why"]


@pytest.mark.parametrize("row", EXPRESSIONS["write"], ids=lambda row: row["id"])
def test_reads_conditions_as_published(row: dict[str, str]) -> None:
    try:
        grammar.check_writable(grammar.parse(row["c"]))
        answer = "accept"
    except grammar.UnreadableError:
        answer = "reject"
    assert answer == row["x"], row["why"]

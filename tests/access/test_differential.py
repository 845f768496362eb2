"""The engine and a second opinion that was written from the specification alone answer ten thousand generated questions alike."""

import pytest

from tests.access.differential import campaign
from tests.access.differential.conditions import LABELS

REASONS = (
    *("grant", "deny assignment", "no grant", "unknown action", "unknown principal", "disabled principal"),
    *("an action is a name, not a pattern", "an empty or dot segment", "a scope begins with a slash"),
    "a percent sign, a backslash, a control or a non-ASCII character",
)
UNKNOWN = (
    *("a missing or null attribute", "an empty list", "several values under an operator without quantifier", "the budget of steps"),
    *(f"a type error: not a {kind}" for kind in ("string", "64-bit integer", "boolean", "GUID", "moment in UTC")),
    *("a type error: no such moment", "a quantifier over what takes none"),
)
NOTES = (
    *(f"denial: {why}" for why in ("not for child scopes", "for others", "excluded", "another action", "audit only", "no condition")),
    *(f"{what} condition {value}" for what in ("denial:", "block", "assignment") for value in "TFU"),
    *(f"schedule: {side} the {bound}" for side in ("before", "at", "after") for bound in ("start", "end")),
    *("schedule: no moment", "schedule: unreadable start", "schedule: unreadable end"),
    *(f"{what} {value}" for what in ("exists", "notexists", "actionmatches", "suboperationmatches") for value in "TF"),
    *("condition unreadable", "condition of another version", "granted on the data plane", "granted on the control plane"),
    *("granted here", "granted above", "granted by a management group", "granted by inherited roles", "granted to the principal"),
    *(f"granted to a group, {how}{circle}" for how in ("directly", "by nesting") for circle in ("", " in a circle")),
)


@pytest.fixture(scope="module")
def tally() -> campaign.Tally:
    return campaign.run(range(400))


def told(tally: campaign.Tally) -> list[str]:
    return [str(each) for each in tally.mismatches[:3]]


def test_they_agree_on_ten_thousand_decisions_in_any_order_of_the_rows_and_on_lists(tally: campaign.Tally) -> None:
    assert told(tally) == []
    assert tally.decisions == 10_000
    assert tally.listed > 2_000


def test_a_fifth_of_the_questions_are_allowed(tally: campaign.Tally) -> None:
    assert tally.outcomes["allow"] >= 0.2 * tally.decisions


def test_every_operator_and_quantifier_was_true_false_and_unknown(tally: campaign.Tally) -> None:
    wanted = {f"{label.lower()} {value}" for label in LABELS for value in "TFU"}
    assert wanted - set(tally.notes) == set()


def test_every_cause_of_a_denial_and_of_unknown_was_met(tally: campaign.Tally) -> None:
    assert {reason for reason in REASONS if tally.reasons[reason] < 5} == set()
    assert {cause for cause in UNKNOWN if tally.notes[f"unknown because of {cause}"] < 5} == set()
    assert {note for note in NOTES if tally.notes[note] < 5} == set()


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_they_agree_on_a_million_decisions() -> None:
    tally = campaign.run_many(range(1_000_000, 1_040_000), processes=2)
    assert told(tally) == []
    assert tally.decisions == 1_000_000

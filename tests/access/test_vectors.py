from pathlib import Path

import msgspec
import pytest

from studiolo.kernel.access.vectors import Report, run_vectors
from studiolo.kernel.faults import Invalid

VECTORS = Path(__file__).parent / "vectors"
FIXTURES = VECTORS / "authz-fixtures.json"


def run(tmp_path: Path, text: str, name: str = "vectors.jsonl", fixtures: Path = FIXTURES) -> Report:
    path = tmp_path / name
    path.write_text(text)
    return run_vectors(fixtures, [path])


def test_every_published_vector_agrees() -> None:
    report = run_vectors(FIXTURES, [VECTORS / "authz-decisions.jsonl", VECTORS / "authz-expressions.json"])
    assert [str(each) for each in report.disagreements] == []
    assert str(report) == "130 of 130 agree"


def test_every_vector_of_the_rules_that_are_ours_agrees() -> None:
    report = run_vectors(VECTORS / "own-fixtures.json", [VECTORS / "own-decisions.jsonl", VECTORS / "own-lints.json"])
    assert [str(each) for each in report.disagreements] == []
    assert str(report) == "36 of 36 agree"


def test_what_generated_questions_once_found_wrong_stays_right() -> None:
    report = run_vectors(FIXTURES, [VECTORS / "found.json", VECTORS / "found-decisions.jsonl"])
    assert [str(each) for each in report.disagreements] == []


def test_a_disagreement_names_file_line_and_reason(tmp_path: Path) -> None:
    rows = [
        {"id": "P1", "as": [["alice", "Reader", "S1"]], "rq": {"p": "alice", "a": "X/read", "s": "RG"}, "x": "allow"},
        {
            "id": "P2",
            "as": [["alice", "Reader", "S1"]],
            "rq": {"p": "alice", "a": "X/write", "s": "RG"},
            "x": "allow",
            "why": "writers too",
        },
    ]
    report = run(tmp_path, "\n\n".join(msgspec.json.encode(row).decode() for row in rows))
    (wrong,) = report.disagreements
    assert str(report) == "1 of 2 agree"
    assert str(wrong) == f"{tmp_path}/vectors.jsonl:3: P2: expected allow, found deny (writers too)"
    assert any("no pattern" in line for line in wrong.detail)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ('{"id": "B", "rq": {"p": "a", "a": "X/read"}, "x": "deny"}', "missing required field `s`"),
        ('{"id": "B", "rq": {"p": "a", "a": "X/read", "s": "S1"}, "x": "no"}', "no"),
        ('{"id": "B", "rq": {"p": "a", "a": "X/read", "s": "S1"}, "x": "deny", "das": []}', "das"),
        ('{"id": "B", "rq": {"p": "a", "a": "X/read", "s": "S9"}, "x": "deny"}', "no scope 'S9'"),
        (
            '{"id": "B", "as": [["a", "Reader", "S9"]], "rq": {"p": "a", "a": "X/read", "s": "S1"}, "x": "deny"}',
            "as[0]: the fixtures know no scope",
        ),
        (
            '{"id": "B", "as": [["a", "Raeder", "S1"]], "rq": {"p": "a", "a": "X/read", "s": "S1"}, "x": "deny"}',
            "no role is called 'Raeder'",
        ),
        (
            '{"id": "B", "as": [["a", "Reader", "S1", null, null, null, null]], "rq": {"p": "a", "a": "X/read", "s": "S1"}, "x": "deny"}',
            "as[0]: write [principal, role, scope], then perhaps a condition, a start and an end (null: none)",
        ),
        ('{"id": "B", "as": [["a", "Reader"]], "rq": {"p": "a", "a": "X/read", "s": "S1"}, "x": "deny"}', "as[0]: write [principal"),
        (
            '{"id": "B", "as": [["a", "Reader", "S1", "PSK(x)"]], "rq": {"p": "a", "a": "X/read", "s": "S1"}, "x": "deny"}',
            "no condition 'PSK'",
        ),
        ('{"id": "B", "as": [["a", "Reader", "S1", "PSC"]], "rq": {"p": "a", "a": "X/read", "s": "S1"}, "x": "deny"}', "needs an argument"),
        ('{"id": "B", "as": [["a", "Reader", "S1/.."]], "rq": {"p": "a", "a": "X/read", "s": "S1"}, "x": "deny"}', "S1/.."),
        ('{"id": "B", "rq": {"p": "a", "a": "X/read", "s": "S1", "res": {"cm": "x"}}, "x": "deny"}', "rq.res: 'cm'"),
    ],
)
def test_a_vector_that_cannot_be_run_says_why_and_does_not_agree(tmp_path: Path, row: str, complaint: str) -> None:
    report = run(tmp_path, row)
    (wrong,) = report.disagreements
    assert (wrong.id, wrong.line, report.agreed) == ("B", 1, 0)
    assert complaint in wrong.found


def test_a_broken_line_does_not_hide_the_others(tmp_path: Path) -> None:
    good = '{"id": "G", "rq": {"p": "a", "a": "X/read", "s": "S1"}, "x": "deny"}'
    report = run(tmp_path, f"{good}\n{{broken\n{good}")
    assert str(report) == "2 of 3 agree"
    assert str(run(tmp_path, f"{{broken\n{good}")) == "1 of 2 agree"
    assert report.disagreements[0].id == "line 2"


def test_expressions_are_given_attributes_actions_and_sub_operations(tmp_path: Path) -> None:
    rows = {
        "expr": [
            {"id": "1", "e": "@Resource[x:y] StringEquals 'a'", "res": {"x:y": "a"}, "x": "T"},
            {"id": "2", "e": "ActionMatches{'a/*'} AND SubOperationMatches{'b'}", "a": "A/c", "sub": ["B"], "x": "T"},
            {"id": "3", "e": "@Resource[x:y] StringEquals", "x": "U"},
        ],
        "http": [{"id": "4", "raw": "/abc?x", "x": ["abc", ""]}, {"id": "5", "raw": "/abc/x", "x": ["abc", "y"]}],
        "write": [{"id": "6", "c": "1 NumericEquals 1", "v": "1.0", "x": "reject"}],
    }
    report = run(tmp_path, msgspec.json.encode(rows).decode(), "vectors.json")
    assert [each.id for each in report.disagreements] == ["3", "5"]
    assert "cannot be read at character" in report.disagreements[0].found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("", "holds no vector"), ("{", "neither"), ('{"exprs": []}', "'exprs' is none of"), ('{"expr": 1}', "neither")],
)
def test_a_file_that_cannot_be_read_as_a_whole_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        run(tmp_path, text, "vectors.json")


def test_a_decision_is_known_by_its_question_whatever_the_files_name(tmp_path: Path) -> None:
    row = {"id": "1", "rq": {"p": "nobody", "a": "a/read", "s": "/"}, "x": "allow"}
    report = run(tmp_path, msgspec.json.encode(row).decode(), "one.json")
    assert [each.id for each in report.disagreements] == ["1"]


def test_missing_files_and_bad_fixtures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="cannot be read"):
        run_vectors(FIXTURES, [tmp_path / "absent.json"])
    bad = tmp_path / "fixtures.json"
    bad.write_text('{"group": {}}')
    with pytest.raises(Invalid, match="unknown field `group`"):
        run_vectors(bad, [])
    bad.write_text('{"heirs": {"no scope": []}}')
    with pytest.raises(Invalid, match=r"^heirs: "):
        run_vectors(bad, [])

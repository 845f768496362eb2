"""What is said of single comparisons and of pairs: exactly where no value of an attribute can turn them round."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import pytest

from studiolo.kernel.access.ask import Ask
from studiolo.kernel.access.conditions import compile_condition
from studiolo.kernel.access.lints.atoms import empty, open_ended, settled
from studiolo.kernel.access.lints.findings import Finding

ONE_VALUE = "compare an attribute with the one value that it has to have"
LEAST, MOST = -(2**63), 2**63 - 1
BOUNDS = ("LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
QUANTIFIERS = [f"For{left}Of{right}Values:" for left in ("Any", "All") for right in ("Any", "All")]


def found(condition: str) -> list[str]:
    return [each.what for each in settled(compile_condition(condition).syntax)]


def truths(condition: str, values: Iterable[object]) -> set[bool]:
    compiled = compile_condition(condition)
    answers = (compiled.evaluate(Ask("", "a/b", "/", resource={"x:y": value})) for value in values)
    return {each for each in answers if each is not None}


def moment(number: int) -> str:
    return f"2027-01-01T00:00:{number:02}Z"


@pytest.mark.parametrize("family", ["Numeric", "DateTime"])
@pytest.mark.parametrize("join", ["AND", "OR"])
def test_a_pair_is_found_where_no_number_and_no_moment_can_turn_it(family: str, join: str) -> None:
    spelled = {number: str(number) if family == "Numeric" else f"'{moment(number)}'" for number in (10, 20, 30)}
    values = [number if family == "Numeric" else moment(number) for number in range(5, 40, 5)]
    halves = [(verb, number) for verb in ("Equals", "NotEquals", *BOUNDS) for number in spelled]
    count = 0
    for (verb, one), (other_verb, other) in product(halves, halves):
        condition = f"@Resource[x:y] {family}{verb} {spelled[one]} {join} @Resource[X:Y] {family}{other_verb} {spelled[other]}"
        taken = truths(condition, values)
        is_looked_for = (
            (verb[:4], other_verb[:4]) in {("Less", "Grea"), ("Grea", "Less"), ("Equa", "Equa")}
            if join == "AND"
            else verb == other_verb == "NotEquals"
        )
        said = [each.rpartition(" ")[2] for each in found(condition)]
        assert said == ([str(taken == {True})] if is_looked_for and len(taken) == 1 else []), condition
        count += len(said)
    assert count == (6 + 42 if join == "AND" else 6)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("quantifier", QUANTIFIERS)
@pytest.mark.parametrize(
    ("operator", "literals", "values"),
    [
        ("StringEquals", "{'a', 'b'}", ["a", "b", "c", ["a", "b"], ["b", "c"], ["a"]]),
        ("StringNotEquals", "{'a', 'b'}", ["a", "b", "c", ["a", "b"], ["b", "c"], ["a"]]),
        ("StringEqualsIgnoreCase", "{'a', 'b'}", ["A", "b", "c", ["a", "b"], ["b", "c"], ["a"]]),
        ("StringNotEqualsIgnoreCase", "{'a', 'b'}", ["A", "b", "c", ["a", "b"], ["b", "c"], ["a"]]),
        ("StringEqualsIgnoreCase", "{'a', 'A'}", ["A", "b", ["a", "b"], ["a", "A"]]),
        ("StringEquals", "{'a', 'a'}", ["a", "b", ["a", "b"]]),
        ("NumericEquals", "{1, 2}", [0, 1, 2, 3, [1, 2], [2, 3]]),
        ("NumericNotEquals", "{1, 2}", [0, 1, 2, 3, [1, 2], [2, 3]]),
        ("NumericLessThanEquals", "{1, 2}", [0, 1, 2, 3, [1, 2], [2, 3]]),
        ("NumericGreaterThanEquals", "{1, 2}", [0, 1, 2, 3, [1, 2], [2, 3]]),
        ("NumericGreaterThan", "{1, 2}", [0, 1, 2, 3, [1, 2], [2, 3]]),
    ],
)
def test_a_set_is_found_where_no_list_can_turn_it(side: str, quantifier: str, operator: str, literals: str, values: list[object]) -> None:
    ends = ("@Resource[x:y]", literals) if side == "right" else (literals, "@Resource[x:y]")
    condition = f"{ends[0]} {quantifier}{operator} {ends[1]}"
    taken = truths(condition, values)
    assert [each.rpartition(" ")[2] for each in found(condition)] == ([str(taken == {True})] if len(taken) == 1 else [])


@pytest.mark.parametrize("family", ["Numeric", "DateTime"])
@pytest.mark.parametrize("verb", ["Equals", "NotEquals", *BOUNDS])
def test_an_attribute_is_not_compared_with_itself(family: str, verb: str) -> None:
    condition = f"@Resource[x:y] {family}{verb} @Resource[X:y]"
    taken = truths(condition, [5] if family == "Numeric" else [moment(5)])
    assert [f"{condition!a} is always {each}" for each in taken] == found(condition)
    assert found(f"@Resource[x:y] {family}{verb} @Resource[x:z]") == []
    assert found(f"@Resource[x:y] {family}{verb} @Request[x:y]") == []


@pytest.mark.parametrize(
    ("comparison", "value"),
    [
        (f"NumericLessThan {LEAST}", False),
        (f"NumericGreaterThanEquals {LEAST}", True),
        (f"NumericGreaterThan {MOST}", False),
        (f"NumericLessThanEquals {MOST}", True),
        ("StringLike '*'", True),
        ("StringLikeIgnoreCase '**'", True),
        ("StringNotLike '*'", False),
        *((f"Numeric{verb} {number}", None) for verb in BOUNDS for number in (LEAST + 1, MOST - 1)),
        (f"NumericLessThan {MOST}", None),
        (f"NumericGreaterThan {LEAST}", None),
        ("StringLike '*a'", None),
        ("StringLike ''", None),
        ("StringLike '\\*'", None),
        ("StringEquals '*'", None),
    ],
)
def test_against_one_value(comparison: str, value: bool | None) -> None:
    condition = f"@Resource[x:y] {comparison}"
    expected = [] if value is None else [Finding("L2", f"{condition!a} is always {value}", ONE_VALUE)]
    assert list(settled(compile_condition(condition).syntax)) == expected


@pytest.mark.parametrize(
    "condition",
    [
        "'*' StringLike @Resource[x:y]",
        f"{LEAST} NumericLessThan @Resource[x:y]",
        "@Resource[x:y] StringLike @Resource[x:y]",
        "@Resource[x:y] ForAnyOfAnyValues:StringEquals @Resource[x:y]",
        "@Resource[x:y] ForAnyOfAnyValues:StringEquals 'a' AND @Resource[x:y] ForAnyOfAnyValues:StringEquals 'b'",
        "@Resource[x:y] StringEquals 'a' AND @Resource[x:y] ForAnyOfAnyValues:StringEquals 'b'",
        "@Resource[x:y] StringEquals 'a' AND @Resource[x:z] StringEquals 'b'",
        "@Resource[x:y] StringEquals 'a' AND @Request[x:y] StringEquals 'b'",
        "@Resource[x/a:y] StringEquals 'a' AND @Resource[x:y] StringEquals 'b'",
        "@Resource[x:Y<$key_case_sensitive$>] StringEquals 'a' AND @Resource[x:y<$key_case_sensitive$>] StringEquals 'b'",
        "@Resource[x:y<$key_case_sensitive$>] StringEquals 'a' AND @Resource[x:y] StringEquals 'b'",
        "@Resource[x:y] NumericLessThan 1 AND @Resource[x:y] DateTimeGreaterThan '2027-01-01T00:00:00Z'",
        "@Resource[x:y] NumericLessThan 1 AND @Resource[x:y] NumericGreaterThan 'x'",
        "@Resource[x:y] NumericEquals 'x' AND @Resource[x:y] NumericEquals 'y'",
        "@Resource[x:y] StringEquals 'a' AND 'b' StringEquals @Resource[x:y]",
        "@Resource[x:y] StringEquals 'a' AND Exists @Resource[x:y]",
        "@Resource[x:y] StringStartsWith 'a' AND @Resource[x:y] StringStartsWith 'b'",
        "@Resource[x:y] StringEquals 'a' AND @Resource[x:y] StringEquals 'a'",
    ],
)
def test_what_is_not_settled_is_not_found(condition: str) -> None:
    assert found(condition) == []


def test_the_key_of_a_tag_tells_attributes_apart_as_the_engine_does() -> None:
    pair = "@Resource[x:{}] StringEquals 'a' AND @Resource[X:{}] StringEquals 'b'"
    assert len(found(pair.format("y", "Y"))) == 1
    assert len(found(pair.format("y<$key_case_sensitive$>", "y<$key_case_sensitive$>"))) == 1
    assert len(found("@Resource[x] StringEquals 'a' AND @Resource[x] StringEquals 'b'")) == 1


def test_pairs_are_told_with_their_text_and_what_was_meant_instead() -> None:
    a, b = "@Resource[x:y] StringEquals 'a'", "@Resource[x:y] StringEquals 'b'"
    assert list(settled(compile_condition(f"{a} AND {b}").syntax)) == [
        Finding("L2", f"{a!a} AND {b!a} is always False", "join alternatives with OR")
    ]
    whole = f"(Exists @Resource[x:y] OR {a})"
    negated = compile_condition(f"NOT {whole} OR {whole}").syntax
    assert list(settled(negated)) == [Finding("L2", f"{'NOT (…)'!a} OR {'(…)'!a} is always True", "join exclusions with AND")]
    long = f"@Resource[x:y] StringEquals '{'a' * 300}'"
    ((told,),) = [found(f"{long} AND NOT {long}")]
    assert told == f"{long[:120]!a} AND {'NOT ' + long[:120]!a} is always False"
    always = f"'{'a' * 300}' StringEquals 'a'"
    assert found(f"NOT ({always})") == [f"{always[:200]!a} is always False"]
    assert found(f"{always} AND {a} AND 1 NumericEquals 1") == [f"{always[:200]!a} is always False", "'1 NumericEquals 1' is always True"]


NAMED = "@Resource[x:name]"


@pytest.mark.parametrize("key", ["name", "path", "prefix"])
def test_an_open_beginning_is_told_with_what_closes_it(key: str) -> None:
    for operator, text in (("StringStartsWith", "ws1"), ("StringLike", "ws1*"), ("StringLikeIgnoreCase", "ws1**")):
        condition = f"@Resource[x:{key}] {operator} '{text}'"
        assert list(open_ended(compile_condition(condition).syntax)) == [
            Finding(
                "L3",
                f"{condition!a} also holds for names that only begin like 'ws1', such as 'ws12'",
                "close the beginning with '-' or '/', as in 'ws1-', or compare the whole name with StringEquals",
            )
        ]


@pytest.mark.parametrize(
    "comparison",
    [
        *(f"{NAMED} StringStartsWith '{text}'" for text in ("ws1-", "ws1/")),
        *(f"{NAMED} StringLike '{text}'" for text in ("ws1-*", "ws1", "w*s*", "w?s*", "*", "ws1\\*", "*ws1")),
        f"{NAMED} StringEquals 'ws1'",
        f"{NAMED} StringNotStartsWith 'ws1'",
        f"{NAMED} StringStartsWith 1",
        "'ws1' StringStartsWith @Resource[x:name]",
        "@Resource[x:other] StringStartsWith 'ws1'",
        "@Resource[x] StringStartsWith 'ws1'",
    ],
)
def test_a_closed_beginning_passes_and_does_not_hide_an_open_one(comparison: str) -> None:
    assert list(open_ended(compile_condition(comparison).syntax)) == []
    later = compile_condition(f"NOT ({comparison}) AND ({NAMED} StringStartsWith 'ws2')").syntax
    assert [each.check for each in open_ended(later)] == ["L3"]


def test_only_stars_are_taken_off_a_pattern() -> None:
    (told,) = open_ended(compile_condition(f"{NAMED} StringLike 'wsX*'").syntax)
    assert told.what.endswith("begin like 'wsX', such as 'wsX2'")


def test_what_is_long_is_told_by_its_beginning() -> None:
    condition = f"{NAMED} StringStartsWith '{'a' * 300}'"
    (told,) = open_ended(compile_condition(condition).syntax)
    assert told.what == f"{condition[:200]!a} also holds for names that only begin like {'a' * 60!a}, such as {'a' * 60 + '2'!a}"
    assert told.instead.startswith(f"close the beginning with '-' or '/', as in '{'a' * 60}-',")
    blank = f"{{'{'a' * 300}', ' '}} ForAnyOfAnyValues:StringEquals {NAMED}"
    assert list(empty(compile_condition(blank).syntax)) == [
        Finding("L4", f"{blank[:200]!a} compares with an empty text", "name the value, or write Exists or NotExists")
    ]
    assert list(empty(compile_condition(f"{NAMED} StringEquals 'a' AND {NAMED} NumericEquals 0").syntax)) == []

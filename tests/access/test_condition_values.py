import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studiolo.kernel.access.conditions import Truth, compile_condition
from studiolo.kernel.access.conditions.values import Glob, ticks, upper
from tests.access.world import ask, truth, with_values

GUID = "acdd72a7-3385-48ef-bd42-f606fba81ae7"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'a' StringEquals 'a'", True),
        ("'a' StringEquals 'A'", False),
        ("'a' StringEquals 'a '", False),
        ("'a' StringNotEquals 'A'", True),
        ("'Straße' StringEqualsIgnoreCase 'STRAßE'", True),
        ("'é' StringEqualsIgnoreCase 'É'", True),
        ("'ß' StringEqualsIgnoreCase 'ss'", False),
        ("'\u212a' StringEqualsIgnoreCase 'k'", False),
        ("'\u017f' StringEqualsIgnoreCase 's'", False),
        ("'\u0131' StringEqualsIgnoreCase 'i'", False),
        ("'i' StringEqualsIgnoreCase '\u0130'", False),
        ("'\u00e9' StringEquals 'e\u0301'", False),
        ("'A' StringNotEqualsIgnoreCase 'a'", False),
        ("'abc' StringStartsWith 'ab'", True),
        ("'ab' StringStartsWith 'abc'", False),
        ("'ABc' StringStartsWithIgnoreCase 'ab'", True),
        ("'abc' StringNotStartsWith 'AB'", True),
        ("'abc' StringNotStartsWithIgnoreCase 'AB'", False),
        ("'abcd' StringLike 'a?c*'", True),
        ("'abc' StringLike 'a?'", False),
        ("'xbc' StringLike 'a?c'", False),
        ("'abc' StringLike 'a*x*c'", False),
        ("'abba' StringLike 'ab*ba'", True),
        ("'aba' StringLike 'ab*ba'", False),
        (f"1 GuidEquals {GUID}", None),
        ("1 StringEqualsIgnoreCase 'a'", None),
        ("'a' StringLikeIgnoreCase 1", None),
        ("'a/b/c' StringLike 'a*c'", True),
        ("'' StringLike '*'", True),
        ("'a?c' StringLike 'a\\?c'", True),
        ("'abc' StringLike 'a\\?c'", False),
        ("'a*c?d' StringLike 'a\\*?\\?d'", True),
        ("'ABCD' StringLikeIgnoreCase 'a?c*'", True),
        ("'abcd' StringNotLike 'a*'", False),
        ("'abcd' StringNotLikeIgnoreCase 'B*'", True),
        ("'a*c' StringEquals 'a\\*c'", True),
        ("1 NumericEquals 1", True),
        ("1 NumericNotEquals 1", False),
        ("2 NumericGreaterThan 2", False),
        ("2 NumericGreaterThanEquals 2", True),
        ("-3 NumericLessThan 2", True),
        ("2 NumericLessThanEquals 1", False),
        ("'1' NumericEquals 1", None),
        ("1 NumericEquals true", None),
        ("'2026-01-01T00:00:00Z' DateTimeEquals '2026-01-01T00:00:00.0000000Z'", True),
        ("'2026-01-01T00:00:00.0000001Z' DateTimeGreaterThan '2026-01-01T00:00:00Z'", True),
        ("'2026-01-01T00:00:00.12345678Z' DateTimeGreaterThan '2026-01-01T00:00:00Z'", None),
        ("'2026-01-01T00:00:00' DateTimeNotEquals '2026-01-01T00:00:00Z'", None),
        ("'2026-02-29T00:00:00Z' DateTimeNotEquals '2026-01-01T00:00:00Z'", None),
        ("'2024-02-29T23:59:59Z' DateTimeLessThan '2024-03-01T00:00:00Z'", True),
        ("'2026-01-01T00:00:00Z' DateTimeGreaterThanEquals '2026-01-01T00:00:00Z'", True),
        ("'2026-01-01T00:00:00Z' DateTimeLessThanEquals '2025-01-01T00:00:00Z'", False),
        (f"'{GUID.upper()}' GuidEquals {GUID}", True),
        (f"'/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/{GUID}' GuidEquals '{GUID.replace('-', '')}'", True),
        (f"'x/{GUID}' GuidEquals {GUID}", None),
        (f"'{GUID}' GuidNotEquals {GUID}", False),
        (f"'{{{GUID}}}' GuidNotEquals {GUID}", None),
        (f"'{GUID}' StringEquals {GUID}", None),
        ("true BoolEquals true", True),
        ("false BoolNotEquals true", True),
        ("'true' BoolEquals true", None),
        ("1 BoolEquals true", None),
        ("{'a'} StringEquals 'a'", True),
        ("{'a','b'} StringEquals 'a'", None),
    ],
)
def test_operators_compare_by_their_familys_rules(text: str, value: Truth) -> None:
    assert truth(text) is value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{1,2} ForAnyOfAnyValues:NumericEquals {2,3}", True),
        ("{1,2} ForAnyOfAnyValues:NumericEquals {3}", False),
        ("{1,2} ForAllOfAnyValues:NumericEquals {1,2,3}", True),
        ("{1,4} ForAllOfAnyValues:NumericEquals {1,2,3}", False),
        ("{1,2,3} ForAllOfAnyValues:NumericEquals {1,2}", False),
        ("{10,20} ForAnyOfAllValues:NumericLessThan {15,18}", True),
        ("{16,20} ForAnyOfAllValues:NumericLessThan {15,18}", False),
        ("{1,2} ForAllOfAllValues:NumericNotEquals {3,4}", True),
        ("{1,3} ForAllOfAllValues:NumericNotEquals {3,4}", False),
        ("'x' ForAnyOfAllValues:StringNotEquals {'y','z'}", True),
        ("'y' ForAnyOfAnyValues:StringNotEquals {'y','z'}", True),
        ("{'x','y'} ForAllOfAnyValues:StringStartsWithIgnoreCase {'X','Y'}", True),
        (f"{GUID} ForAnyOfAnyValues:GuidEquals {{{GUID.upper()}}}", True),
        ("{1,'2'} ForAnyOfAnyValues:NumericEquals {1}", None),
        ("true ForAnyOfAnyValues:BoolEquals {true}", None),
    ],
)
def test_quantifiers_range_over_left_then_right(text: str, value: Truth) -> None:
    assert truth(text) is value


@pytest.mark.parametrize("value", [None, [], ["a", "b"], 1, True, {"k": "a"}, [["a"]], [None], 1.5])
@pytest.mark.parametrize("operator", ["StringEquals", "StringNotEquals", "StringLike", "StringNotStartsWithIgnoreCase"])
def test_missing_wrong_and_plural_values_are_unknown_under_every_scalar_operator(value: object, operator: str) -> None:
    text = f"@Resource[x:y] {operator} 'a'"
    assert truth(text, with_values(y=value)) is None
    assert truth(f"NOT {text}", with_values(y=value)) is None
    assert truth(text, ask()) is None
    assert truth(text, with_values(y=["a"])) is not None


@pytest.mark.parametrize("value", [None, [], [1], ["a", 1], ["a", None]])
def test_a_quantifier_does_not_save_an_empty_or_mixed_list(value: object) -> None:
    for quantifier in ("ForAllOfAnyValues", "ForAllOfAllValues", "ForAnyOfAnyValues", "ForAnyOfAllValues"):
        assert truth(f"@Resource[x:y] {quantifier}:StringEquals {{'a','b'}}", with_values(y=value)) is None
        assert truth(f"{{'a','b'}} {quantifier}:StringEquals @Resource[x:y]", with_values(y=value)) is None


@pytest.mark.parametrize(
    ("value", "is_there"), [("", True), (0, True), (False, True), ([""], True), (None, False), ([], False), ({}, False)]
)
def test_existence_is_never_unknown(value: object, is_there: bool) -> None:
    assert truth("Exists @Resource[x:y]", with_values(y=value)) is is_there
    assert truth("NotExists @Resource[x:y]", with_values(y=value)) is not is_there
    assert truth("Exists @Resource[x:z]", with_values(y=value)) is False


def test_two_attributes_compare_with_each_other() -> None:
    text = "@Resource[x:y] StringLike @Resource[x:z]"
    assert truth(text, with_values(y="abc", z="a*")) is True
    assert truth(text, with_values(y="abc", z="b*")) is False
    assert truth(text, with_values(y="abc")) is None


def test_each_source_reads_its_own_bag() -> None:
    question = ask(resource={"a:b": "r"}, request={"a:b": "q"}, principal={"a:b": "p"}, environment={"a:b": "e"})
    for source, value in (("Resource", "r"), ("request", "q"), ("PRINCIPAL", "p"), ("Environment", "e")):
        assert truth(f"@{source}[a:b] StringEquals '{value}'", question) is True


def test_attribute_names_compare_without_case_but_marked_keys_with() -> None:
    question = ask(resource={"My/Blobs:Name": "n", "My/blobs/tags": {"Project": "x", "project": "y", "Only": "o"}})
    assert truth("@Resource[my/blobs:NAME] StringEquals 'n'", question) is True
    assert truth("@Resource[my/blobs/TAGS:Project<$key_case_sensitive$>] StringEquals 'x'", question) is True
    assert truth("@Resource[my/blobs/tags:PROJECT<$key_case_sensitive$>] StringEquals 'x'", question) is None
    assert truth("@Resource[my/blobs/tags:ONLY] StringEquals 'o'", question) is True
    assert truth("@Resource[my/blobs/tags:PROJECT] StringEquals 'x'", question) is None
    assert truth("@Resource[my/blobs/tags&$keys$&] ForAllOfAnyValues:StringEquals {'Project','project','Only'}", question) is True
    assert truth("@Resource[my/blobs/none&$keys$&] ForAllOfAnyValues:StringEquals {'Project'}", question) is None
    assert truth("@Resource[\u212aind:x] StringEquals 'n'", ask(resource={"kind:x": "n"})) is None


def test_an_attribute_without_a_key_is_found_too() -> None:
    question = ask(environment={"UtcNow": "2026-01-01T00:00:00Z", "isPrivateLink": True})
    assert truth("@Environment[utcnow] DateTimeLessThan '2027-01-01T00:00:00Z'", question) is True
    assert truth("@Environment[isPrivateLink] BoolEquals true", question) is True


def test_action_and_sub_operation_atoms() -> None:
    assert truth("ActionMatches{'a/*/b'}", ask("A/B")) is True
    assert truth("ActionMatches{'a/*/b'}", ask("a/c")) is False
    assert truth("SubOperationMatches{'blob.*'}", ask(sub=["Blob.List"])) is True
    assert truth("SubOperationMatches{'Blob.List'}", ask(sub=["x", "BLOB.LIST"])) is True
    assert truth("SubOperationMatches{'Blob.?ist'}", ask(sub=["Blob.List"])) is False
    assert truth("SubOperationMatches{'*'}", ask()) is False
    assert truth("NOT SubOperationMatches{'*'}", ask()) is True


def test_a_comparison_of_too_many_pairs_is_unknown() -> None:
    text = "@Resource[x:y] ForAnyOfAnyValues:NumericEquals @Resource[x:z]"
    assert truth(text, with_values(y=list(range(100)), z=list(range(100)))) is True
    assert truth(text, with_values(y=list(range(101)), z=list(range(100)))) is None
    numbers = "{" + ",".join("1" * 101) + "}"
    assert truth(f"{numbers} ForAnyOfAnyValues:NumericEquals {numbers}") is None
    assert truth(f"ActionMatches{{'x'}} AND {numbers} ForAnyOfAnyValues:NumericEquals {numbers}", ask("y")) is False


NINETY_NINE, HUNDRED_AND_ONE = ("{" + ",".join(["1"] * count) + "}" for count in (99, 101))


@pytest.mark.parametrize("left", [NINETY_NINE, "@Resource[x:y]"])
def test_ten_thousand_steps_are_taken_and_not_one_more(left: str) -> None:
    pairs = f"{left} ForAnyOfAnyValues:NumericEquals {HUNDRED_AND_ONE}"  # 9,999 of them
    question = with_values(y=[1] * 99)
    for more, is_taken in (("1 NumericEquals 2", True), ("1 NumericEquals 2 OR 1 NumericEquals 3", False)):
        condition = compile_condition(f"NOT ({pairs} AND ({more}))")
        assert condition.evaluate(question) is (True if is_taken else None)
        assert len(condition.outcomes(question)) == (2 if is_taken else 0)
        negated = compile_condition(f"{pairs} AND ({more})")
        assert [each.text for each in negated.obstacles(question)] == (["1 NumericEquals 2"] if is_taken else [])
    longer = compile_condition(
        f"@Resource[x:y] ForAnyOfAnyValues:NumericEquals @Resource[x:y] AND {left} ForAnyOfAnyValues:NumericEquals {{1}}"
    )
    assert longer.evaluate(with_values(y=[1] * 99)) is True
    assert longer.evaluate(with_values(y=[1] * 100)) is None


glob_text = st.text(alphabet="ab*?\\", max_size=8)


@given(glob_text, st.text(alphabet="ab*?\\", max_size=8))
def test_globs_agree_with_a_slow_reading(pattern: str, value: str) -> None:
    expression = ""
    rest = pattern
    while rest:
        escaped = rest[:2] in ("\\*", "\\?")
        mark, rest = (rest[:2], rest[2:]) if escaped else (rest[:1], rest[1:])
        expression += {"*": "(?s:.*)", "?": "(?s:.)"}.get(mark) or re.escape(mark[-1])
    assert Glob(pattern).matches(value) is (re.fullmatch(expression, value) is not None)
    assert not Glob(pattern).matches(value) or (value.startswith(Glob(pattern).head) and Glob(pattern).core in value)


@pytest.mark.parametrize(
    ("pattern", "head", "core"),
    [("ab*c", "ab", "ab"), ("a*bc?d", "a", "bc"), ("*a", "", "a"), ("?", "", ""), ("", "", ""), ("a\\*b*cde", "a*b", "a*b")],
)
def test_a_glob_tells_what_every_match_begins_with_and_holds(pattern: str, head: str, core: str) -> None:
    assert (Glob(pattern).head, Glob(pattern).core) == (head, core)


def test_globs_take_no_time() -> None:
    started = time.perf_counter()
    assert not Glob("*a" * 500 + "*b").matches("a" * 5000)
    assert not Glob("*?a" * 500 + "*b").matches("a" * 5000)
    assert time.perf_counter() - started < 1


@given(st.characters())
def test_upper_case_stays_on_its_side_of_ascii_and_keeps_its_length(character: str) -> None:
    assert len(upper(character)) == 1
    assert upper(character).isascii() == character.isascii()


def test_ticks_count_hundred_nanoseconds() -> None:
    first, second = ticks("0001-01-01T00:00:00Z"), ticks("9999-12-31T23:59:59.9999999Z")
    assert first is not None
    assert second is not None
    assert second - first == 3652059 * 864_000_000_000 - 1
    assert ticks("0000-01-01T00:00:00Z") is ticks("2026-01-01T24:00:00Z") is ticks("\u0662026-01-01T00:00:00Z") is None

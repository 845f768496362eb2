import pytest
from hypothesis import given
from hypothesis import strategies as st

from studiolo.kernel.access.conditions import check_condition, compile_condition, read_condition
from studiolo.kernel.faults import Invalid
from tests.access.world import ask

GUID = "acdd72a7-3385-48ef-bd42-f606fba81ae7"


@pytest.mark.parametrize(
    "text",
    [
        "1 NumericEquals 1 && 2 numericgreaterthan -1 AND NOT ! (true BOOLEQUALS FALSE)",
        "1 NumericEquals 1 || NOT Exists @request[a:b] OR NotExists@Resource [ a:b ]",
        f"@Request[a:b]ForAnyOfAnyValues :GuidEquals{{{GUID},{GUID.replace('-', '')}}}",
        "@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Set_Name] forAllOfAllValues:StringNotLikeIgnoreCase {'a','b'}",
        "@Resource[a/tags:My key.x<$Key_Case_Sensitive$>] StringEquals 'x'",
        "@Request[a/tags&$keys$&] ForAllOfAnyValues:StringEquals {'x'}",
        "@Environment[UtcNow] DateTimeLessThanEquals '2026-01-01T00:00:00.1234567Z'",
        "@Resource[a:b] StringLike 'it\\'s \\*not\\? c:\\\\dir'",
        "ActionMatches { 'a/*' }\r\n\tAND SubOperationMatches{'Blob.List'}",
        "@Resource[a:b] StringEquals 'caf\u00e9'",
        "(" * 64 + "1 NumericEquals 1" + ")" * 64,
        "NOT " * 500 + "1 NumericEquals 1",
        "@Resource[a:b] NumericEquals 9223372036854775807",
        "@Resource[a:b] NumericEquals -9223372036854775808",
        "(1 NumericEquals 1) AND " * 70 + "(1 NumericEquals 1)",
    ],
)
def test_the_language_may_be_written(text: str) -> None:
    assert check_condition(text).text == text


def test_half_a_character_is_a_character_of_its_length() -> None:
    half = "@Resource[a:b] StringEquals '\ud800'"
    assert check_condition(half).text == half
    with pytest.raises(Invalid, match="longer than 8192"):
        check_condition(half + " " * (8192 - len(half) - 1))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("1 NumericEquals 1 " + " " * 8192, "longer than 8192"),
        ("@Resource[a:b] StringEquals '" + "\u00e9" * 4096 + "'", "longer than 8192"),
        ("(" * 65 + "1 NumericEquals 1" + ")" * 65, "deeper than 64"),
        ("(1 NumericEquals 1) AND " + "(" * 65 + "1 NumericEquals 1" + ")" * 65, "deeper than 64"),
        (" ", "at character 1: it is empty"),
        ("1 NumericEquals 1 " + " " * 8192, "at character 1: it is longer"),
        ("@Resource[a:b] NumericEquals -9223372036854775809", "64 bits"),
        ("1 NumericEquals 1 AND 1 NumericEquals 1 OR 1 NumericEquals 1", "ambiguous"),
        ("(1 NumericEquals 1 || 1 NumericEquals 1 && 1 NumericEquals 1)", "ambiguous"),
        ("1 NumericEquals 1 AND", "ends where"),
        ("AND 1 NumericEquals 1", "where an attribute"),
        ("1 NumericEquals 1 1", "stands where"),
        ("(1 NumericEquals 1", r"'\)' should be"),
        ("1 NumericEquals 1)", "stands where"),
        ("NOT", "ends where"),
        ('@Resource[a:b] StringEquals "x"', "single quotes"),
        ("@Resource[a:b] StringEquals 'x\"y'", "double quotes"),
        ("@Resource[a:b] StringEquals 'x", "closing quote"),
        ("@Resource[a:b] StringEquals 'x\\'", "closing quote"),
        ("@Resource[a:b] StringEquals 'x\ty'", "control"),
        ("@Resource[a:b] StringEquals 'x\x85y'", "control"),
        ("@Context[a:b] StringEquals 'x'", "@Request, @Resource"),
        ("@Resource StringEquals 'x'", "@Source"),
        ("@Resource[] StringEquals 'x'", "attribute name"),
        ("@Resource[a:] StringEquals 'x'", "attribute name"),
        ("@Resource[a<$key_case_sensitive$>] StringEquals 'x'", "needs a key"),
        ("@Resource[a:b&$keys$&] ForAnyOfAnyValues:StringEquals 'x'", "cannot have one"),
        ("@Resource[a:b] StringContains 'x'", "operator of the language 2.0"),
        ("@Resource[a:b] IpMatch '10.0.0.0/8'", "operator of the language 2.0"),
        ("@Resource[a:b] ForAnyOfAnyValues StringEquals 'x'", "':' should be"),
        ("@Resource[a:b] ForSomeValues:StringEquals 'x'", "operator"),
        ("@Resource[a:b] StringEquals {}", "a value should be"),
        ("@Resource[a:b] StringEquals {'x',}", "a value should be"),
        ("@Resource[a:b] ForAnyOfAnyValues:StringEquals {@Request[a:b]}", "a value should be"),
        ("Exists 'x'", "must follow Exists"),
        ("Exists", "the condition ends"),
        ("ActionMatches{'a'", "the condition ends"),
        ("ActionMatches{a}", "one string in braces"),
        ("ActionMatches('a')", "'{' should be"),
        ("ActionMatches{'a\\*'}", "no escapes"),
        ("@Resource[a:b] NumericEquals 1.5", "no meaning"),
        ("@Resource[a:b] NumericEquals 9223372036854775808", "64 bits"),
        ("@Resource[a:b] StringEquals x", "where an attribute, a value or a set"),
        ("@Resource[a:b] = 'x'", "no meaning"),
        ("1 NumericEquals 1 \u00a0", "no meaning"),
    ],
)
def test_a_text_outside_the_grammar_is_refused_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint) as refused:
        compile_condition(text)
    assert refused.value.code == "InvalidCondition"
    with pytest.raises(Invalid):
        check_condition(text)
    assert read_condition(text).evaluate(ask()) is None
    assert read_condition(text).problem


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("@Resource[a:b] StringEquals {'x','y'}", "needs a quantifier"),
        ("{'x'} StringEquals @Resource[a:b]", "needs a quantifier"),
        ("@Resource[a:b] ForAnyOfAnyValues:BoolEquals true", "BoolEquals takes no quantifier"),
        ("@Resource[a:b] ForAnyOfAnyValues:DateTimeEquals '2026-01-01T00:00:00Z'", "takes no quantifier"),
        ("@Resource[a:b] StringEquals ''", "empty string"),
        ("@Resource[a:b] ForAnyOfAnyValues:StringEquals {'x',''}", "empty string"),
        ("ActionMatches{''}", "pattern is empty"),
        ("1 NumericEquals 1 OR NOT (SubOperationMatches{' '})", "pattern is empty"),
        ("@Resource[a:b] StringEquals 1", "is not a string"),
        (f"@Resource[a:b] StringEquals {GUID}", "is not a string"),
        ("@Resource[a:b] NumericEquals '1'", "64-bit integer"),
        ("@Resource[a:b] BoolEquals 'true'", "true or false"),
        ("@Resource[a:b] GuidEquals 'x'", "is not a GUID"),
        ("@Resource[a:b] DateTimeEquals '2026-02-30T00:00:00Z'", "a moment such as"),
        ("@Resource[a:b] DateTimeEquals '2026-01-01T00:00:00+00:00'", "a moment such as"),
        ("@Resource[a:b] ForAnyOfAnyValues:NumericEquals {1,'2'}", "'2' is not a 64-bit integer, which NumericEquals compares"),
        ("@Resource[a:b] StringLike 1", "'1' is not a string in single quotes, which StringLike compares"),
        ("@Resource[a:b] BoolEquals 1", "'1' is not true or false, which BoolEquals compares"),
        ("@Resource[a:b] DateTimeEquals 1", "'1' is not a moment such as '2026-01-31T00:00:00Z', which DateTimeEquals compares"),
        ("@Resource[a:b] GuidEquals 1", "'1' is not a GUID, which GuidEquals compares"),
    ],
)
def test_what_could_only_be_a_mistake_is_read_but_not_written(text: str, complaint: str) -> None:
    assert compile_condition(text).problem == ""
    with pytest.raises(Invalid, match=complaint) as refused:
        check_condition(text)
    assert refused.value.code == "InvalidCondition"


@pytest.mark.parametrize("version", ["1.0", "", None, "3.0"])
def test_only_version_two_may_be_written(version: str | None) -> None:
    with pytest.raises(Invalid) as refused:
        check_condition("1 NumericEquals 1", version)
    assert refused.value.code == "InvalidConditionVersion"


def test_a_stored_condition_of_version_one_is_unknown() -> None:
    assert read_condition("1 NumericEquals 1", "2.0").evaluate(ask()) is True
    old = read_condition("1 NumericEquals 1", "1.0")
    assert old.evaluate(ask()) is None
    assert "'1.0'" in old.problem
    assert old.obstacles(ask()) == old.outcomes(ask()) == ()


def test_one_text_is_compiled_once() -> None:
    assert compile_condition("1 NumericEquals 1") is compile_condition("1 NumericEquals 1")


@given(st.text(alphabet="()'@[]{}!&|:,\\ aANDornt1Exists<$>\n", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    value = read_condition(text).evaluate(ask())
    assert value in (True, False, None)
    try:
        assert compile_condition(text).evaluate(ask()) is value
    except Invalid:
        assert value is None


@pytest.mark.parametrize("text", ["", "1 NumericEquals", "@Resource[a:b] StringEquals {'a'}"])
def test_a_refusal_names_the_condition_as_its_target(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_condition(text)
    assert (refused.value.code, refused.value.target) == ("InvalidCondition", "condition")


@pytest.mark.parametrize(
    ("text", "place", "complaint"),
    [
        ("1 NumericEquals 1 x", 19, "'x' stands where the end of the condition, AND or OR should be"),
        ("1 NumericEquals 1 AND 2 NumericEquals 2 OR 1 NumericEquals 1", 41, "AND and OR on one level are ambiguous; set parentheses"),
        ("(" * 65 + "1 NumericEquals 1" + ")" * 65, 65, "parentheses are nested deeper than 64"),
        ("ActionMatches{a}", 15, "a pattern is one string in braces"),
        ("ActionMatches{1}", 15, "a pattern is one string in braces"),
        ("ActionMatches{'a\\*'}", 15, "a pattern has no escapes"),
        ("ActionMatches ('a')", 15, "'(' stands where '{' should be"),
        ("Exists 'x'", 8, "an attribute must follow Exists or NotExists"),
        ("@Resource[a:b] Nope 'x'", 16, "'Nope' stands where an operator of the language 2.0, such as StringEquals should be"),
        ("@Resource[a:b] StringEquals ]", 29, "']' has no meaning here"),
        ("@Resource[a:b] StringEquals " + "y" * 100, 29, f"'{'y' * 60}' stands where an attribute, a value or a set should be"),
        ("@Resource[a:b] StringEquals {x}", 30, "'x' stands where a value should be"),
        ("@Resource[a:b] StringEquals {'x'", 33, "the condition ends where '}' should be"),
        ("1 NumericEquals", 16, "the condition ends where an attribute, a value or a set should be"),
        ("Exists", 7, "the condition ends where more should be"),
        ("1 NumericEquals " + "9" * 21, 17, "the number does not fit into 64 bits"),
        ("  'x", 3, "the string that begins here has no closing quote"),
        ("'x' StringEquals \"y\"", 18, "strings stand in single quotes"),
        ("'x' StringEquals 'a\"b'", 18, "a string cannot hold control characters or double quotes"),
        ("1 NumericEquals 1 OR @ x", 22, "an attribute is written @Source[name]"),
        (" @Nope[a:b] StringEquals 'x'", 2, "attributes come from @Request, @Resource, @Principal or @Environment"),
        (" @Resource[" + "<" * 200 + "] StringEquals 'x'", 2, f"'{'<' * 100}' is not an attribute name"),
        (" @Resource[a\x00:b] StringEquals 'x'", 2, "'a\\x00:b' is not an attribute name"),
        (" @Resource[a&$keys$&] StringEquals \u00a0", 36, "'\\xa0' has no meaning here"),
        (" @Resource[a<$key_case_sensitive$>] Exists", 2, "<$key_case_sensitive$> needs a key before it, &$keys$& cannot have one"),
    ],
)
def test_a_refusal_names_the_character_and_what_should_stand_there(text: str, place: int, complaint: str) -> None:
    with pytest.raises(Invalid) as refused:
        compile_condition(text)
    assert refused.value.message == f"The condition cannot be read at character {place}: {complaint}."


def test_each_atom_keeps_its_piece_of_the_text() -> None:
    atoms = [
        "ActionMatches { 'x' }",
        "SubOperationMatches{'y'}",
        "Exists  @Resource [ a:b ]",
        "notexists @Resource[a:c]",
        "@Resource[a:b]  ForAnyOfAnyValues : StringEquals {'x' , 'y'}",
        "1  NumericEquals\t-1",
    ]
    condition = compile_condition(" AND  ".join(f"( NOT {each}  )" for each in atoms))
    assert [each.text for each in condition.outcomes(ask())] == atoms
    assert [each.attributes for each in condition.outcomes(ask())] == [
        (),
        (),
        (("@Resource [ a:b ]", None),),
        (("@Resource[a:c]", None),),
        (("@Resource[a:b]", None),),
        (),
    ]


def test_negations_cancel_out_and_joins_keep_their_order() -> None:
    for text, value in (("NOT 1 NumericEquals 1", False), ("NOT NOT 1 NumericEquals 1", True), ("! not ! 1 NumericEquals 1", False)):
        assert compile_condition(text).evaluate(ask()) is value

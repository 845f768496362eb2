import contextlib
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from studiolo.kernel.faults import Invalid, NotOffered
from studiolo.rooms.templates.domain.expressions import expression_in, literal_in, parse
from studiolo.rooms.templates.domain.functions import PURE
from studiolo.rooms.templates.domain.values import Misuse
from tests.rooms.templates.planning import plan, template, thing, value


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("plain", "plain"),
        ("", ""),
        ("[", "["),
        ("[]x", "[]x"),
        ("[[already]", "[already]"),
        ("[[not closed", "[[not closed"),
        ("[not closed", "[not closed"),
        ("not opened]", "not opened]"),
        (" ['spaced']", " ['spaced']"),
        ("['it''s']", "it's"),
        ("['']", ""),
        ("['[x]']", "[x]"),
        ("[ concat ( 'a' , 'b' ) ]", "ab"),
        ("[7]", 7),
        ("[-7]", -7),
        ("[CONCAT('a', 'B')]", "aB"),
    ],
)
def test_a_string_means_what_the_published_syntax_says(text: str, means: object) -> None:
    assert value(text) == means


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "a function, a text or a number is expected at position 1"),
        ("[concat(]", "is expected at position 8"),
        ("[concat('a']", "'\\)' is expected|',' is expected"),
        ("[concat('a' 'b')]", "',' is expected at position 12"),
        ("[concat('a',)]", "is expected at position 12"),
        ("['a]", "a text is not closed at position 1"),
        ("[a.b]", "'\\(' is expected"),
        ("[add(1.5, 2)]", "is not expected at position"),
        ("[add(99999999999999999999, 1)]", "does not fit into 64 bits"),
        ("['a' 'b']", "the end of the expression is expected at position 5"),
        ("[concat('a') + 'b']", "the character '\\+' is not expected"),
        ("[createArray(1)[0]", None),
        ("[lambda]", "'\\(' is expected"),
    ],
)
def test_a_malformed_expression_is_refused_with_its_place(text: str, says: str | None) -> None:
    if says is None:
        assert value(text + "]") == 1
        return
    with pytest.raises(Invalid, match=says) as caught:
        value(text)
    assert caught.value.code == "InvalidTemplate"
    assert caught.value.target == "here"


def test_members_and_items_are_found_without_case() -> None:
    sections = {"variables": {"V": {"List": [{"Name": "a"}, {"Name": "b"}]}}}
    assert value("[variables('v').list[1].name]", **sections) == "b"
    assert value("[variables('v')['LIST'][0]['NAME']]", **sections) == "a"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[createArray(1)[1]]", "lies outside the array, which has 1 items"),
        ("[createArray(1)[-1]]", "lies outside"),
        ("[createObject('a', 1).b]", "no property 'b' .* it has: a"),
        ("['x'.length]", "needs an object; there is a string"),
        ("[createObject('a', 1)[0]]", "an array and a whole number, or an object and a string"),
        ("[nonsense('x')]", "the template function 'nonsense' at position 1"),
        ("[concat()]", "takes at least 1 arguments; 0 are given"),
        ("[if(true(), 1)]", "takes 3 arguments; 2 are given"),
        ("[toLower(5)]", "argument 1 must be a string; it is a number"),
        ("[variables('x')]", "variable 'x' is not declared"),
        ("[parameters('x')]", "parameter 'x' is not declared"),
        ("[my.own('x')]", "'my.own' .* is not known"),
    ],
)
def test_a_mistake_is_told_with_what_was_found(text: str, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        value(text)


def test_conditions_do_not_evaluate_what_they_do_not_need() -> None:
    assert value("[if(true(), 'yes', div(1, 0))]") == "yes"
    assert value("[and(false(), equals(div(1, 0), 1))]") is False
    assert value("[or(true(), equals(div(1, 0), 1))]") is True


NAMES = [*PURE, "parameters", "variables", "if", "and", "resourceId", "reference", "listKeys", "copyIndex", "lambda", "map", "x"]
PIECES = st.sampled_from([*(f"{name}(" for name in NAMES), *"()[],.'", "'a'", "''", "1", "-9", " ", "true()", "[[", "]]", "\u00e9", "\x00"])


@given(st.lists(PIECES, max_size=40).map("".join))
@example("'" * 30)
@example("[" * 60)
@example("concat(" * 60)
@example("a(" + ")." * 60)
def test_no_text_makes_the_reader_fail_but_with_a_clear_refusal(text: str) -> None:
    with contextlib.suppress(Misuse):
        parse(text)


@given(st.text(alphabet=string.printable, max_size=60))
def test_what_is_no_expression_stays_a_string(text: str) -> None:
    if expression_in(text) is None:
        assert value(text) == literal_in(text)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(max_size=5)
    | st.sampled_from(["[concat('a','b')]", "[[x]", "[", "[x("]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["copy", "name", "count", "input", "a"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(name=st.sampled_from(sorted(PURE)), arguments=st.lists(JSON, max_size=4))
def test_no_function_fails_on_any_values_but_with_a_fault(name: str, arguments: list[object]) -> None:
    inner = ",".join(f"parameters('p{place}')" for place in range(len(arguments)))
    declared = {f"p{place}": {"type": "object", "defaultValue": {"v": one}} for place, one in enumerate(arguments)}
    for member in ("", ".v"):
        text = f"[{name}({inner.replace(')', ')' + member)})]"
        with contextlib.suppress(Invalid):
            plan(template(parameters=declared, resources=[thing("a", properties={"p": text})]))


@given(JSON)
def test_no_template_makes_the_planner_fail_but_with_a_fault(section: object) -> None:
    for raw in (
        template(resources=section),
        template(parameters=section, variables=section),
        template(outputs={"o": section}, functions=section),
        template(resources=[section, thing("a", properties=section, copy=section, dependsOn=section)]),
    ):
        with contextlib.suppress(Invalid, NotOffered):
            plan(raw)

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studiolo.kernel.access.patterns import Pattern, PatternSet, action_key
from studiolo.kernel.faults import Invalid


def matches(pattern: str, action: str) -> bool:
    return Pattern(pattern).matches(action_key(action))


def slow(pattern: str, action: str) -> bool:
    """The rules W1 to W5 word by word, as a regular expression that may take all the time it wants."""
    text = pattern.strip(" ").lower()
    if text == "*":
        return True
    parts = text.split("/")
    out = ""
    for index, part in enumerate(parts):
        is_last = index == len(parts) - 1
        if part == "*" and index == 0:
            out += ".+/"
        elif part == "*" and is_last:
            out += ".+"
        elif part == "*":
            out += "(?:.*/)?"
        else:
            out += ".*".join(map(re.escape, part.split("*"))) + ("" if is_last else "/")
    return re.fullmatch(out, action.lower(), re.DOTALL) is not None


segments = st.text(alphabet="ab", min_size=1, max_size=3)
actions = st.lists(segments, min_size=1, max_size=6).map("/".join)
pieces = st.one_of(st.just("*"), segments, st.sampled_from(["a*", "*b", "a*b", "*a*"]))
patterns = st.lists(pieces, min_size=1, max_size=5).map("/".join)


@given(patterns, actions)
def test_the_matcher_agrees_with_the_rules_read_slowly(pattern: str, action: str) -> None:
    assert matches(pattern, action) == slow(pattern, action)


@pytest.mark.parametrize(
    ("pattern", "action", "is_match"),
    [
        ("*", "a", True),
        ("", "a", False),
        ("*/read", "a/read", True),
        ("*/read", "A/b/Read", True),
        ("*/read", "read", False),
        ("A/*", "a/b/c", True),
        ("A/*", "a", False),
        ("A/*", "ab/c", False),
        ("A/*/B", "a/b", True),
        ("A/*/B", "a/x/y/b", True),
        ("A/*/B", "a/xb", False),
        ("A/*/B", "ab", False),
        ("A/*/B/*", "a/b", False),
        ("A/*/B/*", "a/b/c", True),
        ("A/*/query/*", "A/query/x", True),
        ("A/*/*/B", "a/b", True),
        ("A/**/B", "a/b", True),
        ("*/*", "a/b", True),
        ("*/*", "a", False),
        ("A/x*/B", "a/x/b", True),
        ("A/x*/B", "a/b", False),
        ("*read*read*", "a/read", False),
        ("*read*read*", "read/read", True),
        ("*write*a*", "a/write", False),
        ("*b*b", "a/b", False),
        ("a?c", "abc", False),
        ("a.c", "abc", False),
        (" A/read ", "a/read", True),
        ("A/read", "a/reader", False),
        ("\u212a/read", "k/read", False),
    ],
)
def test_patterns_follow_the_rules(pattern: str, action: str, is_match: bool) -> None:
    assert matches(pattern, action) is is_match


def test_a_star_at_an_end_needs_a_character() -> None:
    assert not Pattern("*/read").matches("/read")
    assert not Pattern("a/*").matches("a/")
    assert not Pattern("*/*").matches("/")


@pytest.mark.parametrize("action", ["", "a/*", "*", "a//b", "/a", "a/", "a b", "a\n", "a\x00", "\u212a", "a%2fb", "a\\b", "a'b"])
def test_a_requested_action_is_plain_or_refused(action: str) -> None:
    with pytest.raises(Invalid) as refused:
        action_key(action)
    is_pattern = "*" in action
    why = "a '*' belongs in permissions, not in requests" if is_pattern else "it must be segments of plain characters joined by '/'"
    assert refused.value.message == f"'{action}' is not an action: {why}."
    assert (refused.value.code, refused.value.target) == ("InvalidAction", "action")


def test_many_stars_take_no_time() -> None:
    started = time.perf_counter()
    assert not matches("a" + "*a" * 200 + "*b", "a" * 20_000)
    assert time.perf_counter() - started < 1


def test_a_set_names_the_pattern_as_it_was_written() -> None:
    found = PatternSet(("X/Read ", "X/*/Write"))
    assert found.find("x/read") == "X/Read "
    assert found.find("x/write") == "X/*/Write"
    assert found.find("x/delete") is None

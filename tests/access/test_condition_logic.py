from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from studiolo.kernel.access.conditions import Truth, compile_condition
from tests.access.world import ask, truth, with_values

# Truth as numbers: AND is the least, OR the greatest, NOT the distance from the top.
RANK: dict[Truth, int] = {False: 0, None: 1, True: 2}
QUESTION = ask("Contoso/x/read", sub=["List"], resource={"x:here": "a"})
ATOMS: dict[str, int] = {
    "1 NumericEquals 1": 2,
    "1 NumericEquals 2": 0,
    "@Resource[x:missing] StringEquals 'a'": 1,
    "@Resource[x:here] StringEquals 'a'": 2,
    "@Resource[x:here] StringEquals 'b'": 0,
    "NotExists @Resource[x:here]": 0,
    "ActionMatches{'*/read'}": 2,
    "ActionMatches{'*/write'}": 0,
    "SubOperationMatches{'l*'}": 2,
    "SubOperationMatches{'m*'}": 0,
}

Case = tuple[str, int]


def negated(case: Case) -> Case:
    return f"NOT ({case[0]})", 2 - case[1]


def joined(word: str, cases: list[Case]) -> Case:
    pick = min if word in ("AND", "&&") else max
    return f" {word} ".join(f"({text})" for text, _ in cases), pick(rank for _, rank in cases)


trees = st.recursive(
    st.sampled_from(sorted(ATOMS.items())),
    lambda inner: st.one_of(
        inner.map(negated),
        st.tuples(st.sampled_from(["AND", "OR", "&&", "||"]), st.lists(inner, min_size=2, max_size=4)).map(lambda made: joined(*made)),
    ),
    max_leaves=12,
)


@given(trees)
def test_every_tree_has_the_value_of_kleenes_tables(case: Case) -> None:
    text, rank = case
    condition = compile_condition(text)
    assert RANK[condition.evaluate(QUESTION)] == rank
    assert bool(condition.obstacles(QUESTION)) == (rank != 2)


@given(trees)
def test_the_probe_of_a_condition_never_hides_a_true_one(case: Case) -> None:
    residue = compile_condition(case[0]).residue("contoso/x/read", ("List",))
    if residue.probe is not None and residue.run(QUESTION) is True:
        assert residue.probe.value(QUESTION) == residue.probe.constant == "a"


def test_the_tables_row_by_row() -> None:
    words = {True: "1 NumericEquals 1", False: "1 NumericEquals 2", None: "@Resource[x:y] NumericEquals 1"}
    rows: list[tuple[Truth, Truth, Truth, Truth]] = [
        (True, True, True, True),
        (True, False, False, True),
        (True, None, None, True),
        (False, False, False, False),
        (False, None, False, None),
        (None, None, None, None),
    ]
    for one, other, both, either in rows:
        for left, right in ((one, other), (other, one)):
            assert truth(f"{words[left]} AND {words[right]}") is both
            assert truth(f"{words[left]} OR {words[right]}") is either


def test_the_documented_version_example_works_without_a_version_id() -> None:
    text = "@Resource[x:id] DateTimeEquals '2022-06-01T23:38:32.8883645Z' OR @Resource[x:current] BoolEquals true"
    assert truth(text, with_values(current=True)) is True
    assert truth(text, with_values(current=False)) is None


def test_obstacles_are_the_atoms_that_stand_in_the_way_with_the_values_they_saw() -> None:
    condition = compile_condition(
        "(@Resource[x:a] StringEquals 'a' OR @Resource[x:b] StringEquals 'b') AND NOT @Resource[x:c] StringEquals 'c' AND 1 NumericEquals 1"
    )
    question = with_values(a="z", c="c")
    assert [(each.text, each.value, each.attributes) for each in condition.obstacles(question)] == [
        ("@Resource[x:a] StringEquals 'a'", False, (("@Resource[x:a]", "z"),)),
        ("@Resource[x:b] StringEquals 'b'", None, (("@Resource[x:b]", None),)),
        ("@Resource[x:c] StringEquals 'c'", True, (("@Resource[x:c]", "c"),)),
    ]
    assert [each.value for each in condition.outcomes(question)] == [False, None, True, True]
    assert condition.obstacles(with_values(b="b", c="d")) == ()

from studiolo.kernel.access.decision import Assignment, CompiledFacts, DenyAssignment, Facts, Hierarchy, Permission
from studiolo.kernel.access.explanation import explain
from tests.access.world import ALL, GROUP, READER, SUB, ask, deny, grant, known, role


def test_every_row_says_what_became_of_it() -> None:
    less = role(Permission(actions=("*",), not_actions=("*/read",)), name="less")
    writer = role(Permission(actions=("*/write",)), name="writer")
    told = explain(
        ask(scope=SUB),
        known(
            grant(READER, id="a1", to="bob"),
            grant(READER, GROUP, id="a2"),
            grant(writer, id="a3"),
            grant(less, id="a4"),
            grant(READER, id="a5", condition="@Resource[x:y] StringEquals 'a'"),
            grant(READER, id="a6"),
            deny(id="d1", principals=["bob"]),
            deny(id="d2", excluded=["alice"]),
            deny("/", id="d3", only_here=True),
            deny(id="d4", permission=writer.permissions[0]),
            deny(id="d5", condition="1 NumericEquals 2"),
            DenyAssignment("d6", "/", ("alice",), ALL.permissions, effect="audit"),
        ),
    )
    assert told.verdict.deciding == ("a6",)
    assert [row.outcome for row in told.assignments] == [
        "other principal",
        "other scope",
        "no pattern",
        "subtracted",
        "condition",
        "counts",
    ]
    assert [row.outcome for row in told.denies] == ["other principal", "excluded", "other scope", "no pattern", "condition", "audit only"]
    assert told.assignments[3].blocks[0].subtracted_by == "*/read"


def test_the_words_name_the_atom_and_what_it_saw() -> None:
    condition = "!(ActionMatches{'*/read'}) OR (@Resource[x:name] StringStartsWith 'ws1-')"
    told = explain(ask(resource={"x:name": "ws10"}), known(grant(READER, condition=condition)))
    assert list(told.lines()) == [
        "deny (no_grant): alice Contoso.Boxes/boxes/read /subscriptions/s1 (control plane)",
        "assignment a1 of reader at /, a scope above it: condition",
        "  '*/read' covers the action",
        "    condition is False",
        "      ActionMatches{'*/read'} is True",
        "      @Resource[x:name] StringStartsWith 'ws1-' is False because @Resource[x:name] is 'ws10'",
    ]


def test_an_absent_attribute_and_an_unreadable_condition_are_told() -> None:
    absent = explain(ask(), known(grant(READER, condition="@Request[x:y] BoolEquals true")))
    assert list(absent.lines())[-2:] == [
        "    condition is Unknown",
        "      @Request[x:y] BoolEquals true is Unknown because @Request[x:y] is absent",
    ]
    broken = explain(ask(), known(grant(), DenyAssignment("d1", "/", ("alice",), ALL.permissions, condition="x", condition_version="1.0")))
    assert "Conditions of version '1.0' are not evaluated" in "\n".join(broken.lines())
    assert broken.verdict.is_denied


def test_an_atom_that_compares_two_attributes_tells_both() -> None:
    condition = "@Request[x:a] StringEquals @Resource[x:b]"
    told = explain(ask(request={"x:a": "1"}, resource={"x:b": "2"}), known(grant(condition=condition)))
    assert list(told.lines())[-1] == f"      {condition} is False because @Request[x:a] is '1', @Resource[x:b] is '2'"


def test_a_condition_of_too_many_steps_is_told_without_taking_them() -> None:
    numbers = "{" + ",".join("1" * 1900) + "}"
    told = explain(ask(), known(grant(condition=f"{numbers} ForAnyOfAnyValues:NumericEquals {numbers}")))
    assert list(told.lines())[-1] == "    condition is Unknown: its atoms take more than 10000 steps"


def test_subtraction_and_inheritance_are_told() -> None:
    less = role(Permission(actions=("*",), not_actions=("*/read",)), name="less")
    tree = Hierarchy(extra_parents={"/subscriptions/s1/p": ("/subscriptions/s1/hub",)})
    told = explain(ask(scope="/subscriptions/s1/p"), known(Assignment("a1", "alice", less, "/subscriptions/s1/hub"), hierarchy=tree))
    text = "\n".join(told.lines())
    assert "'*' covers the action, '*/read' takes it back" in text
    assert "a scope whose roles '/subscriptions/s1/p' inherits: subtracted" in text


def test_what_does_not_count_yet_or_any_more_is_told_as_such() -> None:
    start, end, later = "2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z", "2027-01-03T00:00:00Z"
    rows = (
        Assignment("a1", "alice", READER, "/", starts=start, ends=end),
        Assignment("a2", "alice", READER, "/", starts=later),
        Assignment("a3", "alice", READER, "/", starts="soon"),
        Assignment("a4", "alice", READER, "/", ends="later"),
        Assignment("a5", "bob", READER, "/", starts=later),
        Assignment("a6", "alice", READER, GROUP, starts=later),
        Assignment("a7", "alice", READER, "/"),
    )

    def outcomes(moment: str | None) -> list[str]:
        facts = CompiledFacts(Facts(known=True, enabled=True, ids=frozenset({"alice"}), assignments=rows, moment=moment))
        return [row.outcome for row in explain(ask(scope=SUB), facts).assignments]

    elsewhere = ["other principal", "other scope", "counts"]
    assert outcomes("2026-12-31T23:59:59Z") == ["not yet", "not yet", "not yet", "expired", *elsewhere]
    assert outcomes(start) == ["counts", "not yet", "not yet", "expired", *elsewhere]
    assert outcomes(end) == ["expired", "not yet", "not yet", "expired", *elsewhere]
    assert outcomes(later) == ["expired", "counts", "not yet", "expired", *elsewhere]
    assert outcomes(None) == ["not yet", "not yet", "not yet", "not yet", *elsewhere]


def test_what_denies_is_told_apart_from_what_nearly_does() -> None:
    block = Permission(actions=("*",), condition="1 NumericEquals 1")
    told = explain(
        ask(scope=SUB),
        known(
            grant(role(), id="a1"),
            grant(role(block), id="a2", condition="@Resource[x:y] StringEquals 'a'"),
            grant(role(Permission(actions=("x",)), Permission(actions=("*",), not_actions=("*/read",))), id="a3"),
            deny(SUB, id="d1", only_here=True),
            deny(id="d2", condition="@Resource[x:y] StringEquals 'a'"),
            DenyAssignment("d3", "/", ("alice",), ALL.permissions, condition="1 NumericEquals 2", effect="audit"),
            deny(id="d4", permission=block, condition="1 NumericEquals 2"),
            deny(id="d5", principals=["bob"], excluded=["alice"]),
            deny(GROUP, id="d6"),
        ),
    )
    assert told.chain == (SUB, "/subscriptions", "/")
    assert [(row.outcome, row.way) for row in told.denies] == [
        ("counts", "the scope itself"),
        ("counts", "a scope above it"),
        ("condition", "a scope above it"),
        ("condition", "a scope above it"),
        ("excluded", "a scope above it"),
        ("other scope", ""),
    ]
    assert [row.outcome for row in told.assignments] == ["no pattern", "condition", "subtracted"]
    assert [note.value for note in told.assignments[1].blocks[0].conditions] == [True, None]
    assert [note.value for note in told.denies[3].blocks[0].conditions] == [True, False]
    assert list(told.lines())[:3] == [
        "deny (deny_assignment) by d1: alice Contoso.Boxes/boxes/read /subscriptions/s1 (control plane)",
        "deny assignment d1 at /subscriptions/s1, the scope itself: counts",
        "  '*' covers the action",
    ]
    allowed_ = explain(ask(), known(grant(READER)))
    assert next(allowed_.lines()) == "allow (granted) by a1: alice Contoso.Boxes/boxes/read /subscriptions/s1 (control plane)"

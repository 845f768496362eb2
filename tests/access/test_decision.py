import pytest

from studiolo.kernel.access.ask import Plane
from studiolo.kernel.access.decision import (
    Assignment,
    CompiledFacts,
    DenyAssignment,
    Facts,
    Hierarchy,
    Permission,
    Verdict,
    decide,
    group_closure,
)
from studiolo.kernel.access.grants import EVERYONE
from studiolo.kernel.faults import Invalid
from tests.access.world import ALL, GROUP, READ, READER, SUB, allowed, ask, deny, grant, known, role, with_values

TRUE, FALSE = "1 NumericEquals 1", "1 NumericEquals 2"
ASKED, OPEN = "@Resource[x:y] StringEquals 'a'", {"x:y": "a"}


def test_nothing_known_is_a_no() -> None:
    assert decide(ask(), known()) == Verdict(allowed=False, reason="no_grant")


def test_a_grant_names_the_assignment() -> None:
    assert decide(ask(), known(grant(READER, SUB))) == Verdict(allowed=True, reason="granted", deciding=("a1",))


def test_the_lowest_id_is_the_reason() -> None:
    rows = [grant(id=f"a{index}") for index in (3, 1, 2)]
    assert decide(ask(), known(*rows)).deciding == ("a1",)
    conditional = [grant(id="a0", condition=ASKED), *rows]
    assert decide(ask(), known(*conditional)).deciding == ("a1",)
    assert decide(ask(resource=OPEN), known(*conditional)).deciding == ("a0",)
    denies = [deny(id="d2"), deny(id="d1"), deny(id="d0", condition=FALSE)]
    assert decide(ask(), known(*rows, *denies)) == Verdict(allowed=False, reason="deny_assignment", deciding=("d1",))


@pytest.mark.parametrize(("scope", "action"), [("/a//b", "X/read"), ("x", "X/read"), ("/subscriptions/s1", "*/read"), ("/", "")])
def test_malformed_asks_are_refused_whoever_asks(scope: str, action: str) -> None:
    for facts in (known(grant()), known(enabled=False), known(deny())):
        with pytest.raises(Invalid):
            decide(ask(action, scope), facts)


def test_facts_with_a_scope_that_cannot_be_read_are_refused() -> None:
    for row in (grant(scope="/a/../b"), deny("/a//b")):
        with pytest.raises(Invalid):
            known(row)


def test_unknown_and_disabled_principals_are_denied_whatever_is_granted() -> None:
    assert decide(ask(), known(grant(), exists=False)).reason == "unknown_principal"
    assert decide(ask(), known(grant(), enabled=False)).reason == "disabled_principal"
    assert decide(ask(who="bob"), known(grant())).reason == "unknown_principal"
    assert decide(ask(who="ALICE"), known(grant())).allowed


def test_an_action_that_no_operation_needs_is_denied() -> None:
    def is_known(action: str, plane: Plane) -> bool:
        return (action, plane) == ("contoso.boxes/boxes/read", "control")

    facts = CompiledFacts(Facts(known=True, enabled=True, ids=frozenset({"alice"}), assignments=(grant(),), known_actions=is_known))
    assert decide(ask("Contoso.Boxes/boxes/READ"), facts).allowed
    assert decide(ask("Contoso.Boxes/boxes/write"), facts).reason == "unknown_action"
    assert decide(ask("Contoso.Boxes/boxes/read", plane="data"), facts).reason == "unknown_action"


def test_subtraction_ends_at_the_block() -> None:
    given = role(Permission(actions=("*",), not_actions=("*/delete",)), Permission(actions=("X/delete",)))
    assert allowed(ask("X/delete"), known(grant(given)))
    assert not allowed(ask("Y/delete"), known(grant(given)))
    assert allowed(ask("Y/delete"), known(grant(given), grant(id="a2")))


def test_both_the_blocks_and_the_assignments_condition_must_be_true() -> None:
    for block, assignment, is_allowed in (
        (TRUE, TRUE, True),
        (TRUE, FALSE, False),
        (FALSE, TRUE, False),
        (ASKED, TRUE, False),
        (TRUE, ASKED, False),
    ):
        given = role(Permission(actions=("*",), condition=block))
        assert allowed(ask(), known(grant(given, condition=assignment))) is is_allowed
    both = role(Permission(actions=("*",), condition=ASKED))
    assert allowed(ask(resource=OPEN), known(grant(both, condition=ASKED)))


def test_a_condition_that_cannot_be_read_or_is_of_another_version_grants_nothing() -> None:
    for condition in ("", "(", "1 NumericEquals"):
        assert not allowed(ask(), known(grant(condition=condition)))
    old = Assignment("a1", "alice", ALL, "/", TRUE, "1.0")
    assert not allowed(ask(), known(old))
    assert not allowed(ask(), known(grant(role(Permission(actions=("*",), condition=TRUE, condition_version="1.0")))))


def test_a_deny_applies_unless_its_condition_is_false() -> None:
    for condition, is_denied in ((None, True), (TRUE, True), (FALSE, False), (ASKED, True), ("(", True), ("", True)):
        assert decide(ask(), known(grant(), deny(condition=condition))).is_denied is is_denied
    assert not decide(ask(resource={"x:y": "b"}), known(grant(), deny(condition=ASKED))).is_denied
    old = DenyAssignment("d1", "/", ("alice",), ALL.permissions, condition=FALSE, condition_version="1.0")
    assert decide(ask(), known(grant(), old)).is_denied


def test_a_denys_block_may_have_a_condition_too() -> None:
    block = Permission(actions=("*",), condition=ASKED)
    assert not allowed(ask(), known(grant(), deny(permission=block)))
    assert allowed(ask(resource={"x:y": "b"}), known(grant(), deny(permission=block)))
    assert allowed(ask(), known(grant(), deny(permission=block, condition=FALSE)))


def test_denies_name_people_groups_everyone_and_leave_out_groups() -> None:
    groups = {"alice": ["g1"], "g1": ["g2"]}
    rows = grant(to="g2")
    assert not allowed(ask(), known(rows, deny(principals=["G2"]), memberships=groups))
    assert not allowed(ask(), known(rows, deny(principals=[EVERYONE]), memberships=groups))
    assert allowed(ask(), known(rows, deny(principals=["bob"]), memberships=groups))
    assert allowed(ask(), known(rows, deny(principals=[EVERYONE], excluded=["G2"]), memberships=groups))
    assert allowed(ask(), known(rows, deny(excluded=["alice"]), memberships=groups))


def test_a_deny_for_one_scope_alone_leaves_its_children() -> None:
    facts = known(grant(), deny(GROUP, only_here=True))
    assert not allowed(ask(scope=GROUP), facts)
    assert allowed(ask(scope=f"{GROUP}/providers/X/y/z"), facts)
    assert allowed(ask(scope=SUB), facts)


def test_denies_keep_to_their_plane_and_their_subtraction() -> None:
    facts = known(grant(), deny(permission=Permission(actions=("*",), not_actions=("*/read",))))
    assert allowed(ask("X/read"), facts)
    assert not allowed(ask("X/write"), facts)
    assert allowed(ask("X/write", plane="data"), facts)


def test_an_audit_deny_denies_nothing() -> None:
    audit = DenyAssignment("d1", "/", ("alice",), ALL.permissions, effect="audit")
    assert allowed(ask(), known(grant(), audit))


def test_rows_of_other_principals_are_passed_over() -> None:
    assert not allowed(ask(), known(grant(to="bob")))
    assert allowed(ask(), known(grant(to="ALICE")))


def test_the_closure_follows_groups_upwards_through_circles() -> None:
    groups = {"alice": ["G1"], "g1": ["g2"], "g2": ["g1", "g3"], "bob": ["g4"]}
    assert group_closure("Alice", groups) == {"alice", "g1", "g2", "g3"}
    assert group_closure("g3", groups) == {"g3"}


def test_a_verdict_says_whether_attributes_could_turn_it() -> None:
    cases: list[tuple[CompiledFacts, bool]] = [
        (known(), False),
        (known(grant()), False),
        (known(grant(condition=TRUE)), True),
        (known(grant(condition=FALSE)), True),
        (known(grant(condition="ActionMatches{'*'}")), False),
        (known(grant(id="a0", condition=ASKED), grant()), False),
        (known(grant(), deny()), False),
        (known(grant(), deny(condition=ASKED)), True),
        (known(deny(condition=ASKED)), False),
        (known(grant(condition=ASKED), deny(condition=ASKED), deny(id="d2")), False),
    ]
    for facts, is_conditional in cases:
        assert decide(ask(), facts).is_conditional is is_conditional
    spared = decide(ask(resource={"x:y": "b"}), known(grant(), deny(condition=ASKED)))
    assert spared.allowed
    assert spared.is_conditional


def test_attributes_of_one_ask_never_leak_into_the_next() -> None:
    facts = known(grant(condition=ASKED))
    assert [allowed(ask(resource={"x:y": value}), facts) for value in ("a", "b", "a", "")] == [True, False, True, False]


def test_many_conditions_on_one_attribute_decide_as_each_alone() -> None:
    texts = [f"@Resource[x:y] {verb} '{name}'" for name in ("a", "ab", "b", "c", "d", "e") for verb in ("StringEquals", "StringStartsWith")]
    texts += [f"{text} AND @Resource[x:z] StringLike 'q?'" for text in texts] + [
        f"@Resource[x:y] StringLikeIgnoreCase '{n}*z'" for n in "abcdefghij"
    ]
    texts += [f"NOT (@Resource[x:y] StringEquals '{name}')" for name in ("a", "b", "c")]
    texts += [f"@Resource[x:y] StringEquals '{name}' OR @Resource[x:z] StringEquals 'q1'" for name in "defghijkl"]
    texts += [f"@Resource[x:y] StringNotLike '{name}*'" for name in "abcdefghi"]
    texts += [f"@Resource[x:n] NumericEquals {number}" for number in range(9)]
    texts += ["@Resource[x:y] StringEquals 'b'", "@Resource[x:y] StringLike '*'"]
    rows = [grant(id=f"a{index * 37 % 101:03}", condition=text) for index, text in enumerate(texts)]
    for value in ("a", "ab", "abc", "b", "AZ", "z", "", None, ["c"], ["c", "d"]):
        for other in ("q1", "r", None):
            question = ask(resource={"x:y": value, "x:z": other, "x:n": 3 if other is None else None})
            alone = sorted(row.id for row in rows if allowed(question, known(row)))
            assert decide(question, known(*rows)).deciding == tuple(alone[:1])


def test_a_data_grant_is_no_control_grant() -> None:
    data = role(Permission(data_actions=("*",)))
    assert allowed(ask(READ, plane="data"), known(grant(data)))
    assert not allowed(ask(READ), known(grant(data)))
    assert not allowed(ask(READ, plane="data"), known(grant(role(Permission(actions=("*",))))))


def test_more_questions_than_are_remembered_are_answered_alike() -> None:
    facts = known(grant(READER, GROUP))
    scopes = [f"{GROUP}/providers/X/y/z{number}" for number in range(9000)]
    assert all(allowed(ask(scope=scope), facts) for scope in scopes)
    assert allowed(ask(scope=scopes[0]), facts)
    assert not allowed(ask("X/write", scopes[0]), facts)


def test_more_actions_than_are_remembered_are_answered_alike() -> None:
    facts = known(grant(READER, condition="ActionMatches{'*/a*/read'} OR (@Resource[x:y] StringEquals 'a')"))
    for name in [*(f"{letter}{number}" for number in range(1100) for letter in "ab"), "a0", "b0"]:
        assert allowed(ask(f"X/{name}/read"), facts) is name.startswith("a")


def test_the_lowest_id_is_named_among_conditions_that_share_a_table() -> None:
    """Prefixes are looked up by length; the order of lengths is not the order of ids."""
    prefixes = ["x", "abc", "a", "ab", *(f"other{number}" for number in range(8))]
    rows = [grant(condition=f"@Resource[x:y] StringStartsWith '{prefix}'", id=f"a{number:02}") for number, prefix in enumerate(prefixes)]
    assert decide(with_values(y="abcd"), known(*rows)).deciding == ("a01",)
    assert decide(with_values(y="abd"), known(*rows)).deciding == ("a02",)


def test_conditions_that_look_for_a_text_anywhere_share_a_table() -> None:
    texts = ["b?d", "cd", "bcd", "d", "e*", *(f"other{number}" for number in range(8))]
    rows = [grant(condition=f"@Resource[x:y] StringLike '*{text}*'", id=f"a{number:02}") for number, text in enumerate(texts)]
    facts = known(*rows)
    assert decide(with_values(y="abcd"), facts).deciding == ("a00",)
    assert decide(with_values(y="cdcd"), facts).deciding == ("a01",)
    assert decide(with_values(y="bcxd"), facts).deciding == ("a03",)
    assert decide(with_values(y="e"), facts).deciding == ("a04",)
    assert decide(with_values(y="other7"), facts).deciding == ("a04",)
    assert decide(with_values(y="b"), facts).deciding == ()
    assert decide(with_values(y=7), facts).deciding == ()


DEEP = f"{GROUP}/providers/X/y"


def test_scopes_below_one_scope_are_told_apart_by_what_stands_at_them() -> None:
    """Siblings at which nothing stands share one plan; nobody else may get it, whoever was asked about first."""
    tree = Hierarchy(extra_parents={f"{DEEP}/heir": ("/subscriptions/s2/hub",)})
    facts = known(
        grant(READER, f"{DEEP}/a"),
        grant(role(Permission(actions=("*/write",))), f"{DEEP}/b", id="a2"),
        grant(READER, "/subscriptions/s2/hub", id="a3"),
        deny(f"{DEEP}/c", only_here=True),
        grant(READER, f"{DEEP}/d", id="a4", condition=ASKED),
        hierarchy=tree,
    )
    allowed_ = {f"{DEEP}/{name}": name in {"a", "heir", "A"} for name in ("z", "a", "b", "y", "heir", "A", "c", "d", "x")}
    for order in (list(allowed_), list(reversed(allowed_))):
        fresh = CompiledFacts(facts.facts)
        for _ in range(2):
            assert {scope: allowed(ask(scope=scope), fresh) for scope in order} == allowed_
            assert allowed(ask("X/write", f"{DEEP}/b"), fresh)
            assert not allowed(ask("X/write", f"{DEEP}/z"), fresh)
            assert decide(ask("X/write", f"{DEEP}/c"), fresh).is_denied
            assert not decide(ask("X/write", f"{DEEP}/c/below"), fresh).is_denied
            assert decide(ask(scope=f"{DEEP}/a/below/it"), fresh).deciding == ("a1",)
            assert decide(ask(scope=f"{DEEP}/d", resource=OPEN), fresh).deciding == ("a4",)


def test_scopes_directly_below_the_root_are_not_taken_for_those_that_were_answered_before() -> None:
    facts = known(grant(READER, SUB))
    for _ in range(2):
        assert allowed(ask(scope=f"{DEEP}/z"), facts)
        assert not allowed(ask(scope="/subscriptions"), facts)
        assert not allowed(ask(scope="/z"), facts)
        assert not allowed(ask(scope="/"), facts)


@pytest.mark.parametrize("name", ["", "/", "..", ".", "a%2f", "a\\b", "\u212a", "a\n", "a//"])
def test_a_malformed_scope_is_refused_beside_siblings_that_were_answered(name: str) -> None:
    facts = known(grant())
    assert allowed(ask(scope=f"{DEEP}/z"), facts)
    with pytest.raises(Invalid):
        decide(ask(scope=f"{DEEP}/{name}/" if name == "" else f"{DEEP}/{name}"), facts)
    assert allowed(ask(scope=f"{DEEP}/Z/"), facts)


def test_who_asks_what_is_never_taken_for_another_below_one_scope() -> None:
    facts = known(grant(READER), grant(ALL, id="a2", condition="SubOperationMatches{'b'}"))
    for _ in range(2):
        for scope in (f"{DEEP}/1", f"{DEEP}/2"):
            assert allowed(ask(scope=scope), facts)
            assert not allowed(ask("X/write", scope), facts)
            assert not allowed(ask(scope=scope, plane="data"), facts)
            assert allowed(ask("X/write", scope, sub=["b"]), facts)
            assert decide(ask(scope=scope, who="bob"), facts).reason == "unknown_principal"


def test_more_scopes_than_are_remembered_are_answered_alike() -> None:
    facts = known(grant(READER, f"{DEEP}/0"))
    for at in [*range(1100), 0, 1]:
        assert [allowed(ask(scope=f"{DEEP}/{at}/{name}"), facts) for name in "ab"] == [at == 0] * 2

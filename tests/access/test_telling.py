"""What `explain` answers as JSON: the rows that bear on the ask, and nothing of others."""

from __future__ import annotations

from typing import Any

from studiolo.kernel.access.ask import Ask
from studiolo.kernel.access.decision import CompiledFacts, Hierarchy, Permission
from studiolo.kernel.access.explanation import explain
from studiolo.kernel.access.telling import told
from tests.access.world import READER, SUB, ask, deny, grant, known, role

CONDITION = "@Resource[x:y] StringEquals 'a'"


def telling(question: Ask, facts: CompiledFacts) -> dict[str, Any]:
    return told(explain(question, facts), facts.facts.hierarchy)


def block(outcome: str, pattern: str, subtracted_by: str | None = None, *conditions: dict[str, Any]) -> dict[str, Any]:
    return {"outcome": outcome, "pattern": pattern, "subtractedBy": subtracted_by, "conditions": list(conditions)}


def false(text: str, *attributes: dict[str, str]) -> dict[str, Any]:
    obstacle = {"text": text, "value": "False", "attributes": list(attributes)}
    return {"text": text, "value": "False", "problem": None, "obstacles": [obstacle]}


ABOVE = {"scope": "/", "principals": ["alice"], "way": "a scope above it", "path": ["/subscriptions/s1", "/subscriptions", "/"]}
HERE = {"scope": SUB, "principals": ["alice"], "way": "the scope itself", "path": [SUB]}
DENIES = [
    {**ABOVE, "id": "d1", "outcome": "condition", "role": None, "blocks": [block("condition", "*", None, false("1 NumericEquals 2"))]},
]
ASSIGNMENTS = [
    {
        **ABOVE,
        "id": "a1",
        "outcome": "condition",
        "role": "reader",
        "blocks": [block("condition", "*/read", None, false(CONDITION, {"name": "@Resource[x:y]", "value": "b"}))],
    },
    {**HERE, "id": "a2", "outcome": "subtracted", "role": "less", "blocks": [block("subtracted", "*", "*/read")]},
]


def test_the_verdict_and_every_row_that_bears_on_it() -> None:
    less = role(Permission(actions=("*",), not_actions=("*/read",)), name="less")
    facts = known(
        grant(READER, id="a1", condition=CONDITION),
        grant(less, SUB, id="a2"),
        grant(READER, id="a3", to="bob"),
        grant(READER, "/subscriptions/s2", id="a4"),
        deny(id="d1", condition="1 NumericEquals 2"),
        deny(id="d2", principals=["bob"]),
        deny("/subscriptions/s2", id="d3"),
    )
    assert telling(ask(resource={"x:y": "b"}), facts) == {
        "action": "Contoso.Boxes/boxes/read",
        "scope": "/subscriptions/s1",
        "plane": "control",
        "allowed": False,
        "reason": "no_grant",
        "deciding": [],
        "isConditional": True,
        "chain": ["/subscriptions/s1", "/subscriptions", "/"],
        "denyAssignments": DENIES,
        "roleAssignments": ASSIGNMENTS,
        "elsewhere": 4,
        "lines": [
            "deny (no_grant): alice Contoso.Boxes/boxes/read /subscriptions/s1 (control plane)",
            "deny assignment d1 at /, a scope above it: condition",
            "  '*' covers the action",
            "    condition is False",
            "      1 NumericEquals 2 is False",
            "assignment a1 of reader at /, a scope above it: condition",
            "  '*/read' covers the action",
            "    condition is False",
            f"      {CONDITION} is False because @Resource[x:y] is 'b'",
            "assignment a2 of less at /subscriptions/s1, the scope itself: subtracted",
            "  '*' covers the action, '*/read' takes it back",
        ],
    }


def test_unknown_and_true_have_words_and_an_unreadable_condition_its_problem() -> None:
    rows = telling(ask(), known(grant(READER, condition=CONDITION), grant(READER, id="a2", condition="1 NumericEquals 1")))
    first, second = (row["blocks"][0]["conditions"][0] for row in rows["roleAssignments"])
    assert (first["value"], first["obstacles"][0]["value"]) == ("Unknown", "Unknown")
    assert second == {"text": "1 NumericEquals 1", "value": "True", "problem": None, "obstacles": []}
    broken = telling(ask(), known(grant(READER, condition="(")))["roleAssignments"][0]
    assert broken["blocks"][0]["conditions"][0]["problem"].startswith("The condition cannot be read at character")


def test_the_path_to_a_row_leads_over_the_hub_that_hands_its_roles_down() -> None:
    tree = Hierarchy(extra_parents={"/subscriptions/s1/p": ("/subscriptions/s2/Hub",)})
    facts = known(grant(READER, "/subscriptions/s2/Hub"), hierarchy=tree)
    (row,) = telling(ask(scope="/subscriptions/S1/P/x"), facts)["roleAssignments"]
    assert row["path"] == ["/subscriptions/s1/p/x", "/subscriptions/s1/p", "/subscriptions/s2/hub"]

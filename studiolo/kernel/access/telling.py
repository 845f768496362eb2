"""An explanation as JSON, for answers and for the record: the rows that bear on the ask, and what became of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from studiolo.kernel.access.explanation import BlockNote, Explanation, RowNote
from studiolo.kernel.access.scopes import Hierarchy, scope_key

_HIDDEN: Final = frozenset({"other scope", "other principal"})


def told(explanation: Explanation, hierarchy: Hierarchy) -> dict[str, Any]:
    """The verdict, the chain of scopes and the rows that hold on it; rows of other scopes and principals are only counted."""
    verdict = explanation.verdict
    return {
        "action": explanation.ask.action,
        "scope": explanation.ask.scope,
        "plane": explanation.ask.plane,
        "allowed": verdict.allowed,
        "reason": verdict.reason,
        "deciding": list(verdict.deciding),
        "isConditional": verdict.is_conditional,
        "chain": list(explanation.chain),
        "denyAssignments": [_row(row, explanation.ask.scope, hierarchy) for row in explanation.denies if row.outcome not in _HIDDEN],
        "roleAssignments": [_row(row, explanation.ask.scope, hierarchy) for row in explanation.assignments if row.outcome not in _HIDDEN],
        "elsewhere": sum(row.outcome in _HIDDEN for row in (*explanation.denies, *explanation.assignments)),
        "lines": list(_shown(explanation).lines()),
    }


def _shown(explanation: Explanation) -> Explanation:
    """The explanation without rows of other scopes: who asks about one scope need not learn what is elsewhere."""
    kept = {name: tuple(row for row in getattr(explanation, name) if row.outcome not in _HIDDEN) for name in ("assignments", "denies")}
    return msgspec.structs.replace(explanation, **kept)


def _row(row: RowNote, scope: str, hierarchy: Hierarchy) -> dict[str, Any]:
    return {
        "id": row.id,
        "outcome": row.outcome,
        "scope": row.scope,
        "principals": list(row.principals),
        "role": row.role,
        "way": row.way,
        "path": list(hierarchy.path(scope_key(scope), scope_key(row.scope))),
        "blocks": [
            {
                "outcome": block.outcome,
                "pattern": block.pattern,
                "subtractedBy": block.subtracted_by,
                "conditions": list(_conditions(block)),
            }
            for block in row.blocks
        ],
    }


def _conditions(block: BlockNote) -> Iterator[dict[str, Any]]:
    for note in block.conditions:
        obstacles: list[Any] = [
            {
                "text": atom.text,
                "value": _truth(atom.value),
                "attributes": [{"name": name, "value": value} for name, value in atom.attributes],
            }
            for atom in note.obstacles
        ]
        yield {"text": note.text, "value": _truth(note.value), "problem": note.problem or None, "obstacles": obstacles}


def _truth(value: bool | None) -> str:  # noqa: FBT001 - one of the engine's three values
    return "Unknown" if value is None else str(value)

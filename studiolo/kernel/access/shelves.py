"""Assignments that stand at one scope, those that say the same kept together: a question is put to each kind of them once."""

from __future__ import annotations

from collections.abc import Iterator

from studiolo.kernel.access.compiled import CompiledRow
from studiolo.kernel.access.grants import Assignment
from studiolo.kernel.access.spelling import folded


class Alike:
    """Assignments of one role under one condition with the same bounds, by holder (small ASCII letters)."""

    __slots__ = ("compiled", "holders")

    def __init__(self, row: Assignment) -> None:
        self.compiled = CompiledRow(row)
        self.holders: dict[str, list[Assignment]] = {}

    def counts(self, moment: str | None) -> bool:
        """Whether they count at a moment."""
        row = self.compiled.row
        return isinstance(row, Assignment) and row.timing(moment) == "now"


class Shelf:
    """What stands at one scope. May change between two questions, not during one."""

    __slots__ = ("_kinds",)

    def __init__(self) -> None:
        self._kinds: dict[object, Alike] = {}

    def __iter__(self) -> Iterator[Alike]:
        return iter(self._kinds.values())

    def put(self, row: Assignment) -> None:
        """Add an assignment that is not there yet."""
        kind = _kind(row)
        found = self._kinds.get(kind)
        if found is None:
            found = self._kinds[kind] = Alike(row)
        found.holders.setdefault(folded(row.principal_id), []).append(row)

    def drop(self, row: Assignment) -> None:
        """Take away an assignment that was put here."""
        kind, holder = _kind(row), folded(row.principal_id)
        holders = self._kinds[kind].holders
        left = [each for each in holders.pop(holder) if each.id != row.id]
        if left:
            holders[holder] = left
        elif not holders:
            del self._kinds[kind]


def _kind(row: Assignment) -> object:
    # Roles are compared by identity, which is cheap; whoever keeps a kind keeps its role.
    return id(row.role), row.condition, row.condition_version, row.starts, row.ends

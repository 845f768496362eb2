"""Why the engine answers as it does, for people: every assignment considered, and what became of it.

The words come from the parts that `decide` uses (chain, block matches, conditions); the verdict is `decide`'s own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

from studiolo.kernel.access.ask import Ask
from studiolo.kernel.access.blocks import Block, blocks_of, condition_of
from studiolo.kernel.access.compiled import CompiledFacts
from studiolo.kernel.access.conditions import UNKNOWN, AtomOutcome, Condition, Truth
from studiolo.kernel.access.conditions.condition import MOST_STEPS
from studiolo.kernel.access.decision import decide
from studiolo.kernel.access.grants import Assignment, DenyAssignment
from studiolo.kernel.access.patterns import action_key
from studiolo.kernel.access.plans import Verdict
from studiolo.kernel.access.scopes import scope_key
from studiolo.kernel.access.spelling import folded

Outcome: TypeAlias = Literal[
    "counts", "other principal", "excluded", "other scope", "not yet", "expired", "no pattern", "subtracted", "condition", "audit only"
]


class ConditionNote(msgspec.Struct, frozen=True):
    """A condition for this ask: its value, the atoms that keep it from being True, or why it cannot be read."""

    text: str
    value: Truth
    obstacles: tuple[AtomOutcome, ...]
    problem: str


class BlockNote(msgspec.Struct, frozen=True):
    """One permission block: `outcome` is `counts`, `no pattern`, `subtracted` or `condition`."""

    outcome: Outcome
    pattern: str | None = None
    subtracted_by: str | None = None
    conditions: tuple[ConditionNote, ...] = ()


class RowNote(msgspec.Struct, frozen=True):
    """One assignment or deny assignment: what became of it and, if its scope is on the chain, by which way."""

    id: str
    outcome: Outcome
    scope: str
    principals: tuple[str, ...]
    role: str | None = None
    way: str = ""
    blocks: tuple[BlockNote, ...] = ()


class Explanation(msgspec.Struct, frozen=True):
    """The verdict, the chain of scopes whose rows hold here, and every row in the order of the ids."""

    ask: Ask
    verdict: Verdict
    chain: tuple[str, ...]
    assignments: tuple[RowNote, ...]
    denies: tuple[RowNote, ...]

    def lines(self) -> Iterator[str]:
        """The explanation in words, the verdict first."""
        yield _verdict_line(self.ask, self.verdict)
        for kind, rows in (("deny assignment", self.denies), ("assignment", self.assignments)):
            for row in rows:
                yield from _row_lines(kind, row)


def explain(ask: Ask, facts: CompiledFacts) -> Explanation:
    """Everything that bears on the ask.

    Raises:
        Invalid: the scope or the action is malformed (codes `InvalidScope`, `InvalidAction`).
    """
    verdict = decide(ask, facts)
    key = scope_key(ask.scope)
    chain = facts.facts.hierarchy.chain(key)
    view = _View(ask, facts, key, action_key(ask.action), frozenset(chain))
    assignments = tuple(view.assignment(row) for row in sorted(facts.facts.assignments, key=lambda row: row.id))
    denies = tuple(view.deny(row) for row in sorted(facts.facts.denies, key=lambda row: row.id))
    return Explanation(ask, verdict, chain, assignments, denies)


_NEARNESS: tuple[Outcome, ...] = ("no pattern", "subtracted", "condition", "counts")


class _View(msgspec.Struct, frozen=True):
    ask: Ask
    facts: CompiledFacts
    key: str
    action: str
    chain: frozenset[str]

    def assignment(self, row: Assignment) -> RowNote:
        """What became of an assignment."""
        note = RowNote(row.id, "counts", row.scope, (row.principal_id,), row.role.name, self._way(row.scope))
        if folded(row.principal_id) not in self.facts.ids:
            return msgspec.structs.replace(note, outcome="other principal")
        if not note.way:
            return msgspec.structs.replace(note, outcome="other scope")
        timing = row.timing(self.facts.facts.moment)
        if timing != "now":
            return msgspec.structs.replace(note, outcome=timing)
        condition = condition_of(row.condition, row.condition_version)
        return self._judged(note, blocks_of(row.role.permissions).each, condition, is_deny=False)

    def deny(self, row: DenyAssignment) -> RowNote:
        """What became of a deny assignment."""
        note = RowNote(row.id, "counts", row.scope, row.principals, None, self._way(row.scope))
        if not self.facts.is_denied_by(row):
            is_excluded = not self.facts.ids.isdisjoint(map(folded, row.excluded))
            return msgspec.structs.replace(note, outcome="excluded" if is_excluded else "other principal")
        if not note.way or (row.does_not_apply_to_child_scopes and scope_key(row.scope) != self.key):
            return msgspec.structs.replace(note, outcome="other scope")
        condition = condition_of(row.condition, row.condition_version)
        judged = self._judged(note, blocks_of(row.permissions).each, condition, is_deny=True)
        is_audit = row.effect == "audit" and judged.outcome == "counts"
        return msgspec.structs.replace(judged, outcome="audit only") if is_audit else judged

    def _way(self, scope: str) -> str:
        above = scope_key(scope)
        return self.facts.facts.hierarchy.way(self.key, above) if above in self.chain else ""

    def _judged(self, note: RowNote, blocks: tuple[Block, ...], condition: Condition | None, *, is_deny: bool) -> RowNote:
        notes = tuple(self._block(block, condition, is_deny=is_deny) for block in blocks)
        # The block that came nearest to counting speaks for the row.
        outcome = max((each.outcome for each in notes), key=_NEARNESS.index, default=_NEARNESS[0])
        return msgspec.structs.replace(note, outcome=outcome, blocks=notes)

    def _block(self, block: Block, condition: Condition | None, *, is_deny: bool) -> BlockNote:
        found = block.match(self.ask.plane, self.action)
        if not found.holds:
            return BlockNote("no pattern" if found.pattern is None else "subtracted", found.pattern, found.subtracted_by)
        notes = tuple(_condition_note(each, self.ask) for each in (block.condition, condition) if each is not None)
        holds = all(each.value is not False if is_deny else each.value is True for each in notes)
        return BlockNote("counts" if holds else "condition", found.pattern, None, notes)


def _condition_note(condition: Condition, ask: Ask) -> ConditionNote:
    value, obstacles = condition.evaluate(ask), condition.obstacles(ask)
    is_untold = value is not True and not obstacles and not condition.problem
    problem = f"its atoms take more than {MOST_STEPS} steps" if is_untold else condition.problem
    return ConditionNote(condition.text, value, obstacles, problem)


def _verdict_line(ask: Ask, verdict: Verdict) -> str:
    said = "allow" if verdict.allowed else "deny"
    deciding = f" by {', '.join(verdict.deciding)}" if verdict.deciding else ""
    return f"{said} ({verdict.reason}){deciding}: {ask.principal} {ask.action} {ask.scope} ({ask.plane} plane)"


def _row_lines(kind: str, row: RowNote) -> Iterator[str]:
    role = f" of {row.role}" if row.role else ""
    way = f", {row.way}" if row.way else ""
    yield f"{kind} {row.id}{role} at {row.scope}{way}: {row.outcome}"
    for block in row.blocks:
        if block.subtracted_by is not None and block.pattern is not None:
            yield f"  '{block.pattern}' covers the action, '{block.subtracted_by}' takes it back"
        elif block.pattern is not None:
            yield f"  '{block.pattern}' covers the action"
        for condition in block.conditions:
            yield from _condition_lines(condition)


def _condition_lines(condition: ConditionNote) -> Iterator[str]:
    value = "Unknown" if condition.value is UNKNOWN else str(condition.value)
    yield f"    condition is {value}{': ' + condition.problem if condition.problem else ''}"
    for atom in condition.obstacles:
        found = ", ".join(f"{name} is {'absent' if value is None else repr(value)}" for name, value in atom.attributes)
        yield f"      {atom.text} is {'Unknown' if atom.value is UNKNOWN else atom.value}{' because ' + found if found else ''}"

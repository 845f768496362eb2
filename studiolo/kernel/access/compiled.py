"""Facts made ready for many asks: indexed by scope, patterns and conditions compiled, answers per action kept.

Everything kept here follows from the facts alone, so it may be dropped at any moment and never goes stale. Four steps
lead to a plan, each kept under what it depends on:

    role x action                what the role's blocks grant           shared by all principals
    condition x action           what is left to ask of attributes      shared by all principals
    scope x action               the grants and denies written there    per principal
    scope chain x action         the plan: all of the chain, by id      per principal
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Literal, TypeAlias, TypeVar

import msgspec

from studiolo.kernel.access.ask import Ask, Plane
from studiolo.kernel.access.conditions import Condition, read_condition
from studiolo.kernel.access.conditions.evaluation import Run
from studiolo.kernel.access.grants import EVERYONE, Assignment, DenyAssignment, Facts, Permission
from studiolo.kernel.access.patterns import PatternSet, action_key
from studiolo.kernel.access.scopes import scope_key
from studiolo.kernel.access.spelling import folded

Reason: TypeAlias = Literal["granted", "deny_assignment", "no_grant", "unknown_action", "unknown_principal", "disabled_principal"]

_MOST_PLANS = 4096
_MOST_LOCAL = 16384
_MOST_ACTIONS = 1024

K = TypeVar("K")
V = TypeVar("V")


class Verdict(msgspec.Struct, frozen=True):
    """The answer. `deciding` is the id of the deny assignment or assignment that decided, the lowest if several would.

    `is_conditional` says that other attributes could have made the answer another one.
    """

    allowed: bool
    reason: Reason
    deciding: tuple[str, ...] = ()
    is_conditional: bool = False

    @property
    def is_denied(self) -> bool:
        """Whether a deny assignment, and not the lack of a grant, decided."""
        return self.reason == "deny_assignment"


class BlockMatch(msgspec.Struct, frozen=True):
    """How a permission block meets an action: the pattern that grants it, and the one that takes it back."""

    pattern: str | None
    subtracted_by: str | None

    @property
    def holds(self) -> bool:
        """Whether the block covers the action."""
        return self.pattern is not None and self.subtracted_by is None


class Block:
    """One permission block, compiled."""

    __slots__ = ("_data", "_control", "_not_control", "_not_data", "condition")

    def __init__(self, permission: Permission) -> None:
        self._control = PatternSet(permission.actions)
        self._not_control = PatternSet(permission.not_actions)
        self._data = PatternSet(permission.data_actions)
        self._not_data = PatternSet(permission.not_data_actions)
        self.condition = condition_of(permission.condition, permission.condition_version)

    def match(self, plane: Plane, action: str) -> BlockMatch:
        """How the block meets an action, given by its key."""
        granted, taken = (self._control, self._not_control) if plane == "control" else (self._data, self._not_data)
        return BlockMatch(granted.find(action), taken.find(action))


class Blocks:
    """The permission blocks of one role or deny assignment, with the answers they gave."""

    __slots__ = ("_covering", "each")

    def __init__(self, permissions: Iterable[Permission]) -> None:
        self.each = tuple(map(Block, permissions))
        self._covering: dict[tuple[Plane, str], tuple[Block, ...]] = {}

    def covering(self, plane: Plane, action: str) -> tuple[Block, ...]:
        """The blocks that cover an action, given by its key."""
        question = (plane, action)
        found = self._covering.get(question)
        if found is None:
            found = tuple(block for block in self.each if block.match(plane, action).holds)
            _remember(self._covering, question, found, _MOST_ACTIONS)
        return found


@lru_cache(maxsize=4096)
def blocks_of(permissions: tuple[Permission, ...]) -> Blocks:
    """The compiled blocks, one object per list of permissions while it is remembered."""
    return Blocks(permissions)


def condition_of(text: str | None, version: str | None) -> Condition | None:
    """The condition of a row; None where the row has none."""
    return None if text is None else read_condition(text, version)


class Term(msgspec.Struct, frozen=True, eq=False):
    """One assignment, or one deny assignment, that covers the action: what its conditions leave to be asked.

    A grant counts if every run is True; a deny applies unless one run is False. Without runs neither is in question.
    """

    id: str
    runs: tuple[Run, ...]
    verdict: Verdict


class Local(msgspec.Struct, frozen=True, eq=False):
    """What one scope says about one action. `here` denies only the scope itself, `denies` what lies below as well."""

    grants: tuple[Term, ...]
    denies: tuple[Term, ...]
    here: tuple[Term, ...]


class Plan(msgspec.Struct, frozen=True, eq=False):
    """How to answer one question: a verdict if attributes cannot change it, else terms in the order of their ids."""

    verdict: Verdict | None
    denies: tuple[Term, ...] = ()
    grants: tuple[Term, ...] = ()
    otherwise: Verdict = Verdict(allowed=False, reason="no_grant")


NOTHING_HERE = Local((), (), ())

_Question: TypeAlias = tuple[str, Plane, str, tuple[str, ...]]


class CompiledFacts:
    """The facts about one principal, ready for `decide`, `visible` and `explain`.

    Raises:
        Invalid: the scope of an assignment or a deny assignment cannot be read (code `InvalidScope`). Stores hold
            only scopes that can be; to pass over a deny assignment would open what it closes.
    """

    __slots__ = ("_assignments", "_denies", "_locals", "_plans", "_roles", "facts", "ids")

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.ids = frozenset(map(folded, facts.ids))
        self._roles: dict[int, Blocks] = {}
        self._assignments: dict[str, list[Assignment]] = {}
        self._denies: dict[str, list[DenyAssignment]] = {}
        self._locals: dict[_Question, Local] = {}
        self._plans: dict[tuple[str, str, Plane, str, tuple[str, ...]], Plan] = {}
        for assignment in facts.assignments:
            key = scope_key(assignment.scope)
            if folded(assignment.principal_id) in self.ids:
                self._assignments.setdefault(key, []).append(assignment)
        for deny in facts.denies:
            key = scope_key(deny.scope)
            if self.is_denied_by(deny) and deny.effect != "audit":
                self._denies.setdefault(key, []).append(deny)

    @property
    def scopes(self) -> set[str]:
        """The keys of all scopes at which an assignment or a deny assignment of the principal stands."""
        return {*self._assignments, *self._denies}

    def is_denied_by(self, deny: DenyAssignment) -> bool:
        """Whether a deny assignment names the principal, and does not exclude it."""
        named = {folded(each) for each in deny.principals}
        return (EVERYONE in named or not self.ids.isdisjoint(named)) and self.ids.isdisjoint(map(folded, deny.excluded))

    def blocks(self, assignment: Assignment) -> Blocks:
        """The compiled blocks of an assignment's role."""
        role = assignment.role
        found = self._roles.get(id(role))
        if found is None:
            found = self._roles[id(role)] = blocks_of(role.permissions)
        return found

    def refusal(self, ask: Ask, action: str) -> Verdict | None:
        """The verdict on who asks and what for, before any assignment is looked at; None if there is nothing to object."""
        facts = self.facts
        if facts.known_actions is not None and not facts.known_actions(action, ask.plane):
            return _refused("unknown_action")
        if not facts.known or folded(ask.principal) not in self.ids:
            return _refused("unknown_principal")
        return None if facts.enabled else _refused("disabled_principal")

    def plan(self, ask: Ask) -> Plan:
        """How to answer an ask, whatever its attributes."""
        question = (ask.principal, ask.action, ask.plane, ask.scope, ask.sub_operations)
        found = self._plans.get(question)
        if found is None:
            found = self._plan(ask)
            _remember(self._plans, question, found, _MOST_PLANS)
        return found

    def local(self, key: str, plane: Plane, action: str, sub_operations: tuple[str, ...]) -> Local:
        """What the scope with this key says about an action, given by its key."""
        if key not in self._assignments and key not in self._denies:
            return NOTHING_HERE
        question = (key, plane, action, sub_operations)
        found = self._locals.get(question)
        if found is None:
            found = self._local(question)
            _remember(self._locals, question, found, _MOST_LOCAL)
        return found

    def _local(self, question: _Question) -> Local:
        grants: list[Term] = []
        denies: list[Term] = []
        here: list[Term] = []
        for row in self._assignments.get(question[0], ()):
            grants.extend(_terms(row, self.blocks(row), question, Verdict(allowed=True, reason="granted", deciding=(row.id,))))
        for row in self._denies.get(question[0], ()):
            verdict = Verdict(allowed=False, reason="deny_assignment", deciding=(row.id,))
            (here if row.does_not_apply_to_child_scopes else denies).extend(_terms(row, blocks_of(row.permissions), question, verdict))
        return Local(_in_order(grants), _in_order(denies), _in_order(here))

    def _plan(self, ask: Ask) -> Plan:
        key = scope_key(ask.scope)
        action = action_key(ask.action)
        if (refused := self.refusal(ask, action)) is not None:
            return Plan(refused)
        grants: list[Term] = []
        denies: list[Term] = []
        for above in self.facts.hierarchy.chain(key):
            local = self.local(above, ask.plane, action, ask.sub_operations)
            if local is not NOTHING_HERE:
                grants.extend(local.grants)
                denies.extend(local.denies)
                if above == key:
                    denies.extend(local.here)
        return _assembled(_in_order(denies), _in_order(grants))


def _terms(row: Assignment | DenyAssignment, blocks: Blocks, question: _Question, verdict: Verdict) -> Iterator[Term]:
    """The terms of one row: one for each block that covers the action, unless its conditions are settled against it."""
    _, plane, action, sub_operations = question
    for block in blocks.covering(plane, action):
        conditions = (block.condition, condition_of(row.condition, row.condition_version))
        residues = [each.residue(action, sub_operations) for each in conditions if each is not None]
        settled = [each.value for each in residues if each.is_fixed]
        if (False in settled) or (verdict.allowed and None in settled):
            continue
        yield Term(row.id, tuple(each.run for each in residues if not each.is_fixed), verdict)


def _in_order(terms: Iterable[Term]) -> tuple[Term, ...]:
    """The terms by id, without those that a lower one makes needless: same runs, or anything after one without runs."""
    found: list[Term] = []
    seen: set[tuple[Run, ...]] = set()
    for term in sorted(terms, key=_by_id):
        if term.runs in seen:
            continue
        seen.add(term.runs)
        found.append(term)
        if not term.runs:
            break
    return tuple(found)


def _by_id(term: Term) -> str:
    return term.id


def _assembled(denies: tuple[Term, ...], grants: tuple[Term, ...]) -> Plan:
    """The plan for terms in order; verdicts say whether other attributes could turn them round."""
    if denies and not denies[0].runs:
        return Plan(denies[0].verdict)
    is_denied_anyway = bool(denies) and not denies[-1].runs
    is_granted_anyway = bool(grants) and not grants[-1].runs
    can_be_granted = bool(grants) and not is_denied_anyway
    if not denies and grants and not grants[0].runs:
        return Plan(grants[0].verdict)
    no_grant = Verdict(allowed=False, reason="no_grant", is_conditional=can_be_granted)
    if not denies and not grants:
        return Plan(no_grant)
    return Plan(
        None,
        denies=_marked(denies, is_conditional=can_be_granted),
        grants=_marked(grants, is_conditional=bool(denies) or not is_granted_anyway),
        otherwise=no_grant,
    )


def _marked(terms: tuple[Term, ...], *, is_conditional: bool) -> tuple[Term, ...]:
    if not is_conditional:
        return terms
    return tuple(Term(each.id, each.runs, msgspec.structs.replace(each.verdict, is_conditional=True)) for each in terms)


def _refused(reason: Reason) -> Verdict:
    return Verdict(allowed=False, reason=reason)


def _remember(kept: dict[K, V], question: K, answer: V, most: int) -> None:
    if len(kept) >= most:
        kept.clear()
    kept[question] = answer

"""How one question is answered once everything but attributes is known: the plan, and the verdict it leads to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import msgspec

from studiolo.kernel.access.ask import Ask
from studiolo.kernel.access.conditions.atoms import Probe, Run

Reason: TypeAlias = Literal["granted", "deny_assignment", "no_grant", "unknown_action", "unknown_principal", "disabled_principal"]

_WORTH_INDEXING = 8


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


class Term(msgspec.Struct, frozen=True, eq=False):
    """One assignment, or one deny assignment, that covers the action: what its conditions leave to be asked.

    Without runs nothing is in question. Where `probe` is set, the runs cannot all be True unless the probe hits.
    """

    id: str
    runs: tuple[Run, ...]
    verdict: Verdict
    probe: Probe | None = None

    def grants(self, ask: Ask) -> bool:
        """Whether an assignment grants: all of its conditions are True. What is unknown does not grant."""
        for run in self.runs:  # noqa: SIM110 # a generator takes twice the time, and this is asked most
            if run(ask) is not True:
                return False
        return True

    def denies(self, ask: Ask) -> bool:
        """Whether a deny assignment applies: none of its conditions is False. What is unknown denies."""
        return all(run(ask) is not False for run in self.runs)


class Shortlist:
    """Grants in the order of their ids, asked for the first that holds.

    Many conditions that need one attribute to be, to start with or to hold different constants (`StringStartsWith
    '{project}-'`) share a table: one look tells which few of them are worth evaluating.
    """

    __slots__ = ("_plain", "_tables")

    def __init__(self, terms: Sequence[Term]) -> None:
        groups: dict[object, list[tuple[Probe, Term]]] = {}
        for term in terms:
            if term.probe is not None:
                groups.setdefault(term.probe.question, []).append((term.probe, term))
        indexed = [group for group in groups.values() if len(group) >= _WORTH_INDEXING]
        self._tables = tuple(map(_Table, indexed))
        covered = {id(term) for group in indexed for _, term in group}
        self._plain = tuple(term for term in terms if id(term) not in covered)

    def first(self, ask: Ask) -> Verdict | None:
        """The verdict of the lowest id that grants, or None."""
        best: Term | None = None
        for table in self._tables:
            for term in table.hits(ask):
                if (best is None or term.id < best.id) and term.grants(ask):
                    best = term
        for term in self._plain:
            if best is not None and best.id < term.id:
                break
            if term.grants(ask):
                return term.verdict
        return best.verdict if best is not None else None


class _Table:
    """Terms that need one attribute to be a constant, to start with it or to hold it: by constant, parts by length first."""

    __slots__ = ("_anywhere", "_start", "_value", "_whole")

    def __init__(self, group: Sequence[tuple[Probe, Term]]) -> None:
        self._value = group[0][0].value
        self._whole: dict[object, list[Term]] = {}
        self._start: dict[int, dict[str, list[Term]]] = {}
        self._anywhere: dict[int, dict[str, list[Term]]] = {}
        for probe, term in group:
            constant = probe.constant
            if probe.place == "whole" or not isinstance(constant, str):
                self._whole.setdefault(constant, []).append(term)
            else:
                parts = self._start if probe.place == "start" else self._anywhere
                parts.setdefault(len(constant), {}).setdefault(constant, []).append(term)

    def hits(self, ask: Ask) -> list[Term]:
        """Every term that may hold for this ask."""
        value = self._value(ask)
        if value is None:
            return []
        found = list(self._whole.get(value, ()))
        if isinstance(value, str):
            for length, terms in self._start.items():
                found.extend(terms.get(value[:length], ()))
            for length, terms in self._anywhere.items():
                for at in range(len(value) - length + 1):
                    part = value[at : at + length]
                    if part in terms and value.find(part) == at:  # once, however often it is there
                        found.extend(terms[part])
        return found


class Plan(msgspec.Struct, frozen=True, eq=False):
    """A verdict if attributes cannot change it; else denies by id, grants, and the verdict if none holds."""

    verdict: Verdict | None
    denies: tuple[Term, ...] = ()
    grants: Shortlist = Shortlist(())
    otherwise: Verdict = Verdict(allowed=False, reason="no_grant")

    @property
    def is_settled(self) -> bool:
        """Whether no attribute can change the answer, nor what decides."""
        return self.verdict is not None

    def answer(self, ask: Ask) -> Verdict:
        """The verdict on an ask with these attributes: the deny pass first, then the grants."""
        if self.verdict is not None:
            return self.verdict
        for term in self.denies:
            if term.denies(ask):
                return term.verdict
        return self.grants.first(ask) or self.otherwise


def in_order(terms: Iterable[Term]) -> tuple[Term, ...]:
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


def assembled(denies: Iterable[Term], grants: Iterable[Term]) -> Plan:
    """The plan for the terms of a whole chain; verdicts say whether other attributes could turn them round."""
    no, yes = in_order(denies), in_order(grants)
    if no and not no[0].runs:
        return Plan(no[0].verdict)
    if not no and yes and not yes[0].runs:
        return Plan(yes[0].verdict)
    is_denied_anyway = bool(no) and not no[-1].runs
    is_granted_anyway = bool(yes) and not yes[-1].runs and not no
    can_be_granted = bool(yes) and not is_denied_anyway
    otherwise = Verdict(allowed=False, reason="no_grant", is_conditional=can_be_granted)
    if not no and not yes:
        return Plan(otherwise)
    return Plan(
        None,
        _marked(no, is_conditional=can_be_granted),
        Shortlist(_marked(yes, is_conditional=not is_granted_anyway)),
        otherwise,
    )


def _marked(terms: tuple[Term, ...], *, is_conditional: bool) -> tuple[Term, ...]:
    if not is_conditional:
        return terms
    return tuple(Term(each.id, each.runs, msgspec.structs.replace(each.verdict, is_conditional=True), each.probe) for each in terms)


def _by_id(term: Term) -> str:
    return term.id

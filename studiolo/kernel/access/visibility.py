"""Lists: one question for a whole collection instead of one for each of its members.

`visible` answers with the subtrees in which every single `decide` would allow, so that a store can filter in its query.
It agrees with `decide` on an ask without attributes of the request and the resource: an assignment under a condition counts
where the condition is True without any, a deny assignment under a condition holds unless it is False without any. Where a
condition has a say at all the filter says so (`is_conditional`), and only single decisions tell what a call with attributes sees.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from studiolo.kernel.access.ask import Ask, Bag, Plane
from studiolo.kernel.access.compiled import CompiledFacts
from studiolo.kernel.access.plans import Term, Verdict
from studiolo.kernel.access.scopes import ROOT, prefixes, scope_key


class Filter(msgspec.Struct, frozen=True):
    """Which scopes at or below `scope` are visible. All members are scope keys.

    A scope is visible if `is_open`, or a key in `included` is the scope or lies above it; unless a key in `excluded` is
    the scope or lies above it, or the scope itself is in `excluded_alone`. No key in a set lies below another of the set.
    `is_conditional`: at some scope at or below the filter's own, attributes may change the answer.
    """

    scope: str
    is_open: bool
    included: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    excluded_alone: frozenset[str] = frozenset()
    is_conditional: bool = False

    @classmethod
    def everything(cls, scope: str = ROOT) -> Filter:
        """All that lies at or below a scope."""
        return cls(scope, is_open=True)

    @classmethod
    def nothing(cls, scope: str = ROOT) -> Filter:
        """Nothing at all."""
        return cls(scope, is_open=False)

    @property
    def is_everything(self) -> bool:
        """Whether nothing below the scope is hidden."""
        return self.is_open and not self.excluded and not self.excluded_alone

    @property
    def is_nothing(self) -> bool:
        """Whether nothing below the scope is visible."""
        return not self.is_open and not self.included

    def admits(self, scope: str) -> bool:
        """Whether a scope at or below the filter's own is visible.

        Raises:
            Invalid: the scope is malformed (code `InvalidScope`).
        """
        if self.is_everything or self.is_nothing:
            return self.is_open
        key = scope_key(scope)
        above = [*prefixes(key), ROOT]
        if key in self.excluded_alone or not self.excluded.isdisjoint(above):
            return False
        return self.is_open or not self.included.isdisjoint(above)


def visible(
    facts: CompiledFacts, action: str, plane: Plane, scope: str, *, principal_attributes: Bag | None = None, environment: Bag | None = None
) -> Filter:
    """What the facts' principal may do `action` on, at or below `scope`, for asks without attributes of request and resource.

    Raises:
        Invalid: the scope or the action is malformed (codes `InvalidScope`, `InvalidAction`).
    """
    key = scope_key(scope)
    found = facts.door(min(facts.ids, default=""), action, plane)
    if isinstance(found, Verdict):
        return Filter.nothing(key)
    survey = _Survey(facts, Ask("", found, key, plane, principal_attributes=principal_attributes or {}, environment=environment or {}))
    is_conditional = not survey.conditional.isdisjoint(survey.inherited) or bool(survey.reach(survey.conditional))
    if not survey.denied.isdisjoint(survey.inherited):
        return Filter(key, is_open=False, is_conditional=is_conditional)
    excluded = _outermost(survey.reach(survey.denied))
    is_open = not survey.granted.isdisjoint(survey.inherited)
    included = frozenset[str]()
    if not is_open:
        included = frozenset(each for each in _outermost(survey.reach(survey.granted)) if not _is_below(each, excluded))
        excluded = frozenset(each for each in excluded if _is_below(each, included))
    alone = (each for each in survey.denied_alone if is_open or _is_below(each, included))
    return Filter(key, is_open, included, excluded, frozenset(each for each in alone if not _is_below(each, excluded)), is_conditional)


class _Survey:
    """Where grants and denies for the action stand, over all scopes."""

    def __init__(self, facts: CompiledFacts, ask: Ask) -> None:
        self._key = ask.scope
        self._hierarchy = facts.facts.hierarchy
        self.inherited = self._hierarchy.inherited(ask.scope)
        self.granted: set[str] = set()
        self.denied: set[str] = set()
        self.denied_alone: set[str] = set()
        self.conditional: set[str] = set()
        for scope in facts.scopes:
            local = facts.local(scope, (ask.plane, ask.action, ()))
            if any(term.runs for term in (*local.grants, *local.denies, *local.here)):
                self.conditional.add(scope)
            if any(term.grants(ask) for term in local.grants):
                self.granted.add(scope)
            if _any_applies(local.denies, ask):
                self.denied.add(scope)
            if self._hierarchy.holds(self._key, scope) and _any_applies(local.here, ask):
                self.denied_alone.add(scope)

    def reach(self, scopes: set[str]) -> set[str]:
        """The keys at or below the listed scope whose subtrees what stands at these scopes reaches."""
        hierarchy = self._hierarchy
        below = {heir for scope in scopes for heir in hierarchy.heirs(scope) if hierarchy.holds(self._key, heir)}
        return below.union(key for key in hierarchy.members(self._key) if not scopes.isdisjoint(hierarchy.chain(key)))


def _any_applies(terms: Iterable[Term], ask: Ask) -> bool:
    return any(term.denies(ask) for term in terms)


def _outermost(keys: set[str]) -> frozenset[str]:
    """The keys that lie below none of the others. The root is none of them: what stands there is inherited everywhere."""
    return frozenset(key for key in keys if keys.isdisjoint(prefixes(key)[1:]))


def _is_below(key: str, others: frozenset[str]) -> bool:
    """Whether one of the others is the key or lies above it."""
    return not others.isdisjoint([*prefixes(key), ROOT])

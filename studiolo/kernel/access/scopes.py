"""Scopes: paths that compare segment by segment without ASCII case, and the tree that they form.

A scope's key is its canonical form: small letters, no slash at the end, `/` for the root. Keys are the only form in
which the engine compares scopes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from studiolo.kernel.access.spelling import folded
from studiolo.kernel.faults import Invalid

ROOT = "/"
MANAGEMENT_GROUPS = "/providers/microsoft.management/managementgroups/"
SUBSCRIPTIONS = "/subscriptions/"
LONGEST = 4096
"""A scope's most characters: an id has at most half as many, and each segment costs the length of what lies above it."""
DEEPEST_GROUPED = 4
"""How many segments the longest scope has at which a management group comes into the chain: that of such a group."""

_LEGAL = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[ -$&-.0-\[\]-~]+)+")
_NAME = re.compile(r"(?!\.{1,2}\Z)[ -$&-.0-\[\]-~]+")
_FORBIDDEN = re.compile(r"[^ -~]|[%\\]")


def scope_key(scope: str) -> str:
    """The canonical form of a scope; one slash at the end is dropped.

    Raises:
        Invalid: no leading slash, an empty, `.` or `..` segment, a percent sign, a backslash, a control or
            non-ASCII character, or more than 4096 characters (code `InvalidScope`).
    """
    if scope == ROOT:
        return ROOT
    path = scope.removesuffix("/")
    if len(path) > LONGEST or _LEGAL.fullmatch(path) is None:
        raise Invalid(f"'{scope[:200]}' is not a scope: {_complaint(path)}.", code="InvalidScope", target="scope")
    return path.lower()


def is_name(text: str) -> bool:
    """Whether a text can be a segment of a scope."""
    return _NAME.fullmatch(text) is not None


def _complaint(path: str) -> str:
    if len(path) > LONGEST:
        return f"it has more than {LONGEST} characters"
    if not path.startswith("/"):
        return "it must begin with '/'"
    if found := _FORBIDDEN.search(path):
        return f"the character {found.group()!a} at position {found.start() + 1} cannot be part of one"
    return "it holds an empty, a '.' or a '..' segment"


def prefixes(key: str) -> list[str]:
    """The key and every shorter one that ends at a segment, longest first, the root left out."""
    found: list[str] = []
    while key and key != ROOT:
        found.append(key)
        key = key[: key.rfind("/")]
    return found


class Hierarchy:
    """What the paths alone do not say about which scope lies below which.

    Args:
        management_group_parents: the name of each management group's parent; a root group is absent.
        subscription_groups: the name of the management group that holds each subscription, by subscription id.
        extra_parents: further scopes in the chain of a scope and of everything below it. Only the named scopes
            themselves are added, not what lies above them.
    """

    __slots__ = ("_children", "_extra", "_groups", "_heirs", "_of_subscription", "_parents")

    def __init__(
        self,
        management_group_parents: Mapping[str, str] | None = None,
        subscription_groups: Mapping[str, str] | None = None,
        extra_parents: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        parents = self._parents = {folded(child): folded(parent) for child, parent in (management_group_parents or {}).items()}
        self._of_subscription = {folded(sub): folded(group) for sub, group in (subscription_groups or {}).items()}
        self._extra = {scope_key(scope): tuple(map(scope_key, above)) for scope, above in (extra_parents or {}).items()}
        names = {*parents, *parents.values(), *self._of_subscription.values()}
        self._groups = {name: _ancestry(name, parents) for name in names}
        self._children: dict[str, list[str]] = {}
        for name, chain in self._groups.items():
            for above in chain[1:]:
                self._children.setdefault(MANAGEMENT_GROUPS + above, []).append(MANAGEMENT_GROUPS + name)
        for sub, group in self._of_subscription.items():
            for above in self._groups[group]:
                self._children.setdefault(MANAGEMENT_GROUPS + above, []).append(SUBSCRIPTIONS + sub)
        self._heirs: dict[str, list[str]] = {}
        for scope, above in self._extra.items():
            for parent in above:
                self._heirs.setdefault(parent, []).append(scope)

    def changed(
        self,
        management_group_parents: Mapping[str, str | None],
        subscription_groups: Mapping[str, str | None],
        heirs: Mapping[str, Iterable[str]],
    ) -> Hierarchy:
        """The tree with some groups and subscriptions elsewhere (None: in no group), and with other heirs of some scopes.

        `heirs` names for each such scope everything of which it is then an extra parent.
        """
        below = {scope_key(scope): [scope_key(heir) for heir in found] for scope, found in heirs.items()}
        extra = {scope: [above for above in found if above not in below] for scope, found in self._extra.items()}
        for scope, found in below.items():
            for heir in found:
                extra.setdefault(heir, []).append(scope)
        return Hierarchy(
            _moved(self._parents, management_group_parents),
            _moved(self._of_subscription, subscription_groups),
            {scope: dict.fromkeys(above) for scope, above in extra.items() if above},
        )

    def differing(self, other: Hierarchy) -> dict[str, frozenset[str]]:
        """What two trees say otherwise: by scope, what is in its chain in one of them alone.

        The chain of any other scope differs by what is named for its prefixes.
        """
        grouped = {key: (self.chain(key), other.chain(key)) for tree in (self, other) for key in tree.grouped()}
        heirs = {key: (self.extra_parents(key), other.extra_parents(key)) for tree in (self, other) for key in tree.inheriting()}
        found: dict[str, frozenset[str]] = {}
        for key, (mine, theirs) in (*grouped.items(), *heirs.items()):
            if unlike := frozenset(mine).symmetric_difference(theirs):
                found[key] = unlike | found.get(key, frozenset())
        return found

    def grouped(self) -> Iterator[str]:
        """Every management group and subscription that the tree knows."""
        yield from (MANAGEMENT_GROUPS + name for name in self._groups)
        yield from (SUBSCRIPTIONS + name for name in self._of_subscription)

    def inheriting(self) -> Iterator[str]:
        """Every scope that has extra parents."""
        yield from self._extra

    def chain(self, key: str) -> tuple[str, ...]:
        """Every scope whose grants hold at this one: itself, its prefixes, management groups, extra parents, `/`."""
        found = prefixes(key)
        own = len(found)
        if self._groups:
            if key.startswith(SUBSCRIPTIONS):
                group = self._of_subscription.get(key.split("/", 3)[2])
                found.extend(MANAGEMENT_GROUPS + name for name in self._groups.get(group or "", ()))
            elif key.startswith(MANAGEMENT_GROUPS):
                found.extend(MANAGEMENT_GROUPS + name for name in self._groups.get(key.split("/", 5)[4], ())[1:])
        if self._extra:
            for scope in found[:own]:
                found.extend(parent for parent in self._extra.get(scope, ()) if parent not in found)
        if ROOT not in found:
            found.append(ROOT)
        return tuple(found)

    def extra_parents(self, key: str) -> tuple[str, ...]:
        """The extra parents of a scope itself, not those of what it lies below."""
        return self._extra.get(key, ())

    def heirs(self, key: str) -> list[str]:
        """The fewest keys such that a scope is in the reach of `key` if and only if one of them is a prefix of it."""
        return [*self.members(key), *self._heirs.get(key, ())]

    def members(self, key: str) -> list[str]:
        """The fewest keys such that a scope is or lies below `key` if and only if one of them is a prefix of it."""
        return [key, *self._children.get(key, ())]

    def holds(self, above: str, key: str) -> bool:
        """Whether `key` is `above` or lies below it, by its path or as a member of a management group."""
        path = {*prefixes(key), ROOT}
        return not path.isdisjoint(self.members(above))

    def inherited(self, key: str) -> frozenset[str]:
        """The part of the chain that is also part of the chain of everything below.

        All of it, but for a management group: its subscriptions do not lie below the prefixes of its path.
        """
        chain = self.chain(key)
        is_group = key.startswith(MANAGEMENT_GROUPS) and "/" not in key.removeprefix(MANAGEMENT_GROUPS)
        return frozenset(above for above in chain if not is_group or above == ROOT or above.startswith(MANAGEMENT_GROUPS))

    def path(self, key: str, above: str) -> tuple[str, ...]:
        """The scopes that one passes from `key` up to `above`, a member of its chain: both ends, and what lies between."""
        found = prefixes(key)
        if above in found:
            return tuple(found[: found.index(above) + 1])
        if above == ROOT:
            return (*found, ROOT)
        if above.startswith(MANAGEMENT_GROUPS):
            chain = self.chain(key)
            return tuple(each for each in chain[: chain.index(above) + 1] if each in found or each.startswith(MANAGEMENT_GROUPS))
        heir = next(scope for scope in found if above in self._extra.get(scope, ()))
        return (*found[: found.index(heir) + 1], above)

    def way(self, key: str, above: str) -> str:
        """In words, why the grants at `above`, a member of `key`'s chain, hold at `key`."""
        if above == key:
            return "the scope itself"
        if above == ROOT or key.startswith(above + "/"):
            return "a scope above it"
        if above.startswith(MANAGEMENT_GROUPS):
            return "a management group above it"
        heir = next(scope for scope in prefixes(key) if above in self._extra.get(scope, ()))
        return f"a scope whose roles '{heir}' inherits"


def _moved(present: Mapping[str, str], moves: Mapping[str, str | None]) -> dict[str, str]:
    found = {**present, **{folded(name): group for name, group in moves.items()}}
    return {name: group for name, group in found.items() if group is not None}


def _ancestry(name: str, parents: Mapping[str, str]) -> tuple[str, ...]:
    chain = [name]
    while (name := parents.get(name, "")) and name not in chain:
        chain.append(name)
    return tuple(chain)


FLAT = Hierarchy()
"""No management groups, no extra parents."""

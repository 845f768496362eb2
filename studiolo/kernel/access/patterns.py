"""Permission patterns: `Microsoft.Storage/storageAccounts/*/read`.

The rules, W1 to W7 of the access specification: ASCII case does not count; the whole action must match; `*` stands
for any run of characters, slashes included; a `*` that is a whole inner segment also stands for no segment at all
(`A/*/B` matches `A/B`); a leading `*/` and a trailing `/*` need at least one character; nothing but `*` is special.
Matching runs once from left to right and never goes back.

The zero-segment rule is what the published roles need: Managed Identity Operator holds
`userAssignedIdentities/*/assign/action` alone, and AzureML Data Scientist subtracts `computes/*/write` so that it
cannot create compute by `computes/write`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

from studiolo.kernel.access.spelling import folded
from studiolo.kernel.faults import Invalid

_ACTION = re.compile(r"[!$&(-),-.0-\[\]-~]+(?:/[!$&(-),-.0-\[\]-~]+)*")
_STARS = re.compile(r"\*+")


def action_key(action: str) -> str:
    """The form of a requested action that compares.

    Raises:
        Invalid: the action holds `*`, an empty segment or a character that actions cannot have (code `InvalidAction`).
    """
    if _ACTION.fullmatch(action) is None:
        reason = (
            "a '*' belongs in permissions, not in requests" if "*" in action else "it must be segments of plain characters joined by '/'"
        )
        raise Invalid(f"'{action[:200]}' is not an action: {reason}.", code="InvalidAction", target="action")
    return action.lower()


class Pattern:
    """One compiled pattern. `text` is the pattern as it was written."""

    __slots__ = ("_head", "_least", "_middle", "_spare", "_tail", "exact", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        plain = _STARS.sub("*", folded(text.strip()))
        pieces = plain.split("*")
        self.exact = plain if len(pieces) == 1 else None
        self._head = pieces[0]
        self._tail = pieces[-1]
        # A star between two slashes may stand for nothing: then the two slashes are one and the same character.
        shared = [1 if left.endswith("/") and right.startswith("/") else 0 for left, right in pairwise(pieces)]
        self._middle = tuple(zip(shared, pieces[1:-1], strict=False))
        self._spare = shared[-1] if shared else 0
        self._least = 1 if not self._head and len(pieces) > 1 and pieces[1].startswith("/") else 0
        if len(pieces) > 1 and not self._tail and pieces[-2].endswith("/"):
            self._spare = -1

    def matches(self, action: str) -> bool:
        """Whether the pattern covers an action given by its key."""
        if self.exact is not None:
            return action == self.exact
        if not action.startswith(self._head) or not action.endswith(self._tail):
            return False
        at = max(len(self._head), self._least)
        for shared, piece in self._middle:
            found = action.find(piece, at - shared)
            if found < 0:
                return False
            at = found + len(piece)
        return at - self._spare <= len(action) - len(self._tail)


class PatternSet:
    """Patterns asked together."""

    __slots__ = ("_exact", "_open")

    def __init__(self, texts: Iterable[str]) -> None:
        patterns = [pattern(text) for text in texts]
        self._exact = {each.exact: each.text for each in reversed(patterns) if each.exact is not None}
        self._open = tuple(each for each in patterns if each.exact is None)

    def find(self, action: str) -> str | None:
        """A pattern, as written, that covers the action given by its key; None if there is none."""
        if (text := self._exact.get(action)) is not None:
            return text
        for each in self._open:
            if each.matches(action):
                return each.text
        return None


@lru_cache(maxsize=8192)
def pattern(text: str) -> Pattern:
    """The compiled pattern, one object per text."""
    return Pattern(text)

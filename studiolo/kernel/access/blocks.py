"""Permission blocks, compiled, with the answers they gave."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from studiolo.kernel.access.ask import Plane
from studiolo.kernel.access.conditions import Condition, read_condition
from studiolo.kernel.access.grants import Permission
from studiolo.kernel.access.patterns import PatternSet

_MOST_ACTIONS = 1024


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

    __slots__ = ("_control", "_data", "_not_control", "_not_data", "condition")

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
            if len(self._covering) >= _MOST_ACTIONS:
                self._covering.clear()
            self._covering[question] = found
        return found


@lru_cache(maxsize=4096)
def blocks_of(permissions: tuple[Permission, ...]) -> Blocks:
    """The compiled blocks, one object per list of permissions while it is remembered."""
    return Blocks(permissions)


def condition_of(text: str | None, version: str | None) -> Condition | None:
    """The condition of a row; None where the row has none."""
    return None if text is None else read_condition(text, version)

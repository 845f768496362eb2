"""What an expression is once it is parsed. `at` counts characters from the opening bracket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Literal:
    """A text or a whole number."""

    value: str | int
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function; `name` is as written, `space` is the namespace of a user's function."""

    name: str
    arguments: tuple[Node, ...]
    at: int
    space: str = ""

    @property
    def key(self) -> str:
        """The name that compares."""
        return f"{self.space}.{self.name}".lower() if self.space else self.name.lower()


@dataclass(frozen=True, slots=True)
class Member:
    """`target.name`."""

    target: Node
    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Item:
    """`target[index]`."""

    target: Node
    index: Node
    at: int


Node: TypeAlias = Literal | Call | Member | Item


def calls(node: Node) -> list[Call]:
    """All calls in an expression, outer ones first."""
    found: list[Call] = []
    rest: list[Node] = [node]
    while rest:
        one = rest.pop()
        if isinstance(one, Call):
            found.append(one)
            rest.extend(reversed(one.arguments))
        elif isinstance(one, Member):
            rest.append(one.target)
        elif isinstance(one, Item):
            rest.extend((one.index, one.target))
    return found

"""The syntax tree of a condition. `text` is the piece of the condition that a leaf was read from."""

from __future__ import annotations

from typing import Literal as OneOf
from typing import TypeAlias

import msgspec

Source: TypeAlias = OneOf["request", "resource", "principal", "environment"]
Quantifier: TypeAlias = OneOf["anyany", "allany", "anyall", "allall"]


class Attribute(msgspec.Struct, frozen=True):
    """`@Source[path:key<$key_case_sensitive$>]`.

    `form` is `plain` (names compare without case), `exact` (the key compares with case) or `keys` (the list of keys).
    """

    source: Source
    path: str
    key: str | None
    form: OneOf["plain", "exact", "keys"]
    text: str


class Literal(msgspec.Struct, frozen=True):
    """A value written in the condition. `raw` is a text with its escapes, which patterns need."""

    kind: OneOf["text", "integer", "boolean", "guid"]
    value: str | int | bool
    raw: str


class LiteralSet(msgspec.Struct, frozen=True):
    """`{'red', 'blue'}`."""

    items: tuple[Literal, ...]


Operand: TypeAlias = Attribute | Literal | LiteralSet


class Comparison(msgspec.Struct, frozen=True):
    """`left quantifier:operator right`; the operator's name is in small letters."""

    left: Operand
    quantifier: Quantifier | None
    operator: str
    right: Operand
    text: str


class Presence(msgspec.Struct, frozen=True):
    """`Exists @…` (`wanted` is True) or `NotExists @…`."""

    attribute: Attribute
    wanted: bool
    text: str


class ActionMatch(msgspec.Struct, frozen=True):
    """`ActionMatches{'…'}`."""

    pattern: str
    text: str


class SubOperationMatch(msgspec.Struct, frozen=True):
    """`SubOperationMatches{'…'}`."""

    pattern: str
    text: str


class Negation(msgspec.Struct, frozen=True):
    """`NOT part`."""

    part: Node


class Conjunction(msgspec.Struct, frozen=True):
    """`part AND part …`."""

    parts: tuple[Node, ...]


class Disjunction(msgspec.Struct, frozen=True):
    """`part OR part …`."""

    parts: tuple[Node, ...]


Leaf: TypeAlias = Comparison | Presence | ActionMatch | SubOperationMatch
Node: TypeAlias = Leaf | Negation | Conjunction | Disjunction

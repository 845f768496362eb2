"""From the text of an expression to its tree.

    expression = primary, { "." name | "[" expression "]" }
    primary    = text | number | name, [ "." name ], "(", [ expression, { "," expression } ], ")"

A text stands in single quotes; a quote inside it is doubled. The grammar is that of the published template syntax.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple, NoReturn

from studiolo.rooms.templates.domain import bounds
from studiolo.rooms.templates.domain.expressions.tree import Call, Item, Literal, Member, Node
from studiolo.rooms.templates.domain.values import Misuse

_TOKEN = re.compile(
    r"(?P<text>'(?:[^']|'')*')|(?P<number>-?[0-9]+)(?![A-Za-z_0-9.])|(?P<name>[A-Za-z_$][A-Za-z0-9_$]*)|(?P<sign>[()\[\],.])"
)
_BLANK = re.compile(r"[ \t\r\n]*")
_BIGGEST = 2**63 - 1
# Short texts are those that come again and again; long ones would let a caller fill the memory.
_REMEMBERED_CHARACTERS = 400


class _Token(NamedTuple):
    kind: str  # text, number, name, sign or end
    text: str
    at: int


def expression_in(text: str) -> str | None:
    """What stands between the brackets, if the string is an expression; None for a plain string."""
    if len(text) < 2 or text[0] != "[" or text[-1] != "]" or text[1] == "[":
        return None
    return text[1:-1]


def literal_in(text: str) -> str:
    """A plain string's value: `[[x]` stands for `[x]`; a string that does not end in a bracket is as it is."""
    return text[1:] if text.startswith("[[") and text.endswith("]") else text


def parse(text: str) -> Node:
    """Read what stands between the brackets.

    Raises:
        Misuse: it is no expression; the message says what was expected and where.
    """
    if len(text) <= _REMEMBERED_CHARACTERS:
        return _remembered(text)
    if len(text) > bounds.EXPRESSION_CHARACTERS:
        raise Misuse(f"an expression has {len(text)} characters; at most {bounds.EXPRESSION_CHARACTERS} are allowed.")
    return _Parser(text).whole()


@lru_cache(maxsize=4096)
def _remembered(text: str) -> Node:
    return _Parser(text).whole()


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while True:
        blank = _BLANK.match(text, at)
        at = blank.end() if blank else at
        if at == len(text):
            found.append(_Token("end", "", at + 1))
            return found
        match = _TOKEN.match(text, at)
        if match is None:
            hint = "a text is not closed" if text[at] == "'" else f"the character {text[at]!r} is not expected"
            raise Misuse(f"{hint} at position {at + 1} of the expression.")
        found.append(_Token(match.lastgroup or "", match.group(), at + 1))
        at = match.end()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = 0
        self._level = 0

    def whole(self) -> Node:
        node = self._expression()
        if self._peek().kind != "end":
            self._unexpected("the end of the expression")
        return node

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _is(self, sign: str) -> bool:
        token = self._peek()
        return token.kind == "sign" and token.text == sign

    def _expect(self, sign: str) -> None:
        if not self._is(sign):
            self._unexpected(f"'{sign}'")
        self._take()

    def _name(self) -> str:
        if self._peek().kind != "name":
            self._unexpected("a name")
        return self._take().text

    def _unexpected(self, wanted: str) -> NoReturn:
        token = self._peek()
        found = "the expression ends" if token.kind == "end" else f"'{token.text[:50]}' was found"
        raise Misuse(f"{wanted} is expected at position {token.at} of the expression, but {found}.")

    def _expression(self) -> Node:
        self._level += 1
        if self._level > bounds.EXPRESSION_LEVELS:
            raise Misuse(f"calls and brackets are nested more than {bounds.EXPRESSION_LEVELS} levels deep.")
        node = self._primary()
        links = 0
        while self._is(".") or self._is("["):
            links += 1
            if links > bounds.EXPRESSION_LEVELS:
                raise Misuse(f"more than {bounds.EXPRESSION_LEVELS} members are strung together.")
            token = self._take()
            if token.text == ".":
                node = Member(node, self._name(), token.at)
            else:
                node = Item(node, self._expression(), token.at)
                self._expect("]")
        self._level -= 1
        return node

    def _primary(self) -> Node:
        token = self._peek()
        if token.kind == "text":
            self._take()
            return Literal(token.text[1:-1].replace("''", "'"), token.at)
        if token.kind == "number":
            self._take()
            return Literal(_whole_number(token), token.at)
        if token.kind != "name":
            self._unexpected("a function, a text or a number")
        return self._call()

    def _call(self) -> Node:
        first = self._take()
        space, name = "", first.text
        if self._is("."):
            self._take()
            space, name = name, self._name()
        self._expect("(")
        arguments: list[Node] = []
        while not self._is(")"):
            if arguments:
                self._expect(",")
            arguments.append(self._expression())
        self._take()
        return Call(name, tuple(arguments), first.at, space)


def _whole_number(token: _Token) -> int:
    if len(token.text) > 20 or abs(value := int(token.text)) > _BIGGEST:
        raise Misuse(f"the number at position {token.at} of the expression does not fit into 64 bits.")
    return int(token.text) if value else 0

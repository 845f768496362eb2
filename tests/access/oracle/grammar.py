"""Section 5, the grammar of conditions: text in, a tree out, or `UnreadableError`."""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.access.oracle.text import OPERATORS

LONGEST, DEEPEST = 8192, 64
TOKEN = re.compile(
    r"""
      (?P<blank>[ \t\r\n]+)
    | (?P<string>'(?:\\['*?]|[^'\\"\x00-\x1f\x7f-\x9f]|\\(?!['*?]))*')
    | (?P<attribute>@[ \t\r\n]*[A-Za-z]+[ \t\r\n]*\[[^\]]*\])
    | (?P<guid>(?:[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9A-Fa-f]{32})(?![0-9A-Za-z_-]))
    | (?P<integer>-?[0-9]+(?![0-9A-Za-z_-]))
    | (?P<word>[A-Za-z]+)
    | (?P<symbol>&&|\|\||[!(){},:])
    """,
    re.VERBOSE,
)
NAME = re.compile(
    r"(?P<path>[A-Za-z0-9._/-]+)(?::(?P<key>[^\[\]<>&\x00-\x1f]+))?(?P<suffix><\$key_case_sensitive\$>|&\$keys\$&)?",
)
ATTRIBUTE = re.compile(r"@\s*(?P<source>[A-Za-z]+)\s*\[(?P<name>[^\]]*)\]")
SOURCES = {"request": "Request", "resource": "Resource", "principal": "Principal", "environment": "Environment"}
QUANTIFIERS = frozenset({"foranyofanyvalues", "forallofanyvalues", "foranyofallvalues", "forallofallvalues"})
QUANTIFIABLE = ("string", "numeric", "guid")
JOINS = {"and": "and", "&&": "and", "or": "or", "||": "or"}


class UnreadableError(ValueError):
    """The text is no condition of version 2.0."""


@dataclass(frozen=True)
class Joined:
    """Terms joined by AND or by OR."""

    how: str
    terms: tuple["Tree", ...]


@dataclass(frozen=True)
class Negated:
    """NOT."""

    term: "Tree"


@dataclass(frozen=True)
class Asked:
    """ActionMatches or SubOperationMatches."""

    what: str
    pattern: str


@dataclass(frozen=True)
class Attribute:
    """A named value of one of the four sources."""

    source: str
    path: str
    key: str | None = None
    suffix: str | None = None


@dataclass(frozen=True)
class Present:
    """Exists or NotExists."""

    attribute: Attribute
    wanted: bool


@dataclass(frozen=True)
class Literal:
    """A written value; `kind` is string, integer, boolean or guid, and a string keeps its escapes."""

    kind: str
    text: str


@dataclass(frozen=True)
class Compared:
    """Two operands, an operator and perhaps a quantifier."""

    left: "Operand"
    quantifier: str | None
    operator: str
    right: "Operand"


Operand = Attribute | Literal | tuple[Literal, ...]
Tree = Joined | Negated | Asked | Present | Compared
Token = tuple[str, str]


@functools.lru_cache(1000)
def parse(text: str) -> Tree:
    """Read a whole condition."""
    if len(text.encode("utf-8", "surrogatepass")) > LONGEST:
        raise UnreadableError("longer than 8192 bytes")
    reader = _Reader(_tokens(text))
    tree = reader.expression(0)
    if reader.here[0] != "end":
        raise UnreadableError(f"{reader.here[1]!r} is left over")
    return tree


def check_writable(tree: Tree) -> None:
    """Raise `UnreadableError` for what is read where it is stored (and is Unknown), but refused where it is written."""
    if isinstance(tree, Joined):
        for term in tree.terms:
            check_writable(term)
    if isinstance(tree, Negated):
        check_writable(tree.term)
    if isinstance(tree, Compared):
        if tree.quantifier is None and (isinstance(tree.left, tuple) or isinstance(tree.right, tuple)):
            raise UnreadableError("a set without a quantifier")
        if tree.quantifier is not None and not tree.operator.startswith(QUANTIFIABLE):
            raise UnreadableError("quantifiers are for strings, numbers and GUIDs")


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    place = 0
    while place < len(text):
        token = TOKEN.match(text, place)
        if token is None or token.lastgroup is None:
            raise UnreadableError(f"nothing begins with {text[place]!r}")
        place = token.end()
        if token.lastgroup != "blank":
            found.append((token.lastgroup, token.group()))
    return [*found, ("end", "")]


class _Reader:
    """One method per rule of the grammar."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens

    @property
    def here(self) -> Token:
        return self.tokens[0]

    @property
    def word(self) -> str:
        """The token as keywords are compared: without regard to case."""
        return self.here[1].lower() if self.here[0] in {"word", "symbol"} else ""

    def take(self) -> Token:
        return self.tokens.pop(0)

    def expect(self, symbol: str) -> None:
        if self.take() != ("symbol", symbol):
            raise UnreadableError(f"{symbol} is missing")

    def expression(self, depth: int) -> Tree:
        terms = [self.unary(depth)]
        joins: set[str] = set()
        while self.word in JOINS:
            joins.add(JOINS[self.word])
            self.take()
            terms.append(self.unary(depth))
        if len(joins) > 1:
            raise UnreadableError("AND and OR on one level")
        return Joined(joins.pop(), tuple(terms)) if joins else terms[0]

    def unary(self, depth: int) -> Tree:
        if self.word in {"not", "!"}:
            self.take()
            return Negated(self.unary(depth))
        return self.atom(depth)

    def atom(self, depth: int) -> Tree:
        if self.word == "(":
            if depth == DEEPEST:
                raise UnreadableError("nested deeper than 64")
            self.take()
            inner = self.expression(depth + 1)
            self.expect(")")
            return inner
        if self.word in {"actionmatches", "suboperationmatches"}:
            what = self.word
            self.take()
            self.expect("{")
            kind, pattern = self.take()
            if kind != "string":
                raise UnreadableError("a pattern is a string")
            self.expect("}")
            return Asked(what, pattern[1:-1])
        if self.word in {"exists", "notexists"}:
            wanted = self.word == "exists"
            self.take()
            return Present(self.attribute(), wanted)
        return self.comparison()

    def comparison(self) -> Tree:
        left = self.operand()
        quantifier = None
        if self.word in QUANTIFIERS:
            quantifier = self.word
            self.take()
            self.expect(":")
        operator = self.word
        self.take()
        if operator not in OPERATORS:
            raise UnreadableError(f"no operator is called {operator!r}")
        right = self.operand()
        return Compared(left, quantifier, operator, right)

    def operand(self) -> Operand:
        if self.here[0] == "attribute":
            return self.attribute()
        if self.word != "{":
            return self.literal()
        self.take()
        return tuple(self.items())

    def items(self) -> Iterator[Literal]:
        yield self.literal()
        while self.word == ",":
            self.take()
            yield self.literal()
        self.expect("}")

    def literal(self) -> Literal:
        kind, text = self.take()
        if kind == "string":
            return Literal(kind, text[1:-1])
        if kind in {"integer", "guid"}:
            return Literal(kind, text)
        if kind == "word" and text.lower() in {"true", "false"}:
            return Literal("boolean", text.lower())
        raise UnreadableError(f"{text!r} is no value")

    def attribute(self) -> Attribute:
        kind, text = self.take()
        parts = ATTRIBUTE.fullmatch(text) if kind == "attribute" else None
        if parts is None or parts["source"].lower() not in SOURCES:
            raise UnreadableError(f"{text!r} is no attribute")
        name = NAME.fullmatch(parts["name"])
        if name is None:
            raise UnreadableError(f"{parts['name']!r} is no attribute's name")
        return Attribute(SOURCES[parts["source"].lower()], name["path"], name["key"], name["suffix"])

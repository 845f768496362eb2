"""From tokens to the syntax tree, by recursive descent.

condition = expr                                              at most 8192 bytes, nesting at most 64
expr      = unary { AND unary } | unary { OR unary }          no mixing on one level
unary     = { NOT } atom
atom      = "(" expr ")" | ActionMatches{'…'} | SubOperationMatches{'…'}
          | ( Exists | NotExists ) attribute | operand [ quantifier ":" ] operator operand
"""

from __future__ import annotations

from studiolo.kernel.access.conditions.lexer import LONGEST_BYTES, Token, tokens, unreadable
from studiolo.kernel.access.conditions.operators import OPERATORS
from studiolo.kernel.access.conditions.syntax import (
    ActionMatch,
    Attribute,
    Comparison,
    Conjunction,
    Disjunction,
    Literal,
    LiteralSet,
    Negation,
    Node,
    Operand,
    Presence,
    Quantifier,
    SubOperationMatch,
)

DEEPEST = 64

_JOINS = {"and": "AND", "&&": "AND", "or": "OR", "||": "OR"}
_NOTS = ("not", "!")
_QUANTIFIERS: dict[str, Quantifier] = {
    "foranyofanyvalues": "anyany",
    "forallofanyvalues": "allany",
    "foranyofallvalues": "anyall",
    "forallofallvalues": "allall",
}


def parse(text: str) -> Node:
    """The tree of a condition.

    Raises:
        Invalid: the text is empty, too long, too deep, mixes AND with OR on one level or breaks the grammar elsewhere
            (code `InvalidCondition`).
    """
    if not text.strip():
        raise unreadable("it is empty", 0)
    if len(text.encode("utf-8", "surrogatepass")) > LONGEST_BYTES:
        raise unreadable(f"it is longer than {LONGEST_BYTES} bytes", 0)
    return _Parser(text).condition()


class _Parser:
    __slots__ = ("_at", "_depth", "_text", "_tokens")

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(tokens(text))
        self._at = 0
        self._depth = 0

    def condition(self) -> Node:
        node = self._expression()
        if self._peek().kind != "end":
            raise self._unexpected("the end of the condition, AND or OR")
        return node

    def _expression(self) -> Node:
        parts = [self._unary()]
        join: str | None = None
        while (found := _JOINS.get(self._peek().word)) is not None:
            if join not in (None, found):
                raise unreadable("AND and OR on one level are ambiguous; set parentheses", self._peek().start)
            join = found
            self._take()
            parts.append(self._unary())
        if join is None:
            return parts[0]
        return Conjunction(tuple(parts)) if join == "AND" else Disjunction(tuple(parts))

    def _unary(self) -> Node:
        is_negated = False
        while self._peek().word in _NOTS:
            self._take()
            is_negated = not is_negated
        node = self._atom()
        return Negation(node) if is_negated else node

    def _atom(self) -> Node:
        token = self._peek()
        if token.word == "(":
            return self._group()
        if token.word == "actionmatches":
            pattern, text = self._braced_pattern()
            return ActionMatch(pattern, text)
        if token.word == "suboperationmatches":
            pattern, text = self._braced_pattern()
            return SubOperationMatch(pattern, text)
        if token.word in ("exists", "notexists"):
            return self._presence()
        return self._comparison()

    def _group(self) -> Node:
        opening = self._take()
        self._depth += 1
        if self._depth > DEEPEST:
            raise unreadable(f"parentheses are nested deeper than {DEEPEST}", opening.start)
        node = self._expression()
        self._expect(")")
        self._depth -= 1
        return node

    def _braced_pattern(self) -> tuple[str, str]:
        opening = self._take()
        self._expect("{")
        token = self._take()
        if not isinstance(token.value, Literal) or token.value.kind != "text":
            raise unreadable("a pattern is one string in braces", token.start)
        if "\\" in token.value.raw:
            raise unreadable("a pattern has no escapes", token.start)
        closing = self._expect("}")
        return token.value.raw, self._text[opening.start : closing.end]

    def _presence(self) -> Node:
        keyword = self._take()
        token = self._take()
        if not isinstance(token.value, Attribute):
            raise unreadable("an attribute must follow Exists or NotExists", token.start)
        return Presence(token.value, keyword.word == "exists", self._text[keyword.start : token.end])

    def _comparison(self) -> Node:
        start = self._peek().start
        left = self._operand()
        quantifier = _QUANTIFIERS.get(self._peek().word)
        if quantifier is not None:
            self._take()
            self._expect(":")
        operator = self._peek()
        if operator.word not in OPERATORS:
            raise self._unexpected("an operator of the language 2.0, such as StringEquals")
        self._take()
        right = self._operand()
        return Comparison(left, quantifier, operator.word, right, self._text[start : self._tokens[self._at - 1].end])

    def _operand(self) -> Operand:
        token = self._peek()
        if token.word == "{":
            return self._set()
        if token.value is None:
            raise self._unexpected("an attribute, a value or a set")
        self._take()
        return token.value

    def _set(self) -> LiteralSet:
        self._take()
        items = [self._literal()]
        while self._peek().word == ",":
            self._take()
            items.append(self._literal())
        self._expect("}")
        return LiteralSet(tuple(items))

    def _literal(self) -> Literal:
        token = self._peek()
        if not isinstance(token.value, Literal):
            raise self._unexpected("a value")
        self._take()
        return token.value

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        if token.kind == "end":
            raise self._unexpected("more")
        self._at += 1
        return token

    def _expect(self, sign: str) -> Token:
        if self._peek().word != sign:
            raise self._unexpected(f"'{sign}'")
        return self._take()

    def _unexpected(self, wanted: str) -> Exception:
        token = self._peek()
        found = "the condition ends" if token.kind == "end" else f"{self._text[token.start : token.end][:60]!a} stands"
        return unreadable(f"{found} where {wanted} should be", token.start)

"""From the text of a condition to its tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal as OneOf
from typing import TypeAlias

import msgspec

from studiolo.kernel.access.conditions.syntax import Attribute, Literal, Source
from studiolo.kernel.faults import Invalid

LONGEST_BYTES = 8192

Kind: TypeAlias = OneOf["word", "literal", "attribute", "sign", "end"]

_BLANKS = re.compile(r"[ \t\r\n]*")
_GUID = re.compile(r"(?:[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9A-Fa-f]{32})(?![0-9A-Za-z-])")
_INTEGER = re.compile(r"-?[0-9]+(?![0-9A-Za-z.])")
_WORD = re.compile(r"[A-Za-z]+")
_SIGN = re.compile(r"&&|\|\||[(){},:!]")
_STRING = re.compile(r"'((?:\\'|\\(?!')|[^'\\])*)'")
_ATTRIBUTE = re.compile(r"@[ \t\r\n]*([A-Za-z]+)[ \t\r\n]*\[([^\[\]]*)\]")
_NAME = re.compile(r"([^:<>&'\"]+)(?::([^<>&'\"]+))?(<\$key_case_sensitive\$>|&\$keys\$&)?", re.IGNORECASE | re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ESCAPE = re.compile(r"\\(['*?])")

_SOURCES: dict[str, Source] = {"request": "request", "resource": "resource", "principal": "principal", "environment": "environment"}
_TRUTHS = {"true": True, "false": False}


class Token(msgspec.Struct, frozen=True):
    """One token; `word` and `sign` carry their text in small letters, `start` and `end` lie in the condition's text."""

    kind: Kind
    word: str
    value: Literal | Attribute | None
    start: int
    end: int


def unreadable(message: str, at: int) -> Invalid:
    """The fault for a condition that does not follow the grammar; `at` counts characters from 0."""
    return Invalid(f"The condition cannot be read at character {at + 1}: {message}.", code="InvalidCondition", target="condition")


def tokens(text: str) -> Iterator[Token]:
    """Every token of the text, an `end` token last.

    Raises:
        Invalid: a character, string, number or attribute name breaks the grammar (code `InvalidCondition`).
    """
    at = _skip(text, 0)
    while at < len(text):
        token = _next(text, at)
        yield token
        at = _skip(text, token.end)
    yield Token("end", "", None, len(text), len(text))


def _skip(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def _next(text: str, at: int) -> Token:
    start = text[at]
    if start == "'":
        return _string(text, at)
    if start == "@":
        return _attribute(text, at)
    if start == '"':
        raise unreadable("strings stand in single quotes", at)
    if found := _GUID.match(text, at):
        return Token("literal", "", Literal("guid", found.group(), found.group()), at, found.end())
    if found := _INTEGER.match(text, at):
        return Token("literal", "", Literal("integer", _integer(found.group(), at), found.group()), at, found.end())
    if found := _WORD.match(text, at):
        word = found.group().lower()
        if word in _TRUTHS:
            return Token("literal", "", Literal("boolean", _TRUTHS[word], found.group()), at, found.end())
        return Token("word", word, None, at, found.end())
    if found := _SIGN.match(text, at):
        return Token("sign", found.group(), None, at, found.end())
    raise unreadable(f"{start!a} has no meaning here", at)


def _integer(digits: str, at: int) -> int:
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
        raise unreadable("the number does not fit into 64 bits", at)
    return int(digits)


def _string(text: str, at: int) -> Token:
    found = _STRING.match(text, at)
    if found is None:
        raise unreadable("the string that begins here has no closing quote", at)
    raw = found.group(1)
    if _CONTROL.search(raw) or '"' in raw:
        raise unreadable("a string cannot hold control characters or double quotes", at)
    return Token("literal", "", Literal("text", _ESCAPE.sub(r"\1", raw), raw), at, found.end())


def _attribute(text: str, at: int) -> Token:
    found = _ATTRIBUTE.match(text, at)
    if found is None:
        raise unreadable("an attribute is written @Source[name]", at)
    source = _SOURCES.get(found.group(1).lower())
    if source is None:
        raise unreadable("attributes come from @Request, @Resource, @Principal or @Environment", at)
    name = _NAME.fullmatch(found.group(2).strip())
    if name is None or _CONTROL.search(found.group(2)):
        raise unreadable(f"{found.group(2)[:100]!a} is not an attribute name", at)
    path, key, suffix = name.group(1).strip(), name.group(2), name.group(3)
    if suffix and (suffix.startswith("<") is (key is None)):
        raise unreadable("<$key_case_sensitive$> needs a key before it, &$keys$& cannot have one", at)
    form = "plain" if not suffix else "exact" if suffix.startswith("<") else "keys"
    return Token("attribute", "", Attribute(source, path, key.strip() if key else None, form, text[at : found.end()]), at, found.end())

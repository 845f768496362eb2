"""String functions, as published: comparisons of places are without case, `contains` and `replace` are with it."""

from __future__ import annotations

from urllib.parse import quote, unquote, urljoin

from studiolo.rooms.templates.domain.bounds import VALUE_CHARACTERS
from studiolo.rooms.templates.domain.functions.arguments import Arguments, Function, table
from studiolo.rooms.templates.domain.functions.spelling import compose, to_text
from studiolo.rooms.templates.domain.values import Json, Misuse


def _text_of(args: Arguments) -> Json:
    return to_text(args[0])


def _format(args: Arguments) -> Json:
    return compose(args.text(0), list(args)[1:])


def _pad_left(args: Arguments) -> Json:
    width, sign = args.number(1), args.text_or(2, " ")
    if len(sign) != 1:
        raise Misuse("argument 3 must be one character.")
    if not 0 <= width <= VALUE_CHARACTERS:
        raise Misuse(f"argument 2 must lie between 0 and {VALUE_CHARACTERS}.")
    value = args[0]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Misuse("argument 1 must be a string or a whole number.")
    return str(value).rjust(width, sign)


def _replace(args: Arguments) -> Json:
    text, old, new = args.texts()
    if not old:
        raise Misuse("argument 2 must not be empty.")
    if len(text) + text.count(old) * (len(new) - len(old)) > VALUE_CHARACTERS:
        raise Misuse(f"the text would have more than {VALUE_CHARACTERS} characters.")
    return text.replace(old, new)


def _split(args: Arguments) -> Json:
    wanted = args[1]
    marks = [wanted] if isinstance(wanted, str) else args.array(1)
    parts = [args.text(0)]
    for mark in marks:
        if not isinstance(mark, str) or not mark:
            raise Misuse("argument 2 must be a string or an array of strings, none of them empty.")
        parts = [piece for part in parts for piece in part.split(mark)]
    return list[Json](parts)


def _substring(args: Arguments) -> Json:
    text, start = args.text(0), args.number(1)
    length = args.number_or(2, len(text) - start)
    if start < 0 or length < 0 or start + length > len(text):
        raise Misuse(f"the part from {start} with {length} characters does not lie within the text, which has {len(text)}.")
    return text[start : start + length]


def _join(args: Arguments) -> Json:
    parts = [to_text(part) for part in args.array(0)]
    mark = args.text(1)
    if sum(map(len, parts)) + len(mark) * len(parts) > VALUE_CHARACTERS:
        raise Misuse(f"the text would have more than {VALUE_CHARACTERS} characters.")
    return mark.join(parts)


def _uri(args: Arguments) -> Json:
    try:
        return urljoin(args.text(0), args.text(1))
    except ValueError as error:
        raise Misuse(f"the parts do not make a URI: {error}.") from None


def _uri_component(args: Arguments) -> Json:
    return quote(args.text(0).encode("utf-8", "surrogatepass"), safe="")


STRINGS = table(
    Function("string", 1, 1, _text_of),
    Function("format", 1, None, _format, effort=16),
    Function("toLower", 1, 1, lambda args: args.text(0).lower()),
    Function("toUpper", 1, 1, lambda args: args.text(0).upper()),
    Function("trim", 1, 1, lambda args: args.text(0).strip()),
    Function("padLeft", 2, 3, _pad_left),
    Function("replace", 3, 3, _replace),
    Function("split", 2, 2, _split),
    Function("join", 2, 2, _join),
    Function("substring", 2, 3, _substring),
    Function("startsWith", 2, 2, lambda args: args.text(0).casefold().startswith(args.text(1).casefold())),
    Function("endsWith", 2, 2, lambda args: args.text(0).casefold().endswith(args.text(1).casefold())),
    Function("uri", 2, 2, _uri),
    Function("uriComponent", 1, 1, _uri_component, effort=4),
    Function("uriComponentToString", 1, 1, lambda args: unquote(args.text(0)), effort=4),
)

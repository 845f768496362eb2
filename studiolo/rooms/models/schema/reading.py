"""Request bodies of the OpenAI protocol: typed, of known members only, with that protocol's own complaints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from studiolo.kernel.faults import Fault, Invalid, NotOffered

S = TypeVar("S", bound=msgspec.Struct)

_WHERE: Final = re.compile(r"(?P<what>.*?)(?: - at `(?P<where>.*)`)?", re.DOTALL)
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<name>.*)`")
_MISSING: Final = re.compile(r"Object missing required field `(?P<name>.*)`")

NULL: Final = frozenset({b"", b"null"})


def decoder(kind: type[S]) -> msgspec.json.Decoder[S]:
    """A decoder to be made once."""
    return msgspec.json.Decoder(kind)


def read(raw: bytes, using: msgspec.json.Decoder[S]) -> S:
    """The body as a struct.

    Raises:
        Invalid: no JSON, an unknown or a missing argument, a wrong type or a value out of range.
    """
    try:
        return using.decode(raw)
    except msgspec.ValidationError as error:
        raise _complaint(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"We could not parse the JSON body of your request: {str(error).rstrip('.')}.", code="invalid_json") from None


def read_any(raw: bytes | msgspec.Raw) -> Any:
    """An argument whose type is looked at later.

    Raises:
        Invalid: it holds what only looked like JSON while it was passed over, such as a number out of range.
    """
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"We could not parse the JSON body of your request: {str(error).rstrip('.')}.", code="invalid_json") from None


def refuse_not_offered(body: msgspec.Struct, neutral: Mapping[str, frozenset[bytes]], why: Mapping[str, str]) -> None:
    """Raise NotOffered if an argument that does nothing here has a value that asks for something."""
    for name, harmless in neutral.items():
        value: msgspec.Raw = getattr(body, name)
        if bytes(value) not in harmless:
            raise not_offered(name, why.get(name, ""))


def not_offered(name: str, why: str = "") -> NotOffered:
    """The refusal of an argument that the protocol has and these models do not."""
    return NotOffered(
        f"'{name}' is not offered by the local models{': ' + why if why else ''}. Leave it out.", code="NotOffered", target=name
    )


def _complaint(text: str) -> Fault:
    match = _WHERE.fullmatch(text)
    what, where = (match["what"], match["where"] or "") if match else (text, "")
    place = where.removeprefix("$").removeprefix(".").replace("[...]", "[]")
    if found := _UNKNOWN.fullmatch(what):
        name = f"{place}.{found['name']}" if place else found["name"]
        return Invalid(f"Unrecognized request argument supplied: {name[:100]}", code="unknown_parameter", target=name[:100])
    if found := _MISSING.fullmatch(what):
        name = f"{place}.{found['name']}" if place else found["name"]
        return Invalid(f"Missing required parameter: '{name}'.", code="missing_required_parameter", target=name)
    is_value = what.startswith("Invalid") or any(mark in what for mark in ("<=", ">=", "<", ">", "length", "matching"))
    return Invalid(f"Invalid '{place or 'body'}': {what}.", code="invalid_value" if is_value else "invalid_type", target=place or None)

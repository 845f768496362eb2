"""The functions that look at nothing but their arguments, by family."""

from __future__ import annotations

from studiolo.rooms.templates.domain.functions.arguments import Arguments, Function
from studiolo.rooms.templates.domain.functions.containers import CONTAINERS
from studiolo.rooms.templates.domain.functions.dates import DATES, ISO_BASIC, read, write
from studiolo.rooms.templates.domain.functions.encodings import ENCODINGS, named_guid, unique_string
from studiolo.rooms.templates.domain.functions.logic import LOGIC
from studiolo.rooms.templates.domain.functions.numbers import NUMBERS
from studiolo.rooms.templates.domain.functions.spelling import order
from studiolo.rooms.templates.domain.functions.strings import STRINGS

PURE: dict[str, Function] = {**CONTAINERS, **DATES, **ENCODINGS, **LOGIC, **NUMBERS, **STRINGS}

__all__ = ["ISO_BASIC", "PURE", "Arguments", "Function", "named_guid", "order", "read", "unique_string", "write"]

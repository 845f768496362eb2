"""A request for tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from studiolo.rooms.authentication.domain import refusals
from studiolo.rooms.authentication.domain.tokens import Version


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: its fields, the version of tokens that its path means, the names that our endpoint has for its caller."""

    fields: Mapping[str, str]
    version: Version
    addresses: frozenset[str]

    def need(self, name: str) -> str:
        """A field that must be there. Raises Invalid without it."""
        found = self.fields.get(name)
        if not found:
            raise refusals.invalid_request(f"The request body must contain the following parameter: '{name}'.")
        return found

"""What the room needs from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from studiolo.kernel.resource import JsonObject


class Grantors(Protocol):
    """Who can give roles."""

    async def grantors(self, scope: str) -> Sequence[JsonObject]:
        """The principals whose roles let them write role assignments at a scope, each with the assignment that says so."""
        ...

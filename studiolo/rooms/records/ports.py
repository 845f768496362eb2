"""What the room needs from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from studiolo.kernel.resource import JsonObject


class Grantors(Protocol):
    """Who can give roles."""

    async def grantors(self, oid: str, action: str, scope: str) -> Sequence[JsonObject]:
        """The smallest roles that would let somebody do an action at a scope, each with those who may assign it to them."""
        ...

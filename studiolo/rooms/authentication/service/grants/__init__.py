"""Ways to a token, one file for each, and the one place where a request finds its way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from studiolo.rooms.authentication.domain import refusals
from studiolo.rooms.authentication.service.grants.asked import Asked
from studiolo.rooms.authentication.service.mint import Issued


class Grant(Protocol):
    """One way to a token."""

    name: ClassVar[str]
    """The value of `grant_type` that means it."""

    async def __call__(self, asked: Asked) -> Issued:
        """The tokens that a request asks for. Raises as `TokenService.grant` does."""
        ...


class TokenService:
    """The token endpoint: each `grant_type` to the grant that answers it."""

    def __init__(self, grants: Sequence[Grant]) -> None:
        self._grants = {grant.name: grant for grant in grants}

    @property
    def names(self) -> list[str]:
        """The values of `grant_type` that are answered."""
        return sorted(self._grants)

    async def grant(self, asked: Asked) -> Issued:
        """The tokens that a request of the endpoint asks for.

        Raises:
            Invalid, Unauthenticated: `domain.refusals` has the list; nothing was given out.
        """
        name = asked.fields.get("grant_type")
        if not name:
            raise refusals.invalid_request("The request body must contain the following parameter: 'grant_type'.")
        grant = self._grants.get(name)
        if grant is None:
            raise refusals.unsupported_grant(name)
        return await grant(asked)

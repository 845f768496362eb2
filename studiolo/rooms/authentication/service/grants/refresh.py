"""`refresh_token`: a consent goes on without its person (RFC 6749, section 6, with rotation)."""

from __future__ import annotations

from typing import ClassVar, Final

from studiolo.rooms.authentication.domain import refusals
from studiolo.rooms.authentication.domain.scopes import wanted_of
from studiolo.rooms.authentication.service.clients import Clients
from studiolo.rooms.authentication.service.consents import Consents
from studiolo.rooms.authentication.service.grants.asked import Asked
from studiolo.rooms.authentication.service.mint import Issued, Leave, Mint

NAME: Final = "refresh_token"


class Refresh:
    """The grant."""

    name: ClassVar[str] = NAME

    def __init__(self, clients: Clients, consents: Consents, mint: Mint) -> None:
        self._clients = clients
        self._consents = consents
        self._mint = mint

    async def __call__(self, asked: Asked) -> Issued:
        """Tokens of the consent that a refresh token continues. Raises as `TokenService.grant` does."""
        token = asked.need("refresh_token")
        proven = await self._clients.proven(asked.fields, asked.addresses)
        client = proven.client
        if not proven.is_proven and not client.is_public:
            raise refusals.missing_proof()
        again = wanted_of(asked.fields) if asked.fields.get("scope") or asked.fields.get("resource") else None
        if again is not None and again.resource:
            (await self._mint.target(again.resource)).chosen(again)  # a wish that cannot be met spends nothing
        kept, person, following = await self._consents.turn(token, proven)
        wanted = again if again is not None and again.resource else kept.wanted
        if not client.is_everybodys and not self._mint.is_same(wanted.resource, kept.resource):
            raise refusals.no_leave(client.name, wanted.resource)
        downstream = kept.downstream if self._mint.is_same(wanted.resource, kept.resource) else ()
        leave = Leave(person, proven, kept.sid, downstream)
        return await self._mint.for_person(leave, wanted, asked.version, kept.openid, refresh=following)

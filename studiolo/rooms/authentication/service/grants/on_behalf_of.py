"""On behalf of: a service that was called for a person calls the next one for that person (RFC 7523, as Entra does it)."""

from __future__ import annotations

from typing import ClassVar, Final

from studiolo.kernel.faults import Unauthenticated
from studiolo.rooms.authentication.domain import refusals
from studiolo.rooms.authentication.domain.scopes import ends_of, wanted_of
from studiolo.rooms.authentication.service.clients import Clients
from studiolo.rooms.authentication.service.consents import Consents
from studiolo.rooms.authentication.service.grants.asked import Asked
from studiolo.rooms.authentication.service.mint import Issued, Leave, Mint
from studiolo.rooms.authentication.service.reader import TokenReader

NAME: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_USE: Final = "on_behalf_of"


class OnBehalfOf:
    """The grant. The token that it gives is the person's: the engine judges the person, never the service between.

    It gives what the service's administrator listed and the person's consent names, so a longer list needs a new consent.
    """

    name: ClassVar[str] = NAME

    def __init__(self, clients: Clients, consents: Consents, reader: TokenReader, mint: Mint) -> None:
        self._clients = clients
        self._consents = consents
        self._reader = reader
        self._mint = mint

    def _is_hop(self, one: str, service: str, wanted: str) -> bool:
        by, resource = ends_of(one)
        return self._mint.is_same(by, service) and self._mint.is_same(resource, wanted)

    async def __call__(self, asked: Asked) -> Issued:
        """Tokens for the person whose token came with the call. Raises as `TokenService.grant` does."""
        if asked.need("requested_token_use") != _USE:
            raise refusals.invalid_request(f"'requested_token_use' must be {_USE}.")
        assertion = asked.need("assertion")
        proven = await self._clients.proven(asked.fields, asked.addresses)
        if not proven.is_proven:
            raise refusals.missing_proof()
        client = proven.client
        try:
            verified, person = await self._reader.verified(assertion)
        except Unauthenticated as fault:
            raise refusals.bad_assertion(fault.message.removesuffix(".")) from None
        if not verified.is_delegated:
            raise refusals.bad_assertion("it is an application's own token, and only a person can be acted for")
        if not self._mint.is_same(verified.audience, client.id) or not verified.scopes & client.offers:
            raise refusals.bad_assertion(f"it is for '{verified.audience}', not for the application that shows it")
        wanted = wanted_of(asked.fields)
        (await self._mint.target(wanted.resource)).chosen(wanted)
        if not any(self._mint.is_same(wanted.resource, each) for each in client.delegates):
            raise refusals.no_leave(client.name, wanted.resource)
        if not any(self._is_hop(each, client.id, wanted.resource) for each in verified.downstream):
            raise refusals.no_consent(client.name, wanted.resource)
        leave = Leave(person, proven, verified.consent, verified.downstream)
        refresh = ""
        if "offline_access" in wanted.openid:
            refresh, write = await self._consents.begin(leave, wanted)
            await self._consents.store.commit(write)
        return await self._mint.for_person(leave, wanted, asked.version, wanted.openid, refresh=refresh)

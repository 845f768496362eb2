"""`client_credentials`: an application that proves itself gets a token for itself (RFC 6749, section 4.4)."""

from __future__ import annotations

from typing import ClassVar, Final

from studiolo.rooms.authentication.domain import refusals
from studiolo.rooms.authentication.domain.scopes import wanted_of
from studiolo.rooms.authentication.ports import Directory
from studiolo.rooms.authentication.service.clients import Clients
from studiolo.rooms.authentication.service.grants.asked import Asked
from studiolo.rooms.authentication.service.mint import Issued, Mint

NAME: Final = "client_credentials"


class ClientCredentials:
    """The grant."""

    name: ClassVar[str] = NAME

    def __init__(self, clients: Clients, directory: Directory, mint: Mint) -> None:
        self._clients = clients
        self._directory = directory
        self._mint = mint

    async def __call__(self, asked: Asked) -> Issued:
        """A token of the application's own. Raises as `TokenService.grant` does."""
        proven = await self._clients.proven(asked.fields, asked.addresses)
        acting = await self._directory.service_principal(proven.client.id)
        if acting is None:
            raise refusals.unknown_client(proven.client.id, self._mint.issuer.tenant)
        if not proven.is_proven:
            raise refusals.missing_secret()
        wanted = wanted_of(asked.fields)
        if not wanted.is_default:
            raise refusals.invalid_scope(asked.fields.get("scope", ""))
        target = await self._mint.target(wanted.resource)
        return await self._mint.for_application(proven, acting, target.audience, asked.version)

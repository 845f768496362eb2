"""Which application asks for tokens, and whether it proves to be it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from studiolo.kernel import clock
from studiolo.kernel.resource import JsonObject
from studiolo.rooms.authentication.domain import refusals
from studiolo.rooms.authentication.domain.clients import EVERYBODYS, Client, checked_client, client_of
from studiolo.rooms.authentication.ports import Directory, Secrets
from studiolo.rooms.authentication.service.assertions import ASSERTION, Assertions

_UNTIED: Final = frozenset({"client_assertion", "client_assertion_type", "client_info"})


@dataclass(frozen=True, slots=True)
class Proven:
    """A client, and how it proved itself: 0 not at all, 1 by a secret, 2 by a certificate."""

    client: Client
    proof: Literal["0", "1", "2"]

    @property
    def is_proven(self) -> bool:
        """Whether it showed a proof of its own."""
        return self.proof != "0"


class Clients:
    """Finds applications by client id and checks their proofs."""

    def __init__(self, directory: Directory, secrets: Secrets, assertions: Assertions, tenant: str) -> None:
        self._directory = directory
        self._secrets = secrets
        self._assertions = assertions
        self._tenant = tenant

    @staticmethod
    def is_everybodys(client_id: str) -> bool:
        """Whether a client id is that of a program which everybody has, so that nobody registers it."""
        return client_id.lower() in EVERYBODYS

    @staticmethod
    def checked(found: Mapping[str, Any]) -> JsonObject:
        """An application's sign-in properties, as they may be written. Raises as `domain.clients.checked_client` does."""
        return checked_client(found)

    async def find(self, client_id: str) -> Client | None:
        """The application with this client id, or the program that everybody has."""
        known = EVERYBODYS.get(client_id.lower())
        if known is not None:
            return known
        application = await self._directory.application(client_id)
        return client_of(application) if application is not None else None

    async def named(self, client_id: str) -> Client:
        """The same, of an application that may be used.

        Raises:
            Invalid: there is none, or it was switched off.
        """
        client = await self.find(client_id)
        if client is None:
            raise refusals.unknown_client(client_id, self._tenant)
        acting = None if client.is_everybodys else await self._directory.service_principal(client.id)
        if acting is not None and not acting.is_enabled:
            raise refusals.disabled_client(client_id)
        return client

    async def proven(self, asked: Mapping[str, str], addresses: Collection[str]) -> Proven:
        """The client that a request is from, with its proof looked at if it sends one.

        Args:
            asked: the request's fields.
            addresses: what an assertion may name as its audience: our token endpoint, as it is known to the caller.

        Raises:
            Invalid, Unauthenticated: there is no such client, or the proof is wrong.
        """
        client_id = asked.get("client_id")
        if not client_id:
            raise refusals.invalid_request("The request body must contain the following parameter: 'client_id'.")
        client = await self.find(client_id)
        if client is None:
            raise refusals.unknown_client(client_id, self._tenant)
        assertion, secret = asked.get("client_assertion"), asked.get("client_secret")
        if assertion and secret:
            raise refusals.invalid_request("The client proves itself twice: with a secret and with an assertion.")
        if (assertion or secret) and client.is_everybodys:
            raise refusals.public_proof(client_id)
        if assertion:
            if asked.get("client_assertion_type") != ASSERTION:
                raise refusals.invalid_request(f"'client_assertion_type' must be {ASSERTION}.")
            await self._assertions.check(client, assertion, addresses, _purpose(asked))
        elif secret:
            await self._check_secret(client, secret)
        await self.named(client_id)
        return Proven(client, "2" if assertion else "1" if secret else "0")

    async def _check_secret(self, client: Client, secret: str) -> None:
        match await self._secrets.check(client.id, client.since, secret, clock.now()):
            case "wrong":
                raise refusals.wrong_secret(client.id)
            case "expired":
                raise refusals.expired_secret(client.id)
            case "good":
                pass


def _purpose(asked: Mapping[str, str]) -> str:
    """What tells one request from another, apart from the assertion itself."""
    fields = sorted(f"{name}={value}" for name, value in asked.items() if name not in _UNTIED)
    return hashlib.sha256("\n".join(fields).encode()).hexdigest()

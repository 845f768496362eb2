"""Signing out everywhere, at once: what was given out before this moment proves nothing any more."""

from __future__ import annotations

from typing import Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.documents import resource_of, row_of
from studiolo.kernel.faults import Conflict, NotFound, Stale
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.platform import Facets
from studiolo.kernel.principals import (
    USERS,
    Principal,
    principal_id,
    principal_of,
    service_principal_facets,
    signed_out,
    user_facets,
)
from studiolo.kernel.resource import PLATFORM, Caller, Invocation, JsonObject, Resource
from studiolo.kernel.store.port import Emit, PutResource, Store
from studiolo.rooms.authentication.service.consents import Consents
from studiolo.rooms.authentication.service.revocations import Revocations

_RACES: Final = 5


class SignOuts:
    """Takes back what people and applications were given."""

    def __init__(self, store: Store, consents: Consents, revocations: Revocations) -> None:
        self._store = store
        self._consents = consents
        self._revocations = revocations

    async def everywhere(self, oid: str, caller: Caller = PLATFORM) -> Principal:
        """End every session and token of a person; the person as of now.

        Raises:
            NotFound: there is no such person.
        """
        event = Emit("", f"{USERS}/revokeSignInSessions/action", "Succeeded", principal_id(USERS, oid).key, caller.oid, b"{}")
        person = await self._void(principal_id(USERS, oid), user_facets, event)
        await self._consents.forget(oid)
        return person

    async def _void(self, id_: ResourceId, facets: Facets, event: Emit | None) -> Principal:
        """Make everything void that a principal was given before now; the principal as of now. Raises as `everywhere` does."""
        for _ in range(_RACES):
            row = await self._store.find(id_.key)
            if row is None:
                raise NotFound(f"There is no '{id_}'.")
            found, at = resource_of(row), clock.stamp(clock.now())
            changed = msgspec.structs.replace(found, private=signed_out(found.private, at), etag=clock.new_tag())
            told = [event._replace(at=at)] if event is not None else []
            try:
                await self._store.commit(PutResource(row_of(changed), expect=row.etag, facets=tuple(facets(changed))), *told)
            except Stale:
                continue
            return principal_of(changed)
        raise Conflict(f"'{id_}' was changed again and again meanwhile. Try again.")

    async def revoke_person(self, call: Invocation) -> JsonObject:
        """POST revokeSignInSessions on a user."""
        await self.everywhere(call.resource.name, call.caller)
        return {"value": True}

    async def revoke_principal(self, call: Invocation) -> JsonObject:
        """POST revokeTokens on a service principal: all its own tokens, also those of a managed identity."""
        await self._void(call.resource.id, service_principal_facets, None)
        return {"value": True}

    async def revoke_application(self, call: Invocation) -> JsonObject:
        """POST revokeTokens on an application: its own tokens, and those that it holds for people."""
        await self.of_application(call.resource)
        return {"value": True}

    async def of_application(self, application: Resource) -> None:
        """End every token of an application."""
        await self._store.commit(self._revocations.of_application(application.name))

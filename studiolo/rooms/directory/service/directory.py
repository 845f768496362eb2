"""The directory at work: who somebody is, identities for resources, and what a removed principal leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.documents import resource_of
from studiolo.kernel.faults import Conflict, Invalid, NotFound, Stale
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.platform import dropped, inserted, made, rewritten
from studiolo.kernel.principals import (
    APPLICATIONS,
    GROUPS,
    GUID,
    PRINCIPAL_TYPES,
    SERVICE_PRINCIPALS,
    Principal,
    by_address,
    by_application,
    by_member,
    by_name,
    group_facets,
    principal_id,
    principal_of,
    service_principal_facets,
)
from studiolo.kernel.resource import Resource, Step
from studiolo.kernel.store.port import ABSENT, DropEntry, Entry, PutEntry, Row, Store, Write
from studiolo.rooms.directory.ports import Holdings, People
from studiolo.rooms.directory.service.secrets import ClientSecrets

_IDENTITIES: Final = "iam.identities"
_BATCH = 200


@dataclass(frozen=True, slots=True)
class Identity:
    """What `identity` of a resource body shows, and the client id by which its tokens are asked for."""

    principal_id: str
    tenant_id: str
    client_id: str


class _Kept(msgspec.Struct, rename="camel"):
    principal_id: str
    client_id: str


_kept = msgspec.json.Decoder(_Kept)


class Directory:
    """Finds principals, gives resources their identities, and clears up behind principals that go."""

    def __init__(self, store: Store, people: People, holdings: Holdings, secrets: ClientSecrets, tenant: str) -> None:
        self._store = store
        self._people = people
        self._holdings = holdings
        self._secrets = secrets
        self._tenant = tenant

    # ── who ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def application(self, app_id: str) -> Resource | None:
        """The application with this client id."""
        row = await self._store.find(principal_id(APPLICATIONS, app_id).key) if GUID.fullmatch(app_id) else None
        return resource_of(row) if row else None

    async def service_principal(self, app_id: str) -> Principal | None:
        """The principal that acts for this client id."""
        page = await self._store.by_facet(SERVICE_PRINCIPALS.lower(), by_application(app_id), limit=1)
        return principal_of(resource_of(page.rows[0])) if page.rows else None

    async def who(self, text: str) -> Principal:
        """The one principal that a person means: by object id, client id, principal name, mail, or shown name.

        Raises:
            NotFound: nobody is meant (code `PrincipalNotFound`).
            Invalid: several are, by name (code `AmbiguousPrincipal`).
        """
        wanted = text.strip()
        if GUID.fullmatch(wanted):
            found = await self._people.principal(wanted) or await self.service_principal(wanted)
            if found is not None:
                return found
        for facet in (by_address(wanted), by_name(wanted)):
            rows = [row for type_name in PRINCIPAL_TYPES for row in (await self._store.by_facet(type_name.lower(), facet, limit=5)).rows]
            if len(rows) > 1:
                names = ", ".join(row.key.rpartition("/")[2] for row in rows)
                raise Invalid(
                    f"'{wanted[:200]}' names several principals; say which by object id: {names}.", code="AmbiguousPrincipal", target="who"
                )
            if rows:
                return principal_of(resource_of(rows[0]))
        raise NotFound(f"Nobody here has the object id, client id, mail or name '{wanted[:200]}'.", code="PrincipalNotFound", target="who")

    # ── identities of resources ──────────────────────────────────────────────────────────────────────────────────

    async def ensure_identity(self, resource: ResourceId, name: str = "") -> Identity:
        """The resource's identity, made at the first call; safe to repeat, also at the same time.

        `name` is what people see, the resource's own if empty. A resource that is made again after its identity was
        retired gets another one.
        """
        found = await self._store.entry(_IDENTITIES, resource.key)
        if found is None:
            with suppress(Stale):  # another call made it meanwhile
                await self._store.commit(*_new_identity(resource, name or resource.name))
            found = await self._store.entry(_IDENTITIES, resource.key)
        if found is None:
            raise Conflict(f"The identity of '{resource}' was removed while it was being made.")
        kept = _kept.decode(found.doc)
        return Identity(kept.principal_id, self._tenant, kept.client_id)

    async def identity_of(self, resource: ResourceId) -> str:
        """The object id of the resource's identity; empty if it has none."""
        found = await self._store.entry(_IDENTITIES, resource.key)
        return _kept.decode(found.doc).principal_id if found is not None else ""

    async def retire_identity(self, resource: ResourceId) -> None:
        """Remove the resource's identity with all its rights; safe to repeat, and for a resource that has none."""
        found = await self._store.entry(_IDENTITIES, resource.key)
        if found is None:
            return
        oid = _kept.decode(found.doc).principal_id
        await self.void(oid)
        removal = dropped(principal_id(SERVICE_PRINCIPALS, oid).key, SERVICE_PRINCIPALS, clock.stamp(clock.now()))
        await self._store.commit(DropEntry(_IDENTITIES, resource.key), *removal)

    async def provision(self, resource: Resource, step: Step) -> Resource:
        """Give a user-assigned identity its principal. A worker may die anywhere and run this again."""
        found = await self.ensure_identity(resource.id)
        shown = {"principalId": found.principal_id, "clientId": found.client_id, "tenantId": found.tenant_id}
        return msgspec.structs.replace(resource, properties={**resource.properties, **shown})

    async def retire_resource(self, resource: Resource, step: Step) -> None:
        """Take the principal of a user-assigned identity back."""
        await self.retire_identity(resource.id)

    # ── what goes with a principal ───────────────────────────────────────────────────────────────────────────────

    async def retire(self, principal: Resource, step: Step) -> None:
        """What a principal's type does before the principal goes."""
        await self.void(principal.name)

    async def retire_application(self, application: Resource, step: Step) -> None:
        """An application goes with its secrets and its service principal."""
        await self._secrets.drop_all(application.name)
        acting = await self.service_principal(application.name)
        if acting is not None:
            await self.void(acting.oid)
            await self._store.commit(
                *dropped(principal_id(SERVICE_PRINCIPALS, acting.oid).key, SERVICE_PRINCIPALS, clock.stamp(clock.now()))
            )

    async def void(self, oid: str) -> None:
        """Remove every assignment, membership and exclusion of a principal; safe to repeat.

        A later principal of the same id gets none of it.
        """
        await self._holdings.void(oid)
        while rows := (await self._store.by_facet(GROUPS.lower(), by_member(oid), limit=_BATCH)).rows:
            for row in rows:
                await self._leave(row, oid)

    async def _leave(self, row: Row, oid: str) -> None:
        members = [member for member in resource_of(row).properties["members"] if member != oid.lower()]
        with suppress(Stale):  # somebody changed it meanwhile: the loop reads it again
            await self._store.commit(rewritten(row, {"members": members}, group_facets))


def _new_identity(resource: ResourceId, name: str) -> Iterator[Write]:
    kept, at = _Kept(clock.new_id(), clock.new_id()), clock.stamp(clock.now())
    properties = {
        "displayName": name,
        "appId": kept.client_id,
        "servicePrincipalType": "ManagedIdentity",
        "alternativeNames": [resource.text],
        "accountEnabled": True,
    }
    yield PutEntry(_IDENTITIES, Entry(resource.key, clock.new_tag(), msgspec.json.encode(kept)), expect=ABSENT)
    service_principal = made(principal_id(SERVICE_PRINCIPALS, kept.principal_id), SERVICE_PRINCIPALS, properties, at)
    yield from inserted(service_principal, service_principal_facets)

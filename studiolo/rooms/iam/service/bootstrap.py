"""The first start: a tenant, its owner, and the application that the command line signs in as. No default secret."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.access.built_in import built_in_roles
from studiolo.kernel.documents import resource_of, row_of
from studiolo.kernel.faults import Conflict, Stale
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import PLATFORM
from studiolo.kernel.store.port import ABSENT, Entry, PutEntry, PutResource, Store, Write
from studiolo.rooms.iam.domain import assignments, denials, ownership, principals, roles
from studiolo.rooms.iam.domain.principals import APPLICATIONS, SERVICE_PRINCIPALS, USERS, principal_id
from studiolo.rooms.iam.domain.roles import BUILT_IN, DENY_ASSIGNMENTS, OWNER, ROLE_ASSIGNMENTS, ROLE_DEFINITIONS
from studiolo.rooms.iam.service.records import inserted, made
from studiolo.rooms.iam.service.secrets import ClientSecrets, mint

_SPACE: Final = "iam.tenant"
_TENANT, _BEGINNING = "tenant", "beginning"
CLI_NAME: Final = "studiolo-cli"


class _Tenant(msgspec.Struct):
    id: str


class _Begun(msgspec.Struct, rename="camel"):
    owner: str
    cli_client_id: str


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the first start made. `cli_secret` is there when one was made just now; it is kept nowhere else."""

    tenant: str
    owner: str
    cli_client_id: str
    cli_secret: str | None


async def ensure_tenant(store: Store) -> str:
    """The id of the tenant of this store, made at the first call."""
    for _ in range(2):
        found = await store.entry(_SPACE, _TENANT)
        if found is not None:
            return msgspec.json.decode(found.doc, type=_Tenant).id
        try:
            await store.commit(
                PutEntry(_SPACE, Entry(_TENANT, clock.new_tag(), msgspec.json.encode(_Tenant(clock.new_id()))), expect=ABSENT)
            )
        except Stale:
            continue
    found = await store.entry(_SPACE, _TENANT)
    if found is None:
        raise Conflict("The tenant's record was removed while the server started.")
    return msgspec.json.decode(found.doc, type=_Tenant).id


class Bootstrap:
    """Makes what must be there before anybody can sign in."""

    def __init__(self, store: Store, client_secrets: ClientSecrets, tenant: str) -> None:
        self._store = store
        self._secrets = client_secrets
        self._tenant = tenant

    async def ensure_roles(self) -> None:
        """Write the built-in roles that are missing or that an older release wrote otherwise."""
        page = await self._store.by_facet(ROLE_DEFINITIONS.lower(), roles.by_type(BUILT_IN))
        present = {row.key: resource_of(row) for row in page.rows}
        at = clock.stamp(clock.now())
        writes: list[Write] = []
        for guid, role in built_in_roles().items():
            properties = roles.built_in_properties(role)
            old = present.get(roles.role_id(guid).key)
            if old is None or old.properties != properties:
                fresh = made(roles.role_id(guid), ROLE_DEFINITIONS, properties, at)
                writes.append(PutResource(row_of(fresh), facets=tuple(roles.facets(fresh))))
        if writes:
            await self._store.commit(*writes)

    async def ensure_guards(self) -> None:
        """Write the deny assignments that guard the platform's objects, where they are missing or otherwise."""
        at = clock.stamp(clock.now())
        writes: list[Write] = []
        for id_, properties in ownership.guards():
            row = await self._store.find(id_.key)
            if row is None or resource_of(row).properties != properties:
                fresh = made(id_, DENY_ASSIGNMENTS, properties, at)
                writes.append(PutResource(row_of(fresh), facets=tuple(denials.facets(fresh))))
        if writes:
            await self._store.commit(*writes)

    async def begin(self, subscription: str, *, owner_name: str = "owner", has_cli_secret: bool = False) -> Beginning:
        """The owner and the command line's application; safe to repeat at every start.

        The owner is Owner at `/`, the application at the subscription. If the caller has lost the application's
        secret (`has_cli_secret` is False), the old ones are dropped and a new one is made.
        """
        entry = await self._store.entry(_SPACE, _BEGINNING)
        if entry is None:
            return await self._first(subscription, owner_name)
        begun = msgspec.json.decode(entry.doc, type=_Begun)
        if has_cli_secret:
            return Beginning(self._tenant, begun.owner, begun.cli_client_id, None)
        row = await self._store.find(principal_id(APPLICATIONS, begun.cli_client_id).key)
        if row is None:
            raise Conflict(
                f"The application '{CLI_NAME}' was deleted; its client id was {begun.cli_client_id}. Create one of your own to sign in."
            )
        await self._secrets.drop_all(begun.cli_client_id)
        minted = mint(begun.cli_client_id, row.created, CLI_NAME, None, clock.now())
        await self._store.commit(minted.write)
        return Beginning(self._tenant, begun.owner, begun.cli_client_id, minted.text)

    async def _first(self, subscription: str, owner_name: str) -> Beginning:
        now = clock.now()
        at = clock.stamp(now)
        begun, acting = _Begun(clock.new_id(), clock.new_id()), clock.new_id()
        minted = mint(begun.cli_client_id, at, CLI_NAME, None, now)
        owner = made(principal_id(USERS, begun.owner), USERS, {"displayName": owner_name, "accountEnabled": True}, at)
        application = made(
            principal_id(APPLICATIONS, begun.cli_client_id), APPLICATIONS, {"displayName": CLI_NAME, "appId": begun.cli_client_id}, at
        )
        service = {"displayName": CLI_NAME, "appId": begun.cli_client_id, "servicePrincipalType": "Application", "accountEnabled": True}
        principal = made(principal_id(SERVICE_PRINCIPALS, acting), SERVICE_PRINCIPALS, service, at)
        await self._store.commit(
            PutEntry(_SPACE, Entry(_BEGINNING, clock.new_tag(), msgspec.json.encode(begun)), expect=ABSENT),
            *inserted(owner, principals.user_facets),
            *inserted(application, principals.application_facets),
            *inserted(principal, principals.service_principal_facets),
            *_granted("/", begun.owner, "User", at),
            *_granted(f"/subscriptions/{subscription}", acting, "ServicePrincipal", at),
            minted.write,
        )
        return Beginning(self._tenant, begun.owner, begun.cli_client_id, minted.text)


def _granted(scope: str, oid: str, kind: str, at: str) -> Iterator[Write]:
    """The writes that make somebody Owner of a scope."""
    here = "" if scope == "/" else scope
    assignment = parse(f"{here}/providers/{ROLE_ASSIGNMENTS}/{clock.new_id()}")
    properties = {
        "roleDefinitionId": f"{here}/providers/{ROLE_DEFINITIONS}/{OWNER}",
        "principalId": oid,
        "principalType": kind,
        "scope": scope,
        "createdOn": at,
        "createdBy": PLATFORM.oid,
        "updatedOn": at,
        "updatedBy": PLATFORM.oid,
    }
    resource = msgspec.structs.replace(made(assignment, ROLE_ASSIGNMENTS, properties, at), private={"principalSince": at})
    yield from inserted(resource, assignments.facets)

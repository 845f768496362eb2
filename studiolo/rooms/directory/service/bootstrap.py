"""The first start: a tenant, its owner, and the application that the command line signs in as. No default secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Conflict, Stale
from studiolo.kernel.platform import inserted, made
from studiolo.kernel.principals import (
    APPLICATIONS,
    SERVICE_PRINCIPALS,
    USERS,
    application_facets,
    principal_id,
    service_principal_facets,
    user_facets,
)
from studiolo.kernel.store.port import ABSENT, Entry, PutEntry, Store
from studiolo.rooms.directory.ports import Holdings
from studiolo.rooms.directory.service.secrets import ClientSecrets, mint

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

    def __init__(self, store: Store, client_secrets: ClientSecrets, holdings: Holdings, tenant: str) -> None:
        self._store = store
        self._secrets = client_secrets
        self._holdings = holdings
        self._tenant = tenant

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
            *inserted(owner, user_facets),
            *inserted(application, application_facets),
            *inserted(principal, service_principal_facets),
            *self._holdings.owner("/", begun.owner, "User", at),
            *self._holdings.owner(f"/subscriptions/{subscription}", acting, "ServicePrincipal", at),
            minted.write,
        )
        return Beginning(self._tenant, begun.owner, begun.cli_client_id, minted.text)

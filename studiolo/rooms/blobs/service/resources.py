"""Storage accounts and containers as resources: their steps, their actions, what reads of them show."""

from __future__ import annotations

from typing import Any

import msgspec

from studiolo.kernel.faults import Invalid
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.resource import Invocation, JsonObject, Resource, Step
from studiolo.rooms.blobs.domain.times import iso_of_ms
from studiolo.rooms.blobs.service.accounts import KEY_NAMES, Secrets
from studiolo.rooms.blobs.service.storage import Storage

_SERVICES = ("blob",)


class StorageResources:
    """The steps behind the resource types."""

    def __init__(self, storage: Storage, endpoint: str) -> None:
        """`endpoint` is what follows `{account}.{service}` in URLs: suffix and port."""
        self._storage = storage
        self._endpoint = endpoint

    # ── accounts ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def provision_account(self, resource: Resource, step: Step) -> Resource:
        """Make the account, or change its settings. Raises Conflict if its name is taken."""
        del step
        await self._storage.ensure_account(resource.id, is_shared_key_allowed=bool(resource.properties.get("allowSharedKeyAccess")))
        return resource

    async def retire_account(self, resource: Resource, step: Step) -> None:
        """Remove the account, what is in it, and its keys."""
        del step
        await self._storage.drop_account(resource.id)

    async def view_account(self, resource: Resource) -> JsonObject:
        """Where the account is reached; computed, because the port may change between starts."""
        return {"primaryEndpoints": {name: f"https://{resource.id.name}.{name}.{self._endpoint}/" for name in _SERVICES}}

    async def list_keys(self, asked: Invocation) -> JsonObject:
        """The account's shared keys, whether or not it takes them."""
        account = await self._storage.accounts.get(asked.resource.id)
        return _keys(await self._storage.accounts.secrets(account), asked.resource)

    async def regenerate_key(self, asked: Invocation) -> JsonObject:
        """A fresh key in place of one. Raises Invalid if there is no key of this name."""
        account = await self._storage.accounts.get(asked.resource.id)
        name = asked.body.get("keyName")
        if not isinstance(name, str):
            raise Invalid("'keyName' must name the key to renew: key1 or key2.", target="keyName")
        return _keys(await self._storage.accounts.regenerate(account, name), asked.resource)

    async def revoke_delegation(self, asked: Invocation) -> None:
        """Void all user delegation keys of the account, and every signature made with them."""
        await self._storage.accounts.revoke(await self._storage.accounts.get(asked.resource.id))

    # ── containers ───────────────────────────────────────────────────────────────────────────────────────────────

    async def provision_container(self, resource: Resource, step: Step) -> Resource:
        """Make the container, or set its metadata."""
        account = await self._storage.accounts.get(_account_id(resource))
        await self._storage.containers.ensure(account, resource.name, step.caller)
        metadata = resource.properties.get("metadata")
        if metadata is not None:
            await self._storage.containers.set_metadata(account, resource.name, metadata)
        kept = {name: value for name, value in resource.properties.items() if name != "metadata"}
        return msgspec.structs.replace(resource, properties=kept)

    async def retire_container(self, resource: Resource, step: Step) -> None:
        """Remove the container."""
        del step
        await self._storage.drop(_account_id(resource), resource.name)

    async def view_container(self, resource: Resource) -> JsonObject:
        """What the data plane knows of the container."""
        account = await self._storage.accounts.find(_account_id(resource).name)
        found = await self._storage.containers.find(account, resource.name) if account else None
        if found is None:
            return {}
        shown: dict[str, Any] = {
            "lastModifiedTime": iso_of_ms(found.modified),
            "leaseStatus": "Unlocked",
            "leaseState": "Available",
            "hasImmutabilityPolicy": False,
            "hasLegalHold": False,
            "defaultEncryptionScope": "$account-encryption-key",
            "denyEncryptionScopeOverride": False,
        }
        return {**shown, "metadata": found.metadata} if found.metadata else shown


def _account_id(container: Resource) -> ResourceId:
    service = container.id.parent
    account = service.parent if service else None
    if account is None:
        msg = f"{container.id} is not below a storage account"
        raise ValueError(msg)
    return account


def _keys(secrets: Secrets, resource: Resource) -> JsonObject:
    created = resource.system.created_at
    values = (secrets.key1, secrets.key2)
    named = zip(KEY_NAMES, values, strict=True)
    return {"keys": [{"keyName": name, "value": value, "permissions": "FULL", "creationTime": created} for name, value in named]}

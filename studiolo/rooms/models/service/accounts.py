"""Making and removing a project's model account, with its keys and its first deployments."""

from __future__ import annotations

from typing import Final

import msgspec

from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.resource import PLATFORM, Invocation, JsonObject, Resource, Step
from studiolo.rooms.models.domain.accounts import CATALOG, DEFAULTS, account_of
from studiolo.rooms.models.domain.keys import Slot, slot_of
from studiolo.rooms.models.ports import Identities, Resources
from studiolo.rooms.models.service.keys import Keys

_ASSIGNMENTS: Final = "Microsoft.Authorization/roleAssignments"
_OPENAI_USER: Final = "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd"
"""Cognitive Services OpenAI User."""


class Accounts:
    """The use cases of accounts. `base_url` is the server's address without a slash at its end."""

    def __init__(self, resources: Resources, identities: Identities, keys: Keys, *, base_url: str) -> None:
        self._resources = resources
        self._identities = identities
        self._keys = keys
        self._base_url = base_url

    async def ensure_defaults(self, project: Resource) -> None:
        """Give a project its account, with the deployments `chat` and `embeddings`; leaves an account that is there as it is.

        One that another worker is still making is waited for: after a crash both are taken up at once, and a project is
        not ready before its models are.
        """
        account = account_of(project.id)
        if await self._resources.settled(account) is None:
            await self._resources.ensure(PLATFORM, account, {"kind": "AIServices", "sku": {"name": "S0"}, "location": project.location})

    async def clear(self, project: Resource) -> None:
        """Remove the project's account, its deployments and its keys; safe to repeat."""
        await self._resources.remove(PLATFORM, account_of(project.id))

    async def project_keys(self, project: ResourceId) -> dict[Slot, str]:
        """Both keys of a project, for the platform's own use. Raises NotFound if it has none."""
        return await self._keys.list(account_of(project))

    async def provision(self, account: Resource, step: Step) -> Resource:
        """Give the account its identity, that identity the right to call models in the project, both keys, and at first its deployments."""
        del step
        project = parse(account.properties["projectId"])
        principal, tenant = await self._identities.ensure(account.id, account.name)
        await self._grant(project, principal)
        is_enabled = not account.properties.get("disableLocalAuth")
        await self._keys.ensure(account.id, project, account.properties["workspaceId"], principal, is_enabled=is_enabled)
        if "principalId" not in (account.identity or {}):  # what somebody has deleted since then stays deleted
            await self._deploy_defaults(account.id)
        identity: JsonObject = {"type": "SystemAssigned", "principalId": principal, "tenantId": tenant}
        return msgspec.structs.replace(account, identity=identity)

    async def _deploy_defaults(self, account: ResourceId) -> None:
        for name, model in DEFAULTS.items():
            body: JsonObject = {"properties": {"model": {"format": model.format, "name": model.name, "version": model.version}}}
            await self._resources.ensure(PLATFORM, parse(f"{account.text}/deployments/{name}"), body)

    async def retire(self, account: Resource, step: Step) -> None:
        """Take back what `provision` gave."""
        del step
        await self._keys.drop(account.id)
        await self._identities.retire(account.id)

    async def view(self, account: Resource) -> JsonObject:
        """Where the account is called: addresses depend on how the server runs now."""
        endpoint = f"{self._base_url}/projects/{account.properties['workspaceId']}/"
        return {
            "endpoint": endpoint,
            "endpoints": {"OpenAI Language Model Instance API": endpoint},
            "capabilities": [{"name": model.name} for model in CATALOG],
            "publicNetworkAccess": "Enabled",
        }

    async def list_keys(self, call: Invocation) -> JsonObject:
        """Both keys, in the public cloud's shape."""
        return _shown(await self._keys.list(call.resource.id))

    async def regenerate_key(self, call: Invocation) -> JsonObject:
        """Replace `keyName` (`Key1` or `Key2`); both keys as they are now."""
        return _shown(await self._keys.regenerate(call.resource.id, slot_of(call.body.get("keyName"))))

    async def _grant(self, project: ResourceId, principal: str) -> None:
        """The same grant has the same name, so that writing it again changes nothing."""
        subscription = project.subscription
        role = f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{_OPENAI_USER}"
        body: JsonObject = {"properties": {"roleDefinitionId": role, "principalId": principal, "principalType": "ServicePrincipal"}}
        await self._resources.ensure(PLATFORM, project.extension(_ASSIGNMENTS, principal), body)


def _shown(keys: dict[Slot, str]) -> JsonObject:
    return {"key1": keys["primary"], "key2": keys["secondary"]}

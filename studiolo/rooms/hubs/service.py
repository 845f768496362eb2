"""Making, showing and removing workspaces."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import urlsplit

import msgspec

from studiolo.kernel.faults import Conflict, NotFound
from studiolo.kernel.gate import Gate
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.resource import PLATFORM, Change, Cleared, Invocation, JsonObject, Resource, Step
from studiolo.rooms.hubs.domain import kinds, names, rights
from studiolo.rooms.hubs.ports import Containers, Defaults, Identities, Keys, Resources

_ROLES = "Microsoft.Authorization/roleDefinitions"
_OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
_AI_ADMINISTRATOR = "b78c5d69-af96-48a3-bf8d-a8b4d589de94"
_DATA_SCIENTIST = "f6c7c914-8db3-469d-8ca1-694a8f32e121"
_BLOB_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
_SHOWN_PROJECTS = 1000


class WorkspaceService:
    """The use cases of hubs and projects."""

    def __init__(
        self,
        resources: Resources,
        identities: Identities,
        containers: Containers,
        defaults: Defaults,
        keys: Keys,
        gate: Gate,
        *,
        base_url: str,
        subscription: str,
    ) -> None:
        self._gate = gate
        self._resources = resources
        self._identities = identities
        self._containers = containers
        self._defaults = defaults
        self.keys = keys
        self._base_url = base_url
        self._host = urlsplit(base_url).netloc
        self._subscription = subscription

    async def guard(self, change: Change) -> Cleared:
        """Whoever lets a hub's roles reach its projects, or no longer, may give roles, or take denials back, where that changes something.

        Raises:
            Forbidden: the caller may not.
        """
        old = change.old
        after = kinds.reach_of(change.new.properties)
        if change.is_delete or old is None or after == kinds.reach_of(old.properties):
            return Cleared()
        projects = [project.id for project in await self.projects(old)]
        for demand in rights.reaching(old.id, projects, is_on=after == kinds.REACHES["projects"]):
            await self._gate.demand(change.caller, demand)
        return Cleared()

    async def provision(self, workspace: Resource, step: Step) -> Resource:
        """Give the workspace its identity, storage, vault, containers, grants and furniture. Every part is safe to repeat.

        Whoever makes a workspace is its Owner (census HUB-10, RBAC); whoever changes one gains nothing by it.
        """
        if workspace.kind != kinds.PROJECT:
            workspace = await self._with_dependents(workspace)
        workspace = await self._with_identity(workspace)
        await self.keys.prepare(workspace)
        if workspace.kind != kinds.PROJECT:
            await self.keys.guard(workspace)
        if not step.caller.is_platform and workspace.properties["provisioningState"] == "Creating":
            await self._grant(workspace.id, step.caller.oid, step.caller.kind, _OWNER)
        if workspace.kind == kinds.HUB:
            await self._grant_self(workspace, _AI_ADMINISTRATOR)
            return workspace
        await self._grant_self(workspace, _DATA_SCIENTIST)
        account = await self.storage_account(workspace)
        await self._grant_storage(workspace, account)
        for name in names.container_names(workspace.properties["workspaceId"]):
            await self._containers.ensure(account, name)
        await self._defaults.furnish(workspace)
        return workspace

    async def storage_account(self, workspace: Resource) -> ResourceId:
        """The storage account that holds a workspace's containers: its own, or its hub's.

        Raises:
            NotFound: the hub is gone (code `HubNotFound`).
        """
        if workspace.kind != kinds.PROJECT:
            return names.storage_of(workspace)
        hub = await self._resources.find(parse(workspace.properties["hubResourceId"]))
        if hub is None:
            raise NotFound(f"The hub of '{workspace.name}', '{workspace.properties['hubResourceId']}', is gone.", code="HubNotFound")
        return names.storage_of(hub)

    async def _with_dependents(self, workspace: Resource) -> Resource:
        """Make the storage account and the vault that the caller did not name (census HUB-04)."""
        made: JsonObject = {}
        for member, kind, prefix, body in (
            ("storageAccount", "Microsoft.Storage/storageAccounts", "st", {"kind": "StorageV2", "sku": {"name": "Standard_LRS"}}),
            ("keyVault", "Microsoft.KeyVault/vaults", "kv", {"properties": {"enableRbacAuthorization": True}}),
        ):
            id_ = names.dependent_id(workspace, kind, prefix)
            if member in workspace.properties or id_ is None:
                continue
            await self._resources.ensure(PLATFORM, id_, {"location": workspace.location, "tags": {"madeFor": workspace.name}, **body})
            made[member] = id_.text
        return msgspec.structs.replace(workspace, properties={**workspace.properties, **made}) if made else workspace

    async def _with_identity(self, workspace: Resource) -> Resource:
        identity = workspace.identity or {}
        if "SystemAssigned" not in identity.get("type", "") or "principalId" in identity:
            return workspace
        principal, tenant = await self._identities.ensure(workspace.id, workspace.name)
        return msgspec.structs.replace(workspace, identity={**identity, "principalId": principal, "tenantId": tenant})

    async def _grant_self(self, workspace: Resource, role: str) -> None:
        principal = (workspace.identity or {}).get("principalId")
        if principal:
            await self._grant(workspace.id, principal, "ServicePrincipal", role)

    async def _grant_storage(self, workspace: Resource, account: ResourceId) -> None:
        principal = (workspace.identity or {}).get("principalId")
        if principal:
            condition = names.storage_condition(workspace.properties["workspaceId"])
            await self._grant(account, principal, "ServicePrincipal", _BLOB_CONTRIBUTOR, condition)

    async def _grant(self, scope: ResourceId, principal: str, principal_type: str, role: str, condition: str | None = None) -> None:
        """Write one role assignment; the same grant has the same name, so that writing it again changes nothing."""
        id_ = scope.extension("Microsoft.Authorization/roleAssignments", names.assignment_name(scope.key, principal, role))
        properties: JsonObject = {
            "roleDefinitionId": f"/subscriptions/{self._subscription}/providers/{_ROLES}/{role}",
            "principalId": principal,
            "principalType": principal_type,
        }
        if condition is not None:
            properties |= {"condition": condition, "conditionVersion": "2.0"}
        try:
            await self._resources.ensure(PLATFORM, id_, {"properties": properties})
        except Conflict as conflict:
            if conflict.code != "RoleAssignmentExists":  # whoever wrote it before us had the right to
                raise

    async def retire_projects(self, hub: Resource, step: Step) -> None:
        """A hub's projects go before the hub (census HUB-09)."""
        del step
        for project in await self.projects(hub):
            await self._resources.remove(PLATFORM, project.id)

    async def retire(self, workspace: Resource, step: Step) -> None:
        """Take back what `provision` gave. Storage accounts and vaults stay: they can hold more than this workspace's things."""
        del step
        if workspace.kind != kinds.HUB:
            await self._defaults.clear(workspace)
            with suppress(NotFound):  # its hub is gone, and the account with it
                account = await self._resources.find(await self.storage_account(workspace))
                if account is not None:
                    await self._containers.drop_all(account.id, f"{workspace.properties['workspaceId']}-")
        with suppress(NotFound):
            await self.keys.release(workspace)
        await self._identities.retire(workspace.id)

    async def elsewhere(self, workspace: Resource) -> list[str]:
        """Where that lies which goes with a workspace and not below it: its model account, and its containers in the storage account."""
        if workspace.kind == kinds.HUB:
            return []
        found = [f"{self._defaults.place(workspace).key}/"]
        with suppress(NotFound):  # its hub is gone
            account = await self.storage_account(workspace)
            found.append(f"{account.key}/blobservices/default/containers/{workspace.properties['workspaceId']}-".lower())
        return found

    async def projects(self, hub: Resource) -> list[Resource]:
        """The projects of a hub."""
        return list(await self._resources.by_facet(kinds.TYPE, kinds.by_hub(hub.id.key))) if hub.kind == kinds.HUB else []

    async def by_guid(self, workspace_id: str) -> Resource | None:
        """The workspace with this GUID."""
        found = await self._resources.by_facet(kinds.TYPE, kinds.by_guid(workspace_id))
        return found[0] if found else None

    async def by_name(self, name: str) -> Resource | None:
        """The workspace with this name, if only one has it."""
        found = await self._resources.by_facet(kinds.TYPE, kinds.by_name(name))
        return found[0] if len(found) == 1 else None

    async def view(self, workspace: Resource) -> JsonObject:
        """What a read adds: addresses, the hub's settings in a project, the projects in a hub."""
        own = workspace.id
        shown: JsonObject = {
            "discoveryUrl": f"{self._base_url}/discovery",
            "mlFlowTrackingUri": f"azureml://{self._host}/mlflow/v1.0{own.text}",
            "workspaceType": "Microsoft.MachineLearningServices/workspaces",
            "storageHnsEnabled": False,
        }
        shown.setdefault("publicNetworkAccess", workspace.properties.get("publicNetworkAccess", "Enabled"))
        if workspace.kind == kinds.HUB:
            shown["associatedWorkspaces"] = [p.id.text for p in (await self.projects(workspace))[:_SHOWN_PROJECTS]]
            shown["workspaceHubConfig"] = {
                "defaultWorkspaceResourceGroup": own.group_id.text if own.group_id else None,
                **(workspace.properties.get("workspaceHubConfig") or {}),
            }
        if workspace.kind == kinds.PROJECT:
            hub = await self._resources.find(parse(workspace.properties["hubResourceId"]))
            if hub is not None:
                shown |= {member: hub.properties[member] for member in kinds.FROM_HUB if member in hub.properties}
                shown.setdefault("publicNetworkAccess", "Enabled")
        return shown

    async def diagnose(self, call: Invocation) -> JsonObject:
        """The connectivity diagnosis: each list names problems, and is empty when there is none."""
        lists = (
            "userDefinedRouteResults",
            "networkSecurityRuleResults",
            "resourceLockResults",
            "dnsResolutionResults",
            "storageAccountResults",
            "keyVaultResults",
            "containerRegistryResults",
            "applicationInsightsResults",
            "otherResults",
        )
        found: dict[str, list[JsonObject]] = {name: [] for name in lists}
        shown = await self.view(call.resource)
        for member, name in (("storageAccount", "storageAccountResults"), ("keyVault", "keyVaultResults")):
            text = shown.get(member) or call.resource.properties.get(member)
            if text and await self._resources.find(parse(text)) is None:
                found[name].append(
                    {
                        "code": "ResourceNotFound",
                        "level": "Error",
                        "message": f"{member} '{text}' is gone; this workspace cannot work without it.",
                    }
                )
        return {"value": found}

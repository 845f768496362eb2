"""Where ports meet back ends: small adapters, one for each need that a room has of another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.access.ask import Plane
from studiolo.kernel.control import Control
from studiolo.kernel.documents import resource_of
from studiolo.kernel.faults import Conflict, Forbidden, Invalid, NotFound
from studiolo.kernel.gate import Gate
from studiolo.kernel.ids import ResourceId, collection, parse
from studiolo.kernel.resource import PLATFORM, Caller, JsonObject, Resource, ResourceType
from studiolo.rooms.assets import ProjectStorage, Recipient, default_datastores
from studiolo.rooms.authorization.service.reach import ReachService
from studiolo.rooms.blobs import Recipient as Given
from studiolo.rooms.blobs import Storage, key_owner
from studiolo.rooms.directory import Directory
from studiolo.rooms.directory.ports import People
from studiolo.rooms.hubs import WorkspaceService
from studiolo.rooms.keys import Owners
from studiolo.rooms.models.domain.accounts import account_of
from studiolo.rooms.models.ports import Project, Used
from studiolo.rooms.models.service.accounts import Accounts
from studiolo.rooms.models.service.keys import key_owner as models_key_owner
from studiolo.wire.http import Guard, Surface

_GUID = 36  # characters of a GUID, which a project's containers begin with


class Resources:
    """The resource façade for rooms. `control` comes late, since the catalog that it holds names the rooms' types."""

    def __init__(self) -> None:
        self.control: Control | None = None

    @property
    def _control(self) -> Control:
        if self.control is None:
            msg = "a room used the resource façade while the house was being built"
            raise RuntimeError(msg)
        return self.control

    def get(self) -> Control:
        """The façade itself, once the house stands."""
        return self._control

    async def find(self, id_: ResourceId) -> Resource | None:
        """A resource, or None; no decision is asked."""
        return await self._control.find(id_)

    async def settled(self, id_: ResourceId) -> Resource | None:
        """A resource, or None, once nothing works on it any more; no decision is asked."""
        return await self._control.settled(id_)

    async def ensure(self, caller: Caller, id_: ResourceId, body: JsonObject) -> Resource:
        """Create or update a resource; safe to repeat."""
        outcome = await self._control.put(caller, id_, body)
        if outcome.operation is not None:
            raise Conflict(f"'{id_}' takes long to be made; its operation is {outcome.operation.id}.", code="AnotherOperationInProgress")
        return outcome.resource

    async def remove(self, caller: Caller, id_: ResourceId) -> None:
        """Delete a resource and all below it; safe to repeat."""
        await self._control.delete(caller, id_)

    async def by_facet(self, type_name: str, value: str) -> Sequence[Resource]:
        """Resources of a type that carry a facet."""
        declared = self._control.catalog.get(type_name)
        found: list[Resource] = []
        after: str | None = ""
        while after is not None:
            page = await self._control.store.by_facet(declared.key, value, after=after)
            found += [resource_of(row, declared) for row in page.rows]
            after = page.next
        return found


class DirectoryObjects:
    """Directory objects for Graph and for sign-in by providers elsewhere, through the resource façade."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def get(self, caller: Caller, id_: ResourceId) -> JsonObject:
        """See `directory.ports.Objects.get`."""
        return msgspec.json.decode(await self._resources.get().get(caller, id_))

    async def page(
        self, caller: Caller, type_name: str, wanted: str | None, top: int, token: str
    ) -> tuple[Sequence[JsonObject], str | None]:
        """See `directory.ports.Objects.page`."""
        query = {"$top": str(top), **({"$filter": wanted} if wanted else {}), **({"$skipToken": token} if token else {})}
        listed = await self._resources.get().list(caller, collection(f"/providers/{type_name}"), query)
        return [msgspec.json.decode(doc) for doc in listed.docs], listed.next

    async def carrying(self, caller: Caller, type_name: str, facet: str) -> Sequence[JsonObject]:
        """See `directory.ports.Objects.carrying`."""
        found: list[JsonObject] = []
        for resource in await self._resources.by_facet(type_name, facet):
            with suppress(Forbidden, NotFound):
                found.append(await self.get(caller, resource.id))
        return found

    async def write(
        self,
        caller: Caller,
        id_: ResourceId,
        properties: JsonObject,
        *,
        is_patch: bool,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> JsonObject:
        """See `directory.ports.Objects.write`."""
        outcome = await self._resources.get().put(
            caller, id_, {"properties": properties}, if_match=if_match, if_none_match=if_none_match, is_patch=is_patch
        )
        return msgspec.json.decode(outcome.doc)

    async def remove(self, caller: Caller, id_: ResourceId) -> bool:
        """See `directory.ports.Objects.remove`."""
        return (await self._resources.get().delete(caller, id_)).existed

    async def act(self, caller: Caller, id_: ResourceId, action: str, body: JsonObject) -> JsonObject | None:
        """See `directory.ports.Objects.act`."""
        return await self._resources.get().act(caller, id_, action, body, {})


class Identities:
    """Principals of resources, from the directory."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def ensure(self, resource: ResourceId, name: str) -> tuple[str, str]:
        """The object id and the tenant id of the resource's identity."""
        del name
        identity = await self._directory.ensure_identity(resource)
        return identity.principal_id, identity.tenant_id

    async def retire(self, resource: ResourceId) -> None:
        """Remove the identity and what was granted to it."""
        await self._directory.retire_identity(resource)


class Grantors:
    """Who could have granted what was refused, from the authorization room."""

    def __init__(self, people: People, reach: ReachService) -> None:
        self._people = people
        self._reach = reach

    async def grantors(self, oid: str, action: str, scope: str) -> Sequence[JsonObject]:
        """The smallest roles that would do, each with those who may assign it; nothing for a principal that is gone."""
        principal = await self._people.principal(oid)
        return (await self._reach.who_could_grant(principal, action, scope))["roles"] if principal is not None else ()


class Workspaces:
    """Projects by id, by GUID and by name, from the hubs room, whose `service` comes late: it needs other rooms first."""

    def __init__(self, resources: Resources, storage_suffix: str) -> None:
        self._resources = resources
        self.service: WorkspaceService | None = None
        self._suffix = storage_suffix

    @property
    def service_now(self) -> WorkspaceService:
        """The service, once the house stands."""
        if self.service is None:
            msg = "a room asked for a workspace while the house was being built"
            raise RuntimeError(msg)
        return self.service

    async def storage(self, workspace: ResourceId) -> ProjectStorage | None:
        """Where a workspace keeps its bytes; None for a hub."""
        found = await self._resources.find(workspace)
        return await self.storage_of(found) if found is not None else None

    async def storage_of(self, workspace: Resource) -> ProjectStorage | None:
        """The same, of a workspace that is at hand."""
        if workspace.kind == "Hub":
            return None
        account = await self.service_now.storage_account(workspace)
        return ProjectStorage(
            workspace_id=workspace.properties["workspaceId"],
            account=account.name,
            account_id=account.text,
            blob_url=f"https://{account.name}.blob.{self._suffix}",
        )

    async def by_guid(self, workspace_id: str) -> Resource | None:
        """The workspace with this GUID."""
        return await self.service_now.by_guid(workspace_id)

    async def find(self, name: str) -> Project | None:
        """The project with this workspace id, or with this name if only one has it."""
        found = await self.service_now.by_guid(name) or await self.service_now.by_name(name)
        if found is None or found.kind == "Hub":
            return None
        return Project(id=found.id, workspace_id=found.properties["workspaceId"])


class KeyPlaces:
    """Whose keys a workspace's things are under."""

    def __init__(self, resources: Resources, workspaces: Workspaces) -> None:
        self._resources = resources
        self._workspaces = workspaces

    async def owners(self, workspace: Resource) -> Owners:
        """The owners of a workspace's keys; NotFound if its hub is gone."""
        guid = workspace.properties["workspaceId"]
        account = (await self._workspaces.service_now.storage_account(workspace)).name.lower()
        own, holder = key_owner(account, f"{guid}-x")
        below = (models_key_owner(account_of(workspace.id)),)
        if workspace.kind == "Hub":
            return Owners(f"hub/{guid}", holder, None)
        if workspace.kind != "Project":
            return Owners(f"hub/{guid}", holder, own, below)
        hub = await self._resources.find(parse(workspace.properties["hubResourceId"]))
        if hub is None:
            raise NotFound(f"The hub of '{workspace.name}' is gone.", code="HubNotFound")
        return Owners(f"hub/{hub.properties['workspaceId']}", None, own, below)

    async def projects(self, hub: Resource) -> list[Resource]:
        """The projects of a hub."""
        return await self._workspaces.service_now.projects(hub)


class ServedActions:
    """The actions that some operation needs: an action that none needs is denied, whatever a role's pattern covers."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, Plane], str] = {}

    def learn(self, types: Iterable[ResourceType], surfaces: Iterable[object]) -> None:
        """Take the actions of all types and of all routes."""
        for declared in types:
            for action in declared.all_actions():
                self._known[action.lower(), "control"] = action
        for surface in surfaces:
            for route in surface.routes if isinstance(surface, Surface) else ():
                if isinstance(route.guard, Guard):
                    self._known |= {
                        (action.lower(), "data" if route.guard.is_data else "control"): action for action in route.guard.actions
                    }

    def __call__(self, action: str, plane: Plane) -> bool:
        """Whether an action, in small letters, is needed by an operation on this plane."""
        return (action, plane) in self._known

    def each(self) -> Iterable[tuple[str, Plane]]:
        """All of them, as they are written."""
        return [(action, plane) for (_, plane), action in self._known.items()]


class Recipients:
    """Whom signatures of projects' identities are given to: principals who may get one now, and again whenever it is used.

    A mark tells by which action of which resource they got it, and one birth of a principal from a later one of its id.
    """

    def __init__(self, people: People, gate: Gate) -> None:
        self._people = people
        self._gate = gate

    async def mark(self, to: Recipient) -> str:
        """The mark of a signature for somebody; Forbidden if the directory does not know them."""
        principal = await self._people.principal(to.caller.oid)
        if principal is None:
            raise Forbidden(f"'{to.caller.oid}' is not in the directory, so they get no signature.", code="PrincipalNotFound")
        return f"{_birth(principal.oid, principal.since)}{to.resource.text}/{to.action}"

    async def may_hold(self, oid: str, mark: str) -> bool:
        """See `blobs.ports.Recipients.may_hold`."""
        birth, slash, place = mark.partition("/")
        text, _, action = place.rpartition("/")
        principal = await self._people.principal(oid)
        if principal is None or _birth(principal.oid, principal.since) != birth:
            return False
        try:
            resource = parse(slash + text)
            verdict = await self._gate.decide(Caller(principal.oid), f"{resource.type}/{action}/action", resource.text)
        except Invalid:
            return False  # a mark that is none of ours
        return verdict.allowed


def _birth(oid: str, since: str) -> str:
    return hashlib.sha256(f"{oid}\n{since}".encode()).hexdigest()[:32]


class Signatures:
    """Short-lived signatures for a project's containers, worth what the project's own identity may do."""

    def __init__(self, storage: Storage, workspaces: Workspaces, people: People, recipients: Recipients) -> None:
        self._storage = storage
        self._workspaces = workspaces
        self._people = people
        self._recipients = recipients

    async def delegate(self, account: str, container: str, permissions: str, seconds: int, to: Recipient) -> str:
        """A signature for one container; NotFound if no project of this account has it."""
        workspace = await self._workspaces.by_guid(container[:_GUID])
        place = await self._workspaces.storage_of(workspace) if workspace is not None else None
        identity = (workspace.identity or {}).get("principalId") if workspace is not None else None
        if workspace is None or place is None or place.account != account or not identity:
            raise NotFound(
                f"No project with an identity keeps a container '{container}' in the account '{account}'.", code="ContainerNotFound"
            )
        principal = await self._people.principal(identity)
        since = principal.since if principal is not None else ""  # what is signed for nobody holds nowhere
        signer = Caller(oid=identity, tenant=(workspace.identity or {}).get("tenantId", ""), name=workspace.name, since=since)
        end, given = clock.now() + timedelta(seconds=seconds), Given(to.caller.oid, await self._recipients.mark(to))
        return await self._storage.delegate(parse(place.account_id), container, permissions, signer, end, to=given)


class Furniture:
    """What other rooms put into a new project: datastores, and models to talk to."""

    def __init__(self, resources: Resources, workspaces: Workspaces, accounts: Accounts) -> None:
        self._resources = resources
        self._workspaces = workspaces
        self._accounts = accounts

    async def furnish(self, workspace: Resource) -> None:
        """Make what is missing; safe to repeat."""
        storage = await self._workspaces.storage_of(workspace)
        if storage is None:
            raise NotFound(f"'{workspace.id}' has no storage to furnish.")
        for id_, body in default_datastores(workspace.id, storage):
            await self._resources.ensure(PLATFORM, id_, body)
        await self._accounts.ensure_defaults(workspace)

    def place(self, workspace: Resource) -> ResourceId:
        """The project's model account."""
        return account_of(workspace.id)

    async def clear(self, workspace: Resource) -> None:
        """Remove what lies outside the workspace's own id."""
        await self._accounts.clear(workspace)


class Unmetered:
    """Takes numbers of tokens before there is a ledger to write them to."""

    def record(self, used: Used) -> None:
        """The answer itself carries the numbers; nothing is kept yet."""

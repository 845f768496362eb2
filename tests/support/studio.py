"""The rooms of identity with everything that they stand on, open: store, key ring, gate, control, front door."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from studiolo.app.identity import Identity, open_identity
from studiolo.app.outbound import GuardedOutbound
from studiolo.app.plugs import DirectoryObjects, Resources
from studiolo.app.tree import ScopeTree
from studiolo.kernel.control import Control
from studiolo.kernel.gate import Gate
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.keys import KeyRing
from studiolo.kernel.operations import Operations
from studiolo.kernel.outbound import Outbound
from studiolo.kernel.principals import Principal
from studiolo.kernel.resource import PLATFORM, Caller, Catalog, ResourceType
from studiolo.kernel.store.sqlite import SqliteStore
from studiolo.rooms.authentication import Authenticator, audiences_of
from studiolo.rooms.authentication.service.sessions import Sessions
from studiolo.rooms.authentication.service.signing import SigningKeys
from studiolo.rooms.authorization import Seals, open_seals
from studiolo.rooms.authorization.backends.stored import StoredGrants
from studiolo.rooms.authorization.backends.worlds import StoredWorlds
from studiolo.rooms.authorization.service.access import AccessService
from studiolo.rooms.directory import Beginning, Directory
from studiolo.rooms.directory.service.bootstrap import Bootstrap
from studiolo.wire.arm import ArmSurface
from studiolo.wire.front import Front, Nowhere
from studiolo.wire.http import Surface
from studiolo.wire.render import render_arm
from tests.support.asgi import Reply, call
from tests.support.kernel import GROUPS, SUBSCRIPTIONS, Anything, keep

ORIGIN = "https://localhost:8443"
SUBSCRIPTION = "5f0c9a3e-0000-4000-8000-000000000001"
HERE = f"/subscriptions/{SUBSCRIPTION}"
GROUP = f"{HERE}/resourceGroups/rg1"
AUTHORIZATION = "providers/Microsoft.Authorization"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
THINGS = ResourceType(name="Test.Rooms/things", schema=Anything, admit=keep, is_tracked=True)


def guid(number: int) -> str:
    """A GUID that is easy to read in a failure."""
    return f"00000000-0000-4000-8000-{number:012x}"


@dataclass(frozen=True)
class Robot:
    """An application, speaking with the studio as itself."""

    studio: Studio
    oid: str
    token: str

    async def ask(self, method: str, path: str, properties: dict[str, Any] | None = None, **headers: str) -> Reply:
        """One call; properties are sent as a resource's body."""
        body = {"properties": properties} if properties is not None else b""
        return await self.studio.ask(method, path, body, token=self.token, **headers)

    async def may_read(self, scope: str = GROUP) -> bool:
        """Whether the front door lets it read a thing at the scope: 404 is a yes."""
        return (await self.ask("GET", f"{scope}/providers/Test.Rooms/things/none")).status == 404


@dataclass
class Studio:
    """One studio, and ways to speak with it."""

    store: SqliteStore
    identity: Identity
    gate: Gate
    control: Control
    operations: Operations
    front: Front
    beginning: Beginning
    tree: ScopeTree
    seals: Seals

    @property
    def tenant(self) -> str:
        return self.identity.tenant

    @property
    def grants(self) -> StoredGrants:
        return self.identity.rights.grants

    @property
    def worlds(self) -> StoredWorlds:
        return self.identity.rights.worlds

    @property
    def access(self) -> AccessService:
        return self.identity.authorization.access

    @property
    def principals(self) -> Directory:
        return self.identity.directory.principals

    @property
    def bootstrap(self) -> Bootstrap:
        return self.identity.directory.bootstrap

    @property
    def sessions(self) -> Sessions:
        return self.identity.authentication.sessions

    @property
    def keys(self) -> SigningKeys:
        return self.identity.authentication.keys

    def authenticator(self, kind: str) -> Authenticator:
        """Who calls, for surfaces of a kind."""
        return self.identity.authentication.authenticator(kind)

    async def close(self) -> None:
        await self.operations.stop()
        await self.store.close()

    # ── as clients do ────────────────────────────────────────────────────────────────────────────────────────────

    async def form(self, path: str, fields: dict[str, str], **headers: str) -> Reply:
        """POST a form."""
        kept = {"content-type": "application/x-www-form-urlencoded", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return await call(self.front, "POST", path, body=urlencode(fields).encode(), headers=kept)

    async def token_reply(self, path: str = "/adfs/oauth2/v2.0/token", **fields: str) -> Reply:
        """What the token endpoint answers to the command line's application; fields change what is sent, empty ones leave it out."""
        sent = {
            "grant_type": "client_credentials",
            "client_id": self.beginning.cli_client_id,
            "client_secret": self.beginning.cli_secret or "",
            "scope": f"{ORIGIN}/.default",
            **fields,
        }
        return await self.form(path, {k: v for k, v in sent.items() if v})

    async def token(self, **fields: str) -> str:
        """An access token of the command line's application."""
        return (await self.token_reply(**fields)).json()["access_token"]

    async def ask(self, method: str, path: str, body: bytes | dict[str, Any] = b"", *, token: str = "", **headers: str) -> Reply:
        """One call of the resource manager, by default as the command line's application."""
        proof = {"authorization": f"Bearer {token or await self.token()}"}
        return await call(
            self.front,
            method,
            f"{path}{'&' if '?' in path else '?'}api-version=2022-04-01",
            body=body,
            headers={**proof, **{k.replace("_", "-"): v for k, v in headers.items()}},
        )

    # ── as the platform does ─────────────────────────────────────────────────────────────────────────────────────

    async def put(self, path: str, properties: dict[str, Any], caller: Caller = PLATFORM) -> ResourceId:
        """Write a resource with these properties."""
        outcome = await self.control.put(caller, parse(path), {"properties": properties})
        return outcome.resource.id

    async def user(self, number: int, **properties: Any) -> Caller:
        """A user, and the caller that the user is."""
        await self.put(f"/providers/Studiolo.Directory/users/{guid(number)}", {"displayName": f"user-{number}", **properties})
        return Caller(guid(number), self.tenant, "User", f"user-{number}")

    async def robot(self, number: int, role: str = "", scope: str = GROUP, **properties: Any) -> Robot:
        """An application that has signed in over the wire, with a role at a scope if one is named."""
        client, acting = guid(0xA000 + number), guid(number)
        await self.put(f"/providers/Studiolo.Directory/applications/{client}", {"displayName": f"robot-{number}"})
        await self.put(f"/providers/Studiolo.Directory/servicePrincipals/{acting}", {"displayName": f"robot-{number}", "appId": client})
        secret = await self.control.act(PLATFORM, parse(f"/providers/Studiolo.Directory/applications/{client}"), "addPassword", {}, {})
        assert secret is not None
        if role:
            await self.assign(0xB000 + number, acting, role, scope, **properties)
        return Robot(self, acting, await self.token(client_id=client, client_secret=secret["secretText"]))

    async def group(self, number: int, *members: str) -> str:
        """A group, written anew with these members."""
        await self.put(f"/providers/Studiolo.Directory/groups/{guid(number)}", {"displayName": f"group-{number}", "members": list(members)})
        return guid(number)

    async def assign(self, number: int, principal: str, role: str, scope: str, caller: Caller = PLATFORM, **properties: Any) -> ResourceId:
        """A role assignment."""
        path = f"{'' if scope == '/' else scope}/{AUTHORIZATION}/roleAssignments/{guid(number)}"
        wanted = {"principalId": principal, "roleDefinitionId": f"{HERE}/{AUTHORIZATION}/roleDefinitions/{role}", **properties}
        return await self.put(path, wanted, caller)

    async def principal(self, oid: str) -> Principal:
        """A principal that must be there."""
        found = await self.grants.principal(oid)
        assert found is not None
        return found


def basic(client: str, secret: str) -> str:
    """A Basic header."""
    return "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()


async def open_studio(path: Path, origin: str = ORIGIN, outbound: Outbound | None = None) -> Studio:
    """A studio on files in `path`, begun."""
    studio = await open_node(path, origin, outbound)
    await studio.identity.start()
    for place in (HERE, GROUP):
        await studio.control.put(PLATFORM, parse(place), {"location": "local"})
    studio.beginning = await studio.bootstrap.begin(SUBSCRIPTION)
    return studio


async def open_node(path: Path, origin: str = ORIGIN, outbound: Outbound | None = None) -> Studio:
    """One process's view of the studio on files in `path`, which need not have begun."""
    store = SqliteStore(path / "studiolo.db")
    ring = KeyRing(store, b"k" * 32)
    seals = await open_seals(store, ring)
    tree = ScopeTree(store, seals)
    await tree.load()
    audiences = audiences_of([origin], ml=["https://ml.azure.localhost"])
    identity = await open_identity(store, ring, seals, audiences, origin, outbound or GuardedOutbound(), heirs=tree)
    gate = Gate(identity.rights.grants)
    operations = Operations(store, owner="test")
    control = Control(Catalog([SUBSCRIPTIONS, GROUPS, THINGS, *identity.types]), store, gate, operations)
    arm = ArmSurface(control, identity.authentication.authenticator(), [Surface("resource manager", identity.routes(), gate, render_arm)])
    resources = Resources()
    resources.control = control
    objects = DirectoryObjects(resources)
    surfaces = [arm, *identity.surfaces(objects, gate)]
    front = Front(surfaces, lambda host: host in ("localhost", "127.0.0.1"), Nowhere(), versions=identity.rights.grants)
    return Studio(store, identity, gate, control, operations, front, Beginning(identity.tenant, "", "", None), tree, seals)

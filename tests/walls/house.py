"""A whole studio in this process: real store, rooms and front door, spoken to as clients do.

Two projects in one hub, and eight identities: nobody, somebody of another tenant, the owner of the other project, a
reader, a writer and an owner of the first project's group, the first project's own identity, and the writer with a
token that has ended.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from studiolo.app.compose import Application, compose
from studiolo.app.home import Home
from studiolo.app.settings import Settings
from studiolo.kernel import clock
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import PLATFORM
from studiolo.rooms.authentication.domain.tokens import Bearer, claims_of
from studiolo.wire.rates import ANONYMOUS, SIGN_IN, Rate
from tests.support.asgi import Reply, call

API = "2024-10-01"
BLOB_VERSION = "2025-11-05"
IDENTITIES = ("none", "other tenant", "other project", "reader", "writer", "owner", "managed identity", "expired")
_ROLES = "/providers/Microsoft.Authorization/roleDefinitions"
_ASSIGNMENTS = "/providers/Microsoft.Authorization/roleAssignments"
_ML = "Microsoft.MachineLearningServices/workspaces"
# The roles of each identity by where they hold: the first project's group, or the second project.
ROLES: Mapping[str, Sequence[tuple[str, str]]] = {
    "other project": [
        ("Owner", "other"),
        ("Azure AI Developer", "other"),
        ("Storage Blob Data Owner", "other data"),
        ("Cognitive Services OpenAI User", "other"),
    ],
    "reader": [("Reader", "group"), ("Storage Blob Data Reader", "group"), ("Cognitive Services OpenAI User", "group")],
    "writer": [("Contributor", "group"), ("Storage Blob Data Contributor", "group"), ("Azure AI Developer", "group")],
    "owner": [("Owner", "group"), ("Storage Blob Data Owner", "group"), ("Azure AI Developer", "group")],
}


class Grant(NamedTuple):
    """A role by name, held at a scope; below it perhaps for containers alone whose names begin so."""

    role: str
    scope: str
    containers: str = ""


@dataclass
class Somebody:
    """One identity: its object id, its tokens by audience, and what it was granted."""

    oid: str = ""
    tokens: dict[str, str] = field(default_factory=dict[str, str])
    grants: list[Grant] = field(default_factory=list[Grant])


@dataclass
class House:
    """The studio, what is in it, and who is about."""

    application: Application
    subscription: str
    group: str
    project: dict[str, Any]
    other: dict[str, Any]
    account: str
    admin: Somebody
    people: dict[str, Somebody] = field(default_factory=dict[str, Somebody])

    @property
    def workspace_id(self) -> str:
        """The GUID of the first project."""
        return self.project["properties"]["workspaceId"]

    @property
    def container(self) -> str:
        """The container of the first project's own files."""
        return f"{self.workspace_id}-blobstore"

    async def ask(
        self,
        method: str,
        target: str,
        body: bytes | dict[str, Any] = b"",
        *,
        who: Somebody | None = None,
        audience: str = "arm",
        host: str = "localhost:8443",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request; without `who`, with no credential but what `target` or `headers` carry."""
        proof = {"authorization": f"Bearer {who.tokens[audience]}"} if who and who.tokens else {}
        return await call(self.application.asgi, method, target, body=body, headers={**proof, **(headers or {})}, host=host)

    async def arm(
        self,
        method: str,
        path: str,
        body: bytes | dict[str, Any] = b"",
        *,
        who: Somebody | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Reply:
        """One call of the resource manager, by the server's owner unless told otherwise."""
        return await self.ask(method, f"{quote(path)}?{urlencode({'api-version': API, **(query or {})})}", body, who=who or self.admin)

    async def blob(
        self, method: str, target: str, body: bytes = b"", *, who: Somebody | None = None, account: str = "", **headers: str
    ) -> Reply:
        """One call of the Blob protocol."""
        sent = {"x-ms-version": BLOB_VERSION, "x-ms-blob-type": "BlockBlob", "content-length": str(len(body)), **headers}
        host = f"{account or self.account}.blob.core.localhost:8443"
        return await self.ask(method, target, body, who=who, audience="blob", host=host, headers=sent)

    async def token(self, oid: str, application: str, audience: str, *, age_seconds: int = 0, tenant: str = "") -> str:
        """An access token of this server's own making, as old and of whatever tenant as the test wants."""
        proofs = self.application._house.identity.authentication  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - nobody gives out such tokens
        principal = await self.application.control.find(parse(f"/providers/Studiolo.Directory/servicePrincipals/{oid}"))
        assert principal is not None
        claims = claims_of(
            Bearer(oid, principal.system.created_at, application),
            proofs.front.issuer,
            audience,
            "2.0",
            at=int(clock.now().timestamp()) - age_seconds,
            life_seconds=3600,
            token_id=uuid.uuid4().hex,
        )
        return await proofs.keys.sign({**claims, **({"tid": tenant} if tenant else {})})

    async def dress(self, person: Somebody, application: str, **how: Any) -> None:
        """Give somebody a token for each plane."""
        for plane, audience in (("arm", "https://localhost:8443"), ("blob", "https://storage.azure.com")):
            person.tokens[plane] = await self.token(person.oid, application, audience, **how)

    async def person(self, name: str, grants: Sequence[Grant] = (), **how: Any) -> Somebody:
        """Somebody new with these rights."""
        application, oid = str(uuid.uuid4()), str(uuid.uuid4())
        named = {"displayName": name}
        await self.make(f"/providers/Studiolo.Directory/applications/{application}", named)
        await self.make(f"/providers/Studiolo.Directory/servicePrincipals/{oid}", {**named, "appId": application})
        found = Somebody(oid)
        await self.dress(found, application, **how)
        for grant in grants:
            await self.grant(found, grant)
        return found

    async def make(self, path: str, properties: dict[str, Any]) -> None:
        """Write a resource as the platform does: nobody but the studio's first owner may change its directory."""
        await self.application.control.put(PLATFORM, parse(path), {"properties": properties})

    async def grant(self, person: Somebody, grant: Grant) -> None:
        """Give a role."""
        listed = await self.arm("GET", f"{self.group}{_ROLES}", query={"$filter": f"roleName eq '{grant.role}'"})
        body = {"roleDefinitionId": listed.json()["value"][0]["id"], "principalId": person.oid, "principalType": "ServicePrincipal"}
        made = await self.arm("PUT", f"{grant.scope}{_ASSIGNMENTS}/{uuid.uuid4()}", {"properties": body})
        assert made.status == 201, made.body
        person.grants.append(grant)

    async def own_identity(self, workspace: Mapping[str, Any]) -> Somebody:
        """A workspace's managed identity, with tokens of its own and what the platform gave it."""
        found = Somebody(workspace["identity"]["principalId"])
        principal = await self.application.control.find(parse(f"/providers/Studiolo.Directory/servicePrincipals/{found.oid}"))
        assert principal is not None
        await self.dress(found, principal.properties["appId"])
        listed = await self.arm("GET", f"{self.group}{_ASSIGNMENTS}", query={"$filter": f"principalId eq '{found.oid}'"})
        for assignment in listed.json()["value"]:
            held = assignment["properties"]
            role = (await self.arm("GET", held["roleDefinitionId"])).json()["properties"]["roleName"]
            # The platform's one condition: a project's identity has the containers that begin with the project's id.
            only = f"{workspace['properties']['workspaceId']}-" if held.get("condition") else ""
            found.grants.append(Grant(role, held["scope"], only))
        return found


async def _token_of_owner(application: Application, home: Home) -> Somebody:
    environment = home.environment()
    assert environment is not None
    found = Somebody()
    for plane, scope in (("arm", f"{environment.url}/.default"), ("blob", "https://storage.azure.com/.default")):
        form = {
            "grant_type": "client_credentials",
            "client_id": environment.client_id,
            "client_secret": environment.client_secret,
            "scope": scope,
        }
        sent = {"content-type": "application/x-www-form-urlencoded"}
        reply = await call(application.asgi, "POST", "/adfs/oauth2/token", body=urlencode(form).encode(), headers=sent)
        found.tokens[plane] = reply.json()["access_token"]
    return found


@asynccontextmanager
async def opened(path: Path, rates: Mapping[str, Rate] | None = None) -> AsyncGenerator[House]:
    """A studio on files in `path`, begun, with everybody in it; strangers may come as often as they like unless `rates` says else."""
    home = Home(path / "home")
    home.prepare()
    often = {ANONYMOUS: Rate(1e6, 1e6), SIGN_IN: Rate(1e6, 1e6), **(rates or {})}
    application = await compose(Settings(home=home.root, has_model=False, rates=often), home)
    await application.start()
    try:
        environment = home.environment()
        assert environment is not None
        subscription = f"/subscriptions/{environment.subscription}"
        group = f"{subscription}/resourceGroups/walls"
        house = House(application, subscription, group, {}, {}, "", await _token_of_owner(application, home))
        await _furnish(house)
        yield house
    finally:
        await application.stop()


async def _furnish(house: House) -> None:
    assert (await house.arm("PUT", house.group, {"location": "local"})).status in (200, 201)
    hub = f"{house.group}/providers/{_ML}/hub"
    assert (await house.arm("PUT", hub, {"location": "local", "kind": "Hub"})).status == 201
    made: list[dict[str, Any]] = []
    for name in ("first", "second"):
        body = {"location": "local", "kind": "Project", "properties": {"hubResourceId": hub}}
        reply = await house.arm("PUT", f"{house.group}/providers/{_ML}/{name}", body)
        assert reply.status == 201, reply.body
        made.append(reply.json())
    house.project, house.other = made
    account_id = made[0]["properties"]["storageAccount"]
    house.account = account_id.rpartition("/")[2]
    data = f"{account_id}/blobServices/default/containers/{house.other['properties']['workspaceId']}-blobstore"
    places = {"group": house.group, "other": house.other["id"], "other data": data}
    for name, roles in ROLES.items():
        house.people[name] = await house.person(name, [Grant(role, places[place]) for role, place in roles])
    house.people["none"] = Somebody()
    house.people["other tenant"] = await house.person("elsewhere", tenant=str(uuid.uuid4()))
    house.people["managed identity"] = await house.own_identity(house.project)
    house.people["expired"] = await house.person("late", age_seconds=2 * 3600)
    house.people["expired"].grants = []

"""What a probe needs: two projects in one hub, canaries in the one, identities of the other; and nothing left afterwards."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote

from studiolo.app.client.session import Refusal
from studiolo.app.isolation.asking import STORAGE, Attacker, Studio
from studiolo.kernel import clock
from studiolo.kernel.faults import Fault, Forbidden
from studiolo.kernel.resource import JsonObject

PREFIX: Final = "isolation-probe"
_ML: Final = "Microsoft.MachineLearningServices/workspaces"
_DIRECTORY: Final = "/providers/Studiolo.Directory"
_BLOB: Final = {"x-ms-version": "2025-11-05", "x-ms-blob-type": "BlockBlob"}
_MEMBER: Final = ("Owner", "Azure AI Developer", "Storage Blob Data Contributor")
_READER: Final = ("Reader",)
_OTHERWISE: Final = str.maketrans("0123456789abcdef", "123456789abcdef0")
_GUID: Final = rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TIMES: Final = rb"\d{4}-\d\d-\d\d[T ][0-9:.]+Z?|\w{3}, \d\d \w{3} \d{4} [0-9:]{8} GMT"
_VARIES: Final = re.compile(_GUID + rb"|" + _TIMES)


@dataclass(slots=True)
class Canaries:
    """Names and contents that nobody can guess, each with what it stands in. `known` are those that an attacker uses."""

    planted: dict[str, str] = field(default_factory=dict[str, str])

    def new(self, what: str) -> str:
        """A fresh one."""
        made = f"cnry{secrets.token_hex(10)}"
        self.planted[made] = what
        return made

    def add(self, text: str, what: str) -> str:
        """Something that came from the studio and must not come to others."""
        if text:
            self.planted[text] = what
        return text

    def found_in(self, received: bytes, sent: bytes) -> list[str]:
        """What stands in the bytes received and did not stand in the bytes sent."""
        low, own = received.lower(), sent.lower()
        return [what for text, what in self.planted.items() if text.lower().encode() in low and text.lower().encode() not in own]


@dataclass(slots=True)
class Project:
    """A project of the probe."""

    name: str
    id: str = ""
    workspace_id: str = ""
    account: str = ""
    account_id: str = ""

    @property
    def container(self) -> str:
        """The container of its own files."""
        return f"{self.workspace_id}-blobstore"


class World:
    """Everything that a probe makes. `admin` calls the resource manager as the one who runs it, `keeper` the directory."""

    def __init__(self, studio: Studio, admin: dict[str, str], keeper: dict[str, str], hub: str) -> None:
        self.studio = studio
        self.admin = admin
        self.keeper = keeper
        env = studio.environment
        self.group = f"/subscriptions/{env.subscription}/resourceGroups/{env.resource_group}"
        self.subscription = f"/subscriptions/{env.subscription}"
        tag = secrets.token_hex(4)
        self.hub = self.workspace(hub or f"{PREFIX}-hub-{tag}")
        self.has_own_hub = not hub
        self.kept = Project(f"{PREFIX}-kept-{tag}")
        self.near = Project(f"{PREFIX}-near-{tag}")
        self.canaries = Canaries()
        self.attackers: list[Attacker] = []
        # Names that an attacker may know or guess; everything else stays secret.
        self.names: dict[str, str] = {}
        self.own_signature = ""
        self._undo: list[tuple[str, Callable[[], Awaitable[Any]]]] = []

    def workspace(self, name: str) -> str:
        """The id of a workspace in the environment's group."""
        return f"{self.group}/providers/{_ML}/{quote(name)}"

    @cached_property
    def _pairs(self) -> list[tuple[str, str]]:
        """Names of the kept project, each with one as long of something that does not exist."""
        names = (self.kept.name, self.kept.workspace_id, *self.names.values())
        return [(name, name[:-8] + name[-8:].translate(_OTHERWISE)) for name in names]

    def without_names(self, text: str) -> str:
        """A request for something that does not exist, which for the rest is the same."""
        for name, other in self._pairs:
            text = text.replace(name, other)
        return text

    def normal(self, body: bytes) -> bytes:
        """An answer without what differs between any two: names that were asked for, ids of requests, times."""
        for pair in self._pairs:
            for name in pair:
                body = body.replace(name.encode(), b"*")
        return _VARIES.sub(b"~", body)

    # ── making ──

    async def make(self, told: Callable[[str], None]) -> None:
        """Make both projects, plant the canaries, and dress the attackers."""
        if self.has_own_hub:
            told("making a hub")
            await self._put(self.hub, {"location": "local", "kind": "Hub"})
        told("making two projects")
        for project in (self.kept, self.near):
            await self._project(project)
        told("planting canaries")
        await self._plant()
        told("making identities")
        await self._dress()

    async def _put(self, path: str, body: JsonObject, headers: dict[str, str] | None = None) -> JsonObject:
        """Write a resource that goes when the probe is over."""
        by = headers or self.admin
        self._undo.append((path, lambda: self.studio.arm("DELETE", path, by)))
        return await self.studio.arm("PUT", path, by, body)

    async def _project(self, project: Project) -> None:
        project.id = self.workspace(project.name)
        body: JsonObject = {"location": "local", "kind": "Project", "properties": {"hubResourceId": self.hub}}
        if project is self.kept:
            body["tags"] = {"secret": self.canaries.new("a tag of the project")}
            body["properties"] |= {
                "description": self.canaries.new("the project's description"),
                "friendlyName": self.canaries.new("the project's friendly name"),
            }
        made = await self._put(project.id, body)
        project.workspace_id = made["properties"]["workspaceId"]
        project.account_id = made["properties"]["storageAccount"]
        project.account = project.account_id.rpartition("/")[2]

    async def _plant(self) -> None:
        kept, new = self.kept, self.canaries.new
        self.canaries.add(kept.workspace_id, "the project's id")
        found = await self.studio.arm("GET", kept.id, self.admin)
        identity: JsonObject = found.get("identity") or {}
        self.canaries.add(str(identity.get("principalId", "")), "the object id of the project's identity")
        for slot, key in (await self._keys(kept)).items():
            self.canaries.add(str(key), f"the project's {slot}")
        self.names = {"blob": new("a blob's name"), "data": new("a data asset's name"), "model": new("a model asset's name")}
        self.names |= {"component": new("a component's name"), "environment": new("an environment's name")}
        signature = await self._signature(kept, self.admin)
        self.canaries.add(signature.rpartition("sig=")[2].partition("&")[0], "a signature for the project's files")
        blob = f"{self.studio.blob_url(kept.account)}/{kept.container}/{self.names['blob']}"
        headers = {**_BLOB, "x-ms-meta-secret": new("a blob's metadata"), "content-type": f"text/{new('a blob s type')}"}
        put = await self.studio.send("PUT", f"{blob}?{signature}", headers, new("a blob's content").encode() * 3)
        put.json()
        for kind, name in (("data", "data"), ("models", "model")):
            where = (
                f"azureml://subscriptions/x/resourcegroups/x/workspaces/x/datastores/workspaceblobstore/paths/{new(f'a path of {kind}')}"
            )
            uri = {"dataUri": where, "dataType": "uri_file"} if kind == "data" else {"modelUri": where, "modelType": "custom_model"}
            more = {"description": new(f"a description of {kind}"), "tags": {"secret": new(f"a tag of {kind}")}}
            await self._put_quietly(f"{kept.id}/{kind}/{self.names[name]}/versions/1", {"properties": {**uri, **more}})
        prompt = {"image": "x/y:1", "description": new("a prompt in a description")}
        await self._put_quietly(f"{kept.id}/environments/{self.names['environment']}/versions/1", {"properties": prompt})

    async def _put_quietly(self, path: str, body: JsonObject) -> None:
        """What cannot be kept here has no canary to leak."""
        with suppress(Refusal):
            await self.studio.arm("PUT", path, self.admin, body)

    async def _keys(self, project: Project) -> JsonObject:
        account = f"{self.group}/providers/Microsoft.CognitiveServices/accounts/{project.name}"
        return await self.studio.arm("POST", f"{account}/listKeys", self.admin, {})

    async def _signature(self, project: Project, headers: dict[str, str]) -> str:
        place = f"{project.id}/datastores/workspaceblobstore/listSecrets"
        told = await self.studio.arm("POST", place, headers, {"expirableSecret": True, "expireAfterHours": 1})
        return str(told["sasToken"]).lstrip("?")

    # ── who attacks ──

    async def _dress(self) -> None:
        member = await self._person("member", _MEMBER)
        await self._person("reader", _READER)
        await self._person("stranger", ())
        self.attackers.insert(0, Attacker("nobody"))
        key = next(iter((await self._keys(self.near)).values()))
        self.attackers.append(Attacker("project key", {"main": {"api-key": str(key)}, "blob": {"authorization": f"Bearer {key}"}}))
        self.own_signature = await self._signature(self.near, member.headers["main"])
        self.attackers.append(Attacker("managed identity's signature", signature=self.own_signature))
        self.attackers += [Attacker(name, signature=forged) for name, forged in _forged(self.own_signature)]
        self.attackers.append(Attacker("account key", {"blob": {"authorization": f"SharedKey {self.near.account}:{'A' * 43}="}}))

    async def _person(self, name: str, roles: tuple[str, ...]) -> Attacker:
        application, oid = clock.new_id(), clock.new_id()
        named = {"displayName": f"{PREFIX}-{name}"}
        client = f"{_DIRECTORY}/applications/{application}"
        try:
            await self._put(client, {"properties": named}, self.keeper)
        except Refusal as refusal:
            if refusal.status in (401, 403):
                raise Forbidden(
                    "A probe makes identities of its own, and you may not change the directory. Pass the one-time link that `studiolo up` "
                    "printed: studiolo doctor isolation --link LINK",
                    code="DirectoryNotPermitted",
                ) from None
            raise
        secret = (await self.studio.arm("POST", f"{client}/addPassword", self.keeper, {}))["secretText"]
        await self._put(f"{_DIRECTORY}/servicePrincipals/{oid}", {"properties": {**named, "appId": application}}, self.keeper)
        box = f"{self.near.account_id}/blobServices/default/containers/{self.near.container}"
        for role in roles:
            await self._grant(oid, role, box if role.startswith("Storage") else self.near.id)
        made = Attacker(
            name,
            {
                "main": await self.studio.token(application, secret, self.studio.url),
                "blob": await self.studio.token(application, secret, STORAGE),
            },
        )
        self.attackers.append(made)
        return made

    async def _grant(self, oid: str, role: str, scope: str) -> None:
        listed = await self.studio.arm(
            "GET", f"{self.group}/providers/Microsoft.Authorization/roleDefinitions", self.admin, _filter=f"roleName eq '{role}'"
        )
        body = {"roleDefinitionId": listed["value"][0]["id"], "principalId": oid, "principalType": "ServicePrincipal"}
        await self._put(f"{scope}/providers/Microsoft.Authorization/roleAssignments/{clock.new_id()}", {"properties": body})

    # ── putting away ──

    async def clear(self) -> list[str]:
        """Remove what was made, the last first; the ids of what would not go."""
        left: list[str] = []
        for path, undo in reversed(self._undo):
            try:
                await undo()
            except Refusal as refusal:
                if refusal.status != 404:
                    left.append(path)
            except Fault:
                left.append(path)
        self._undo.clear()
        return left


def _forged(signature: str) -> list[tuple[str, str]]:
    """One's own signature, changed into what one would like it to be."""
    fields = {name: value for name, _, value in (part.partition("=") for part in signature.split("&"))}
    changes: dict[str, dict[str, str]] = {
        "signature widened to all letters": {"sp": "racwdxltmeop"},
        "signature of an account": {"ss": "b", "srt": "sco", "sr": ""},
        "signature of a service": {"skoid": "", "sktid": "", "skt": "", "ske": "", "sks": "", "skv": ""},
        "signature of another kind": {"sr": "b"},
        "signature of a folder": {"sr": "d", "sdd": "0"},
        "signature without an end": {"se": "2099-01-01T00%3A00%3A00Z"},
    }
    return [(name, "&".join(f"{key}={value}" for key, value in {**fields, **change}.items() if value)) for name, change in changes.items()]

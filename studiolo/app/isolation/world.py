"""What a probe needs: two projects in one hub, canaries in the one; and nothing left afterwards."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, Final, cast
from urllib.parse import quote

from studiolo.app.client.session import Refusal
from studiolo.app.isolation.asking import API_VERSION, Reply, Request, Studio
from studiolo.app.isolation.attacks import Form, filled
from studiolo.app.isolation.things import THINGS, Thing, word_of
from studiolo.kernel import clock
from studiolo.kernel.faults import Fault
from studiolo.kernel.record import MERGED
from studiolo.kernel.resource import JsonObject

PREFIX: Final = "isolation-probe"
_ML: Final = "Microsoft.MachineLearningServices/workspaces"
_OTHERWISE: Final = str.maketrans("0123456789abcdef", "123456789abcdef0")
# The id of a line that tells of several refusals begins with a word: which one a refusal gets depends on how many there were before it.
_GUID: Final = rf"(?:{MERGED})?[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}"
_TIMES: Final = r"\d{4}-\d\d-\d\d[T ][0-9:.]+Z?|\w{3}, \d\d \w{3} \d{4} [0-9:]{8} GMT"
# How much of a name's end tells it from that of something absent.
_TOLD_BY: Final = 8
_BLOBS: Final = ("blob", "second", "third", "fourth", "fifth")
_DAY: Final = timedelta(days=1)


@dataclass(slots=True)
class Canaries:
    """Names and contents that nobody can guess, each with what it stands in."""

    planted: dict[str, str] = field(default_factory=dict[str, str])
    _seen: re.Pattern[bytes] | None = None

    def new(self, what: str) -> str:
        """A fresh one."""
        return self.add(f"cnry{secrets.token_hex(10)}", what)

    def add(self, text: str, what: str) -> str:
        """Something that must not come to others."""
        if text:
            self.planted[text.lower()], self._seen = what, None
        return text

    def found_in(self, received: bytes, sent: bytes) -> list[str]:
        """What stands in the bytes received and did not stand in the bytes sent."""
        if self._seen is None:
            self._seen = re.compile(b"|".join(re.escape(text.encode()) for text in self.planted))
        found, own = {match[0] for match in self._seen.finditer(received.lower())}, sent.lower()
        return sorted({self.planted[text.decode()] for text in found if text not in own})


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
        self.subscription = f"/subscriptions/{env.subscription}"
        self.group = f"{self.subscription}/resourceGroups/{env.resource_group}"
        tag = secrets.token_hex(4)
        self.hub = self.workspace(hub or f"{PREFIX}-hub-{tag}")
        self.has_own_hub = not hub
        self.kept, self.near, self.spare = (Project(f"{PREFIX}-{word}-{tag}") for word in ("kept", "near", "gone"))
        self.canaries = Canaries()
        # What stands for the names in requests, and, of each type, the name and the secret of the kept thing.
        self.known: dict[str, str] = {}
        self.things: dict[str, tuple[str, str]] = {}
        # Names of what is attacked, which an attacker may know: each has one as long of something absent.
        self.names: list[str] = []
        self._undo: list[tuple[str, Callable[[], Awaitable[Any]]]] = []

    def workspace(self, name: str) -> str:
        """The id of a workspace in the environment's group."""
        return f"{self.group}/providers/{_ML}/{quote(name)}"

    # ── names ──

    @cached_property
    def _pairs(self) -> list[tuple[str, str]]:
        return [(name, name[:-_TOLD_BY] + name[-_TOLD_BY:].translate(_OTHERWISE)) for name in self.names]

    @cached_property
    def varies(self) -> re.Pattern[bytes]:
        """What differs between two answers: names that were asked for (a message may cut one off), ids of requests, times."""
        names = "|".join(f"{re.escape(name[:-_TOLD_BY])}[0-9a-f]{{0,{_TOLD_BY}}}" for name in self.names)
        return re.compile(f"{names}|{_GUID}|{_TIMES}".encode(), re.IGNORECASE)

    def twin_of(self, request: Request) -> Request | None:
        """The same request for something that does not exist; None if it names nothing of the kept project."""

        def other(text: str) -> str:
            for name, absent in self._pairs:
                text = text.replace(name, absent)
            return text

        headers = {name: other(value) for name, value in request.headers.items()}
        twin = replace(request, target=other(request.target), headers=headers, body=other(request.body.decode()).encode())
        return None if twin == request else twin

    def of_type(self, name: str) -> dict[str, str]:
        """`it` and `secret` of the kept thing of a type."""
        if name not in self.things:
            is_guid = name in THINGS and THINGS[name].is_guid
            it = clock.new_id() if is_guid else f"cnry{secrets.token_hex(10)}"
            self.things[name] = it, f"cnry{secrets.token_hex(10)}"
            if name not in THINGS or not THINGS[name].is_common:
                self.canaries.add(it, f"the name of {name}")
                self.canaries.add(self.things[name][1], f"a secret of {name}")
            self.names.append(it)
            self.known[word_of(name)], self.known[f"{word_of(name)}_secret"] = self.things[name]
        it, secret = self.things[name]
        return {"it": it, "secret": secret}

    def fresh(self) -> dict[str, str]:
        """Names that nothing has yet, and the times of a key for storage."""
        now = clock.now()
        return {
            "fresh": f"probe{secrets.token_hex(8)}",
            "fresh_id": clock.new_id(),
            "start": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "expiry": f"{now + _DAY / 24:%Y-%m-%dT%H:%M:%SZ}",
        }

    # ── making ──

    async def make(self, told: Callable[[str], None]) -> None:
        """Make three projects: the kept one, the attackers' own, and one that controls may remove."""
        if self.has_own_hub:
            told("making a hub")
            await self.put(self.hub, {"location": "local", "kind": "Hub"})
        told("making projects")
        kept, env, new = self.kept, self.studio.environment, self.canaries.new
        self.known |= {
            "project_tag": new("a tag of the project"),
            "project_about": new("the project's description"),
            "project_title": new("the project's friendly name"),
        }
        for project in (kept, self.near, self.spare):
            await self._project(project)
        box = f"{kept.account_id}/blobServices/default/containers/{kept.container}"
        self.known |= {
            "subscription": env.subscription,
            "group": env.resource_group,
            "rg": self.group,
            "tenant": "adfs",
            "hub": self.hub,
            "kept": kept.id,
            "kept_name": kept.name,
            "kept_box": box.strip("/"),
            "scope": kept.id.strip("/"),
            "project": kept.workspace_id,
            "container": kept.container,
            "origin": self.studio.url,
            "operation": "1",
            "account": kept.account_id,
            "account_name": kept.account,
            "spare": self.spare.id,
            "spare_name": self.spare.name,
            "blob": new("a blob's name"),
            **{name: new(f"a {name} blob's name") for name in _BLOBS[1:]},
            "free_application": "",
            **{name: f"gone-{secrets.token_hex(4)}" for name in ("spare_blob", "batch_blob", "other_batch_blob", "spare_container")},
        }
        self.names += [kept.name, kept.workspace_id, *(self.known[name] for name in _BLOBS)]
        self.canaries.add(kept.workspace_id, "the project's id")
        self.canaries.add(kept.name, "the project's name")
        for slot, key in (await self.keys_of(kept)).items():
            self.canaries.add(str(key), f"the project's {slot}")
        found = await self.studio.arm("GET", kept.id, self.admin)
        identity: JsonObject = found.get("identity") or {}
        self.canaries.add(str(identity.get("principalId", "")), "the object id of the project's identity")

    async def _project(self, project: Project) -> None:
        project.id = self.workspace(project.name)
        about: JsonObject = {}
        if project is self.kept:
            about = {"description": self.known["project_about"], "friendlyName": self.known["project_title"]}
        body: JsonObject = {"location": "local", "kind": "Project", "properties": {"hubResourceId": self.hub, **about}}
        made = await self.put(project.id, body)
        project.workspace_id = made["properties"]["workspaceId"]
        project.account_id = made["properties"]["storageAccount"]
        project.account = project.account_id.rpartition("/")[2]

    async def keys_of(self, project: Project) -> JsonObject:
        """A project's keys for models."""
        account = f"{self.group}/providers/Microsoft.CognitiveServices/accounts/{project.name}"
        return await self.studio.arm("POST", f"{account}/listKeys", self.admin, {})

    async def put(self, path: str, body: JsonObject, headers: dict[str, str] | None = None) -> JsonObject:
        """Write a resource that goes when the probe is over. Raises Refusal."""
        by = headers or self.admin
        self.goes(path, by)
        return await self.studio.arm("PUT", path, by, body)

    async def role(self, name: str) -> str:
        """The id of a built-in role. Raises Refusal."""
        place = f"{self.group}/providers/Microsoft.Authorization/roleDefinitions"
        return (await self.studio.arm("GET", place, self.admin, _filter=f"roleName eq '{name}'"))["value"][0]["id"]

    # ── putting away ──

    def goes(self, path: str, by: dict[str, str]) -> None:
        """Remember that something goes when the probe is over. What lies in the kept project goes with it."""
        if path.startswith(f"{self.kept.id}/") and self.kept.id:
            return
        self._undo.append((path, lambda: self.studio.arm("DELETE", path, by)))

    def saw_made(self, place: str, reply: Reply) -> None:
        """Remember what a POST has made in the directory, whoever sent it."""
        if reply.status == 201:
            self.goes(f"{place}/{reply.json()['id']}", self.keeper)

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


def spare_of(thing: Thing, names: dict[str, str]) -> tuple[str, Request | None]:
    """Where the spare of a kind of thing lies, and the request that makes it; None if it is there, or need not be."""
    own = {**names, "it": names["fresh_id"] if thing.is_guid else names["fresh"], "secret": names["fresh"]}
    if thing.spare:
        return filled(thing.spare, own), None
    form = Form("PUT", thing.path, f"api-version={API_VERSION}", body=merged(thing.body, thing.spare_body))
    return filled(thing.path, own), form.filled(own)


def merged(body: JsonObject, changes: JsonObject) -> JsonObject:
    """A body with changes, object by object."""
    both = dict(body)
    for name, value in changes.items():
        both[name] = merged(both[name], cast("JsonObject", value)) if isinstance(value, dict) and name in both else value
    return both

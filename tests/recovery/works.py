"""One piece of work for every type whose resources take steps to be made or removed, and what each stands on."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from studiolo.kernel.control import Control
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import PLATFORM, Caller

WORKSPACES = "Microsoft.MachineLearningServices/workspaces"
IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"
STORAGE = "Microsoft.Storage/storageAccounts"
CONTAINERS = f"{STORAGE}/blobServices/containers"
MODELS = "Microsoft.CognitiveServices/accounts"
DEPLOYMENTS = "Microsoft.Resources/deployments"
DIRECTORY = "Studiolo.Directory"
OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
VERSION = "2024-10-01-preview"
Places = dict[str, str]
LOCAL = {"location": "local"}


@dataclass(frozen=True)
class Work:
    """What is done to a resource of a type. `run` returns when it was acknowledged."""

    type: str
    run: Callable[[Control, Places], Awaitable[object]]


async def preparations(control: Control) -> Places:
    """Make what the works stand on; the places of all that matters, by name."""
    [subscription] = [row.key for row in (await control.store.below("/subscriptions", type_name="microsoft.resources/subscriptions")).rows]
    group = f"{subscription}/resourceGroups/studiolo"
    machines = f"{group}/providers/{WORKSPACES}"
    person, team, application, robot = (str(uuid.uuid4()) for _ in range(4))
    places = {
        "group": group,
        "new group": f"{subscription}/resourceGroups/full",
        "hub": f"{machines}/old-hub",
        "project": f"{machines}/old-project",
        "lone": f"{machines}/lone-project",
        "new": f"{machines}/new",
        "home": f"{machines}/home",
        "account": f"{group}/providers/{STORAGE}/oldaccount",
        "new account": f"{group}/providers/{STORAGE}/newaccount",
        "container": f"{group}/providers/{STORAGE}/oldaccount/blobServices/default/containers/old-box",
        "new container": f"{group}/providers/{STORAGE}/oldaccount/blobServices/default/containers/new-box",
        "identity": f"{group}/providers/{IDENTITIES}/old-who",
        "new identity": f"{group}/providers/{IDENTITIES}/new-who",
        "models": f"{group}/providers/{MODELS}/lone-project",
        "old models": f"{group}/providers/{MODELS}/old-project",
        "deployment": f"{group}/providers/{DEPLOYMENTS}/old",
        "new deployment": f"{group}/providers/{DEPLOYMENTS}/new",
        "user": f"/providers/{DIRECTORY}/users/{person}",
        "team": f"/providers/{DIRECTORY}/groups/{team}",
        "application": f"/providers/{DIRECTORY}/applications/{application}",
        "robot": f"/providers/{DIRECTORY}/servicePrincipals/{robot}",
        "provider": f"/providers/{DIRECTORY}/identityProviders/elsewhere",
    }
    put = _putter(control)
    await put(places["hub"], {**LOCAL, "kind": "Hub"})
    await put(places["project"], _project(places["hub"]))
    await put(places["lone"], _project(places["home"]))
    await control.delete(PLATFORM, parse(places["models"]))
    await put(places["account"], {**LOCAL, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}})
    await put(places["container"], {})
    await put(places["identity"], LOCAL)
    await put(places["deployment"], _deployment([_thing(IDENTITIES, "deployed")]), VERSION)
    await put(places["new group"], LOCAL)
    await put(f"{places['new group']}/providers/{IDENTITIES}/inner", LOCAL)
    await put(places["user"], _named("user"))
    await put(places["team"], _named("team", members=[person]))
    await put(places["application"], _named("robot"))
    await put(places["robot"], _named("robot", appId=application))
    await control.act(PLATFORM, parse(places["application"]), "addPassword", {}, {})
    await put(places["provider"], _named("Elsewhere", issuer="https://people.example", clientId="studio"))
    await control.act(PLATFORM, parse(places["provider"]), "setClientSecret", {"clientSecret": "known there"}, {})
    for oid, kind in ((person, "User"), (team, "Group"), (robot, "ServicePrincipal")):
        await put(f"{places['home']}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}", _grant(subscription, oid, kind))
    return places


def _putter(control: Control) -> Callable[..., Awaitable[object]]:
    async def put(path: str, body: dict[str, Any], version: str = "") -> object:
        return await control.put(PLATFORM, parse(path), body, version)

    return put


def _named(name: str, **more: Any) -> dict[str, Any]:
    return {"properties": {"displayName": name, **more}}


def _grant(subscription: str, oid: str, kind: str) -> dict[str, Any]:
    role = f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{OWNER}"
    return {"properties": {"roleDefinitionId": role, "principalId": oid, "principalType": kind}}


def _project(hub: str) -> dict[str, Any]:
    return {**LOCAL, "kind": "Project", "properties": {"hubResourceId": hub}}


def _thing(type_name: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": type_name, "apiVersion": VERSION, "name": name, **LOCAL, **more}


def _deployment(resources: list[dict[str, Any]]) -> dict[str, Any]:
    schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
    template = {"$schema": schema, "contentVersion": "1.0.0.0", "resources": resources}
    return {"properties": {"mode": "Incremental", "template": template}}


def _put(place: str, body: Callable[[Places], dict[str, Any]], *, by: str = "") -> Callable[[Control, Places], Awaitable[object]]:
    async def run(control: Control, places: Places) -> object:
        caller = Caller(oid=places[by].rpartition("/")[2], name=by) if by else PLATFORM
        return await control.put(caller, parse(places[place]), body(places), VERSION)

    return run


def _delete(place: str) -> Callable[[Control, Places], Awaitable[object]]:
    async def run(control: Control, places: Places) -> object:
        return await control.delete(PLATFORM, parse(places[place]))

    return run


def _of(body: dict[str, Any]) -> Callable[[Places], dict[str, Any]]:
    return lambda _: body


WORKS: dict[str, Work] = {
    "make a project": Work(WORKSPACES, _put("new", lambda places: _project(places["home"]), by="robot")),
    "remove a project": Work(WORKSPACES, _delete("project")),
    "remove a hub with its project": Work(WORKSPACES, _delete("hub")),
    "make an account": Work(STORAGE, _put("new account", _of({**LOCAL, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}))),
    "remove an account with a container": Work(STORAGE, _delete("account")),
    "make a container": Work(CONTAINERS, _put("new container", _of({}))),
    "remove a container": Work(CONTAINERS, _delete("container")),
    "make an identity": Work(IDENTITIES, _put("new identity", _of(LOCAL))),
    "remove an identity": Work(IDENTITIES, _delete("identity")),
    "make a model account": Work(MODELS, _put("models", _of({**LOCAL, "kind": "AIServices", "sku": {"name": "S0"}}))),
    "remove a model account": Work(MODELS, _delete("old models")),
    "deploy a template": Work(
        DEPLOYMENTS,
        _put("new deployment", _of(_deployment([_thing(WORKSPACES, "deployed-hub", kind="Hub"), _thing(IDENTITIES, "deployed-who")]))),
    ),
    "remove a deployment": Work(DEPLOYMENTS, _delete("deployment")),
    "remove a resource group": Work("Microsoft.Resources/resourceGroups", _delete("new group")),
    "remove a user": Work(f"{DIRECTORY}/users", _delete("user")),
    "remove a group": Work(f"{DIRECTORY}/groups", _delete("team")),
    "remove an application": Work(f"{DIRECTORY}/applications", _delete("application")),
    "remove a provider of sign-in": Work(f"{DIRECTORY}/identityProviders", _delete("provider")),
    "remove a service principal": Work(f"{DIRECTORY}/servicePrincipals", _delete("robot")),
}

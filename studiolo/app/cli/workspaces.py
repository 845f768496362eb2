"""Hubs and projects: the two kinds of workspace, with the same verbs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from studiolo.app.cli import show
from studiolo.app.cli.options import Output, confirm
from studiolo.app.cli.show import Column, at
from studiolo.app.cli.signed_in import on_client
from studiolo.app.client import Client, Refusal
from studiolo.kernel.faults import Invalid
from studiolo.kernel.resource import JsonObject

API_VERSION = "2024-10-01-preview"


def _last_name(item: JsonObject) -> str | None:
    hub = at("properties", "hubResourceId")(item)
    return hub.rsplit("/", 1)[-1] if hub else None


def _projects(item: JsonObject) -> list[str]:
    ids: list[str] = at("properties", "associatedWorkspaces")(item) or []
    return [id_.rsplit("/", 1)[-1] for id_ in ids]


_ROW = (
    Column("name", at("name")),
    Column("hub", _last_name),
    Column("location", at("location")),
    Column("shown as", at("properties", "friendlyName")),
    Column("state", at("properties", "provisioningState")),
    Column("tags", at("tags")),
)
_CARD = (
    *_ROW,
    Column("description", at("properties", "description")),
    Column("projects", _projects),
    Column("roles reach", at("properties", "roleInheritance")),
    Column("storage", at("properties", "storageAccount")),
    Column("vault", at("properties", "keyVault")),
    Column("workspace id", at("properties", "workspaceId")),
    Column("created", at("systemData", "createdAt")),
    Column("id", at("id")),
)


def list_all(home: Path | None, kind: str, output: Output, hub: str | None = None) -> None:
    """Print all workspaces of a kind in the resource group, or the projects of one hub."""

    async def work(client: Client) -> Sequence[JsonObject]:
        path = f"{client.group_id()}/providers/Microsoft.MachineLearningServices/workspaces"
        found = [w async for w in client.pages(path, API_VERSION, kind=kind) if str(w.get("kind", "")).lower() == kind.lower()]
        return [w for w in found if hub is None or (_last_name(w) or "").lower() == hub.lower()]

    columns = [column for column in _ROW if kind == "Project" or column.heading != "hub"]
    show.items(on_client(home, work), columns, output)


def show_one(home: Path | None, kind: str, name: str, output: Output) -> None:
    """Print one workspace."""
    show.item(on_client(home, lambda client: of_kind(client, kind, name)), _CARD, output)


def create(home: Path | None, kind: str, name: str, body: JsonObject, output: Output, hub: str | None = None) -> None:
    """Make a workspace; refuse to change one that is there."""

    async def work(client: Client) -> JsonObject:
        asked: JsonObject = {**body, "kind": kind, "identity": {"type": "SystemAssigned"}}
        if kind == "Project":
            holder = await of_kind(client, "Hub", hub or client.environment.hub)
            asked["properties"]["hubResourceId"] = holder["id"]
            asked["location"] = asked.get("location") or holder["location"]
        path = client.workspace_id(name)
        if await client.find(path, API_VERSION) is not None:
            raise Refusal(
                409, "AlreadyExists", f"There is a hub or project '{name}' already: choose another name, or change it with `update`."
            )
        with show.working(f"Creating {kind.lower()} {name}") as told:
            return await client.write(path, API_VERSION, asked, told)

    show.item(on_client(home, work), _CARD, output)


def update(home: Path | None, kind: str, name: str, changes: JsonObject, output: Output) -> None:
    """Change what is given, and leave the rest."""
    if not changes:
        raise Invalid("Nothing to change was given: see --help for what can be changed.", code="NothingToChange")

    async def work(client: Client) -> JsonObject:
        await of_kind(client, kind, name)
        with show.working(f"Changing {kind.lower()} {name}") as told:
            return await client.write(client.workspace_id(name), API_VERSION, changes, told, method="PATCH")

    show.item(on_client(home, work), _CARD, output)


def delete(home: Path | None, kind: str, name: str, *, is_sure: bool) -> None:
    """Delete a workspace after asking; what hangs on it is named first."""

    async def look(client: Client) -> JsonObject:
        return await of_kind(client, kind, name)

    async def work(client: Client) -> None:
        with show.working(f"Deleting {kind.lower()} {name}") as told:
            await client.delete(client.workspace_id(name), API_VERSION, told)

    found = on_client(home, look)
    children = _projects(found)
    also = f" with its {len(children)} projects ({', '.join(children)})" if children else ""
    confirm(f"Delete the {kind.lower()} '{name}'{also} and everything in it?", is_sure=is_sure)
    on_client(home, work)
    show.done(f"The {kind.lower()} '{name}' is deleted.")


def settings(**properties: str | None) -> JsonObject:
    """Properties without those that were not given."""
    return {name: value for name, value in properties.items() if value is not None}


async def of_kind(client: Client, kind: str, name: str) -> JsonObject:
    """The workspace of this name, if it is of this kind."""
    found = await client.get(client.workspace_id(name), API_VERSION)
    if str(found.get("kind", "")).lower() != kind.lower():
        raise Refusal(404, f"{kind}NotFound", f"'{name}' is not a {kind.lower()} but a workspace of kind {found.get('kind')}.")
    return found

"""Data and models: named, numbered versions of files, with the same verbs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from studiolo.app.cli import show
from studiolo.app.cli.options import Output
from studiolo.app.cli.show import Column, at
from studiolo.app.cli.signed_in import on_client
from studiolo.app.client import Client, Container, Refusal, parse_asset_uri
from studiolo.app.client.storage import Upload, read_upload
from studiolo.kernel.faults import Invalid, NotFound
from studiolo.kernel.resource import JsonObject

DATASTORE = "workspaceblobstore"


@dataclass(frozen=True, slots=True)
class Family:
    """What data assets and models do not share: words and member names of the API."""

    noun: str
    collection: str
    api_version: str
    uri: str
    type_member: str

    def path(self, client: Client, project: str | None, name: str, version: str | None = None) -> str:
        """The path of all versions of a name, or of one."""
        own = f"{client.workspace_id(project or client.environment.project)}/{self.collection}/{_part(name)}"
        return own if version is None else f"{own}/versions/{_part(version)}"


DATA = Family("data asset", "data", "2023-04-01-preview", "dataUri", "dataType")
MODEL = Family("model", "models", "2023-08-01-preview", "modelUri", "modelType")


def _columns(family: Family, *, is_one_version: bool) -> Sequence[Column]:
    own = (Column("version", at("name")),) if is_one_version else (Column("latest", at("properties", "latestVersion")),)
    return (
        *(own if is_one_version else (Column("name", at("name")), *own)),
        Column("type", at("properties", family.type_member)),
        Column("archived", at("properties", "isArchived")),
        Column("description", at("properties", "description")),
        Column("tags", at("properties", "tags")),
        Column("created", at("systemData", "createdAt")),
        *((Column("files", at("properties", family.uri)), Column("id", at("id"))) if is_one_version else ()),
    )


def list_all(family: Family, home: Path | None, project: str | None, name: str | None, output: Output, *, has_archived: bool) -> None:
    """Print all names of a project, or all versions of one name."""
    view = "All" if has_archived else "ActiveOnly"

    async def work(client: Client) -> Sequence[JsonObject]:
        if name is not None:
            path = f"{family.path(client, project, name)}/versions"
        else:
            path = f"{client.workspace_id(project or client.environment.project)}/{family.collection}"
        return [item async for item in client.pages(path, family.api_version, listViewType=view)]

    columns = [column for column in _columns(family, is_one_version=name is not None) if column.heading != "id"]
    show.items(on_client(home, work), columns, output)


def show_one(family: Family, home: Path | None, project: str | None, name: str, version: str | None, output: Output) -> None:
    """Print one version; the newest if none is named."""

    async def work(client: Client) -> JsonObject:
        chosen = version or await _latest(client, family, project, name)
        return await client.get(family.path(client, project, name, chosen), family.api_version)

    show.item(on_client(home, work), _columns(family, is_one_version=True), output)


def create(
    family: Family,
    home: Path | None,
    project: str | None,
    name: str,
    version: str | None,
    source: str,
    properties: JsonObject,
    output: Output,
) -> None:
    """Make a version from local files or from an address; a version that is there is not changed."""
    is_remote = "://" in source
    upload = None if is_remote else read_upload(Path(source))

    async def work(client: Client) -> JsonObject:
        chosen = version or await _next(client, family, project, name)
        path = family.path(client, project, name, chosen)
        if await client.find(path, family.api_version) is not None:
            raise Refusal(
                409, "AlreadyExists", f"Version {chosen} of the {family.noun} '{name}' exists: versions do not change, choose another one."
            )
        uri = source if upload is None else await _send(client, project, upload)
        asked = {family.uri: uri, **{member: value for member, value in properties.items() if value is not None}}
        return await client.write(path, family.api_version, {"properties": asked})

    show.item(on_client(home, work), _columns(family, is_one_version=True), output)


def archive(family: Family, home: Path | None, project: str | None, name: str, version: str | None, *, is_archived: bool) -> None:
    """Hide a version, or a whole name, from lists; or show it again."""

    async def work(client: Client) -> None:
        path = family.path(client, project, name, version)
        found = await client.get(path, family.api_version)
        asked = {"properties": {**found["properties"], "isArchived": is_archived}}
        await client.write(path, family.api_version, asked)

    on_client(home, work)
    what = f"Version {version} of the" if version else "The"
    show.done(f"{what} {family.noun} '{name}' is {'archived' if is_archived else 'restored'}.")


def download(family: Family, home: Path | None, project: str | None, name: str, version: str | None, folder: Path) -> None:
    """Bring a version's files into a folder."""

    async def work(client: Client) -> int:
        chosen = version or await _latest(client, family, project, name)
        found = await client.get(family.path(client, project, name, chosen), family.api_version)
        datastore, prefix = parse_asset_uri(str(found["properties"][family.uri]))
        container = await Container.open(client, project or client.environment.project, datastore)
        # An asset is one blob, or all blobs below its path; a neighbour whose name merely begins alike is neither.
        blobs = [b for b in await container.list(prefix) if b.name == prefix or b.name.startswith(prefix.removesuffix("/") + "/")]
        if not blobs:
            raise NotFound(f"There are no files at '{prefix}' of the datastore '{datastore}'.", code="FilesMissing")
        with show.moving(f"Downloading {name}", sum(blob.size_bytes for blob in blobs)) as moved:
            await container.download(blobs, prefix, folder, moved)
        return len(blobs)

    count = on_client(home, work)
    show.done(f"{count} {'file is' if count == 1 else 'files are'} in '{folder}'.")


async def _send(client: Client, project: str | None, upload: Upload) -> str:
    """Upload files to the project's default datastore; gives the address of what was uploaded."""
    workspace = project or client.environment.project
    container = await Container.open(client, workspace, DATASTORE)
    folder = f"LocalUpload/{upload.digest}"
    with show.moving(f"Uploading {upload.name}", upload.size_bytes) as moved:
        await container.upload(upload, folder, moved)
    environment = client.environment
    inner = f"{folder}/{upload.name}" + ("/" if upload.is_folder else "")
    return (
        f"azureml://subscriptions/{environment.subscription}/resourcegroups/{environment.resource_group}"
        f"/workspaces/{workspace}/datastores/{DATASTORE}/paths/{inner}"
    )


async def _next(client: Client, family: Family, project: str | None, name: str) -> str:
    found = await client.find(family.path(client, project, name), family.api_version)
    return str(at("properties", "nextVersion")(found or {}) or "1")


async def _latest(client: Client, family: Family, project: str | None, name: str) -> str:
    found = await client.get(family.path(client, project, name), family.api_version)
    latest = at("properties", "latestVersion")(found)
    if not latest:
        raise NotFound(f"The {family.noun} '{name}' has no version that is not archived.", code="NoVersion")
    return str(latest)


def _part(name: str) -> str:
    if not name or os.sep in name:
        raise Invalid(f"'{name}' is no name.", code="InvalidName")
    return quote(name, safe="")

"""Use cases of assets that look beyond one resource: the latest version, uploads, datastore secrets, removal."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Conflict, Invalid, NotFound
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.resource import Invocation, JsonObject, Resource
from studiolo.kernel.store import Store
from studiolo.rooms.assets.domain import DEFAULT_NAMES, ProjectStorage, expiry_seconds
from studiolo.rooms.assets.domain.components import RESERVED
from studiolo.rooms.assets.domain.datastores import default_is_kept
from studiolo.rooms.assets.ports import Containers, Recipient, Workspaces

UPLOAD: Final = "startPendingUpload"
SECRETS: Final = "listSecrets"
_BATCH = 16
_UPLOAD_SECONDS = 3600
_UPLOAD = "TemporaryBlobReference"
_READ_WRITE = "racwl"
_WRITE = "rcw"
_UPLOAD_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class _Mark(msgspec.Struct, rename="camel"):
    is_archived: bool = False


class _Archivable(msgspec.Struct):
    """As much of a stored version as tells whether it is archived."""

    id: str
    properties: _Mark


class AssetService:
    """What the declared types call."""

    def __init__(self, store: Store, workspaces: Workspaces, containers: Containers) -> None:
        self._store = store
        self._workspaces = workspaces
        self._containers = containers
        self._read = msgspec.json.Decoder(_Archivable).decode

    async def latest(self, container: Resource) -> JsonObject:
        """`latestVersion` of a container: the last created version that is not archived, else null."""
        found = await self._newest_active(container.id)
        return {"latestVersion": found.name if found else None}

    async def default_version(self, asked: ResourceId) -> ResourceId | None:
        """The version that `azureml_default` stands for: the latest."""
        if asked.name.lower() != RESERVED or asked.parent is None:
            return None
        return await self._newest_active(asked.parent)

    async def start_upload(self, call: Invocation) -> JsonObject:
        """A fresh folder in the project's container for uploads, and a signature to fill it with.

        The same `pendingUploadId` names the same folder, so that a broken upload can go on.

        Raises:
            Invalid: another type of upload is asked for, or the id is no UUID.
            Conflict: the version exists, and its content is fixed.
        """
        version = call.resource
        if version.etag:
            raise Conflict(
                f"'{version.id}' exists already and its content is fixed: upload to another version.",
                code="ImmutableVersion",
                target="version",
            )
        kind = call.body.get("pendingUploadType") or _UPLOAD
        if kind != _UPLOAD:
            raise Invalid(f"'pendingUploadType' must be {_UPLOAD}, not '{str(kind)[:50]}'.", target="pendingUploadType")
        upload = call.body.get("pendingUploadId") or clock.new_id()
        if not isinstance(upload, str) or not _UPLOAD_ID.fullmatch(upload):
            raise Invalid("'pendingUploadId' must be a UUID.", target="pendingUploadId")
        storage = await self._storage(parse(version.id.text.rsplit("/", 4)[0]))
        family = version.type.rsplit("/", 2)[-2]
        # Clients take what follows the host as one container name: with its slashes encoded it stays whole.
        uri = f"{storage.blob_url}/{storage.uploads}%2F{family}%2F{upload.lower()}"
        signature = await self._containers.delegate(
            storage.account, storage.uploads, _WRITE, _UPLOAD_SECONDS, Recipient(call.caller, version.id, UPLOAD)
        )
        return {
            "pendingUploadId": upload,
            "pendingUploadType": _UPLOAD,
            "blobReferenceForConsumption": {
                "blobUri": uri,
                "storageAccountArmId": storage.account_id,
                "credential": {"credentialType": "SAS", "sasUri": f"{uri}?{signature}"},
            },
        }

    async def list_secrets(self, call: Invocation) -> JsonObject:
        """A signature for the container of one of the project's own datastores.

        Raises:
            Invalid: the datastore holds no secret, or the asked-for life is not a number of hours.
        """
        datastore = call.resource
        seconds = expiry_seconds(call.body)
        if datastore.name.lower() not in DEFAULT_NAMES:
            raise Invalid(
                f"The datastore '{datastore.name}' holds no secret: callers reach its storage with their own identity.",
                code="NoStoredSecret",
                target="name",
            )
        storage = await self._storage(parse(datastore.id.text.rsplit("/", 2)[0]))
        container = str(datastore.properties["containerName"])
        signature = await self._containers.delegate(
            storage.account, container, _READ_WRITE, seconds, Recipient(call.caller, datastore.id, SECRETS)
        )
        return {"secretsType": "Sas", "sasToken": signature}

    async def endpoint(self, datastore: Resource) -> JsonObject:
        """Where one of the project's own datastores answers now: the port may have changed since it was made."""
        if datastore.name.lower() not in DEFAULT_NAMES:
            return {}
        storage = await self._workspaces.storage(parse(datastore.id.text.rsplit("/", 2)[0]))
        return {"endpoint": storage.suffix} if storage else {}

    async def may_delete_asset(self, asset: Resource) -> None:
        """Raise Conflict (`NotArchived`) unless the version or container was archived first."""
        if not asset.properties.get("isArchived"):
            raise Conflict(
                f"'{asset.id}' is in use until it is archived, since others may refer to it. Archive it first, then delete it.",
                code="NotArchived",
                target="properties.isArchived",
            )

    async def may_delete_datastore(self, datastore: Resource) -> None:
        """Raise Conflict (`DefaultDatastore`) for one of the project's own."""
        if datastore.name.lower() in DEFAULT_NAMES:
            raise default_is_kept(datastore.name)

    async def _newest_active(self, container: ResourceId) -> ResourceId | None:
        after: tuple[str, str] | None = None
        while rows := await self._store.by_age(f"{container.key}/versions", limit=_BATCH if after else 1, after=after):
            for row in rows:
                version = self._read(row.doc)
                if not version.properties.is_archived:
                    return parse(version.id)
            after = (rows[-1].created, rows[-1].key)
        return None

    async def _storage(self, workspace: ResourceId) -> ProjectStorage:
        storage = await self._workspaces.storage(workspace)
        if storage is None:
            raise NotFound(f"'{workspace}' is no project that keeps data.", code="ParentResourceNotFound", target=workspace.name)
        return storage

"""Datastores: the three that every project has, and references that people add."""

from __future__ import annotations

from studiolo.kernel.faults import Conflict, Invalid, NotOffered
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.resource import Change, Draft, JsonObject
from studiolo.rooms.assets.domain.storage import ProjectStorage
from studiolo.rooms.assets.domain.versions import texts

_DEFAULTS = (("workspaceblobstore", "blobstore"), ("workspaceartifactstore", "azureml"), ("workspacefilestore", "file"))
DEFAULT_NAMES = frozenset(name for name, _ in _DEFAULTS)
_HOUR_SECONDS = 3600
_MAX_HOURS = 24
_REQUIRED = {
    "AzureBlob": ("accountName", "containerName"),
    "AzureDataLakeGen1": ("storeName",),
    "AzureDataLakeGen2": ("accountName", "filesystem"),
    "AzureFile": ("accountName", "fileShareName"),
    "OneLake": ("artifact", "oneLakeWorkspaceName"),
}


def default_datastores(workspace: ResourceId, storage: ProjectStorage) -> list[tuple[ResourceId, JsonObject]]:
    """The datastores that a project has from its first moment, as bodies for the platform to put.

    All three are blob containers: the container for other uploads too, which the original serves as a file share.
    """
    group = storage.account_id.split("/")
    place = {"subscriptionId": group[2], "resourceGroup": group[4]} if len(group) > 4 else {}
    return [
        (
            workspace.child("datastores", name),
            {
                "properties": {
                    "datastoreType": "AzureBlob",
                    "accountName": storage.account,
                    "containerName": f"{storage.workspace_id}-{kind}",
                    "protocol": "https",
                    "credentials": {"credentialsType": "Sas"},
                    "serviceDataAccessAuthIdentity": "WorkspaceSystemAssignedIdentity",
                    **place,
                }
            },
        )
        for name, kind in _DEFAULTS
    ]


def admit_datastore(change: Change) -> Draft:
    """A datastore: one of the project's own, put by the platform, or a reference without a stored secret.

    Raises:
        Invalid: the type is unknown or a property that it needs is missing.
        Conflict: the name belongs to a datastore that the studio keeps.
        NotOffered: the body brings a key, a signature or a service principal's secret.
    """
    asked = {name: value for name, value in change.new.properties.items() if name != "isDefault"}
    kind = asked.get("datastoreType")
    if not isinstance(kind, str) or kind not in _REQUIRED:
        raise Invalid(f"'properties.datastoreType' must be one of {', '.join(_REQUIRED)}.", target="properties.datastoreType")
    for name in _REQUIRED[kind]:
        if not asked.get(name):
            raise Invalid(f"A datastore of type '{kind}' needs '{name}'.", target=f"properties.{name}")
    is_default = change.id.name.lower() in DEFAULT_NAMES
    if not change.caller.is_platform:
        if is_default:
            raise default_is_kept(change.id.name)
        asked["credentials"] = _without_secret(asked.get("credentials"))
    for name in ("tags", "properties"):
        asked[name] = texts(asked.get(name))
    asked.setdefault("protocol", "https")
    return Draft(properties={**asked, "isDefault": change.id.name.lower() == "workspaceblobstore"})


def default_is_kept(name: str) -> Conflict:
    """The refusal to change or remove a project's own datastore."""
    message = f"'{name}' is one of the project's own datastores: the studio keeps it, and it goes with the project."
    return Conflict(message, code="DefaultDatastore", target="name")


def expiry_seconds(body: JsonObject) -> int:
    """For how long a signature is asked: `expireAfterHours`, one hour if not said.

    Raises:
        Invalid: the number of hours is not a whole number from 1 to 24.
    """
    hours = body.get("expireAfterHours", 1)
    if isinstance(hours, bool) or not isinstance(hours, int) or not 1 <= hours <= _MAX_HOURS:
        raise Invalid(f"'expireAfterHours' must be a whole number from 1 to {_MAX_HOURS}.", target="expireAfterHours")
    return hours * _HOUR_SECONDS


def _without_secret(credentials: JsonObject | None) -> JsonObject:
    kind = (credentials or {}).get("credentialsType") or "None"
    if kind != "None" or "secrets" in (credentials or {}):
        raise NotOffered(
            f"Datastores with stored credentials ('{str(kind)[:50]}') are not offered yet. Leave 'credentials' out: "
            "callers then reach the storage with their own identity.",
            target="properties.credentials",
        )
    return {"credentialsType": "None"}

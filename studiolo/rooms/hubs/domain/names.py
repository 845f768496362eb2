"""Names that follow from a workspace: what is made for it, its containers, the grants that it is given."""

from __future__ import annotations

import hashlib
import re
import uuid
from typing import Final

from studiolo.kernel.faults import NotFound
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.resource import Resource

# Containers of a project (census STO-01): metrics and models, uploads, notebooks and flows, other files.
CONTAINERS: Final = ("azureml", "blobstore", "code", "file")
_NAMESPACE: Final = uuid.UUID("5a1f6d0e-6f0b-5d0c-9a55-6b1e7d3f2c41")


def dependent_name(prefix: str, workspace_name: str, workspace_id: str, *, limit: int = 24) -> str:
    """A globally unique name for a storage account or a vault, from the workspace's name and id: lower-case letters and digits."""
    digest = hashlib.sha256(workspace_id.encode()).hexdigest()[:10]
    word = re.sub(r"[^a-z0-9]", "", workspace_name.lower())[: limit - len(prefix) - len(digest)]
    return f"{prefix}{word}{digest}"


def dependent_id(workspace: Resource, type_name: str, prefix: str) -> ResourceId | None:
    """The account or vault that is made for a workspace which names none; None outside a resource group."""
    group = workspace.id.group_id
    name = dependent_name(prefix, workspace.name, workspace.properties["workspaceId"])
    return group.extension(type_name, name) if group else None


def storage_of(workspace: Resource) -> ResourceId:
    """The storage account that a hub or plain workspace names, or the one that is made for it.

    Raises:
        NotFound: it can have none, since it lies in no resource group (code `StorageAccountNotFound`).
    """
    named = workspace.properties.get("storageAccount")
    found = parse(named) if named else dependent_id(workspace, "Microsoft.Storage/storageAccounts", "st")
    if found is None:
        raise NotFound(f"'{workspace.name}' has no storage account.", code="StorageAccountNotFound")
    return found


def assignment_name(scope: str, principal: str, role: str) -> str:
    """A role assignment's name that is the same whenever the same grant is written."""
    return str(uuid.uuid5(_NAMESPACE, f"{scope.lower()}|{principal}|{role}"))


def container_names(workspace_id: str) -> list[str]:
    """The containers of a project: its id, a dash, and what they are for."""
    return [f"{workspace_id}-{suffix}" for suffix in CONTAINERS]


def storage_condition(workspace_id: str) -> str:
    """The condition under which a project's identity reaches the hub's account (authorization specification, section 9).

    The prefix is the project's GUID and a dash, so that no id can be another's beginning.
    """
    blobs = "Microsoft.Storage/storageAccounts/blobServices/containers"
    own = f"@Resource[{blobs}:name] StringStartsWith '{workspace_id}-'"
    control = " AND ".join(f"!(ActionMatches{{'{blobs}/{verb}'}})" for verb in ("read", "write", "delete"))
    return f"((!(ActionMatches{{'{blobs}/blobs/*'}})) OR ({own})) AND (({control}) OR ({own}))"

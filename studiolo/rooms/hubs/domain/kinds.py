"""Hubs, projects and plain workspaces: what one says of itself, and by what it is found."""

from __future__ import annotations

from typing import Final

import msgspec

from studiolo.kernel.access.names import WORKSPACE_KIND, WORKSPACE_NAME
from studiolo.kernel.faults import Invalid, NotOffered
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.resource import Change, JsonObject, Resource

TYPE: Final = "Microsoft.MachineLearningServices/workspaces"
HUB, PROJECT, DEFAULT = "Hub", "Project", "Default"
KINDS: Final = {kind.lower(): kind for kind in (HUB, PROJECT, DEFAULT)}
ELSEWHERE: Final = {"featurestore": "feature stores"}
REACHES: Final = {reach.lower(): reach for reach in ("None", "Projects")}
IDENTITIES: Final = "Microsoft.ManagedIdentity/userAssignedIdentities"
DEPENDENTS: Final = (("storageAccount", "Microsoft.Storage/storageAccounts"), ("keyVault", "Microsoft.KeyVault/vaults"))
# What a project reads from its hub (census HUB-07): one setting, one place.
FROM_HUB: Final = (
    "storageAccount",
    "keyVault",
    "containerRegistry",
    "applicationInsights",
    "publicNetworkAccess",
    "managedNetwork",
    "encryption",
    "systemDatastoresAuthMode",
    "hbiWorkspace",
)


def by_hub(hub: str) -> str:
    """The facet that the projects of a hub share. Facets carry their sort, so that a name can never pass for an id."""
    return f"hub:{hub.lower()}"


def by_guid(workspace_id: str) -> str:
    """The facet of the workspace with this GUID."""
    return f"guid:{workspace_id.lower()}"


def by_name(name: str) -> str:
    """The facet of workspaces with this name; several groups can have one each."""
    return f"name:{name.lower()}"


def kind_of(text: str | None) -> str:
    """The kind in its canonical spelling; no kind is Default.

    Raises:
        NotOffered: a kind of the original that is not here.
        Invalid: no kind at all (code `InvalidWorkspaceKind`).
    """
    low = (text or DEFAULT).lower()
    if low in KINDS:
        return KINDS[low]
    if low in ELSEWHERE:
        raise NotOffered(f"Workspaces of kind '{text}' ({ELSEWHERE[low]}) are not offered; use Hub, Project or Default.", target="kind")
    raise Invalid(
        f"'{text}' is not a kind of workspace; the kinds are Hub, Project and Default.", code="InvalidWorkspaceKind", target="kind"
    )


class _Stored(msgspec.Struct):
    name: str
    kind: str = DEFAULT


_read_stored: Final = msgspec.json.Decoder(_Stored).decode


def described(workspace: ResourceId, doc: bytes | None) -> JsonObject:
    """The attributes of a workspace that conditions on calls see: its name and, if it is there, its kind."""
    if doc is None:
        return {WORKSPACE_NAME: workspace.name}
    stored = _read_stored(doc)
    return {WORKSPACE_NAME: stored.name, WORKSPACE_KIND: stored.kind}


def asked_for(change: Change) -> tuple[JsonObject, JsonObject]:
    """Of a write, the kind that is asked for, in its canonical spelling if it is one."""
    text = change.new.kind or DEFAULT
    return ({}, {}) if change.is_delete else ({WORKSPACE_KIND: KINDS.get(text.lower(), text)}, {})


def hub_of(properties: JsonObject) -> ResourceId | None:
    """The hub that a project names.

    Raises:
        Invalid: the value is not the id of a workspace.
    """
    text = properties.get("hubResourceId")
    if not text:
        return None
    hub = parse(text)
    if hub.type.lower() != TYPE.lower():
        raise Invalid(
            f"'hubResourceId' must be the id of a workspace of kind Hub, not of a '{hub.type}'.", target="properties.hubResourceId"
        )
    return hub


def reach_of(properties: JsonObject, kept: JsonObject | None = None) -> str:
    """How far the roles on a hub reach: `None`, or `Projects`. A write that leaves it out keeps it.

    Raises:
        Invalid: another word (code `InvalidRoleInheritance`).
    """
    text = str(properties.get("roleInheritance") or (kept or {}).get("roleInheritance") or "None")
    if text.lower() not in REACHES:
        raise Invalid(
            f"'roleInheritance' is None (roles on the hub hold there alone) or Projects (in its projects too), not '{text[:50]}'.",
            code="InvalidRoleInheritance",
            target="properties.roleInheritance",
        )
    return REACHES[text.lower()]


def heir_of(workspace: Resource) -> tuple[str, str] | None:
    """A project and its hub, by key; None for another workspace."""
    hub = hub_of(workspace.properties) if workspace.kind == PROJECT else None
    return (workspace.id.key, hub.key) if hub is not None else None


def identities_of(identity: JsonObject | None) -> list[ResourceId]:
    """The user-assigned identities that a workspace's identity names.

    Raises:
        Invalid: a name is not the id of such an identity.
    """
    try:
        named = msgspec.convert((identity or {}).get("userAssignedIdentities") or {}, JsonObject)
    except msgspec.ValidationError:
        text = "'userAssignedIdentities' must be an object with ids of identities as names."
        raise Invalid(text, target="identity.userAssignedIdentities") from None
    found = [parse(text) for text, details in named.items() if details is not None]
    for id_ in found:
        if id_.type.lower() != IDENTITIES.lower():
            raise Invalid(f"'{id_}' is not the id of a '{IDENTITIES}'.", target="identity.userAssignedIdentities")
    return found

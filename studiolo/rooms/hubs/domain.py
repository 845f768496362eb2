"""What may be written to a workspace, and the names that follow from it."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from studiolo.kernel.access.names import GIVES_ROLES
from studiolo.kernel.faults import Conflict, Fault, Invalid, NotFound, NotOffered
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.resource import Change, Demand, Draft, JsonObject, Resource

TYPE: Final = "Microsoft.MachineLearningServices/workspaces"
HUB, PROJECT, DEFAULT = "Hub", "Project", "Default"
KINDS: Final = {kind.lower(): kind for kind in (HUB, PROJECT, DEFAULT)}
ELSEWHERE: Final = {"featurestore": "feature stores"}

# Containers of a project (census STO-01): metrics and models, uploads, notebooks and flows, other files.
CONTAINERS: Final = ("azureml", "blobstore", "code", "file")
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
# Computed or owned by the platform; what a client sends back is dropped.
_COMPUTED: Final = (
    "workspaceId",
    "discoveryUrl",
    "mlFlowTrackingUri",
    "provisioningState",
    "associatedWorkspaces",
    "notebookInfo",
    "tenantId",
    "privateLinkCount",
    "storageHnsEnabled",
    "serviceProvisionedResourceGroup",
    "workspaceType",
    "isPrivateLinkEnabled",
    "creationTime",
    "error",
)
_FLAGS: Final = frozenset({"hbiWorkspace", "v1LegacyMode", "enableDataIsolation", "allowRoleAssignmentOnRG"})
REACHES: Final = {reach.lower(): reach for reach in ("None", "Projects")}
UNDENIES: Final = "Microsoft.Authorization/denyAssignments/delete"
_IMMUTABLE: Final = ("hubResourceId", "storageAccount", "keyVault")
_DEPENDENTS: Final = (("storageAccount", "Microsoft.Storage/storageAccounts"), ("keyVault", "Microsoft.KeyVault/vaults"))
_IDENTITIES: Final = "Microsoft.ManagedIdentity/userAssignedIdentities"
# The published pages spell the right to make projects in a hub in both ways.
JOIN: Final = (f"{TYPE}/hubs/join/action", f"{TYPE}/hubs/join")
ASSIGN_IDENTITY: Final = f"{_IDENTITIES}/assign/action"
DESTROY_KEYS: Final = "Microsoft.Authorization/dataKeys/delete"
_IDENTITY_TYPES: Final = {
    "systemassigned": "SystemAssigned",
    "userassigned": "UserAssigned",
    "systemassigned,userassigned": "SystemAssigned,UserAssigned",
    "none": "None",
}
_NAMESPACE: Final = uuid.UUID("5a1f6d0e-6f0b-5d0c-9a55-6b1e7d3f2c41")


def flag(value: bool | str) -> bool:  # noqa: FBT001 - reads one
    """A flag as a truth value; the schema has let through true, false and their names."""
    return value if isinstance(value, bool) else value.lower() == "true"


def _is_unset(name: str, value: Any) -> bool:
    """Null says nothing, and neither does an empty text where a name or a mode is asked for: templates fill unused ones so."""
    return value is None or (value == "" and name not in ("description", "friendlyName"))


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
        if id_.type.lower() != _IDENTITIES.lower():
            raise Invalid(f"'{id_}' is not the id of a '{_IDENTITIES}'.", target="identity.userAssignedIdentities")
    return found


def needs(change: Change) -> list[ResourceId]:
    """The hub, the storage account, the vault and the identities that a write names."""
    named = [hub_of(change.new.properties)]
    for member, _ in _DEPENDENTS:
        text = change.new.properties.get(member)
        named.append(parse(text) if text else None)
    return [*(id_ for id_ in named if id_ is not None), *identities_of(change.new.identity)]


def making(change: Change) -> Demand | None:
    """What is enough to make a project: the right to join its hub, in the hub's own resource group.

    A hub's right counts for the group that holds the hub. In another one, whoever makes a project there must be allowed
    to write workspaces there as well. Who was denied to write workspaces makes none in this way either.
    """
    try:
        hub = hub_of(change.new.properties) if kind_of(change.new.kind) == PROJECT else None
    except Fault:
        return None  # what is wrong with the request is told to those who may write
    if hub is None or hub.group_id is None or hub.scope is None or change.id.scope is None:
        return None
    is_at_home = hub.scope.key == change.id.scope.key == hub.group_id.key
    if not is_at_home:
        return None
    join = joining(hub)
    return replace(join, alternatives=(*join.alternatives, Demand(f"{TYPE}/write", change.id)))


def joining(hub: ResourceId) -> Demand:
    """The right to make projects in a hub."""
    first, *others = (Demand(action, hub) for action in JOIN)
    return Demand(first.action, hub, tuple(others))


def demands(change: Change) -> list[Demand]:
    """What a write or a removal needs beyond the right to write or delete workspaces.

    Making or changing a hub needs `hubs/write`, removing one `hubs/delete`; making a project needs `hubs/join/action` on
    its hub. An account, a vault or an identity that the caller names is used on the caller's behalf from then on, so the
    caller must be allowed to write, or to assign, it. To let the hub's roles reach its projects, or no longer, is to give
    and to take roles.
    """
    kind = kind_of(change.new.kind)
    if change.is_delete:
        return [Demand(f"{TYPE}/hubs/delete", change.id)] if kind == HUB else []
    before = {id_.key for id_ in identities_of(change.old.identity)} if change.old else set[str]()
    found = [Demand(ASSIGN_IDENTITY, id_) for id_ in identities_of(change.new.identity) if id_.key not in before]
    if kind == PROJECT:
        hub = hub_of(change.new.properties)
        return [*found, joining(hub)] if hub is not None and change.old is None else found
    kept = change.old.properties if change.old else {}
    for member, type_name in _DEPENDENTS:
        text = change.new.properties.get(member)
        if text and text.lower() != str(kept.get(member, "")).lower():
            found.append(Demand(f"{type_name}/write", parse(text)))
    if reach_of(change.new.properties, kept) != reach_of(kept):
        found.append(Demand(GIVES_ROLES, change.id))  # the guard asks for more, which rests on the hub's projects
    return [*found, Demand(f"{TYPE}/hubs/write", change.id)] if kind == HUB else found


def reaching(hub: ResourceId, projects: Sequence[ResourceId], *, is_on: bool) -> list[Demand]:
    """What letting the hub's roles reach its projects, or no longer, needs beyond the right to give roles on the hub.

    On: whoever holds a role on the hub, the caller too, gets it in each project, so the caller must be allowed to give it
    there. Off: what was denied on the hub holds in the projects no longer, and neither does what was denied in the
    hub's group for projects elsewhere, so the caller must be allowed to take such denials back.
    """
    if is_on:
        return [Demand(GIVES_ROLES, project) for project in projects]
    group = hub.group_id
    lost = [group] if group and any(project.group_id != group for project in projects) else []
    return [Demand(UNDENIES, scope) for scope in (hub, *lost)]


def admit(change: Change) -> Draft:
    """The workspace that may be written.

    Raises:
        Invalid, NotFound, Conflict, NotOffered: the write breaks a rule.
    """
    old = change.old
    kind = kind_of(change.new.kind)
    asked = {k: flag(v) if k in _FLAGS else v for k, v in change.new.properties.items() if k not in _COMPUTED and not _is_unset(k, v)}
    if old is not None:
        _check_immutable(old, kind, change.new, asked)
        # A PUT that leaves out what the platform filled in, or that a customer's key guards it, keeps it.
        asked = {**{k: old.properties[k] for k in (*_IMMUTABLE, "encryption") if k in old.properties}, **asked}
    if not change.new.location:
        raise Invalid("The location property is required for this definition.", code="LocationRequired", target="location")
    if kind == PROJECT:
        asked = _as_project(change, asked)
        if "roleInheritance" in asked:
            raise Invalid("A project passes no roles on; set 'roleInheritance' on its hub.", target="properties.roleInheritance")
    elif "hubResourceId" in asked:
        raise Invalid(f"Only a project has a hub; '{change.id.name}' is of kind {kind}.", target="properties.hubResourceId")
    else:
        _check_dependents(change, asked)
    if asked.get("encryption") is not None:
        asked["encryption"] = _encryption(msgspec.convert(asked["encryption"], JsonObject), old)
    if kind == HUB:  # the others say nothing of it
        asked["roleInheritance"] = reach_of(asked, old.properties if old else {})
    _refuse_walls_that_would_not_hold(asked)
    kept = old.properties.get("workspaceId") if old else None
    return msgspec.structs.replace(
        change.new,
        kind=kind,
        identity=_identity(change, kind, asked),
        properties={
            "friendlyName": change.id.name,
            **asked,
            "workspaceId": kept or change.fresh_id,
            "provisioningState": "Succeeded",
            "creationTime": old.properties.get("creationTime", change.at) if old else change.at,
        },
    )


def _refuse_walls_that_would_not_hold(asked: JsonObject) -> None:
    """A setting that promises a wall which is not there yet is refused, never kept without effect."""
    network: JsonObject = asked.get("managedNetwork") or {}
    for name, value, kept, instead in (
        (
            "publicNetworkAccess",
            asked.get("publicNetworkAccess"),
            ("Enabled",),
            "Bind the server to loopback or to a private address with --host.",
        ),
        ("managedNetwork.isolationMode", network.get("isolationMode"), ("Disabled",), "Workloads do not run on this server yet."),
        (
            "systemDatastoresAuthMode",
            asked.get("systemDatastoresAuthMode"),
            ("accesskey", "auto"),
            "Datastores hand out short-lived signatures.",
        ),
    ):
        if value is not None and str(value).lower() not in {word.lower() for word in kept}:
            raise NotOffered(
                f"'{name}: {value}' is not offered yet; it must be {' or '.join(kept)}. {instead}", target=f"properties.{name}"
            )


def _encryption(asked: JsonObject, old: Resource | None) -> JsonObject:
    """The encryption of a hub: naming a customer's key switches it on, now or later, and nothing switches it off."""
    before = _customer_key((old.properties if old else {}).get("encryption"))
    named = _customer_key(asked)
    status = str(asked.get("status") or ("Enabled" if named else "Disabled")).capitalize()
    if status not in ("Enabled", "Disabled"):
        raise Invalid("'status' must be Enabled or Disabled.", target="properties.encryption.status")
    if before and (status == "Disabled" or not named):
        raise Conflict(
            "A customer's key guards this workspace, and that cannot be switched off; it can be replaced by another key.",
            code="EncryptionIsImmutable",
            target="properties.encryption",
        )
    if status == "Enabled" and not named:
        raise Invalid(
            "Encryption with a customer's key needs 'keyVaultProperties.keyIdentifier', such as https://VAULT/keys/NAME/VERSION.",
            code="CustomerKeyInvalid",
            target="properties.encryption.keyVaultProperties.keyIdentifier",
        )
    return {**asked, "status": "Enabled" if named else "Disabled"}


def _customer_key(encryption: JsonObject | None) -> str:
    """The address of the customer's key that an encryption names; empty if it names none.

    Raises:
        Invalid: it is no text.
    """
    try:
        vault = msgspec.convert((encryption or {}).get("keyVaultProperties") or {}, dict[str, Any])
        return msgspec.convert(vault.get("keyIdentifier") or "", str)
    except msgspec.ValidationError:
        raise Invalid("'keyVaultProperties' must be an object with texts.", target="properties.encryption.keyVaultProperties") from None


def _check_immutable(old: Resource, kind: str, new: Draft, asked: JsonObject) -> None:
    if kind != old.kind and new.kind is not None:
        raise Conflict(
            f"The kind of a workspace cannot change; '{old.name}' is of kind {old.kind}.", code="WorkspaceKindIsImmutable", target="kind"
        )
    if new.location and old.location and _plain(new.location) != _plain(old.location):
        raise Conflict(
            f"The location of a workspace cannot change; '{old.name}' is in {old.location}.",
            code="InvalidResourceLocation",
            target="location",
        )
    for member in _IMMUTABLE:
        before, after = old.properties.get(member), asked.get(member)
        if before and after and before.lower() != after.lower():
            raise Conflict(
                f"'{member}' of a workspace cannot change once it is set.", code="PropertyIsImmutable", target=f"properties.{member}"
            )


def _plain(location: str) -> str:
    return location.replace(" ", "").lower()


def _as_project(change: Change, asked: JsonObject) -> JsonObject:
    hub_id = hub_of(asked)
    if hub_id is None:
        raise Invalid(
            "A project needs a hub: set 'hubResourceId' to the id of a workspace of kind Hub.",
            code="HubResourceIdRequired",
            target="properties.hubResourceId",
        )
    hub = change.fact(hub_id.key)
    if hub is None:
        raise NotFound(f"The hub '{hub_id}' was not found; create it first.", code="HubNotFound", target="properties.hubResourceId")
    if hub.kind != HUB:
        raise Invalid(
            f"'{hub_id.name}' is of kind {hub.kind}; a project needs one of kind Hub.", code="InvalidHub", target="properties.hubResourceId"
        )
    if change.new.location and hub.location and _plain(change.new.location) != _plain(hub.location):
        raise Invalid(
            f"A project lives in its hub's location, which is '{hub.location}'.", code="InvalidResourceLocation", target="location"
        )
    return {**{k: v for k, v in asked.items() if k not in FROM_HUB}, "hubResourceId": hub.id.text}


def _check_dependents(change: Change, asked: JsonObject) -> None:
    kept = change.old.properties if change.old else {}
    for member, type_name in _DEPENDENTS:
        if member not in asked or asked[member] == kept.get(member):
            continue
        id_ = parse(asked[member])
        if id_.type.lower() != type_name.lower():
            raise Invalid(f"'{member}' must be the id of a '{type_name}', not of a '{id_.type}'.", target=f"properties.{member}")
        if change.fact(id_.key) is None:
            raise NotFound(
                f"'{id_}' was not found; create it first, or leave '{member}' out and one is made.",
                code="DependentResourceNotFound",
                target=f"properties.{member}",
            )


def _identity(change: Change, kind: str, asked: JsonObject) -> JsonObject:
    wanted = change.new.identity or {}
    text = str(wanted.get("type") or "SystemAssigned").replace(" ", "")
    found = _IDENTITY_TYPES.get(text.lower())
    if found is None:
        raise Invalid(f"'{text}' is not an identity type; the types are: {', '.join(_IDENTITY_TYPES.values())}.", target="identity.type")
    if kind != HUB and "SystemAssigned" not in found:
        raise NotOffered(
            f"A workspace of kind {kind} reaches its containers as itself: its identity must be SystemAssigned, or that and UserAssigned.",
            target="identity.type",
        )
    identity: JsonObject = {"type": found}
    if "UserAssigned" in found:
        identity["userAssignedIdentities"] = _user_assigned(change)
    if found == "UserAssigned":
        _expect_dependents(asked)
    before = change.old.identity if change.old and change.old.identity else {}
    for member in ("principalId", "tenantId"):
        if member in before and "SystemAssigned" in found:
            identity[member] = before[member]
    return identity


def _user_assigned(change: Change) -> JsonObject:
    named = identities_of(change.new.identity)
    if not named:
        raise Invalid("An identity of type UserAssigned must name at least one identity.", target="identity.userAssignedIdentities")
    shown: JsonObject = {}
    for id_ in named:
        identity = change.fact(id_.key)
        if identity is None:
            raise NotFound(
                f"The identity '{id_}' was not found; create it first.",
                code="DependentResourceNotFound",
                target="identity.userAssignedIdentities",
            )
        shown[identity.id.text] = {member: identity.properties.get(member) for member in ("principalId", "clientId")}
    return shown


def _expect_dependents(asked: JsonObject) -> None:
    """A hub without an identity of its own takes storage and a vault that its identity can be granted (census HUB-06)."""
    for member, _ in _DEPENDENTS:
        if member not in asked:
            raise Invalid(
                f"A hub whose only identity is user-assigned needs '{member}': name one that exists, or use SystemAssigned.",
                code="DependentResourceRequired",
                target=f"properties.{member}",
            )


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

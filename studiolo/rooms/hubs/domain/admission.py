"""What may be written to a workspace."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from studiolo.kernel.faults import Conflict, Invalid, NotFound, NotOffered
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.resource import Change, Draft, JsonObject, Resource
from studiolo.rooms.hubs.domain.kinds import DEPENDENTS, FROM_HUB, HUB, PROJECT, hub_of, identities_of, kind_of, reach_of

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
_IMMUTABLE: Final = ("hubResourceId", "storageAccount", "keyVault")
_IDENTITY_TYPES: Final = {
    "systemassigned": "SystemAssigned",
    "userassigned": "UserAssigned",
    "systemassigned,userassigned": "SystemAssigned,UserAssigned",
    "none": "None",
}


def flag(value: bool | str) -> bool:  # noqa: FBT001 - reads one
    """A flag as a truth value; the schema has let through true, false and their names."""
    return value if isinstance(value, bool) else value.lower() == "true"


def _is_unset(name: str, value: Any) -> bool:
    """Null says nothing, and neither does an empty text where a name or a mode is asked for: templates fill unused ones so."""
    return value is None or (value == "" and name not in ("description", "friendlyName"))


def needs(change: Change) -> list[ResourceId]:
    """The hub, the storage account, the vault and the identities that a write names."""
    named = [hub_of(change.new.properties)]
    for member, _ in DEPENDENTS:
        text = change.new.properties.get(member)
        named.append(parse(text) if text else None)
    return [*(id_ for id_ in named if id_ is not None), *identities_of(change.new.identity)]


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
    for member, type_name in DEPENDENTS:
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
    for member, _ in DEPENDENTS:
        if member not in asked:
            raise Invalid(
                f"A hub whose only identity is user-assigned needs '{member}': name one that exists, or use SystemAssigned.",
                code="DependentResourceRequired",
                target=f"properties.{member}",
            )

"""What may be written to storage accounts, their blob service and their containers."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from studiolo.kernel.faults import Fault, Invalid, NotOffered
from studiolo.kernel.resource import Change, Draft, JsonObject
from studiolo.rooms.blobs.domain.names import check_account, check_container

KINDS: Final = ("StorageV2", "Storage", "BlobStorage", "BlockBlobStorage")
SKUS: Final = (
    "Standard_LRS",
    "Standard_ZRS",
    "Standard_GRS",
    "Standard_RAGRS",
    "Standard_GZRS",
    "Standard_RAGZRS",
    "Premium_LRS",
    "Premium_ZRS",
)
# Settings that would promise a wall or a feature that is not there.
_NOT_OFFERED: Final[tuple[tuple[str, Any, str], ...]] = (
    ("isHnsEnabled", True, "Hierarchical namespaces are not offered."),
    ("isSftpEnabled", True, "SFTP is not offered."),
    ("isNfsV3Enabled", True, "NFS is not offered."),
    ("allowBlobPublicAccess", True, "Public access to blobs is not offered."),
    ("publicNetworkAccess", "Disabled", "Network rules on accounts are not offered: who may call is decided by roles and credentials."),
)
_DEFAULTS: Final[JsonObject] = {
    "accessTier": "Hot",
    "allowBlobPublicAccess": False,
    "allowSharedKeyAccess": False,
    "isHnsEnabled": False,
    "minimumTlsVersion": "TLS1_2",
    "supportsHttpsTrafficOnly": True,
    "publicNetworkAccess": "Enabled",
    "networkAcls": {"bypass": "AzureServices", "virtualNetworkRules": [], "ipRules": [], "defaultAction": "Allow"},
    "encryption": {"services": {"blob": {"enabled": True, "keyType": "Account"}}, "keySource": "Microsoft.Storage"},
}


def admit_account(change: Change) -> Draft:
    """The account that may be written.

    Shared keys are off unless `allowSharedKeyAccess` is true: what is signed with them passes by every condition.

    Raises:
        Invalid: the name, the kind or the SKU breaks a rule, or the location is missing.
        NotOffered: a setting asks for what is not there.
    """
    new = change.new
    if change.old is None:
        check_account(change.id.name)
    if not new.location:
        raise Invalid("The location property is required for this definition.", code="LocationRequired", target="location")
    kind = new.kind or "StorageV2"
    if kind not in KINDS:
        raise Invalid(f"'{kind[:50]}' is no kind of storage account: use {', '.join(KINDS)}.", code="InvalidAccountKind", target="kind")
    sku = str((new.sku or {}).get("name") or "Standard_LRS")
    if sku not in SKUS:
        raise Invalid(f"'{sku[:50]}' is no SKU of storage accounts: use {', '.join(SKUS)}.", code="SkuNotSupported", target="sku.name")
    asked = {name: value for name, value in new.properties.items() if value is not None}
    _check_offered(asked)
    encryption: JsonObject = asked.get("encryption") or {}
    if encryption.get("keySource", "Microsoft.Storage") != "Microsoft.Storage":
        raise NotOffered(
            "Keys of the customer's own are not offered: every project has its own key.", target="properties.encryption.keySource"
        )
    made_at = change.old.properties.get("creationTime", change.at) if change.old else change.at
    fixed = {"creationTime": made_at, "statusOfPrimary": "available", "primaryLocation": new.location, "provisioningState": "Succeeded"}
    properties = {**_DEFAULTS, **asked, **fixed}
    return msgspec.structs.replace(new, kind=kind, sku={"name": sku, "tier": sku.partition("_")[0]}, properties=properties)


def _check_offered(asked: JsonObject) -> None:
    for name, value, message in _NOT_OFFERED:
        if asked.get(name) == value:
            raise NotOffered(message, target=f"properties.{name}")
    rules: JsonObject = asked.get("networkAcls") or {}
    if rules.get("defaultAction", "Allow") != "Allow" or rules.get("ipRules") or rules.get("virtualNetworkRules"):
        raise NotOffered(
            "Network rules on accounts are not offered: who may call is decided by roles and credentials.", target="properties.networkAcls"
        )


def admit_service(change: Change) -> Draft:
    """The blob service settings that may be written; there is one service, named `default`."""
    if change.id.name.lower() != "default":
        raise Invalid("The blob service of an account is named 'default'.", code="InvalidResourceName", target="name")
    asked = change.new.properties
    if asked.get("isVersioningEnabled"):
        raise NotOffered("Versions of blobs are not offered.", target="properties.isVersioningEnabled")
    for name in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy"):
        policy: JsonObject = asked.get(name) or {}
        if policy.get("enabled"):
            raise NotOffered("Soft delete of blobs and containers is not offered.", target=f"properties.{name}")
    return change.new


def admit_container(change: Change) -> Draft:
    """The container that may be written."""
    if change.old is None:
        _as_arm(change.id.name)
    asked = change.new.properties
    if asked.get("publicAccess") not in (None, "None"):
        raise NotOffered("Public access to containers is not offered.", target="properties.publicAccess")
    return msgspec.structs.replace(change.new, properties={**asked, "publicAccess": "None"})


def _as_arm(name: str) -> None:
    try:
        check_container(name)
    except Fault as fault:
        raise Invalid(fault.message, code="ContainerNameInvalid", target="name") from None

"""Which attributes and sub-operations each action's calls carry: the table of section 6 of the access specification.

`docs/reference/conditions.md` is made from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from studiolo.kernel.access import names
from studiolo.kernel.access.ask import Plane
from studiolo.kernel.access.conditions.syntax import Attribute
from studiolo.kernel.access.spelling import folded

_CONTAINERS: Final = "Microsoft.Storage/storageAccounts/blobServices/containers"
_BLOBS: Final = f"{_CONTAINERS}/blobs"
_ASSIGNMENTS: Final = "Microsoft.Authorization/roleAssignments"
_SECURITY_ATTRIBUTES: Final = folded("Microsoft.Directory/CustomSecurityAttributes/Id")
ENVIRONMENT: Final = (
    names.UTC_NOW,
    names.IS_PRIVATE_LINK,
    "Microsoft.Network/privateEndpoints",
    "Microsoft.Network/virtualNetworks/subnets",
)
"""What every call carries as @Environment."""
_ENVIRONMENT: Final = frozenset(map(folded, ENVIRONMENT))


class Variant(msgspec.Struct, frozen=True):
    """One way of calling an action: with which sub-operations, and which attributes the call then carries (folded names)."""

    sub_operations: tuple[str, ...] = ()
    request: frozenset[str] = frozenset()
    resource: frozenset[str] = frozenset()

    def offers(self, attribute: Attribute) -> bool:
        """Whether a call of this variant can carry the attribute."""
        path = folded(attribute.path)
        if attribute.source == "principal":
            return path == _SECURITY_ATTRIBUTES and attribute.key is not None
        if attribute.source == "environment":
            return path in _ENVIRONMENT and attribute.key is None
        offered = self.request if attribute.source == "request" else self.resource
        name = path if attribute.key is None else f"{path}:{folded(attribute.key)}"
        # A mapping (index tags) is offered under its path, whatever the key.
        return name in offered or path in offered


class Offer(msgspec.Struct, frozen=True):
    """One action: its plane, its key, every way of calling it, and its name as it is written."""

    plane: Plane
    action: str
    variants: tuple[Variant, ...]
    name: str


def _bag(*given: str) -> frozenset[str]:
    return frozenset(map(folded, given))


_STORED: Final = (names.ACCOUNT_NAME, names.ACCOUNT_IS_HNS, names.CONTAINER_NAME)
_BLOB: Final = (*_STORED, names.BLOB_PATH, names.ENCRYPTION_SCOPE_NAME, names.BLOB_IS_CURRENT_VERSION)
_CALLED: Final = (names.BLOB_VERSION_ID, names.BLOB_SNAPSHOT, names.BLOB_PREFIX)
_VERSIONED: Final = _bag(names.BLOB_VERSION_ID, names.BLOB_SNAPSHOT)
_PLAIN: Final = Variant((), _VERSIONED, _bag(*_BLOB))
_WRITES: Final = (
    Variant((), frozenset(), _bag(*_BLOB)),
    Variant(("Blob.Write.WithTagHeaders",), _bag(names.BLOB_TAGS), _bag(*_BLOB)),
    Variant(("Blob.Write.Tier",), frozenset(), _bag(*_BLOB)),
)
_GRANTED: Final = (names.ROLE_DEFINITION_ID, names.PRINCIPAL_ID, names.PRINCIPAL_TYPE)
_GRANT: Final = _bag(*_GRANTED)
_WORKSPACES: Final = "Microsoft.MachineLearningServices/workspaces"
_WORKSPACE_NAMES: Final = (names.WORKSPACE_NAME, names.WORKSPACE_KIND)
_WORKSPACE: Final = _bag(*_WORKSPACE_NAMES)
_WORKSPACE_ACTIONS: Final = ("diagnose/action", "showKey/action", "rotateKey/action", "destroyKey/action")
_ACCOUNTS: Final = "Microsoft.CognitiveServices/accounts"
_DEPLOYMENTS: Final = f"{_ACCOUNTS}/deployments"
_DEPLOYMENT_NAMES: Final = (names.DEPLOYMENT_NAME, names.DEPLOYMENT_MODEL)
_DEPLOYMENT: Final = _bag(*_DEPLOYMENT_NAMES)
_MODEL_CALLS: Final = ("chat/completions", "completions", "embeddings")
_PLAIN_BLOB_ACTIONS: Final = (
    "delete",
    "deleteBlobVersion/action",
    "move/action",
    "permanentDelete/action",
    "manageOwnership/action",
    "modifyPermissions/action",
    "immutableStorage/runAsSuperUser/action",
    "runAsSuperUser/action",
)


def _offer(plane: Plane, name: str, *variants: Variant) -> Offer:
    return Offer(plane, folded(name), variants, name)


def _table() -> Iterable[Offer]:
    listed = Variant(("Blob.List",), _bag(names.BLOB_PREFIX), _bag(*_STORED))
    read = Variant((), _VERSIONED, _bag(*_BLOB, names.BLOB_TAGS))
    yield _offer("data", f"{_BLOBS}/read", read, listed)
    for verb in ("write", "add/action"):
        yield _offer("data", f"{_BLOBS}/{verb}", *_WRITES)
    for verb in _PLAIN_BLOB_ACTIONS:
        yield _offer("data", f"{_BLOBS}/{verb}", _PLAIN)
    yield _offer("data", f"{_BLOBS}/tags/read", _PLAIN)
    yield _offer("data", f"{_BLOBS}/tags/write", Variant((), _VERSIONED | _bag(names.BLOB_TAGS), _bag(*_BLOB)))
    yield _offer("data", f"{_BLOBS}/filter/action", Variant((), frozenset(), _bag(names.ACCOUNT_NAME, names.ACCOUNT_IS_HNS)))
    for verb in ("read", "write", "delete"):
        yield _offer("control", f"{_CONTAINERS}/{verb}", Variant((), frozenset(), _bag(*_STORED)))
    for verb in ("read", "delete", *_WORKSPACE_ACTIONS, "hubs/delete", "hubs/join/action", "hubs/join"):
        yield _offer("control", f"{_WORKSPACES}/{verb}", Variant((), frozenset(), _WORKSPACE))
    for verb in ("write", "hubs/write"):
        yield _offer("control", f"{_WORKSPACES}/{verb}", Variant((), _bag(names.WORKSPACE_KIND), _WORKSPACE))
    for verb in ("read", "delete"):
        yield _offer("control", f"{_DEPLOYMENTS}/{verb}", Variant((), frozenset(), _DEPLOYMENT))
    yield _offer("control", f"{_DEPLOYMENTS}/write", Variant((), _bag(names.DEPLOYMENT_MODEL), _DEPLOYMENT))
    for call in _MODEL_CALLS:
        yield _offer("data", f"{_ACCOUNTS}/OpenAI/deployments/{call}/action", Variant((), frozenset(), _DEPLOYMENT))
    yield _offer("control", f"{_ASSIGNMENTS}/write", Variant((), _GRANT, frozenset()))
    yield _offer("control", f"{_ASSIGNMENTS}/delete", Variant((), frozenset(), _GRANT))


SPELLINGS: Final[Mapping[str, str]] = {
    folded(each): each for each in (*_BLOB, *_CALLED, names.BLOB_TAGS, *_GRANTED, *_WORKSPACE_NAMES, *_DEPLOYMENT_NAMES)
}
"""The attributes of requests and resources by their keys, as they are written."""

OFFERS: Final[Mapping[tuple[Plane, str], Offer]] = {(each.plane, each.action): each for each in _table()}
"""Every action whose calls carry attributes of the request or of what is stored, by plane and key."""

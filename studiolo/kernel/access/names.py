"""From the raw path of a blob request to the one value that routing, decision and storage share; and attribute names.

The rules, C1 to C6 of the access specification: the path is split before it is decoded and decoded once; what could
mean two things to two readers is refused; nothing later decodes, joins or normalises.
"""

from __future__ import annotations

import re
import unicodedata

import msgspec

from studiolo.kernel.faults import Invalid

LONGEST_NAME = 1024

_CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"
_BLOBS = f"{_CONTAINERS}/blobs"
_ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"

ACCOUNT_NAME = "Microsoft.Storage/storageAccounts:name"
ACCOUNT_IS_HNS = "Microsoft.Storage/storageAccounts:isHnsEnabled"
CONTAINER_NAME = f"{_CONTAINERS}:name"
BLOB_PATH = f"{_BLOBS}:path"
BLOB_PREFIX = f"{_BLOBS}:prefix"
BLOB_IS_CURRENT_VERSION = f"{_BLOBS}:isCurrentVersion"
BLOB_VERSION_ID = f"{_BLOBS}:versionId"
BLOB_SNAPSHOT = f"{_BLOBS}:snapshot"
BLOB_TAGS = f"{_BLOBS}/tags"
ENCRYPTION_SCOPE_NAME = "Microsoft.Storage/storageAccounts/encryptionScopes:name"
ROLE_DEFINITION_ID = f"{_ASSIGNMENTS}:RoleDefinitionId"
PRINCIPAL_ID = f"{_ASSIGNMENTS}:PrincipalId"
PRINCIPAL_TYPE = f"{_ASSIGNMENTS}:PrincipalType"
WORKSPACE_NAME = "Microsoft.MachineLearningServices/workspaces:name"
WORKSPACE_KIND = "Microsoft.MachineLearningServices/workspaces:kind"
DEPLOYMENT_NAME = "Microsoft.CognitiveServices/accounts/deployments:name"
DEPLOYMENT_MODEL = "Microsoft.CognitiveServices/accounts/deployments:model"
GIVES_ROLES = f"{_ASSIGNMENTS}/write"
"""The action of whoever may give roles."""
UTC_NOW = "UtcNow"
IS_PRIVATE_LINK = "isPrivateLink"

SHORT_NAMES = {
    "cn": CONTAINER_NAME,
    "path": BLOB_PATH,
    "prefix": BLOB_PREFIX,
    "cur": BLOB_IS_CURRENT_VERSION,
    "ver": BLOB_VERSION_ID,
    "san": ACCOUNT_NAME,
    "tags": BLOB_TAGS,
    "rd": ROLE_DEFINITION_ID,
    "pt": PRINCIPAL_TYPE,
    "now": UTC_NOW,
    "pl": IS_PRIVATE_LINK,
}
"""The names that policy test files use for attributes."""

_CONTAINER = re.compile(r"[a-z0-9](?:-?[a-z0-9])+|\$root|\$web")
_ESCAPE = re.compile(rb"%(?:([0-9A-Fa-f]{2})|)")
_SPLITTING = re.compile(r"%(?:2[fF]|5[cC]|00)")


class BlobName(msgspec.Struct, frozen=True):
    """A container and, unless the path names the container alone, a blob: decoded, checked, never touched again.

    `blob` has no leading slash and does not hold the container.
    """

    container: str
    blob: str | None = None


def blob_name(raw_path: str) -> BlobName:
    """The names in a request's raw path, which starts with `/` and the container; a query behind `?` is left out.

    Raises:
        Invalid: code `InvalidUri` if the path cannot be read in one way only (an encoded slash, backslash or NUL in the
            container, a bad escape, text that is not UTF-8); code `InvalidResourceName` if a name breaks the rules (the
            container's alphabet and length; control characters, backslashes, empty and dotted segments, text that is not
            in normal form C, more than 1024 characters).
    """
    path = raw_path.partition("?")[0]
    if not path.startswith("/"):
        raise _unreadable("it must begin with '/'")
    first, slash, rest = path[1:].partition("/")
    if _SPLITTING.search(first):
        raise _unreadable("the container's name holds an encoded slash, backslash or NUL")
    container = checked_container(_decoded(first))
    return BlobName(container, checked_blob(_decoded(rest)) if slash else None)


def checked_container(name: str) -> str:
    """The name, if containers may be called so.

    Raises:
        Invalid: it breaks the rules (code `InvalidResourceName`).
    """
    if _CONTAINER.fullmatch(name) is None or not 3 <= len(name) <= 63:
        raise Invalid(
            f"{name[:80]!a} is no container name: use 3 to 63 small letters, digits and single hyphens between them.",
            code="InvalidResourceName",
            target="container",
        )
    return name


def checked_blob(name: str) -> str:
    """The decoded name, if blobs may be called so.

    Raises:
        Invalid: it breaks the rules (code `InvalidResourceName`).
    """
    if complaint := _complaint(name):
        raise Invalid(f"{name[:80]!a} is no blob name: {complaint}.", code="InvalidResourceName", target="blob")
    return name


def _complaint(name: str) -> str:
    if len(name) > LONGEST_NAME:
        return f"it has more than {LONGEST_NAME} characters"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        return "it holds a control character or half of a surrogate pair"
    if "\\" in name:
        return "it holds a backslash"
    if any(segment in ("", ".", "..") for segment in name.split("/")):
        return "it has an empty, a '.' or a '..' segment"
    return "" if unicodedata.is_normalized("NFC", name) else "it is not in Unicode normal form C"


def _decoded(text: str) -> str:
    def byte(found: re.Match[bytes]) -> bytes:
        if found.group(1) is None:
            raise _unreadable("a '%' is not followed by two hex digits")
        return bytes.fromhex(found.group(1).decode("ascii"))

    try:
        raw = text.encode()
        return _ESCAPE.sub(byte, raw).decode("utf-8", "strict") if "%" in text else text
    except UnicodeError as error:
        raise _unreadable("it is not UTF-8") from error


def _unreadable(why: str) -> Invalid:
    return Invalid(f"The path cannot be read: {why}.", code="InvalidUri", target="path")

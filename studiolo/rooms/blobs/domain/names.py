"""Names: of accounts, containers, blobs, block ids, and of the owners of keys.

What the decision is asked about and what the storage is asked for are the same frozen value (authorization
specification, section 7), made here once.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from studiolo.kernel.access.names import LONGEST_NAME, blob_name, checked_container
from studiolo.kernel.faults import Invalid

_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_PROJECT = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})-.+")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
_MAX_BLOCK_ID = 64


class Address(NamedTuple):
    """Where a call points; `""` for what its path does not name. Nothing later decodes, normalises or joins these."""

    container: str = ""
    blob: str = ""


@lru_cache(maxsize=4096)
def address(raw_path: str) -> Address:
    """The container and the blob that a raw path names.

    Raises:
        Invalid: the path breaks a rule of section 7 (codes `InvalidUri`, `InvalidResourceName`).
    """
    if raw_path == "/":
        return Address()
    found = blob_name(raw_path)
    return Address(found.container, found.blob or "")


def check_account(name: str) -> None:
    """Raise Invalid unless the text can name a storage account."""
    if not _ACCOUNT.fullmatch(name):
        raise Invalid(
            f"'{name[:100]}' is not a valid storage account name: it must have 3 to 24 characters, lower-case letters and digits only.",
            code="AccountNameInvalid",
            target="name",
        )


def check_container(name: str) -> None:
    """Raise Invalid unless the text can name a container."""
    checked_container(name)


def check_prefix(text: str, what: str = "prefix") -> None:
    """Raise Invalid unless the (decoded) text can stand at the beginning of a blob name."""
    if len(text) > LONGEST_NAME or _FORBIDDEN.search(text) or not unicodedata.is_normalized("NFC", text):
        raise Invalid(
            f"The {what} is too long, holds a control character or a backslash, or is not in Unicode normal form C.",
            code="InvalidQueryParameterValue",
            target=what,
        )


def check_block_id(text: str) -> None:
    """Raise Invalid unless the text is the base64 of 1 to 64 bytes."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not 1 <= len(raw) <= _MAX_BLOCK_ID:
        raise Invalid(
            f"A block id is the base64 of 1 to {_MAX_BLOCK_ID} bytes; this one is not.",
            code="InvalidQueryParameterValue",
            target="blockid",
        )


def account_of(owner: str) -> str:
    """The account to which the owner of a key belongs."""
    return owner.removeprefix("account/").partition("/")[0]


def key_owner(account: str, container: str) -> tuple[str, str | None]:
    """Who owns the key that seals a container, and whose key wraps it.

    A container whose name begins with a workspace's id and a hyphen is sealed with that project's key; any other with
    the account's own. Project keys hang below the account, so that nobody can borrow a project's key by naming a
    container in an account of their own.
    """
    parent = f"account/{account}"
    match = _PROJECT.fullmatch(container)
    return (f"{parent}/project/{match[1]}", parent) if match else (parent, None)

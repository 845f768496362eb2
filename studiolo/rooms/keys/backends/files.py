"""A customer's key in a file of this machine: `file:///run/keys/contoso.key`, 32 bytes or their base64, readable by us alone."""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from studiolo.kernel import clock
from studiolo.kernel.faults import Fault, Forbidden, Invalid, Unavailable
from studiolo.kernel.keys import derived

_KEY_BYTES: Final = 32
_MOST_BYTES = 256
_NONCE_BYTES = 12
_PURPOSE = b"studiolo customer"


class KeyFiles:
    """See `kernel.keys.CustomerKeys`. Why a file is refused is not told, so that nobody can ask for other people's files."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """`folders` are the studio's own, in which no customer's key can lie."""
        self._folders = [folder.resolve() for folder in folders]

    async def wrap(self, address: str, secret: bytes) -> bytes:
        """See `CustomerKeys.wrap`."""
        try:
            key = await asyncio.to_thread(self._read, address)
        except Forbidden:
            raise Invalid(
                f"'{address[:300]}' is no key that can be used: it must be the absolute path of a plain file outside the studio's own "
                "folder, with 32 random bytes or their base64, that belongs to the user of the studio and that nobody else can "
                "read (mode 0600).",
                code="CustomerKeyInvalid",
                target="properties.encryption.keyVaultProperties.keyIdentifier",
            ) from None
        nonce = clock.new_secret(_NONCE_BYTES)
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return nonce + AESGCM(key).encrypt(nonce, secret, _PURPOSE)

    async def unwrap(self, address: str, wrapped: bytes) -> bytes:
        """See `CustomerKeys.unwrap`."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = await asyncio.to_thread(self._read, address)
        try:
            return AESGCM(key).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], _PURPOSE)
        except InvalidTag:
            raise revoked(address) from None

    def _read(self, address: str) -> bytes:
        parts = urlsplit(address)
        path = Path(unquote(parts.path))
        if parts.scheme != "file" or parts.netloc or parts.query or not path.is_absolute() or "\0" in str(path):
            raise revoked(address)
        try:
            if any(path.resolve().is_relative_to(folder) for folder in self._folders):
                raise revoked(address)
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            raise revoked(address) from None
        except OSError as error:
            raise _unreadable(address, error) from None
        try:
            return self._key(address, descriptor)
        finally:
            os.close(descriptor)

    @staticmethod
    def _key(address: str, descriptor: int) -> bytes:
        """The key in an open file: what was checked is what is read."""
        found = os.fstat(descriptor)
        is_ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
        if not is_ours or not found.st_size or found.st_size > _MOST_BYTES:
            raise revoked(address)
        try:
            raw = os.read(descriptor, _MOST_BYTES)
        except OSError as error:
            raise _unreadable(address, error) from None
        if len(raw) != _KEY_BYTES:
            try:
                raw = base64.b64decode(raw.strip(), validate=True)
            except (binascii.Error, ValueError):
                raw = b""
        if len(raw) != _KEY_BYTES:
            raise revoked(address)
        return derived(raw, _PURPOSE)


def revoked(address: str) -> Forbidden:
    """The fault of a customer's key that does not open any more."""
    return Forbidden(
        f"The customer's key '{address[:300]}' is gone, was changed or disabled, or is refused to this studio: what it guards is not "
        "served until it is back.",
        code="CustomerKeyRevoked",
    )


def unreachable(address: str, why: str) -> Unavailable:
    """The fault of a keeper of a customer's key that does not answer."""
    return Unavailable(
        f"The keeper of the customer's key '{address[:300]}' does not answer as it should ({why}): what the key guards is not served "
        "meanwhile. Try again.",
        code="CustomerKeyUnreachable",
        retry_after_seconds=2,
    )


def _unreadable(address: str, error: OSError) -> Fault:
    return unreachable(address, error.strerror or "the file cannot be read")

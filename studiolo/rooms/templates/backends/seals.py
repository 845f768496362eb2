"""Sealing with AES-256-GCM under one key of the key ring."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import TYPE_CHECKING

from studiolo.kernel import clock
from studiolo.kernel.faults import Fault

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class KeySeals:
    """See `ports.Seals`. `key` has 32 bytes, such as a data key of the key ring."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, data: bytes, place: str) -> str:
        """See `ports.Seals.seal`."""
        nonce = clock.new_secret(_NONCE_BYTES)
        return base64.b64encode(nonce + _cipher(self._key).encrypt(nonce, zlib.compress(data, 1), place.encode())).decode()

    def open(self, sealed: str, place: str) -> bytes:
        """See `ports.Seals.open`."""
        from cryptography.exceptions import InvalidTag

        try:
            raw = base64.b64decode(sealed, validate=True)
            return zlib.decompress(_cipher(self._key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], place.encode()))
        except (InvalidTag, ValueError, binascii.Error, zlib.error):
            raise Fault(
                f"What was sealed for '{place}' does not open: it was changed or moved, or its key is another.", code="SecretDamaged"
            ) from None


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)

"""The head: number and digest of the record's newest line at a moment, under a seal, for whoever keeps it elsewhere."""

from __future__ import annotations

import hmac

import msgspec

_encode = msgspec.json.Encoder().encode


class Head(msgspec.Struct, frozen=True):
    """The newest line at a moment: its number, its digest (hexadecimal), and the seal of both."""

    seq: int
    digest: str
    at: str
    seal: str = ""

    def sealed(self, key: bytes) -> Head:
        """The same with its seal."""
        return msgspec.structs.replace(self, seal=self._seal(key))

    def holds(self, key: bytes) -> bool:
        """Whether the seal was made with this key over these values."""
        return hmac.compare_digest(self.seal.encode(), self._seal(key).encode())

    def _seal(self, key: bytes) -> str:
        return hmac.digest(key, b"studiolo record head" + _encode([self.seq, self.digest, self.at]), "sha256").hex()

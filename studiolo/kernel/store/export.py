"""An export of the record: which lines it holds, sealed by the studio as a whole and line by line.

    running   SHA-256 over what was asked for, then over itself and the digest of each exported line
    place     each line's mark of its place in this export: an HMAC of the running digest behind it
    ending    the last line: what was asked for, by whom, how many lines, and the last running digest, under a seal

So nobody without the record's key takes a line out, puts one in, or says that fewer were asked for.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

import msgspec

from studiolo.kernel.store.head import Head

_ENDING: Final = b"studiolo record ending"
_ASKED: Final = b"studiolo record export"
_PLACE: Final = b"studiolo record place"
_PLACE_BYTES: Final = 16
_encode = msgspec.json.Encoder().encode


class Ending(msgspec.Struct, frozen=True, rename="camel"):
    """What an export holds so far, and at its end as a whole.

    Lines of the record up to `head` were looked at, at or below `scope`, from `since` and before `until`. One that is partial leaves
    out lines that `caller` may not see, or that lie elsewhere. Exports of older releases have the first seven fields alone.
    """

    lines: int
    first: int
    last: int
    is_partial: bool = False
    since: str = ""
    until: str = ""
    head: Head | None = None
    scope: str = ""
    caller: str = ""
    digest: str = ""
    seal: str = ""

    @classmethod
    def begun(cls, head: Head, caller: str, scope: str, since: str, until: str, *, is_partial: bool) -> Ending:
        """An export of which no line was looked at yet."""
        bare = cls(0, 0, 0, is_partial, since, until, head, scope, caller)
        return msgspec.structs.replace(bare, digest=bare.running().hex())

    def running(self) -> bytes:
        """The running digest before the first line."""
        return hashlib.sha256(_ASKED + _encode([self.caller, self.scope, self.since, self.until, self.head])).digest()

    def sealed(self, key: bytes) -> Ending:
        """The same with its seal, once no line comes any more."""
        return msgspec.structs.replace(self, seal=self._seal(key))

    def holds(self, key: bytes) -> bool:
        """Whether the seal was made with this key over all that is said."""
        return hmac.compare_digest(self.seal.encode(), self._seal(key).encode())

    def _seal(self, key: bytes) -> str:
        return hmac.digest(key, _ENDING + _encode(msgspec.structs.replace(self, seal="")), "sha256").hex()


def further(running: bytes, digest: bytes) -> bytes:
    """The running digest behind one more line."""
    return hashlib.sha256(running + digest).digest()


def place_of(key: bytes, running: bytes) -> str:
    """The mark of the line behind which the running digest is this."""
    return hmac.digest(key, _PLACE + running, "sha256")[:_PLACE_BYTES].hex()

"""A keyed mark on a text: only this studio makes it, and a copy of the store alone does not let anybody make it."""

from __future__ import annotations

import base64
import hmac
from typing import Final

from studiolo.kernel import clock
from studiolo.kernel.faults import Fault, Stale
from studiolo.kernel.store.port import ABSENT, Entry, PutEntry, Store
from studiolo.rooms.authentication.ports import Sealer

_SPACE: Final = "iam.stamp-key"
_KEY: Final = "key"
_OWNER: Final = "iam/stamps"


class Stamps:
    """Makes and compares marks. Each purpose has marks of its own."""

    def __init__(self, store: Store, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer
        self._secret = b""

    async def stamp(self, purpose: str, text: str) -> str:
        """The mark of a text for a purpose."""
        mark = hmac.digest(await self._loaded(), f"{purpose}\0{text}".encode(), "sha256")
        return base64.urlsafe_b64encode(mark).decode().rstrip("=")

    async def fits(self, purpose: str, text: str, mark: str) -> bool:
        """Whether the mark is this text's, compared in constant time."""
        return hmac.compare_digest((await self.stamp(purpose, text)).encode(), mark.encode())

    async def _loaded(self) -> bytes:
        for _ in range(2):
            if self._secret:
                break
            entry = await self._store.entry(_SPACE, _KEY)
            if entry is not None:
                self._secret = await self._sealer.open(_OWNER, base64.b64decode(entry.doc))
                break
            sealed = await self._sealer.seal(_OWNER, clock.new_secret(32))
            try:
                await self._store.commit(PutEntry(_SPACE, Entry(_KEY, clock.new_tag(), base64.b64encode(sealed)), expect=ABSENT))
            except Stale:
                continue
        if not self._secret:
            raise Fault("The key for marks was removed while it was being made.")
        return self._secret

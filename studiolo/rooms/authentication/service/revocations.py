"""What was taken back before its end: single consents and bindings of workloads, and all that an application had been given.

The list is short and lives in memory, since every call with a token looks at it. An entry leaves when the last token that
it speaks of has ended by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.store.port import DropEntry, Entry, PutEntry, Store, Write
from studiolo.rooms.authentication.domain.tokens import SKEW_SECONDS

_SPACE: Final = "iam.revocations"
MOST_LIFE: Final = 5400
"""The longest life of an access token in seconds."""
_KEPT_SECONDS: Final = MOST_LIFE + 2 * SKEW_SECONDS
_APPLICATION_KEPT: Final = 100 * 86_400  # longer than any refresh token lives


class _Kept(msgspec.Struct, frozen=True):
    """What was issued before the second `at` is void; the entry may go at `until`."""

    at: int
    until: int


_kept = msgspec.json.Decoder(_Kept)


class Revocations:
    """Asked on every call with a token. `load` must have run; commits of this process are seen at once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ends: dict[str, int] = {}
        store.listen(self._note)

    async def load(self) -> None:
        """Read what was taken back before this start, and forget what has ended by itself."""
        now, after = int(clock.epoch()), ""
        while entries := await self._store.entries(_SPACE, after=after):
            over = [entry.key for entry in entries if _kept.decode(entry.doc).until <= now]
            self._ends |= {entry.key: _kept.decode(entry.doc).at for entry in entries if entry.key not in over}
            if over:
                await self._store.commit(*(DropEntry(_SPACE, key) for key in over))
            after = entries[-1].key

    def is_over(self, application: str, consent: str, issued_at: int) -> bool:
        """Whether something that was issued in this second to an application, under a consent if there is one, was taken back."""
        ends = self._ends
        return bool(ends) and (ends.get(f"app/{application}", 0) > issued_at or (consent != "" and f"sid/{consent}" in ends))

    def first_issue(self, application: str) -> int:
        """The first second in which a token that the application may keep can have been issued."""
        return self._ends.get(f"app/{application}", 0)

    @staticmethod
    def of_consent(consent: str) -> PutEntry:
        """The write that ends every token of a consent, or of a workload's binding."""
        now = int(clock.epoch())
        return _put(f"sid/{consent}", _Kept(now + 1, now + _KEPT_SECONDS))

    def of_application(self, application: str) -> PutEntry:
        """The write that ends everything that an application was given until now, for itself and for people.

        What was given since an earlier one of this second bears the next second, and ends too.
        """
        now, key = int(clock.epoch()), f"app/{application.lower()}"
        return _put(key, _Kept(max(now, self._ends.get(key, 0)) + 1, now + _APPLICATION_KEPT))

    def _note(self, writes: Sequence[Write]) -> None:
        for write in writes:
            if isinstance(write, PutEntry) and write.space == _SPACE:
                self._ends[write.entry.key] = _kept.decode(write.entry.doc).at
            elif isinstance(write, DropEntry) and write.space == _SPACE:
                self._ends.pop(write.key, None)


def _put(key: str, kept: _Kept) -> PutEntry:
    return PutEntry(_SPACE, Entry(key, clock.new_tag(), msgspec.json.encode(kept)))

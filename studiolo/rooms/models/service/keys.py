"""The keys of accounts: two each, shown to whoever may list them, stored as digests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.digests import digest_of
from studiolo.kernel.faults import NotFound
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.keys import KeyRing
from studiolo.kernel.store.port import ABSENT, DropEntry, Entry, PutEntry, Store, Write
from studiolo.rooms.models.domain.keys import SLOTS, Slot, is_well_formed, key_text

_ACCOUNTS: Final = "models.accounts"
_KEYS: Final = "models.keys"
_REMEMBERED: Final = 10_000


class Holder(msgspec.Struct, frozen=True):
    """What a key opens: an account, its project, and the identity that the holder acts as."""

    account: str
    project: str
    workspace_id: str
    identity: str
    slot: Slot

    def names_project(self, name: str) -> bool:
        """Whether the holder's project has this workspace id or name."""
        return name.lower() in (self.workspace_id.lower(), self.project.rpartition("/")[2].lower())


class _Account(msgspec.Struct, frozen=True):
    """What is kept of an account's keys: nothing that makes a key without the key ring.

    The digests are kept too, so that keys can be dropped when the ring opens them no more.
    """

    project: str
    workspace_id: str
    identity: str
    salts: dict[Slot, bytes]
    is_enabled: bool = True
    digests: dict[Slot, str] = {}


class Keys:
    """Makes, shows, replaces and recognises keys. A key that was replaced is refused by the next call."""

    def __init__(self, store: Store, ring: KeyRing) -> None:
        self._store = store
        self._ring = ring
        self._known: dict[str, Holder] = {}
        self._changes = 0
        store.listen(self._forget)

    async def ensure(self, account: ResourceId, project: ResourceId, workspace_id: str, identity: str, *, is_enabled: bool = True) -> None:
        """Give the account its two keys, or take them out of use while `is_enabled` is False; safe to repeat."""
        entry = await self._store.entry(_ACCOUNTS, account.key)
        old = _account(entry) if entry else None
        salts: dict[Slot, bytes] = old.salts if old else {slot: clock.new_secret(16) for slot in SLOTS}
        digests: dict[Slot, str] = {slot: digest_of(await self._text(account, slot, salts[slot])) for slot in SLOTS}
        new = _Account(project.text, workspace_id, identity, salts, is_enabled, digests)
        writes: list[Write] = [_put(_ACCOUNTS, account.key, new, entry.etag if entry else ABSENT)]
        for slot, mark in digests.items():
            writes.append(_put(_KEYS, mark, _holder(account, new, slot)) if is_enabled else DropEntry(_KEYS, mark))
        if new != old:
            await self._store.commit(*writes)

    async def list(self, account: ResourceId) -> dict[Slot, str]:
        """Both keys.

        Raises:
            NotFound: the account has none (code `AccountKeysNotFound`).
        """
        _, found = await self._get(account)
        return {slot: await self._text(account, slot, found.salts[slot]) for slot in SLOTS}

    async def regenerate(self, account: ResourceId, slot: Slot) -> dict[Slot, str]:
        """Replace one key; both keys as they are now. Raises as `list` does, and Stale if somebody replaced one meanwhile."""
        entry, old = await self._get(account)
        salts: dict[Slot, bytes] = {**old.salts, slot: clock.new_secret(16)}
        digests: dict[Slot, str] = {**old.digests, slot: digest_of(await self._text(account, slot, salts[slot]))}
        new = msgspec.structs.replace(old, salts=salts, digests=digests)
        writes: list[Write] = [_put(_ACCOUNTS, account.key, new, entry.etag), DropEntry(_KEYS, old.digests[slot])]
        if new.is_enabled:
            writes.append(_put(_KEYS, digests[slot], _holder(account, new, slot)))
        await self._store.commit(*writes)
        return await self.list(account)

    async def drop(self, account: ResourceId) -> None:
        """Forget the account's keys for good; safe to repeat."""
        entry = await self._store.entry(_ACCOUNTS, account.key)
        if entry is not None:
            marks = _account(entry).digests.values()
            await self._store.commit(*(DropEntry(_KEYS, mark) for mark in marks), DropEntry(_ACCOUNTS, account.key))
        await self._ring.destroy(key_owner(account))

    async def find(self, text: str) -> Holder | None:
        """What this key opens; None for a text that is no key in use.

        Raises:
            Forbidden, Unavailable: the key ring does not open the account's key any more (`KeyRing.keys`).
        """
        if not is_well_formed(text):
            return None
        mark = digest_of(text)
        found = self._known.get(mark)
        if found is None:
            before = self._changes
            entry = await self._store.entry(_KEYS, mark)
            if entry is None:
                return None
            found = msgspec.json.decode(entry.doc, type=Holder)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            # What was read may have been replaced while it was on its way.
            if before == self._changes:
                self._known[mark] = found
        await self._ring.keys(f"models{found.account.lower()}")
        return found

    async def _get(self, account: ResourceId) -> tuple[Entry, _Account]:
        entry = await self._store.entry(_ACCOUNTS, account.key)
        if entry is None:
            raise NotFound(f"The account '{account.name}' has no keys.", code="AccountKeysNotFound")
        return entry, _account(entry)

    async def _text(self, account: ResourceId, slot: Slot, salt: bytes) -> str:
        return key_text(await self._ring.data_key(key_owner(account)), slot, salt)

    def _forget(self, writes: Sequence[Write]) -> None:
        for write in writes:
            match write:
                case DropEntry(space=space, key=key) | PutEntry(space=space, entry=Entry(key=key)) if space == _KEYS:
                    self._known.pop(key, None)
                    self._changes += 1
                case _:
                    pass


def key_owner(account: ResourceId) -> str:
    """The owner, in the key ring, of an account's keys."""
    return f"models{account.key}"


def _account(entry: Entry) -> _Account:
    return msgspec.json.decode(entry.doc, type=_Account)


def _holder(account: ResourceId, of: _Account, slot: Slot) -> Holder:
    return Holder(account.text, of.project, of.workspace_id, of.identity, slot)


def _put(space: str, key: str, value: msgspec.Struct, expect: str | None = None) -> PutEntry:
    entry = Entry(key, clock.new_tag(), msgspec.json.encode(value))
    return PutEntry(space, entry) if expect is None else PutEntry(space, entry, expect=expect)

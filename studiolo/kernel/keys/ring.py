"""The key ring: a data key per owner, wrapped by the key of its parent, up to a master key that no store holds.

    master key (a file outside the data) → key of a hub → key of an account, keys of projects → keys of what is theirs

A key has generations: new seals use the newest, older ones open what they sealed until it is sealed anew. Owners are
paths, and an owner that goes takes everything below its path along; what hangs on a destroyed key is gone with it.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from studiolo.kernel import clock
from studiolo.kernel.faults import Fault, Stale
from studiolo.kernel.keys import stored
from studiolo.kernel.keys.leases import Leases
from studiolo.kernel.keys.ports import CustomerKeys, Shares
from studiolo.kernel.keys.stored import KEY_BYTES, SPACE, Kept, Wrapped, derived, entry_of, kept_of
from studiolo.kernel.store.port import ABSENT, DropEntry, Entry, PutEntry, Store, Write

PENDING: Final = "keys.pending"
"""What was begun and is not finished: `rewrap/{owner}` and `erase/{owner}`. A start goes on with it."""
_SALT_BYTES = 16
_TAG_BYTES = 16
_SEALED = b"\x02"
_HEAD = struct.Struct(">cI")
_BATCH = 200


class DataKeys(NamedTuple):
    """An owner's key: the newest generation, and those before it."""

    owner: str
    number: int
    key: bytes
    older: Mapping[int, bytes]

    def of(self, number: int) -> bytes:
        """The key of one generation.

        Raises:
            Fault: there is none of this number (code `KeyRingDamaged`).
        """
        found = self.key if number == self.number else self.older.get(number)
        if found is None:
            raise stored.damaged(self.owner)
        return found


class KeyRing:
    """Keys by owner, made when they are first asked for."""

    def __init__(
        self,
        store: Store,
        master_key: bytes,
        *,
        previous: bytes | None = None,
        shares: Shares | None = None,
        customers: CustomerKeys | None = None,
    ) -> None:
        """Stand on `store`; `master_key` has 32 bytes and lies outside of it.

        `previous` is the master key before this one while not everything is wrapped anew; `shares` keeps what even a
        copy of data and master key lacks; `customers` reaches keys of customers.
        """
        for key in (master_key, previous or master_key):
            if len(key) != KEY_BYTES:
                msg = f"the master key must have {KEY_BYTES} bytes, not {len(key)}"
                raise ValueError(msg)
        self.store = store
        self.mark = _mark(master_key)
        self._masters = {_mark(key): derived(key, b"studiolo key ring") for key in (previous or master_key, master_key)}
        self._held: dict[str, DataKeys] = {}
        self._changes = 0
        self.shares = shares
        self.leases = Leases(customers, self._drop)
        # New keys come under a parent's newest generation; whoever destroys an older one keeps them out meanwhile.
        self.making = asyncio.Lock()
        store.listen(self._forget)

    # ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def require_readable(self) -> None:
        """Refuse a store whose keys the first releases wrote (Conflict, code `KeyRingOutdated`)."""
        for entry in await self.store.entries(SPACE, limit=1):
            stored.refuse_former(entry)

    async def data_key(self, owner: str, parent: str | None = None) -> bytes:
        """The newest generation of the owner's key. Raises as `keys`."""
        found = self._held.get(owner)
        return found.key if found is not None else (await self.keys(owner, parent)).key

    async def keys(self, owner: str, parent: str | None = None) -> DataKeys:
        """The owner's keys, made on first use and wrapped by `parent`'s (None: the master key).

        A parent that has no key yet gets one under the master key; for deeper hierarchies ask for the upper ones first.

        Raises:
            Fault: the stored key cannot be unwrapped (code `KeyRingDamaged`): it was changed, or wrapped under
                another master key or another parent.
            Forbidden: it was destroyed (code `KeyDestroyed`), or a customer's key is withdrawn (code `CustomerKeyRevoked`).
            Unavailable: a customer's key cannot be reached (code `CustomerKeyUnreachable`).
        """
        found = self._held.get(owner)
        if found is not None:
            return found
        if parent is not None and not owner.startswith(parent + "/"):
            msg = f"the owner '{owner}' is not below its parent '{parent}'"
            raise ValueError(msg)
        return await self._load(owner) or await self.make(owner, parent)

    async def _load(self, owner: str) -> DataKeys | None:
        before = self._changes
        entry = await self.store.entry(SPACE, owner)
        if entry is None:
            return None
        kept = kept_of(entry)
        opened = await self.opened(owner, kept)
        # What was read may have been replaced, and what opened it withdrawn, while it was on its way.
        if before == self._changes and self._may_hold(owner, kept):
            self._held[owner] = opened
        return opened

    async def find(self, owner: str) -> tuple[Entry, Kept] | None:
        """An owner's stored key, whatever its state; None if it has none."""
        entry = await self.store.entry(SPACE, owner)
        kept = stored.peek(entry) if entry is not None else None
        return (entry, kept) if entry is not None and kept is not None else None

    async def make(self, owner: str, parent: str | None, *, has_share: bool = False) -> DataKeys:
        """A new key; if somebody else was faster, theirs."""
        if parent is not None:
            await self.keys(parent)
        async with self.making:
            by, wrapping = await self.wrapping(owner, parent, has_share=has_share)
            key = clock.new_secret(KEY_BYTES)
            first = Wrapped(1, by, stored.wrap(wrapping, owner, parent, 1, by, key), clock.stamp(clock.now()))
            try:
                await self.store.commit(PutEntry(SPACE, entry_of(owner, Kept(parent, (first,), has_share)), expect=ABSENT))
            except Stale:
                # Somebody else made it meanwhile; theirs is the key.
                entry = await self.store.entry(SPACE, owner)
                if entry is None:
                    raise
                return await self.opened(owner, kept_of(entry))
        return DataKeys(owner, 1, key, {})

    async def opened(self, owner: str, kept: Kept) -> DataKeys:
        """All generations of a stored key. Raises as `keys`."""
        bodies = {one.number: await self.body(owner, kept, one) for one in kept.generations}
        if kept.customer is not None:
            secret = await self.leases.secret(owner, kept.customer)
            bodies = {number: stored.unguard(secret, owner, number, body) for number, body in bodies.items()}
        newest = kept.newest.number
        return DataKeys(owner, newest, bodies.pop(newest), bodies)

    async def body(self, owner: str, kept: Kept, one: Wrapped) -> bytes:
        """What lies inside the outer layer of a generation. Raises as `keys`."""
        _, wrapping = await self.wrapping(owner, kept.parent, has_share=kept.has_share, by=one.by)
        return stored.unwrap(wrapping, owner, kept.parent, one)

    async def wrapping(self, owner: str, parent: str | None, *, has_share: bool, by: str | None = None) -> tuple[str, bytes]:
        """The generation of the parent (the newest, unless one is named) and the key by which it wraps the owner's."""
        share = self._share(owner, is_new=by is None) if has_share else b""
        if parent is None:
            by = by or self.mark
            above = self._masters.get(by)
            if above is None:
                raise stored.damaged(owner)
        else:
            keys = self._held.get(parent) or await self._load(parent)
            if keys is None:
                raise stored.gone(parent)
            by = by or str(keys.number)
            above = keys.of(int(by) if by.isdecimal() else 0)
        return by, derived(above, b"studiolo wrap" + share)

    def _share(self, owner: str, *, is_new: bool) -> bytes:
        """What lies outside of data and master key; a key whose share is erased was destroyed, whatever a copy of the data says."""
        if self.shares is None:
            raise stored.gone(owner)
        found = self.shares.take(owner) if is_new else self.shares.find(owner)
        if found is None:
            raise stored.gone(owner)
        return found

    def _may_hold(self, owner: str, kept: Kept) -> bool:
        """Whether the owner's key may be held: as long as the customer's key that guards it, or a key above it, is good."""
        if kept.customer is not None:
            return self.leases.follow(owner, owner)
        if kept.parent is None:
            return True
        return kept.parent in self._held and self.leases.follow(owner, kept.parent)

    # ── the end of keys ──────────────────────────────────────────────────────────────────────────────────────────

    async def destroy(self, owner: str) -> None:
        """Forget the owner's key and those of all owners below its path, for good. Safe to repeat.

        A later owner of the same name gets a new key. What is gone already is not removed, and recorded, again.
        """
        if await self.store.entry(SPACE, owner) is not None:
            await self._drop_all([owner])
        elif await self.store.entry(PENDING, f"erase/{owner}") is not None:
            await self.erase([owner])
        while entries := await self.store.entries(SPACE, prefix=owner + "/", limit=_BATCH):
            await self._drop_all([entry.key for entry in entries])

    async def shred(self, owner: str) -> None:
        """Destroy the owner's key and keep the mark that it was: nothing is sealed or opened for this owner again."""
        found = await self.find(owner)
        if found is None or found[1].destroyed:
            return
        ended = Kept(found[1].parent, destroyed=clock.stamp(clock.now()))
        await self.store.commit(PutEntry(SPACE, entry_of(owner, ended)), PutEntry(PENDING, Entry(f"erase/{owner}", "-", b"{}")))
        await self.erase([owner])

    async def erase(self, owners: Sequence[str]) -> None:
        """Erase the shares of keys that are gone."""
        for owner in owners:
            if self.shares is not None:
                await asyncio.to_thread(self.shares.erase, owner)
        await self.store.commit(*(DropEntry(PENDING, f"erase/{owner}") for owner in owners))

    async def _drop_all(self, owners: Sequence[str]) -> None:
        if self.shares is None:
            await self.store.commit(*(DropEntry(SPACE, owner) for owner in owners))
            return
        await self.store.commit(
            *(DropEntry(SPACE, owner) for owner in owners),
            *(PutEntry(PENDING, Entry(f"erase/{owner}", "-", b"{}")) for owner in owners),
        )
        await self.erase(owners)

    # ── small secrets ────────────────────────────────────────────────────────────────────────────────────────────

    async def seal(self, owner: str, plaintext: bytes, aad: bytes = b"", *, parent: str | None = None) -> bytes:
        """A small secret, encrypted with AES-256-GCM under a key of its own that is derived from the owner's.

        `aad` binds it to its place (tenant, vault, name, version): it opens nowhere else.
        """
        keys = await self.keys(owner, parent)
        salt = clock.new_secret(_SALT_BYTES)
        body = stored.cipher(derived(keys.key, b"studiolo secret" + salt)).encrypt(bytes(12), plaintext, _place(owner, aad))
        return _HEAD.pack(_SEALED, keys.number) + salt + body

    async def open(self, owner: str, sealed: bytes, aad: bytes = b"") -> bytes:
        """What `seal` was given.

        Raises:
            Fault: the secret was changed, moved to another place, or its key is gone (code `SecretDamaged`).
            Forbidden, Unavailable: as `keys`.
        """
        from cryptography.exceptions import InvalidTag

        start = _HEAD.size + _SALT_BYTES
        if sealed[:1] == _SEALED and len(sealed) >= start + _TAG_BYTES and await self._has(owner):
            keys, number = await self.keys(owner), generation_of(sealed)
            if number == keys.number or number in keys.older:
                key = derived(keys.of(number), b"studiolo secret" + sealed[_HEAD.size : start])
                try:
                    return stored.cipher(key).decrypt(bytes(12), sealed[start:], _place(owner, aad))
                except InvalidTag:
                    pass
        raise Fault(f"A secret of '{owner}' does not open: it was changed or moved, or its key was destroyed.", code="SecretDamaged")

    async def _has(self, owner: str) -> bool:
        return owner in self._held or await self.store.entry(SPACE, owner) is not None

    # ── what is held in memory ───────────────────────────────────────────────────────────────────────────────────

    def _drop(self, owners: Sequence[str]) -> None:
        self._changes += 1
        for owner in owners:
            self._held.pop(owner, None)

    def _forget(self, writes: Sequence[Write]) -> None:
        """Every change of a key that was there changes what hangs on it; changes are rare."""
        for write in writes:
            if isinstance(write, PutEntry | DropEntry) and write.space == SPACE and write.expect != ABSENT:
                self._changes += 1
                self._held.clear()
                return


def generation_of(sealed: bytes) -> int:
    """The generation of the key that sealed a small secret."""
    return int(_HEAD.unpack_from(sealed)[1]) if len(sealed) >= _HEAD.size else 0


def _mark(master_key: bytes) -> str:
    """By what a master key is told from another: it says nothing about the key."""
    return "m" + derived(master_key, b"studiolo mark").hex()[:16]


def _place(owner: str, aad: bytes) -> bytes:
    return b"studiolo secret\0" + owner.encode() + b"\0" + aad

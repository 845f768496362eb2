"""Rotation: a new generation of a key, and everything that hangs on it wrapped anew, in batches, from crash to crash.

The note that there is something to wrap anew lies in the same commit as the new generation, and goes with the old one. In
between both generations open what they wrapped; so there is no moment at which a key is lost.
"""

from __future__ import annotations

import base64
import logging

from studiolo.kernel import clock
from studiolo.kernel.faults import Conflict, Fault, Stale
from studiolo.kernel.keys import stored
from studiolo.kernel.keys.ring import PENDING, KeyRing
from studiolo.kernel.keys.stored import KEY_BYTES, SPACE, Customer, Kept, Wrapped, entry_of, kept_of
from studiolo.kernel.store.port import DropEntry, Entry, PutEntry, Write

_BATCH = 100
_RACES = 20
_MOST_GENERATIONS = 32
_log = logging.getLogger(__name__)


class Rotation:
    """Changes of keys that are there: new generations, other parents, a customer's key."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._store = ring.store

    async def recover(self) -> None:
        """Go on with what an earlier process has left: shares to erase, keys to wrap anew.

        What cannot go on since a customer's key is out of reach waits for the next start.
        """
        while entries := await self._store.entries(PENDING, prefix="erase/", limit=_BATCH):
            await self._ring.erase([entry.key.partition("/")[2] for entry in entries])
        after = ""
        while entries := await self._store.entries(PENDING, prefix="rewrap/", after=after, limit=_BATCH):
            after = entries[-1].key
            for entry in entries:
                try:
                    await self.rewrap(entry.key.partition("/")[2])
                except Fault as fault:
                    _log.warning("what hangs on a key is not wrapped anew yet: %s", fault.message)

    async def establish(self, owner: str, parent: str | None, *, has_share: bool = False) -> None:
        """See that the owner has a key, under this parent and, if asked for, with a share. Safe to repeat.

        Raises:
            Forbidden, Unavailable, Fault: as `KeyRing.keys`.
        """
        for _ in range(_RACES):
            entry = await self._store.entry(SPACE, owner)
            if entry is None:
                await self._ring.make(owner, parent, has_share=has_share)
                continue
            kept = kept_of(entry)
            if kept.parent == parent and kept.has_share >= has_share:
                return
            if parent is not None:
                await self._ring.keys(parent)
            if await self._moved(entry, kept, parent, has_share=has_share or kept.has_share):
                return
        raise _contended(owner)

    async def rotate(self, owner: str) -> int:
        """Give the owner's key a new generation, and wrap everything that hangs on it anew; the new generation's number.

        Older generations stay until `retire` is called.

        Raises:
            Conflict: it has too many (code `TooManyKeyVersions`).
            Forbidden, Unavailable, Fault: as `KeyRing.keys`.
        """
        for _ in range(_RACES):
            await self._ring.keys(owner)
            entry = await self._store.entry(SPACE, owner)
            if entry is None:
                continue
            kept = kept_of(entry)
            if len(kept.generations) >= _MOST_GENERATIONS:
                raise Conflict(
                    f"The key of '{owner}' has {len(kept.generations)} versions: seal anew what the older ones sealed before the next.",
                    code="TooManyKeyVersions",
                )
            made = await self._generation(owner, kept, kept.newest.number + 1)
            grown = Kept(kept.parent, (*kept.generations, made), kept.has_share, kept.customer)
            if await self._put(entry, grown, PutEntry(PENDING, Entry(f"rewrap/{owner}", "-", b"{}"))):
                await self.rewrap(owner)
                return made.number
        raise _contended(owner)

    async def rewrap(self, owner: str) -> None:
        """Wrap every key that hangs on the owner's older generations by its newest one. Safe to repeat."""
        found = await self._ring.find(owner)
        if found is not None and not found[1].destroyed:
            await self._rewrap_below(owner, str(found[1].newest.number))
        await self._store.commit(DropEntry(PENDING, f"rewrap/{owner}"))

    async def rewrap_master(self) -> None:
        """Wrap every key that hangs on a master key by the newest one. When this returns, the previous one opens nothing.

        Raises:
            Fault: a key does not open (code `KeyRingDamaged`); the previous master key is still needed.
        """
        async with self._ring.making:
            await self._rewrap_below(None, self._ring.mark)

    async def retire(self, owner: str) -> None:
        """Destroy the older generations of the owner's key: nothing is sealed or wrapped by them any more."""
        for _ in range(_RACES):
            # Nobody makes a key below meanwhile, which might still be under the generation that goes.
            async with self._ring.making:
                entry = await self._store.entry(SPACE, owner)
                if entry is None:
                    return
                kept = kept_of(entry)
                await self._rewrap_below(owner, str(kept.newest.number))
                if len(kept.generations) == 1 or await self._put(entry, Kept(kept.parent, (kept.newest,), kept.has_share, kept.customer)):
                    return
        raise _contended(owner)

    async def guard(self, owner: str, address: str) -> None:
        """Let a customer's key guard the owner's from now on, in place of another customer's if there is one.

        The key gets a new generation, and the older ones go: what was wrapped before the customer's key came opens nothing.

        Raises:
            Invalid, Forbidden, Unavailable: the customer's key cannot be used; nothing was changed.
        """
        secret = clock.new_secret(KEY_BYTES)
        wrapped = await self._ring.leases.customers.wrap(address, secret)
        if await self._ring.leases.customers.unwrap(address, wrapped) != secret:
            raise Conflict("The customer's key does not unwrap what it has wrapped.", code="CustomerKeyInvalid", target="keyIdentifier")
        customer = Customer(address, base64.b64encode(wrapped).decode())
        for _ in range(_RACES):
            keys = await self._ring.keys(owner)
            entry = await self._store.entry(SPACE, owner)
            if entry is None:
                continue
            kept = kept_of(entry)
            by, wrapping = await self._ring.wrapping(owner, kept.parent, has_share=kept.has_share)
            bodies = {one.number: stored.guard(secret, owner, one.number, keys.of(one.number)) for one in kept.generations}
            generations = tuple(
                Wrapped(one.number, by, stored.wrap(wrapping, owner, kept.parent, one.number, by, bodies[one.number]), one.created)
                for one in kept.generations
            )
            if await self._put(entry, Kept(kept.parent, generations, kept.has_share, customer)):
                self._ring.leases.forget(owner)
                await self.rotate(owner)
                await self.retire(owner)
                return
        raise _contended(owner)

    async def _generation(self, owner: str, kept: Kept, number: int) -> Wrapped:
        by, wrapping = await self._ring.wrapping(owner, kept.parent, has_share=kept.has_share)
        body = clock.new_secret(KEY_BYTES)
        if kept.customer is not None:
            body = stored.guard(await self._ring.leases.secret(owner, kept.customer), owner, number, body)
        return Wrapped(number, by, stored.wrap(wrapping, owner, kept.parent, number, by, body), clock.stamp(clock.now()))

    async def _rewrap_below(self, parent: str | None, by: str) -> None:
        """Wrap the children of a parent by its generation `by`, a batch at a time."""
        after = ""
        while entries := await self._store.entries(SPACE, after=after, limit=_BATCH):
            after = entries[-1].key
            due = [entry for entry in entries if _hangs(entry, parent, by)]
            if not due:
                continue
            try:
                await self._store.commit(*[await self._rewrapped(entry) for entry in due])
            except Stale:  # one of them was changed meanwhile
                for entry in due:
                    await self._rewrap_one(entry.key, parent, by)

    async def _rewrap_one(self, owner: str, parent: str | None, by: str) -> None:
        for _ in range(_RACES):
            entry = await self._store.entry(SPACE, owner)
            if entry is None or not _hangs(entry, parent, by):
                return
            try:
                await self._store.commit(await self._rewrapped(entry))
            except Stale:
                continue
            return
        raise _contended(owner)

    async def _rewrapped(self, entry: Entry) -> PutEntry:
        kept = kept_of(entry)
        return PutEntry(SPACE, entry_of(entry.key, await self._under(entry.key, kept, kept.parent, kept.has_share)), expect=entry.etag)

    async def _moved(self, entry: Entry, kept: Kept, parent: str | None, *, has_share: bool) -> bool:
        async with self._ring.making:
            return await self._put(entry, await self._under(entry.key, kept, parent, has_share))

    async def _under(self, owner: str, kept: Kept, parent: str | None, has_share: bool) -> Kept:  # noqa: FBT001 - a part of the state
        """The same key under a parent's newest generation; what a customer's key guards stays guarded, and closed."""
        by, wrapping = await self._ring.wrapping(owner, parent, has_share=has_share)
        generations = [
            Wrapped(
                one.number, by, stored.wrap(wrapping, owner, parent, one.number, by, await self._ring.body(owner, kept, one)), one.created
            )
            for one in kept.generations
        ]
        return Kept(parent, tuple(generations), has_share, kept.customer)

    async def _put(self, entry: Entry, kept: Kept, *others: Write) -> bool:
        """Whether the key was still as it was read, and is now as given."""
        try:
            await self._store.commit(PutEntry(SPACE, entry_of(entry.key, kept), expect=entry.etag), *others)
        except Stale:
            return False
        return True


def _hangs(entry: Entry, parent: str | None, by: str) -> bool:
    """Whether a stored key hangs on another generation of the parent than `by`."""
    kept = stored.peek(entry)
    return kept is not None and kept.parent == parent and any(one.by != by for one in kept.generations)


def _contended(owner: str) -> Conflict:
    return Conflict(f"The key of '{owner}' is being changed by somebody else; try again.", code="AnotherOperationInProgress")

"""The key ring: one data key per owner, wrapped by the key of its parent, up to a master key that no store holds.

    master key (a file outside the data) → key-encryption key of an account or vault → data key of a project

Owners are paths: a parent's name is a prefix of its children's (`account/hubsa` of `account/hubsa/project/…`), so that
destroying an owner takes everything below it along. What a destroyed key sealed is gone, wherever copies of it lie.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Fault, Stale
from studiolo.kernel.store.port import ABSENT, DropEntry, Entry, PutEntry, Store, Write

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SPACE: Final = "keys"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_SALT_BYTES = 16
_TAG_BYTES = 16
_SEALED = b"\x01"
_BATCH = 200


class _Wrapped(msgspec.Struct, frozen=True):
    """How a key lies in the store: who wraps it, and nonce plus ciphertext in base64."""

    parent: str | None
    wrapped: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Wrapped).decode


class KeyRing:
    """Keys by owner. A key is made when it is first asked for and never changes until it is destroyed."""

    def __init__(self, store: Store, master_key: bytes) -> None:
        """Stand on `store`; `master_key` has 32 bytes and lies outside of it."""
        if len(master_key) != _KEY_BYTES:
            msg = f"the master key must have {_KEY_BYTES} bytes, not {len(master_key)}"
            raise ValueError(msg)
        self._store = store
        self._master = derived(master_key, b"studiolo key ring")
        self._keys: dict[str, bytes] = {}
        store.listen(self._forget)

    async def data_key(self, owner: str, parent: str | None = None) -> bytes:
        """The owner's 32-byte key, made on first use and wrapped by `parent`'s key (None: the master key).

        A parent that has no key yet gets one under the master key; for deeper hierarchies ask for the upper ones first.

        Raises:
            Fault: the stored key cannot be unwrapped (code `KeyRingDamaged`): it was changed, or wrapped under
                another master key or another parent.
        """
        found = self._keys.get(owner)
        if found is not None:
            return found
        if parent is not None and not owner.startswith(parent + "/"):
            msg = f"the owner '{owner}' is not below its parent '{parent}'"
            raise ValueError(msg)
        entry = await self._store.entry(SPACE, owner)
        key = await self._unwrap(owner, _decode(entry.doc)) if entry else await self._make(owner, parent)
        self._keys[owner] = key
        return key

    async def destroy(self, owner: str) -> None:
        """Forget the owner's key and those of all owners below it, for good. Safe to repeat."""
        await self._store.commit(DropEntry(SPACE, owner))
        while entries := await self._store.entries(SPACE, prefix=owner + "/", limit=_BATCH):
            await self._store.commit(*(DropEntry(SPACE, entry.key) for entry in entries))

    async def seal(self, owner: str, plaintext: bytes, aad: bytes = b"", *, parent: str | None = None) -> bytes:
        """A small secret, encrypted with AES-256-GCM under a key of its own that is derived from the owner's.

        `aad` binds it to its place (tenant, vault, name, version): it opens nowhere else.
        """
        salt = clock.new_secret(_SALT_BYTES)
        key = derived(await self.data_key(owner, parent), b"studiolo secret" + salt)
        return _SEALED + salt + _cipher(key).encrypt(bytes(_NONCE_BYTES), plaintext, _place(owner, aad))

    async def open(self, owner: str, sealed: bytes, aad: bytes = b"") -> bytes:
        """What `seal` was given.

        Raises:
            Fault: the secret was changed, moved to another place, or its key was destroyed (code `SecretDamaged`).
        """
        from cryptography.exceptions import InvalidTag

        if sealed[:1] == _SEALED and len(sealed) >= 1 + _SALT_BYTES + _TAG_BYTES and await self._has(owner):
            salt, body = sealed[1 : 1 + _SALT_BYTES], sealed[1 + _SALT_BYTES :]
            key = derived(await self.data_key(owner), b"studiolo secret" + salt)
            try:
                return _cipher(key).decrypt(bytes(_NONCE_BYTES), body, _place(owner, aad))
            except InvalidTag:
                pass
        raise Fault(f"A secret of '{owner}' does not open: it was changed or moved, or its key was destroyed.", code="SecretDamaged")

    async def _has(self, owner: str) -> bool:
        return owner in self._keys or await self._store.entry(SPACE, owner) is not None

    async def _make(self, owner: str, parent: str | None) -> bytes:
        key, nonce = clock.new_secret(_KEY_BYTES), clock.new_secret(_NONCE_BYTES)
        wrapped = nonce + _cipher(await self._wrapping(parent)).encrypt(nonce, key, _wrap_place(owner, parent))
        doc = _encode(_Wrapped(parent, base64.b64encode(wrapped).decode()))
        try:
            await self._store.commit(PutEntry(SPACE, Entry(owner, clock.new_tag(), doc), expect=ABSENT))
        except Stale:
            # Somebody else made it meanwhile; theirs is the key.
            entry = await self._store.entry(SPACE, owner)
            if entry is None:
                raise
            return await self._unwrap(owner, _decode(entry.doc))
        return key

    async def _unwrap(self, owner: str, stored: _Wrapped) -> bytes:
        from cryptography.exceptions import InvalidTag

        wrapping = _cipher(await self._wrapping(stored.parent))
        try:
            raw = base64.b64decode(stored.wrapped)
            return wrapping.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _wrap_place(owner, stored.parent))
        except (InvalidTag, ValueError):
            raise Fault(
                f"The key of '{owner}' cannot be unwrapped: the master key file is not the one it was made with, or the stored key was "
                "changed. Put the right master key file back.",
                code="KeyRingDamaged",
            ) from None

    async def _wrapping(self, parent: str | None) -> bytes:
        return self._master if parent is None else derived(await self.data_key(parent), b"studiolo wrap")

    def _forget(self, writes: Sequence[Write]) -> None:
        for write in writes:
            if isinstance(write, DropEntry) and write.space == SPACE:
                self._keys.pop(write.key, None)


def derived(key: bytes, purpose: bytes) -> bytes:
    """A 32-byte key for one purpose: one block of HKDF-Expand (RFC 5869) over a key that is already uniform."""
    return hmac.digest(key, purpose + b"\x01", "sha256")


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _place(owner: str, aad: bytes) -> bytes:
    return b"studiolo secret\0" + owner.encode() + b"\0" + aad


def _wrap_place(owner: str, parent: str | None) -> bytes:
    return b"studiolo key\0" + owner.encode() + b"\0" + (parent or "").encode()

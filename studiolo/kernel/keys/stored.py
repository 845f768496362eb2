"""How keys lie in the store: wrapped, in generations, each bound to its owner, its parent and its number.

A wrapped generation has up to two layers. The outer one is under the key of the parent, mixed with the owner's share if it
has one; re-wrapping under another parent touches it alone. The inner one is there if a customer's key guards the owner.
"""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING, Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Conflict, Fault, Forbidden
from studiolo.kernel.store.port import Entry

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SPACE: Final = "keys"
KEY_BYTES: Final = 32
_NONCE_BYTES = 12


class Wrapped(msgspec.Struct, frozen=True, omit_defaults=True):
    """One generation of a key. `by` is the generation of the parent, or the mark of the master key, that wraps it."""

    number: int
    by: str
    wrapped: str
    created: str = ""


class Customer(msgspec.Struct, frozen=True):
    """The customer's key that guards an owner: its address, and the secret of the inner layer as that key wrapped it."""

    address: str
    wrapped: str


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key as the store keeps it: its generations, the newest last. One that was `destroyed` has none."""

    parent: str | None
    generations: tuple[Wrapped, ...] = ()
    has_share: bool = False
    customer: Customer | None = None
    destroyed: str = ""

    @property
    def newest(self) -> Wrapped:
        """The generation that new seals are made with."""
        return self.generations[-1]


class _Former(msgspec.Struct):
    """What the first releases kept of a key."""

    wrapped: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Kept).decode
_former = msgspec.json.Decoder(_Former).decode


def kept_of(entry: Entry) -> Kept:
    """A stored key.

    Raises:
        Fault: the row is none (code `KeyRingDamaged`).
        Forbidden: the key was destroyed (code `KeyDestroyed`).
    """
    try:
        kept = _decode(entry.doc)
    except msgspec.DecodeError:
        raise damaged(entry.key) from None
    if kept.destroyed:
        raise gone(entry.key, kept.destroyed)
    if not kept.generations:
        raise damaged(entry.key)
    return kept


def refuse_former(entry: Entry) -> None:
    """Refuse a key that lies as the first releases wrote it, before keys had generations.

    Raises:
        Conflict: it does (code `KeyRingOutdated`).
    """
    try:
        _former(entry.doc)
    except msgspec.DecodeError:
        return
    raise Conflict(
        "The keys of this studio were written by a release from before keys could be rotated, which this one does not read: serve it with "
        "the release that made it and copy what you need, or begin anew with another --home.",
        code="KeyRingOutdated",
    )


def peek(entry: Entry) -> Kept | None:
    """A stored key whatever its state; None for a row that is none."""
    try:
        return _decode(entry.doc)
    except msgspec.DecodeError:
        return None


def entry_of(owner: str, kept: Kept) -> Entry:
    """A key as an entry with a fresh tag."""
    return Entry(owner, clock.new_tag(), _encode(kept))


def wrap(wrapping: bytes, owner: str, parent: str | None, number: int, by: str, body: bytes) -> str:
    """The outer layer around a body."""
    nonce = clock.new_secret(_NONCE_BYTES)
    return base64.b64encode(nonce + cipher(wrapping).encrypt(nonce, body, _outer(owner, parent, number, by))).decode()


def unwrap(wrapping: bytes, owner: str, parent: str | None, wrapped: Wrapped) -> bytes:
    """The body inside the outer layer.

    Raises:
        Fault: it does not open (code `KeyRingDamaged`).
    """
    from cryptography.exceptions import InvalidTag

    try:
        raw = base64.b64decode(wrapped.wrapped)
        return cipher(wrapping).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _outer(owner, parent, wrapped.number, wrapped.by))
    except (InvalidTag, ValueError):
        raise damaged(owner) from None


def guard(secret: bytes, owner: str, number: int, key: bytes) -> bytes:
    """The inner layer around a key: a customer's."""
    nonce = clock.new_secret(_NONCE_BYTES)
    return nonce + cipher(secret).encrypt(nonce, key, _inner(owner, number))


def unguard(secret: bytes, owner: str, number: int, body: bytes) -> bytes:
    """The key inside the inner layer.

    Raises:
        Fault: it does not open (code `KeyRingDamaged`).
    """
    from cryptography.exceptions import InvalidTag

    try:
        return cipher(secret).decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], _inner(owner, number))
    except (InvalidTag, ValueError):
        raise damaged(owner) from None


def derived(key: bytes, purpose: bytes) -> bytes:
    """A 32-byte key for one purpose: one block of HKDF-Expand (RFC 5869) over a key that is already uniform."""
    return hmac.digest(key, purpose + b"\x01", "sha256")


def cipher(key: bytes) -> AESGCM:
    """AES-256-GCM."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def damaged(owner: str) -> Fault:
    """The fault of a key that does not open."""
    return Fault(
        f"The key of '{owner}' cannot be unwrapped: the master key file is not the one it was made with, or the stored key was "
        "changed. Put the right master key file back.",
        code="KeyRingDamaged",
    )


def gone(owner: str, at: str = "") -> Forbidden:
    """The fault of a key that was destroyed."""
    when = f" at {at}" if at else ""
    return Forbidden(f"The key of '{owner}' was destroyed{when}: what it sealed cannot be read again, by anybody.", code="KeyDestroyed")


def _outer(owner: str, parent: str | None, number: int, by: str) -> bytes:
    return b"studiolo key\0" + "\0".join((owner, parent or "", str(number), by)).encode()


def _inner(owner: str, number: int) -> bytes:
    return b"studiolo guarded key\0" + f"{owner}\0{number}".encode()

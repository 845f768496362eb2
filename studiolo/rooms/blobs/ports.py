"""What blobs need from elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from studiolo.kernel.keys import DataKeys
from studiolo.kernel.resource import Caller


class Callers(Protocol):
    """Who stands behind a credential that is no signature of ours."""

    async def identify(self, call: Any) -> Caller:
        """The caller that a request's bearer token proves; `call` is the wire's own.

        Raises:
            Unauthenticated: there is no token, or it proves nothing.
        """
        ...

    async def of_token(self, token: str) -> Caller:
        """The caller that a bearer token proves, where it came by another way than the request's own header.

        Raises:
            Unauthenticated: it proves nothing.
        """
        ...

    async def find(self, oid: str, tenant: str) -> Caller | None:
        """The principal with this object id, or None if there is none or it may not sign in."""
        ...

    async def since(self, oid: str) -> str | None:
        """`Caller.since` of the principal with this object id, also of one that may not sign in; None if there is none."""
        ...


class Recipients(Protocol):
    """Those whom the platform has given signatures of others to."""

    async def may_hold(self, oid: str, mark: str) -> bool:
        """Whether the principal is still the one to whom a signature with this mark was given, and may still get one."""
        ...


class Keys(Protocol):
    """Data keys by owner, and small secrets under them."""

    async def keys(self, owner: str, parent: str | None = None) -> DataKeys:
        """The owner's 32-byte keys, made on first use and wrapped by the parent's.

        Raises:
            Forbidden: the key was destroyed, or a customer's key above it was withdrawn.
            Unavailable: a customer's key above it cannot be reached.
        """
        ...

    async def destroy(self, owner: str) -> None:
        """Forget the owner's key and those below it, for good."""
        ...

    async def seal(self, owner: str, plaintext: bytes, aad: bytes = b"", *, parent: str | None = None) -> bytes:
        """A small secret, sealed and bound to its place."""
        ...

    async def open(self, owner: str, sealed: bytes, aad: bytes = b"") -> bytes:
        """What `seal` was given; raises Fault if it was changed or moved."""
        ...


class Missing(Exception):
    """There is no object of this name."""


class Objects(Protocol):
    """Opaque objects, written once under fresh names and never changed."""

    async def write(self, name: str, pieces: AsyncIterator[bytes | bytearray]) -> None:
        """Store the pieces under the name. If `pieces` raises, nothing is found there, and the error goes on."""
        ...

    async def read(self, name: str, start: int, end: int) -> bytes:
        """The bytes from `start` to before `end`.

        Raises:
            Missing: there is no such object, or it is shorter.
        """
        ...

    async def remove(self, names: Sequence[str]) -> None:
        """Remove objects and whatever an interrupted write of theirs has left; absent ones are fine."""
        ...

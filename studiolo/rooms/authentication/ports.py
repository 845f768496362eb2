"""What this room needs from the rest of the house."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal, Protocol

from studiolo.kernel.ids import ResourceId
from studiolo.kernel.principals import Principal
from studiolo.kernel.resource import Caller, JsonObject, Resource


class Sealer(Protocol):
    """Keeps private keys unreadable on disk: the kernel's key ring."""

    async def seal(self, owner: str, plaintext: bytes, aad: bytes = b"") -> bytes:
        """The sealed bytes; they open for the same owner and the same associated data alone."""
        ...

    async def open(self, owner: str, sealed: bytes, aad: bytes = b"") -> bytes:
        """The bytes that were sealed. Raises a fault if anything of it was changed."""
        ...


class People(Protocol):
    """Looks principals up by object id, on every call: fast, and never older than the last commit. The authorization room."""

    async def principal(self, oid: str) -> Principal | None:
        """The user, group or service principal; None if there is none."""
        ...


class Delegation(Protocol):
    """What a caller may give. The authorization room."""

    async def require_holdings(self, caller: Caller, holder: str, name: str, members: Iterable[tuple[str, str]]) -> None:
        """Refuse to let `members` (object ids and types) hold what `holder` holds, unless the caller could assign it to them.

        Raises:
            Forbidden: code `MembershipBeyondDelegation`.
        """
        ...

    async def require_anybody(self, caller: Caller, holder: str, name: str) -> None:
        """Refuse to let whomever a provider elsewhere names hold what `holder` holds, unless the caller could assign it to any user."""
        ...

    async def require_release(self, caller: Caller, holder: str, name: str) -> None:
        """Refuse to let somebody be `holder`, or a member of it, no longer, unless the caller could remove what denies them by it.

        Raises:
            Forbidden: code `MembershipUndoesDenial`.
        """
        ...

    async def require_person(self, caller: Caller, user: Resource) -> None:
        """Refuse to hand over a person's sign-in to who could not assign to them what they hold."""
        ...


class Directory(Protocol):
    """Applications and what acts for them. The directory room."""

    async def application(self, app_id: str) -> Resource | None:
        """The application with this client id."""
        ...

    async def service_principal(self, app_id: str) -> Principal | None:
        """The principal that acts for this client id."""
        ...

    async def identity_of(self, resource: ResourceId) -> str:
        """The object id of the resource's identity; empty if it has none."""
        ...


class Secrets(Protocol):
    """The secrets of applications. The directory room."""

    async def check(self, app_id: str, since: str, text: str, at: datetime) -> Literal["good", "expired", "wrong"]:
        """Whether the text is a secret, at this moment, of the application that was born at `since`."""
        ...


class Certificate(Protocol):
    """A registered certificate: DER in base64, its thumbprints in base64url, and from when until when it holds."""

    @property
    def certificate(self) -> str:
        """The certificate itself."""
        ...

    @property
    def sha1(self) -> str:
        """The thumbprint that names it as older clients do."""
        ...

    @property
    def sha256(self) -> str:
        """The thumbprint that names it."""
        ...

    @property
    def start_date_time(self) -> str:
        """The first moment."""
        ...

    @property
    def end_date_time(self) -> str:
        """The first moment after it."""
        ...


class Certificates(Protocol):
    """The certificates of applications. The directory room."""

    async def of(self, app_id: str, since: str) -> Sequence[Certificate]:
        """The certificates of the application that was born at `since`."""
        ...


class Objects(Protocol):
    """The resource façade for directory objects, on behalf of a caller: decided, checked and recorded as every write is."""

    async def get(self, caller: Caller, id_: ResourceId) -> JsonObject:
        """One object's body, with its `etag`; NotFound if there is none, Forbidden if the caller may not."""
        ...

    async def write(
        self,
        caller: Caller,
        id_: ResourceId,
        properties: JsonObject,
        *,
        is_patch: bool,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> JsonObject:
        """Write an object; its new body."""
        ...

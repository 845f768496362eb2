"""What this room needs from the rest of the house."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from studiolo.kernel.ids import ResourceId
from studiolo.kernel.principals import Principal
from studiolo.kernel.resource import Caller, Change, Cleared, Invocation, JsonObject, Resource
from studiolo.kernel.store.port import Write


class People(Protocol):
    """Looks principals up by object id, on every call: fast, and never older than the last commit. The authorization room."""

    async def principal(self, oid: str) -> Principal | None:
        """The user, group or service principal; None if there is none."""
        ...


class Holdings(Protocol):
    """What principals hold by role assignments. The authorization room."""

    def owner(self, scope: str, oid: str, kind: str, at: str) -> Iterable[Write]:
        """The writes that make a new principal of this kind Owner of a scope."""
        ...

    async def void(self, oid: str) -> None:
        """Remove every assignment of a principal, and what spares it from deny assignments; safe to repeat."""
        ...


class Delegation(Protocol):
    """What a caller may give. The authorization room."""

    async def require_holdings(self, caller: Caller, holder: str, name: str, members: Iterable[tuple[str, str]]) -> None:
        """Refuse to let `members` (object ids and types) hold what `holder` holds, unless the caller could assign it to them.

        Raises:
            Forbidden: code `MembershipBeyondDelegation`.
        """
        ...


class Guards(Protocol):
    """What is looked at before objects of the directory are written: who may give what, and that the last owner stays.

    The authorization room.
    """

    async def user(self, change: Change) -> Cleared:
        """A person who is written or removed."""
        ...

    async def group(self, change: Change) -> Cleared:
        """A group that is written or removed."""
        ...

    async def principal(self, change: Change) -> Cleared:
        """A service principal that is written or removed."""
        ...

    async def application(self, change: Change) -> Cleared:
        """An application that is written or removed."""
        ...

    def principal_attributes(self, change: Change) -> tuple[JsonObject, JsonObject]:
        """The attributes of a service principal in conditions: of the request, and of the resource."""
        ...


class Credentials(Protocol):
    """What people prove themselves with. The authentication room."""

    async def link(self, call: Invocation) -> JsonObject:
        """POST createPasswordLink."""
        ...

    async def reset(self, call: Invocation) -> JsonObject:
        """POST resetCredentials."""
        ...

    async def set_password(self, call: Invocation) -> JsonObject:
        """POST setPassword."""
        ...

    async def forget(self, user: Resource) -> None:
        """Forget everything that a person proves themselves with; safe to repeat."""
        ...

    def check_password(self, text: str, *names: str) -> None:
        """Raise Invalid for a password that is too easy for somebody of these names."""
        ...


class SignOuts(Protocol):
    """Takes back what people and applications were given. The authentication room."""

    async def revoke_person(self, call: Invocation) -> JsonObject:
        """POST revokeSignInSessions."""
        ...

    async def revoke_principal(self, call: Invocation) -> JsonObject:
        """POST revokeTokens on a service principal."""
        ...

    async def revoke_application(self, call: Invocation) -> JsonObject:
        """POST revokeTokens."""
        ...

    async def of_application(self, application: Resource) -> None:
        """End every token of an application."""
        ...


class Clients(Protocol):
    """What an application is to sign-in. The authentication room."""

    def is_everybodys(self, client_id: str) -> bool:
        """Whether a client id is that of a program which everybody has, so that nobody registers it."""
        ...

    def checked(self, found: Mapping[str, Any]) -> JsonObject:
        """An application's sign-in properties, as they may be written. Raises Invalid for one that may not."""
        ...


class Objects(Protocol):
    """The resource façade for directory objects, on behalf of a caller: decided, checked and recorded as every write is."""

    async def get(self, caller: Caller, id_: ResourceId) -> JsonObject:
        """One object's body, with its `etag`; NotFound if there is none, Forbidden if the caller may not."""
        ...

    async def page(
        self, caller: Caller, type_name: str, wanted: str | None, top: int, token: str
    ) -> tuple[Sequence[JsonObject], str | None]:
        """A page of a type's bodies, those that a filter such as `mail eq '…'` finds, and the token of the next."""
        ...

    async def carrying(self, caller: Caller, type_name: str, facet: str) -> Sequence[JsonObject]:
        """The bodies of a type that carry a facet and that the caller may see."""
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

    async def remove(self, caller: Caller, id_: ResourceId) -> bool:
        """Remove an object; whether there was one."""
        ...

    async def act(self, caller: Caller, id_: ResourceId, action: str, body: JsonObject) -> JsonObject | None:
        """Run an object's action."""
        ...

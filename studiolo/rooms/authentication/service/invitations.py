"""How an administrator lets a person in, and in again: one-time links by which the person sets a password."""

from __future__ import annotations

from studiolo.kernel import clock
from studiolo.kernel.faults import Conflict, Invalid
from studiolo.kernel.principals import principal_of
from studiolo.kernel.resource import Invocation, JsonObject, Resource
from studiolo.rooms.authentication.domain.passwords import check_password
from studiolo.rooms.authentication.ports import Delegation
from studiolo.rooms.authentication.service.credentials import Credentials
from studiolo.rooms.authentication.service.sessions import LINK_LIFE, SET_PASSWORD, Sessions
from studiolo.rooms.authentication.service.signin import check_has_passwords
from studiolo.rooms.authentication.service.signouts import SignOuts


class Invitations:
    """Actions on users. A link is worth all that the user holds, so whoever makes one must be allowed to assign that to the user."""

    def __init__(self, sessions: Sessions, credentials: Credentials, signouts: SignOuts, delegation: Delegation, origin: str) -> None:
        self._sessions = sessions
        self._credentials = credentials
        self._signouts = signouts
        self._delegation = delegation
        self._origin = origin

    async def link(self, call: Invocation) -> JsonObject:
        """POST createPasswordLink: a link that sets a password, once, within a day. Only this answer holds it.

        Raises:
            Forbidden: the caller may not assign to the user what the user holds.
            Conflict: the user is switched off (code `UserDisabled`), or signs in by a provider elsewhere (code `NoLocalPassword`).
        """
        await self._delegation.require_person(call.caller, call.resource)
        if call.resource.properties.get("accountEnabled") is False:
            raise Conflict("The user is switched off: switch the user on first.", code="UserDisabled")
        check_has_passwords(principal_of(call.resource))
        code = await self._sessions.new_code(call.resource.name.lower(), SET_PASSWORD)
        return {
            "link": f"{self._origin}/signin/password?code={code}",
            "expirationDateTime": clock.stamp(clock.now() + LINK_LIFE),
        }

    async def reset(self, call: Invocation) -> JsonObject:
        """POST resetCredentials: forget password and one-time codes, sign out everywhere, give a new link. Raises as `link` does.

        Who signs in by a provider elsewhere gets no link: they have no password here.
        """
        await self._delegation.require_person(call.caller, call.resource)
        await self._credentials.forget(call.resource.name.lower())
        await self._signouts.everywhere(call.resource.name, call.caller)
        return {} if principal_of(call.resource).is_federated else await self.link(call)

    async def set_password(self, call: Invocation) -> JsonObject:
        """POST setPassword: the user's `password` from now on. Whoever was signed in by another is signed out.

        Raises:
            Forbidden: the caller may not assign to the user what the user holds.
            Invalid: there is no password, or it is too easy (codes `PasswordLength`, `PasswordCommon`).
            Conflict: the user signs in by a provider elsewhere (code `NoLocalPassword`).
        """
        await self._delegation.require_person(call.caller, call.resource)
        person = principal_of(call.resource)
        check_has_passwords(person)
        password = call.body.get("password")
        if not isinstance(password, str):
            raise Invalid("'password' is required.", code="MissingProperty", target="password")
        await self._credentials.set_password(person, password)
        await self._signouts.everywhere(call.resource.name, call.caller)
        return {}

    async def forget(self, user: Resource) -> None:
        """Forget everything that a person proves themselves with; safe to repeat."""
        await self._credentials.forget(user.name.lower())

    @staticmethod
    def check_password(text: str, *names: str) -> None:
        """Raise Invalid for a password that is too easy for somebody of these names (codes `PasswordLength`, `PasswordCommon`)."""
        check_password(text, *names)

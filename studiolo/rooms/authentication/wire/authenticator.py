"""Who is calling: an access token in the header, or a session in a cookie of our own pages."""

from __future__ import annotations

from typing import Final

from studiolo.kernel.faults import Forbidden, Unauthenticated
from studiolo.kernel.request import CALLER
from studiolo.kernel.resource import Caller
from studiolo.rooms.authentication.ports import People
from studiolo.rooms.authentication.service.reader import TokenReader
from studiolo.rooms.authentication.service.sessions import Sessions
from studiolo.wire.http import Call

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Authenticator:
    """Proves callers for surfaces of one kind of audience (see `domain.audiences`)."""

    def __init__(self, tokens: TokenReader, sessions: Sessions, people: People, tenant: str, kind: str) -> None:
        self._tokens = tokens
        self._sessions = sessions
        self._people = people
        self._tenant = tenant
        self._kind = kind

    async def identify(self, call: Call) -> Caller:
        """The caller that the request's credential proves. A token counts before a cookie.

        Raises:
            Unauthenticated: there is no credential, or it proves nothing (with the challenge for the answer).
            Forbidden: a session's cookie came with a request that another site's page began (code `CrossSiteRequest`).
        """
        header = call.headers.get("authorization")
        try:
            if header is not None:
                return _noted(await self._tokens.caller(_bearer(header), self._kind))
            session = session_of(call)
            if session is not None:
                _check_origin(call)
                return _noted(await self._sessions.caller(session))
        except Unauthenticated as fault:
            fault.info.setdefault("challenge", f'{self._challenge(call)}, error="invalid_token", error_description="{fault.message}"')
            raise
        raise Unauthenticated(
            "Authentication failed. The 'Authorization' header is missing: send 'Bearer' and an access token.",
            code="AuthenticationFailed",
            info={"challenge": self._challenge(call)},
        )

    async def of_token(self, token: str) -> Caller:
        """The caller that an access token proves, where it came by another way than the `Authorization` header.

        Raises:
            Unauthenticated: it proves nothing here and now.
        """
        return _noted(await self._tokens.caller(token, self._kind))

    async def find(self, oid: str, tenant: str) -> Caller | None:
        """The principal with this object id; None if there is none in this tenant, or it was switched off."""
        principal = await self._people.principal(oid) if tenant.lower() == self._tenant else None
        if principal is None or not principal.is_enabled:
            return None
        return Caller(principal.oid, self._tenant, principal.kind, principal.name, principal.application, since=principal.since)

    async def since(self, oid: str) -> str | None:
        """What tells the principal with this object id from an earlier one; None if there is none."""
        principal = await self._people.principal(oid)
        return principal.since if principal is not None else None

    def _challenge(self, call: Call) -> str:
        return f'Bearer authorization_uri="{call.origin}/{self._tenant}"'


def _noted(caller: Caller) -> Caller:
    """Let the record know whose request this is."""
    CALLER.set(caller.oid)
    return caller


def _bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or " " in token or not token.isascii():
        raise Unauthenticated(
            "The access token is missing or invalid: the 'Authorization' header must hold 'Bearer' and one token.",
            code="AuthenticationFailed",
        )
    return token


# ── sessions of browsers ─────────────────────────────────────────────────────────────────────────────────────────


def cookie_name(call: Call) -> str:
    """The session cookie's name. Browsers share cookies between the ports of a host, hence the port in it."""
    return f"__Host-studiolo-{call.port}"


def known_cookie_name(call: Call) -> str:
    """The name of the cookie that marks a browser which has signed in before. It proves nothing, but for patience."""
    return f"__Host-studiolo-known-{call.port}"


def session_of(call: Call) -> str | None:
    """The session that came in a cookie."""
    return cookie_of(call, cookie_name(call))


def cookie_of(call: Call, wanted: str) -> str | None:
    """The value of a cookie that came."""
    cookies = call.headers.get("cookie")
    if not cookies:
        return None
    for cookie in cookies.split(";"):
        name, _, value = cookie.strip().partition("=")
        if name == wanted and value:
            return value
    return None


def is_own_page(call: Call) -> bool:
    """Whether one of our own pages began the request, as far as its browser says; clients that are no browser say nothing.

    A page cannot set either header. `Origin` alone would not do: it is `null` for forms of pages that hide their referrer.
    """
    site = call.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin" or (site == "none" and call.method in _SAFE)
    return call.headers.get("origin", call.origin) == call.origin


def _check_origin(call: Call) -> None:
    """A cookie travels with whatever page sends the request: what changes something must come from a page of ours, and say so."""
    says_nothing = "sec-fetch-site" not in call.headers and "origin" not in call.headers
    if not is_own_page(call) or (says_nothing and call.method not in _SAFE):
        raise Forbidden("A session can only be used by this server's own pages.", code="CrossSiteRequest")

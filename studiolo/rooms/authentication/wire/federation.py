"""`/signin/with/NAME` and `/signin/from/NAME`: on to a provider elsewhere to sign in, and back. No script at all.

Each provider has an address of its own to come back to, so that one cannot answer for another (RFC 9700, section 2.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final
from urllib.parse import quote

from studiolo.kernel.faults import Conflict, Fault, Forbidden, NotFound, TooMany, Unavailable
from studiolo.rooms.authentication.service.federation import Federation, Offer
from studiolo.rooms.authentication.wire.authenticator import cookie_of, is_own_page
from studiolo.rooms.authentication.wire.forms import on_page, onward
from studiolo.rooms.authentication.wire.signin import second_step, session_cookie
from studiolo.wire.http import Answer, Call, Limits, Permit, Public, Route
from studiolo.wire.pages import page, page_headers, problem

_LONG: Final = Limits(query_characters=16_384)
_LIFE: Final = 600
_PROVES: Final = Public("proves the caller itself, by the word of a provider that an administrator named")


def federation_routes(federation: Federation) -> list[Route]:
    """To a provider, and back."""
    pages = _Pages(federation)
    return [
        Route("GET", "/signin/with/{provider}", _PROVES, pages.begin, about="goes on to a provider elsewhere to sign in", limits=_LONG),
        Route("GET", "/signin/from/{provider}", _PROVES, pages.finish, about="takes a provider's answer, begins a session", limits=_LONG),
    ]


def offered(offers: Sequence[Offer], goal: str) -> str:
    """The links of a sign-in page."""
    onto = quote(goal, safe="")
    items = "".join(
        f'<li><a href="/signin/with/{quote(each.name, safe="")}?next={onto}">Sign in with {escape(each.shown_name)}</a></li>'
        for each in offers
    )
    return f'<ul class="narrow">{items}</ul>' if items else ""


class _Pages:
    def __init__(self, federation: Federation) -> None:
        self._federation = federation

    async def begin(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        goal = onward(call.query().get("next", "/"))
        name = params["provider"]
        if not is_own_page(call):  # another site's page may show the way, and the person goes it themselves
            here = f"/signin/with/{quote(name, safe='')}?next={quote(goal, safe='')}"
            return page("Sign in", f'<p><a href="{escape(here)}">Go on to sign in</a></p>')
        try:
            found = await self._federation.begin(name, call.origin, goal, cookie_of(call, _cookie(call)) or "", call.client)
        except (NotFound, TooMany, Unavailable) as fault:
            raise on_page(fault, _failed(fault, goal)) from None
        kept = f"{_cookie(call)}={found.browser}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={_LIFE}"
        return Answer(303, b"", [*page_headers(), ("location", found.address), ("set-cookie", kept)])

    async def finish(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        """The session's cookie does not travel with what another site began: a page of ours makes the next request our own."""
        try:
            found = await self._federation.finish(params["provider"], call.query(), cookie_of(call, _cookie(call)) or "", call.client)
        except (Conflict, Forbidden, NotFound, TooMany, Unavailable) as fault:
            raise on_page(fault, _failed(fault, "/")) from None
        if not found.next.session:
            return second_step(found.next, found.goal)
        answer = page("You are signed in", f'<p><a href="{escape(found.goal)}">Go on</a></p>', refresh=found.goal)
        answer.headers += [
            ("set-cookie", f"{_cookie(call)}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"),
            session_cookie(call, found.next.session),
        ]
        return answer


def _cookie(call: Call) -> str:
    """The cookie that binds a sign-in to its browser. It is Lax: the way back from a provider is another site's."""
    return f"__Host-studiolo-federation-{call.port}"


def _failed(fault: Fault, goal: str) -> Answer:
    again = f'<p><a href="/signin?next={quote(goal, safe="")}">Back to the sign-in page</a></p>'
    return page("This sign-in did not work", f"{problem(fault.message)}{again}")

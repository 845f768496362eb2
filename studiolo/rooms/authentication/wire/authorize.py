"""The page where a person lets an application sign in as them (OAuth 2.0, OpenID Connect), and signing out for applications."""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from studiolo.kernel import clock
from studiolo.kernel.faults import Fault
from studiolo.rooms.authentication.domain.clients import origin_of
from studiolo.rooms.authentication.domain.tokens import Issuer
from studiolo.rooms.authentication.service.grants.authorization_code import Authorization, AuthorizationCode, answer_of
from studiolo.rooms.authentication.wire.forms import MARK, Forms, Visitor, asked_for, on_page, onward, to_sign_in
from studiolo.rooms.authentication.wire.tokens import check_tenant
from studiolo.wire.http import Answer, Call, Permit, Public, Route
from studiolo.wire.pages import hidden, page, page_headers, problem

_PURPOSE: Final = "authorize"
_NONE: Final = "AADSTS50058: A person must be asked, and prompt=none forbids it."
_STAYS: Final = "<p>It stays signed in until you take that back on your account page.</p>"
_FRESH_SECONDS: Final = 120
_SHOWN: Final = Public("shows what an application asks for; gives nothing without the person's own yes")


def authorize_routes(codes: AuthorizationCode, forms: Forms, issuer: Issuer) -> list[Route]:
    """`/{tenant}/oauth2/authorize` and `/{tenant}/oauth2/v2.0/authorize`, and the sign-out that applications send people to."""
    pages = _Pages(codes, forms, issuer)
    found: list[Route] = []
    for part in ("", "/v2.0"):
        path = f"/{{tenant}}/oauth2{part}/authorize"
        found += [
            Route("GET", path, _SHOWN, pages.show, about="a person decides about an application's sign-in"),
            Route("POST", path, _SHOWN, pages.decide, about="the person's yes or no"),
            Route("GET", f"/{{tenant}}/oauth2{part}/logout", _SHOWN, pages.leave, about="a page with a button that signs out"),
        ]
    return found


class _Pages:
    def __init__(self, codes: AuthorizationCode, forms: Forms, issuer: Issuer) -> None:
        self._codes = codes
        self._forms = forms
        self._issuer = issuer

    async def show(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        try:
            check_tenant(params["tenant"], self._issuer)
            asked = await self._asked(call)
            if isinstance(asked, Answer):
                return asked
            visitor = await self._forms.visitor(call)
            if "none" in asked.prompt:
                error = "interaction_required" if visitor else "login_required"
                return _answer(
                    asked, {"error": error, "error_description": "AADSTS50058: A person must be asked, and prompt=none forbids it."}
                )
            if visitor is None or ("login" in asked.prompt and not _is_fresh(visitor)):
                return to_sign_in(call)
            return await self._question(call, asked, visitor)
        except Fault as fault:
            raise _refusal(fault) from None

    async def decide(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        try:
            check_tenant(params["tenant"], self._issuer)
            visitor = await self._forms.visitor(call)
            if visitor is None:
                return to_sign_in(call)
            asked = await self._asked(call)
            if isinstance(asked, Answer):
                return asked
            fields = await self._forms.checked(call, visitor, _purpose(asked))
            if fields.get("choice") != "yes":
                return _answer(asked, {"error": "access_denied", "error_description": "AADSTS65004: The person declined."})
            return _answer(asked, {"code": await self._codes.issue(asked, visitor.person)})
        except Fault as fault:
            raise _refusal(fault) from None

    async def leave(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        return page("Sign out", '<form method="post" action="/signout"><button>Sign out</button></form>')

    async def _asked(self, call: Call) -> Authorization | Answer:
        """The request; or its refusal, sent to the client. A fault means that there is no client to send it to."""
        query = call.query()
        client, redirect = await self._codes.place(query)
        try:
            return await self._codes.asked(client, redirect, query)
        except Fault as fault:
            posted = query.get("response_mode") == "form_post"
            return _sent(redirect, answer_of(fault), query.get("state"), client.name, is_posted=posted)

    async def _question(self, call: Call, asked: Authorization, visitor: Visitor) -> Answer:
        where = urlsplit(asked.redirect)
        place = "a program on this computer" if asked.client.is_native(asked.redirect) else f"{where.scheme}://{where.netloc}"
        stays = _STAYS if "offline_access" in asked.wanted.openid else ""
        again = f"{call.raw_path}?{call.raw_query}"
        body = f"""
<p class="lead"><strong>{escape(asked.client.name)}</strong> asks to sign in as you.</p>
<dl><dt>You are</dt><dd>{escape(visitor.person.name or visitor.person.oid)}</dd>
{asked_for(asked.wanted.resource, asked.downstream)}
<dt>Answered to</dt><dd>{escape(place)}</dd>
<dt>Client id</dt><dd><code>{escape(asked.client.id)}</code></dd></dl>
{stays}<p>Say yes only if you have just begun this yourself.</p>
<form method="post" action="{escape(again)}">{hidden(**{MARK: await self._forms.mark(visitor, _purpose(asked))})}
<p class="buttons"><button name="choice" value="yes">Yes, sign in</button>
<button class="quiet" name="choice" value="no">No</button></p></form>
<p><a href="/signin?next={quote(onward(again), safe="")}&amp;other=1">Use another account</a></p>
"""
        return page(f"Sign in to {asked.client.name}", body, forms_to=[origin_of(asked.redirect)])


def _purpose(asked: Authorization) -> str:
    """What a yes is to: one to a page that named other resources than the application may use by now is none."""
    return "\n".join([_PURPOSE, *asked.downstream])


def _answer(asked: Authorization, fields: dict[str, str]) -> Answer:
    return _sent(asked.redirect, fields, asked.state, asked.client.name, is_posted=asked.is_posted)


def _sent(redirect: str, fields: dict[str, str], state: str | None, name: str, *, is_posted: bool) -> Answer:
    """An answer on its way to the client: in the address, or in a form that the person sends on (no script does it here)."""
    told = {**fields, **({"state": state} if state is not None else {})}
    if not is_posted:
        return _to_client(f"{redirect}{'&' if '?' in redirect else '?'}{urlencode(told)}")
    form = f'<form method="post" action="{escape(redirect)}">{hidden(**told)}<button autofocus>Go back to {escape(name)}</button></form>'
    text = "You are signed in" if "code" in fields else "Nobody was signed in"
    return page(text, f'<p class="lead">One more step takes you back.</p>{form}', forms_to=[origin_of(redirect)])


def _to_client(address: str) -> Answer:
    """Send the browser on to an application."""
    return Answer(302, b"", [*page_headers(), ("location", address)])


def _is_fresh(visitor: Visitor) -> bool:
    return (clock.now() - datetime.fromisoformat(visitor.since)).total_seconds() < _FRESH_SECONDS


def _refusal(fault: Fault) -> Fault:
    """The fault with a page, since there is no client that may be told."""
    return on_page(fault, page("This sign-in cannot go on", problem(fault.message)))

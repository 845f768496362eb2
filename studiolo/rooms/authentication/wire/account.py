"""A person's own page: password, one-time codes, which applications act for them, signing out everywhere."""

from __future__ import annotations

from html import escape
from typing import Final

from studiolo.kernel.faults import Conflict, Fault, Forbidden, Invalid, TooMany
from studiolo.kernel.principals import Principal
from studiolo.rooms.authentication.domain.scopes import ends_of
from studiolo.rooms.authentication.service.clients import Clients
from studiolo.rooms.authentication.service.consents import Consents
from studiolo.rooms.authentication.service.credentials import Credentials
from studiolo.rooms.authentication.service.signin import SignIn
from studiolo.rooms.authentication.service.signouts import SignOuts
from studiolo.rooms.authentication.wire.forms import MARK, Forms, Visitor, moved, on_page, to_sign_in
from studiolo.rooms.authentication.wire.signin import chosen_password, enrolment, password_fields, recovery_page, session_cookie
from studiolo.wire.http import Answer, Call, Permit, Public, Route
from studiolo.wire.pages import field, hidden, page, problem

_PURPOSE: Final = "account"
_OWN: Final = Public("a signed-in person's own account, which is theirs without a role")


def account_routes(
    signin: SignIn, credentials: Credentials, consents: Consents, signouts: SignOuts, clients: Clients, forms: Forms
) -> list[Route]:
    """`/account` and what its forms do."""
    pages = _Pages(signin, credentials, consents, signouts, clients, forms)
    return [
        Route("GET", "/account", _OWN, pages.show, about="the person's own account"),
        Route("POST", "/account/password", _OWN, pages.password, about="changes the password; signs out everywhere else"),
        Route("POST", "/account/codes", _OWN, pages.codes, about="enrols one-time codes, or does without them"),
        Route("POST", "/account/signout", _OWN, pages.everywhere, about="signs out everywhere, or takes one application's leave back"),
    ]


class _Pages:
    def __init__(
        self, signin: SignIn, credentials: Credentials, consents: Consents, signouts: SignOuts, clients: Clients, forms: Forms
    ) -> None:
        self._signin = signin
        self._credentials = credentials
        self._consents = consents
        self._signouts = signouts
        self._clients = clients
        self._forms = forms

    async def show(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        visitor = await self._forms.visitor(call)
        return to_sign_in(call) if visitor is None else await self._page(visitor)

    async def password(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        visitor = await self._forms.visitor(call)
        if visitor is None:
            return to_sign_in(call)
        fields = await self._forms.checked(call, visitor, _PURPOSE)
        try:
            person = await self._signin.change_password(visitor.person, fields.get("old", ""), chosen_password(fields), call.client)
        except (Conflict, Invalid, Forbidden, TooMany) as fault:
            raise on_page(fault, await self._page(visitor, fault)) from None
        return await self._go_on(call, person)

    async def codes(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        visitor = await self._forms.visitor(call)
        if visitor is None:
            return to_sign_in(call)
        fields = await self._forms.checked(call, visitor, _PURPOSE)
        mark = await self._forms.mark(visitor, _PURPOSE)
        try:
            if "ticket" in fields:
                found = await self._signin.confirm(fields["ticket"], fields.get("onetime", ""))
                answer = recovery_page(found.recovery, "/account")
                answer.headers.append(session_cookie(call, found.session))
                return answer
            if await self._credentials.has_generator(visitor.person):
                if not await self._credentials.spend_code(visitor.person, fields.get("onetime", "")):
                    raise Forbidden("This code is not right, or was used before.", code="SignInFailed")
                await self._credentials.drop_generator(visitor.person)
                return moved("/account")
        except Forbidden as fault:
            raise on_page(fault, await self._page(visitor, fault)) from None
        found = await self._signin.enrol(visitor.person)
        return page("Set up one-time codes", enrolment(found, hidden(**{MARK: mark, "ticket": found.ticket}), "/account/codes"))

    async def everywhere(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        visitor = await self._forms.visitor(call)
        if visitor is None:
            return to_sign_in(call)
        fields = await self._forms.checked(call, visitor, _PURPOSE)
        if client := fields.get("client"):
            await self._consents.end_client(visitor.person.oid, client)
            return moved("/account")
        await self._signouts.everywhere(visitor.person.oid)
        return page("Signed out everywhere", '<p>All your sessions and tokens are over. <a href="/signin">Sign in again</a></p>')

    async def _go_on(self, call: Call, person: Principal) -> Answer:
        """The same browser goes on, with a new session."""
        answer = moved("/account")
        answer.headers.append(session_cookie(call, await self._signin.new_session(person)))
        return answer

    async def _page(self, visitor: Visitor, fault: Fault | None = None) -> Answer:
        person, mark = visitor.person, hidden(**{MARK: await self._forms.mark(visitor, _PURPOSE)})
        password = await self._password(person, mark)
        is_on = await self._credentials.has_generator(person)
        asked = field("onetime", "A present code", autocomplete="one-time-code") if is_on else ""
        state = "on" if is_on else "off"
        body = f"""{problem(fault.message if fault else "")}
<p class="lead">Signed in as <strong>{escape(person.name or person.oid)}</strong></p>
<h2>Password</h2>{password}
<h2>One-time codes: {state}</h2><form class="narrow" method="post" action="/account/codes">{mark}{asked}
<button>{"Do without them" if is_on else "Set them up"}</button></form>
<h2>Applications that act for you</h2>{await self._applications(person, mark)}
<h2>Everywhere</h2><form method="post" action="/account/signout">{mark}<button class="quiet">Sign out everywhere</button></form>
<p><a href="/">Back to your hubs and projects</a></p>
"""
        return page("Your account", body)

    async def _password(self, person: Principal, mark: str) -> str:
        if person.is_federated:
            return "<p>You sign in by your provider, and have no password here.</p>"
        has_password = await self._credentials.has_password(person)
        old = field("old", "Present password", kind="password", autocomplete="current-password") if has_password else ""
        return f"""<form class="narrow" method="post" action="/account/password">{mark}{old}{password_fields(person.name)}
<button>{"Change" if has_password else "Set"} password</button></form>"""

    async def _applications(self, person: Principal, mark: str) -> str:
        consents = await self._consents.of(person.oid)
        rows: list[str] = []
        for client_id in sorted({kept.client for kept in consents}):
            client = await self._clients.find(client_id)
            name = escape(client.name if client is not None else client_id)
            further = sorted({each for kept in consents if kept.client == client_id for _, each in map(ends_of, kept.downstream)})
            through = f", and through it {escape(', '.join(further))}" if further else ""
            rows.append(
                f'<li><span>{name}{through}</span><form method="post" action="/account/signout">{mark}{hidden(client=client_id)}'
                f'<button class="quiet">Take back<span class="unseen"> from {name}</span></button></form></li>'
            )
        return f"<ul>{''.join(rows)}</ul>" if rows else "<p>None.</p>"

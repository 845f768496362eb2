"""Pages for people to sign in: by password and one-time code, by a one-time link, and out again. No script at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from html import escape
from typing import Final

from studiolo.kernel.faults import Fault, Forbidden, Invalid, TooMany
from studiolo.kernel.principals import Principal
from studiolo.rooms.authentication.domain.passwords import SHORTEST
from studiolo.rooms.authentication.service.sessions import SESSION_LIFE, SET_PASSWORD, Sessions
from studiolo.rooms.authentication.service.signin import Next, SignIn
from studiolo.rooms.authentication.wire.authenticator import cookie_name, cookie_of, known_cookie_name, session_of
from studiolo.rooms.authentication.wire.forms import Forms, moved, on_page, onward, page_of
from studiolo.wire.http import Answer, Call, Limits, Permit, Public, Route
from studiolo.wire.pages import field, hidden, page, problem
from studiolo.wire.render import fault_headers, status_of

_MAX_CODE: Final = 200
_LONG: Final = Limits(query_characters=16_384)  # an application's whole request, once more encoded
_KNOWN_LIFE: Final = 180 * 86_400
_PROVES: Final = Public("proves the caller itself, by a password, a one-time code or a one-time link")


Others = Callable[[str], Awaitable[str]]
"""The other ways to sign in and on to a goal, as HTML."""


def signin_routes(signin: SignIn, sessions: Sessions, forms: Forms, others: Others) -> list[Route]:
    """`/signin` with its steps, and `/signout`."""
    pages = _Pages(signin, sessions, forms, others)
    return [
        Route("GET", "/signin", _PROVES, pages.ask, about="the sign-in form, or a button that redeems a one-time link", limits=_LONG),
        Route("POST", "/signin", _PROVES, pages.prove, about="begins a session, or asks for the second factor"),
        Route("POST", "/signin/code", _PROVES, pages.second, about="the second factor, or its enrolment"),
        Route("GET", "/signin/password", _PROVES, pages.choose, about="a form that sets a password by a one-time link"),
        Route("POST", "/signin/password", _PROVES, pages.chosen, about="sets the password, spends the link"),
        Route("POST", "/signout", Public("ends the caller's own session"), pages.sign_out, about="ends the session"),
    ]


class _Pages:
    def __init__(self, signin: SignIn, sessions: Sessions, forms: Forms, others: Others) -> None:
        self._signin = signin
        self._sessions = sessions
        self._forms = forms
        self._others = others

    async def ask(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        query = call.query()
        code = query.get("code", "")[:_MAX_CODE]
        if code:
            # Only a button: what merely looks at a link, as mail scanners and previews do, does not spend its code.
            form = f'<form method="post" action="/signin">{hidden(code=code)}<button>Sign in</button></form>'
            return page("Sign in to Studiolo", f"<p>This link works once.</p>{form}")
        goal = onward(query.get("next", "/"))
        if "next" in query and "other" not in query and await self._forms.visitor(call) is not None:
            return moved(goal)
        return await self._form(goal)

    async def prove(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        fields = await self._forms.fields(call)
        if "code" in fields:
            return self._signed_in(call, await self._sessions.redeem(_code(fields)), "/")
        goal, name = onward(fields.get("next", "/")), fields.get("name", "")
        known = cookie_of(call, known_cookie_name(call)) or ""
        try:
            found = await self._signin.with_password(name, fields.get("password", ""), call.client, known)
        except (Forbidden, TooMany) as fault:
            raise on_page(fault, await self._form(goal, name, fault.message)) from None
        return await self._next(call, found, goal)

    async def second(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        fields = await self._forms.fields(call)
        goal, ticket, code = onward(fields.get("next", "/")), fields.get("ticket", ""), fields.get("onetime", "")[:100]
        is_enrolment = fields.get("kind") == "enrol"
        try:
            found = await (self._signin.confirm(ticket, code) if is_enrolment else self._signin.with_code(ticket, code))
        except Forbidden as fault:
            if fault.code != "SignInFailed":
                raise on_page(fault, await self._form(goal, "", fault.message)) from None
            raise on_page(fault, second_step(await self._signin.shown_again(ticket), goal, fault.message)) from None
        return await self._next(call, found, goal)

    async def choose(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        code = call.query().get("code", "")[:_MAX_CODE]
        return _password_form(code, await self._sessions.of_code(code, SET_PASSWORD))

    async def chosen(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        fields = await self._forms.fields(call)
        code = _code(fields)
        try:
            found = await self._signin.with_link(code, chosen_password(fields))
        except Invalid as fault:
            raise on_page(fault, _password_form(code, await self._sessions.of_code(code, SET_PASSWORD), fault.message)) from None
        return await self._next(call, found, "/")

    async def sign_out(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        await self._forms.fields(call)
        session = session_of(call)
        if session is not None:
            await self._sessions.end(session)
        answer = page("Signed out", '<p>This browser\'s session is over. <a href="/signin">Sign in again</a></p>')
        answer.headers.append(("set-cookie", f"{cookie_name(call)}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"))
        return answer

    async def _form(self, goal: str, name: str = "", told: str = "") -> Answer:
        body = f"""{problem(told)}
<form class="narrow" method="post" action="/signin">{hidden(next=goal)}
{field("name", "Mail address or user name", autocomplete="username", value=name[:256])}
{field("password", "Password", kind="password", autocomplete="current-password")}
<button>Sign in</button></form>{await self._others(goal)}
<p class="lead narrow">No password yet? Whoever runs this studio sends you a link that sets one. On the machine that it runs on,
<code>studiolo up</code> prints a one-time sign-in link at each start.</p>"""
        return page("Sign in to Studiolo", body)

    async def _next(self, call: Call, found: Next, goal: str) -> Answer:
        if not found.session:
            return second_step(found, goal)
        mark = await self._signin.known_mark(found.person)
        if found.recovery:
            answer = recovery_page(found.recovery, goal)
            answer.headers += _cookies(call, found.session, mark)
            return answer
        return self._signed_in(call, found.session, goal, mark)

    @staticmethod
    def _signed_in(call: Call, session: str, goal: str, mark: str = "") -> Answer:
        answer = moved(goal)
        answer.headers += _cookies(call, session, mark)
        return answer


def session_cookie(call: Call, session: str) -> tuple[str, str]:
    """The header that gives a browser its session."""
    life = int(SESSION_LIFE.total_seconds())
    return "set-cookie", f"{cookie_name(call)}={session}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={life}"


def _cookies(call: Call, session: str, mark: str) -> list[tuple[str, str]]:
    known = f"{known_cookie_name(call)}={mark}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={_KNOWN_LIFE}"
    return [*([("set-cookie", known)] if mark else []), session_cookie(call, session)]


def _code(fields: dict[str, str]) -> str:
    code = fields.get("code", "")
    if not code or len(code) > _MAX_CODE:
        raise Invalid("The form holds no sign-in code.", code="SignInCodeInvalid")
    return code


def chosen_password(fields: dict[str, str]) -> str:
    """The password that a form names twice. Raises Invalid if the two differ (code `PasswordsDiffer`)."""
    if fields.get("password", "") != fields.get("again", ""):
        raise Invalid("The two passwords are not the same.", code="PasswordsDiffer", target="again")
    return fields.get("password", "")


# ── what is shown ────────────────────────────────────────────────────────────────────────────────────────────────


def second_step(found: Next, goal: str, told: str = "") -> Answer:
    """The page that asks for the second factor, or enrols it."""
    fields = hidden(ticket=found.ticket, kind=found.kind, next=goal)
    if found.kind == "code":
        hint = "Six digits from your authenticator, or one of your recovery codes"
        asked = field("onetime", "Code", autocomplete="one-time-code", hint=hint)
        body = f'{problem(told)}<form class="narrow" method="post" action="/signin/code">{fields}{asked}<button>Go on</button></form>'
        return page("Enter your one-time code", body)
    return page("Set up one-time codes", enrolment(found, fields, "/signin/code", told))


def enrolment(found: Next, fields: str, action: str, told: str = "") -> str:
    """The form that enrols a generator; its secret is shown here and never again."""
    asked = field("onetime", "Code", autocomplete="one-time-code", hint="The six digits that the authenticator shows")
    spaced = " ".join(found.secret[i : i + 4] for i in range(0, len(found.secret), 4))
    return f"""{problem(told)}
<p class="narrow">Give this secret to an authenticator program, by hand or by opening the link on your phone, and enter the code
that it shows. The secret is not shown again.</p>
<dl><dt>Secret</dt><dd><code>{escape(spaced)}</code></dd>
<dt>Link</dt><dd><a href="{escape(found.uri)}"><code>{escape(found.uri)}</code></a></dd></dl>
<form class="narrow" method="post" action="{action}">{fields}
{asked}<button>Confirm</button></form>"""


def recovery_page(codes: tuple[str, ...], goal: str) -> Answer:
    """The recovery codes, shown once."""
    items = "".join(f"<li>{escape(code[:8])}-{escape(code[8:])}</li>" for code in codes)
    body = f"""<p class="narrow">One-time codes are set up. Keep these recovery codes where you find them without your phone: each one
signs you in once in place of a code. They are not shown again.</p>
<ol class="codes">{items}</ol>
<p><a href="{escape(goal)}">I have kept them: go on</a></p>"""
    return page("Your recovery codes", body)


def _password_form(code: str, person: Principal, told: str = "") -> Answer:
    body = f"""{problem(told)}
<p class="lead">For <strong>{escape(person.name or person.oid)}</strong></p>
<form class="narrow" method="post" action="/signin/password">{hidden(code=code)}{password_fields(person.name)}
<button>Set password</button></form>"""
    return page("Choose a password", body)


def password_fields(name: str) -> str:
    """The two fields of a new password, with the name that a password manager keeps it under."""
    hint = f"At least {SHORTEST} characters; several words make a good one"
    keeper = f'<input type="hidden" name="name" autocomplete="username" value="{escape(name)}">'
    return (
        keeper
        + field("password", "New password", kind="password", autocomplete="new-password", hint=hint)
        + field("again", "The same again", kind="password", autocomplete="new-password")
    )


def render_page(fault: Fault, call: Call) -> Answer:
    """A fault as a page that says what to do."""
    shown = page_of(fault)
    if shown is None:
        hint = ""
        if fault.code == "SignInCodeInvalid":
            hint = "<p>Ask for a new link, or sign in with your password. <code>studiolo up</code> prints a new one at each start.</p>"
        shown = page("This did not work", f'{problem(fault.message)}{hint}<p><a href="/signin">Sign in</a></p>', status_of(fault))
    shown.headers += [pair for pair in fault_headers(fault, call) if pair[0] == "retry-after"]
    return shown

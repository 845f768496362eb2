"""Two small pages: redeem a one-time sign-in link, and sign out. No script, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Final
from urllib.parse import parse_qsl

from studiolo.kernel.faults import Fault, Forbidden, Invalid
from studiolo.rooms.iam.service.sessions import SESSION_LIFE, Sessions
from studiolo.rooms.iam.wire.authenticator import cookie_name, is_own_page, session_of
from studiolo.wire.http import Answer, Call, Judge, Permit, Public, Route, Surface
from studiolo.wire.render import status_of

_MAX_FORM = 4096
_MAX_CODE = 200
_REASON = Public("proves the caller itself, by a one-time code")
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:28rem;margin:18vh auto 0;padding:0 1rem;color:#1b1a19;background:#faf9f8}"
    "h1{font-size:1.4rem}button{font:inherit;padding:.6rem 1.4rem;border:0;border-radius:4px;background:#0f6cbd;color:#fff}"
    "button:focus-visible{outline:3px solid #1b1a19;outline-offset:2px}code{background:#edebe9;padding:.1rem .3rem}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = [
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "no-store"),
    (
        "content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    # Not 'no-referrer': that would also hide the origin of the form that these pages post.
    ("referrer-policy", "same-origin"),
    ("x-frame-options", "DENY"),
]


def signin_surface(sessions: Sessions, judge: Judge) -> Surface:
    """`/signin` and `/signout`."""
    pages = _Pages(sessions)
    routes = [
        Route("GET", "/signin", _REASON, pages.ask, about="a page with a button that redeems the link's code"),
        Route("POST", "/signin", _REASON, pages.redeem, about="spends the code, begins a session"),
        Route("POST", "/signout", Public("ends the caller's own session"), pages.sign_out, about="ends the session"),
    ]
    return Surface("sign-in", routes, judge, render_page, prefixes=("signin", "signout"))


class _Pages:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def ask(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        """Only a button: what merely looks at a link, as mail scanners and previews do, does not spend its code."""
        code = call.query().get("code", "")[:_MAX_CODE]
        if not code:
            return _page(
                "Sign in to Studiolo",
                "<p>Sign in with a one-time link. <code>studiolo up</code> prints one at each start, on the machine that it runs on.</p>",
            )
        form = (
            f'<form method="post" action="/signin"><input type="hidden" name="code" value="{escape(code)}"><button>Sign in</button></form>'
        )
        return _page("Sign in to Studiolo", f"<p>This link works once.</p>{form}")

    async def redeem(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        if not is_own_page(call):
            raise Forbidden("The sign-in form was sent from another site's page. Open the link itself.", code="CrossSiteRequest")
        session = await self._sessions.redeem(await _code(call))
        cookie = f"{cookie_name(call)}={session}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={int(SESSION_LIFE.total_seconds())}"
        return Answer(303, b"", [*_HEADERS, ("location", "/"), ("set-cookie", cookie)])

    async def sign_out(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        if not is_own_page(call):
            raise Forbidden("The form was sent from another site's page.", code="CrossSiteRequest")
        session = session_of(call)
        if session is not None:
            await self._sessions.end(session)
        cookie = f"{cookie_name(call)}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"
        answer = _page("Signed out", "<p>This browser's session is over.</p>")
        answer.headers = [*answer.headers, ("set-cookie", cookie)]
        return answer


async def _code(call: Call) -> str:
    raw = await call.body(_MAX_FORM)
    try:
        fields = dict(parse_qsl(raw.decode("ascii"), errors="strict", max_num_fields=5))
    except ValueError:
        fields = {}
    code = fields.get("code", "")
    if not code or len(code) > _MAX_CODE:
        raise Invalid("The form holds no sign-in code.", code="SignInCodeInvalid")
    return code


def _page(title: str, body: str, status: int = 200) -> Answer:
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
    return Answer(status, text.encode(), list(_HEADERS))


def render_page(fault: Fault, _call: Call) -> Answer:
    """A fault as a page that says what to do."""
    hint = "<p>Start the server again, or run <code>studiolo up</code>, for a new link.</p>" if fault.code == "SignInCodeInvalid" else ""
    return _page("You are not signed in", f"<p>{escape(fault.message)}</p>{hint}", status_of(fault))

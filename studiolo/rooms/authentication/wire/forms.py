"""Forms of our own pages: read within bounds, and only from our own pages, by a mark that belongs to the session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final
from urllib.parse import parse_qsl, quote

from studiolo.kernel.faults import Fault, Forbidden, Invalid, Unauthenticated
from studiolo.kernel.principals import Principal
from studiolo.rooms.authentication.domain.scopes import ends_of
from studiolo.rooms.authentication.service.sessions import Sessions
from studiolo.rooms.authentication.service.stamps import Stamps
from studiolo.rooms.authentication.wire.authenticator import is_own_page, session_of
from studiolo.wire.http import Answer, Call
from studiolo.wire.pages import page, page_headers
from studiolo.wire.render import status_of

_MAX_FORM: Final = 16_384
_MAX_FIELDS: Final = 12
_LONGEST_NEXT: Final = 8192
MARK: Final = "mark"
_PAGE: Final = "page"


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person who is signed in on our pages."""

    person: Principal
    session: str
    since: str


class Forms:
    """Reads forms and says who sends them."""

    def __init__(self, sessions: Sessions, stamps: Stamps) -> None:
        self._sessions = sessions
        self._stamps = stamps

    async def visitor(self, call: Call) -> Visitor | None:
        """Who is signed in; None for nobody."""
        session = session_of(call)
        if session is None:
            return None
        try:
            person, since = await self._sessions.person(session)
        except Unauthenticated:
            return None
        return Visitor(person, session, since)

    async def mark(self, visitor: Visitor, purpose: str) -> str:
        """The mark that a form for this purpose carries, so that no other site's page can send it for the visitor."""
        return await self._stamps.stamp(f"form/{purpose}", visitor.session)

    async def checked(self, call: Call, visitor: Visitor, purpose: str) -> dict[str, str]:
        """The fields of a form that this visitor was shown for this purpose.

        Raises:
            Forbidden: another page sent it (code `CrossSiteRequest`).
            Invalid: it cannot be read.
        """
        fields = await self.fields(call)
        if not await self._stamps.fits(f"form/{purpose}", visitor.session, fields.get(MARK, "")):
            raise Forbidden("The form was not one that this page showed you. Open the page again.", code="CrossSiteRequest")
        return fields

    @staticmethod
    async def fields(call: Call) -> dict[str, str]:
        """The fields of a form that one of our own pages sent. Raises as `checked` does."""
        if not is_own_page(call):
            raise Forbidden("The form was sent from another site's page. Open the page itself.", code="CrossSiteRequest")
        raw = await call.body(_MAX_FORM)
        try:
            pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
        except ValueError:
            raise Invalid("The form cannot be read.", code="InvalidForm") from None
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Invalid("The form names a field twice.", code="InvalidForm")
        return found


def asked_for(resource: str, downstream: Sequence[str]) -> str:
    """What a person is asked to let an application do, as entries of a list of terms and descriptions."""
    what = f"do everything that you may do at {resource}" if resource else "know who you are"
    shown = f"<dt>It will</dt><dd>{escape(what)}</dd>"
    further: dict[str, list[str]] = {}
    for service, behind in map(ends_of, downstream):
        further.setdefault(service, []).append(behind)
    for service, names in further.items():
        listed = escape(", ".join(names))
        shown += f"\n<dt>{escape(service)} may then</dt><dd>do everything that you may do at {listed}</dd>"
    return shown


def onward(text: str) -> str:
    """Where to go after signing in: a path of ours and nothing else; the first page for anything that is none."""
    is_plain = len(text) <= _LONGEST_NEXT and text.isascii() and text.isprintable() and "\\" not in text
    # What begins with one slash is a path: no scheme and no host can stand before it.
    return text if is_plain and text.startswith("/") and not text.startswith("//") else "/"


_CARRIED: Final = frozenset(
    {
        "client_id",
        "client_info",
        "code_challenge",
        "code_challenge_method",
        "domain_hint",
        "login_hint",
        "nonce",
        "prompt",
        "redirect_uri",
        "resource",
        "response_mode",
        "response_type",
        "scope",
        "state",
        "user_code",
    }
)


def to_sign_in(call: Call) -> Answer:
    """Send the visitor to sign in and back.

    The session's cookie does not travel when another site's page leads here; a page of ours that goes on by itself makes
    the next request our own. Of the query, what the pages read goes along, and nothing else that a caller put there.
    """
    kept = "&".join(part for part in call.raw_query.split("&") if part.partition("=")[0] in _CARRIED)
    here = call.raw_path + (f"?{kept}" if kept else "")
    target = f"/signin?next={quote(here, safe='')}"
    if call.headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return moved(target)
    return page("Sign in", f'<p><a href="{target}">Go on to sign in</a></p>', refresh=target)


def on_page(fault: Fault, shown: Answer) -> Fault:
    """The fault, to be raised, with the page that tells of it: so the record hears of it as of any other refusal."""
    shown.status = status_of(fault)
    fault.info[_PAGE] = shown
    return fault


def page_of(fault: Fault) -> Answer | None:
    """The page that a fault brings along."""
    found = fault.info.pop(_PAGE, None)
    return found if isinstance(found, Answer) else None


def moved(target: str) -> Answer:
    """Send the browser on to another page."""
    return Answer(303, b"", [*page_headers(), ("location", target)])

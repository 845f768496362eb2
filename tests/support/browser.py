"""A browser without JavaScript: it keeps cookies, reads the forms of a page and sends them back."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.support.asgi import Reply, call
from tests.support.studio import ORIGIN, Studio


@dataclass
class Form:
    """A form: where it goes, and its fields with the values that the page gave them."""

    action: str
    fields: dict[str, str] = field(default_factory=dict[str, str])


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append(Form(said.get("action", "")))
        elif tag == "input" and "name" in said and self.found:
            self.found[-1].fields[said["name"]] = said.get("value", "")


def forms_in(text: str) -> list[Form]:
    """The forms of a page's text."""
    parser = _Forms()
    parser.feed(text)
    return parser.found


def forms_of(reply: Reply) -> list[Form]:
    """The forms of a page."""
    return forms_in(reply.body.decode())


def told_to_client(reply: Reply) -> dict[str, str]:
    """What an application is told: by the address of a redirect, or by a form that leads to it."""
    if reply.status in (302, 303):
        return dict(parse_qsl(urlsplit(reply.headers["location"]).query, keep_blank_values=True))
    return forms_of(reply)[-1].fields


class Browser:
    """One person's browser."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.cookies: dict[str, str] = {}
        self.page = Reply(0, {}, b"")

    async def send(self, method: str, path: str, fields: dict[str, str] | None = None, **headers: str) -> Reply:
        """One request, and the redirects that follow within the studio."""
        sent = {"sec-fetch-site": "none" if method == "GET" else "same-origin", **{k.replace("_", "-"): v for k, v in headers.items()}}
        if fields is not None:
            sent |= {"content-type": "application/x-www-form-urlencoded", "origin": ORIGIN}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        reply = await call(self.studio.front, method, path, body=urlencode(fields or {}).encode(), headers=sent)
        for cookie in reply.cookies:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        self.page = reply
        if reply.status == 303 and reply.headers["location"].startswith("/"):
            return await self.send("GET", reply.headers["location"], sec_fetch_site="same-origin")
        return reply

    async def open(self, path: str) -> Reply:
        """Open a page."""
        return await self.send("GET", path)

    async def submit(self, number: int = 0, **fields: str) -> Reply:
        """Fill in a form of the present page and send it."""
        form = forms_of(self.page)[number]
        return await self.send("POST", form.action, {**form.fields, **fields})

    async def sign_in(self, oid: str) -> None:
        """Sign in by a one-time link."""
        await self.open(f"/signin?code={await self.studio.sessions.new_code(oid)}")
        assert (await self.submit()).status in (200, 404)  # the room has no first page of its own


async def signed_in(studio: Studio, number: int = 1) -> Browser:
    """The browser of a user of this number, signed in."""
    person = await studio.user(number, userPrincipalName=f"user{number}@example.org")
    browser = Browser(studio)
    await browser.sign_in(person.oid)
    return browser

"""A studio that people sign in to by a provider elsewhere, and what its tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from studiolo.app.outbound import GuardedOutbound
from studiolo.kernel.ids import collection, parse
from studiolo.kernel.resource import PLATFORM, Caller
from tests.support.asgi import Reply
from tests.support.browser import Browser
from tests.support.provider import Provider, back, provider_in
from tests.support.studio import Studio, open_studio

PATH = "/providers/Studiolo.Directory/identityProviders/lab"
SESSION = "__Host-studiolo-8443"
BINDING = "__Host-studiolo-federation-8443"


@dataclass
class Lab:
    """A studio, and a provider that an administrator has named `lab`."""

    studio: Studio
    provider: Provider
    properties: dict[str, Any] = field(default_factory=dict[str, Any])

    async def configure(self, path: str = PATH, caller: Caller = PLATFORM, **properties: Any) -> dict[str, Any]:
        """Write the provider; properties change what is written."""
        usual = {"displayName": "The lab", "issuer": self.provider.issuer, "clientId": "studio", "admitsNewUsers": True}
        self.properties = {**usual, **properties}
        await self.studio.put(path, self.properties, caller)
        return await self.read(path)

    async def read(self, path: str = PATH) -> dict[str, Any]:
        return msgspec.json.decode(await self.studio.control.get(PLATFORM, parse(path)))["properties"]

    async def give_secret(self, text: str = "", path: str = PATH) -> None:
        """Keep our secret at the provider."""
        secret = {"clientSecret": text or self.provider.clients["studio"]}
        await self.studio.control.act(PLATFORM, parse(path), "setClientSecret", secret, {})

    async def leave(self, browser: Browser, goal: str = "/account", name: str = "lab") -> str:
        """Follow the sign-in page's link; the provider's address."""
        page = await browser.open(f"/signin?next={goal}")
        link = next(part.partition('"')[0] for part in page.body.decode().split('href="') if part.startswith(f"/signin/with/{name}"))
        reply = await browser.send("GET", link, sec_fetch_site="same-origin")
        assert reply.status == 303, reply.body
        return reply.headers["location"]

    async def arrive(self, browser: Browser, address: str, answer: dict[str, str]) -> Reply:
        """Come back with the provider's answer, from the provider's page."""
        redirect = parse_qs(urlsplit(address).query)["redirect_uri"][0]
        path = back(redirect, answer)
        return await browser.send("GET", path, sec_fetch_site="cross-site", sec_fetch_mode="navigate", sec_fetch_dest="document")

    async def sign_in(self, browser: Browser | None = None, **claims: Any) -> tuple[Browser, Reply]:
        """A person with these claims signs in."""
        browser = browser or Browser(self.studio)
        address = await self.leave(browser)
        return browser, await self.arrive(browser, address, self.provider.sign_in(address, **claims))

    async def users(self) -> dict[str, dict[str, Any]]:
        """The users that signed in by a provider, by the name that it has for them."""
        docs = (await self.studio.control.list(PLATFORM, collection("/providers/Studiolo.Directory/users"), {})).docs
        listed = [msgspec.json.decode(doc) for doc in docs]
        people = [(one["name"], one["properties"]) for one in listed if one["properties"].get("identities")]
        return {found["identities"][0]["issuerAssignedId"]: {**found, "oid": oid} for oid, found in people}

    async def members(self, group: str) -> list[str]:
        """A group's members."""
        return (await self.read(f"/providers/Studiolo.Directory/groups/{group}"))["members"]


def is_in(browser: Browser) -> bool:
    """Whether the browser has a session."""
    return bool(browser.cookies.get(SESSION))


async def opened_lab(folder: Path) -> AsyncIterator[Lab]:
    """A studio that trusts a running provider on loopback, and may ask it."""
    with provider_in(folder) as provider:
        studio = await open_studio(folder, outbound=GuardedOutbound([provider.host], provider.context()))
        lab = Lab(studio, provider)
        await lab.configure()
        await lab.give_secret()
        yield lab
        await studio.close()

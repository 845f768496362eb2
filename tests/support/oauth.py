"""An application that signs people in: its registration, its requests, what it is answered."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import jwt

from studiolo.kernel import clock
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import PLATFORM
from tests.support.asgi import Reply
from tests.support.browser import Browser, told_to_client
from tests.support.studio import ORIGIN, Studio, guid

CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
POWERSHELL = "1950a258-227b-4e31-a9cf-717495945fc2"
VERIFIER = "a-verifier-of-forty-three-letters-or-more-0123456789"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
WEB = "https://app.example.org/signed-in"
TOKEN = "/adfs/oauth2/v2.0/token"


def said(token: str) -> dict[str, Any]:
    """What a token says, unchecked."""
    return jwt.decode(token, options={"verify_signature": False})


@dataclass
class App:
    """An application that asks. `secret` is empty for a public one."""

    studio: Studio
    client_id: str
    redirect: str
    secret: str = ""

    def query(self, **changes: str) -> str:
        """The authorization request; fields change what is asked, empty ones leave it out."""
        asked = {
            "client_id": self.client_id,
            "response_type": "code",
            "redirect_uri": self.redirect,
            "scope": f"{ORIGIN}/.default openid profile offline_access",
            "state": "a state",
            "nonce": "a nonce",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changes,
        }
        return urlencode({name: value for name, value in asked.items() if value})

    async def code(self, browser: Browser, **changes: str) -> str:
        """The code that a person's yes gives."""
        page = await browser.open(f"/adfs/oauth2/v2.0/authorize?{self.query(**changes)}")
        assert page.status == 200, page.body
        return told_to_client(await browser.submit(choice="yes"))["code"]

    async def ask(self, grant: str, *, path: str = TOKEN, **fields: str) -> Reply:
        """A request at the token endpoint, with the application's proof if it has one; empty fields are left out."""
        sent = {"grant_type": grant, "client_id": self.client_id, "client_secret": self.secret, **fields}
        return await self.studio.form(path, {name: value for name, value in sent.items() if value})

    async def redeem(self, code: str, **changes: str) -> Reply:
        """Redeem a code."""
        return await self.ask("authorization_code", **{"code": code, "redirect_uri": self.redirect, "code_verifier": VERIFIER, **changes})

    async def tokens(self, browser: Browser, **changes: str) -> dict[str, Any]:
        """All tokens of a person who says yes."""
        reply = await self.redeem(await self.code(browser, **changes))
        assert reply.status == 200, reply.body
        return reply.json()

    async def refresh(self, token: str, **changes: str) -> Reply:
        """Use a refresh token."""
        return await self.ask("refresh_token", **{"refresh_token": token, **changes})


def command_line(studio: Studio) -> App:
    """The public cloud's command line, which nobody registers."""
    return App(studio, CLI, "http://localhost:8400")


async def registered(studio: Studio, number: int = 60, *, is_public: bool = False, **properties: Any) -> App:
    """An application of this number with its service principal; a confidential one has a secret."""
    client = guid(number)
    group = {"publicClient": {"redirectUris": ["http://localhost/back"]}} if is_public else {"web": {"redirectUris": [WEB]}}
    path = f"/providers/Studiolo.Directory/applications/{client}"
    await studio.put(path, {"displayName": f"app-{number}", **group, **properties})
    await studio.put(
        f"/providers/Studiolo.Directory/servicePrincipals/{guid(number + 1)}", {"displayName": f"app-{number}", "appId": client}
    )
    if is_public:
        return App(studio, client, "http://localhost:5000/back")
    made = await studio.control.act(PLATFORM, parse(path), "addPassword", {}, {}, "2024-01-01")
    return App(studio, client, WEB, str((made or {})["secretText"]))


def moment() -> int:
    """Now, in whole seconds."""
    return int(clock.now().timestamp())

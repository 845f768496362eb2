"""One studio as another's provider: two real servers, the command line, and a person's browser between them."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.parity.studio import Reply, Studio, opened
from tests.parity.test_people import PASSWORD, Window, log_in, told
from tests.support.server import StartServer


class Traveller:
    """A person's browser, which goes from our sign-in page to the other studio and back."""

    def __init__(self, studio: Studio, there: Studio, at: Window) -> None:
        self.studio, self.there, self.at = studio, there, at
        self.cookies: dict[str, str] = {}

    def open(self, target: str, **headers: str) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        reply = self.studio.send("GET", target, headers={"cookie": cookie, "sec-fetch-site": "same-origin", **sent})
        if found := re.match(r"(__Host-[\w-]+)=([\w-]+)", reply.headers.get("set-cookie", "")):
            self.cookies[found[1]] = found[2]
        return reply

    def sign_in(self) -> Reply:
        """Sign in by the other studio, where the person says yes."""
        page = self.open("/signin?next=/account&other=1")
        link = re.search(r'href="(/signin/with/lab[^"]*)">Sign in with The lab<', page.body.decode())
        assert link, page.body
        asked = self.open(link[1]).headers["location"]
        assert asked.startswith(f"{self.there.url}/")
        answer = self.at.submit(self.at.open(asked.removeprefix(self.there.url)), choice="yes")
        back = urlsplit(answer.headers["location"])
        assert f"{back.scheme}://{back.netloc}{back.path}" == f"{self.studio.url}/signin/from/lab"
        led = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
        return self.open(f"{back.path}?{back.query}", **led)


def made(studio: Studio, path: str, **properties: Any) -> str:
    """A directory object of the studio's owner's making."""
    oid = str(uuid.uuid4())
    reply = studio.directory("PUT", f"{path}/{oid}", {"properties": properties})
    assert reply.status == 201, reply.body
    return oid


def members(studio: Studio, group: str) -> list[str]:
    return studio.directory("GET", f"/groups/{group}").json()["properties"]["members"]


def test_a_person_of_another_studio_signs_in_with_their_groups(start_server: StartServer, tmp_path: Path) -> None:
    elsewhere = start_server()
    server = start_server(options=["--allow-provider", elsewhere.url], SSL_CERT_FILE=elsewhere.env["SSL_CERT_FILE"])
    with opened(elsewhere) as there, opened(server) as studio:
        ada = made(there, "/users", displayName="Ada", userPrincipalName="ada@example.org")
        team = made(there, "/groups", displayName="team", members=[ada])
        above = made(there, "/groups", displayName="above", members=[team])
        log_in(there)
        redirect = f"{studio.url}/signin/from/lab"
        app = told(there, "app", "create", "our-studio", "--redirect", redirect, "--groups", "-o", "json")
        secret = tmp_path / "secret"
        secret.write_text(told(there, "app", "secret", "add", "our-studio", "-o", "json")["secretText"])
        window = Window(there)
        link = there.directory("POST", f"/users/{ada}/createPasswordLink", {}).json()["link"]
        window.submit(window.open(link.removeprefix(there.url)), password=PASSWORD, again=PASSWORD)

        readers = made(studio, "/groups", displayName="readers", members=[])
        log_in(studio)
        found = there.send("GET", "/common/v2.0/.well-known/openid-configuration").json()
        mapped = ["--map", f"{above}=readers", "--new-people", "--shown-name", "The lab"]
        asked = ["identity", "provider", "add", "lab", "--issuer", found["issuer"], "--client-id", app["clientId"]]
        shown = told(studio, *asked, "--secret-file", str(secret), *mapped, "-o", "json")
        assert (shown["properties"]["redirectUri"], shown["properties"]["hasClientSecret"]) == (redirect, True)
        assert secret.read_text() not in json.dumps(told(studio, "identity", "provider", "show", "lab", "-o", "json"))

        traveller = Traveller(studio, there, window)
        page = traveller.sign_in()
        assert (page.status, b"You are signed in" in page.body) == (200, True), page.body
        assert b"Ada (The lab)" in traveller.open("/account").body
        (oid,) = members(studio, readers)
        assert there.directory("PUT", f"/groups/{team}", {"properties": {"displayName": "team", "members": []}}).status == 200
        assert traveller.sign_in().status == 200
        assert members(studio, readers) == []
        lines = [line for line in told(studio, "audit", "list", "-o", "json") if line["action"].endswith("identityProviders/signIn/action")]
        assert sorted((line["caller"], json.loads(line["doc"])["joined"], json.loads(line["doc"])["left"]) for line in lines) == [
            (oid, [], [readers]),
            (oid, [readers], []),
        ]
        assert secret.read_text() not in server.output
        bob = made(studio, "/users", displayName="Bob", userPrincipalName="bob@example.org")
        told(studio, "identity", "provider", "link", "lab", "bob@example.org", "his name there")
        (linked,) = studio.directory("GET", f"/users/{bob}").json()["properties"]["identities"]
        assert (linked["issuer"], linked["issuerAssignedId"]) == (found["issuer"], "his name there")
        told(studio, "identity", "provider", "remove", "lab")
        assert b"Sign in with" not in traveller.open("/signin?other=1").body
        assert told(studio, "identity", "provider", "list", "-o", "json") == []

"""From the command line to a person's browser and back, on a running studio."""

from __future__ import annotations

import json
import re
import shlex
import stat
import subprocess
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.parity.studio import Reply, Studio, unique
from tests.support.browser import Form, forms_in
from tests.support.certificate import certificate, key_of, pem
from tests.support.server import COMMAND, clean_environment

PASSWORD = "violet engines hum softly"


class Window:
    """A person's browser on the wire, without JavaScript."""

    def __init__(self, studio: Studio, cookie: str = "") -> None:
        self._studio = studio
        self._cookie = cookie

    def open(self, path: str) -> Reply:
        return self._keep(self._studio.send("GET", path, headers={"cookie": self._cookie}))

    def submit(self, page: Reply, number: int = 0, **fields: str) -> Reply:
        form: Form = forms_in(page.body.decode())[number]
        headers = {"cookie": self._cookie, "origin": self._studio.url, "content-type": "application/x-www-form-urlencoded"}
        return self._keep(self._studio.send("POST", form.action, urlencode({**form.fields, **fields}).encode(), headers))

    def _keep(self, reply: Reply) -> Reply:
        cookie = reply.headers.get("set-cookie", "")
        if found := re.search(r"(__Host-studiolo-\d+=[\w-]+)", cookie):
            self._cookie = found[1]
        return reply


def log_in(studio: Studio) -> None:
    """`studiolo login`, confirmed by the owner in a browser."""
    home = str(studio.server.home)
    with subprocess.Popen(
        [str(COMMAND), "login", "--home", home],
        env=clean_environment(studio.server.home.parent),
        cwd=studio.server.home.parent,
        stderr=subprocess.PIPE,
        text=True,
    ) as login:
        assert login.stderr is not None
        told = login.stderr.readline()
        found = re.search(r"open the page (\S+) and enter the code (\w{9})", told)
        assert found, told
        owner = Window(studio, studio.cookie)
        page = owner.submit(owner.open(urlsplit(found[1]).path), code=found[2])
        assert b"Studiolo command line" in page.body
        owner.submit(page, choice="yes")
        assert login.wait(30) == 0, login.stderr.read()


def told(studio: Studio, *arguments: str) -> Any:
    """What a command answers in JSON, by whoever is signed in."""
    done = studio.server.run(*arguments, "--home", str(studio.server.home), clean=True)
    return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.fixture
def owner(studio: Studio) -> Iterator[Studio]:
    """A studio whose command line acts as the owner."""
    log_in(studio)
    yield studio
    studio.server.run("logout", "--home", str(studio.server.home), clean=True)


def test_the_application_of_the_environment_may_not_let_people_in(studio: Studio) -> None:
    done = studio.server.run("user", "create", "eve@example.org", "--name", "Eve", check=False)
    assert done.returncode == 1
    assert "AuthorizationFailed" in done.stderr


def test_an_owner_lets_a_person_in_who_signs_in_and_is_shut_out_again(owner: Studio) -> None:
    kept = owner.server.home / "person.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    mail = f"{unique('ada')}@example.org"
    made = told(owner, "user", "create", mail, "--name", "Ada", "-o", "json")
    window = Window(owner)
    page = window.open(made["link"].removeprefix(owner.url))
    assert mail.encode() in page.body
    assert window.submit(page, password=PASSWORD, again=PASSWORD).status == 303
    assert b"Your account" in window.open("/account").body
    again = Window(owner)
    assert again.submit(again.open("/signin"), name=mail, password=PASSWORD).status == 303
    assert mail in [one["properties"].get("userPrincipalName") for one in told(owner, "user", "list", "-o", "json")]
    told(owner, "user", "revoke", mail)
    assert window.open("/account").status == 303, "signed out at once"
    assert again.submit(again.open("/signin"), name=mail, password=PASSWORD).status == 303
    told(owner, "user", "disable", mail)
    assert again.open("/account").status == 303
    assert again.submit(again.open("/signin"), name=mail, password=PASSWORD).status == 403
    told(owner, "user", "enable", mail)
    assert told(owner, "user", "reset", mail, "-o", "json")["link"].startswith(f"{owner.url}/signin/password?code=")
    assert again.submit(again.open("/signin"), name=mail, password=PASSWORD).status == 403


def test_an_owner_registers_an_application_with_secrets_and_certificates(owner: Studio) -> None:
    name = unique("robot")
    made = told(owner, "app", "create", name, "--redirect", "https://app.example.org/back", "-o", "json")
    secret = told(owner, "app", "secret", "add", name, "--name", "one", "-o", "json")
    scope = f"{owner.url}/.default"
    assert owner.ask_token(made["clientId"], secret["secretText"], scope=scope).status == 200
    file = owner.server.home.parent / "robot.pem"
    file.write_text(pem(certificate(key_of("one"))))
    added = told(owner, "app", "certificate", "add", made["clientId"], str(file), "-o", "json")
    listed = next(one for one in told(owner, "app", "list", "-o", "json") if one["name"] == made["clientId"])
    assert [each["keyId"] for each in listed["properties"]["keyCredentials"]] == [added["keyId"]]
    told(owner, "app", "certificate", "remove", name, added["keyId"])
    told(owner, "app", "secret", "remove", name, secret["keyId"])
    assert owner.ask_token(made["clientId"], secret["secretText"], scope=scope).status == 401
    told(owner, "app", "revoke", name)


def test_an_owner_rotates_the_keys_of_tokens_and_programs_go_on(owner: Studio) -> None:
    before = owner.token(owner.owner)
    kid = told(owner, "tokens", "rotate", "-o", "json")["kid"]
    keys = [key["kid"] for key in owner.send("GET", "/adfs/discovery/keys").json()["keys"]]
    assert keys[0] == kid
    assert len(keys) >= 2
    assert owner.arm("GET", owner.group, token=before).status == 200


def test_the_first_page_leads_to_sign_in_and_the_pages_share_one_sheet(studio: Studio) -> None:
    first, page = studio.send("GET", "/"), studio.send("GET", "/signin")
    assert b'href="/signin"' in first.body
    for each in (first, page):
        assert b'href="/page.css"' in each.body
        assert "script" not in each.headers["content-security-policy"].replace("style-src", "")
    assert b".field" in studio.send("GET", "/page.css").body


def test_nobody_gets_in_without_a_credential_and_no_password_is_there_from_the_start(studio: Studio) -> None:
    for name, password in (("owner", "owner"), ("admin", "admin"), ("admin", "password"), ("studiolo", "studiolo"), ("owner", "")):
        window = Window(studio)
        assert window.submit(window.open("/signin"), name=name, password=password).status in (403, 429), shlex.join([name, password])

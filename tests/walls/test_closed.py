"""A fresh studio answers nobody anything but where to sign in; and every spelling of a path gets the plain path's decision."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import unquote

import pytest

from tests.walls.house import House
from tests.walls.matrix import trials

pytestmark = pytest.mark.anyio

# Health, metadata, discovery, keys, the token endpoint, sign-in and its style sheet; the first page asks to sign in.
OPEN = re.compile(
    r"platform (GET|HEAD) /(healthz|metadata/endpoints|discovery|page\.css|)"
    r"|tokens GET /(common/discovery/instance|\{tenant\}/.*)|tokens POST /\{tenant\}/oauth2/.*|sign-in (GET|POST) /.*"
    r"|workloads GET /msi/token"
)


async def test_nobody_is_answered_but_where_to_sign_in(house: House) -> None:
    for trial in trials(house):
        reply = await trial.send(house, house.people["none"])
        if trial.plane is None:
            assert OPEN.fullmatch(trial.label), f"'{trial.label}' answers anybody: is that meant?"
            assert house.workspace_id.encode() not in reply.body
        else:
            assert trial.outcome(reply) == "unknown", (trial.label, reply.status, reply.body[:200])


async def test_the_first_page_tells_nobody_anything(house: House) -> None:
    page = await house.ask("GET", "/")
    assert page.status == 200
    for secret in (house.workspace_id, "first", "walls", house.account):
        assert secret.encode() not in page.body


def variants(path: str) -> list[str]:
    """Other spellings of a path, of which every one must be refused, be nothing, or mean the same."""
    parts = path.split("/")
    last, deep = parts[-1], max(1, len(parts) - 2)
    turned = "/".join([*parts[:deep], parts[deep].swapcase(), *parts[deep + 1 :]])
    encoded = "/".join([*parts[:deep], "".join(f"%{ord(mark):02x}" for mark in parts[deep]), *parts[deep + 1 :]])
    return [
        turned,
        path.upper(),
        encoded,
        encoded.replace("%", "%25"),
        f"/{path}",
        path.replace("/", "//", 2),
        path.replace("/", "/./", 2),
        f"{path}/",
        f"{path}//",
        f"{path}/.",
        f"{path}/..",
        f"{path}.",
        f"{path}%2e",
        f"{path}%20",
        f"{path}%00",
        f"{path};x=y",
        f"{path};",
        f"/x/..{path}",
        f"/x/%2e%2e{path}",
        f"/;{path}",
        "/".join([*parts[:-1], f";/{last}"]),
        "/" + path[1:].replace("/", "%2f"),
        path.replace("/", "\\"),
        path.replace("/", "%5c"),
        f"{path}%c0%af",
        f"{path}%e0%80%af..",
        f"{path}%0d%0a",
        f"{path}%",
        f"/%2e{path}",
    ]


@pytest.mark.parametrize("step", [9, pytest.param(1, marks=pytest.mark.slow)])
async def test_no_spelling_of_a_path_is_a_way_around_the_decision(house: House, step: int) -> None:
    """Who is refused on the plain path is refused on every other spelling of it, or there is nothing there."""
    tried = 0
    for trial in list(trials(house))[::step]:
        if trial.plane is None or trial.is_open:
            continue
        path, _, query = trial.target.partition("?")
        for name in ("none", "other project"):
            person = house.people[name]
            if trial.expects(name, person) == "yes":
                continue
            for spelled in variants(path):
                reply = await replace(trial, target=spelled + (f"?{query}" if query else "")).send(house, person)
                tried += 1
                found = trial.outcome(reply)
                is_refused = found in ("no", "unknown", trial.always) and reply.status in (202, *range(400, 500))
                assert is_refused or reply.status in (400, 404, 405, 501), (trial.label, name, spelled, reply.status, reply.body[:200])
    assert tried > 5000 / step


async def test_every_spelling_is_decoded_once(house: House) -> None:
    plain = await house.arm("GET", house.project["id"])
    for spelled in (house.project["id"].upper(), house.project["id"].replace("first", "%66irst"), f"{house.project['id']}/"):
        reply = await house.ask("GET", f"{spelled}?api-version=2024-10-01", who=house.admin)
        assert reply.status == 200, unquote(spelled)
        assert reply.json()["id"] == plain.json()["id"]
    twice = await house.ask("GET", house.project["id"].replace("first", "%2566irst") + "?api-version=2024-10-01", who=house.admin)
    assert twice.status == 400

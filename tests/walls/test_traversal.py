"""Names that lead elsewhere, wherever a name or a path is taken: none gets out, and none is taken for another."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.walls.house import API, House
from tests.walls.traversal import names

pytestmark = pytest.mark.anyio

SECRET = b"the secret of the second project"
_ML = "providers/Microsoft.MachineLearningServices/workspaces"
PLACES: dict[str, Callable[[House, str], str]] = {
    "workspace": lambda house, name: f"{house.group}/{_ML}/{name}",
    "resource group": lambda house, name: f"{house.subscription}/resourceGroups/{name}",
    "asset": lambda house, name: f"{house.project['id']}/data/{name}",
    "asset version": lambda house, name: f"{house.project['id']}/data/thing/versions/{name}",
    "datastore": lambda house, name: f"{house.project['id']}/datastores/{name}",
    "deployment": lambda house, name: f"{house.group}/providers/Microsoft.Resources/deployments/{name}",
    "model deployment": lambda house, name: f"{house.group}/providers/Microsoft.CognitiveServices/accounts/first/deployments/{name}",
    "storage account": lambda house, name: f"{house.group}/providers/Microsoft.Storage/storageAccounts/{name}",
    "container": lambda house, name: f"{house.project['properties']['storageAccount']}/blobServices/default/containers/{name}",
    "assignment": lambda house, name: f"{house.project['id']}/providers/Microsoft.Authorization/roleAssignments/{name}",
}
# Names like any other where names are no files.
_PLAIN = re.compile(r"\.{0,2}[A-Za-z0-9][A-Za-z0-9._-]*/?")


def test_the_corpus_has_the_size_that_is_promised() -> None:
    assert len(set(names())) >= 300


@pytest.fixture(scope="module")
async def secret(house: House) -> House:
    """The studio, with something in the second project that nobody of the first may reach."""
    box = f"{house.other['properties']['workspaceId']}-blobstore"
    made = await house.blob("PUT", f"/{box}/secret.txt", SECRET, who=await house.own_identity(house.other))
    assert made.status == 201, made.body
    return house


@pytest.mark.parametrize("place", PLACES)
async def test_no_name_of_a_resource_leads_elsewhere(house: House, place: str) -> None:
    """By the owner of the whole group, whom no decision stops."""
    for name in names():
        path = PLACES[place](house, name).replace("?", "%3f")
        for method in ("PUT", "GET"):
            body: Any = {"location": "local", "properties": {}} if method == "PUT" else b""
            reply = await house.ask(method, f"{path}?api-version={API}", body, who=house.admin)
            if reply.status < 300 and _PLAIN.fullmatch(unquote(name)):
                assert reply.json()["name"] == unquote(name).rstrip("/")
                continue
            assert reply.status in (400, 403, 404, 405, 409), (place, method, name, reply.status, reply.body[:200])


async def test_no_name_of_a_blob_leads_elsewhere(secret: House) -> None:
    """What is taken is a name like any other: it is listed as it was sent, in the container that it was sent to."""
    house, member = secret, secret.people["writer"]
    other = f"{house.other['properties']['workspaceId']}-blobstore"
    taken: set[str] = set()
    for name in {*names(), *names(f"{other}/secret.txt")}:
        target = f"/{house.container}/{name}".replace("#", "%23")
        reads = await house.blob("GET", target, who=house.people["managed identity"])
        assert reads.status in (400, 403, 404, 501) or reads.body == b"mine", (name, reads.status)
        reply = await house.blob("PUT", target, b"mine", who=house.people["managed identity"])
        if reply.status == 201:
            taken.add(unquote(target.partition("?")[0], errors="strict").removeprefix(f"/{house.container}/"))
        else:
            assert reply.status in (400, 403, 404, 501), (name, reply.status, reply.body)
    listed = await house.blob("GET", f"/{house.container}?restype=container&comp=list", who=member)
    assert taken <= {unescape(one.decode()) for one in re.findall(rb"<Name>([^<]*)</Name>", listed.body)}
    assert not [name for name in taken if any(part in (".", "..") for part in re.split(r"[/\\]", name))]
    unchanged = await house.blob("GET", f"/{other}/secret.txt", who=await house.own_identity(house.other))
    assert unchanged.body == SECRET


async def test_no_name_of_a_container_leads_elsewhere(secret: House) -> None:
    for name in names():
        for method, query in (("GET", "restype=container&comp=list"), ("PUT", "restype=container")):
            target = f"/{name}?{query}".replace("#", "%23")
            reply = await secret.blob(method, target, who=secret.people["managed identity"])
            assert reply.status in (400, 403, 404, 405, 501), (method, name, reply.status, reply.body[:200])


async def test_no_expression_of_a_template_makes_a_name_that_leads_elsewhere(house: House) -> None:
    before = {each["id"] for each in (await house.arm("GET", f"{house.group}/{_ML}")).json()["value"]}
    for number, name in enumerate(
        sorted({unquote(name) for name in names() if "%c" not in name and "%e" not in name and "%ff" not in name})
    ):
        if _PLAIN.fullmatch(name) or name.startswith("["):
            continue
        for spelled in (f"[concat('{name.replace(chr(39), chr(39) * 2)[:1]}', parameters('rest'))]", "[parameters('name')]"):
            template = {
                "contentVersion": "1.0.0.0",
                "parameters": {"name": {"type": "string"}, "rest": {"type": "string"}},
                "resources": [
                    {
                        "type": "Microsoft.MachineLearningServices/workspaces/data",
                        "apiVersion": API,
                        "name": spelled,
                        "properties": {"description": "x"},
                    }
                ],
            }
            properties = {"mode": "Incremental", "template": template, "parameters": {"name": {"value": name}, "rest": {"value": name[1:]}}}
            path = f"{house.group}/providers/Microsoft.Resources/deployments/t{number}"
            reply = await house.arm("PUT", path, {"properties": properties})
            state = reply.json().get("properties", {}).get("provisioningState") if reply.status < 300 else "Refused"
            assert state in ("Failed", "Refused"), (name, spelled, reply.body[:300])
    assert {each["id"] for each in (await house.arm("GET", f"{house.group}/{_ML}")).json()["value"]} == before


def test_nothing_was_written_outside_the_studio_s_own_places(house: House) -> None:
    home = Path(house.application._home.root)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - where it keeps its files
    assert {path.name for path in home.iterdir()} <= {"data", "keys", "tls", "cache", "env.json", "lock"}
    assert {path.name for path in home.parent.iterdir()} == {"home"}

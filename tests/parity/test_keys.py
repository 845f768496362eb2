"""Keys as people meet them: customers' keys with the unchanged SDK, rotation with progress, destruction, who may do what."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from tests.parity.studio import Person, Studio, account_of, local_path, unique

SERVED_IN_SECONDS = 8.0  # three of lease, one of remembered refusals, and a slow machine


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "contoso.key"
    path.touch(0o600)
    path.write_bytes(secrets.token_bytes(32))
    return path


@pytest.fixture
def fresh(studio: Studio) -> Callable[..., tuple[dict[str, Any], dict[str, Any]]]:
    """Makes a hub and a project in it."""

    def make(**properties: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        hub = studio.hub(unique("keyed"), **properties)
        return hub, studio.project(hub["id"], unique("triage"))

    return make


@lru_cache
def writer(studio: Studio) -> Person:
    """Somebody who may read and write all blobs of the first group."""
    person = studio.person("writer")
    studio.grant(person.oid, "Storage Blob Data Owner", studio.group)
    return person


def container_of(project: dict[str, Any]) -> str:
    return f"{project['properties']['workspaceId']}-blobstore"


def put(studio: Studio, project: dict[str, Any], name: str, data: bytes) -> int:
    return studio.blob("PUT", account_of(project), f"/{container_of(project)}/{name}", data, by=writer(studio)).status


def get(studio: Studio, project: dict[str, Any], name: str) -> tuple[int, Any]:
    reply = studio.blob("GET", account_of(project), f"/{container_of(project)}/{name}", by=writer(studio))
    return reply.status, reply.body if reply.status == 200 else reply.blob_code


def act(studio: Studio, workspace: dict[str, Any], action: str, body: Any = None, **more: Any) -> Any:
    return studio.arm("POST", f"{workspace['id']}/{action}", body or {}, **more)


def until(what: Callable[[], Any], wanted: Any) -> None:
    """Ask again until the answer is the wanted one."""
    deadline = time.monotonic() + SERVED_IN_SECONDS
    found = what()
    while found != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)  # noqa: TID251 - between two looks
        found = what()


def encryption(address: str) -> dict[str, Any]:
    return {"status": "Enabled", "keyVaultProperties": {"keyVaultArmId": "", "keyIdentifier": address}}


def test_the_unchanged_sdk_makes_a_hub_under_a_customers_key_and_withdrawing_it_stops_serving(signed_in: Studio, key_file: Path) -> None:
    from azure.ai.ml.entities import CustomerManagedKey, Hub

    name, vault = unique("cmk"), f"{signed_in.group}/providers/Microsoft.KeyVault/vaults/contoso"
    asked = Hub(name=name, location="local", customer_managed_key=CustomerManagedKey(key_vault=vault, key_uri=key_file.as_uri()))
    signed_in.ml().workspaces.begin_create(asked).result()
    kept = signed_in.ml().workspaces.get(name)
    assert kept.customer_managed_key.key_uri == key_file.as_uri()
    project = signed_in.project(signed_in.workspace(name), unique("triage"))
    other = signed_in.project(signed_in.workspace(signed_in.env["AZUREML_HUB"]), unique("other"))
    assert put(signed_in, project, "a", b"canary") == 201
    assert put(signed_in, other, "a", b"neighbour") == 201
    raw = key_file.read_bytes()
    key_file.unlink()
    until(lambda: get(signed_in, project, "a"), (403, "CustomerKeyRevoked"))
    assert put(signed_in, project, "b", b"x") == 403
    keys = signed_in.arm("POST", f"{model_account(project)}/listKeys", {})
    assert (keys.status, keys.code) == (403, "CustomerKeyRevoked")
    assert get(signed_in, other, "a") == (200, b"neighbour")
    key_file.touch(0o600)
    key_file.write_bytes(secrets.token_bytes(32))  # another key is no key
    until(lambda: get(signed_in, project, "a"), (403, "CustomerKeyRevoked"))
    key_file.write_bytes(raw)
    until(lambda: get(signed_in, project, "a"), (200, b"canary"))
    key_file.unlink()
    until(lambda: get(signed_in, project, "a"), (403, "CustomerKeyRevoked"))
    assert signed_in.arm("DELETE", signed_in.workspace(name)).status in (200, 202, 204)


def model_account(project: dict[str, Any]) -> str:
    return project["id"].rpartition("/providers/")[0] + f"/providers/Microsoft.CognitiveServices/accounts/{project['name']}"


def test_a_customers_key_is_switched_on_later_by_the_sdk_and_never_off(signed_in: Studio, key_file: Path, fresh: Any) -> None:
    from azure.ai.ml.entities import CustomerManagedKey

    hub, project = fresh()
    assert put(signed_in, project, "a", b"before") == 201
    kept = signed_in.ml().workspaces.get(hub["name"])
    kept.customer_managed_key = CustomerManagedKey(key_vault=f"{signed_in.group}/x", key_uri=key_file.as_uri())
    signed_in.ml().workspaces.begin_update(kept).result()
    shown = act(signed_in, hub, "showKey").json()
    assert (shown["customerKey"], shown["version"]) == (key_file.as_uri(), 2)
    assert get(signed_in, project, "a") == (200, b"before")
    raw = key_file.read_bytes()
    key_file.chmod(0o640)  # as good as gone
    until(lambda: get(signed_in, project, "a"), (403, "CustomerKeyRevoked"))
    key_file.chmod(0o600)
    key_file.write_bytes(raw)
    until(lambda: get(signed_in, project, "a"), (200, b"before"))
    off = signed_in.arm("PATCH", hub["id"], {"properties": {"encryption": {"status": "Disabled"}}})
    assert (off.status, off.code) == (409, "EncryptionIsImmutable")
    other = key_file.with_name("other.key")
    other.touch(0o600)
    other.write_bytes(secrets.token_bytes(32))
    changed = signed_in.arm("PATCH", hub["id"], {"properties": {"encryption": encryption(other.as_uri())}})
    assert changed.status == 200, changed.body
    key_file.unlink()
    time.sleep(4)  # noqa: TID251 - longer than anything of the old key is held
    assert get(signed_in, project, "a") == (200, b"before")


@pytest.mark.parametrize("case", ["missing", "open to the group", "short", "in the home", "relative", "plain http", "loopback", "metadata"])
def test_what_can_be_no_customers_key_is_refused(studio: Studio, key_file: Path, case: str) -> None:
    address = key_file.as_uri()
    match case:
        case "missing":
            key_file.unlink()
        case "open to the group":
            key_file.chmod(0o640)
        case "short":
            key_file.write_bytes(b"12345")
        case "in the home":
            address = (studio.server.home / "keys" / "master.key").as_uri()
        case "relative":
            address = "file:keys/contoso.key"
        case "plain http":
            address = "http://vault.example/keys/a/1"
        case "loopback":
            address = f"https://localhost:{studio.server.port}/keys/a/1"
        case _:
            address = "https://169.254.169.254/keys/a/1"
    body = {"location": "local", "kind": "Hub", "properties": {"encryption": encryption(address)}}
    path = studio.workspace(unique("refused"))
    made = studio.arm("PUT", path, body)
    assert (made.status, made.code) == (409, "CustomerKeyInvalid"), made.body
    assert studio.arm("GET", path).status == 404


def wait(studio: Studio, reply: Any) -> dict[str, Any]:
    """The end of an operation that an answer began."""
    assert reply.status == 202, reply.body
    url, deadline = local_path(reply.headers["azure-asyncoperation"]), time.monotonic() + 60
    while True:
        found = studio.send("GET", url, headers={"authorization": f"Bearer {studio.token(studio.owner)}"}).json()
        if found["status"] != "InProgress":
            return found
        assert 0 <= found["percentComplete"] <= 100
        assert time.monotonic() < deadline, found
        time.sleep(0.1)  # noqa: TID251 - between two looks


def test_rotation_shows_versions_and_seals_anew_with_progress(studio: Studio, fresh: Any) -> None:
    hub, project = fresh()
    bodies = {f"n{n}": os.urandom(n * 9_000) for n in range(8)}
    for name, data in bodies.items():
        assert put(studio, project, name, data) == 201
    first = act(studio, project, "showKey").json()
    assert (first["version"], first["state"], first["sealedByOlderVersions"]) == (1, "Enabled", 0)
    rotated = act(studio, project, "rotateKey", {"reencrypt": False}).json()
    assert (rotated["version"], rotated["sealedByOlderVersions"]) == (2, 8)
    assert [one["version"] for one in rotated["olderVersions"]] == [1]
    ended = wait(studio, act(studio, project, "rotateKey", {"reencrypt": True}))
    assert (ended["status"], ended["percentComplete"]) == ("Succeeded", 100)
    assert ended["properties"]["done"] == ended["properties"]["total"] == 8
    last = act(studio, project, "showKey").json()
    assert (last["version"], last["olderVersions"], last["sealedByOlderVersions"]) == (3, [], 0)
    ended = wait(studio, act(studio, hub, "rotateKey", {"reencrypt": True}))
    assert ended["status"] == "Succeeded", ended
    assert act(studio, hub, "showKey").json()["version"] == 2
    assert act(studio, project, "showKey").json()["version"] == 4
    for name, data in bodies.items():
        assert get(studio, project, name) == (200, data)
    keys = studio.arm("POST", f"{model_account(project)}/listKeys", {})
    assert keys.status == 200
    text = json.dumps(last)
    assert not any(word in text.lower() for word in ('wrapped"', "secret", "material"))


def test_a_destroyed_key_is_the_end_of_one_project_alone(studio: Studio, fresh: Any) -> None:
    hub, project = fresh()
    neighbour = studio.project(hub["id"], unique("neighbour"))
    for one in (project, neighbour):
        assert put(studio, one, "a", b"canary") == 201
    wrong = act(studio, project, "destroyKey", {"name": "something"})
    assert (wrong.status, wrong.code) == (400, "NameDoesNotMatch")
    assert get(studio, project, "a") == (200, b"canary")
    ended = act(studio, project, "destroyKey", {"name": project["name"]})
    assert (ended.status, ended.json()["state"]) == (200, "Destroyed")
    assert get(studio, project, "a") == (403, "KeyDestroyed")
    assert put(studio, project, "b", b"x") == 403
    assert get(studio, neighbour, "a") == (200, b"canary")
    assert act(studio, project, "rotateKey").code == "KeyDestroyed"
    log = studio.arm("GET", f"{project['id']}/providers/Microsoft.Insights/eventtypes/management/values")
    assert log.status == 404 or "destroyKey/action" in log.body.decode()
    shares = studio.server.home / "keys" / "shares"
    before = len(list(shares.iterdir()))
    assert studio.arm("DELETE", project["id"]).status in (200, 202, 204)
    assert get(studio, neighbour, "a") == (200, b"canary")
    assert studio.arm("DELETE", hub["id"]).status in (200, 202, 204)
    until(lambda: len(list(shares.iterdir())), before - 2)  # the hub's and the neighbour's; the destroyed one's went at once


def test_who_may_rotate_and_who_may_destroy(studio: Studio, fresh: Any) -> None:
    _, project = fresh()
    contributor, developer = studio.person("contributor"), studio.person("developer")
    studio.grant(contributor.oid, studio.role("Contributor"), project["id"])
    studio.grant(developer.oid, studio.role("Azure AI Developer"), project["id"])
    assert act(studio, project, "showKey", by=contributor).status == 200
    assert act(studio, project, "rotateKey", by=contributor).status == 200
    assert act(studio, project, "rotateKey", by=developer).code == "AuthorizationFailed"
    for person in (contributor, developer, studio.person("nobody")):
        refused = act(studio, project, "destroyKey", {"name": project["name"]}, by=person)
        assert (refused.status, refused.code) == (403, "AuthorizationFailed")
    assert act(studio, project, "showKey").json()["state"] == "Enabled"

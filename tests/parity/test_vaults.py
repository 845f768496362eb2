"""A studio whose customer keeps the key in a vault of their own, met by unchanged clients: switched on, withdrawn, unwell, given back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.parity.conftest import take_environment
from tests.parity.studio import Person, Studio, account_of, opened, unique
from tests.support.server import Server
from tests.support.vault import Vault, vault_in

SERVED_IN_SECONDS = 8.0  # three of lease, two of a question without an answer, and a slow machine


class Place(NamedTuple):
    """A studio, its customer's vault, a project under the vault's key, and one in another hub."""

    studio: Studio
    vault: Vault
    writer: Person
    hub: dict[str, Any]
    project: dict[str, Any]
    other: dict[str, Any]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One of each for all tests; the vault's authority is known to the studio alone, as an operator would make it known."""
    folder = tmp_path_factory.mktemp("vaults")
    with vault_in(folder) as vault:
        server = Server(folder / "home", options=["--allow-vault", vault.host], variables={"SSL_CERT_FILE": str(vault.certificate)})
        try:
            server.start()
            with opened(server) as studio:
                hub = studio.hub(unique("keyed"))
                project, other = studio.project(hub["id"], unique("triage")), studio.project(studio.workspace(studio.env["AZUREML_HUB"]))
                writer = studio.person("writer")
                studio.grant(writer.oid, "Storage Blob Data Owner", studio.group)
                yield Place(studio, vault, writer, hub, project, other)
            server.stop()
        finally:
            server.end()


@pytest.fixture(autouse=True)
def clients(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Unchanged clients find this studio, and every test finds a vault that is well."""
    take_environment(place.studio, monkeypatch)
    yield
    place.vault.status, place.vault.raw, place.vault.is_silent = 200, b"", False


def blob(place: Place, project: dict[str, Any], name: str) -> Any:
    """The unchanged client of one blob."""
    from azure.storage.blob import BlobServiceClient

    address = f"https://{account_of(project)}.blob.core.localhost:{place.studio.server.port}"
    service = BlobServiceClient(address, place.writer.credential, retry_total=0)
    return service.get_blob_client(f"{project['properties']['workspaceId']}-blobstore", name)


def read(place: Place, project: dict[str, Any], name: str = "a") -> tuple[int, Any]:
    """What the client gets: 200 and the bytes, or the refusal's status and code."""
    from azure.core.exceptions import HttpResponseError

    try:
        return 200, blob(place, project, name).download_blob().readall()
    except HttpResponseError as refused:
        return refused.status_code or 0, refused.error_code  # type: ignore[attr-defined]


def keys(place: Place, project: dict[str, Any]) -> Any:
    """The project's model keys, which the studio keeps sealed."""
    scope = project["id"].rpartition("/providers/")[0]
    return place.studio.arm("POST", f"{scope}/providers/Microsoft.CognitiveServices/accounts/{project['name']}/listKeys", {})


def until(what: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    """Ask again until the answer is as wanted; the answer."""
    deadline = time.monotonic() + SERVED_IN_SECONDS
    while not wanted(found := what()):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)  # noqa: TID251 - between two looks
    return found


def test_a_vaults_key_is_switched_on_withdrawn_and_given_back(place: Place, tmp_path: Path) -> None:
    from azure.ai.ml.entities import CustomerManagedKey, Data

    studio, vault, project = place.studio, place.vault, place.project
    blob(place, project, "before").upload_blob(b"before")
    blob(place, place.other, "a").upload_blob(b"neighbour")
    kept = studio.ml().workspaces.get(place.hub["name"])
    kept.customer_managed_key = CustomerManagedKey(key_vault=f"{studio.group}/providers/Microsoft.KeyVault/vaults/v", key_uri=vault.uri)
    studio.ml().workspaces.begin_update(kept).result()
    assert studio.arm("POST", f"{place.hub['id']}/showKey", {}).json()["customerKey"] == vault.uri
    assert vault.asked
    blob(place, project, "a").upload_blob(b"canary")
    (tmp_path / "rows.csv").write_text("canary")
    ml = studio.ml(project["name"])
    data = ml.data.create_or_update(Data(name="rows", version="1", type="uri_file", path=str(tmp_path / "rows.csv")))
    assert data.path.endswith("/rows.csv")
    before = keys(place, project).json()
    assert (read(place, project), read(place, project, "before")) == ((200, b"canary"), (200, b"before"))

    vault.status = 403  # the studio's access is withdrawn
    until(lambda: read(place, project), lambda found: found == (403, "CustomerKeyRevoked"))
    assert (keys(place, project).status, keys(place, project).code) == (403, "CustomerKeyRevoked")
    refused = studio.blob("PUT", account_of(project), f"/{project['properties']['workspaceId']}-blobstore/b", b"x", by=place.writer)
    assert (refused.status, refused.blob_code) == (403, "CustomerKeyRevoked")
    assert read(place, place.other) == (200, b"neighbour")
    vault.status = 200
    until(lambda: read(place, project), lambda found: found == (200, b"canary"))
    assert keys(place, project).json() == before


def test_a_vault_that_is_unwell_is_told_from_one_that_refuses(place: Place) -> None:
    vault, project = place.vault, place.project
    assert read(place, project) == (200, b"canary")

    def why() -> str:
        found = keys(place, project)
        return found.json()["error"]["message"] if found.status == 503 and found.code == "CustomerKeyUnreachable" else ""

    vault.raw = b"<html>busy</html>"
    until(why, lambda said: "it answers no key" in said)
    vault.raw = b'{"kid": "' + b"x" * 5_000_000 + b'"}'
    until(why, lambda said: "its answer is longer than" in said)
    vault.raw, vault.is_silent = b"", True
    until(why, lambda said: "TimeoutError" in said)
    assert read(place, project) == (503, "CustomerKeyUnreachable")
    assert read(place, place.other) == (200, b"neighbour")
    vault.is_silent = False
    until(lambda: read(place, project), lambda found: found == (200, b"canary"))


def test_a_studio_starts_without_the_vault_and_serves_what_is_not_the_customers(place: Place) -> None:
    place.vault.stop()
    place.studio.server.restart()
    assert read(place, place.other) == (200, b"neighbour")
    assert read(place, place.project) == (503, "CustomerKeyUnreachable")
    place.vault.start()
    until(lambda: read(place, place.project), lambda found: found == (200, b"canary"))

"""Datastores: three with every project, kept by the studio; references without secrets besides."""

import pytest

from studiolo.kernel.faults import Conflict, Invalid, NotOffered
from studiolo.kernel.resource import JsonObject
from tests.rooms.assets.bench import WORKSPACE_ID, Bench
from tests.support.kernel import OWNER

pytestmark = pytest.mark.anyio

REFERENCE: JsonObject = {
    "datastoreType": "AzureBlob",
    "accountName": "elsewhere",
    "containerName": "raw",
    "credentials": {"credentialsType": "None"},
}


async def test_a_project_has_three_and_one_is_the_default(bench: Bench) -> None:
    assert await bench.names("datastores") == ["workspaceartifactstore", "workspaceblobstore", "workspacefilestore"]
    assert await bench.names("datastores", {"isDefault": "true"}) == ["workspaceblobstore"]
    store = await bench.get("datastores/workspaceblobstore")
    assert (store["accountName"], store["containerName"]) == ("claimsdev", f"{WORKSPACE_ID}-blobstore")
    assert (store["endpoint"], store["protocol"], store["isDefault"]) == ("core.localhost:8443", "https", True)
    assert (store["resourceGroup"], store["subscriptionId"]) == ("rg1", "s1")


async def test_a_signature_is_for_the_datastores_own_container_and_ends(bench: Bench) -> None:
    asked = {"expirableSecret": True, "expireAfterHours": 2}
    answer = await bench.act("datastores/workspaceartifactstore", "listSecrets", asked)
    signed = f"account=claimsdev&container={WORKSPACE_ID}-azureml&sp=racwl&seconds=7200&to={OWNER.oid}&by=listSecrets"
    assert answer == {"secretsType": "Sas", "sasToken": signed}
    assert "seconds=3600" in (await bench.act("datastores/workspaceblobstore", "listsecrets"))["sasToken"]


@pytest.mark.parametrize("hours", [0, 25, -1, "1", True, 1.5])
async def test_a_signature_without_a_sensible_end_is_refused(bench: Bench, hours: object) -> None:
    with pytest.raises(Invalid):
        await bench.act("datastores/workspaceblobstore", "listSecrets", {"expireAfterHours": hours})


@pytest.mark.parametrize("name", ["workspaceblobstore", "WorkspaceArtifactStore"])
async def test_the_projects_own_are_neither_changed_nor_removed(bench: Bench, name: str) -> None:
    before = await bench.get(f"datastores/{name}")
    with pytest.raises(Conflict):
        await bench.put(f"datastores/{name}", {**before, "containerName": "other-blobstore"})
    with pytest.raises(Conflict) as caught:
        await bench.delete(f"datastores/{name}")
    assert caught.value.code == "DefaultDatastore"
    assert await bench.get(f"datastores/{name}") == before


async def test_a_reference_comes_and_goes_and_has_no_secret(bench: Bench) -> None:
    made = await bench.put("datastores/raw", {**REFERENCE, "isDefault": True, "description": "raw files"})
    assert (made["isDefault"], made["credentials"], made["protocol"]) == (False, {"credentialsType": "None"}, "https")
    assert "endpoint" not in await bench.get("datastores/raw")
    assert await bench.names("datastores", {"names": "raw,other"}) == ["raw"]
    assert await bench.names("datastores", {"searchText": "RA"}) == ["raw"]
    with pytest.raises(Invalid):
        await bench.act("datastores/raw", "listSecrets")
    assert await bench.delete("datastores/raw")


@pytest.mark.parametrize(
    "credentials",
    [
        {"credentialsType": "AccountKey", "secrets": {"secretsType": "AccountKey", "key": "s3cret"}},
        {"credentialsType": "Sas", "secrets": {"secretsType": "Sas", "sasToken": "s3cret"}},
        {"credentialsType": "None", "secrets": {"key": "s3cret"}},
    ],
)
async def test_a_secret_is_refused_and_not_repeated(bench: Bench, credentials: JsonObject) -> None:
    with pytest.raises(NotOffered) as caught:
        await bench.put("datastores/raw", {**REFERENCE, "credentials": credentials})
    assert "s3cret" not in caught.value.message
    assert not await bench.is_there("datastores/raw")


@pytest.mark.parametrize(
    ("properties", "target"),
    [
        ({}, "properties.datastoreType"),
        ({"datastoreType": "Hdfs"}, "properties.datastoreType"),
        ({"datastoreType": "AzureBlob", "accountName": "a"}, "properties.containerName"),
        ({"datastoreType": "AzureFile", "accountName": "a"}, "properties.fileShareName"),
        ({"datastoreType": "AzureBlob", "accountName": 1, "containerName": "c"}, "properties.accountName"),
    ],
)
async def test_a_malformed_reference_names_what_is_wrong(bench: Bench, properties: JsonObject, target: str) -> None:
    with pytest.raises(Invalid) as caught:
        await bench.put("datastores/raw", properties)
    assert caught.value.target == target

"""Code: a place to upload to, one form of URI, found again by its content."""

import pytest

from studiolo.kernel.faults import Conflict, Invalid, NotFound
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import JsonObject
from tests.rooms.assets.bench import ACCOUNT_ID, WORKSPACE_ID, Bench
from tests.support.kernel import GROUP, OWNER

pytestmark = pytest.mark.anyio

UPLOADED = f"https://claimsdev.blob.core.localhost:8443/{WORKSPACE_ID}-blobstore/codes/0c9e/src"
KEPT = f"https://claimsdev.blob.core.windows.net/{WORKSPACE_ID}-blobstore/codes/0c9e/src"
HASHED: JsonObject = {"hash_sha256": "c0ffee", "hash_version": 202208}
CODE: JsonObject = {"codeUri": UPLOADED, "isAnonymous": True, "properties": HASHED}


async def test_an_upload_begins_before_the_version_is_there(bench: Bench) -> None:
    answer = await bench.act("codes/c/versions/1", "startPendingUpload", {"pendingUploadType": "TemporaryBlobReference"})
    reference = answer["blobReferenceForConsumption"]
    assert (
        reference["blobUri"] == f"https://claimsdev.blob.core.localhost:8443/{WORKSPACE_ID}-blobstore%2Fcodes%2F{answer['pendingUploadId']}"
    )
    assert reference["credential"]["credentialType"] == "SAS"
    uri, _, signature = reference["credential"]["sasUri"].partition("?")
    assert uri == reference["blobUri"]
    assert signature == f"account=claimsdev&container={WORKSPACE_ID}-blobstore&sp=rcw&seconds=3600&to={OWNER.oid}&by=startPendingUpload"
    assert reference["storageAccountArmId"] == ACCOUNT_ID
    assert not await bench.is_there("codes/c")


async def test_two_uploads_never_share_a_folder_unless_they_are_one(bench: Bench) -> None:
    first = await bench.act("codes/c/versions/1", "startPendingUpload")
    second = await bench.act("codes/c/versions/1", "startPendingUpload")
    again = await bench.act("codes/c/versions/1", "startPendingUpload", {"pendingUploadId": first["pendingUploadId"]})
    places = [answer["blobReferenceForConsumption"]["blobUri"] for answer in (first, second, again)]
    assert places[0] == places[2] != places[1]


@pytest.mark.parametrize("body", [{"pendingUploadType": "Other"}, {"pendingUploadId": "../../other"}, {"pendingUploadId": 1}])
async def test_an_odd_upload_is_refused(bench: Bench, body: JsonObject) -> None:
    with pytest.raises(Invalid):
        await bench.act("codes/c/versions/1", "startPendingUpload", body)


async def test_nothing_is_uploaded_to_a_version_that_exists(bench: Bench) -> None:
    await bench.put("codes/c/versions/1", CODE)
    with pytest.raises(Conflict) as caught:
        await bench.act("codes/c/versions/1", "startPendingUpload")
    assert caught.value.code == "ImmutableVersion"


async def test_nothing_is_uploaded_where_no_project_is(bench: Bench) -> None:
    nowhere = parse(f"{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/other/codes/c/versions/1")
    with pytest.raises(NotFound) as caught:
        await bench.kernel.control.act(OWNER, nowhere, "startPendingUpload", {}, {})
    assert caught.value.code == "ParentResourceNotFound"


async def test_the_uri_of_code_has_the_host_that_clients_take_apart(bench: Bench) -> None:
    assert (await bench.put("codes/c/versions/1", CODE))["codeUri"] == KEPT
    assert (await bench.put("codes/c/versions/1", {**CODE, "codeUri": KEPT}))["codeUri"] == KEPT
    encoded = f"https://claimsdev.blob.core.localhost:8443/{WORKSPACE_ID}-blobstore%2Fcodes%2F0c9e/src"
    assert (await bench.put("codes/e/versions/1", {"codeUri": encoded}))["codeUri"] == KEPT
    assert (await bench.put("codes/d/versions/1", {"codeUri": "https://example.com/src"}))["codeUri"] == "https://example.com/src"


async def test_code_is_found_by_its_content_whatever_its_name(bench: Bench) -> None:
    await bench.put("codes/c/versions/1", CODE)
    await bench.put("codes/d/versions/1", {"codeUri": f"{UPLOADED}2", "properties": {"hash_sha256": "other", "hash_version": "202208"}})
    found = await bench.list("codes/unknown/versions", {"hash": "c0ffee", "hashVersion": "202208"})
    assert [body["id"].rsplit("/", 3)[1:] for body in found] == [["c", "versions", "1"]]
    assert await bench.list("codes/unknown/versions", {"hash": "c0ffee", "hashVersion": "1"}) == []
    assert await bench.list("codes/unknown/versions", {"hash": "absent", "hashVersion": "202208"}) == []


async def test_neither_the_uri_nor_the_hash_of_code_changes(bench: Bench) -> None:
    made = await bench.put("codes/c/versions/1", CODE)
    for changed in ({**CODE, "codeUri": f"{UPLOADED}2"}, {**CODE, "properties": {"hash_sha256": "other"}}):
        with pytest.raises(Conflict):
            await bench.put("codes/c/versions/1", changed)
    assert await bench.put("codes/c/versions/1", {"codeUri": UPLOADED}) == made
    assert await bench.put("codes/c/versions/1", {"codeUri": UPLOADED, "properties": {}}) == made

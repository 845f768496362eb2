"""Signatures that a project's identity makes for its members: worth nothing once the member may not have one any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.parity.studio import Person, Studio, account_of, unique

DATASTORE = "datastores/workspaceblobstore"
ID = "x-studiolo-decision-id"


@pytest.fixture(scope="module")
def project(studio: Studio) -> dict[str, Any]:
    return studio.project(studio.hub()["id"], unique("signed"))


def signature(studio: Studio, project: dict[str, Any], by: Person) -> str:
    told = studio.arm("POST", f"{project['id']}/{DATASTORE}/listSecrets", {"expirableSecret": True, "expireAfterHours": 24}, by=by)
    assert told.status == 200, told.body
    return told.json()["sasToken"]


def upload(studio: Studio, project: dict[str, Any], by: Person) -> str:
    asked = {"pendingUploadType": "TemporaryBlobReference"}
    told = studio.arm("POST", f"{project['id']}/data/{unique('data')}/versions/1/startPendingUpload", asked, by=by)
    assert told.status == 200, told.body
    return told.json()["blobReferenceForConsumption"]["credential"]["sasUri"].partition("?")[2]


@pytest.mark.parametrize("given_by", [signature, upload])
def test_a_signature_ends_with_the_right_to_get_one_and_is_not_revived(
    studio: Studio, project: dict[str, Any], given_by: Callable[[Studio, dict[str, Any], Person], str]
) -> None:
    member = studio.person("member")
    role = studio.grant(member.oid, "Azure AI Developer", project["id"])
    given = given_by(studio, project, member)
    account, box = account_of(project), f"{project['properties']['workspaceId']}-blobstore"
    assert f"saoid={member.oid}" in given

    def put() -> int:
        return studio.blob("PUT", account, f"/{box}/{unique('file')}?{given}", b"x").status

    assert put() == 201
    assert studio.arm("DELETE", role).status in (200, 204)
    refused = studio.blob("PUT", account, f"/{box}/after?{given}", b"x")
    assert (refused.status, refused.blob_code) == (403, "AuthenticationFailed")
    assert refused.headers[ID]
    studio.grant(member.oid, "Azure AI Developer", project["id"])
    assert put() == 201
    entry = f"/servicePrincipals/{member.oid}"
    kept = studio.directory("GET", entry).json()["properties"]
    named = {"displayName": kept["displayName"], "appId": member.client_id}
    for is_enabled, expected in ((False, 403), (True, 201)):
        assert studio.directory("PUT", entry, {"properties": {**named, "accountEnabled": is_enabled}}).status == 200
        assert put() == expected
    assert studio.directory("DELETE", entry).status in (200, 204)
    assert put() == 403
    assert studio.directory("PUT", entry, {"properties": named}).status == 201
    studio.grant(member.oid, "Azure AI Developer", project["id"])
    assert put() == 403, "another one of the same id"
    old = studio.arm("GET", project["id"], by=member)
    assert (old.status, old.code) == (401, "InvalidAuthenticationToken"), "a token of the earlier one, however quick the change"
    studio.forget_token(member)
    given = given_by(studio, project, member)
    assert put() == 201

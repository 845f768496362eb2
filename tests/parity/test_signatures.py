"""Signatures that a project's identity makes for its members, and those of people: they end with whom they are of or for."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.storage.blob import ContainerSasPermissions, UserDelegationKey, generate_container_sas

from tests.parity.studio import Person, Studio, account_of, unique

DATASTORE = "datastores/workspaceblobstore"
ID = "x-studiolo-decision-id"
KEY_FIELDS = {
    "SignedOid": "signed_oid",
    "SignedTid": "signed_tid",
    "SignedStart": "signed_start",
    "SignedExpiry": "signed_expiry",
    "SignedService": "signed_service",
    "SignedVersion": "signed_version",
    "Value": "value",
}


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


def key_of(studio: Studio, account: str, by: Person) -> UserDelegationKey:
    """A user delegation key, as the vendor's client takes it."""
    now = datetime.now(UTC)
    starts, ends = (f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (now - timedelta(minutes=1), now + timedelta(hours=1)))
    asked = f"<?xml version='1.0' encoding='utf-8'?><KeyInfo><Start>{starts}</Start><Expiry>{ends}</Expiry></KeyInfo>"
    told = studio.blob("POST", account, "/?restype=service&comp=userdelegationkey", asked.encode(), by=by)
    assert told.status == 200, told.body
    found = UserDelegationKey()
    for name, field in KEY_FIELDS.items():
        value = re.search(f"<{name}>(.*?)</{name}>", told.body.decode())
        assert value is not None
        setattr(found, field, value[1])
    return found


def test_a_delegation_key_is_not_that_of_a_later_principal_of_the_same_id(studio: Studio, project: dict[str, Any]) -> None:
    person, account = studio.person("maker"), account_of(project)
    box, place = f"{project['properties']['workspaceId']}-blobstore", project["properties"]["storageAccount"]
    studio.grant(person.oid, "Storage Blob Data Contributor", place)
    blob = unique("file")
    assert studio.blob("PUT", account, f"/{box}/{blob}", b"x", by=person).status == 201
    permission = ContainerSasPermissions(read=True)

    def signed(key: UserDelegationKey, minutes: int = 30) -> str:
        expiry = datetime.now(UTC) + timedelta(minutes=minutes)
        return generate_container_sas(account, box, user_delegation_key=key, permission=permission, expiry=expiry)

    def get(signature: str) -> tuple[int, str]:
        told = studio.blob("GET", account, f"/{box}/{blob}?{signature}")
        return told.status, "" if told.status == 200 else told.blob_code

    kept = key_of(studio, account, person)
    seen = signed(kept)
    assert get(seen) == (200, "")
    entry = f"/servicePrincipals/{person.oid}"
    named = {"displayName": unique("maker"), "appId": person.client_id}
    assert studio.directory("DELETE", entry).status in (200, 204)
    assert get(seen) == (403, "AuthenticationFailed")
    assert studio.directory("PUT", entry, {"properties": named}).status == 201
    studio.grant(person.oid, "Storage Blob Data Reader", place)
    studio.grant(person.oid, "Storage Blob Delegator", place)
    assert get(seen) == (403, "AuthenticationFailed"), "one that was used before"
    assert get(signed(kept, minutes=31)) == (403, "AuthenticationFailed"), "one that is signed with the earlier key only now"
    studio.forget_token(person)
    assert get(signed(key_of(studio, account, person))) == (200, "")

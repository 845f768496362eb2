"""Storage accounts and containers as resources, and their agreement with the data plane."""

from typing import Any
from uuid import uuid4

import msgspec
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from studiolo.kernel.faults import Conflict, Fault, Forbidden, Invalid, NotFound, NotOffered
from studiolo.kernel.ids import Collection, parse, split
from studiolo.kernel.resource import Caller
from tests.rooms.blobs.studio import ACCOUNT, MEMBER, OWNER, PROJECT, READER, TENANT, Studio, account_id
from tests.rooms.blobs.wire import code_of
from tests.support.kernel import GROUP

WHO = Caller(oid=OWNER, tenant=TENANT, name="owner", kind="User")
BODY = {"location": "local", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}


def fresh() -> str:
    return f"sa{uuid4().hex[:12]}"


def put(studio: Studio, path: str, body: dict[str, Any], who: Caller = WHO, **options: Any) -> dict[str, Any]:
    return msgspec.json.decode(studio.run(studio.control.put(who, parse(path), body, **options)).doc)


def get(studio: Studio, path: str, who: Caller = WHO) -> dict[str, Any]:
    return msgspec.json.decode(studio.run(studio.control.get(who, parse(path))))


def names(studio: Studio, path: str) -> list[str]:
    found = split(path)
    assert isinstance(found, Collection)
    return [msgspec.json.decode(doc)["name"] for doc in studio.run(studio.control.list(WHO, found, {})).docs]


def container_path(account: str, name: str) -> str:
    return f"{account_id(account)}/blobServices/default/containers/{name}"


def test_an_account_is_made_with_its_endpoint_and_keys_off(studio: Studio) -> None:
    name = fresh()
    made = put(studio, str(account_id(name)), {**BODY, "tags": {"a": "b"}})
    assert made["properties"]["provisioningState"] == "Succeeded"
    assert made["properties"]["primaryEndpoints"] == {"blob": f"{studio.url(name)}/"}
    assert made["properties"]["allowSharedKeyAccess"] is False
    assert (made["kind"], made["sku"]["name"], made["tags"]) == ("StorageV2", "Standard_LRS", {"a": "b"})
    assert get(studio, f"{account_id(name)}/blobServices/default")["type"] == "Microsoft.Storage/storageAccounts/blobServices"
    studio.service(account=name).create_container("box")
    studio.run(studio.control.delete(WHO, account_id(name)))
    with pytest.raises(HttpResponseError) as refused:
        studio.container("box", account=name).upload_blob("a", b"x")
    assert refused.value.status_code == 403
    with pytest.raises(NotFound):
        get(studio, str(account_id(name)))


def test_a_name_is_taken_once_in_the_whole_service(studio: Studio) -> None:
    studio.run(studio.control.put(WHO, parse(f"{GROUP}"), {"location": "local"}))
    put(studio, "/subscriptions/s1/resourceGroups/rg2", {"location": "local"}, who=Caller(oid="", is_platform=True))
    elsewhere = f"/subscriptions/s1/resourceGroups/rg2/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}"
    with pytest.raises(Conflict) as refused:
        put(studio, elsewhere, BODY, who=Caller(oid="", is_platform=True))
    assert refused.value.code == "StorageAccountAlreadyTaken"
    with pytest.raises(NotFound):
        get(studio, elsewhere, who=Caller(oid="", is_platform=True))
    assert studio.service().get_account_information()["account_kind"] == "StorageV2"


def test_keys_are_listed_renewed_and_switched(studio: Studio) -> None:
    name = fresh()
    path = str(account_id(name))
    put(studio, path, BODY)

    def act(action: str, body: dict[str, Any] | None = None, who: Caller = WHO) -> Any:
        return studio.run(studio.control.act(who, account_id(name), action, body or {}, {}))

    keys = act("listKeys")["keys"]
    assert [key["keyName"] for key in keys] == ["key1", "key2"]
    shared = {"account_name": name, "account_key": keys[0]["value"]}
    with pytest.raises(HttpResponseError):
        list(studio.service(shared, name).list_containers())
    put(studio, path, {"properties": {"allowSharedKeyAccess": True}}, is_patch=True)
    assert list(studio.service(shared, name).list_containers()) == []
    renewed = act("regenerateKey", {"keyName": "key1"})["keys"]
    assert renewed[0]["value"] != keys[0]["value"]
    assert renewed[1] == keys[1]
    with pytest.raises(HttpResponseError):
        list(studio.service(shared, name).list_containers())
    put(studio, path, {"properties": {"allowSharedKeyAccess": False}}, is_patch=True)
    with pytest.raises(HttpResponseError) as refused:
        list(studio.service({**shared, "account_key": renewed[0]["value"]}, name).list_containers())
    assert code_of(refused.value) == "KeyBasedAuthenticationNotPermitted"
    for body in ({}, {"keyName": 1}, {"keyName": "key3"}):
        with pytest.raises(Invalid):
            act("regenerateKey", body)
    with pytest.raises(Forbidden):
        act("listKeys", who=Caller(oid=READER, tenant=TENANT))
    assert act("revokeUserDelegationKeys") is None


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"location": None}, Invalid),
        ({"kind": "FileStorage"}, Invalid),
        ({"sku": {"name": "Gold"}}, Invalid),
        ({"properties": {"isHnsEnabled": True}}, NotOffered),
        ({"properties": {"allowBlobPublicAccess": True}}, NotOffered),
        ({"properties": {"publicNetworkAccess": "Disabled"}}, NotOffered),
        ({"properties": {"networkAcls": {"defaultAction": "Deny"}}}, NotOffered),
        ({"properties": {"networkAcls": {"ipRules": [{"value": "1.2.3.4"}]}}}, NotOffered),
        ({"properties": {"encryption": {"keySource": "Microsoft.Keyvault"}}}, NotOffered),
        ({"properties": {"allowSharedKeyAccess": "yes"}}, Invalid),
    ],
)
def test_an_account_that_cannot_be_is_refused(studio: Studio, change: dict[str, Any], kind: type[Fault]) -> None:
    name = fresh()
    with pytest.raises(kind):
        put(studio, str(account_id(name)), {**BODY, **change})
    with pytest.raises(NotFound):
        get(studio, str(account_id(name)))


@pytest.mark.parametrize("name", ["ab", "a" * 25, "Upper", "with-hyphen", "under_score"])
def test_an_account_name_that_cannot_be_is_refused(studio: Studio, name: str) -> None:
    with pytest.raises(Invalid):
        put(studio, str(account_id(name)), BODY)


def test_the_settings_that_the_vendors_template_sends_are_taken(studio: Studio) -> None:
    sent = {
        "encryption": {"services": {"blob": {"enabled": True}, "file": {"enabled": True}}, "keySource": "Microsoft.Storage"},
        "supportsHttpsTrafficOnly": True,
        "allowBlobPublicAccess": False,
        "networkAcls": None,
        "publicNetworkAccess": "Enabled",
        "isHnsEnabled": False,
        "minimumTlsVersion": "TLS1_2",
    }
    made = put(studio, str(account_id(fresh())), {**BODY, "properties": sent})
    assert made["properties"]["encryption"] == sent["encryption"]


def test_containers_of_the_one_plane_are_containers_of_the_other(studio: Studio) -> None:
    account = fresh()
    put(studio, str(account_id(account)), BODY)
    by_resource, by_data = container_path(account, "by-resource"), container_path(account, "by-data")
    made = put(studio, by_resource, {"properties": {"metadata": {"m": "1"}}})
    assert made["properties"]["metadata"] == {"m": "1"}
    assert made["properties"]["leaseState"] == "Available"
    box = studio.container("by-resource", account=account)
    assert box.get_container_properties().metadata == {"m": "1"}
    box.upload_blob("a", b"x")
    studio.container("by-data", account=account).create_container(metadata={"n": "2"})
    shown = get(studio, by_data)
    assert shown["properties"]["metadata"] == {"n": "2"}
    assert shown["type"] == "Microsoft.Storage/storageAccounts/blobServices/containers"
    assert names(studio, by_data.rpartition("/")[0]) == ["by-data", "by-resource"]
    assert get(studio, f"{account_id(account)}/blobServices/default")["name"] == "default"
    put(studio, by_resource, {"properties": {}})
    assert box.download_blob("a").readall() == b"x"
    studio.run(studio.control.delete(WHO, parse(by_resource)))
    with pytest.raises(ResourceNotFoundError):
        box.get_container_properties()
    studio.container("by-data", account=account).delete_container()
    with pytest.raises(NotFound):
        get(studio, by_data)
    assert names(studio, by_data.rpartition("/")[0]) == []


def test_a_project_makes_its_own_containers_as_resources_only(studio: Studio) -> None:
    member = Caller(oid=MEMBER, tenant=TENANT)
    put(studio, container_path(ACCOUNT, f"{PROJECT}-{uuid4().hex[:6]}"), {}, who=member)
    with pytest.raises(Forbidden):
        put(studio, container_path(ACCOUNT, "somebody-elses"), {}, who=member)


@pytest.mark.parametrize("change", [{"publicAccess": "Blob"}])
def test_a_public_container_is_not_offered(studio: Studio, change: dict[str, Any]) -> None:
    with pytest.raises(NotOffered):
        put(studio, container_path(ACCOUNT, "public"), {"properties": change})
    for name in ("Upper", "two--hyphens", "ab", "a" * 64):
        with pytest.raises(Invalid):
            put(studio, container_path(ACCOUNT, name), {})


def test_dropping_a_project_removes_its_containers_and_its_key(studio: Studio) -> None:
    account, project, neighbour = fresh(), str(uuid4()), str(uuid4())
    put(studio, str(account_id(account)), BODY)
    storage, id_ = studio.room.storage, account_id(account)
    for prefix in (project, neighbour):
        for kind in ("azureml", "blobstore"):
            studio.run(storage.ensure(id_, f"{prefix}-{kind}"))
            studio.run(storage.ensure(id_, f"{prefix}-{kind}"))
            studio.container(f"{prefix}-{kind}", account=account).upload_blob("a", prefix.encode())
    studio.run(storage.drop_all(id_, f"{project}-"))
    studio.run(storage.drop_all(id_, f"{project}-"))
    assert [found.name for found in studio.service(account=account).list_containers()] == [f"{neighbour}-azureml", f"{neighbour}-blobstore"]
    assert names(studio, container_path(account, "x").rpartition("/")[0]) == [f"{neighbour}-azureml", f"{neighbour}-blobstore"]
    assert studio.run(storage.read_all(id_, f"{neighbour}-azureml", "a")) == neighbour.encode()
    studio.run(storage.ensure(id_, f"{project}-azureml"))
    studio.run(storage.write_all(id_, f"{project}-azureml", "dir/b", b"new", "text/plain"))

    async def listed() -> list[tuple[str, int]]:
        return [found async for found in storage.names(id_, f"{project}-azureml", "dir/")]

    assert studio.run(listed()) == [("dir/b", 3)]

"""Who makes projects in a hub: whoever may join it, with the unchanged client, and nobody beyond that."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.parity.studio import API, ASSIGNMENTS, Person, Studio, unique

WORKSPACES = "Microsoft.MachineLearningServices/workspaces"
DEPLOYMENTS = "Microsoft.Resources/deployments/*"
HOME = "providers/Microsoft.MachineLearningServices/workspaces"


@pytest.fixture(scope="module")
def hub(studio: Studio) -> dict[str, Any]:
    return studio.hub(unique("shared"))


def developer_of(studio: Studio, hub: str) -> Person:
    """Who the original calls enough: developer on the hub, and whoever deploys in the group."""
    person = studio.person("developer")
    studio.grant(person.oid, "Azure AI Developer", hub)
    studio.grant(person.oid, "Azure AI Inference Deployment Operator", studio.group)
    return person


def asked_of(hub: dict[str, Any]) -> dict[str, Any]:
    return {"location": "local", "kind": "Project", "properties": {"hubResourceId": hub["id"]}}


def test_a_developer_on_the_hub_makes_a_project_and_works_in_it(signed_in: Studio, hub: dict[str, Any], tmp_path: Path) -> None:
    from azure.ai.ml.entities import Data, Project

    person, name = developer_of(signed_in, hub["id"]), unique("own")
    made = signed_in.ml(by=person).workspaces.begin_create(Project(name=name, location="local", hub_id=hub["id"])).result()
    assert (made.name, made.hub_id) == (name, hub["id"])
    ml = signed_in.ml(name, by=person)
    (tmp_path / "numbers.csv").write_text("1,2\n")
    ml.data.create_or_update(Data(name="numbers", version="1", type="uri_file", path=str(tmp_path / "numbers.csv")))
    assert ml.data.get("numbers", "1").path.startswith("azureml://")
    guest = signed_in.person()
    invited = signed_in.arm(
        "PUT",
        f"{made.id}{ASSIGNMENTS}/{uuid.uuid4()}",
        {"properties": {"roleDefinitionId": signed_in.role("Reader"), "principalId": guest.oid, "principalType": "ServicePrincipal"}},
        by=person,
    )
    assert invited.status == 201
    assert signed_in.arm("GET", made.id, by=guest).status == 200
    signed_in.ml(by=person).workspaces.begin_delete(name, delete_dependent_resources=False).result()
    assert signed_in.arm("GET", made.id).status == 404


def test_a_developer_on_the_hub_makes_no_hub_and_no_project_elsewhere(signed_in: Studio, hub: dict[str, Any]) -> None:
    from azure.ai.ml.entities import Hub, Project
    from azure.core.exceptions import HttpResponseError

    person, other = developer_of(signed_in, hub["id"]), signed_in.hub()
    create = signed_in.ml(by=person).workspaces.begin_create
    kingdom, elsewhere = unique("kingdom"), unique("elsewhere")
    for name, wanted, missing in (
        (kingdom, Hub(name=kingdom, location="local"), "Microsoft.Storage/storageAccounts/write"),
        (elsewhere, Project(name=elsewhere, location="local", hub_id=other["id"]), f"{WORKSPACES}/read"),
    ):
        with pytest.raises(HttpResponseError) as refused:
            create(wanted).result()
        assert "AuthorizationFailed" in str(refused.value)
        assert missing in str(refused.value)
        assert signed_in.arm("GET", signed_in.workspace(name)).status == 404


def test_whoever_may_join_gains_nothing_over_what_is_there(studio: Studio, hub: dict[str, Any]) -> None:
    person, existing = developer_of(studio, hub["id"]), studio.project(hub["id"])
    for method, path, body in (
        ("PUT", existing["id"], asked_of(hub)),
        ("PATCH", existing["id"], {"tags": {"was": "here"}}),
        ("PATCH", studio.workspace(unique("none")), asked_of(hub)),
        ("GET", existing["id"], None),
        ("DELETE", existing["id"], None),
        ("PUT", studio.workspace(unique("plain")), {"location": "local", "properties": {}}),
        ("PUT", f"{existing['id']}/{HOME}/{unique('below')}", asked_of(hub)),
        ("PUT", f"{studio.subscription}/{HOME}/{unique('above')}", asked_of(hub)),
        ("PUT", studio.workspace(unique("sly")), {**asked_of(hub), "kind": "Hub"}),
        ("PUT", studio.workspace(unique("sly")), {"location": "local", "kind": "Project", "properties": {"hubResourceId": "x"}}),
        ("PUT", f"{studio.group}/providers/Microsoft.Storage/storageAccounts/{unique('st').replace('-', '')}", {"location": "local"}),
    ):
        refused = studio.arm(method, path, body, by=person)
        assert (refused.status, refused.code) == (403, "AuthorizationFailed"), (method, path)
    assert studio.arm("GET", existing["id"]).json()["etag"] == existing["etag"]
    assert not studio.may(person.oid, f"{WORKSPACES}/read", existing["id"])


@pytest.mark.parametrize("spelling", ["hubs/join", "hubs/join/action"])
def test_the_right_to_join_alone_makes_a_project_in_the_hubs_group_and_nowhere_else(
    studio: Studio, hub: dict[str, Any], spelling: str
) -> None:
    person, path = studio.person("joiner"), studio.workspace(unique("joined"))
    refused = studio.arm("PUT", path, asked_of(hub), by=person)
    assert (refused.status, refused.code) == (403, "AuthorizationFailed")
    assert f"{WORKSPACES}/hubs/join/action" in refused.json()["error"]["message"]
    join = studio.grant(person.oid, studio.custom_role(f"{WORKSPACES}/{spelling}"), hub["id"])
    assert studio.arm("PUT", path, asked_of(hub), by=person).status == 201
    assert studio.may(person.oid, "Microsoft.Authorization/roleAssignments/write", path)

    other = f"{studio.subscription}/resourceGroups/{unique('other')}"
    assert studio.arm("PUT", other, {"location": "local"}).status == 201
    far = f"{other}/{HOME}/{unique('far')}"
    refused = studio.arm("PUT", far, asked_of(hub), by=person)
    assert (refused.status, refused.code) == (403, "AuthorizationFailed")
    studio.grant(person.oid, studio.custom_role(f"{WORKSPACES}/write", at=other), other)
    assert studio.arm("PUT", far, asked_of(hub), by=person).status == 201

    assert studio.arm("DELETE", join).status == 200
    assert studio.arm("PUT", studio.workspace(unique("late")), asked_of(hub), by=person).status == 403


def test_a_template_is_refused_whole_where_joining_is_not_enough(studio: Studio, hub: dict[str, Any]) -> None:
    person = developer_of(studio, hub["id"])
    account, project = unique("st").replace("-", ""), unique("mixed")
    resources: list[dict[str, Any]] = [
        {"type": WORKSPACES, "apiVersion": API, "name": project, **asked_of(hub)},
        {"type": "Microsoft.Storage/storageAccounts", "apiVersion": API, "name": account, "location": "local", "properties": {}},
    ]
    template = {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": resources,
    }
    path = f"{studio.group}/providers/Microsoft.Resources/deployments/{unique('mixed')}"
    refused = studio.arm("PUT", path, {"properties": {"mode": "Incremental", "template": template}}, by=person)
    assert (refused.status, refused.code) == (403, "AuthorizationFailed")
    elsewhere = {**template, "resources": [{**resources[0], **asked_of(studio.hub())}]}
    refused = studio.arm("PUT", path, {"properties": {"mode": "Incremental", "template": elsewhere}}, by=person)
    assert (refused.status, refused.code) == (403, "AuthorizationFailed")
    assert f"{WORKSPACES}/hubs/join/action" in refused.json()["error"]["message"]
    for each in (studio.workspace(project), path, f"{studio.group}/providers/Microsoft.Storage/storageAccounts/{account}"):
        assert studio.arm("GET", each).status == 404
    del resources[1]
    assert studio.arm("PUT", path, {"properties": {"mode": "Incremental", "template": template}}, by=person).status == 201
    assert studio.arm("GET", studio.workspace(project), by=person).status == 200


def test_whoever_was_made_owner_before_the_project_was_there_makes_it(studio: Studio, hub: dict[str, Any]) -> None:
    person, path = developer_of(studio, hub["id"]), studio.workspace(unique("promised"))
    studio.grant(person.oid, "Owner", path)
    assert studio.arm("PUT", path, asked_of(hub), by=person).status == 201
    assert studio.arm("GET", path, by=person).json()["properties"]["provisioningState"] == "Succeeded"

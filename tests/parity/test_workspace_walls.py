"""What may not become a workspace, and who may not make, see, change or remove one."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.parity.studio import API, ASSIGNMENTS, DIRECTORY, Studio, unique

STORES = ["workspaceartifactstore", "workspaceblobstore", "workspacefilestore"]
WORKSPACES = "Microsoft.MachineLearningServices/workspaces"
JOIN = f"{WORKSPACES}/hubs/join/action"


@pytest.fixture(scope="module")
def hub(studio: Studio) -> dict[str, Any]:
    """A hub that this module's tests read and fill with projects, and leave as it is."""
    return studio.hub(unique("shared"))


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────────


REFUSED = {
    "a project without a hub": ({"kind": "Project"}, 400, "HubResourceIdRequired"),
    "an unknown hub": ({"kind": "Project", "properties": {"hubResourceId": "WORKSPACES/nowhere"}}, 404, "HubNotFound"),
    "a project as hub": ({"kind": "Project", "properties": {"hubResourceId": "WORKSPACES/first-project"}}, 400, "InvalidHub"),
    "an account as hub": ({"kind": "Project", "properties": {"hubResourceId": "ACCOUNTS/x"}}, 400, "InvalidRequestContent"),
    "no id as hub": ({"kind": "Project", "properties": {"hubResourceId": "home"}}, 400, "InvalidResourceId"),
    "a hub below a hub": ({"properties": {"hubResourceId": "WORKSPACES/home"}}, 400, "InvalidRequestContent"),
    "another place than the hub's": (
        {"kind": "Project", "location": "westeurope", "properties": {"hubResourceId": "WORKSPACES/home"}},
        400,
        "InvalidResourceLocation",
    ),
    "no location": ({"location": None}, 400, "LocationRequired"),
    "an unknown kind": ({"kind": "Castle"}, 400, "InvalidWorkspaceKind"),
    "a kind that is not offered": ({"kind": "FeatureStore"}, 501, "NotOffered"),
    "storage that is not there": ({"properties": {"storageAccount": "ACCOUNTS/nowhere"}}, 404, "DependentResourceNotFound"),
    "a vault that is not there": ({"properties": {"keyVault": "VAULTS/nowhere"}}, 404, "DependentResourceNotFound"),
    "an identity of no kind": ({"identity": {"type": "Royal"}}, 400, "InvalidRequestContent"),
    "identities as a list": ({"identity": {"type": "UserAssigned", "userAssignedIdentities": ["x"]}}, 400, "InvalidRequestContent"),
    "an identity as a text": ({"identity": "SystemAssigned"}, 400, "InvalidRequestContent"),
    "no identity named": ({"identity": {"type": "UserAssigned"}}, 400, "InvalidRequestContent"),
    "an identity that is not there": (
        {"identity": {"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": {"IDENTITIES/nobody": {}}}},
        404,
        "DependentResourceNotFound",
    ),
    "tags as a list": ({"tags": ["x"]}, 400, "InvalidRequestContent"),
    "a number in a tag": ({"tags": {"x": 1}}, 400, "InvalidTags"),
    "properties as a list": ({"properties": []}, 400, "InvalidRequestContent"),
    "a network as a text": ({"properties": {"managedNetwork": "none"}}, 400, "InvalidRequestContent"),
    "a wall that would not hold": ({"properties": {"publicNetworkAccess": "Disabled"}}, 501, "NotOffered"),
    "a number as a name to show": ({"properties": {"friendlyName": 7}}, 400, "InvalidRequestContent"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_breaks_a_rule_is_refused_and_leaves_nothing(studio: Studio, case: str) -> None:
    asked, status, code = REFUSED[case]
    text = json.dumps({"location": "local", "kind": "Hub", "properties": {}, **asked})
    for word, type_name in (
        ("WORKSPACES", "Microsoft.MachineLearningServices/workspaces"),
        ("ACCOUNTS", "Microsoft.Storage/storageAccounts"),
        ("VAULTS", "Microsoft.KeyVault/vaults"),
        ("IDENTITIES", "Microsoft.ManagedIdentity/userAssignedIdentities"),
    ):
        text = text.replace(word, f"{studio.group}/providers/{type_name}")
    path, before = studio.workspace(unique("wrong")), studio.accounts()
    refused = studio.arm("PUT", path, text.encode())
    assert (refused.status, refused.code) == (status, code)
    assert studio.arm("GET", path).status == 404
    assert studio.accounts() == before


@pytest.mark.parametrize("name", ["x", "-dash", "under__" + "x" * 40, "a b", "é", "dot.dot", "semi;colon"])
def test_bad_names_are_refused(studio: Studio, name: str) -> None:
    refused = studio.arm("PUT", studio.workspace(name), {"location": "local", "kind": "Hub", "properties": {}})
    assert refused.status == 400
    assert refused.code in ("InvalidResourceName", "InvalidResourceId")


def test_hub_kind_and_place_of_a_workspace_are_fixed(studio: Studio, hub: dict[str, Any]) -> None:
    project, another = studio.project(hub["id"]), studio.hub()
    before = studio.arm("GET", project["id"]).json()
    whole = {"location": "local", "kind": "Project", "properties": {"hubResourceId": hub["id"]}}
    for change, code in (
        ({"kind": "Hub", "properties": {}}, "WorkspaceKindIsImmutable"),
        ({"properties": {"hubResourceId": another["id"]}}, "PropertyIsImmutable"),
        ({"location": "mars"}, "InvalidResourceLocation"),
    ):
        refused = studio.arm("PUT", project["id"], whole | change)
        assert (refused.status, refused.code) == (409, code)
    assert studio.arm("GET", project["id"]).json() == before


def test_the_client_is_told_why_its_template_failed(signed_in: Studio) -> None:
    from azure.ai.ml.entities import Project
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    name = unique("orphan")
    with pytest.raises(HttpResponseError) as refused:
        signed_in.ml().workspaces.begin_create(Project(name=name, location="local", hub_id=signed_in.workspace("nowhere"))).result()
    assert "HubNotFound" in str(refused.value)
    with pytest.raises(ResourceNotFoundError):
        signed_in.ml().workspaces.get(name)


# ── people who may not ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stranger_sees_no_workspace_and_makes_none(signed_in: Studio, hub: dict[str, Any]) -> None:
    from azure.ai.ml.entities import Hub
    from azure.core.exceptions import HttpResponseError

    stranger = signed_in.person("stranger")
    ml, name = signed_in.ml(by=stranger), unique("mine")
    for attempt in (
        lambda: ml.workspaces.get(hub["name"]),
        lambda: ml.workspaces.get(unique("absent")),
        lambda: list(ml.workspaces.list()),
        lambda: ml.workspaces.begin_create(Hub(name=name, location="local")).result(),
        lambda: ml.workspaces.begin_delete(hub["name"], delete_dependent_resources=False).result(),
    ):
        with pytest.raises(HttpResponseError) as refused:
            attempt()
        assert refused.value.status_code == 403
        assert "AuthorizationFailed" in str(refused.value)
    assert list(ml.workspaces.list(scope="subscription")) == []
    assert signed_in.arm("GET", signed_in.workspace(name)).status == 404
    assert signed_in.arm("GET", hub["id"]).status == 200


def test_a_role_on_one_project_shows_that_project_alone(signed_in: Studio, hub: dict[str, Any]) -> None:
    from azure.core.exceptions import HttpResponseError

    one, other = signed_in.project(hub["id"]), signed_in.project(hub["id"])
    guest = signed_in.person()
    signed_in.grant(guest.oid, "Reader", one["id"])
    ml = signed_in.ml(by=guest)
    assert [w.name for w in ml.workspaces.list()] == [one["name"]]
    assert [w.name for w in ml.workspaces.list(scope="subscription")] == [one["name"]]
    assert ml.workspaces.get(one["name"]).hub_id == hub["id"]
    assert sorted(store.name for store in signed_in.ml(one["name"], by=guest).datastores.list()) == STORES
    for name in (hub["name"], other["name"]):
        with pytest.raises(HttpResponseError) as refused:
            ml.workspaces.get(name)
        assert refused.value.status_code == 403
    with pytest.raises(HttpResponseError) as refused:
        list(signed_in.ml(other["name"], by=guest).datastores.list())
    assert refused.value.status_code == 403


def test_a_role_on_the_hub_does_not_flow_into_its_projects(signed_in: Studio) -> None:
    hub = signed_in.hub()
    project = signed_in.project(hub["id"])
    guest = signed_in.person()
    signed_in.grant(guest.oid, "Owner", hub["id"])
    assert signed_in.arm("GET", hub["id"], by=guest).status == 200
    refused = signed_in.arm("GET", project["id"], by=guest)
    assert (refused.status, refused.code) == (403, "AuthorizationFailed")


def test_a_reader_reads_and_changes_nothing(signed_in: Studio, hub: dict[str, Any]) -> None:
    from azure.core.exceptions import HttpResponseError

    project = signed_in.project(hub["id"])
    reader = signed_in.person("reader")
    signed_in.grant(reader.oid, "Reader", signed_in.group)
    ml = signed_in.ml(by=reader)
    asked = ml.workspaces.get(project["name"])
    asked.description = "changed"
    for attempt in (
        lambda: ml.workspaces.begin_update(asked).result(),
        lambda: ml.workspaces.begin_delete(project["name"], delete_dependent_resources=False).result(),
    ):
        with pytest.raises(HttpResponseError) as refused:
            attempt()
        assert refused.value.status_code == 403
    assert signed_in.arm("GET", project["id"]).json() == project | {"properties": signed_in.arm("GET", project["id"]).json()["properties"]}
    assert signed_in.arm("GET", project["id"]).json()["properties"].get("description") != "changed"


def test_a_developer_of_one_project_is_nobody_in_the_next_and_may_not_delete_his_own(signed_in: Studio, hub: dict[str, Any]) -> None:
    own, other = signed_in.project(hub["id"]), signed_in.project(hub["id"])
    developer = signed_in.person("developer")
    signed_in.grant(developer.oid, "Azure AI Developer", own["id"])
    assert signed_in.arm("GET", own["id"], by=developer).status == 200
    for method, path, body in (
        ("GET", other["id"], None),
        ("PATCH", other["id"], {"tags": {"was": "here"}}),
        ("GET", f"{other['id']}/datastores", None),
        ("POST", f"{other['id']}/datastores/workspaceblobstore/listSecrets", {}),
        ("DELETE", other["id"], None),
        ("DELETE", own["id"], None),
        ("PATCH", hub["id"], {"tags": {"was": "here"}}),
    ):
        refused = signed_in.arm(method, path, body, by=developer)
        assert (refused.status, refused.code) == (403, "AuthorizationFailed"), (method, path)
    assert signed_in.arm("GET", own["id"]).status == signed_in.arm("GET", other["id"]).status == 200


def test_whoever_may_join_a_hub_makes_a_project_and_owns_it(signed_in: Studio, hub: dict[str, Any]) -> None:
    from azure.ai.ml.entities import Hub, Project
    from azure.core.exceptions import HttpResponseError

    person = signed_in.person("joiner")
    writes = signed_in.custom_role(f"{WORKSPACES}/read", f"{WORKSPACES}/write", "Microsoft.Resources/deployments/*")
    signed_in.grant(person.oid, writes, signed_in.group)
    ml, name = signed_in.ml(by=person), unique("joined")
    asked = Project(name=name, location="local", hub_id=hub["id"])
    with pytest.raises(HttpResponseError) as refused:
        ml.workspaces.begin_create(asked).result()
    assert "AuthorizationFailed" in str(refused.value)
    assert JOIN in str(refused.value)
    assert signed_in.arm("GET", signed_in.workspace(name)).status == 404

    join = signed_in.grant(person.oid, signed_in.custom_role(JOIN), hub["id"])
    made = ml.workspaces.begin_create(asked).result()
    assert made.hub_id == hub["id"]
    given = signed_in.arm("GET", f"{made.id}{ASSIGNMENTS}", query={"$filter": f"principalId eq '{person.oid}'"}).json()["value"]
    assert any(each["properties"]["roleDefinitionId"].lower() == signed_in.role("Owner").lower() for each in given)
    guest = signed_in.person()
    invited = signed_in.arm(
        "PUT",
        f"{made.id}{ASSIGNMENTS}/{uuid.uuid4()}",
        {"properties": {"roleDefinitionId": signed_in.role("Reader"), "principalId": guest.oid, "principalType": "ServicePrincipal"}},
        by=person,
    )
    assert invited.status == 201

    with pytest.raises(HttpResponseError) as refused:
        ml.workspaces.begin_create(Hub(name=unique("kingdom"), location="local")).result()
    assert "AuthorizationFailed" in str(refused.value)
    assert signed_in.arm("DELETE", join).status == 200
    with pytest.raises(HttpResponseError):
        ml.workspaces.begin_create(Project(name=unique("late"), location="local", hub_id=hub["id"])).result()


def test_a_template_gives_nobody_more_than_they_have(signed_in: Studio, hub: dict[str, Any]) -> None:
    """A deployment writes on its caller's behalf: whoever may deploy may not thereby write what they may not."""
    person = signed_in.person("deployer")
    signed_in.grant(person.oid, signed_in.custom_role("Microsoft.Resources/deployments/*"), signed_in.group)
    name = unique("sneak")
    template = {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [
            {
                "type": WORKSPACES,
                "apiVersion": API,
                "name": name,
                "location": "local",
                "kind": "Project",
                "properties": {"hubResourceId": hub["id"]},
            }
        ],
    }
    path = f"{signed_in.group}/providers/Microsoft.Resources/deployments/{unique('deploy')}"
    reply = signed_in.arm("PUT", path, {"properties": {"mode": "Incremental", "template": template}}, by=person)
    if reply.status in (200, 201, 202):
        deployment = signed_in.arm("GET", path).json()
        assert deployment["properties"]["provisioningState"] == "Failed"
        assert "AuthorizationFailed" in str(deployment["properties"]["error"])
    else:
        assert (reply.status, reply.code) == (403, "AuthorizationFailed")
    assert signed_in.arm("GET", signed_in.workspace(name)).status == 404


def test_the_directory_is_closed_to_the_subscriptions_owner(studio: Studio) -> None:
    """Owner of a subscription is not owner of the tenant: the command line's application cannot make people."""
    refused = studio.arm("PUT", f"{DIRECTORY}/applications/{uuid.uuid4()}", {"properties": {"displayName": "x"}})
    assert (refused.status, refused.code) == (403, "AuthorizationFailed")


def test_whoever_makes_a_hub_owns_it(studio: Studio) -> None:
    person = studio.person("maker")
    studio.grant(person.oid, studio.custom_role(f"{WORKSPACES}/read", f"{WORKSPACES}/write", f"{WORKSPACES}/hubs/write"), studio.group)
    path = studio.workspace(unique("own"))
    made = studio.arm("PUT", path, {"location": "local", "kind": "Hub", "properties": {}}, by=person)
    assert made.status == 201
    assert studio.may(person.oid, "Microsoft.Authorization/roleAssignments/write", path)
    assert studio.may(person.oid, f"{WORKSPACES}/delete", path)
    assert not studio.may(person.oid, f"{WORKSPACES}/delete", studio.workspace("home"))
    assert not studio.may(person.oid, "Microsoft.Storage/storageAccounts/listkeys/action", made.json()["properties"]["storageAccount"])


@pytest.mark.parametrize("member", ["storageAccount", "keyVault"])
def test_a_hub_takes_no_storage_or_vault_that_its_maker_may_not_use(studio: Studio, member: str) -> None:
    """Else the platform would write containers, and grants, into an account of somebody else on its behalf."""
    person = studio.person("taker")
    own = f"{studio.subscription}/resourceGroups/{unique('own')}"
    assert studio.arm("PUT", own, {"location": "local"}).status in (200, 201)
    studio.grant(person.oid, studio.custom_role(f"{WORKSPACES}/read", f"{WORKSPACES}/write", f"{WORKSPACES}/hubs/write", at=own), own)
    somebodys = studio.arm("GET", studio.workspace("home")).json()["properties"][member]
    absent = somebodys[:-4] + "none"
    path = f"{own}/providers/{WORKSPACES}/{unique('take')}"
    seen = []
    for id_ in (somebodys, absent):
        refused = studio.arm("PUT", path, {"location": "local", "kind": "Hub", "properties": {member: id_}}, by=person)
        seen.append((refused.status, refused.code))
        assert studio.arm("GET", path).status == 404
    assert [status for status, _ in seen] == [403, 403], seen


def test_an_identity_of_the_users_own_needs_storage_and_vault_that_exist(studio: Studio) -> None:
    identity = f"{studio.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{unique('who')}"
    assert studio.arm("PUT", identity, {"location": "local"}).status == 201
    path = studio.workspace(unique("user"))
    asked = {"location": "local", "kind": "Hub", "identity": {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}}
    refused = studio.arm("PUT", path, {**asked, "properties": {}})
    assert (refused.status, refused.code) == (400, "DependentResourceRequired")
    assert studio.arm("GET", path).status == 404
    taken = studio.arm("GET", studio.workspace("home")).json()["properties"]
    made = studio.arm("PUT", path, {**asked, "properties": {member: taken[member] for member in ("storageAccount", "keyVault")}})
    assert made.status == 201
    assert uuid.UUID(made.json()["identity"]["userAssignedIdentities"][identity]["principalId"])
    assert "principalId" not in made.json()["identity"]


def test_nobody_takes_an_identity_that_they_may_not_assign(studio: Studio) -> None:
    person = studio.person("thief")
    studio.grant(person.oid, studio.custom_role(f"{WORKSPACES}/read", f"{WORKSPACES}/write", f"{WORKSPACES}/hubs/write"), studio.group)
    identity = f"{studio.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{unique('who')}"
    assert studio.arm("PUT", identity, {"location": "local"}).status == 201
    path = studio.workspace(unique("thief"))
    wanted = {"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": {identity: {}}}
    asked = {"location": "local", "kind": "Hub", "identity": wanted, "properties": {}}
    refused = studio.arm("PUT", path, asked, by=person)
    assert (refused.status, refused.code) == (403, "AuthorizationFailed")
    assert "assign/action" in refused.json()["error"]["message"]
    studio.grant(person.oid, "Managed Identity Operator", identity)
    assert studio.arm("PUT", path, asked, by=person).status == 201


def test_a_project_keeps_an_identity_of_its_own(studio: Studio, hub: dict[str, Any]) -> None:
    path = studio.workspace(unique("nobody"))
    body = {"location": "local", "kind": "Project", "identity": {"type": "None"}, "properties": {"hubResourceId": hub["id"]}}
    refused = studio.arm("PUT", path, body)
    assert (refused.status, refused.code) == (501, "NotOffered")
    assert studio.arm("GET", path).status == 404

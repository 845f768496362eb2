"""Hubs, projects and plain workspaces by the unchanged azure-ai-ml, as the owner and as people who may not."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.parity.studio import API, ASSIGNMENTS, DIRECTORY, Studio, account_of, local_path, unique

BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers"
SUFFIXES = ("azureml", "blobstore", "code", "file")
STORES = ["workspaceartifactstore", "workspaceblobstore", "workspacefilestore"]
JOIN = "Microsoft.MachineLearningServices/workspaces/hubs/join/action"


@pytest.fixture(scope="module")
def hub(studio: Studio) -> dict[str, Any]:
    """A hub that this module's tests read and fill with projects, and leave as it is."""
    return studio.hub(unique("shared"))


def _accounts(studio: Studio) -> set[str]:
    found = studio.arm("GET", f"{studio.group}/providers/Microsoft.Storage/storageAccounts").json()["value"]
    return {account["id"] for account in found}


def _custom_role(studio: Studio, *actions: str) -> str:
    guid = str(uuid.uuid4())
    body = {"roleName": unique("made"), "assignableScopes": [studio.group], "permissions": [{"actions": list(actions)}]}
    path = f"{studio.group}/providers/Microsoft.Authorization/roleDefinitions/{guid}"
    made = studio.arm("PUT", path, {"properties": body})
    assert made.status == 201, made.body
    return made.json()["id"]


# ── the client's own templates ───────────────────────────────────────────────────────────────────────────────────────


def test_a_hub_is_made_by_the_clients_template_with_storage_and_vault_alone(signed_in: Studio) -> None:
    from azure.ai.ml.entities import Hub

    name = unique("claims")
    asked = Hub(name=name, location="local", display_name="Claims", description="All claims", tags={"team": "claims"})
    made = signed_in.ml().workspaces.begin_create(asked).result()
    assert made.id == signed_in.workspace(name)
    kept = signed_in.ml().workspaces.get(name)
    assert (kept._kind, kept.location, kept.display_name, kept.description) == ("hub", "local", "Claims", "All claims")
    assert kept.tags["team"] == "claims"
    assert kept.identity.type == "system_assigned"
    assert uuid.UUID(kept.identity.principal_id)
    assert "/storageAccounts/" in kept.storage_account
    assert "/vaults/" in kept.key_vault
    assert (kept.container_registry, kept.application_insights) == (None, None)
    assert kept.associated_workspaces == []
    for id_ in (kept.storage_account, kept.key_vault):
        assert signed_in.arm("GET", id_).status == 200


def test_a_project_is_made_in_its_hub_and_each_shows_the_other(signed_in: Studio, hub: dict[str, Any]) -> None:
    from azure.ai.ml.entities import Project

    name = unique("triage")
    made = signed_in.ml().workspaces.begin_create(Project(name=name, location="local", hub_id=hub["id"], display_name="Triage")).result()
    kept = signed_in.ml().workspaces.get(name)
    assert (kept._kind, kept.hub_id, kept.display_name) == ("project", hub["id"], "Triage")
    assert uuid.UUID(kept._workspace_id)
    assert kept._workspace_id == made._workspace_id
    assert kept.storage_account == hub["properties"]["storageAccount"]
    assert kept.key_vault == hub["properties"]["keyVault"]
    assert kept.discovery_url.startswith(signed_in.url)
    assert kept.id in signed_in.ml().workspaces.get(hub["name"]).associated_workspaces


def test_a_plain_workspace_has_telemetry_as_well(signed_in: Studio) -> None:
    from azure.ai.ml.entities import Workspace

    name = unique("plain")
    signed_in.ml().workspaces.begin_create(Workspace(name=name, location="local")).result()
    kept = signed_in.ml().workspaces.get(name)
    assert kept._kind == "default"
    assert "/components/" in kept.application_insights
    assert signed_in.arm("GET", kept.application_insights).status == 200
    assert sorted(store.name for store in signed_in.ml(name).datastores.list()) in ([], STORES)


def test_existing_storage_and_vault_are_taken_as_they_are(signed_in: Studio) -> None:
    from azure.ai.ml.entities import Hub

    storage = f"{signed_in.group}/providers/Microsoft.Storage/storageAccounts/own{uuid.uuid4().hex[:10]}"
    vault = f"{signed_in.group}/providers/Microsoft.KeyVault/vaults/own{uuid.uuid4().hex[:10]}"
    made = signed_in.arm("PUT", storage, {"location": "local", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "tags": {"own": "yes"}})
    assert made.status in (200, 201), made.body
    vaulted = signed_in.arm("PUT", vault, {"location": "local", "properties": {"tenantId": str(uuid.uuid4()), "sku": {"name": "standard", "family": "A"}}})
    assert vaulted.status in (200, 201), vaulted.body
    before = _accounts(signed_in)
    name = unique("bring")
    signed_in.ml().workspaces.begin_create(Hub(name=name, location="local", storage_account=storage, key_vault=vault)).result()
    kept = signed_in.ml().workspaces.get(name)
    assert (kept.storage_account, kept.key_vault) == (storage, vault)
    assert _accounts(signed_in) == before
    assert signed_in.arm("GET", storage).json()["tags"] == {"own": "yes"}
    signed_in.ml().workspaces.begin_delete(name, delete_dependent_resources=False).result()
    assert signed_in.arm("GET", storage).status == 200


def test_names_and_words_change_and_what_was_not_named_stays(signed_in: Studio) -> None:
    from azure.ai.ml.entities import Hub, Project

    ml = signed_in.ml()
    hub = ml.workspaces.begin_create(Hub(name=unique("words"), location="local", tags={"a": "1"})).result()
    project = ml.workspaces.begin_create(Project(name=unique("words"), location="local", hub_id=hub.id, description="first")).result()
    for name in (hub.name, project.name):
        asked = ml.workspaces.get(name)
        before = signed_in.arm("GET", signed_in.workspace(name)).json()
        asked.tags, asked.display_name, asked.description = {"b": "2"}, "Shown", "second"
        ml.workspaces.begin_update(asked).result()
        after = signed_in.arm("GET", signed_in.workspace(name)).json()
        assert after["tags"] == {"b": "2"}
        assert (after["properties"]["friendlyName"], after["properties"]["description"]) == ("Shown", "second")
        for member in ("workspaceId", "storageAccount", "keyVault", "hubResourceId"):
            assert after["properties"].get(member) == before["properties"].get(member)
        assert after["identity"] == before["identity"]
        assert after["systemData"]["createdAt"] == before["systemData"]["createdAt"]
        assert after["systemData"]["lastModifiedAt"] > before["systemData"]["lastModifiedAt"]


def test_the_client_sees_no_problem_in_a_fresh_project(signed_in: Studio, hub: dict[str, Any]) -> None:
    project = signed_in.project(hub["id"])
    found = signed_in.ml().workspaces.begin_diagnose(project["name"]).result()
    assert (found.storage_account_results, found.key_vault_results, found.other_results) == ([], [], [])


def test_lists_tell_kinds_apart(signed_in: Studio, hub: dict[str, Any]) -> None:
    project = signed_in.project(hub["id"])
    ml = signed_in.ml()
    assert {hub["name"], project["name"]} <= {w.name for w in ml.workspaces.list()}
    assert {hub["name"], project["name"]} <= {w.name for w in ml.workspaces.list(scope="subscription")}
    kinds = {kind: {w.name: w._kind for w in ml.workspaces.list(filtered_kinds=[kind])} for kind in ("hub", "project")}
    assert hub["name"] in kinds["hub"]
    assert set(kinds["hub"].values()) == {"hub"}
    assert project["name"] in kinds["project"]
    assert set(kinds["project"].values()) == {"project"}


# ── what a project gets ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_project_has_its_four_containers_and_three_datastores_at_once(signed_in: Studio, hub: dict[str, Any]) -> None:
    project = signed_in.project(hub["id"])
    guid = project["properties"]["workspaceId"]
    account = hub["properties"]["storageAccount"]
    listed = signed_in.arm("GET", f"{account}/blobServices/default/containers").json()["value"]
    assert sorted(c["name"] for c in listed if c["name"].startswith(guid)) == [f"{guid}-{suffix}" for suffix in SUFFIXES]
    stores = {store.name: store for store in signed_in.ml(project["name"]).datastores.list()}
    assert sorted(stores) == STORES
    assert stores["workspaceblobstore"].container_name == f"{guid}-blobstore"
    assert stores["workspaceartifactstore"].container_name == f"{guid}-azureml"
    assert {store.account_name for store in stores.values()} == {account_of(hub)}


def test_projects_read_their_hubs_settings_and_follow_their_change(signed_in: Studio) -> None:
    from azure.ai.ml.entities import Hub

    ml = signed_in.ml()
    hub = ml.workspaces.begin_create(Hub(name=unique("telling"), location="local")).result()
    projects = [signed_in.project(hub.id)["name"] for _ in range(2)]
    insights = f"{signed_in.group}/providers/Microsoft.Insights/components/{unique('insights')}"
    made = signed_in.arm("PUT", insights, {"location": "local", "kind": "web", "properties": {"Application_Type": "web"}})
    assert made.status in (200, 201), made.body
    asked = ml.workspaces.get(hub.name)
    asked.application_insights = insights
    ml.workspaces.begin_update(asked, update_dependent_resources=True).result()
    for name in projects:
        assert ml.workspaces.get(name).application_insights == insights
    mine = signed_in.arm("PATCH", signed_in.workspace(projects[0]), {"properties": {"applicationInsights": f"{insights}-other"}})
    assert mine.status in (200, 202, 400, 409)
    assert ml.workspaces.get(projects[0]).application_insights == insights


def test_a_projects_identity_reaches_its_own_containers_and_no_others(signed_in: Studio, hub: dict[str, Any]) -> None:
    one, other = signed_in.project(hub["id"]), signed_in.project(hub["id"])
    account, who = hub["properties"]["storageAccount"], one["identity"]["principalId"]
    own, foreign = one["properties"]["workspaceId"], other["properties"]["workspaceId"]
    containers = {f"{own}-{suffix}": True for suffix in SUFFIXES} | {
        f"{foreign}-blobstore": False,
        "shared": False,
        own: False,
        f"{own}x-blobstore": False,
        own[:-1]: False,
    }
    for container, expected in containers.items():
        for verb in ("blobs/read", "blobs/write", "blobs/delete", "blobs/add/action"):
            named = {"resource": {f"{BLOBS}:name": container}}
            assert signed_in.may(who, f"{BLOBS}/{verb}", account, data=True, **named) is expected, (container, verb)
    assert not signed_in.may(who, "Microsoft.MachineLearningServices/workspaces/read", other["id"])
    assert not signed_in.may(who, "Microsoft.Storage/storageAccounts/listkeys/action", account)


def test_the_condition_of_a_projects_identity_holds_on_the_wire(signed_in: Studio, hub: dict[str, Any]) -> None:
    one, other = signed_in.project(hub["id"]), signed_in.project(hub["id"])
    own, foreign = one["properties"]["workspaceId"], other["properties"]["workspaceId"]
    account, scope = account_of(hub), hub["properties"]["storageAccount"]
    given = signed_in.arm("GET", f"{scope}{ASSIGNMENTS}", query={"$filter": f"principalId eq '{one['identity']['principalId']}'"}).json()["value"]
    at_account = [each["properties"] for each in given if each["properties"]["scope"].lower() == scope.lower()]
    assert len(at_account) == 1
    twin = signed_in.person("twin")
    signed_in.grant(twin.oid, at_account[0]["roleDefinitionId"], scope, condition=at_account[0]["condition"])
    assert signed_in.blob("PUT", account, f"/{own}-blobstore/note.txt", b"mine", by=twin).status == 201
    assert signed_in.blob("GET", account, f"/{own}-blobstore/note.txt", by=twin).body == b"mine"
    assert signed_in.blob("GET", account, f"/{own}-blobstore?restype=container&comp=list", by=twin).status == 200
    for method, target, body in (
        ("PUT", f"/{foreign}-blobstore/note.txt", b"theirs"),
        ("GET", f"/{foreign}-blobstore/note.txt", None),
        ("DELETE", f"/{foreign}-blobstore/note.txt", None),
        ("GET", f"/{foreign}-blobstore?restype=container&comp=list", None),
        ("GET", f"/{foreign}-blobstore?restype=container", None),
        ("DELETE", f"/{foreign}-blobstore?restype=container", None),
        ("PUT", "/unprefixed?restype=container", b""),
        ("GET", "/?comp=list", None),
    ):
        refused = signed_in.blob(method, account, target, body, by=twin)
        assert (refused.status, refused.blob_code) == (403, "AuthorizationPermissionMismatch"), (method, target)


# ── removal ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_hub_goes_with_its_projects_and_the_projects_go_first(signed_in: Studio) -> None:
    ml = signed_in.ml()
    hub = signed_in.hub()
    projects = [signed_in.project(hub["id"]) for _ in range(2)]
    bystander = signed_in.hub()
    listed = ml.workspaces.get(hub["name"]).associated_workspaces
    assert sorted(listed) == sorted(project["id"] for project in projects)
    ml.workspaces.begin_delete(hub["name"], delete_dependent_resources=False).result()
    for gone in (hub, *projects):
        missing = signed_in.arm("GET", gone["id"])
        assert (missing.status, missing.code) == (404, "ResourceNotFound")
    assert not {hub["name"], *(project["name"] for project in projects)} & {w.name for w in ml.workspaces.list()}
    assert signed_in.arm("GET", bystander["id"]).status == 200
    log = signed_in.arm("GET", f"{signed_in.group.rpartition('/resourceGroups/')[0]}/providers/Microsoft.Insights/eventtypes/management/values")
    deletes = [
        line["resourceId"].lower()
        for line in reversed(log.json()["value"])
        if line["operationName"]["value"].lower().endswith("workspaces/delete") and line["status"]["value"] == "Succeeded"
    ]
    ends = [deletes.index(gone["id"].lower()) for gone in (*projects, hub)]
    assert ends[-1] == max(ends)


def test_nothing_of_a_deleted_project_answers(signed_in: Studio) -> None:
    hub = signed_in.hub()
    project, sibling = signed_in.project(hub["id"]), signed_in.project(hub["id"])
    account, scope, guid = account_of(hub), hub["properties"]["storageAccount"], project["properties"]["workspaceId"]
    who = project["identity"]["principalId"]
    reader = signed_in.person()
    signed_in.grant(reader.oid, "Storage Blob Data Owner", scope)
    signed_in.grant(reader.oid, "Reader", project["id"])
    target = f"/{guid}-blobstore/kept.txt"
    assert signed_in.blob("PUT", account, target, b"kept", by=reader).status == 201
    store = f"{project['id']}/datastores/workspaceblobstore"
    signature = signed_in.arm("POST", f"{store}/listSecrets", {}).json()["sasToken"].removeprefix("?")
    assert signed_in.blob("GET", account, f"{target}?{signature}").body == b"kept"
    keys = _model_keys(signed_in, project)
    models = f"/projects/{guid}/openai/v1/models"
    assert signed_in.send("GET", models, headers={"api-key": keys[0]}).status == 200

    assert signed_in.arm("DELETE", project["id"]).status == 200

    assert signed_in.arm("GET", store).status == 404
    assert signed_in.blob("GET", account, f"{target}?{signature}").status == 403
    missing = signed_in.blob("GET", account, target, by=reader)
    assert (missing.status, missing.blob_code) == (404, "ContainerNotFound")
    left = signed_in.blob("GET", account, "/?comp=list", by=reader).body.decode("utf-8-sig")
    assert guid not in left
    assert sibling["properties"]["workspaceId"] in left
    for key in keys:
        for path in (models, "/openai/v1/models"):
            assert signed_in.send("GET", path, headers={"api-key": key}).status == 401
    given = signed_in.arm("GET", f"{scope}{ASSIGNMENTS}", query={"$filter": f"principalId eq '{who}'"}).json()["value"]
    assert given == []
    gone = signed_in.directory("GET", f"/servicePrincipals/{who}")
    assert gone.status == 404
    again = signed_in.project(hub["id"], project["name"])
    assert again["properties"]["workspaceId"] != guid
    assert again["identity"]["principalId"] != who
    assert signed_in.arm("GET", again["id"], by=reader).status == 403, "a role on the old project must not reach a new one of its name"


def _model_keys(studio: Studio, project: dict[str, Any]) -> list[str]:
    accounts = studio.arm("GET", f"{studio.group}/providers/Microsoft.CognitiveServices/accounts").json()["value"]
    guid = project["properties"]["workspaceId"]
    own = [account["id"] for account in accounts if guid in str(account) or project["id"].lower() in str(account).lower()]
    assert len(own) == 1, accounts
    keys = studio.arm("POST", f"{own[0]}/listKeys", {}).json()
    return [keys["key1"], keys["key2"]]


def test_a_hub_can_be_deleted_with_what_was_made_for_it(signed_in: Studio) -> None:
    from azure.ai.ml.entities import Hub

    ml = signed_in.ml()
    hub = ml.workspaces.begin_create(Hub(name=unique("whole"), location="local")).result()
    ml.workspaces.begin_delete(hub.name, delete_dependent_resources=True).result()
    for id_ in (hub.id, hub.storage_account, hub.key_vault):
        assert signed_in.arm("GET", id_).status == 404


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────────


REFUSED = {
    "a project without a hub": ("Project", {}, {}, 400, "HubResourceIdRequired"),
    "an unknown hub": ("Project", {"hubResourceId": "{group}/providers/Microsoft.MachineLearningServices/workspaces/nowhere"}, {}, 404, "HubNotFound"),
    "a project as hub": ("Project", {"hubResourceId": "{first-project}"}, {}, 400, "InvalidHub"),
    "a storage account as hub": ("Project", {"hubResourceId": "{group}/providers/Microsoft.Storage/storageAccounts/x"}, {}, 400, "InvalidRequestContent"),
    "no id as hub": ("Project", {"hubResourceId": "home"}, {}, 400, "InvalidResourceId"),
    "a hub below a hub": ("Hub", {"hubResourceId": "{home}"}, {}, 400, "InvalidRequestContent"),
    "another location than the hub's": ("Project", {"hubResourceId": "{home}"}, {"location": "westeurope"}, 400, "InvalidResourceLocation"),
    "no location": ("Hub", {}, {"location": None}, 400, "LocationRequired"),
    "an unknown kind": ("Castle", {}, {}, 400, "InvalidWorkspaceKind"),
    "a kind that is not offered": ("FeatureStore", {}, {}, 501, "NotOffered"),
    "storage that is not there": ("Hub", {"storageAccount": "{group}/providers/Microsoft.Storage/storageAccounts/nowhere"}, {}, 404, "DependentResourceNotFound"),
    "a vault as storage": ("Hub", {"storageAccount": "{group}/providers/Microsoft.KeyVault/vaults/x"}, {}, 400, "InvalidRequestContent"),
    "an identity of no kind": ("Hub", {}, {"identity": {"type": "Royal"}}, 400, "InvalidRequestContent"),
    "identities as a list": ("Hub", {}, {"identity": {"type": "UserAssigned", "userAssignedIdentities": ["x"]}}, 400, "InvalidRequestContent"),
    "an identity as a text": ("Hub", {}, {"identity": "SystemAssigned"}, 400, "InvalidRequestContent"),
    "an identity that is not there": (
        "Hub",
        {},
        {
            "identity": {
                "type": "SystemAssigned,UserAssigned",
                "userAssignedIdentities": {"/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/x": {}},
            }
        },
        403,
        "AuthorizationFailed",
    ),
    "tags as a list": ("Hub", {}, {"tags": ["x"]}, 400, "InvalidRequestContent"),
    "a number in a tag": ("Hub", {}, {"tags": {"x": 1}}, 400, "InvalidRequestContent"),
    "properties as a list": ("Hub", {}, {"properties": []}, 400, "InvalidRequestContent"),
    "a network as a text": ("Hub", {"managedNetwork": "none"}, {}, 400, "InvalidRequestContent"),
    "a wall that would not hold": ("Hub", {"publicNetworkAccess": "Disabled"}, {}, 501, "NotOffered"),
    "a number as a name to show": ("Hub", {"friendlyName": 7}, {}, 400, "InvalidRequestContent"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_breaks_a_rule_is_refused_and_leaves_nothing(studio: Studio, case: str) -> None:
    kind, properties, envelope, status, code = REFUSED[case]
    places = {"{group}": studio.group, "{home}": studio.workspace("home"), "{first-project}": studio.workspace("first-project")}

    def filled(value: Any) -> Any:
        for word, place in places.items():
            value = value.replace(word, place) if isinstance(value, str) else value
        return value

    path, before = studio.workspace(unique("wrong")), _accounts(studio)
    body = {"location": "local", "kind": kind, "properties": {name: filled(value) for name, value in properties.items()}, **envelope}
    refused = studio.arm("PUT", path, body)
    assert (refused.status, refused.code) == (status, code)
    assert studio.arm("GET", path).status == 404
    assert _accounts(studio) == before


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
    workspaces = "Microsoft.MachineLearningServices/workspaces"
    writes = _custom_role(signed_in, f"{workspaces}/read", f"{workspaces}/write", "Microsoft.Resources/deployments/*")
    signed_in.grant(person.oid, writes, signed_in.group)
    ml, name = signed_in.ml(by=person), unique("joined")
    asked = Project(name=name, location="local", hub_id=hub["id"])
    with pytest.raises(HttpResponseError) as refused:
        ml.workspaces.begin_create(asked).result()
    assert "AuthorizationFailed" in str(refused.value)
    assert JOIN in str(refused.value)
    assert signed_in.arm("GET", signed_in.workspace(name)).status == 404

    join = signed_in.grant(person.oid, _custom_role(signed_in, JOIN), hub["id"])
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
    signed_in.grant(person.oid, _custom_role(signed_in, "Microsoft.Resources/deployments/*"), signed_in.group)
    name = unique("sneak")
    template = {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [
            {
                "type": "Microsoft.MachineLearningServices/workspaces",
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


def test_every_workspace_says_where_its_services_are(studio: Studio, hub: dict[str, Any]) -> None:
    url = hub["properties"]["discoveryUrl"]
    told = studio.send("GET", local_path(url), headers={"authorization": f"Bearer {studio.token(studio.owner)}"})
    assert told.status == 200, "the workspace's discoveryUrl does not answer"
    assert {"api", "history"} <= set(told.json())


def test_the_directory_is_closed_to_the_subscriptions_owner(studio: Studio) -> None:
    """Owner of a subscription is not owner of the tenant: the command line's application cannot make people."""
    refused = studio.arm("PUT", f"{DIRECTORY}/applications/{uuid.uuid4()}", {"properties": {"displayName": "x"}})
    assert (refused.status, refused.code) == (403, "AuthorizationFailed")


def test_whoever_makes_a_hub_owns_it(studio: Studio) -> None:
    person = studio.person("maker")
    workspaces = "Microsoft.MachineLearningServices/workspaces"
    studio.grant(person.oid, _custom_role(studio, f"{workspaces}/read", f"{workspaces}/write", f"{workspaces}/hubs/write"), studio.group)
    path = studio.workspace(unique("own"))
    made = studio.arm("PUT", path, {"location": "local", "kind": "Hub", "properties": {}}, by=person)
    assert made.status == 201
    assert studio.may(person.oid, "Microsoft.Authorization/roleAssignments/write", path)
    assert studio.may(person.oid, f"{workspaces}/delete", path)
    assert not studio.may(person.oid, f"{workspaces}/delete", studio.workspace("home"))
    assert not studio.may(person.oid, "Microsoft.Storage/storageAccounts/listkeys/action", made.json()["properties"]["storageAccount"])


@pytest.mark.parametrize("member", ["storageAccount", "keyVault"])
def test_a_hub_takes_no_storage_or_vault_that_its_maker_may_not_use(studio: Studio, member: str) -> None:
    """Else the platform would write containers, and grants, into an account of somebody else on its behalf."""
    person = studio.person("taker")
    workspaces = "Microsoft.MachineLearningServices/workspaces"
    own = f"{studio.group.rpartition('/')[0]}/{unique('own')}"
    assert studio.arm("PUT", own, {"location": "local"}).status in (200, 201)
    studio.grant(person.oid, _custom_role_at(studio, own, f"{workspaces}/read", f"{workspaces}/write", f"{workspaces}/hubs/write"), own)
    somebodys = studio.arm("GET", studio.workspace("home")).json()["properties"][member]
    absent = somebodys[:-4] + "none"
    path = f"{own}/providers/{workspaces}/{unique('take')}"
    seen = []
    for id_ in (somebodys, absent):
        refused = studio.arm("PUT", path, {"location": "local", "kind": "Hub", "properties": {member: id_}}, by=person)
        seen.append((refused.status, refused.code))
        assert studio.arm("GET", path).status == 404
    assert [status for status, _ in seen] == [403, 403], seen


def _custom_role_at(studio: Studio, scope: str, *actions: str) -> str:
    body = {"roleName": unique("made"), "assignableScopes": [scope], "permissions": [{"actions": list(actions)}]}
    made = studio.arm("PUT", f"{scope}/providers/Microsoft.Authorization/roleDefinitions/{uuid.uuid4()}", {"properties": body})
    assert made.status == 201, made.body
    return made.json()["id"]


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
    workspaces = "Microsoft.MachineLearningServices/workspaces"
    studio.grant(person.oid, _custom_role(studio, f"{workspaces}/read", f"{workspaces}/write", f"{workspaces}/hubs/write"), studio.group)
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

"""Hubs, projects and plain workspaces by the unchanged azure-ai-ml, as the owner and as people who may not."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.parity.studio import ASSIGNMENTS, Studio, account_of, local_path, unique

BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers"
SUFFIXES = ("azureml", "blobstore", "code", "file")
STORES = ["workspaceartifactstore", "workspaceblobstore", "workspacefilestore"]


@pytest.fixture(scope="module")
def hub(studio: Studio) -> dict[str, Any]:
    """A hub that this module's tests read and fill with projects, and leave as it is."""
    return studio.hub(unique("shared"))


def _kind(workspace: Any) -> str:
    return workspace._kind  # noqa: SLF001 - the client shows it nowhere else


def _guid(workspace: Any) -> str:
    return workspace._workspace_id  # noqa: SLF001 - the client shows it nowhere else


# ── the client's own templates ───────────────────────────────────────────────────────────────────────────────────────


def test_a_hub_is_made_by_the_clients_template_with_storage_and_vault_alone(signed_in: Studio) -> None:
    from azure.ai.ml.entities import Hub

    name = unique("claims")
    asked = Hub(name=name, location="local", display_name="Claims", description="All claims", tags={"team": "claims"})
    made = signed_in.ml().workspaces.begin_create(asked).result()
    assert made.id == signed_in.workspace(name)
    kept = signed_in.ml().workspaces.get(name)
    assert (_kind(kept), kept.location, kept.display_name, kept.description) == ("hub", "local", "Claims", "All claims")
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
    assert (_kind(kept), kept.hub_id, kept.display_name) == ("project", hub["id"], "Triage")
    assert uuid.UUID(_guid(kept))
    assert _guid(kept) == _guid(made)
    assert kept.storage_account == hub["properties"]["storageAccount"]
    assert kept.key_vault == hub["properties"]["keyVault"]
    assert kept.discovery_url.startswith(signed_in.url)
    assert kept.id in signed_in.ml().workspaces.get(hub["name"]).associated_workspaces


def test_a_plain_workspace_has_telemetry_as_well(signed_in: Studio) -> None:
    from azure.ai.ml.entities import Workspace

    name = unique("plain")
    signed_in.ml().workspaces.begin_create(Workspace(name=name, location="local")).result()
    kept = signed_in.ml().workspaces.get(name)
    assert _kind(kept) == "default"
    assert "/components/" in kept.application_insights
    assert signed_in.arm("GET", kept.application_insights).status == 200
    assert sorted(store.name for store in signed_in.ml(name).datastores.list()) in ([], STORES)


def test_existing_storage_and_vault_are_taken_as_they_are(signed_in: Studio) -> None:
    from azure.ai.ml.entities import Hub

    storage = f"{signed_in.group}/providers/Microsoft.Storage/storageAccounts/own{uuid.uuid4().hex[:10]}"
    vault = f"{signed_in.group}/providers/Microsoft.KeyVault/vaults/own{uuid.uuid4().hex[:10]}"
    made = signed_in.arm(
        "PUT", storage, {"location": "local", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "tags": {"own": "yes"}}
    )
    assert made.status in (200, 201), made.body
    vaulted = signed_in.arm(
        "PUT", vault, {"location": "local", "properties": {"tenantId": str(uuid.uuid4()), "sku": {"name": "standard", "family": "A"}}}
    )
    assert vaulted.status in (200, 201), vaulted.body
    before = signed_in.accounts()
    name = unique("bring")
    signed_in.ml().workspaces.begin_create(Hub(name=name, location="local", storage_account=storage, key_vault=vault)).result()
    kept = signed_in.ml().workspaces.get(name)
    assert (kept.storage_account, kept.key_vault) == (storage, vault)
    assert signed_in.accounts() == before
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


@pytest.mark.parametrize("kind", ["Hub", "Project", "Default"])
def test_a_workspace_that_is_written_again_as_it_was_asked_for_stays_as_it_is(studio: Studio, hub: dict[str, Any], kind: str) -> None:
    """As a template that is deployed twice does, and a deployment that goes on after a crash."""
    path = studio.workspace(unique("again"))
    body = {"location": "local", "kind": kind, "properties": {"hubResourceId": hub["id"]} if kind == "Project" else {}}
    made, again = studio.arm("PUT", path, body), studio.arm("PUT", path, body)
    assert (made.status, again.status) == (201, 200), again.body
    assert again.json() == made.json()


def test_every_workspace_says_where_its_services_are(studio: Studio, hub: dict[str, Any]) -> None:
    url = hub["properties"]["discoveryUrl"]
    told = studio.send("GET", local_path(url), headers={"authorization": f"Bearer {studio.token(studio.owner)}"})
    assert told.status == 200, "the workspace's discoveryUrl does not answer"
    assert {"api", "history"} <= set(told.json())


def test_the_client_sees_no_problem_in_a_fresh_project(signed_in: Studio, hub: dict[str, Any]) -> None:
    project = signed_in.project(hub["id"])
    found = signed_in.ml().workspaces.begin_diagnose(project["name"]).result()
    assert (found.storage_account_results, found.key_vault_results, found.other_results) == ([], [], [])


def test_lists_tell_kinds_apart(signed_in: Studio, hub: dict[str, Any]) -> None:
    project = signed_in.project(hub["id"])
    ml = signed_in.ml()
    assert {hub["name"], project["name"]} <= {w.name for w in ml.workspaces.list()}
    assert {hub["name"], project["name"]} <= {w.name for w in ml.workspaces.list(scope="subscription")}
    kinds = {kind: {w.name: _kind(w) for w in ml.workspaces.list(filtered_kinds=[kind])} for kind in ("hub", "project")}
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
    given = signed_in.arm("GET", f"{scope}{ASSIGNMENTS}", query={"$filter": f"principalId eq '{one['identity']['principalId']}'"}).json()[
        "value"
    ]
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
    log = signed_in.arm("GET", f"{signed_in.subscription}/providers/Microsoft.Insights/eventtypes/management/values")
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

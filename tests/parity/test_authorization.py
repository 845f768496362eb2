"""The authorization specification's writing side on a running studio, over the unchanged wire."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.parity.studio import API, ASSIGNMENTS, ROLES, Studio, account_of, unique

ML = "Microsoft.MachineLearningServices/workspaces"
DENIES = "/providers/Microsoft.Authorization/denyAssignments"
NAME = "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name]"
SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
DEPLOYS = "Microsoft.Resources/deployments/*"
ACCOUNT = "@Resource[Microsoft.Storage/storageAccounts:name]"
CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"
GIVE = "Microsoft.Authorization/roleAssignments/write"


# ── roles that reach from hub to project ─────────────────────────────────────────────────────────────────────────


@pytest.fixture
def pair(studio: Studio) -> tuple[str, str]:
    """A hub and a project of it, by id."""
    hub = studio.hub()
    return hub["id"], studio.project(hub["id"])["id"]


def reach(studio: Studio, hub: str, word: str | None, **who: Any) -> Any:
    properties = {} if word is None else {"roleInheritance": word}
    return studio.arm("PATCH", hub, {"properties": properties}, **who)


def test_roles_on_a_hub_stay_there_unless_the_hub_says_projects(studio: Studio, pair: tuple[str, str]) -> None:
    hub, project = pair
    reader = studio.person()
    studio.grant(reader.oid, "Reader", hub)
    assert studio.arm("GET", hub, by=reader).json()["properties"]["roleInheritance"] == "None"
    assert studio.arm("GET", project, by=reader).status == 403
    assert reach(studio, hub, "Projects").json()["properties"]["roleInheritance"] == "Projects"
    assert studio.arm("GET", project, by=reader).status == 200
    listed = studio.arm("GET", f"{studio.group}/providers/{ML}", by=reader)
    assert {each["id"] for each in listed.json()["value"]} == {hub, project}
    told = studio.arm("POST", f"{project}/providers/Studiolo.Access/explain", {"who": reader.oid, "action": f"{ML}/read"}).json()
    assert [row["way"] for row in told["roleAssignments"]] == [f"a scope whose roles '{project.lower()}' inherits"]
    assert hub.lower() in told["chain"]
    fresh = studio.project(hub)["id"]
    assert studio.arm("GET", fresh, by=reader).status == 200
    assert reach(studio, hub, "None").status == 200
    for each in (project, fresh):
        assert studio.arm("GET", each, by=reader).status == 403


def test_a_deny_assignment_on_the_hub_reaches_as_far(studio: Studio, pair: tuple[str, str]) -> None:
    hub, project = pair
    reader = studio.person()
    studio.grant(reader.oid, "Reader", studio.group)
    deny = {"denyAssignmentName": "no", "principals": [{"id": reader.oid}], "permissions": [{"actions": [f"{ML}/read"]}]}
    path = f"{hub}{DENIES}/{uuid.uuid4()}"
    assert studio.arm("PUT", path, {"properties": deny}).status == 201
    assert (studio.arm("GET", hub, by=reader).status, studio.arm("GET", project, by=reader).status) == (403, 200)
    reach(studio, hub, "Projects")
    assert studio.arm("GET", project, by=reader).code == "DenyAssignmentAuthorizationFailed"
    assert studio.arm("DELETE", path).status == 200
    assert studio.arm("GET", project, by=reader).status == 200


def test_whoever_lets_roles_reach_further_may_give_roles_on_the_hub_and_on_its_projects(studio: Studio, pair: tuple[str, str]) -> None:
    hub, project = pair
    contributor = studio.person()
    studio.grant(contributor.oid, "Contributor", hub)
    assert reach(studio, hub, "Projects", by=contributor).status == 403
    assert reach(studio, hub, None, by=contributor).status == 200
    administrator = studio.person()
    studio.grant(administrator.oid, "User Access Administrator", hub)
    assert reach(studio, hub, "Projects", by=administrator).status == 403  # it may not write workspaces
    studio.grant(contributor.oid, "User Access Administrator", hub)
    assert reach(studio, hub, "Projects", by=contributor).status == 403  # that would give it roles on a project of somebody else's
    studio.grant(contributor.oid, "User Access Administrator", project)
    assert reach(studio, hub, "Projects", by=contributor).status == 200
    # A client that knows nothing of it and writes the whole hub leaves it as it is.
    studio.arm("PUT", hub, {"location": "local", "kind": "Hub", "properties": {"friendlyName": "Other"}})
    assert studio.arm("GET", hub).json()["properties"]["roleInheritance"] == "Projects"


def test_a_hubs_owner_takes_no_project_over_by_letting_roles_reach_it(studio: Studio, pair: tuple[str, str]) -> None:
    hub, project = pair
    owner = studio.person()
    studio.grant(owner.oid, "Owner", hub)
    assert studio.arm("GET", project, by=owner).status == 403
    assert reach(studio, hub, "Projects", by=owner).status == 403
    assert studio.arm("GET", project, by=owner).status == 403


def test_who_may_not_take_a_denial_back_does_not_end_its_reach(studio: Studio, pair: tuple[str, str]) -> None:
    hub, project = pair
    reach(studio, hub, "Projects")
    reader, manager = studio.person(), studio.person()
    studio.grant(reader.oid, "Reader", studio.group)
    for role in ("Contributor", "Role Based Access Control Administrator"):
        studio.grant(manager.oid, role, studio.group)
    deny = {"denyAssignmentName": "no", "principals": [{"id": reader.oid}], "permissions": [{"actions": [f"{ML}/read"]}]}
    assert studio.arm("PUT", f"{hub}{DENIES}/{uuid.uuid4()}", {"properties": deny}).status == 201
    assert reach(studio, hub, "None", by=manager).status == 403
    assert studio.arm("GET", project, by=reader).status == 403
    assert reach(studio, hub, "None").status == 200
    assert studio.arm("GET", project, by=reader).status == 200


def test_a_hub_does_not_go_with_projects_that_its_remover_may_not_remove(studio: Studio, pair: tuple[str, str]) -> None:
    hub, project = pair
    keeper = studio.person()
    studio.grant(keeper.oid, "Contributor", hub)
    assert studio.arm("DELETE", hub, by=keeper).status == 403
    studio.grant(keeper.oid, "Contributor", project)
    deny = {"denyAssignmentName": "no", "principals": [{"id": keeper.oid}], "permissions": [{"actions": ["*/delete"]}]}
    path = f"{project}{DENIES}/{uuid.uuid4()}"
    assert studio.arm("PUT", path, {"properties": deny}).status == 201
    assert studio.arm("DELETE", hub, by=keeper).status == 403
    assert (studio.arm("GET", hub).status, studio.arm("GET", project).status) == (200, 200)
    assert studio.arm("DELETE", path).status == 200
    assert studio.arm("DELETE", hub, by=keeper).status in (200, 202)


def test_a_group_does_not_go_with_a_hub_whose_projects_elsewhere_its_remover_may_not_remove(studio: Studio) -> None:
    group = f"{studio.subscription}/resourceGroups/{unique('group')}"
    assert studio.arm("PUT", group, {"location": "local"}).status == 201
    hub = f"{group}/providers/{ML}/{unique('hub')}"
    assert studio.arm("PUT", hub, {"location": "local", "kind": "Hub", "properties": {}}).status == 201
    project = studio.project(hub)["id"]
    keeper = studio.person()
    studio.grant(keeper.oid, "Contributor", group)
    assert studio.arm("DELETE", group, by=keeper).status == 403
    assert (studio.arm("GET", hub).status, studio.arm("GET", project).status) == (200, 200)
    studio.grant(keeper.oid, "Contributor", project)
    assert studio.arm("DELETE", group, by=keeper).status in (200, 202)


def test_a_group_does_not_go_with_what_is_denied_to_its_remover(studio: Studio) -> None:
    group = f"{studio.subscription}/resourceGroups/{unique('group')}"
    assert studio.arm("PUT", group, {"location": "local"}).status == 201
    vault = f"{group}/providers/Microsoft.KeyVault/vaults/{unique('kv')[:20]}"
    assert studio.arm("PUT", vault, {"location": "local", "properties": {}}).status in (200, 201)
    keeper = studio.person()
    studio.grant(keeper.oid, "Contributor", group)
    studio.grant(keeper.oid, "Reader", vault)
    deny = {
        "denyAssignmentName": "no",
        "principals": [{"id": keeper.oid}],
        "permissions": [{"actions": ["Microsoft.KeyVault/vaults/delete"]}],
    }
    for place in (vault, group):
        path = f"{place}{DENIES}/{uuid.uuid4()}"
        assert studio.arm("PUT", path, {"properties": deny}).status == 201
        assert studio.arm("DELETE", group, by=keeper).status == 403
        assert studio.arm("GET", vault).status == 200
        assert studio.arm("DELETE", path).status == 200
    assert studio.arm("DELETE", group, by=keeper).status in (200, 202)


@pytest.mark.parametrize("denied", [f"{ML}/hubs/join/action", f"{ML}/hubs/join", f"{ML}/write"])
@pytest.mark.parametrize("by_template", [False, True], ids=["put", "template"])
@pytest.mark.parametrize("role", ["Contributor", "joins alone"])
def test_who_is_denied_one_way_to_make_a_project_makes_none_in_another(
    studio: Studio, pair: tuple[str, str], denied: str, role: str, *, by_template: bool
) -> None:
    hub, _ = pair
    maker = studio.person()
    if role == "Contributor":
        studio.grant(maker.oid, role, studio.group)
    else:
        joins = {"roleName": unique("joins"), "permissions": [{"actions": [f"{ML}/hubs/join/action", "*/read", DEPLOYS]}]}
        made = studio.arm("PUT", f"{studio.group}{ROLES}/{uuid.uuid4()}", {"properties": {**joins, "assignableScopes": [studio.group]}})
        studio.grant(maker.oid, made.json()["id"], studio.group)
    deny = {"denyAssignmentName": "no", "principals": [{"id": maker.oid}], "permissions": [{"actions": [denied]}]}
    assert studio.arm("PUT", f"{studio.group}{DENIES}/{uuid.uuid4()}", {"properties": deny}).status == 201
    name, body = unique("project"), {"location": "local", "kind": "Project", "properties": {"hubResourceId": hub}}
    if by_template:
        resource = {"type": ML, "apiVersion": API, "name": name, **body}
        template = {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": [resource]}
        path = f"{studio.group}/providers/Microsoft.Resources/deployments/{name}"
        answer = studio.arm("PUT", path, {"properties": {"mode": "Incremental", "template": template}}, by=maker)
    else:
        answer = studio.arm("PUT", f"{studio.group}/providers/{ML}/{name}", body, by=maker)
    assert answer.status == 403, answer
    assert studio.arm("GET", f"{studio.group}/providers/{ML}/{name}").status == 404


def test_only_hubs_pass_roles_on_and_only_by_these_words(studio: Studio, pair: tuple[str, str]) -> None:
    hub, project = pair
    assert reach(studio, hub, "Everything").code == "InvalidRoleInheritance"
    assert reach(studio, project, "Projects").status == 400


# ── what belongs to the platform ─────────────────────────────────────────────────────────────────────────────────


def test_an_owner_is_refused_each_verb_on_what_makes_a_projects_wall(studio: Studio) -> None:
    hub = studio.hub()
    project = studio.project(hub["id"])
    account = studio.arm("GET", hub["id"]).json()["properties"]["storageAccount"]
    root = studio.person()
    identity = project["identity"]["principalId"]
    made = studio.directory("PUT", f"/groups/{uuid.uuid4()}", {"properties": {"displayName": unique("owners"), "members": [root.oid]}})
    assert made.status == 201
    wanted = {"$filter": f"principalId eq '{identity}'"}
    walls = [
        each for scope in (account, project["id"]) for each in studio.arm("GET", f"{scope}{ASSIGNMENTS}", query=wanted).json()["value"]
    ]
    assert {each["properties"]["scope"] for each in walls} == {account, project["id"]}
    for each in walls:
        body = {"properties": {name: each["properties"][name] for name in ("principalId", "roleDefinitionId", "principalType")}}
        for reply in (studio.arm("DELETE", each["id"]), studio.arm("PUT", each["id"], body)):
            assert (reply.status, reply.code) == (403, "DenyAssignmentAuthorizationFailed"), each["id"]
    principal = f"/servicePrincipals/{identity}"
    for verb, body in (
        ("PUT", {"properties": {"displayName": "mine"}}),
        ("PATCH", {"properties": {"accountEnabled": False}}),
        ("DELETE", None),
    ):
        assert studio.directory(verb, principal, body).code == "DenyAssignmentAuthorizationFailed"
    assert studio.arm("DELETE", project["id"]).status in (200, 202, 204)  # the platform takes its own back


def test_every_call_on_a_container_carries_its_name_and_its_accounts(studio: Studio) -> None:
    account = studio.arm("GET", studio.hub()["id"]).json()["properties"]["storageAccount"]
    containers = f"{account}/blobServices/default/containers"
    keeper = studio.person()
    role = {"roleName": unique("keeps"), "permissions": [{"actions": [f"{CONTAINERS}/{verb}" for verb in ("read", "write", "delete")]}]}
    made = studio.arm("PUT", f"{studio.group}{ROLES}/{uuid.uuid4()}", {"properties": {**role, "assignableScopes": [studio.group]}})
    condition = f"{NAME} StringStartsWith 'team-' AND {ACCOUNT} StringEquals '{account.rpartition('/')[2]}'"
    studio.grant(keeper.oid, made.json()["id"], account, condition=condition)
    for name, expected in (("team-1", (201, 200, 200)), ("other", (403, 403, 403))):
        found = [
            studio.arm(verb, f"{containers}/{name}", body, by=keeper).status
            for verb, body in (("PUT", {}), ("GET", None), ("DELETE", None))
        ]
        assert tuple(found) == expected


# ── conditions that are hardly meant ─────────────────────────────────────────────────────────────────────────────


def conditional(studio: Studio, oid: str, condition: str, **properties: Any) -> dict[str, Any]:
    given = {"principalId": oid, "principalType": "ServicePrincipal", "roleDefinitionId": studio.role("Storage Blob Data Contributor")}
    return {"properties": {**given, "condition": condition, "conditionVersion": "2.0", **properties}}


def test_a_check_of_a_condition_is_passed_over_with_a_reason_that_stays_on_record(studio: Studio) -> None:
    person = studio.person()
    path = f"{studio.group}{ASSIGNMENTS}/{uuid.uuid4()}"
    wide = f"{NAME} StringStartsWith 'team'"
    refused = studio.arm("PUT", path, conditional(studio, person.oid, wide))
    assert (refused.status, refused.code) == (400, "ConditionPrefixIsOpen")
    assert "team-" in refused.json()["error"]["message"]
    for override in (
        {"checks": ["L3"]},
        {"checks": ["L3"], "reason": "no"},
        {"checks": ["L9"], "reason": "all teams share these"},
        {"checks": ["L4"], "reason": "all teams share these"},
    ):
        assert studio.arm("PUT", path, conditional(studio, person.oid, wide, studioloOverride=override)).code == "InvalidOverride"
    wrong = {"checks": ["L1"], "reason": "all teams share these containers"}
    assert studio.arm("PUT", path, conditional(studio, person.oid, wide, studioloOverride=wrong)).code == "ConditionPrefixIsOpen"
    right = {"checks": ["L3"], "reason": "all teams share these containers"}
    assert studio.arm("PUT", path, conditional(studio, person.oid, wide, studioloOverride=right)).status == 201
    assert studio.arm("GET", path).json()["properties"]["studioloOverride"] == right
    log = f"{studio.subscription}/providers/Microsoft.Insights/eventtypes/management/values"
    lines = studio.arm("GET", log, query={"$filter": f"resourceUri eq '{path}'"}).json()["value"]
    said = next(line for line in lines if line["operationName"]["value"] == "Studiolo.Access/overrides/write")
    assert said["properties"]["reason"] == right["reason"]
    assert said["properties"]["checks"] == ["L3"]


def test_a_condition_beside_a_grant_without_one_is_refused(studio: Studio) -> None:
    person = studio.person()
    team = studio.group_of(person)
    account = studio.arm("GET", studio.hub()["id"]).json()["properties"]["storageAccount"]
    studio.grant(team, "Storage Blob Data Reader", studio.group, kind="Group")
    path = f"{account}{ASSIGNMENTS}/{uuid.uuid4()}"
    refused = studio.arm("PUT", path, conditional(studio, person.oid, f"{NAME} StringEquals 'notes'"))
    assert (refused.status, refused.code) == (400, "ConditionIsBypassed")


# ── custom roles ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_custom_role_may_create_hubs_and_a_change_of_it_acts_at_the_next_call(studio: Studio) -> None:
    maker = studio.person()
    actions = [f"{ML}/{verb}" for verb in ("read", "write", "hubs/write")]
    role = studio.custom_role(*actions)
    studio.grant(maker.oid, role, studio.group)
    body = {"location": "local", "kind": "Hub", "properties": {}}
    assert studio.arm("PUT", studio.workspace(unique("hub")), body, by=maker).status == 201
    guid = role.rpartition("/")[2]
    shown = studio.arm("GET", f"{studio.group}{ROLES}/{guid}").json()["properties"]
    shown["permissions"] = [{"actions": [f"{ML}/read"]}]
    assert studio.arm("PUT", f"{studio.group}{ROLES}/{guid}", {"properties": shown}).status == 200
    assert studio.arm("PUT", studio.workspace(unique("hub")), body, by=maker).code == "AuthorizationFailed"


def test_who_may_write_roles_but_not_assign_them_makes_none(studio: Studio) -> None:
    author = studio.person()
    studio.grant(author.oid, studio.custom_role("Microsoft.Authorization/roleDefinitions/*"), studio.group)
    properties = {"roleName": unique("wide"), "assignableScopes": [studio.group], "permissions": [{"actions": ["*"]}]}
    path = f"{studio.group}{ROLES}/{uuid.uuid4()}"
    assert studio.arm("PUT", path, {"properties": properties}, by=author).code == "AuthorizationFailed"
    assert studio.arm("PUT", path, {"properties": properties}).status == 201


def test_the_platforms_own_grants_pass_every_check(studio: Studio) -> None:
    """The condition that walls a project off, written by hand for somebody else, is accepted as it stands."""
    hub = studio.hub()
    project = studio.project(hub["id"])
    account = studio.arm("GET", hub["id"]).json()["properties"]["storageAccount"]
    assert account_of(studio.arm("GET", hub["id"]).json()) in account
    wanted = {"$filter": f"principalId eq '{project['identity']['principalId']}'"}
    own = next(
        each for each in studio.arm("GET", f"{account}{ASSIGNMENTS}", query=wanted).json()["value"] if each["properties"].get("condition")
    )
    person = studio.person()
    path = f"{account}{ASSIGNMENTS}/{uuid.uuid4()}"
    assert studio.arm("PUT", path, conditional(studio, person.oid, own["properties"]["condition"])).status == 201
    assert GIVE not in own["properties"]["condition"]

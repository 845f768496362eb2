"""The templates of the unchanged vendor's package, with the parameters that its own code fills in."""

from typing import Any

import pytest

from studiolo.rooms.templates.domain.bodies import body
from studiolo.rooms.templates.domain.plan import Plan
from tests.rooms.templates.planning import GROUP, names, plan, template
from tests.rooms.templates.vendor import SUBSCRIPTION, creation_of, resources, templates

HUB = f"{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/home"
WORKSPACES = "Microsoft.MachineLearningServices/workspaces"


def planned(kind: str, *, unknown: set[str] | None = None, **more: Any) -> Plan:
    raw, parameters = creation_of(kind, **more)
    return plan(raw, given={name: one["value"] for name, one in parameters.items()}, unknown=unknown or set())


def workspace_body(found: Plan) -> Any:
    item = next(one for one in found.items if one.type == WORKSPACES)
    return body(found.world, item.declared, item.copies)


def test_a_hub_comes_with_its_storage_account_and_its_vault() -> None:
    offered = {WORKSPACES, "Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults"}
    found = planned(
        "Hub", name="claims-dev", display_name="Claims", unknown={"Microsoft.Network/virtualNetworks", "Microsoft.Insights/components"}
    )
    assert {item.type for item in found.items} == offered
    assert found.items[-1].type == WORKSPACES
    assert {one.type for one in found.items[-1].waits_for} == offered - {WORKSPACES}
    made = workspace_body(found)
    assert made["kind"] == "hub"
    assert made["location"] == "local"
    assert made["identity"] == {"type": "SystemAssigned"}
    assert made["properties"]["friendlyName"] == "Claims"
    assert made["properties"]["storageAccount"] == found.items[0].id.text
    assert made["properties"]["keyVault"] == found.items[1].id.text
    assert made["properties"]["applicationInsights"] is None
    assert made["properties"]["containerRegistry"] is None
    assert made["properties"]["hbiWorkspace"] == "false"


def test_a_hub_on_an_account_that_exists_makes_none() -> None:
    account = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/other/providers/Microsoft.Storage/storageAccounts/shared"
    found = planned("Hub", storage_account=account)
    assert [item.type for item in found.items] == ["Microsoft.KeyVault/vaults", WORKSPACES]
    assert workspace_body(found)["properties"]["storageAccount"] == account


def test_a_project_is_one_resource_that_names_its_hub() -> None:
    found = planned("Project", name="triage", hub_id=HUB)
    assert names(found) == ["triage"]
    made = workspace_body(found)
    assert made["kind"] == "project"
    assert made["properties"]["hubResourceId"] == HUB


def test_a_plain_workspace_comes_with_insights_too() -> None:
    found = planned("Workspace", name="plain")
    assert [item.type for item in found.items] == [
        "Microsoft.Storage/storageAccounts",
        "Microsoft.KeyVault/vaults",
        "Microsoft.OperationalInsights/workspaces",
        "Microsoft.Insights/components",
        WORKSPACES,
    ]
    assert workspace_body(found)["properties"]["applicationInsights"] == found.items[3].id.text


def test_a_feature_store_is_planned_with_its_nested_deployments() -> None:
    found = planned("FeatureStore", grant_materialization_permissions=True)
    kinds = [item.type for item in found.everything()]
    assert kinds.count("Microsoft.Resources/deployments") == 4
    assert kinds.count("Microsoft.Authorization/roleAssignments") == 3
    identity = next(item for item in found.items if item.type == "Microsoft.ManagedIdentity/userAssignedIdentities")
    assert all(identity.id in item.waits_for for item in found.items if item.is_deployment)


@pytest.mark.parametrize("name", sorted(templates()))
def test_every_expression_of_a_vendor_template_is_understood(name: str) -> None:
    raw = templates()[name]
    kinds: dict[str, Any] = {"string": "x", "object": {}, "array": [], "int": 1, "bool": True}
    given = {one: kinds[declared["type"].lower()] for one, declared in raw.get("parameters", {}).items() if "defaultValue" not in declared}
    plan(raw, given=given)


@pytest.mark.parametrize("name", sorted(resources()))
def test_a_resource_that_the_vendor_adds_by_itself_is_understood(name: str) -> None:
    one = {"name": "n", "version": "1", "properties": {"a": 1}, "tags": {}, "sku": {"name": "s", "capacity": 1}}
    values: dict[str, tuple[str, Any]] = {
        "workspaceName": ("string", "w"),
        "onlineEndpointName": ("string", "e"),
        "endpointCreateOrUpdate": ("string", "create"),
        "location": ("string", "local"),
        "onlineEndpointIdentity": ("object", {"type": "SystemAssigned"}),
        "onlineEndpointTags": ("object", {}),
        "onlineEndpointProperties": ("object", {"authMode": "Key"}),
        "onlineEndpointPropertiesTrafficUpdate": ("object", {"traffic": {"blue": 100}}),
        **{each: ("array", [one]) for each in ("code_version", "environment_version", "model_version", "models", "online_deployment")},
    }
    raw = template(parameters={each: {"type": kind} for each, (kind, _) in values.items()}, resources=[resources()[name]])
    found = plan(raw, given={each: value for each, (_, value) in values.items()})
    assert len(found.items) == 1
    assert found.everything()[-1].type.startswith(WORKSPACES)

"""Accounts and deployments through the resource façade."""

from __future__ import annotations

from typing import Any

import pytest

from studiolo.kernel.faults import Conflict, Fault, Forbidden, Invalid, NotFound, NotOffered
from studiolo.kernel.ids import Collection, parse, split
from studiolo.kernel.resource import PLATFORM
from tests.rooms.models.conftest import ACCOUNT, PROJECT, WORKSPACE_IDS, House
from tests.support.kernel import GROUP, OWNER, READER

MODEL = {"format": "Google", "name": "gemma-3-270m", "version": "1"}


async def test_a_project_has_an_account_of_its_name_with_keys_an_identity_and_two_deployments(house: House) -> None:
    account = await house.get(ACCOUNT)
    assert (account["kind"], account["sku"]) == ("AIServices", {"name": "S0"})
    assert account["properties"]["projectId"] == PROJECT
    assert account["properties"]["endpoint"] == f"https://localhost:8443/projects/{WORKSPACE_IDS['triage']}/"
    assert account["identity"] == {"type": "SystemAssigned", "principalId": "identity-of-triage", "tenantId": "tenant"}
    for name, model in (("chat", "gemma-3-270m"), ("embeddings", "all-minilm-l6-v2")):
        deployment = await house.get(f"{ACCOUNT}/deployments/{name}")
        assert deployment["properties"]["model"]["name"] == model
        assert deployment["properties"]["provisioningState"] == "Succeeded"
    shown = await house.act(ACCOUNT, "listKeys")
    assert sorted(shown) == ["key1", "key2"]
    assert shown["key1"] == (await house.keys())["primary"]


async def test_the_accounts_identity_may_call_models_in_its_project_by_an_assignment_that_everybody_can_see(house: House) -> None:
    found = await house.get(f"{PROJECT}/providers/Microsoft.Authorization/roleAssignments/identity-of-triage")
    assert found["properties"]["roleDefinitionId"].endswith("/5e0bd9bd-7b93-4f28-af87-19fc36ad61bd")


async def test_asking_for_the_defaults_again_changes_nothing_and_puts_nothing_back(house: House) -> None:
    before = await house.get(ACCOUNT)
    await house.kernel.control.delete(PLATFORM, parse(f"{ACCOUNT}/deployments/embeddings"))
    await house.make_project(PROJECT)
    assert await house.get(ACCOUNT) == before
    with pytest.raises(NotFound):
        await house.get(f"{ACCOUNT}/deployments/embeddings")


async def test_a_regenerated_key_is_a_new_one(house: House) -> None:
    before = await house.act(ACCOUNT, "listKeys")
    after = await house.act(ACCOUNT, "regenerateKey", {"keyName": "Key2"})
    assert after["key1"] == before["key1"]
    assert after["key2"] != before["key2"]
    with pytest.raises(Invalid):
        await house.act(ACCOUNT, "regenerateKey", {})


async def test_keys_are_shown_to_nobody_who_may_only_read(house: House) -> None:
    control = house.kernel.control
    assert await control.act(OWNER, parse(ACCOUNT), "listKeys", {}, {})
    with pytest.raises(Forbidden):
        await control.act(READER, parse(ACCOUNT), "listKeys", {}, {})
    secret = (await house.keys())["primary"].encode()
    assert secret not in await control.get(OWNER, parse(ACCOUNT))


async def test_further_deployments_of_the_catalog_can_be_made_and_removed(house: House) -> None:
    made = await house.put(
        f"{ACCOUNT}/deployments/triage-bot", {"sku": {"name": "Standard", "capacity": 1}, "properties": {"model": MODEL}}
    )
    assert made["properties"]["capabilities"] == {"chatCompletion": "true", "completion": "true"}
    with pytest.raises(Conflict):
        await house.put(f"{ACCOUNT}/deployments/triage-bot", {"properties": {"model": {"name": "all-minilm-l6-v2"}}})
    await house.kernel.control.delete(PLATFORM, parse(f"{ACCOUNT}/deployments/triage-bot"))


@pytest.mark.parametrize(
    ("body", "kind", "target"),
    [
        ({}, Invalid, "properties.model.name"),
        ({"properties": {"model": {"name": "gpt-4o"}}}, NotOffered, "properties.model.name"),
        ({"properties": {"model": MODEL | {"version": "2"}}}, Invalid, "properties.model.version"),
        ({"properties": {"model": MODEL}, "sku": {"name": "GlobalStandard"}}, Invalid, "sku"),
        ({"properties": {"model": MODEL, "raiPolicyName": "strict"}}, NotOffered, "properties.raiPolicyName"),
        ({"properties": {"model": "gemma"}}, Invalid, "properties.model"),
    ],
)
async def test_a_deployment_that_cannot_be_is_refused(house: House, body: dict[str, Any], kind: type[Fault], target: str) -> None:
    with pytest.raises(kind) as refused:
        await house.put(f"{ACCOUNT}/deployments/new", body)
    assert refused.value.target == target
    with pytest.raises(NotFound):
        await house.get(f"{ACCOUNT}/deployments/new")


async def test_an_account_without_a_project_is_refused(house: House) -> None:
    with pytest.raises(NotFound) as refused:
        await house.put(f"{GROUP}/providers/Microsoft.CognitiveServices/accounts/lonely", {"kind": "OpenAI", "location": "local"})
    assert refused.value.code == "ProjectNotFound"
    with pytest.raises(NotOffered):
        await house.put(ACCOUNT, {"kind": "SpeechServices", "location": "local"})


async def test_a_removed_account_takes_its_keys_and_deployments_along_and_can_be_made_again(house: House) -> None:
    before = await house.act(ACCOUNT, "listKeys")
    await house.kernel.control.delete(PLATFORM, parse(ACCOUNT))
    for gone in (ACCOUNT, f"{ACCOUNT}/deployments/chat"):
        with pytest.raises(NotFound):
            await house.get(gone)
    with pytest.raises(NotFound):
        await house.keys()
    await house.put(ACCOUNT, {"kind": "OpenAI", "location": "local"})
    assert (await house.get(f"{ACCOUNT}/deployments/chat"))["properties"]["model"]["name"] == "gemma-3-270m"
    assert (await house.act(ACCOUNT, "listKeys"))["key1"] != before["key1"]


async def test_clearing_a_project_is_safe_to_repeat(house: House) -> None:
    project = await house.kernel.control.find(parse(PROJECT))
    assert project is not None
    for _ in range(2):
        await house.room.accounts.clear(project)
    assert await house.kernel.control.find(parse(ACCOUNT)) is None


async def test_the_models_of_an_account_are_listed(house: House) -> None:
    collection = split(f"{ACCOUNT}/models")
    assert isinstance(collection, Collection)
    listed = await house.kernel.control.list(OWNER, collection, {})
    assert b"gemma-3-270m" in listed.docs[0]
    assert b"all-minilm-l6-v2" in listed.docs[1]

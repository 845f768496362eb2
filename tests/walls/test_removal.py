"""What somebody is denied to remove is not removed by removing what holds it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.asgi import Reply
from tests.walls.house import Grant, House, Somebody

pytestmark = pytest.mark.anyio

ML = "Microsoft.MachineLearningServices/workspaces"
ACCOUNTS = "Microsoft.CognitiveServices/accounts"
DEPLOYMENTS = f"{ACCOUNTS}/deployments"
NAME = f"@Resource[{DEPLOYMENTS}:name]"
ROLES = "Microsoft.Authorization/roleAssignments"
DONE = (200, 202, 204)


async def workspace(house: House, kind: str = "Default", **properties: Any) -> str:
    """The id of a new one in the house's group."""
    path = f"{house.group}/providers/{ML}/w{uuid.uuid4().hex[:8]}"
    made = await house.arm("PUT", path, {"location": "local", "kind": kind, "properties": properties})
    assert made.status == 201, made.body
    return path


def account_of(project: str) -> str:
    return project.replace(ML, ACCOUNTS)


async def contributor(house: House) -> Somebody:
    return await house.person("contributor", [Grant("Contributor", house.subscription)])


@asynccontextmanager
async def denied(house: House, who: Somebody, action: str, scope: str, condition: str = "", **how: Any) -> AsyncGenerator[None]:
    """A deny assignment against somebody, for a while."""
    path = f"{scope}/providers/Microsoft.Authorization/denyAssignments/{uuid.uuid4()}"
    body = {"denyAssignmentName": "kept", "permissions": [{"actions": [action]}], "principals": [{"id": who.oid}], **how}
    body |= {"condition": condition, "conditionVersion": "2.0"} if condition else {}
    made = await house.arm("PUT", path, {"properties": body})
    assert made.status == 201, made.body
    yield
    assert (await house.arm("DELETE", path)).status == 200


async def is_there(house: House, path: str) -> bool:
    return (await house.arm("GET", path)).status == 200


def assert_denied(reply: Reply, action: str, scope: str) -> None:
    error = reply.json()["error"]
    assert (reply.status, error["code"]) == (403, "DenyAssignmentAuthorizationFailed"), reply.body
    assert action in error["message"]
    assert scope in error["message"]


@pytest.mark.parametrize("at", ["group", "subscription"])
@pytest.mark.parametrize("condition", ["", f"{NAME} StringEquals 'chat'"], ids=["all", "by name"])
async def test_a_denial_from_above_keeps_what_lies_below(house: House, at: str, condition: str) -> None:
    account = account_of(await workspace(house))
    chat = f"{account}/deployments/chat"
    person = await contributor(house)
    async with denied(house, person, f"{DEPLOYMENTS}/delete", getattr(house, at), condition):
        for removed in (chat, account):
            assert_denied(await house.arm("DELETE", removed, who=person), f"{DEPLOYMENTS}/delete", chat)
        if at == "subscription":  # what stands at the group itself goes with it, and is asked for as such
            assert_denied(await house.arm("DELETE", house.group, who=person), f"{DEPLOYMENTS}/delete", "/deployments/")
        assert await is_there(house, chat)
        if condition:
            assert (await house.arm("DELETE", f"{account}/deployments/embeddings", who=person)).status in DONE
    assert (await house.arm("DELETE", account, who=person)).status in DONE
    assert not await is_there(house, chat)


async def test_a_denial_keeps_what_lies_below_what_a_hub_takes_along(house: House) -> None:
    hub = await workspace(house, "Hub")
    project = await workspace(house, "Project", hubResourceId=hub)
    person = await contributor(house)
    async with denied(house, person, f"{ML}/datastores/delete", house.group):
        assert_denied(await house.arm("DELETE", hub, who=person), f"{ML}/datastores/delete", f"{project}/datastores/")
    assert await is_there(house, project)
    assert (await house.arm("DELETE", hub, who=person)).status in DONE
    assert not await is_there(house, project)


async def test_what_a_removal_asks_for_beside_its_own_action_is_kept_too(house: House) -> None:
    person = await contributor(house)
    condition = f"Exists @Resource[{ML}:name] AND @Resource[{ML}:name] StringEquals 'hub'"
    async with denied(house, person, f"{ML}/hubs/delete", house.subscription, condition):
        assert_denied(await house.arm("DELETE", house.group, who=person), f"{ML}/hubs/delete", "/workspaces/hub")


async def test_roles_go_with_the_scope_at_which_they_stand(house: House) -> None:
    """Those of its maker and of its own identity, which nobody could take away by themselves."""
    project = await workspace(house)
    person = await contributor(house)
    async with denied(house, person, f"{ROLES}/*", house.group):
        assert (await house.arm("DELETE", project, who=person)).status in DONE


async def test_other_denials_keep_nothing(house: House) -> None:
    account = account_of(await workspace(house))
    person, other = await contributor(house), await contributor(house)
    async with (
        denied(house, other, f"{DEPLOYMENTS}/delete", house.group),
        denied(house, person, f"{DEPLOYMENTS}/write", house.group),
        denied(house, person, f"{DEPLOYMENTS}/delete", house.group, f"{NAME} StringEquals 'elsewhere'"),
        denied(house, person, f"{DEPLOYMENTS}/delete", house.group, denyAssignmentEffect="audit"),
        denied(house, person, f"{DEPLOYMENTS}/delete", house.group, doNotApplyToChildScopes=True),
        denied(house, person, f"{DEPLOYMENTS}/delete", account_of(house.project["id"])),
    ):
        assert (await house.arm("DELETE", account, who=person)).status in DONE
    assert not await is_there(house, account)


@pytest.mark.parametrize("part", ["account", "container"])
async def test_a_denial_at_what_goes_with_a_project_is_the_removers_to_take_back(house: House, part: str) -> None:
    hub = f"{house.group}/providers/{ML}/hub"
    project = await workspace(house, "Project", hubResourceId=hub)
    shown = (await house.arm("GET", project)).json()["properties"]
    container = f"{shown['storageAccount']}/blobServices/default/containers/{shown['workspaceId']}-blobstore"
    person = await contributor(house)
    async with denied(house, person, "*/delete", account_of(project) if part == "account" else container):
        assert (await house.arm("DELETE", project, who=person)).status == 403
        assert await is_there(house, project)
    assert (await house.arm("DELETE", project, who=person)).status in DONE


async def test_a_refusal_names_no_project_that_is_hidden(house: House) -> None:
    hub = await workspace(house, "Hub")
    project = await workspace(house, "Project", hubResourceId=hub)
    person = await house.person("of the hub alone", [Grant("Contributor", hub)])
    refused = await house.arm("DELETE", hub, who=person)
    assert (refused.status, refused.json()["error"]["code"]) == (403, "AuthorizationFailed")
    assert project.rpartition("/")[2] not in refused.body.decode()

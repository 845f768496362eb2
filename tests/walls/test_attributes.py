"""Rights under a condition on what is called: workspaces by name and kind, deployments by name and model, lists as single calls."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import pytest

from studiolo.kernel.access.lints.offers import OFFERS
from studiolo.kernel.ids import parse
from tests.support.asgi import Reply
from tests.walls.house import API, House, Somebody

pytestmark = pytest.mark.anyio

ML = "Microsoft.MachineLearningServices/workspaces"
ACCOUNTS = "Microsoft.CognitiveServices/accounts"
CHAT = f"{ACCOUNTS}/OpenAI/deployments/chat/completions/action"
NAME, KIND, KIND_ASKED = f"@Resource[{ML}:name]", f"@Resource[{ML}:kind]", f"@Request[{ML}:kind]"
DEPLOYMENT, MODEL = f"@Resource[{ACCOUNTS}/deployments:name]", f"@Resource[{ACCOUNTS}/deployments:model]"


async def give(
    house: House, condition: str, actions: Sequence[str] = (), data: Sequence[str] = (), *, scope: str = "", who: Somebody | None = None
) -> Somebody:
    """Somebody who holds these actions under this condition, at the group unless told otherwise; no check is passed over."""
    found = who or await house.person("conditional")
    role = f"{house.group}/providers/Microsoft.Authorization/roleDefinitions/{uuid.uuid4()}"
    permissions = [{"actions": list(actions), "dataActions": list(data)}]
    made = await house.arm(
        "PUT", role, {"properties": {"roleName": f"role {uuid.uuid4()}", "permissions": permissions, "assignableScopes": [house.group]}}
    )
    assert made.status == 201, made.body
    body = {"roleDefinitionId": role, "principalId": found.oid, "principalType": "ServicePrincipal"}
    body |= {"condition": condition, "conditionVersion": "2.0"} if condition else {}
    path = f"{scope or house.group}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    given = await house.arm("PUT", path, {"properties": body})
    assert given.status == 201, given.body
    return found


async def workspace(house: House, name: str, kind: str = "Default", who: Somebody | None = None) -> int:
    return (await house.arm("PUT", f"{house.group}/providers/{ML}/{name}", {"location": "local", "kind": kind}, who=who)).status


async def deny(house: House, who: Somebody, condition: str, action: str) -> None:
    """Deny them one action under a condition, in the group."""
    body: dict[str, Any] = {
        "denyAssignmentName": "denied",
        "permissions": [{"actions": [action]}],
        "principals": [{"id": who.oid, "type": "ServicePrincipal"}],
        "condition": condition,
        "conditionVersion": "2.0",
    }
    made = await house.arm("PUT", f"{house.group}/providers/Microsoft.Authorization/denyAssignments/{uuid.uuid4()}", {"properties": body})
    assert made.status == 201, made.body


async def deployed(house: House, who: Somebody, name: str, body: dict[str, Any]) -> Reply:
    """The answer to a template that makes one workspace."""
    schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
    resource = {"type": ML, "apiVersion": API, "name": name, **body}
    template = {"$schema": schema, "contentVersion": "1.0.0.0", "resources": [resource]}
    path = f"{house.group}/providers/Microsoft.Resources/deployments/{name}"
    return await house.arm("PUT", path, {"properties": {"mode": "Incremental", "template": template}}, who=who)


async def names(house: House, path: str, who: Somebody, status: int = 200) -> list[str]:
    reply = await house.arm("GET", path, who=who)
    assert reply.status == status, reply.body
    return sorted(each["name"] for each in reply.json().get("value", []))


async def test_a_name_in_a_condition_opens_the_workspaces_of_that_name_and_their_list(house: House) -> None:
    for name in ("Sandbox-one", "sandbox-two", "serious"):
        assert await workspace(house, name) == 201
    every = f"{house.group}/providers/{ML}"
    condition = f"{NAME} StringStartsWithIgnoreCase 'sandbox-'"
    person = await give(house, condition, [f"{ML}/read", f"{ML}/delete"])

    async def status(method: str, name: str) -> int:
        return (await house.arm(method, f"{every}/{name}", who=person)).status

    assert [await status("GET", name) for name in ("SANDBOX-ONE", "serious", "hub", "first")] == [200, 403, 403, 403]
    assert [await status("GET", name) for name in ("sandbox-none", "none")] == [404, 403], "what is not there has its name"
    assert await names(house, every, person) == ["Sandbox-one", "sandbox-two"]
    paged = await house.arm("GET", every, who=person, query={"$top": "1"})
    assert [each["name"] for each in paged.json()["value"]] == ["Sandbox-one"]
    assert await status("DELETE", "serious") == 403
    assert await status("DELETE", "sandbox-two") in (200, 202, 204)
    assert await names(house, every, person) == ["Sandbox-one"]
    exact = await give(house, f"{NAME} StringEquals 'Sandbox-one'", [f"{ML}/read"])
    assert (await house.arm("GET", f"{every}/sandbox-one", who=exact)).status == 200, "the stored spelling counts, not the caller's"


async def test_a_kind_in_a_condition_tells_hubs_from_projects(house: House) -> None:
    every = f"{house.group}/providers/{ML}"
    stays = f"{KIND_ASKED} StringEquals 'Default' AND (NotExists {KIND} OR {KIND} StringEquals 'Default')"
    writer = await give(house, stays, [f"{ML}/write", f"{ML}/hubs/write"])
    assert await workspace(house, "plain", "default", writer) == 201, "a kind is compared in its own spelling"
    assert await workspace(house, "lofty", "Hub", writer) == 403
    assert await workspace(house, "odd", "nothing", writer) == 403, "what is wrong is told to those who may"
    tagged = {"tags": {"a": "b"}}
    assert (await house.arm("PATCH", f"{every}/plain", tagged, who=writer)).status == 200
    assert (await house.arm("PATCH", f"{every}/hub", tagged, who=writer)).status == 403
    await give(house, "", ["Microsoft.Resources/deployments/*"], who=writer)
    for name, kind, expected in (("by-template", "Default", True), ("lofty-too", "Hub", False)):
        sent = await deployed(house, writer, name, {"location": "local", "kind": kind, "properties": {}})
        assert (sent.status, b"AuthorizationFailed" in sent.body) == ((201, False) if expected else (409, True)), sent.body
        assert (await house.arm("GET", f"{every}/{name}")).status == (200 if expected else 404)
    reader = await give(house, f"{KIND} StringEquals 'Project'", [f"{ML}/read"])
    assert await names(house, every, reader) == ["first", "second"]
    assert (await house.arm("GET", f"{every}/hub", who=reader)).status == 403
    assert (await house.arm("GET", f"{every}/none", who=reader)).status == 403


async def test_a_denial_under_a_condition_hides_what_it_names_and_nothing_else(house: House) -> None:
    assert await workspace(house, "shown") == 201
    assert await workspace(house, "secret-one") == 201
    every = f"{house.group}/providers/{ML}"
    person = await give(house, f"Exists {NAME}", [f"{ML}/read"], who=await house.person("denied"))
    await deny(house, person, f"{NAME} StringStartsWith 'secret-'", f"{ML}/read")
    seen = await names(house, every, person)
    assert "shown" in seen
    assert "secret-one" not in seen
    for name in [*seen, "secret-one"]:
        assert (await house.arm("GET", f"{every}/{name}", who=person)).status == (200 if name in seen else 403)


@pytest.mark.parametrize(
    "condition",
    [f"Exists {KIND_ASKED} AND {KIND_ASKED} StringEquals 'Project'", f"Exists {NAME} AND {NAME} StringStartsWith 'secret-'"],
    ids=["kind", "name"],
)
async def test_a_denial_of_writing_holds_for_every_way_of_writing(house: House, condition: str) -> None:
    """Also where the right to write is one that something else asks for: to make a project, a key's new version, a template."""
    hub, name = f"{house.group}/providers/{ML}/hub", f"secret-{uuid.uuid4().hex[:8]}"
    person = await give(house, "", [f"{ML}/*", "Microsoft.Resources/deployments/*"])
    joins = await give(house, "", [f"{ML}/hubs/join/action"], scope=hub)
    for each in (person, joins):
        await deny(house, each, condition, f"{ML}/write")
    project = {"location": "local", "kind": "Project", "properties": {"hubResourceId": hub}}
    path = f"{house.group}/providers/{ML}/{name}"
    for each in (person, joins):
        assert (await house.arm("PUT", path, project, who=each)).status == 403
    assert (await deployed(house, person, name, project)).status == 409
    assert (await house.arm("PUT", path, project)).status == 201
    assert (await house.arm("PATCH", path, {"tags": {"a": "b"}}, who=person)).status == 403
    assert (await house.arm("POST", f"{path}/rotateKey", {}, who=person)).status == 403
    assert await workspace(house, f"plain-{name}", who=person) == 201, "what is not denied goes on, by a template too"
    assert (await deployed(house, person, f"other-{name}", {"location": "local", "kind": "Default", "properties": {}})).status == 201


async def test_models_are_called_by_the_deployments_that_a_condition_names(house: House) -> None:
    project = house.project["properties"]["workspaceId"]
    by_name = await give(house, f"{DEPLOYMENT} StringEquals 'chat'", data=[CHAT])
    by_model = await give(house, f"{MODEL} StringLike 'gemma-*'", data=[CHAT])
    account = f"{house.group}/providers/{ACCOUNTS}/{house.project['name']}"
    body = {"properties": {"model": {"format": "Google", "name": "gemma-3-270m", "version": "1"}}}
    assert (await house.arm("PUT", f"{account}/deployments/other", body)).status == 201

    async def status(who: Somebody, model: str, *, where: str = "v1", raw: bytes | None = None) -> int:
        sent: bytes | dict[str, Any] = raw or {"model": model, "messages": [{"role": "user", "content": "x"}]}
        at = "v1" if where == "v1" else f"deployments/{model}"
        query = "" if where == "v1" else "?api-version=2024-10-21"
        return (await house.ask("POST", f"/projects/{project}/openai/{at}/chat/completions{query}", sent, who=who)).status

    runs, no = 503, 401  # let through, to a model that this studio was started without; and refused as the original refuses
    for where in ("v1", "azure"):
        assert [await status(by_name, name, where=where) for name in ("chat", "CHAT", "other", "none")] == [runs, runs, no, no]
        assert [await status(by_model, name, where=where) for name in ("chat", "other", "embeddings", "none")] == [runs, runs, no, no]
    assert await status(by_name, "", raw=b"{") == no, "what is wrong with a body is told to those who may call"
    assert await status(by_name, "", raw=b'{"messages": []}') == no
    reader = await give(house, f"{DEPLOYMENT} StringEquals 'chat'", [f"{ACCOUNTS}/deployments/read"], scope=account)
    assert await names(house, f"{account}/deployments", reader) == ["chat"]
    made = {"properties": {"model": {"format": "x", "name": "all-minilm-l6-v2", "version": "1"}}}
    writes = f"(@Request[{ACCOUNTS}/deployments:model] StringEquals 'gemma-3-270m')"
    writer = await give(house, writes, [f"{ACCOUNTS}/deployments/write"], scope=account)
    assert (await house.arm("PUT", f"{account}/deployments/mine", made, who=writer)).status == 403
    assert (await house.arm("PUT", f"{account}/deployments/mine", body, who=writer)).status == 201


async def test_a_list_of_containers_shows_what_a_condition_on_their_names_opens(house: House) -> None:
    account = house.project["properties"]["storageAccount"]
    containers = "Microsoft.Storage/storageAccounts/blobServices/containers"
    condition = f"@Resource[{containers}:name] StringStartsWith '{house.workspace_id}-'"
    person = await give(house, condition, [f"{containers}/read"])
    seen = await names(house, f"{account}/blobServices/default/containers", person)
    assert len(seen) >= 4
    assert all(name.startswith(house.workspace_id) for name in seen)


async def test_what_a_type_says_that_its_calls_carry_is_what_conditions_are_checked_against(house: House) -> None:
    """The types and the table of section 6, which are written in two places, agree."""
    for declared in house.application.control.catalog:
        if declared.described is None:
            continue
        offered = {each.action: each for each in OFFERS.values() if each.plane == "control"}
        sample = parse(f"{house.group}/providers/{'/x/'.join(_segments(declared.name))}/x")
        carried = {name.lower() for name in declared.described(sample, None)}
        for action in {declared.permission(verb) for verb in ("read", "write", "delete", *(each.name for each in declared.actions))}:
            assert all(carried <= way.resource for way in offered[action.lower()].variants), action


def _segments(name: str) -> list[str]:
    namespace, first, *rest = name.split("/")
    return [f"{namespace}/{first}", *rest]

"""The older path to a deployment's steps, as the unchanged client asks for it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from studiolo.kernel.faults import Unauthenticated
from studiolo.kernel.resource import Caller
from studiolo.rooms.templates.wire import routes
from studiolo.wire.arm import ArmSurface
from studiolo.wire.front import Front, Nowhere
from studiolo.wire.http import Call, Surface
from studiolo.wire.render import render_arm
from tests.rooms.templates.bench import Bench, open_bench
from tests.rooms.templates.planning import template, thing
from tests.support.asgi import Reply, call
from tests.support.kernel import OWNER, READER, STRANGER

STEPS = "/subscriptions/s1/resourcegroups/rg1/deployments/main/operations"
PROVIDED = "/subscriptions/s1/resourcegroups/rg1/providers/Microsoft.Resources/deployments/main"
VERSION = "?api-version=2020-06-01"
PEOPLE = {"owner": OWNER, "reader": READER, "stranger": STRANGER}


class ByName:
    """Callers who say their name."""

    async def identify(self, call: Call) -> Caller:
        name = call.headers.get("x-name", "")
        if name not in PEOPLE:
            raise Unauthenticated("Sign in first.")
        return PEOPLE[name]


@dataclass
class House:
    bench: Bench
    front: Front

    async def ask(self, method: str, path: str, body: dict[str, object] | None = None, who: str = "owner") -> Reply:
        return await call(self.front, method, path + VERSION, body=body or b"", headers={"x-name": who})


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    bench = await open_bench(tmp_path)
    extras = Surface("deployments", routes(bench.room.records, ByName()), bench.control.gate, render_arm)
    yield House(bench, Front([ArmSurface(bench.control, ByName(), [extras])], lambda _: True, Nowhere()))
    await bench.close()


async def test_a_quick_deployment_has_ended_when_its_request_is_answered(house: House) -> None:
    body: dict[str, object] = {"properties": {"mode": "incremental", "template": template(resources=[thing("a")])}}
    reply = await house.ask("PUT", PROVIDED, body)
    assert reply.status == 201
    assert reply.json()["properties"]["provisioningState"] == "Succeeded"
    assert "azure-asyncoperation" not in reply.headers
    assert (await house.ask("PUT", PROVIDED, body)).status == 200
    listed = await house.ask("GET", STEPS)
    assert listed.status == 200
    target = listed.json()["value"][0]["properties"]["targetResource"]
    assert target["id"] == "/subscriptions/s1/resourceGroups/rg1/providers/Studiolo.Test/things/a"
    assert listed.json()["value"] == (await house.ask("GET", f"{PROVIDED}/operations")).json()["value"]


async def test_one_step_can_be_read_and_an_unknown_one_is_not_found(house: House) -> None:
    await house.ask("PUT", PROVIDED, {"properties": {"mode": "Incremental", "template": template(resources=[thing("a")])}})
    step = (await house.ask("GET", STEPS)).json()["value"][0]
    assert (await house.ask("GET", f"{STEPS}/{step['name'].lower()}")).json() == step
    missing = await house.ask("GET", f"{STEPS}/0")
    assert (missing.status, missing.code) == (404, "DeploymentOperationNotFound")


async def test_steps_are_shown_to_those_who_may_read_them(house: House) -> None:
    await house.ask("PUT", PROVIDED, {"properties": {"mode": "Incremental", "template": template(resources=[thing("a")])}})
    assert (await house.ask("GET", STEPS, who="reader")).status == 200
    assert (await house.ask("GET", STEPS, who="stranger")).status == 403
    assert (await house.ask("GET", STEPS, who="nobody")).status == 401


async def test_a_wrong_template_is_a_bad_request_in_the_usual_shape(house: House) -> None:
    raw = template(variables={"v": "[nonsense()]"})
    reply = await house.ask("PUT", PROVIDED, {"properties": {"mode": "Incremental", "template": raw}})
    assert (reply.status, reply.code) == (400, "InvalidTemplate")
    assert reply.json()["error"]["target"] == "variables.v"
    for action in ("validate", "whatIf"):
        reply = await house.ask("POST", f"{PROVIDED}/{action}", {"properties": {"mode": "Incremental", "template": raw}})
        assert reply.status == (400 if action == "validate" else 501)

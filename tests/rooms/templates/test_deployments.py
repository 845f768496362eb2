from pathlib import Path

import pytest

from studiolo.kernel.faults import Conflict, Fault, Forbidden, Invalid, NotFound, NotOffered
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import Caller
from studiolo.rooms.templates.backends.seals import KeySeals
from tests.rooms.templates.bench import THING, Bench, crashed_and_started_again, ended, open_bench, until
from tests.rooms.templates.planning import deployment, template, thing
from tests.support.kernel import GROUP, OWNER, READER

TWO = template(
    parameters={"size": {"type": "int", "defaultValue": 3}},
    resources=[
        thing("b", properties={"size": "[reference('a').size]"}, location="[resourceGroup().location]"),
        thing("a", properties={"size": "[parameters('size')]"}, location="local"),
    ],
    outputs={
        "size": {"type": "int", "value": "[reference('b').size]"},
        "place": {"type": "string", "value": "[reference('b', '2026-01-01', 'full').location]"},
        "id": {"type": "string", "value": "[resourceId('Studiolo.Test/things', 'b')]"},
        "key": {"type": "securestring", "value": "[listKeys('a', '2026-01-01').key]"},
        "none": {"type": "string", "condition": "[equals(1, 2)]", "value": "[div(1, 0)]"},
        "many": {"type": "array", "copy": {"count": 2, "input": "[copyIndex()]"}},
    },
)


async def test_a_template_becomes_resources_and_outputs(bench: Bench) -> None:
    shown = await bench.deploy(TWO, size=7)
    assert shown["provisioningState"] == "Succeeded"
    assert shown["outputs"] == {
        "size": {"type": "Int", "value": 7},
        "place": {"type": "String", "value": "local"},
        "id": {"type": "String", "value": f"{GROUP}/providers/{THING}/b"},
        "key": {"type": "SecureString"},
        "many": {"type": "Array", "value": [0, 1]},
    }
    assert shown["parameters"] == {"size": {"type": "Int", "value": 7}}
    assert [one["id"] for one in shown["outputResources"]] == [f"{GROUP}/providers/{THING}/{name}" for name in ("a", "b")]
    assert shown["dependencies"][0]["resourceName"] == "b"
    assert shown["dependencies"][0]["dependsOn"][0]["resourceName"] == "a"
    assert shown["providers"] == [{"namespace": "Studiolo.Test", "resourceTypes": [{"resourceType": "things", "locations": [None]}]}]
    assert shown["mode"] == "Incremental"
    assert shown["correlationId"]
    assert (await bench.thing("b"))["properties"]["size"] == 7
    assert (await bench.get(bench.id()))["properties"] == shown


async def test_a_deployment_tells_its_duration_as_clients_cut_it_up(bench: Bench) -> None:
    from azure.ai.ml._utils.utils import from_iso_duration_format_min_sec

    shown = await bench.deploy(TWO)
    assert from_iso_duration_format_min_sec(shown["duration"]) == "0s"
    for step in await bench.steps():
        assert from_iso_duration_format_min_sec(step["properties"]["duration"]) == "0s"


async def test_each_resource_leaves_a_step_to_look_at(bench: Bench) -> None:
    await bench.deploy(TWO)
    steps = {step["properties"]["targetResource"]["resourceName"]: step for step in await bench.steps()}
    assert set(steps) == {"a", "b"}
    about = steps["a"]["properties"]
    assert about["provisioningState"] == "Succeeded"
    assert about["provisioningOperation"] == "Create"
    assert about["statusCode"] == "OK"
    assert about["targetResource"] == {"id": f"{GROUP}/providers/{THING}/a", "resourceType": THING, "resourceName": "a"}
    assert await bench.get(steps["a"]["id"]) == steps["a"]


async def test_deploying_again_replaces_the_steps_of_the_last_time(bench: Bench) -> None:
    first = await bench.deploy(TWO)
    second = await bench.deploy(template(resources=[thing("c")]))
    assert first["correlationId"] != second["correlationId"]
    assert [step["properties"]["targetResource"]["resourceName"] for step in await bench.steps()] == ["c"]
    assert "outputs" in second
    assert second["outputs"] == {}
    assert sorted(await bench.names()) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("sections", "code"),
    [
        ({"variables": {"v": "[nonsense()]"}}, "InvalidTemplate"),
        ({"resources": [thing("a"), thing("b", of="Microsoft.Nowhere/x")]}, "InvalidTemplateDeployment"),
        ({"resources": [thing("a"), thing("b", dependsOn=["c"])]}, "InvalidTemplate"),
        ({"resources": [thing("a"), thing("b", properties={"p": "[parameters('nobody')]"})]}, "InvalidTemplate"),
        ({"resources": [thing("a"), thing("b", properties={"p": "[variables('v').x]"})], "variables": {"v": {}}}, "InvalidTemplate"),
        ({"resources": [thing("a")], "outputs": {"o": {"type": "string", "value": "[div(1, 0)]"}}}, "InvalidTemplate"),
        ({"resources": [thing("a", dependsOn=["b"]), thing("b", dependsOn=["a"])]}, "InvalidTemplate"),
        ({"resources": [thing("a"), deployment("n", template(variables={"v": "[oops()]"}), scope="inner")]}, "InvalidTemplate"),
    ],
)
async def test_what_is_wrong_is_refused_before_anything_is_created(bench: Bench, sections: dict[str, object], code: str) -> None:
    with pytest.raises(Invalid) as caught:
        await bench.deploy(template(**sections))
    assert caught.value.code == code
    assert await bench.names() == []
    with pytest.raises(NotFound):
        await bench.get(bench.id())


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"template": None},
        {"template": "text"},
        {"template": template(), "parameters": []},
        {"template": template(), "parameters": {"p": 1}},
        {"template": template(), "mode": "Sideways"},
        {"template": template(), "mode": 5},
        {"template": {}},
    ],
)
async def test_a_malformed_request_is_refused(bench: Bench, properties: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        await bench.control.put(OWNER, parse(bench.id()), {"properties": properties})
    assert await bench.names("Microsoft.Resources/deployments") == []


async def test_a_caller_without_a_right_changes_nothing_at_all(bench: Bench) -> None:
    helper = Caller(oid="helper", name="helper", kind="User")
    bench.grants.roles["helper"] = [("Reader", "/"), ("Contributor", bench.id()), ("Contributor", f"{GROUP}/providers/{THING}/a")]
    bench.grants.changes += 1
    await bench.deploy(template(resources=[thing("a")]), caller=helper)
    with pytest.raises(Forbidden) as caught:
        await bench.deploy(template(resources=[thing("a", properties={"size": 1}), thing("c")]), caller=helper)
    assert caught.value.code == "AuthorizationFailed"
    assert f"{THING}/write" in caught.value.message
    assert (await bench.thing("a"))["properties"] == {"provisioningState": "Succeeded"}
    inner = template(resources=[thing("c")])
    with pytest.raises(Forbidden):
        await bench.deploy(template(resources=[thing("a", properties={"size": 1}), deployment("n", inner)]), caller=helper)
    assert await bench.names() == ["a"]
    with pytest.raises(Forbidden):
        await bench.deploy(template(), caller=READER)


async def test_each_resource_is_written_as_the_caller(bench: Bench) -> None:
    await bench.deploy(template(resources=[thing("a")]))
    assert (await bench.thing("a"))["systemData"]["createdBy"] == OWNER.name


async def test_a_look_up_needs_the_callers_own_right(bench: Bench) -> None:
    await bench.deploy(template(resources=[thing("hidden")]), group=GROUP)
    writer = Caller(oid="writer", name="writer", kind="User")
    bench.grants.roles["writer"] = [("Contributor", bench.id("mine")), ("Contributor", f"{GROUP}/providers/{THING}/b")]
    bench.grants.changes += 1
    raw = template(resources=[thing("b", properties={"p": f"[reference('{GROUP}/providers/{THING}/hidden', '2026-01-01').size]"})])
    with pytest.raises(Conflict) as caught:
        await bench.deploy(raw, name="mine", caller=writer)
    assert caught.value.details[0].code == "AuthorizationFailed"
    assert await bench.names() == ["hidden"]


async def test_a_resource_that_is_refused_fails_the_deployment_and_says_why(bench: Bench) -> None:
    raw = template(resources=[thing("a"), thing("b", properties={"size": -2}, dependsOn=["a"]), thing("c", dependsOn=["b"])])
    with pytest.raises(Conflict) as caught:
        await bench.deploy(raw)
    assert caught.value.code == "DeploymentFailed"
    assert caught.value.details[0].code == "SizeNotAvailable"
    shown = (await bench.get(bench.id()))["properties"]
    assert shown["provisioningState"] == "Failed"
    assert shown["error"]["code"] == "DeploymentFailed"
    assert shown["error"]["details"][0]["code"] == "SizeNotAvailable"
    assert sorted(await bench.names()) == ["a"]
    states = {step["properties"]["targetResource"]["resourceName"]: step["properties"] for step in await bench.steps()}
    assert {name: step["provisioningState"] for name, step in states.items()} == {"a": "Succeeded", "b": "Failed"}
    assert states["b"]["statusMessage"]["error"]["code"] == "SizeNotAvailable"
    assert (await bench.deploy(template(resources=[thing("b", properties={"size": 2})])))["provisioningState"] == "Succeeded"
    assert "error" not in (await bench.get(bench.id()))["properties"]


async def test_nested_deployments_are_deployments_with_outputs_of_their_own(bench: Bench) -> None:
    inner = template(
        parameters={"name": {"type": "string"}},
        resources=[thing("[parameters('name')]", properties={"size": 5})],
        outputs={"size": {"type": "int", "value": "[reference(parameters('name')).size]"}},
    )
    raw = template(
        resources=[
            thing("after", properties={"size": "[reference('n').outputs.size.value]"}),
            deployment("n", inner, scope="inner", parameters={"name": {"value": "[reference('first').word]"}}),
            thing("first", properties={"word": "inside"}),
        ],
    )
    await bench.deploy(raw)
    assert sorted(await bench.names()) == ["after", "first", "inside"]
    assert (await bench.thing("after"))["properties"]["size"] == 5
    assert (await bench.get(bench.id("n")))["properties"]["outputs"] == {"size": {"type": "Int", "value": 5}}
    assert len(await bench.steps("n")) == 1
    assert len(await bench.steps()) == 3


async def test_a_nested_template_with_outer_scope_may_look_up_what_is_around_it(bench: Bench) -> None:
    inner = template(
        resources=[
            thing("[concat(parameters('p'), copyIndex())]", properties={"size": "[reference('a').size]", "s": "[parameters('secret')]"}),
            {"type": f"{THING}/parts", "apiVersion": "2026-01-01", "name": "[concat('a/', copyIndex())]"},
        ]
    )
    raw = template(
        parameters={"p": {"type": "string"}, "secret": {"type": "securestring"}},
        resources=[deployment("[concat('n', copyIndex())]", inner, copy={"name": "l", "count": 2}), thing("a", properties={"size": 9})],
    )
    await bench.deploy(raw, p="conca", secret="[hush]")
    assert (await bench.thing("conca1"))["properties"]["size"] == 9
    assert (await bench.thing("conca0"))["properties"]["s"] == "[hush]"
    assert "value" not in (await bench.get(bench.id("n0")))["properties"]["parameters"]["secret"]


async def test_a_given_value_is_never_evaluated(bench: Bench) -> None:
    raw = template(parameters={"p": {"type": "object"}}, resources=[thing("a", properties={"p": "[parameters('p')]"})])
    await bench.deploy(raw, p={"x": "[listKeys('a', '2026-01-01')]", "[concat('k')]": "[[y]"})
    assert (await bench.thing("a"))["properties"]["p"] == {"x": "[listKeys('a', '2026-01-01')]", "[concat('k')]": "[[y]"}


async def test_a_failed_nested_deployment_fails_the_one_around_it(bench: Bench) -> None:
    raw = template(resources=[deployment("n", template(resources=[thing("b", properties={"size": -2})]))])
    with pytest.raises(Conflict) as caught:
        await bench.deploy(raw)
    assert caught.value.details[0].code == "DeploymentFailed"
    assert (await bench.get(bench.id("n")))["properties"]["error"]["details"][0]["code"] == "SizeNotAvailable"


async def test_a_secret_is_neither_kept_readable_nor_shown(tmp_path: Path) -> None:
    bench = await open_bench(tmp_path)
    raw = template(
        parameters={"word": {"type": "securestring"}, "all": {"type": "secureObject"}},
        resources=[thing("a", properties={"length": "[length(parameters('word'))]"}), thing("b", properties={"size": -2})],
        outputs={"word": {"type": "securestring", "value": "[parameters('word')]"}},
    )
    with pytest.raises(Conflict):
        await bench.deploy(raw, word="correct-horse", all={"inner": "battery-staple"})
    raw["resources"].pop()
    shown = await bench.deploy(raw, name="other", word="correct-horse", all={"inner": "battery-staple"})
    assert shown["parameters"] == {"word": {"type": "SecureString"}, "all": {"type": "SecureObject"}}
    assert shown["outputs"] == {"word": {"type": "SecureString"}}
    await bench.close()
    kept = everything_in(tmp_path)
    assert b"battery-staple" not in kept
    assert b"correct-horse" not in kept


async def is_shown_as_running(bench: Bench, name: str) -> bool:
    about = [step["properties"] for step in await bench.steps()]
    return any(one["provisioningState"] == "Running" and one["targetResource"]["resourceName"] == name for one in about)


def everything_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_a_crash_in_the_middle_goes_on_behind_what_was_written(tmp_path: Path) -> None:
    bench = await open_bench(tmp_path, patience_seconds=0.05)
    raw = template(
        parameters={"id": {"type": "string", "defaultValue": "[newGuid()]"}},
        resources=[
            thing("first", properties={"id": "[parameters('id')]"}),
            thing("slow", dependsOn=["first"]),
            thing("last", dependsOn=["slow"], properties={"id": "[reference('first').id]"}),
        ],
        outputs={"id": {"type": "string", "value": "[reference('last').id]"}},
    )
    outcome = await bench.begin(raw)
    assert outcome.operation is not None
    await bench.gateway.reached.wait()
    before = await bench.thing("first")
    assert (await bench.get(bench.id()))["properties"]["provisioningState"] == "Running"
    assert "last" not in await bench.names()
    async with crashed_and_started_again(tmp_path, bench) as again:
        again.gateway.opened.set()
        assert await ended(again, outcome.operation.id) == "Succeeded"
        assert await again.thing("first") == before
        assert (await again.get(again.id()))["properties"]["outputs"]["id"]["value"] == before["properties"]["id"]
        assert {step["properties"]["provisioningState"] for step in await again.steps()} == {"Succeeded"}
        assert len(await again.steps()) == 3


async def test_a_crash_within_a_nested_deployment_goes_on_too(tmp_path: Path) -> None:
    bench = await open_bench(tmp_path, patience_seconds=0.05)
    outcome = await bench.begin(template(resources=[deployment("n", template(resources=[thing("slow")])), thing("z", dependsOn=["n"])]))
    assert outcome.operation is not None
    await bench.gateway.reached.wait()
    async with crashed_and_started_again(tmp_path, bench) as again:
        again.gateway.opened.set()
        assert await ended(again, outcome.operation.id) == "Succeeded"
        assert sorted(await again.names()) == ["slow", "z"]
        assert (await again.get(again.id("n")))["properties"]["provisioningState"] == "Succeeded"


async def test_a_running_deployment_can_be_cancelled_and_not_replaced_or_deleted(tmp_path: Path) -> None:
    bench = await open_bench(tmp_path, patience_seconds=0.05)
    try:
        outcome = await bench.begin(template(resources=[thing("slow"), thing("never", dependsOn=["slow"])]))
        assert outcome.operation is not None
        await bench.gateway.reached.wait()
        with pytest.raises(Conflict) as caught:
            await bench.begin(template())
        assert caught.value.code == "DeploymentActive"
        with pytest.raises(Conflict):
            await bench.control.delete(OWNER, parse(bench.id()))
        with pytest.raises(Forbidden):
            await bench.act("cancel", caller=READER)
        assert await bench.act("cancel") is None
        await until(bench, lambda: is_shown_as_running(bench, "slow"))
        bench.gateway.opened.set()
        assert await ended(bench, outcome.operation.id) == "Failed"
        assert (await bench.get(bench.id()))["properties"]["provisioningState"] == "Canceled"
        assert await bench.names() == ["slow"]
        with pytest.raises(Conflict) as caught:
            await bench.act("cancel")
        assert caught.value.code == "DeploymentCannotBeCanceled"
    finally:
        await bench.close()


async def test_validating_says_what_would_be_written_and_writes_nothing(bench: Bench) -> None:
    body = {"properties": {"mode": "Incremental", "template": TWO, "parameters": {"size": {"value": 1}}}}
    answer = await bench.act("validate", body)
    assert answer is not None
    assert answer["properties"]["provisioningState"] == "Succeeded"
    assert [one["id"].rpartition("/")[2] for one in answer["properties"]["validatedResources"]] == ["a", "b"]
    assert await bench.names() == []
    assert await bench.names("Microsoft.Resources/deployments") == []
    body["properties"]["template"] = template(variables={"v": "[nonsense()]"})
    with pytest.raises(Invalid):
        await bench.act("validate", body)
    with pytest.raises(Forbidden):
        await bench.act("validate", body, caller=READER)
    nowhere = parse(bench.id(group="/subscriptions/s1/resourceGroups/nowhere"))
    with pytest.raises(NotFound):
        await bench.control.act(OWNER, nowhere, "validate", body, {})


async def test_the_template_can_be_had_back_and_holds_no_given_value(bench: Bench) -> None:
    await bench.deploy(TWO, size=12345)
    assert await bench.act("exportTemplate") == {"template": TWO}
    with pytest.raises(NotOffered):
        await bench.act("whatIf")


async def test_deleting_a_deployment_takes_its_steps_and_leaves_its_resources(bench: Bench) -> None:
    await bench.deploy(TWO)
    await bench.control.delete(OWNER, parse(bench.id()))
    assert await bench.names("Microsoft.Resources/deployments") == []
    assert await bench.control.store.find(f"{bench.id()}/operations".lower()) is None
    assert (await bench.control.store.below(bench.id().lower())).rows == []
    assert sorted(await bench.names()) == ["a", "b"]


async def test_names_may_rest_on_the_groups_location_and_the_right_is_still_asked(bench: Bench) -> None:
    of = "[string(resourceGroup().tags)]"
    await bench.deploy(template(resources=[thing("[concat('a-', resourceGroup().location)]", properties={"of": of})]))
    assert (await bench.thing("a-local"))["properties"]["of"] == '{"team":"a"}'
    helper = Caller(oid="helper", name="helper", kind="User")
    bench.grants.roles["helper"] = [("Reader", "/"), ("Contributor", bench.id("mine"))]
    bench.grants.changes += 1
    with pytest.raises(Fault):
        await bench.deploy(template(resources=[thing("[uniqueString(string(resourceGroup()))]")]), name="mine", caller=helper)
    assert await bench.names() == ["a-local"]


async def test_a_part_that_is_busy_for_a_moment_does_not_fail_the_deployment(bench: Bench) -> None:
    bench.gateway.busy = 2
    shown = await bench.deploy(template(resources=[thing("a")]))
    assert shown["provisioningState"] == "Succeeded"


async def test_a_resource_that_takes_longer_than_anybody_waits_fails_the_deployment(tmp_path: Path) -> None:
    bench = await open_bench(tmp_path, patience_seconds=0.05, patience_of_deployments=0.1)
    try:
        outcome = await bench.begin(template(resources=[thing("slow")]))
        assert outcome.operation is not None
        assert await ended(bench, outcome.operation.id) == "Failed"
        assert (await bench.get(bench.id()))["properties"]["error"]["details"][0]["code"] == "ResourceDeploymentTimeout"
    finally:
        await bench.close()


async def test_a_resource_that_fails_after_a_while_fails_the_deployment(tmp_path: Path) -> None:
    bench = await open_bench(tmp_path, patience_seconds=0.05)
    try:
        outcome = await bench.begin(template(resources=[thing("slow", properties={"size": -2})]))
        assert outcome.operation is not None
        await until(bench, lambda: is_shown_as_running(bench, "slow"))
        bench.gateway.opened.set()
        assert await ended(bench, outcome.operation.id) == "Failed"
        assert (await bench.get(bench.id()))["properties"]["error"]["details"][0]["code"] == "SizeNotAvailable"
    finally:
        await bench.close()


async def test_a_deployment_of_many_resources_shows_all_its_steps(bench: Bench) -> None:
    many = thing("[format('l{0}', copyIndex())]", of="Microsoft.Authorization/locks", copy={"name": "l", "count": 201})
    await bench.deploy(template(resources=[many]))
    assert len(await bench.room.records.list(parse(bench.id()))) == 201


def test_what_was_sealed_opens_at_its_place_alone() -> None:
    seals = KeySeals(bytes(32))
    sealed = seals.seal(b"words" * 100, "here")
    assert seals.open(sealed, "here") == b"words" * 100
    for wrong, place, other in (
        (sealed, "there", seals),
        (sealed[:-8] + "AAAAAAA=", "here", seals),
        (sealed, "here", KeySeals(bytes([1] * 32))),
    ):
        with pytest.raises(Fault) as caught:
            other.open(wrong, place)
        assert caught.value.code == "SecretDamaged"


async def test_surroundings_that_nobody_sent_are_refused(bench: Bench) -> None:
    for copies in ([["l", "x"]], [1]):
        properties = {"template": template(), "outerScope": {"copies": copies}}
        with pytest.raises(Invalid):
            await bench.control.put(OWNER, parse(bench.id()), {"properties": properties})


async def test_too_many_look_ups_end_the_run(bench: Bench) -> None:
    loop = {"name": "all", "count": 300, "input": "[reference('a', format('2026-01-01-{0}', copyIndex('all'))).provisioningState]"}
    with pytest.raises(Conflict) as caught:
        await bench.deploy(template(resources=[thing("a"), thing("b", properties={"copy": [loop]})]))
    assert "more than 200 look-ups" in caught.value.details[0].message


async def test_nobody_writes_the_steps_of_a_deployment(bench: Bench) -> None:
    await bench.deploy(TWO)
    step = (await bench.steps())[0]
    with pytest.raises(Fault):
        await bench.control.put(OWNER, parse(step["id"]), {"properties": {"provisioningState": "Failed"}})
    with pytest.raises(Fault):
        await bench.control.delete(OWNER, parse(step["id"]))


async def test_a_deployment_to_a_group_that_is_not_there_is_refused(bench: Bench) -> None:
    with pytest.raises(NotFound) as caught:
        await bench.deploy(template(), group="/subscriptions/s1/resourceGroups/nowhere")
    assert caught.value.code == "ResourceGroupNotFound"


async def test_a_deployment_to_a_subscription_makes_groups_and_fills_them(bench: Bench) -> None:
    inner = template(resources=[thing("a", properties={"where": "[resourceGroup().location]", "who": "[subscription().displayName]"})])
    raw = template(
        resources=[
            thing("fresh", of="Microsoft.Resources/resourceGroups", location="local"),
            deployment("n", inner, scope="inner", resourceGroup="fresh", dependsOn=["fresh"]),
        ]
    )
    await bench.deploy(raw, group="/subscriptions/s1")
    made = await bench.get(f"/subscriptions/s1/resourceGroups/fresh/providers/{THING}/a")
    assert made["properties"]["where"] == "local"
    assert made["properties"]["who"] == "Ours"


async def test_resources_may_hang_on_others_by_their_scope(bench: Bench) -> None:
    raw = template(resources=[thing("l", of="Microsoft.Authorization/locks", scope=f"{THING}/a", dependsOn=["a"]), thing("a")])
    await bench.deploy(raw)
    assert (await bench.get(f"{THING}/a/providers/Microsoft.Authorization/locks/l"))["name"] == "l"


async def test_groups_stay_where_they_are_and_subscriptions_are_the_platforms(bench: Bench) -> None:
    with pytest.raises(Conflict) as caught:
        await bench.control.put(OWNER, parse(GROUP), {"location": "elsewhere"})
    assert caught.value.code == "InvalidResourceGroupLocation"
    with pytest.raises(Invalid):
        await bench.control.put(OWNER, parse("/subscriptions/s1/resourceGroups/new"), {})
    with pytest.raises(Forbidden):
        await bench.control.put(OWNER, parse("/subscriptions/s2"), {})

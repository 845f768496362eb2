"""Components: the specification as it came, with what clients expect to read back filled in."""

import pytest

from studiolo.kernel.faults import Conflict, Invalid, NotFound
from studiolo.kernel.resource import JsonObject
from tests.rooms.assets.bench import Bench

pytestmark = pytest.mark.anyio

SPEC: JsonObject = {
    "type": "command",
    "command": "echo ${{inputs.n}}",
    "inputs": {"n": {"type": "number", "optional": True, "default": "1.5"}, "p": {"type": "uri_folder"}},
    "outputs": {"o": {"type": "uri_folder"}},
    "display_name": "Echo",
    "_source": "CLASS",
    "x-unknown": {"kept": [1, None]},
}


async def test_the_specification_is_kept_and_its_defaults_filled_in(bench: Bench) -> None:
    made = (await bench.put("components/echo/versions/3", {"componentSpec": SPEC}))["componentSpec"]
    assert made["inputs"] == {"n": {"type": "number", "optional": True, "default": "1.5"}, "p": {"type": "uri_folder", "optional": False}}
    assert made["resources"] == {"instance_count": 1}
    assert (made["name"], made["version"]) == ("echo", "3")
    assert {name: made[name] for name in ("command", "outputs", "x-unknown")} == {
        name: SPEC[name] for name in ("command", "outputs", "x-unknown")
    }


async def test_what_the_specification_says_itself_stays(bench: Bench) -> None:
    spec: JsonObject = {**SPEC, "name": "shown", "version": "9", "resources": {"instance_count": 4, "properties": {}}}
    made = (await bench.put("components/azureml_anonymous/versions/abc", {"componentSpec": spec, "isAnonymous": True}))["componentSpec"]
    assert (made["name"], made["version"], made["resources"]["instance_count"]) == ("shown", "9", 4)


async def test_only_command_components_get_resources(bench: Bench) -> None:
    made = await bench.put("components/p/versions/1", {"componentSpec": {"type": "pipeline", "jobs": {}}})
    assert "resources" not in made["componentSpec"]


async def test_the_wording_changes_and_the_work_does_not(bench: Bench) -> None:
    await bench.put("components/echo/versions/1", {"componentSpec": SPEC})
    louder = {**SPEC, "display_name": "Louder", "description": "now"}
    worded = await bench.put("components/echo/versions/1", {"componentSpec": louder, "description": "now"})
    assert (worded["componentSpec"]["display_name"], worded["description"]) == ("Louder", "now")
    with pytest.raises(Conflict):
        await bench.put("components/echo/versions/1", {"componentSpec": {**SPEC, "command": "rm -rf /"}})
    assert (await bench.get("components/echo/versions/1")) == worded


async def test_archiving_keeps_the_specification(bench: Bench) -> None:
    made = await bench.put("components/echo/versions/1", {"componentSpec": SPEC})
    assert await bench.archive("components/echo/versions/1") == {**made, "isArchived": True}


async def test_the_default_version_is_the_latest(bench: Bench) -> None:
    for version in ("foo", "bar"):
        await bench.put(f"components/echo/versions/{version}", {"componentSpec": SPEC})
    assert (await bench.body("components/echo/versions/azureml_default"))["name"] == "bar"
    await bench.archive("components/echo/versions/bar")
    assert (await bench.body("components/echo/versions/azureml_default"))["name"] == "foo"
    with pytest.raises(NotFound):
        await bench.body("components/none/versions/azureml_default")
    with pytest.raises(NotFound):
        await bench.body("components/echo/versions/baz")


@pytest.mark.parametrize("spec", [None, {}, {"type": 3}, {"command": "x"}])
async def test_a_component_needs_a_specification_with_a_type(bench: Bench, spec: JsonObject | None) -> None:
    with pytest.raises(Invalid):
        await bench.put("components/echo/versions/1", {"componentSpec": spec})
    with pytest.raises(Invalid):
        await bench.put("components/echo/versions/1", {"componentSpec": "text"})
    assert not await bench.is_there("components/echo")


async def test_nobody_takes_the_name_of_the_default_version(bench: Bench) -> None:
    with pytest.raises(Invalid) as caught:
        await bench.put("components/echo/versions/azureml_default", {"componentSpec": SPEC})
    assert caught.value.code == "InvalidResourceName"


@pytest.mark.parametrize("odd", [{"inputs": "none"}, {"inputs": {"n": "number"}}, {"resources": "big"}])
async def test_an_odd_specification_is_kept_as_it_came(bench: Bench, odd: JsonObject) -> None:
    made = await bench.put("components/echo/versions/1", {"componentSpec": {"type": "command", **odd}})
    assert {name: made["componentSpec"][name] for name in odd} == odd

"""Environments: an image, perhaps with conda, or a build; the same again is the same, another is a conflict."""

import pytest

from studiolo.kernel.faults import Conflict, Invalid
from studiolo.kernel.resource import JsonObject
from tests.rooms.assets.bench import Bench

pytestmark = pytest.mark.anyio

IMAGE: JsonObject = {"image": "python:3.11", "condaFile": "dependencies:\n- pip\n"}


async def test_defaults_are_filled_in(bench: Bench) -> None:
    made = await bench.put("environments/e/versions/1", IMAGE)
    assert (made["osType"], made["environmentType"], made["provisioningState"]) == ("Linux", "UserCreated", "Succeeded")


async def test_the_same_again_gives_the_first_one_unchanged(bench: Bench) -> None:
    await bench.put("environments/e/versions/1", {**IMAGE, "description": "kept", "tags": {"a": "b"}})
    first = await bench.body("environments/e/versions/1")
    await bench.put("environments/e/versions/1", {**IMAGE, "isAnonymous": False, "isArchived": False})
    assert await bench.body("environments/e/versions/1") == first


@pytest.mark.parametrize(
    "other",
    [
        {"image": "python:3.12", "condaFile": IMAGE["condaFile"]},
        {"image": "python:3.11"},
        {"image": "python:3.11", "condaFile": "dependencies:\n- numpy\n"},
        {**IMAGE, "osType": "Windows"},
        {"build": {"contextUri": "https://a.blob.core.windows.net/c/x/"}},
    ],
)
async def test_other_content_is_a_conflict_so_that_clients_take_the_next_version(bench: Bench, other: JsonObject) -> None:
    made = await bench.put("environments/e/versions/1", IMAGE)
    with pytest.raises(Conflict):
        await bench.put("environments/e/versions/1", other)
    assert await bench.get("environments/e/versions/1") == made
    assert (await bench.get("environments/e"))["nextVersion"] == "2"
    assert await bench.put("environments/e/versions/2", other)


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"image": ""},
        {"condaFile": "x"},
        {"image": "a", "build": {"contextUri": "https://a/b/"}},
        {"build": {"contextUri": "https://a/b/"}, "condaFile": "x"},
        {"build": {"contextUri": "https://a/b?sig=x"}},
        {"build": {}},
        {"image": 3},
    ],
)
async def test_half_an_environment_is_refused(bench: Bench, properties: JsonObject) -> None:
    with pytest.raises(Invalid):
        await bench.put("environments/e/versions/1", properties)
    assert not await bench.is_there("environments/e")


async def test_a_build_has_a_dockerfile(bench: Bench) -> None:
    made = await bench.put("environments/e/versions/1", {"build": {"contextUri": "https://a.blob.core.localhost/c/x/"}})
    assert made["build"] == {"contextUri": "https://a.blob.core.localhost/c/x/", "dockerfilePath": "Dockerfile"}

"""Versions of data and models: made with their container, fixed in content, open in description."""

import asyncio

import pytest

from studiolo.kernel.faults import Conflict, Forbidden, Invalid, NotFound
from studiolo.kernel.resource import JsonObject
from tests.rooms.assets.bench import LONG, Bench
from tests.support.kernel import READER, STRANGER

pytestmark = pytest.mark.anyio

SHORT = "azureml://datastores/workspaceblobstore/paths/"
FOLDER: JsonObject = {"dataType": "uri_folder", "dataUri": f"{SHORT}LocalUpload/ab/tickets"}
FILE: JsonObject = {"dataType": "uri_file", "dataUri": f"{SHORT}LocalUpload/ab/tickets.csv"}
MODEL: JsonObject = {"modelType": "custom_model", "modelUri": f"{LONG}LocalUpload/cd/model"}


async def test_a_first_version_makes_its_container(bench: Bench) -> None:
    made = await bench.put("data/tickets/versions/7", FOLDER)
    container = await bench.get("data/tickets")
    assert made["isArchived"] is False
    assert (container["dataType"], container["latestVersion"], container["nextVersion"]) == ("uri_folder", "7", "8")


@pytest.mark.parametrize(
    ("kind", "sent", "kept"),
    [
        ("uri_folder", f"{SHORT}a/b", f"{LONG}a/b/"),
        ("uri_folder", f"{SHORT}a/b/", f"{LONG}a/b/"),
        ("mltable", "https://example.com/table", "https://example.com/table/"),
        ("uri_file", f"{SHORT}a/b.csv", f"{LONG}a/b.csv"),
        ("uri_file", "wasbs://c@a.blob.core.windows.net/x", "wasbs://c@a.blob.core.windows.net/x"),
    ],
)
async def test_data_points_with_a_whole_uri_and_folders_end_with_a_slash(bench: Bench, kind: str, sent: str, kept: str) -> None:
    assert (await bench.put("data/d/versions/1", {"dataType": kind, "dataUri": sent}))["dataUri"] == kept


@pytest.mark.parametrize(
    ("properties", "target"),
    [
        ({}, "properties.dataType"),
        ({"dataType": "csv", "dataUri": f"{SHORT}a"}, "properties.dataType"),
        ({"dataType": "uri_file"}, "properties.dataUri"),
        ({"dataType": "uri_file", "dataUri": "tickets.csv"}, "properties.dataUri"),
        ({"dataType": "uri_file", "dataUri": "file:///etc/passwd"}, "properties.dataUri"),
        ({"dataType": "uri_file", "dataUri": "C:\\tickets.csv"}, "properties.dataUri"),
        ({"dataType": "uri_file", "dataUri": "https://a.blob.core.windows.net/c/x?sv=1&sig=abc"}, "properties.dataUri"),
        ({"dataType": "uri_file", "dataUri": "https://a/\nb"}, "properties.dataUri"),
        ({"dataType": "uri_file", "dataUri": 3}, "properties.dataUri"),
        ({"dataType": "uri_file", "dataUri": f"{SHORT}a", "tags": ["x"]}, "properties.tags"),
        ({"dataType": "uri_file", "dataUri": f"{SHORT}a", "isArchived": "yes"}, "properties.isArchived"),
    ],
)
async def test_malformed_data_is_refused_and_leaves_no_container(bench: Bench, properties: JsonObject, target: str) -> None:
    with pytest.raises(Invalid) as caught:
        await bench.put("data/bad/versions/1", properties)
    assert caught.value.target == target
    assert not await bench.is_there("data/bad")


async def test_a_refused_signature_is_not_repeated_in_the_refusal(bench: Bench) -> None:
    with pytest.raises(Invalid) as caught:
        await bench.put("data/d/versions/1", {"dataType": "uri_file", "dataUri": "https://a/c/x?sig=s3cret"})
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    ("path", "first", "second"),
    [
        ("data/d/versions/1", FILE, {**FILE, "dataUri": f"{SHORT}other.csv"}),
        ("models/m/versions/1", MODEL, {**MODEL, "modelUri": f"{LONG}other"}),
        ("models/m/versions/1", MODEL, {**MODEL, "modelType": "mlflow_model"}),
        ("models/m/versions/1", MODEL, {**MODEL, "flavors": {"sklearn": {"data": {}}}}),
    ],
)
async def test_content_is_fixed(bench: Bench, path: str, first: JsonObject, second: JsonObject) -> None:
    made = await bench.put(path, first)
    with pytest.raises(Conflict) as caught:
        await bench.put(path, second)
    assert caught.value.code == "UserError"
    assert [detail.code for detail in caught.value.details] == ["ImmutableVersion"]
    assert await bench.get(path) == made


async def test_description_tags_and_stage_change_and_what_is_left_out_stays(bench: Bench) -> None:
    await bench.put("models/m/versions/1", {**MODEL, "description": "first", "tags": {"a": "1"}, "stage": "Development"})
    await bench.put("models/m/versions/1", {**MODEL, "description": "second", "tags": {"b": 2, "c": True, "d": None}})
    kept = await bench.get("models/m/versions/1")
    assert (kept["description"], kept["tags"], kept["stage"]) == ("second", {"b": "2", "c": "true"}, "Development")
    assert (await bench.put("models/m/versions/1", {**MODEL, "stage": None, "tags": None}))["stage"] is None
    assert (await bench.get("models/m/versions/1"))["tags"] == {}


async def test_a_model_has_flavors_and_a_type_even_if_none_were_sent(bench: Bench) -> None:
    made = await bench.put("models/m/versions/1", {"modelUri": "azureml://datastores/x/paths/y", "flavors": None})
    assert (made["flavors"], made["modelType"], made["provisioningState"]) == ({}, "custom_model", "Succeeded")


async def test_data_of_one_name_has_one_type(bench: Bench) -> None:
    await bench.put("data/d/versions/1", FILE)
    with pytest.raises(Conflict) as caught:
        await bench.put("data/d/versions/2", FOLDER)
    assert caught.value.code == "DataTypeMismatch"
    with pytest.raises(Conflict):
        await bench.put("data/d", {"dataType": "uri_folder"})
    assert not await bench.is_there("data/d/versions/2")


async def test_of_two_first_versions_of_different_types_one_wins(bench: Bench) -> None:
    outcomes = await asyncio.gather(bench.put("data/d/versions/1", FILE), bench.put("data/d/versions/2", FOLDER), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes if isinstance(outcome, Exception)] == [Conflict]
    assert len(await bench.names("data/d/versions")) == 1


async def test_numbers_go_on_from_the_largest(bench: Bench) -> None:
    for version in ("3", "foo", "10", "2"):
        await bench.put(f"data/d/versions/{version}", FILE)
    container = await bench.get("data/d")
    assert (container["nextVersion"], container["latestVersion"]) == ("11", "2")


async def test_versions_made_at_once_all_count(bench: Bench) -> None:
    await asyncio.gather(*(bench.put(f"models/m/versions/{n}", MODEL) for n in range(1, 6)))
    assert (await bench.get("models/m"))["nextVersion"] == "6"
    assert len(await bench.names("models/m/versions")) == 5


async def test_a_version_goes_only_after_it_was_archived(bench: Bench) -> None:
    await bench.put("data/d/versions/1", FILE)
    with pytest.raises(Conflict) as caught:
        await bench.delete("data/d/versions/1")
    assert caught.value.code == "NotArchived"
    await bench.archive("data/d/versions/1")
    assert await bench.delete("data/d/versions/1")
    assert not await bench.delete("data/d/versions/1")


async def test_a_container_goes_with_its_versions_once_it_is_archived(bench: Bench) -> None:
    await bench.put("models/m/versions/1", MODEL)
    with pytest.raises(Conflict):
        await bench.delete("models/m")
    await bench.archive("models/m")
    assert await bench.delete("models/m")
    with pytest.raises(NotFound):
        await bench.get("models/m/versions/1")


async def test_the_number_of_a_removed_version_is_not_given_again(bench: Bench) -> None:
    await bench.put("models/m/versions/1", MODEL)
    await bench.put("models/m/versions/2", MODEL)
    await bench.archive("models/m/versions/2")
    await bench.delete("models/m/versions/2")
    container = await bench.get("models/m")
    assert (container["nextVersion"], container["latestVersion"]) == ("3", "1")


async def test_a_reader_reads_and_neither_registers_nor_uploads(bench: Bench) -> None:
    await bench.put("models/m/versions/1", MODEL)
    assert (await bench.get("models/m/versions/1", READER))["modelUri"] == MODEL["modelUri"]
    for attempt in (
        bench.put("models/m/versions/2", MODEL, READER),
        bench.act("codes/c/versions/1", "startPendingUpload", caller=READER),
        bench.act("datastores/workspaceblobstore", "listSecrets", caller=READER),
        bench.get("models/m/versions/1", STRANGER),
        bench.names("models", caller=STRANGER),
    ):
        with pytest.raises(Forbidden):
            await attempt
    assert await bench.names("models/m/versions") == ["1"]


@pytest.mark.parametrize("name", ["-tickets", "a b", "a" * 256, "é"])
async def test_a_bad_name_is_refused(bench: Bench, name: str) -> None:
    with pytest.raises(Invalid):
        await bench.put(f"data/{name}/versions/1", FILE)
    with pytest.raises(Invalid):
        await bench.put(f"data/tickets/versions/{name}", FILE)

"""Lists: archived ones hidden, the newest first, filters as clients send them."""

import pytest

from studiolo.kernel.faults import Invalid, NotFound, NotOffered
from studiolo.kernel.resource import JsonObject
from tests.rooms.assets.bench import LONG, Bench

pytestmark = pytest.mark.anyio

MODEL: JsonObject = {"modelUri": f"{LONG}m"}
NEWEST = {"$orderBy": "createdtime desc", "$top": "1"}


async def test_an_archived_version_is_hidden_until_it_is_restored(bench: Bench) -> None:
    for version in ("1", "2"):
        await bench.put(f"models/m/versions/{version}", MODEL)
    await bench.archive("models/m/versions/1")
    assert await bench.names("models/m/versions") == ["2"]
    assert await bench.names("models/m/versions", {"listViewType": "ArchivedOnly"}) == ["1"]
    assert await bench.names("models/m/versions", {"listViewType": "All"}) == ["1", "2"]
    await bench.archive("models/m/versions/1", archived=False)
    assert await bench.names("models/m/versions", {"listViewType": "ActiveOnly"}) == ["1", "2"]


async def test_an_archived_container_is_hidden_until_it_is_restored(bench: Bench) -> None:
    for name in ("a", "b"):
        await bench.put(f"models/{name}/versions/1", MODEL)
    await bench.archive("models/a")
    assert await bench.names("models") == ["b"]
    assert (await bench.get("models/a"))["nextVersion"] == "2"
    await bench.archive("models/a", archived=False)
    assert await bench.names("models") == ["a", "b"]


async def test_the_latest_is_the_last_made_that_is_not_archived(bench: Bench) -> None:
    for version in ("foo", "bar", "baz"):
        await bench.put(f"models/m/versions/{version}", MODEL)
        assert await bench.names("models/m/versions", NEWEST) == [version]
        assert (await bench.get("models/m"))["latestVersion"] == version
    await bench.put("models/m/versions/foo", {**MODEL, "description": "changed later"})
    await bench.archive("models/m/versions/baz")
    assert await bench.names("models/m/versions", NEWEST) == ["bar"]
    assert (await bench.get("models/m"))["latestVersion"] == "bar"


async def test_a_container_whose_versions_are_all_archived_has_no_latest(bench: Bench) -> None:
    for version in range(20):
        await bench.put(f"models/m/versions/{version}", {**MODEL, "isArchived": True})
    assert (await bench.get("models/m"))["latestVersion"] is None
    assert await bench.names("models/m/versions", NEWEST) == []


async def test_a_name_that_nobody_used_has_no_versions(bench: Bench) -> None:
    assert await bench.names("data/none/versions", NEWEST) == []
    with pytest.raises(NotFound):
        await bench.get("data/none")


async def test_models_are_found_by_tag_property_stage_version_and_description(bench: Bench) -> None:
    await bench.put("models/m/versions/1", {**MODEL, "tags": {"team": "claims"}, "properties": {"p": "1"}, "stage": "Production"})
    await bench.put("models/m/versions/2", {**MODEL, "tags": {"team": "fraud"}, "description": "Finds fraud early"})
    for query, found in (
        ({"tags": "team"}, ["1", "2"]),
        ({"tags": "team=claims"}, ["1"]),
        ({"tags": "team=claims,other"}, []),
        ({"properties": "p=1"}, ["1"]),
        ({"stage": "production"}, ["1"]),
        ({"version": "2"}, ["2"]),
        ({"description": "fraud"}, ["2"]),
    ):
        assert await bench.names("models/m/versions", query) == found


async def test_a_filter_that_is_not_known_is_said_to_be_so(bench: Bench) -> None:
    await bench.put("models/m/versions/1", MODEL)
    with pytest.raises(Invalid):
        await bench.names("models/m/versions", {"listViewType": "Some"})
    with pytest.raises(NotOffered):
        await bench.names("models/m/versions", {"feed": "curated"})


async def test_names_compare_without_case_and_keep_their_first_spelling(bench: Bench) -> None:
    await bench.put("models/Triage/versions/1", MODEL)
    await bench.put("models/TRIAGE/versions/2", MODEL)
    assert await bench.names("models") == ["Triage"]
    assert len(await bench.names("models/triage/versions")) == 2

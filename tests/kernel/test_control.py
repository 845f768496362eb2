"""The pipeline: decide, check, admit, commit, for any type."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from studiolo.kernel.faults import Conflict, Fault, Forbidden, Invalid, NotAllowed, NotFound, Stale, Unavailable
from studiolo.kernel.ids import Collection, parse, split
from studiolo.kernel.resource import Action, Invocation, JsonObject, Resource, ResourceType, Step
from studiolo.kernel.store import Lines
from tests.support.kernel import GROUP, OWNER, READER, STRANGER, Anything, Kernel, keep, open_kernel

pytestmark = pytest.mark.anyio

THING = f"{GROUP}/providers/Test.Rooms/things"


async def _double(call: Invocation) -> JsonObject:
    return {"size": call.resource.properties.get("size", 0) * 2}


things = ResourceType(name="Test.Rooms/things", schema=Anything, admit=keep, is_tracked=True, actions=(Action("double", _double),))
parts = ResourceType(name="Test.Rooms/things/parts", schema=Anything, admit=keep)


@pytest.fixture
async def kernel(tmp_path: Path) -> AsyncIterator[Kernel]:
    opened = await open_kernel(tmp_path, things, parts)
    yield opened
    await opened.close()


def collection(path: str) -> Collection:
    found = split(path)
    assert isinstance(found, Collection)
    return found


async def test_a_put_is_read_back_with_its_first_spelling(kernel: Kernel) -> None:
    made = await kernel.control.put(OWNER, parse(f"{THING}/Box"), {"location": "local", "tags": {"a": "b"}, "properties": {"size": 1}})
    again = await kernel.control.put(OWNER, parse(f"{THING}/BOX"), {"location": "local", "properties": {"size": 2}})
    body = msgspec.json.decode(await kernel.control.get(OWNER, parse(f"{THING}/box")))
    assert (made.is_new, again.is_new) == (True, False)
    assert body["id"] == f"{THING}/Box"
    assert body["properties"] == {"size": 2}
    assert body["systemData"]["createdBy"] == "owner"
    assert body["etag"] == f'"{again.resource.etag}"'


async def test_a_put_that_changes_nothing_keeps_the_etag(kernel: Kernel) -> None:
    body: JsonObject = {"location": "local", "properties": {"size": 1}}
    first = await kernel.control.put(OWNER, parse(f"{THING}/box"), body)
    second = await kernel.control.put(OWNER, parse(f"{THING}/box"), body)
    assert first.resource.etag == second.resource.etag


async def test_absent_and_forbidden_look_alike(kernel: Kernel) -> None:
    await kernel.control.put(OWNER, parse(f"{THING}/there"), {"location": "local"})
    faults: list[Fault] = []
    for name in ("there", "gone"):
        with pytest.raises(Forbidden) as caught:
            await kernel.control.get(STRANGER, parse(f"{THING}/{name}"))
        faults.append(caught.value)
    assert faults[0].message.replace("there", "gone") == faults[1].message


async def test_a_reader_reads_and_does_not_write(kernel: Kernel) -> None:
    await kernel.control.put(OWNER, parse(f"{THING}/box"), {"location": "local"})
    assert await kernel.control.get(READER, parse(f"{THING}/box"))
    for attempt in (
        kernel.control.put(READER, parse(f"{THING}/box"), {"location": "local", "properties": {"size": 9}}),
        kernel.control.delete(READER, parse(f"{THING}/box")),
        kernel.control.act(READER, parse(f"{THING}/box"), "double", {}, {}),
    ):
        with pytest.raises(Forbidden):
            await attempt
    assert b"9" not in (await kernel.control.get(OWNER, parse(f"{THING}/box"))).split(b'"properties"')[1]


async def test_a_stale_etag_changes_nothing(kernel: Kernel) -> None:
    first = await kernel.control.put(OWNER, parse(f"{THING}/box"), {"location": "local", "properties": {"size": 1}})
    await kernel.control.put(
        OWNER, parse(f"{THING}/box"), {"location": "local", "properties": {"size": 2}}, if_match=f'"{first.resource.etag}"'
    )
    for match, none_match in ((f'"{first.resource.etag}"', None), (None, "*")):
        body: JsonObject = {"location": "local", "properties": {"size": 3}}
        with pytest.raises(Stale):
            await kernel.control.put(OWNER, parse(f"{THING}/box"), body, if_match=match, if_none_match=none_match)
    with pytest.raises(Stale):
        await kernel.control.put(OWNER, parse(f"{THING}/absent"), {"location": "local"}, if_match="*")
    assert (await kernel.control.put(OWNER, parse(f"{THING}/new"), {"location": "local"}, if_none_match="*")).is_new


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({"location": 1}, "location"),
        ({"location": "local", "tags": []}, "tags"),
        ({"location": "local", "tags": {"a": 1}}, "tags"),
        ({"location": "local", "properties": []}, "properties"),
        ({"location": "local", "properties": {"size": "big"}}, "properties.size"),
        ({"location": "local", "properties": {"size": -1}}, "properties.size"),
        ({"location": "local", "colour": "red"}, "colour"),
    ],
)
async def test_a_wrong_body_names_what_is_wrong_and_writes_nothing(kernel: Kernel, body: JsonObject, target: str) -> None:
    with pytest.raises(Invalid) as caught:
        await kernel.control.put(OWNER, parse(f"{THING}/box"), body)
    assert caught.value.target == target
    assert await kernel.control.find(parse(f"{THING}/box")) is None


async def test_what_holds_a_resource_must_be_there(kernel: Kernel) -> None:
    with pytest.raises(NotFound) as group:
        await kernel.control.put(OWNER, parse("/subscriptions/s1/resourceGroups/none/providers/Test.Rooms/things/x"), {"location": "local"})
    with pytest.raises(NotFound) as parent:
        await kernel.control.put(OWNER, parse(f"{THING}/none/parts/p"), {})
    with pytest.raises(NotFound) as unknown:
        await kernel.control.put(OWNER, parse(f"{GROUP}/providers/Test.Rooms/unknown/x"), {})
    assert [caught.value.code for caught in (group, parent, unknown)] == [
        "ResourceGroupNotFound",
        "ParentResourceNotFound",
        "InvalidResourceType",
    ]


async def test_a_patch_merges_and_needs_the_resource(kernel: Kernel) -> None:
    await kernel.control.put(
        OWNER, parse(f"{THING}/box"), {"location": "local", "tags": {"a": "b"}, "properties": {"size": 1, "deep": {"x": 1, "y": 2}}}
    )
    patched = await kernel.control.put(OWNER, parse(f"{THING}/box"), {"properties": {"deep": {"x": None, "z": 3}}}, is_patch=True)
    assert patched.resource.properties == {"size": 1, "deep": {"y": 2, "z": 3}}
    assert patched.resource.tags == {"a": "b"}
    with pytest.raises(NotFound):
        await kernel.control.put(OWNER, parse(f"{THING}/none"), {"properties": {}}, is_patch=True)


async def test_a_list_pages_and_shows_what_one_may_see(kernel: Kernel) -> None:
    for n in range(7):
        await kernel.control.put(OWNER, parse(f"{THING}/box{n}"), {"location": "local"})
    first = await kernel.control.list(OWNER, collection(THING), {"$top": "5"})
    rest = await kernel.control.list(OWNER, collection(THING), {"$top": "5", "$skipToken": first.next or ""})
    assert [msgspec.json.decode(doc)["name"] for doc in (*first.docs, *rest.docs)] == [f"box{n}" for n in range(7)]
    assert rest.next is None
    kernel.grants.roles["guest"] = [("Reader", f"{THING}/box3")]
    kernel.grants.changes += 1
    seen = await kernel.control.list(replace(STRANGER, oid="guest"), collection(THING), {})
    assert [msgspec.json.decode(doc)["name"] for doc in seen.docs] == ["box3"]
    with pytest.raises(Forbidden):
        await kernel.control.list(STRANGER, collection(THING), {})


@pytest.mark.parametrize("query", [{"$top": "0"}, {"$top": "-1"}, {"$top": "x"}, {"$skipToken": "§"}])
async def test_wrong_paging_is_refused(kernel: Kernel, query: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        await kernel.control.list(OWNER, collection(THING), query)


async def test_an_action_runs_and_an_unknown_one_is_named(kernel: Kernel) -> None:
    await kernel.control.put(OWNER, parse(f"{THING}/box"), {"location": "local", "properties": {"size": 4}})
    assert await kernel.control.act(OWNER, parse(f"{THING}/box"), "DOUBLE", {}, {}) == {"size": 8}
    with pytest.raises(NotFound):
        await kernel.control.act(OWNER, parse(f"{THING}/box"), "halve", {}, {})


async def test_a_delete_takes_all_that_hangs_on_it(kernel: Kernel) -> None:
    await kernel.control.put(OWNER, parse(f"{THING}/box"), {"location": "local"})
    await kernel.control.put(OWNER, parse(f"{THING}/box/parts/p"), {})
    await kernel.control.put(OWNER, parse(f"{THING}/box1"), {"location": "local"})
    assert (await kernel.control.delete(OWNER, parse(f"{THING}/box"))).existed
    assert not (await kernel.control.delete(OWNER, parse(f"{THING}/box"))).existed
    assert await kernel.control.find(parse(f"{THING}/box/parts/p")) is None
    assert await kernel.control.find(parse(f"{THING}/box1")) is not None


async def test_racing_writers_all_get_an_answer_and_one_state_wins(kernel: Kernel) -> None:
    outcomes = await asyncio.gather(
        *(kernel.control.put(OWNER, parse(f"{THING}/box"), {"location": "local", "properties": {"size": n}}) for n in range(4)),
        return_exceptions=True,
    )
    made = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert sum(outcome.is_new for outcome in made) == 1
    stored = await kernel.control.find(parse(f"{THING}/box"))
    assert stored is not None
    assert stored.etag in {outcome.resource.etag for outcome in made}


async def test_writes_leave_a_line_in_the_activity_log(kernel: Kernel) -> None:
    await kernel.control.put(OWNER, parse(f"{THING}/box"), {"location": "local"})
    await kernel.control.delete(OWNER, parse(f"{THING}/box"))
    lines = await kernel.store.lines(Lines(under=parse(f"{THING}/box").key))
    assert [(line.action, line.caller) for line in lines] == [("Test.Rooms/things/write", "owner"), ("Test.Rooms/things/delete", "owner")]


class Furnace:
    """A type whose provisioning does what a test tells it."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.trouble: list[Exception] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def provision(self, resource: Resource, step: Step) -> Resource:
        heat = await step.once("heat", self._heat)
        await self.gate.wait()
        if self.trouble:
            raise self.trouble.pop(0)
        return msgspec.structs.replace(resource, properties={**resource.properties, "heat": heat})

    async def retire(self, resource: Resource, step: Step) -> None:
        self.runs.append(f"retire {resource.name}")

    async def _heat(self) -> int:
        self.runs.append("heat")
        return 400

    def type(self) -> ResourceType:
        return ResourceType(
            name="Test.Rooms/furnaces", schema=Anything, admit=keep, is_tracked=True, provision=self.provision, retire=self.retire
        )


FURNACE = parse(f"{GROUP}/providers/Test.Rooms/furnaces/f")


async def test_quick_provisioning_ends_inside_the_call(tmp_path: Path) -> None:
    furnace = Furnace()
    kernel = await open_kernel(tmp_path, furnace.type())
    outcome = await kernel.control.put(OWNER, FURNACE, {"location": "local"})
    assert outcome.operation is None
    assert outcome.resource.properties == {"provisioningState": "Succeeded", "heat": 400}
    await kernel.close()


async def test_a_put_that_changes_nothing_takes_no_steps_again(tmp_path: Path) -> None:
    async def fill(resource: Resource, step: Step) -> Resource:
        runs.append(resource.name)
        return resource

    runs: list[str] = []
    tanks = ResourceType(name="Test.Rooms/tanks", schema=Anything, admit=keep, is_tracked=True, provision=fill)
    kernel = await open_kernel(tmp_path, tanks)
    tank, body = parse(f"{GROUP}/providers/Test.Rooms/tanks/t"), {"location": "local", "properties": {"size": 1}}
    first = await kernel.control.put(OWNER, tank, body)
    again = await kernel.control.put(OWNER, tank, body)
    assert (first.resource.etag, runs) == (again.resource.etag, ["t"])
    await kernel.control.put(OWNER, tank, {"location": "local", "properties": {"size": 2}})
    assert runs == ["t", "t"]
    await kernel.close()


async def test_slow_provisioning_goes_on_behind_an_operation(tmp_path: Path) -> None:
    furnace = Furnace()
    furnace.gate.clear()
    kernel = await open_kernel(tmp_path, furnace.type(), patience_seconds=0.01)
    outcome = await kernel.control.put(OWNER, FURNACE, {"location": "local"})
    assert outcome.operation is not None
    assert outcome.resource.properties["provisioningState"] == "Creating"
    assert (await kernel.control.operation(OWNER, outcome.operation.id))["status"] == "InProgress"
    with pytest.raises(NotFound) as caught:
        await kernel.control.operation(STRANGER, outcome.operation.id)
    assert (caught.value.code, caught.value.is_refusal) == ("OperationNotFound", True)
    task = kernel.operations.running(outcome.operation.id)
    furnace.gate.set()
    assert task is not None
    await task
    assert (await kernel.control.operation(OWNER, outcome.operation.id))["status"] == "Succeeded"
    await kernel.close()


async def test_a_new_resource_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    furnace = Furnace()
    furnace.trouble = [Conflict("There is no coal.", code="NoCoal")]
    kernel = await open_kernel(tmp_path, furnace.type())
    with pytest.raises(Fault) as caught:
        await kernel.control.put(OWNER, FURNACE, {"location": "local"})
    assert caught.value.code == "NoCoal"
    assert await kernel.control.find(FURNACE) is None
    assert furnace.runs == ["heat", "retire f"]
    await kernel.close()


async def test_a_part_that_is_away_for_a_moment_is_tried_again(tmp_path: Path) -> None:
    furnace = Furnace()
    furnace.trouble = [Unavailable("later", retry_after_seconds=0.001)]
    kernel = await open_kernel(tmp_path, furnace.type())
    assert (await kernel.control.put(OWNER, FURNACE, {"location": "local"})).resource.properties["heat"] == 400
    assert furnace.runs == ["heat"]
    await kernel.close()


async def test_the_next_start_goes_on_behind_the_journal(tmp_path: Path) -> None:
    furnace = Furnace()
    furnace.gate.clear()
    first = await open_kernel(tmp_path, furnace.type(), patience_seconds=0.05)
    outcome = await first.control.put(OWNER, FURNACE, {"location": "local"})
    assert outcome.operation is not None
    await first.close()
    furnace.gate.set()
    second = await open_kernel(tmp_path, furnace.type())
    assert await second.operations.recover(is_alone=True) == 1
    task = second.operations.running(outcome.operation.id)
    if task is not None:
        await task
    made = await second.control.find(FURNACE)
    assert made is not None
    assert made.properties["provisioningState"] == "Succeeded"
    assert furnace.runs == ["heat"]
    await second.close()


async def test_a_fenced_worker_cannot_write(tmp_path: Path) -> None:
    furnace = Furnace()
    furnace.gate.clear()
    kernel = await open_kernel(tmp_path, furnace.type(), patience_seconds=0.01)
    outcome = await kernel.control.put(OWNER, FURNACE, {"location": "local"})
    assert outcome.operation is not None
    zombie = kernel.operations.running(outcome.operation.id)
    assert zombie is not None
    held = await kernel.store.operation(outcome.operation.id)
    assert held is not None
    from studiolo.kernel.store import PutOperation

    await kernel.store.commit(PutOperation(held._replace(token=held.token + 1, owner="another"), expect_token=held.token))
    furnace.gate.set()
    await zombie
    made = await kernel.control.find(FURNACE)
    assert made is not None
    assert made.properties["provisioningState"] == "Creating"
    await kernel.close()


async def test_verbs_that_a_type_does_not_offer_are_refused(tmp_path: Path) -> None:
    kernel = await open_kernel(tmp_path, ResourceType(name="Test.Rooms/fixed", schema=Anything, admit=keep, verbs=frozenset({"get"})))
    fixed = parse(f"{GROUP}/providers/Test.Rooms/fixed/x")
    with pytest.raises(NotAllowed):
        await kernel.control.put(OWNER, fixed, {})
    with pytest.raises(NotAllowed):
        await kernel.control.list(OWNER, collection(f"{GROUP}/providers/Test.Rooms/fixed"), {})
    await kernel.close()


async def test_a_yes_on_one_plane_is_no_yes_on_the_other(kernel: Kernel) -> None:
    action = "Microsoft.Storage/storageAccounts/read"
    await kernel.control.gate.require(READER, action, GROUP)
    with pytest.raises(Forbidden):
        await kernel.control.gate.require(READER, action, GROUP, is_data=True)

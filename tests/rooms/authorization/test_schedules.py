"""Assignments that begin and end: exactly, at the next call, also where an answer is remembered."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from studiolo.kernel import clock
from tests.support.studio import AUTHORIZATION, GROUP, HERE, OWNER, READER, Studio, guid

pytestmark = pytest.mark.anyio

PATH = f"{GROUP}/{AUTHORIZATION}/roleAssignments/{guid(100)}"
READ = "Test.Rooms/things/read"
THING = f"{GROUP}/providers/Test.Rooms/things/box"


class Clock:
    """The time, as a test sets it."""

    def __init__(self) -> None:
        self.at = clock.now().replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.at

    def in_(self, **delta: float) -> str:
        return (self.at + timedelta(**delta)).isoformat()


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(clock, "now", found)
    return found


def wanted(oid: str, **bounds: Any) -> dict[str, Any]:
    return {"properties": {"principalId": oid, "roleDefinitionId": READER, **bounds}}


async def state(studio: Studio) -> str | None:
    shown = (await studio.ask("GET", PATH)).json()["properties"].get("assignmentState")
    listed = (await studio.ask("GET", f"{GROUP}/{AUTHORIZATION}/roleAssignments")).json()["value"]
    assert [each["properties"].get("assignmentState") for each in listed if each["name"] == guid(100)] == [shown]
    return shown


async def test_it_counts_from_the_one_moment_to_the_other_exactly_and_stays_to_be_seen(studio: Studio, time: Clock) -> None:
    ada = await studio.user(1)
    made = await studio.ask("PUT", PATH, wanted(ada.oid, startDateTime=time.in_(minutes=10), endDateTime=time.in_(minutes=20)))
    assert made.status == 201, made.body
    begin, states = time.at, {-1: (False, "Pending"), 0: (True, "Active"), 599: (True, "Active"), 600: (False, "Expired")}
    for seconds, (may, named) in states.items():
        time.at = begin + timedelta(minutes=10, seconds=seconds)
        for _ in range(2):  # the second answer is a remembered one
            assert await studio.gate.may(ada, READ, THING) is may, seconds
        assert await state(studio) == named


async def test_a_moment_between_two_microseconds_is_kept(studio: Studio, time: Clock) -> None:
    ada = await studio.user(1)
    await studio.ask("PUT", PATH, wanted(ada.oid, endDateTime=time.in_(seconds=1)))
    end = time.at + timedelta(seconds=1)
    time.at = end - timedelta(microseconds=1)
    assert await studio.gate.may(ada, READ, THING)
    time.at = end
    assert not await studio.gate.may(ada, READ, THING)


async def test_groups_and_several_bounds_at_once(studio: Studio, time: Clock) -> None:
    ada, bob = await studio.user(1), await studio.user(2)
    team = await studio.group(10, ada.oid)
    await studio.assign(101, team, READER, HERE, endDateTime=time.in_(hours=1))
    await studio.assign(102, bob.oid, READER, HERE, startDateTime=time.in_(hours=2))
    begin = time.at
    for hours, who in ((0, {1}), (1, set[int]()), (2, {2})):
        time.at = begin + timedelta(hours=hours)
        may = {number for number, person in ((1, ada), (2, bob)) if await studio.gate.may(person, READ, THING)}
        assert may == who, hours


async def test_bounds_can_be_moved_and_taken_away(studio: Studio, time: Clock) -> None:
    ada = await studio.user(1)
    await studio.ask("PUT", PATH, wanted(ada.oid, startDateTime=time.in_(hours=1)))
    assert not await studio.gate.may(ada, READ, THING)
    assert (await studio.ask("PUT", PATH, wanted(ada.oid))).status == 200
    assert await studio.gate.may(ada, READ, THING)
    assert await state(studio) is None


async def test_an_explanation_says_that_it_has_ended_or_not_begun(studio: Studio, time: Clock) -> None:
    ada = await studio.user(1)
    await studio.ask("PUT", PATH, wanted(ada.oid, startDateTime=time.in_(minutes=1), endDateTime=time.in_(minutes=2)))
    question = {"who": ada.oid, "action": READ}
    for minutes, outcome in ((0, "not yet"), (1, "counts"), (1, "expired")):
        time.at += timedelta(minutes=minutes)
        told = (await studio.ask("POST", f"{THING}/providers/Studiolo.Access/explain", question)).json()
        assert [row["outcome"] for row in told["roleAssignments"]] == [outcome]


@pytest.mark.parametrize(
    "bounds",
    [
        {"startDateTime": "tomorrow"},
        {"endDateTime": "2099-01-01T00:00:00"},
        {"endDateTime": "2020-01-01T00:00:00Z"},
        {"startDateTime": "2099-01-02T00:00:00Z", "endDateTime": "2099-01-01T00:00:00Z"},
    ],
)
async def test_bounds_that_cannot_be_are_refused(studio: Studio, bounds: dict[str, str]) -> None:
    ada = await studio.user(1)
    reply = await studio.ask("PUT", PATH, wanted(ada.oid, **bounds))
    assert (reply.status, reply.code) == (400, "InvalidSchedule")
    assert (await studio.ask("GET", PATH)).status == 404


async def test_the_last_owner_does_not_end(studio: Studio, time: Clock) -> None:
    admin = await studio.robot(90, OWNER, "/")
    alone = await studio.robot(91, OWNER, "/")
    owners = (await admin.ask("GET", f"/{AUTHORIZATION}/roleAssignments?$filter=atScope()")).json()["value"]
    paths = [each["id"] for each in owners if each["properties"]["scope"] == "/"]
    assert len(paths) == 3
    for path in paths[:2]:
        shown = (await alone.ask("GET", path)).json()["properties"]
        until = {"endDateTime": time.in_(days=1)}
        fields = {name: shown[name] for name in ("principalId", "roleDefinitionId", "principalType")}
        assert (await alone.ask("PUT", path, {**fields, **until})).status == 200
    shown = (await alone.ask("GET", paths[2])).json()["properties"]
    fields = {name: shown[name] for name in ("principalId", "roleDefinitionId", "principalType")}
    for change in (
        {"endDateTime": time.in_(days=1)},
        {"condition": "@Environment[isPrivateLink] BoolEquals true", "conditionVersion": "2.0"},
    ):
        reply = await alone.ask("PUT", paths[2], {**fields, **change})
        assert (reply.status, reply.code) == (409, "LastOwner"), reply.body
    assert (await alone.ask("DELETE", paths[2])).code == "LastOwner"

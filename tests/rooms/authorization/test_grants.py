"""The facts that the gate decides on: as of the last commit, for everybody, however they are kept."""

import asyncio
import random

import pytest

from studiolo.kernel import clock
from studiolo.kernel.access.decision import Ask, decide
from studiolo.kernel.access.reach import who_can
from studiolo.kernel.access.scopes import FLAT, Hierarchy
from studiolo.kernel.documents import row_of
from studiolo.kernel.faults import Forbidden
from studiolo.kernel.ids import parse
from studiolo.kernel.platform import made
from studiolo.kernel.resource import PLATFORM, Caller
from studiolo.kernel.store.port import PutResource
from studiolo.rooms.authorization.backends.stored import StoredGrants
from studiolo.rooms.authorization.domain import denials
from studiolo.rooms.authorization.domain.roles import DENY_ASSIGNMENTS
from studiolo.rooms.authorization.ports import Flat
from tests.support.studio import AUTHORIZATION, GROUP, HERE, OWNER, READER, Studio, guid

pytestmark = pytest.mark.anyio

THING = f"{GROUP}/providers/Test.Rooms/things/box"
READ = "Test.Rooms/things/read"


async def test_kept_facts_equal_fresh_ones_after_every_change_of_a_random_life(studio: Studio) -> None:
    draw = random.Random(20261123)
    people = [await studio.user(number) for number in range(1, 7)]
    for number in range(10, 14):
        await studio.group(number)
    principals = [each.oid for each in people] + [guid(number) for number in range(10, 14)]
    meetings = [(principal, role) for principal in principals for role in (READER, OWNER)]
    for step in range(120):
        number = draw.randrange(100, 100 + len(meetings))
        path = f"{GROUP}/{AUTHORIZATION}/roleAssignments/{guid(number)}"
        match draw.randrange(4):
            case 0:
                await studio.group(draw.randrange(10, 14), *draw.sample(principals, draw.randrange(4)))
            case 1:
                await studio.control.delete(PLATFORM, parse(path))
            case 2:
                await studio.user(draw.randrange(1, 7), accountEnabled=draw.random() < 0.8)
            case _:
                await studio.assign(number, *meetings[number - 100], GROUP)
        fresh = StoredGrants(studio.store)
        for person in draw.sample(people, 3):
            kept, read = (await studio.grants.facts(person.oid)).facts, (await fresh.facts(person.oid)).facts
            assert (kept.known, kept.enabled, kept.ids) == (read.known, read.enabled, read.ids), step
            assert {each.id for each in kept.assignments} == {each.id for each in read.assignments}, step
        reach = who_can(Ask("", "Test.Rooms/things/read", GROUP), await studio.worlds.above(GROUP.lower()))
        for oid in (draw.choice(principals), people[0].oid):
            verdict = decide(Ask(oid, "Test.Rooms/things/read", GROUP), await studio.grants.facts(oid))
            told = reach.verdict(oid)
            assert (told is not None and told.allowed) == verdict.allowed, step


async def test_every_change_of_access_raises_the_version_and_others_do_not(studio: Studio) -> None:
    before = studio.grants.version()
    await studio.put(f"{HERE}/resourceGroups/rg9", {})
    assert studio.grants.version() == before
    await studio.user(1)
    after_user = studio.grants.version()
    await studio.assign(100, guid(1), READER, GROUP)
    assert before < after_user < studio.grants.version()


async def test_facts_of_others_stay_kept_when_one_is_granted_something(studio: Studio) -> None:
    ada, bob = await studio.user(1), await studio.user(2)
    first = await studio.grants.facts(ada.oid)
    await studio.assign(100, bob.oid, READER, GROUP)
    assert await studio.grants.facts(ada.oid) is first
    await studio.assign(101, ada.oid, READER, GROUP)
    assert await studio.grants.facts(ada.oid) is not first


async def test_grants_and_revocations_at_the_same_time_leave_the_last_word_in_force(studio: Studio) -> None:
    ada = await studio.user(1)

    async def look() -> None:
        for _ in range(50):
            await studio.gate.may(ada, READ, THING)
            await studio.user(2)  # another commit, so that the others get their turn

    async def change() -> None:
        for _ in range(10):
            made_now = await studio.assign(100, ada.oid, READER, GROUP)
            assert await studio.gate.may(ada, READ, THING)
            await studio.control.delete(PLATFORM, made_now)
            assert not await studio.gate.may(ada, READ, THING)

    await asyncio.gather(change(), look(), look(), look())


async def deny(studio: Studio, *principals: str, **properties: object) -> None:
    shown = {
        "scope": GROUP,
        "principals": [{"id": oid} for oid in principals],
        "permissions": [{"actions": ["Test.Rooms/*"]}],
        **properties,
    }
    id_ = parse(f"{GROUP}/{AUTHORIZATION}/denyAssignments/{guid(700)}")
    resource = made(id_, DENY_ASSIGNMENTS, shown, clock.stamp(clock.now()))
    await studio.store.commit(PutResource(row_of(resource), facets=tuple(denials.facets(resource))))


@pytest.mark.parametrize("named", [guid(1), guid(10), "00000000-0000-0000-0000-000000000000"])
async def test_a_stored_deny_assignment_beats_every_grant(studio: Studio, named: str) -> None:
    ada = await studio.user(1)
    await studio.group(10, ada.oid)
    await studio.assign(100, ada.oid, OWNER, GROUP)
    assert await studio.gate.may(ada, READ, THING)
    await deny(studio, named)
    with pytest.raises(Forbidden) as caught:
        await studio.gate.require(ada, READ, THING)
    assert caught.value.code == "DenyAssignmentAuthorizationFailed"
    shown = (await studio.ask("GET", f"{GROUP}/{AUTHORIZATION}/denyAssignments")).json()["value"]
    assert [each["name"] for each in shown if not each["properties"].get("isSystemProtected")] == [guid(700)]


async def test_an_excluded_group_is_not_denied(studio: Studio) -> None:
    ada = await studio.user(1)
    await studio.group(10, ada.oid)
    await studio.assign(100, ada.oid, OWNER, GROUP)
    await deny(studio, "00000000-0000-0000-0000-000000000000", excludePrincipals=[{"id": guid(10)}])
    assert await studio.gate.may(ada, READ, THING)


class Tree(Flat):
    """A tree of scopes that a test changes."""

    def __init__(self) -> None:
        self.present: Hierarchy = FLAT

    def hierarchy(self) -> Hierarchy:
        return self.present


async def test_a_changed_tree_of_scopes_is_in_force_for_the_next_call(studio: Studio) -> None:
    from studiolo.kernel.gate import Gate

    tree = Tree()
    gate = Gate(StoredGrants(studio.store, heirs=tree))
    ada = await studio.user(1)
    hub, project = (f"{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/{name}" for name in ("hub", "project"))
    await studio.assign(100, ada.oid, READER, hub)
    read = "Microsoft.MachineLearningServices/workspaces/read"
    assert not await gate.may(ada, read, project)
    tree.present = Hierarchy(extra_parents={project: [hub]})
    assert await gate.may(ada, read, project)
    tree.present = Hierarchy()
    assert not await gate.may(ada, read, project)


async def test_an_action_that_no_operation_needs_is_denied_to_everybody(studio: Studio) -> None:
    from studiolo.kernel.gate import Gate

    gate = Gate(StoredGrants(studio.store, known_actions=lambda action, plane: (action, plane) == (READ.lower(), "control")))
    owner = Caller(studio.beginning.owner)
    assert await gate.may(owner, READ, THING)
    assert not await gate.may(owner, "Test.Rooms/things/reed", THING)

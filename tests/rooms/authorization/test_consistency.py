"""The version of the authorization store: durable, named by answers, demanded by callers, followed by other processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from studiolo.kernel.gate import Gate
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import PLATFORM, Caller
from studiolo.rooms.authorization.backends.stored import StoredGrants
from studiolo.wire.freshness import DEMAND, VERSION
from tests.support.asgi import Reply, call
from tests.support.studio import AUTHORIZATION, GROUP, HERE, READER, SUBSCRIPTION, Studio, guid, open_node

pytestmark = pytest.mark.anyio
TREE = "/providers/Microsoft.Management/managementGroups"
THING = f"{GROUP}/providers/Test.Rooms/things/box"
READ = "Test.Rooms/things/read"


@pytest.fixture
async def other(studio: Studio, tmp_path: Path) -> AsyncIterator[Studio]:
    """A second process on the same database."""
    opened = await open_node(tmp_path)
    yield opened
    await opened.close()


def under(parent: str) -> dict[str, object]:
    return {"details": {"parent": {"id": f"{TREE}/{parent}"}}}


async def get(node: Studio, token: str, **headers: str) -> Reply:
    proof = {"authorization": f"Bearer {token}", **headers}
    return await call(node.front, "GET", f"{GROUP}?api-version=2022-04-01", headers=proof)


async def test_every_answer_names_the_version_and_changes_of_rights_alone_raise_it(studio: Studio) -> None:
    token = await studio.token()
    first = int((await get(studio, token)).headers[VERSION])
    await studio.put(f"{HERE}/resourceGroups/rg9", {})
    assert int((await get(studio, token)).headers[VERSION]) == first
    await studio.user(1)
    assert int((await get(studio, token)).headers[VERSION]) == first + 1
    refused = await call(studio.front, "GET", "/subscriptions/x?api-version=2022-04-01", headers={"authorization": f"Bearer {token}"})
    assert (refused.status, int(refused.headers[VERSION])) == (403, first + 1)
    assert VERSION not in (await call(studio.front, "GET", f"{GROUP}?api-version=2022-04-01")).headers


async def test_a_write_of_rights_names_the_version_in_which_it_is_in_force(studio: Studio) -> None:
    ada, token = await studio.user(1), await studio.token()
    before = studio.grants.stamp()
    wanted = {"properties": {"principalId": ada.oid, "roleDefinitionId": f"{HERE}/{AUTHORIZATION}/roleDefinitions/{READER}"}}
    made = await studio.ask("PUT", f"{GROUP}/{AUTHORIZATION}/roleAssignments/{guid(100)}", wanted, token=token)
    assert made.status == 201
    assert int(made.headers[VERSION]) == before + 1 == studio.grants.stamp()


async def test_the_version_outlives_the_process(studio: Studio, tmp_path: Path) -> None:
    await studio.user(1)
    version = studio.grants.stamp()
    again = await open_node(tmp_path)
    try:
        assert again.grants.stamp() == version
    finally:
        await again.close()


async def test_a_version_that_is_not_reached_is_refused_and_one_that_is_comes_soon(studio: Studio, other: Studio) -> None:
    token = await studio.token()
    version = studio.grants.stamp()
    refused = await get(studio, token, **{DEMAND: str(version + 1)})
    assert (refused.status, refused.code) == (503, "AuthorizationVersionNotReached")
    assert (await get(studio, token, **{DEMAND: "soon"})).code == "InvalidHeaderValue"
    await studio.user(1)
    answered = await get(other, token, **{DEMAND: str(version + 1)})
    assert (answered.status, int(answered.headers[VERSION])) == (200, version + 1)


async def test_the_new_enemy_is_seen_with_a_stale_cache_and_not_without(studio: Studio, other: Studio) -> None:
    """Bob is removed; then something is written that he should never see; another node must not show it to him."""
    bob = await studio.user(1)
    granted = await studio.assign(100, bob.oid, READER, GROUP)
    stale = Gate(StoredGrants(other.store))  # by construction: nothing tells it of what other processes change
    assert await stale.may(bob, READ, THING)
    await other.grants.refresh()
    assert await other.gate.may(bob, READ, THING)
    await studio.control.delete(PLATFORM, granted)
    demanded = studio.grants.stamp()
    assert await stale.may(bob, READ, THING), "the anomaly"
    # The caller brings the version that the removal's answer named.
    token = await studio.token()
    assert (await get(other, token, **{DEMAND: str(demanded)})).status == 200
    assert not await other.gate.may(bob, READ, THING)


async def test_another_process_follows_within_a_second(studio: Studio, other: Studio) -> None:
    bob = await studio.user(1)
    token = await studio.token()
    for _ in range(3):
        granted = await studio.assign(100, bob.oid, READER, GROUP)
        assert await comes(other, token, bob, is_allowed=True)
        await studio.control.delete(PLATFORM, granted)
        assert await comes(other, token, bob, is_allowed=False)


async def test_a_tree_that_another_process_changed_is_in_force_within_a_second(studio: Studio, other: Studio) -> None:
    bob, token = await studio.user(1), await studio.token()
    for name in ("top", "low", "elsewhere"):
        await studio.put(f"{TREE}/{name}", under("top") if name == "low" else {})
    await studio.assign(100, bob.oid, READER, f"{TREE}/top")
    for group, is_allowed in (("low", True), ("elsewhere", False), ("low", True)):
        await studio.put(f"{TREE}/{group}/subscriptions/{SUBSCRIPTION}", {})
        assert await comes(other, token, bob, is_allowed=is_allowed)
    for above, is_allowed in (("elsewhere", False), ("top", True)):
        await studio.put(f"{TREE}/low", under(above))
        demanded = str(studio.grants.stamp())
        assert (await get(other, token, **{DEMAND: demanded})).status == 200
        assert await other.gate.may(bob, READ, THING) is is_allowed


async def test_what_another_process_changed_is_seen_after_a_change_of_ones_own(studio: Studio, other: Studio) -> None:
    """The version that one's own change made does not hide the one before it."""
    bob, token = await studio.user(1), await studio.token()
    await studio.put(f"{TREE}/top", {})
    await studio.put(f"{TREE}/top/subscriptions/{SUBSCRIPTION}", {})
    await studio.assign(100, bob.oid, READER, f"{TREE}/top")
    assert await comes(other, token, bob, is_allowed=True)
    await studio.control.delete(PLATFORM, parse(f"{TREE}/top/subscriptions/{SUBSCRIPTION}"))
    await other.user(2)
    assert not await other.gate.may(bob, READ, THING)
    await studio.assign(101, bob.oid, READER, HERE)
    await other.user(3)
    assert await other.gate.may(bob, READ, THING)


async def comes(node: Studio, token: str, who: Caller, *, is_allowed: bool) -> bool:
    """Whether a node's answers turn round within a second, without being asked for a version."""
    loop = asyncio.get_running_loop()
    until = loop.time() + 1
    while loop.time() < until:
        await get(node, token)
        if await node.gate.may(who, READ, THING) == is_allowed:
            return True
    return False


async def test_a_node_that_cannot_read_the_version_answers_503(studio: Studio, tmp_path: Path) -> None:
    token = await studio.token()
    other = await open_node(tmp_path)
    assert (await get(other, token)).status == 200
    await other.close()
    codes: set[tuple[int, str]] = set()
    until = asyncio.get_running_loop().time() + 0.5
    while asyncio.get_running_loop().time() < until:
        reply = await get(other, token)
        codes.add((reply.status, reply.code if reply.status == 503 else ""))
    assert (503, "StoreUnavailable") in codes
    assert all(status >= 500 for status, _ in codes), "nothing is answered on what might be old"

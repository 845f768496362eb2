"""A random walk of administrators, each of whom may do a little, never yields a right outside what they may grant together.

Nine principals with partial rights try everything: assignments with and without conditions and schedules, custom roles,
groups, secrets, deny assignments, management groups, themselves. Whoever gains a right goes on with it.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from studiolo.kernel.faults import Fault
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import PLATFORM, Caller
from tests.rooms.authorization.test_delegation import ACCESS_ADMINISTRATOR, CONTRIBUTOR, RBAC_ADMINISTRATOR, only
from tests.support.studio import AUTHORIZATION, GROUP, HERE, OWNER, READER, SUBSCRIPTION, Studio, guid

pytestmark = pytest.mark.anyio

OTHER = f"{HERE}/resourceGroups/rg2"
DIRECTORY = "/providers/Studiolo.Directory"
TREE = "/providers/Microsoft.Management/managementGroups"
GIVE, READ, WRITE = "Microsoft.Authorization/roleAssignments/write", "Test.Rooms/things/read", "Test.Rooms/things/write"
PROBES = [(action, scope) for scope in ("/", HERE, GROUP, OTHER, f"{TREE}/top") for action in (READ, WRITE, GIVE)]
ROLES = (OWNER, READER, CONTRIBUTOR, RBAC_ADMINISTRATOR, ACCESS_ADMINISTRATOR, guid(300), guid(301), guid(302))
SCOPES = ("/", HERE, GROUP, OTHER, f"{TREE}/top", f"{DIRECTORY}/groups/{guid(11)}")


class Walk:
    """The world, and one random step after another."""

    def __init__(self, studio: Studio, seed: int) -> None:
        self.studio = studio
        self.draw = random.Random(seed)
        self.people: list[Caller] = []
        self.done = 0

    async def begin(self) -> None:
        """Who may do what at first."""
        studio = self.studio
        await studio.put(OTHER, {})
        self.people = [await studio.user(number) for number in range(1, 8)]
        strong = await studio.robot(8)
        self.people.append(Caller(strong.oid, studio.tenant))
        delegate, ruler, leader, editor, denier, worker, keeper, _ = self.people
        for number, actions in ((300, ["Microsoft.Authorization/roleDefinitions/*"]), (301, ["Microsoft.Authorization/denyAssignments/*"])):
            scopes = {"assignableScopes": [GROUP], "permissions": [{"actions": actions}]}
            await studio.put(f"{GROUP}/{AUTHORIZATION}/roleDefinitions/{guid(number)}", {"roleName": f"role-{number}", **scopes})
        await studio.put(f"{TREE}/top", {})
        await studio.group(11, worker.oid)
        await studio.group(10, guid(11))
        bound: dict[str, Any] = {"condition": only(READER), "conditionVersion": "2.0"}
        for number, principal, role, scope, more in (
            (900, delegate.oid, RBAC_ADMINISTRATOR, GROUP, bound),
            (901, ruler.oid, ACCESS_ADMINISTRATOR, OTHER, dict[str, Any]()),
            (902, leader.oid, OWNER, f"{DIRECTORY}/groups/{guid(11)}", {}),
            (903, editor.oid, guid(300), GROUP, {}),
            (904, denier.oid, guid(301), GROUP, {}),
            (905, guid(10), CONTRIBUTOR, HERE, {}),
            (906, keeper.oid, OWNER, f"{DIRECTORY}/applications/{guid(0xA008)}", {}),
            (907, strong.oid, CONTRIBUTOR, HERE, {}),
        ):
            await studio.assign(number, principal, role, scope, PLATFORM, **more)
        deny = {"denyAssignmentName": "no", "principals": [{"id": strong.oid}], "permissions": [{"actions": [WRITE]}]}
        await studio.put(f"{GROUP}/{AUTHORIZATION}/denyAssignments/{guid(700)}", deny)

    async def rights(self) -> set[tuple[str, str, str]]:
        """Who may do what of everything that is looked at."""
        gate = self.studio.gate
        return {(each.oid, *probe) for each in self.people for probe in PROBES if await gate.may(each, *probe)}

    async def step(self) -> bool:
        """One try of one of them; whether it was let through."""
        by, tries = (
            self.draw.choice(self.people),
            (self.assign, self.take, self.group, self.role, self.deny, self.undeny, self.secret, self.move),
        )
        try:
            await self.draw.choice(tries)(by)
        except Fault:
            return False
        self.done += 1
        return True

    def put(self, by: Caller, path: str, properties: dict[str, Any]) -> Awaitable[Any]:
        return self.studio.control.put(by, parse(path), {"properties": properties})

    async def assign(self, by: Caller) -> None:
        scope, number = self.draw.choice(SCOPES), self.draw.randrange(100, 140)
        holder, kind = self.draw.choice([*((each.oid, each.kind) for each in self.people), (guid(10), "Group"), (guid(11), "Group")])
        wanted: dict[str, Any] = {"principalId": holder, "roleDefinitionId": self.draw.choice(ROLES), "principalType": kind}
        if self.draw.random() < 0.3:
            wanted |= {"condition": only(self.draw.choice([READER, OWNER])), "conditionVersion": "2.0"}
        if self.draw.random() < 0.2:
            wanted["endDateTime"] = "2999-01-01T00:00:00Z"
        await self.put(by, f"{'' if scope == '/' else scope}/{AUTHORIZATION}/roleAssignments/{guid(number)}", wanted)

    async def take(self, by: Caller) -> None:
        scope, number = self.draw.choice(SCOPES), self.draw.choice([*range(100, 140), *range(900, 908)])
        await self.studio.control.delete(by, parse(f"{'' if scope == '/' else scope}/{AUTHORIZATION}/roleAssignments/{guid(number)}"))

    async def group(self, by: Caller) -> None:
        number = self.draw.choice((10, 11))
        members = [each.oid for each in self.draw.sample(self.people, self.draw.randrange(3))]
        await self.put(by, f"{DIRECTORY}/groups/{guid(number)}", {"displayName": f"group-{number}", "members": members})

    async def role(self, by: Caller) -> None:
        number, scopes = self.draw.choice((300, 301, 302)), self.draw.sample([HERE, GROUP, OTHER, f"{TREE}/top"], self.draw.randrange(1, 3))
        actions = self.draw.choice([["*"], ["*/read"], ["Microsoft.Authorization/*"], [WRITE]])
        properties = {"roleName": f"role-{number}", "assignableScopes": scopes, "permissions": [{"actions": actions}]}
        await self.put(by, f"{self.draw.choice(scopes)}/{AUTHORIZATION}/roleDefinitions/{guid(number)}", properties)

    async def deny(self, by: Caller) -> None:
        scope, number = self.draw.choice((HERE, GROUP, OTHER)), self.draw.choice((700, 701))
        deny: dict[str, Any] = {
            "denyAssignmentName": "no",
            "principals": [{"id": self.draw.choice([self.draw.choice(self.people).oid, "00000000-0000-0000-0000-000000000000"])}],
            "excludePrincipals": [{"id": each.oid} for each in self.draw.sample(self.people, self.draw.randrange(3))],
            "permissions": [{"actions": self.draw.choice([["*"], [READ], [WRITE]])}],
            "denyAssignmentEffect": self.draw.choice(["enforced", "audit"]),
        }
        await self.put(by, f"{scope}/{AUTHORIZATION}/denyAssignments/{guid(number)}", deny)

    async def undeny(self, by: Caller) -> None:
        scope, number = self.draw.choice((HERE, GROUP, OTHER)), self.draw.choice((700, 701))
        await self.studio.control.delete(by, parse(f"{scope}/{AUTHORIZATION}/denyAssignments/{guid(number)}"))

    async def secret(self, by: Caller) -> None:
        await self.studio.control.act(by, parse(f"{DIRECTORY}/applications/{guid(0xA008)}"), "addPassword", {}, {})
        msg = f"{by.oid} holds a secret of an application that may more"
        raise AssertionError(msg)

    async def move(self, by: Caller) -> None:
        tries: tuple[Callable[[], Awaitable[Any]], ...] = (
            lambda: self.put(by, f"{TREE}/top/subscriptions/{SUBSCRIPTION}", {}),
            lambda: self.put(by, f"{TREE}/mine", {"details": {"parent": {"id": f"{TREE}/top"}}}),
            lambda: self.put(by, f"{DIRECTORY}/users/{guid(9)}", {"displayName": "mine"}),
            lambda: self.put(by, f"{DIRECTORY}/users/{self.draw.choice(self.people).oid}", {"displayName": "off", "accountEnabled": False}),
        )
        await self.draw.choice(tries)()


def is_within_reach(right: tuple[str, str, str]) -> bool:
    """The closure: anybody can be made a reader of the one group, and anything in the other."""
    _, action, scope = right
    return scope == OTHER or (scope == GROUP and action == READ)


@pytest.mark.parametrize(
    "steps",
    [
        150,
        pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
        pytest.param(100_000, marks=[pytest.mark.nightly, pytest.mark.timeout(7200)]),
    ],
)
async def test_a_random_walk_of_administrators_stays_within_what_they_may_grant(studio: Studio, steps: int) -> None:
    walk = Walk(studio, 20261125)
    await walk.begin()
    first = await walk.rights()
    reached = set(first)
    for number in range(steps):
        if await walk.step():
            now = await walk.rights()
            reached |= now
            beyond = {right for right in now - first if not is_within_reach(right)}
            assert not beyond, (number, beyond)
    assert walk.done > steps // 100
    assert reached - first, "nobody gained anything: the walk proves nothing"
    assert await studio.gate.may(Caller(studio.beginning.owner), GIVE, "/")

"""Grants: given, taken back, and fought over."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.parity.studio import ASSIGNMENTS
from tests.recovery.hand import Cut, Hand, Known, good
from tests.recovery.traffic.kind import Traffic

READ = "Microsoft.MachineLearningServices/workspaces/read"


class Grants(Traffic):
    """Roles of several people at one project. What was acknowledged decides, and what was taken back does not."""

    def prepare(self) -> None:
        self.scope = self.hand.workspace("first-project")
        self.people = [self.hand.person(f"grantee{number}") for number in range(3)]
        self.paths = {person.oid: f"{self.scope}{ASSIGNMENTS}/{uuid.uuid4()}" for person in self.people}
        self.known = {person.oid: Known(told=False) for person in self.people}
        self.role = self.hand.role("Reader")

    def act(self) -> None:
        person = self.chance.choice(self.people)
        known, path = self.known[person.oid], self.paths[person.oid]
        if known.told:
            with known.trying(value=False):
                good(self.hand.arm("DELETE", path), 200)
        else:
            with known.trying(value=True):
                good(self.hand.arm("PUT", path, given(person.oid, self.role)), 201)
        assert (self.hand.arm("GET", self.scope, by=person).status == 200) == known.told

    def check(self) -> None:
        listed = {each["id"].lower() for each in self.hand.values(f"{self.scope}{ASSIGNMENTS}")}
        for person in self.people:
            known, path = self.known[person.oid], self.paths[person.oid]
            known.is_(self.hand.arm("GET", path).status == 200)
            assert (path.lower() in listed) == known.told
            assert self.hand.may(person.oid, READ, self.scope) == known.told
            assert self.hand.arm("GET", self.scope, by=person).status == (200 if known.told else 403)


class Rivals(Traffic):
    """Two who give the same role to the same person at the same place, under different names, at the same moment."""

    def prepare(self) -> None:
        self.scope = self.hand.workspace("first-project")
        self.person = self.hand.person("contested")
        self.role = self.hand.role("AzureML Data Scientist")
        self.other = Hand(self.hand.server, self.hand.cookie)
        self.threads = ThreadPoolExecutor(2)
        self.won: str | None = None
        self.tried: list[str] = []

    def act(self) -> None:
        if self.won is not None:
            path, self.won = self.won, None
            self.tried = [path]
            good(self.hand.arm("DELETE", path), 200)
            self.tried = []
            return
        self.tried = [f"{self.scope}{ASSIGNMENTS}/{uuid.uuid4()}" for _ in range(2)]

        def write(hand: Hand, path: str) -> int:
            reply = good(hand.arm("PUT", path, given(self.person.oid, self.role)), 201, 409)
            assert reply.status == 201 or reply.code == "RoleAssignmentExists"
            return reply.status

        asked = [self.threads.submit(write, hand, path) for hand, path in zip((self.hand, self.other), self.tried, strict=True)]
        failures = [each.exception() for each in asked]
        statuses = {path: each.result() for path, each, failed in zip(self.tried, asked, failures, strict=True) if failed is None}
        winners = [path for path, status in statuses.items() if status == 201]
        assert len(winners) <= 1, winners
        self.won = winners[0] if winners else None
        for failed in failures:
            if isinstance(failed, Cut):
                raise failed
            if failed is not None:
                raise failed
        assert sorted(statuses.values()) == [201, 409]
        self.tried = []

    def check(self) -> None:
        held = self.hand.values(f"{self.scope}{ASSIGNMENTS}", **{"$filter": f"principalId eq '{self.person.oid}'"})
        found = [each["id"].lower() for each in held]
        assert len(found) <= 1, found
        if self.won is not None:
            assert found == [self.won.lower()]
        elif found:
            assert found[0] in [path.lower() for path in self.tried]
        self.won, self.tried = (found[0] if found else None), []
        assert self.hand.may(self.person.oid, READ.replace("/read", "/data/read"), self.scope) == bool(found)

    def close(self) -> None:
        super().close()
        self.other.close()
        self.threads.shutdown()


def given(oid: str, role: str) -> dict[str, Any]:
    """The body of an assignment."""
    return {"properties": {"roleDefinitionId": role, "principalId": oid, "principalType": "ServicePrincipal"}}

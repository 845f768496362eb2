"""Principals: identities that are resources, groups of resources that go as a whole, people and their groups."""

from __future__ import annotations

import uuid
from typing import Any

from tests.parity.studio import ASSIGNMENTS, unique
from tests.recovery.hand import Known, good
from tests.recovery.traffic.kind import Traffic


class Identities(Traffic):
    """A resource group with an identity that holds a role; all of it comes and goes."""

    def prepare(self) -> None:
        self.group = f"{self.hand.subscription}/resourceGroups/{unique('brief')}"
        self.path = f"{self.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/who"
        self.known = Known(told=False)
        self.scope = self.hand.workspace("first-project")
        self.role = self.hand.role("Reader")
        self.last: str | None = None

    def act(self) -> None:
        if self.known.told:
            with self.known.trying(value=False):
                good(self.hand.arm("DELETE", self.group), 200, 202, 204)
                assert self.hand.settled(self.group) is None
            self.is_gone()
            return
        with self.known.trying(value=True):
            good(self.hand.arm("PUT", self.group, {"location": "local"}), 200, 201)
            made = good(self.hand.arm("PUT", self.path, {"location": "local"}), 201)
        self.last = made.json()["properties"]["principalId"]
        given = {"roleDefinitionId": self.role, "principalId": self.last, "principalType": "ServicePrincipal"}
        good(self.hand.arm("PUT", f"{self.scope}{ASSIGNMENTS}/{uuid.uuid4()}", {"properties": given}), 201)

    def check(self) -> None:
        group = self.hand.settled(self.group)
        found = self.hand.settled(self.path) if group is not None else None
        if found is None:
            good(self.hand.arm("GET", self.path), 404)
            self.is_gone()
            if group is not None:  # the group was made, and the identity was not asked for yet
                good(self.hand.arm("DELETE", self.group), 200, 204)
        else:
            self.last = found["properties"]["principalId"]
            acting = self.hand.directory("GET", f"/servicePrincipals/{self.last}")
            assert acting.status == 200
            assert acting.json()["properties"]["alternativeNames"] == [found["id"]]
        self.known.is_(found is not None)

    def is_gone(self) -> None:
        """Assert that the principal went with its resource, and its roles with it."""
        if self.last is not None:
            good(self.hand.directory("GET", f"/servicePrincipals/{self.last}"), 404)
            assert self.hand.values(f"{self.hand.subscription}{ASSIGNMENTS}", **{"$filter": f"principalId eq '{self.last}'"}) == []
            self.last = None


class Members(Traffic):
    """A user in a group that holds a role: what the membership gives goes with the user."""

    def prepare(self) -> None:
        self.oid, self.team = str(uuid.uuid4()), self.hand.group_of()
        self.scope = self.hand.workspace("first-project")
        self.hand.grant(self.team, "Reader", self.scope, kind="Group")
        self.known = Known(told=False)
        self.joined = Known(told=False)

    def body(self, *members: str) -> dict[str, Any]:
        """The group with these members."""
        return {"properties": {"displayName": f"group-{self.team[:8]}", "members": list(members)}}

    def act(self) -> None:
        if not self.known.told:
            with self.known.trying(value=True):
                named = {"displayName": f"user-{self.oid[:8]}"}
                good(self.hand.directory("PUT", f"/users/{self.oid}", {"properties": named}), 200, 201)
        elif not self.joined.told:
            with self.joined.trying(value=True):
                good(self.hand.directory("PUT", f"/groups/{self.team}", self.body(self.oid)), 200)
        else:
            with self.known.trying(value=False), self.joined.trying(value=False):
                good(self.hand.directory("DELETE", f"/users/{self.oid}"), 200, 202, 204)

    def check(self) -> None:
        person = self.hand.settled(f"/users/{self.oid}")  # a removal that was cut short goes on by itself
        group = self.hand.directory("GET", f"/groups/{self.team}")
        is_member = self.oid in group.json()["properties"]["members"]
        self.known.is_(person is not None)
        self.joined.is_(is_member)
        assert self.known.told or not is_member, "somebody who is gone is a member"
        if self.known.told:
            assert self.hand.may(self.oid, "Microsoft.MachineLearningServices/workspaces/read", self.scope) == is_member

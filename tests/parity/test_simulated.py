"""What the owner is told on the command line of a change that is not made: of a hub's roles, of a move, of a schedule."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.parity.studio import Studio, unique
from tests.parity.test_people import log_in, told

GROUPS = "/providers/Microsoft.Management/managementGroups"


@pytest.fixture
def owner(studio: Studio) -> Iterator[Studio]:
    """A studio whose command line acts as the owner."""
    log_in(studio)
    yield studio
    studio.server.run("logout", "--home", str(studio.server.home), clean=True)


def shifts(owner: Studio, oid: str, *options: str) -> list[tuple[str, bool, bool]]:
    """Where somebody's rights would change, and whether something is gained and lost there."""
    found = told(owner, "access", "simulate", *options, "-o", "json")
    mine = [each for each in found if oid in [one["id"] for one in each["principals"]]]
    return [(each["scope"], bool(each["gains"]), bool(each["loses"])) for each in mine]


def refused(owner: Studio, *options: str) -> str:
    done = owner.server.run("access", "simulate", *options, "--home", str(owner.server.home), clean=True, check=False)
    assert done.returncode != 0
    return done.stderr


def test_a_hub_whose_roles_would_hold_in_its_projects_or_no_longer(owner: Studio) -> None:
    guest, hub = owner.person(), owner.hub()
    project = owner.project(hub["id"])
    owner.grant(guest.oid, "Reader", hub["id"])
    assert shifts(owner, guest.oid, "--role-inheritance", hub["name"], "Projects") == [(project["id"].lower(), True, False)]
    assert owner.arm("GET", project["id"], by=guest).status == 403
    assert owner.arm("PATCH", hub["id"], {"properties": {"roleInheritance": "Projects"}}).status == 200
    assert owner.arm("GET", project["id"], by=guest).status == 200
    lost = shifts(owner, guest.oid, "--role-inheritance", hub["id"], "None", "--at", project["name"])
    assert lost == [(project["id"].lower(), False, True)]
    assert refused(owner, "--role-inheritance", project["name"], "Projects").startswith("InvalidHub: ")
    assert refused(owner, "--role-inheritance", "no-such-hub", "Projects").startswith("HubNotFound: ")


def test_a_subscription_that_would_lie_in_a_group(owner: Studio) -> None:
    guest, name = owner.person(), unique("group")
    subscription = owner.group.split("/")[2]
    told(owner, "management-group", "create", name, "-o", "json")
    told(owner, "role", "assign", "Contributor", guest.oid, "--scope", f"{GROUPS}/{name}", "-o", "json")
    assert shifts(owner, guest.oid, "--move", subscription, name) == [(f"/subscriptions/{subscription}", True, False)]
    assert shifts(owner, guest.oid, "--move", name, "/") == []
    assert refused(owner, "--move", name, name).startswith("ManagementGroupCycle: ")
    assert refused(owner, "--move", subscription, "nowhere").startswith("ParentGroupNotFound: ")
    told(owner, "management-group", "delete", name, "--yes")


def test_a_role_that_would_be_given_for_a_time(owner: Studio) -> None:
    guest, hub = owner.person(), owner.hub()
    given = ("--assign", "Reader", guest.oid, hub["name"], "--from", "2100-01-01T00:00:00Z", "--until", "2100-02-01T00:00:00Z")
    moments = ("2099-12-31T23:59:59Z", "2100-01-01T00:00:00Z", "2100-02-01T00:00:00Z")
    gained = [(hub["id"].lower(), True, False)]
    assert [shifts(owner, guest.oid, *given, "--moment", moment) for moment in moments] == [[], gained, []]
    assert shifts(owner, guest.oid, *given) == []
    assert refused(owner, *given, "--moment", "tomorrow").startswith("InvalidMoment: ")
    assert refused(owner, *given[:4], "--until", "2000-01-01T00:00:00Z").startswith("InvalidSchedule: ")
    assert "--assign" in refused(owner, "--until", "2100-02-01T00:00:00Z")
    assert refused(owner).startswith("NothingToSimulate: ")

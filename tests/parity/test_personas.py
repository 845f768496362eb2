"""The four personas of the census: given in one go by the command line, and what each then may and may not do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studiolo.app.cli import main
from tests.parity.studio import ASSIGNMENTS, Person, Studio, unique

ML = "Microsoft.MachineLearningServices/workspaces"
MAKES_PROJECTS = f"{ML}/hubs/join/action"
GIVES = "Microsoft.Authorization/roleAssignments/write"
Run = Callable[..., Any]


@pytest.fixture
def run(signed_in: Studio, capsys: pytest.CaptureFixture[str]) -> Run:
    """A command in the environment of `studiolo env`, and what it answered: JSON, or the error of one that fails."""

    def command(*arguments: str, code: int = 0, is_json: bool = True) -> Any:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--output", "json"] if is_json else list(arguments))
        seen = capsys.readouterr()
        assert (ended.value.code or 0) == code, seen.err
        return seen.err if code else json.loads(seen.out) if is_json else seen.out

    return command


@pytest.fixture
def place(signed_in: Studio) -> tuple[str, str]:
    """A hub and a project in it, by name."""
    hub = signed_in.hub()
    return hub["name"], signed_in.project(hub["id"])["name"]


def held(studio: Studio, person: Person) -> set[tuple[str, str]]:
    """The roles that somebody holds, with the last names of their scopes."""
    wanted = {"$filter": f"principalId eq '{person.oid}'"}
    names = {studio.role(name).rpartition("/")[2]: name for name in ROLES}
    found = studio.arm("GET", f"{studio.subscription}{ASSIGNMENTS}", query=wanted).json()["value"]
    return {
        (names[each["properties"]["roleDefinitionId"].rpartition("/")[2]], each["properties"]["scope"].rpartition("/")[2]) for each in found
    }


ROLES = ("Owner", "Contributor", "Reader", "Azure AI Developer", "Azure AI Inference Deployment Operator")


def may(studio: Studio, person: Person, *asks: tuple[str, str]) -> list[bool]:
    return [studio.may(person.oid, action, scope) for action, scope in asks]


def test_a_developer_gets_three_roles_and_works_in_the_project_alone(signed_in: Studio, run: Run, place: tuple[str, str]) -> None:
    studio, (hub, project) = signed_in, place
    person, other = studio.person(), studio.project(studio.workspace(hub))["name"]
    done = run("role", "assign", "--persona", "developer", person.oid, "--project", project)
    assert [each["state"] for each in done] == ["given"] * 3
    assert held(studio, person) == {
        ("Azure AI Developer", project),
        ("Reader", hub),
        ("Azure AI Inference Deployment Operator", studio.group.rpartition("/")[2]),
    }
    again = run("role", "assign", "--persona", "developer", person.oid, "--project", project)
    assert [each["state"] for each in again] == ["held already"] * 3
    assert [each["id"] for each in again] == [each["id"] for each in done]
    here, there, above = (studio.workspace(name) for name in (project, other, hub))
    yes = [(f"{ML}/data/versions/write", here), (f"{ML}/read", above), ("Microsoft.Resources/deployments/write", studio.group)]
    no = [
        (f"{ML}/data/versions/write", there),
        (f"{ML}/data/versions/read", there),
        (f"{ML}/write", above),
        (MAKES_PROJECTS, above),
        (f"{ML}/delete", here),
        (GIVES, here),
    ]
    assert may(studio, person, *yes) == [True] * len(yes)
    assert may(studio, person, *no) == [False] * len(no)
    assert studio.arm("GET", f"{here}/data", by=person).status == 200
    assert studio.arm("GET", f"{there}/data", by=person).status == 403


def test_whoever_leaves_the_last_project_of_a_hub_keeps_nothing(signed_in: Studio, run: Run, place: tuple[str, str]) -> None:
    studio, (hub, project) = signed_in, place
    person, second = studio.person(), studio.project(studio.workspace(hub))["name"]
    for name in (project, second):
        run("role", "assign", "--persona", "developer", person.oid, "--project", name)
    left = run("role", "unassign", "--persona", "developer", person.oid, "--project", project, "--yes")
    assert [each["state"] for each in left] == ["taken back", "kept for other projects", "kept for other projects"]
    assert studio.arm("GET", studio.workspace(project), by=person).status == 403
    left = run("role", "unassign", "--persona", "developer", person.oid, "--project", second, "--yes")
    assert [each["state"] for each in left] == ["taken back"] * 3
    assert held(studio, person) == set()
    left = run("role", "unassign", "--persona", "developer", person.oid, "--project", second, "--yes")
    assert [each["state"] for each in left] == ["not held"] * 3


@pytest.mark.parametrize(
    ("persona", "roles", "yes", "no"),
    [
        ("it-admin", {"Owner"}, [f"{ML}/write", f"{ML}/hubs/write", MAKES_PROJECTS, GIVES, f"{ML}/delete"], []),
        ("manager", {"Contributor", "Azure AI Developer"}, [f"{ML}/write", MAKES_PROJECTS, f"{ML}/data/versions/write"], [GIVES]),
        (
            "lead-developer",
            {"Azure AI Developer", "Azure AI Inference Deployment Operator"},
            [MAKES_PROJECTS, f"{ML}/data/versions/write", f"{ML}/read"],
            [f"{ML}/write", f"{ML}/hubs/write", f"{ML}/delete", GIVES],
        ),
    ],
)
def test_what_the_personas_of_a_hub_may_do(
    signed_in: Studio, run: Run, place: tuple[str, str], persona: str, roles: set[str], yes: list[str], no: list[str]
) -> None:
    studio, (hub, project) = signed_in, place
    person = studio.person()
    done = run("role", "assign", "--persona", persona, person.oid, "--hub", hub)
    assert {each["role"] for each in done} == roles == {role for role, _ in held(studio, person)}
    at_hub, elsewhere = studio.workspace(hub), studio.hub()["id"]
    assert may(studio, person, *((action, at_hub) for action in yes)) == [True] * len(yes)
    assert may(studio, person, *((action, at_hub) for action in no)) == [False] * len(no)
    assert may(studio, person, *((action, elsewhere) for action in (*yes, *no) if "deployments" not in action)) == [False] * len(
        [*yes, *no]
    )
    assert not studio.may(person.oid, f"{ML}/data/versions/write", studio.workspace(project))
    assert [each["state"] for each in run("role", "unassign", "--persona", persona, person.oid, "--hub", hub, "--yes")] == [
        "taken back"
    ] * len(roles)


def test_a_persona_is_given_for_a_while(signed_in: Studio, run: Run, place: tuple[str, str]) -> None:
    person = signed_in.person()
    bounds = ("--from", "2999-01-01T00:00:00Z", "--until", "2999-02-01T00:00:00Z")
    run("role", "assign", "--persona", "developer", person.oid, "--project", place[1], *bounds)
    assert not signed_in.may(person.oid, f"{ML}/read", signed_in.workspace(place[1]))
    shown = run("role", "assignments", "--who", person.oid, "--scope", place[1])
    assert {each["properties"]["assignmentState"] for each in shown} == {"Pending"}
    assert "Pending" in run("role", "assignments", "--who", person.oid, "--scope", place[1], is_json=False)


def test_a_persona_is_named_with_its_place_and_nobody_else(signed_in: Studio, run: Run, place: tuple[str, str]) -> None:
    person = signed_in.person()
    assert "PersonaNeedsProject" in run("role", "assign", "--persona", "developer", person.oid, "--hub", place[0], code=1)
    assert "PersonaNeedsProject" in run("role", "assign", "--persona", "developer", person.oid, "--project", place[0], code=1)
    assert "PersonaNeedsHub" in run("role", "assign", "--persona", "manager", person.oid, "--project", place[1], code=1)
    assert "nobody but who" in run("role", "assign", "--persona", "manager", "Reader", person.oid, code=2)


def test_roles_denials_and_groups_have_verbs(signed_in: Studio, run: Run, place: tuple[str, str], tmp_path: Path) -> None:
    studio, (hub, project) = signed_in, place
    person, name = studio.person(), unique("Looker")
    file = tmp_path / "role.json"
    role = {
        "Name": name,
        "IsCustom": True,
        "Description": "Looks.",
        "Actions": [f"{ML}/read"],
        "NotActions": [],
        "AssignableScopes": [studio.group],
    }
    file.write_text(json.dumps(role))
    assert run("role", "create", str(file))["properties"]["roleName"] == name
    assert name in {each["properties"]["roleName"] for each in run("role", "list", "--custom")}
    given = run("role", "assign", name, person.oid, "--scope", project, "--until", "2999-01-01T00:00:00Z")
    assert given["properties"]["endDateTime"].startswith("2999-01-01")
    assert studio.arm("GET", studio.workspace(project), by=person).status == 200
    denied = run("deny", "create", "no looking", "--who", person.oid, "--action", f"{ML}/read", "--scope", project)
    assert studio.arm("GET", studio.workspace(project), by=person).code == "DenyAssignmentAuthorizationFailed"
    assert denied["id"] in {each["id"] for each in run("deny", "list", "--scope", project)}
    run("deny", "delete", denied["id"], "--yes", is_json=False)
    assert studio.arm("GET", studio.workspace(project), by=person).status == 200
    assert "RoleDefinitionHasAssignments" in run("role", "delete", name, "--yes", code=1, is_json=False)
    run("role", "unassign", name, person.oid, "--scope", project, "--yes", is_json=False)
    run("role", "delete", name, "--yes", is_json=False)
    assert name not in {each["properties"]["roleName"] for each in run("role", "list", "--custom")}
    assert "AuthorizationFailed" in run("management-group", "create", "top", code=1)
    assert run("management-group", "list") == []
    assert hub

"""The proof of the wall proves something: whatever loses its permit is named as a leak, and nothing is refused that was not understood."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studiolo.app.isolation.asking import Identity, Reply
from studiolo.app.isolation.attacks import Attack, Form
from studiolo.app.isolation.examples import ROUTES, label_of
from studiolo.app.isolation.judging import judge
from studiolo.app.isolation.report import NotTried, Report
from studiolo.app.isolation.things import THINGS
from studiolo.app.served import served_routes, served_types
from tests.walls.house import House
from tests.walls.test_isolation import probe, report, serving

pytestmark = pytest.mark.anyio

ML = "Microsoft.MachineLearningServices/workspaces"
BLOB = "/{container}/{blob:path}"
# One of every surface, and of the façade one of every verb.
LOST = [
    f"PUT {BLOB}?comp=block",
    f"PUT {BLOB}?comp=tags",
    f"PUT {BLOB}?comp=tier",
    f"HEAD {BLOB}",
    "GET /{container}?restype=container&comp=list",
    "POST addPassword Studiolo.Directory/applications",
    "POST listKeys Microsoft.CognitiveServices/accounts",
    f"LIST {ML}/data/versions",
    "LIST Microsoft.KeyVault/vaults",
    f"GET {ML}/environments/versions",
    f"PUT {ML}/models/versions",
    f"PATCH {ML}",
    "DELETE Microsoft.Authorization/roleAssignments",
    "GET /v1.0/users/{id}",
    "POST /v1.0/groups/{id}/members/$ref",
    "POST /projects/{project}/openai/v1/chat/completions",
    "GET /projects/{project}/openai/v1/models",
    "GET /{scope:path}/providers/Studiolo.Audit/lines",
    "POST /{scope:path}/providers/Studiolo.Access/whoCan",
    "POST /{scope:path}/providers/Studiolo.Identity/workloads",
    "GET /{scope:path}/providers/Studiolo.House/types",
    "GET /subscriptions/{subscription}/resourcegroups/{group}/deployments/{deployment}/operations",
    "GET /subscriptions/{subscription}/providers/Microsoft.Insights/eventtypes/management/values",
]
# Lists of a subscription or above are open to whoever is known, and these three show nothing of any project.
COMMON = {f"LIST {name}" for name, thing in THINGS.items() if thing.is_common and name != "Microsoft.Storage/storageAccounts/blobServices"}
# What asks no permit: public routes, calls by a key for its own project, proofs that stand in the request itself.
OPEN = {label.partition(" ")[2] for label, example in ROUTES.items() if example.judged == "open" or example.is_bare}
# Gone when their turn comes, because what was attacked before has removed them; or refused to everybody, by the type itself.
LATE = {
    "DELETE /v1.0/applications({id})",
    "DELETE /v1.0/servicePrincipals({id})",
    "DELETE /v1.0/groups/{id}/members/{member}/$ref",
    "GET /providers/Studiolo.Access/decisions/{decision}",
    "PUT Microsoft.Resources/subscriptions",
}


def leaking(told: dict[str, Any]) -> set[str]:
    """The routes that a report says to leak."""
    return {line["route"] for line in told["lines"] if line["leaks"]}


async def test_everything_that_is_served_has_an_example_of_a_valid_request(house: House) -> None:
    routes = {label_of(route) for route in served_routes(house.application.surfaces)}
    types = served_types(house.application.control.catalog)
    missing = [*sorted(routes - set(ROUTES)), *(each["name"] for each in types if each["name"] not in THINGS)]
    assert not missing, "studiolo/app/isolation needs a line in examples.py (routes) or things.py (types) for each of:\n" + "\n".join(
        missing
    )
    acts = {(each["name"], action["name"]) for each in types for action in each["actions"]}
    known = {(name, action) for name, thing in THINGS.items() for action in thing.actions}
    assert acts == known
    assert set(ROUTES) == routes
    assert set(THINGS) == {each["name"] for each in types}


def reply(status: int, code: str = "") -> Reply:
    return Reply(status, {"x-ms-error-code": code} if code else {}, b"")


def test_what_was_not_understood_is_no_refusal() -> None:
    attack, member = Attack("r", Form("PUT", "/"), {}, tells=("409 Taken",)), Identity("member", has_rights=True)
    outcomes = {
        status: judge(attack, member, reply(status), [], twin_differs=False).outcome
        for status in (200, 204, 304, 400, 401, 403, 404, 405, 409, 411, 412, 413, 415, 500, 501, 503)
    }
    refused, untried = (401, 403, 404), (400, 405, 411, 413, 415, 501)
    assert {status for status, outcome in outcomes.items() if outcome == "refused"} == set(refused)
    assert {status for status, outcome in outcomes.items() if outcome == "not tried"} == set(untried)
    assert {outcome for status, outcome in outcomes.items() if status not in refused + untried} == {"leaked"}
    for twin_differs, outcome in ((True, "leaked"), (None, "not tried")):
        assert judge(attack, member, reply(404), [], twin_differs=twin_differs).outcome == outcome
    assert judge(attack, member, reply(403), ["a secret"], twin_differs=False).outcome == "leaked"
    assert judge(attack, member, reply(409, "Taken"), [], twin_differs=False).outcome == "leaked"


def test_a_batch_is_refused_where_each_part_is() -> None:
    attack, member = Attack("r", Form("POST", "/"), {}), Identity("member", has_rights=True)
    for parts, outcome in (((403, 403), "refused"), ((403, 400), "not tried"), ((403, 202), "leaked")):
        body = b"".join(b"HTTP/1.1 %d x\r\n\r\n" % status for status in parts)
        batch = Reply(202, {"content-type": "multipart/mixed; boundary=b"}, body)
        assert judge(attack, member, batch, [], twin_differs=False).outcome == outcome


def test_a_report_is_whole_only_with_reasons() -> None:
    told = Report("", "", "", "", "", [], [], 0, 0, 0, 0, 0, 0, [], [], [NotTried("r", "why")])
    assert told.holds
    assert told.is_whole
    told.not_tried.append(NotTried("s", "it got 400", is_stated=False))
    assert not told.is_whole


@pytest.mark.timeout(300)
def test_the_routes_that_lost_their_permit_are_named_and_no_others(tmp_path: Path) -> None:
    lost = [line for line in LOST if "?comp=" in line]
    assert len(lost) == 3
    (tmp_path / "lost").write_text("\n".join(lost))
    with serving(tmp_path, str(tmp_path / "lost")) as server:
        done = probe(server, tmp_path / "report.json", "--only", "?comp=")
    assert done.returncode == 1, done.stdout + done.stderr
    assert leaking(report(tmp_path / "report.json")) == set(lost)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_one_of_every_surface_that_lost_its_permit_is_named_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "lost").write_text("\n".join(LOST))
    with serving(tmp_path, str(tmp_path / "lost")) as server:
        done = probe(server, tmp_path / "report.json")
    assert done.returncode == 1, done.stdout + done.stderr
    # Put Block takes its bytes from another blob too.
    assert leaking(report(tmp_path / "report.json")) == {*LOST, "copy of a neighbour's blob"}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_where_every_permit_is_lost_everything_leaks(tmp_path: Path) -> None:
    (tmp_path / "lost").write_text("*")
    with serving(tmp_path, str(tmp_path / "lost")) as server:
        probe(server, tmp_path / "report.json")
    told = report(tmp_path / "report.json")
    tried = {line["route"] for line in told["lines"] if line["route"][0].isupper()}  # the others are tricks, in no list of routes
    assert len(tried) > 300
    assert tried - leaking(told) - OPEN <= LATE | COMMON

"""The record as its callers meet it: every refusal has an id that explains it, every secret leaves behind its line."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.parity.studio import Person, Reply, Studio, unique

API = "2026-11-01"
DECISIONS = "/providers/Studiolo.Access/decisions"
LINES = "/providers/Studiolo.Audit/lines"
ID = "x-studiolo-decision-id"
CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"


@pytest.fixture(scope="module")
def hub(studio: Studio) -> dict[str, Any]:
    return studio.hub(unique("record"))


@pytest.fixture(scope="module")
def project(studio: Studio, hub: dict[str, Any]) -> dict[str, Any]:
    return studio.project(hub["id"])


@pytest.fixture(scope="module")
def stranger(studio: Studio) -> Person:
    return studio.person("stranger")


@pytest.fixture(scope="module")
def auditor(studio: Studio) -> Person:
    """Reads everything, everywhere, and changes nothing."""
    found = studio.person("auditor")
    role = f"/providers/Microsoft.Authorization/roleDefinitions/{studio.role('Reader').rpartition('/')[2]}"
    path = f"/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}?api-version=2022-04-01"
    body = {"properties": {"roleDefinitionId": role, "principalId": found.oid, "principalType": "ServicePrincipal"}}
    headers = {"cookie": studio.cookie, "origin": studio.url, "content-type": "application/json"}
    made = studio.send("PUT", path, json.dumps(body).encode(), headers)
    assert made.status == 201, made.body
    return found


def told(studio: Studio, id_: str, by: Person) -> Reply:
    return studio.arm("GET", f"{DECISIONS}/{id_}", by=by, api=API)


def newest(studio: Studio, by: Person, scope: str = "", **query: str) -> list[dict[str, Any]]:
    found = studio.arm("GET", f"{scope}{LINES}", by=by, api=API, query=query)
    assert found.status == 200, found.body
    return found.json()["value"]


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_refusal_names_a_decision_that_explains_it(studio: Studio, project: dict[str, Any], stranger: Person, auditor: Person) -> None:
    refused = studio.arm("GET", project["id"], by=stranger)
    assert refused.status == 403
    id_ = refused.headers[ID]
    more = [one for one in refused.json()["error"]["additionalInfo"] if one["type"] == "Studiolo.Access/decisions"]
    assert [one["info"]["id"] for one in more] == [id_]
    found = told(studio, id_, auditor).json()
    assert (found["action"], found["scope"]) == ("Microsoft.MachineLearningServices/workspaces/read", project["id"].lower())
    assert (found["principal"]["id"], found["reason"]) == (stranger.oid, "no_grant")
    assert found["request"] == {"id": refused.headers["x-ms-request-id"], "method": "GET", "path": project["id"]}
    assert found["explanation"]["chain"][0] == project["id"].lower()
    assert "Reader" in {role["name"] for role in found["grantableBy"]}
    assert all(role["grantedBy"] for role in found["grantableBy"])
    assert found["recordVersion"] > 0


def test_the_refused_see_what_they_were_told_and_others_nothing(studio: Studio, project: dict[str, Any], stranger: Person) -> None:
    refused = studio.arm("DELETE", project["id"], by=stranger)
    own = told(studio, refused.headers[ID], stranger)
    assert own.status == 200
    assert own.json()["error"]["code"] == "AuthorizationFailed"
    assert not {"explanation", "grantableBy", "reason", "scope", "deciding", "principal"} & set(own.json())
    other = told(studio, refused.headers[ID], studio.person())
    assert (other.status, other.code) == (404, "DecisionNotFound")
    assert other.headers[ID]


def test_a_failing_condition_is_told_with_its_attributes_of_then(studio: Studio, project: dict[str, Any], auditor: Person) -> None:
    person = studio.person("conditional")
    account = project["properties"].get("storageAccount") or hub_account(studio, project)
    name = account.rpartition("/")[2]
    guid = project["properties"]["workspaceId"]
    read = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
    condition = "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals 'somewhere-else'"
    assignment = studio.grant(person.oid, studio.custom_role(data=[read]), account, condition=condition)
    refused = studio.blob("GET", name, f"/{guid}-azureml-blobstore/secret.txt", by=person)
    assert (refused.status, refused.blob_code) == (403, "AuthorizationPermissionMismatch")
    studio.arm("DELETE", assignment, api="2022-04-01")
    found = told(studio, refused.headers[ID], auditor).json()
    rows = found["explanation"]["roleAssignments"]
    assert [row["outcome"] for row in rows] == ["condition"]
    obstacles = rows[0]["blocks"][0]["conditions"][0]["obstacles"]
    assert f"{guid}-azureml-blobstore" in [attribute["value"] for one in obstacles for attribute in one["attributes"]]


def test_the_holder_of_a_projects_signature_is_named(studio: Studio, project: dict[str, Any], auditor: Person) -> None:
    member = studio.person("member")
    role = studio.grant(member.oid, "Azure AI Developer", project["id"])
    given = studio.arm("POST", f"{project['id']}/datastores/workspaceblobstore/listSecrets", {"expirableSecret": True}, by=member)
    name = hub_account(studio, project).rpartition("/")[2]
    target = f"/{project['properties']['workspaceId']}-blobstore/a?{given.json()['sasToken']}"
    assert studio.blob("PUT", name, target, b"x").status == 201
    studio.arm("DELETE", role, api="2022-04-01")
    refused = studio.blob("PUT", name, target, b"x")
    assert (refused.status, refused.blob_code) == (403, "AuthenticationFailed")
    line = told(studio, refused.headers[ID], auditor).json()
    assert line["principal"]["id"] == project["identity"]["principalId"]
    assert member.oid in line["error"]["message"]


def hub_account(studio: Studio, project: dict[str, Any]) -> str:
    hub = studio.arm("GET", project["properties"]["hubResourceId"]).json()
    return hub["properties"]["storageAccount"]


def test_absent_and_forbidden_differ_in_their_ids_alone(studio: Studio, project: dict[str, Any]) -> None:
    stranger = studio.person()  # like refusals within a second share a line: this one has none yet
    absent = studio.workspace(unique("nothing"))
    seen: list[Any] = []
    for path in (project["id"], absent):
        refused = studio.arm("GET", path, by=stranger)
        own = told(studio, refused.headers[ID], stranger).json()
        seen.append(alike(refused, own, path))
    assert seen[0] == seen[1]


def test_a_model_call_to_an_absent_project_is_refused_like_one_to_a_closed_one(studio: Studio, project: dict[str, Any]) -> None:
    stranger = studio.person()
    seen: list[Any] = []
    for name in (project["properties"]["workspaceId"], str(uuid.uuid4())):
        headers = {"authorization": f"Bearer {studio.token(stranger, 'https://cognitiveservices.azure.com')}"}
        refused = studio.send("GET", f"/projects/{name}/openai/v1/models", headers=headers)
        assert refused.status == 401, refused.body
        own = told(studio, refused.headers[ID], stranger).json()
        seen.append(alike(refused, own, name))
    assert seen[0] == seen[1]


def alike(refused: Reply, own: dict[str, Any], name: str) -> Any:
    """What is left of a refusal and of its decision without ids, times and the name that was asked for."""
    changing = {ID, "x-ms-request-id", "x-ms-correlation-request-id", "x-request-id", "date", "content-length"}
    headers = sorted((key, value) for key, value in refused.headers.items() if key not in changing)
    text = refused.body.decode() + json.dumps({key: value for key, value in own.items() if key not in ("at", "line", "refusals")})
    for id_ in (refused.headers[ID], refused.headers["x-ms-request-id"], name):
        text = text.replace(id_, "…")
    return refused.status, headers, text


def test_every_kind_of_refusal_has_an_id(studio: Studio, project: dict[str, Any], hub: dict[str, Any], stranger: Person) -> None:
    account_id = hub["properties"]["storageAccount"]
    account = account_id.rpartition("/")[2]
    refusals = [
        studio.send("GET", f"{project['id']}?api-version=2024-10-01"),
        studio.arm("GET", project["id"], token="nonsense"),
        studio.arm("PUT", project["id"], {"location": "local"}, by=stranger),
        studio.arm("POST", f"{account_id}/listKeys", {}, by=stranger),
        studio.blob("GET", account, "/some-container/blob"),
        studio.blob("GET", account, "/some-container/blob", by=stranger),
        studio.blob("GET", account, "/some-container/blob?sv=2025-11-05&sr=b&sp=r&se=2099-01-01T00:00:00Z&sig=AAAA"),
        studio.ask_token(stranger.client_id, "wrong", scope=f"{studio.url}/.default"),
        studio.send("GET", "/openai/v1/models", headers={"api-key": "stu_wrong"}),
        studio.send("GET", "/", headers={"origin": "https://elsewhere.example"}),
        studio.send("POST", "/signin", b"code=wrong", {"content-type": "application/x-www-form-urlencoded", "origin": studio.url}),
    ]
    assert {reply.status for reply in refusals} <= {401, 403}, [(reply.status, reply.body[:200]) for reply in refusals]
    assert all(reply.headers.get(ID) for reply in refusals)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"grant_type": "client_credentials", "client_id": str(uuid.uuid4()), "client_secret": "x"}, "unauthorized_client"),
        ({"grant_type": "refresh_token", "client_id": CLI, "refresh_token": "studiolo_r1.a.b.1.c"}, "invalid_grant"),
        ({"grant_type": "authorization_code", "client_id": CLI, "code": "x", "redirect_uri": "http://localhost"}, "invalid_grant"),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": CLI, "device_code": "x"}, "bad_verification_code"),
    ],
    ids=["unknown client", "refresh token", "code", "device code"],
)
def test_a_no_of_the_token_endpoint_is_on_the_record_under_the_ids_that_it_tells(
    studio: Studio, auditor: Person, fields: dict[str, str], code: str
) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    refused = studio.send("POST", "/adfs/oauth2/v2.0/token", urlencode({**fields, "scope": f"{studio.url}/.default"}).encode(), form)
    shape = refused.json()
    assert (refused.status, shape["error"]) == (400, code)
    found = told(studio, refused.headers[ID], auditor).json()
    assert (found["error"]["code"], found["request"]["id"]) == (code, shape["trace_id"])


def test_a_flood_of_like_refusals_makes_few_lines_and_counts_the_rest(studio: Studio, project: dict[str, Any], auditor: Person) -> None:
    person = studio.person("flood")
    ids = {studio.arm("GET", project["id"], by=person).headers[ID] for _ in range(150)}
    assert len(ids) < 100
    ids |= {studio.arm("GET", f"{project['id']}-{number}", by=person).headers[ID] for number in range(100)}
    written = newest(studio, auditor, who=person.oid, kind="refusal", **{"$top": "1000"})
    assert ids >= {line["id"] for line in written}
    assert len(written) < 125


def test_an_id_explains_the_refusal_that_it_was_given_for_or_says_that_it_stands_for_many(
    studio: Studio, project: dict[str, Any], auditor: Person
) -> None:
    person = studio.person("curious")
    given = {f"{project['id']}-{number}": "" for number in range(60)}
    for path in given:
        given[path] = studio.arm("GET", path, by=person).headers[ID]
    assert len(set(given.values())) >= 20
    merged: dict[str, int] = {}
    for path, id_ in given.items():
        found = told(studio, id_, auditor).json()
        assert found["isMerged"] == id_.startswith("merged-")
        if found["isMerged"]:
            merged[id_] = found["refusals"]["count"]
            assert (found["request"]["path"], found["action"], found["explanation"]) == (None, "", {})
            assert found["refusals"]["first"] <= found["refusals"]["last"]
            own = told(studio, id_, person).json()
            assert (own["isMerged"], own["isComplete"]) == (True, False)
        else:
            assert (found["scope"], found["request"]["path"]) == (path.lower(), path)
    assert sum(merged.values()) == sum(id_.startswith("merged-") for id_ in given.values()) > 0


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_secret_leaves_behind_its_line(studio: Studio, project: dict[str, Any], auditor: Person) -> None:
    account = f"{studio.group}/providers/Microsoft.CognitiveServices/accounts/{project['name']}"
    shown = studio.arm("POST", f"{account}/listKeys", {})
    assert shown.status == 200, shown.body
    lines = newest(studio, auditor, scope=account, kind="secret")
    mine = [line for line in lines if line["request"] == shown.headers["x-ms-request-id"]]
    assert [line["status"] for line in mine] == ["Succeeded", "Started"]
    assert all(line["deciding"] and line["reason"] for line in mine)
    assert not any(key in json.dumps(lines) for key in shown.json().values())


def test_a_user_delegation_key_leaves_behind_its_line(studio: Studio, hub: dict[str, Any], auditor: Person) -> None:
    account = hub["properties"]["storageAccount"]
    person = studio.person("delegate")
    studio.grant(person.oid, "Storage Blob Data Contributor", account)
    end = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = f"<KeyInfo><Start></Start><Expiry>{end}</Expiry></KeyInfo>".encode()
    got = studio.blob("POST", account.rpartition("/")[2], "/?restype=service&comp=userdelegationkey", body, by=person)
    assert got.status == 200, got.body
    lines = newest(studio, auditor, kind="secret", who=person.oid)
    assert [line["status"] for line in lines] == ["Succeeded"]
    assert "generateUserDelegationKey" in lines[0]["action"]


def test_a_change_says_by_which_right_it_was_made(studio: Studio, hub: dict[str, Any], auditor: Person) -> None:
    maker = studio.person("maker")
    assignment = studio.grant(maker.oid, "Contributor", hub["id"])
    changed = studio.arm("PATCH", hub["id"], {"tags": {"team": "record"}}, by=maker)
    assert changed.status == 200, changed.body
    line = newest(studio, auditor, scope=hub["id"], who=maker.oid)[-1]
    assert (line["action"], line["deciding"].lower()) == ("Microsoft.MachineLearningServices/workspaces/write", assignment.lower())
    assert line["request"] == changed.headers["x-ms-request-id"]


# ── who reads ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_reader_of_one_project_reads_the_lines_of_that_project_alone(
    studio: Studio, hub: dict[str, Any], project: dict[str, Any], stranger: Person
) -> None:
    studio.arm("GET", studio.project(hub["id"])["id"], by=stranger)  # something of a neighbour that is on the record
    reader = studio.person("reader")
    studio.grant(reader.oid, "Reader", project["id"])
    lines = newest(studio, reader, **{"$top": "1000"})
    assert lines
    assert {line["target"].startswith(project["id"].lower()) for line in lines} == {True}
    assert studio.arm("GET", f"{hub['id']}{LINES}", by=reader, api=API).status == 403
    assert studio.arm("GET", LINES, by=stranger, api=API).status == 403


def test_pages_join_to_the_whole_and_the_whole_holds(studio: Studio, auditor: Person, tmp_path: Any) -> None:
    lines: list[dict[str, Any]] = []
    query = {"order": "oldest", "$top": "17"}
    while True:
        found = studio.arm("GET", LINES, by=auditor, api=API, query=query).json()
        lines += found["value"]
        if "nextLink" not in found or len(lines) > 200:
            break
        query["$skipToken"] = found["nextLink"].rpartition("=")[2]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert [line["previous"] for line in lines[1:]] == [line["digest"] for line in lines[:-1]]


def test_an_export_goes_on_for_its_own_caller_and_question_alone(studio: Studio, auditor: Person) -> None:
    path, query, lines = "/providers/Studiolo.Audit/export", {"$top": "7", "until": "2099-01-01"}, list[dict[str, Any]]()
    page = studio.arm("GET", path, by=auditor, api=API, query=query).json()
    assert "end" not in page
    token = parse_qs(urlsplit(page["nextLink"]).query)["$skipToken"][0]
    reader = studio.person("elsewhere")
    studio.grant(reader.oid, "Reader", studio.group)
    middle = len(token) // 2
    changed = f"{token[:middle]}{'A' if token[middle] != 'A' else 'B'}{token[middle + 1 :]}"
    for by, asked in (
        (reader, {"$skipToken": token}),
        (auditor, {"$skipToken": token, "until": "2098-01-01"}),
        (auditor, {"$skipToken": token, "since": "2020-01-01"}),
        (auditor, {"$skipToken": changed}),
        (auditor, {"$skipToken": "7"}),
        (auditor, {"kind": "secret"}),
    ):
        refused = studio.arm("GET", path, by=by, api=API, query={**query, **asked})
        assert (refused.status, refused.code) == (400, "InvalidQueryParameterValue"), asked
    while True:
        lines += page["value"]
        if "end" in page:
            break
        token = parse_qs(urlsplit(page["nextLink"]).query)["$skipToken"][0]
        page = studio.arm("GET", path, by=auditor, api=API, query={**query, "$top": "500", "$skipToken": token}).json()
    end = page["end"]
    assert [line["seq"] for line in lines] == list(range(1, end["last"] + 1))
    assert (end["lines"], end["last"], end["isPartial"], end["caller"]) == (len(lines), end["head"]["seq"], False, auditor.oid)


@pytest.mark.parametrize(
    "query", [{"since": "yesterday"}, {"$top": "1001"}, {"$skipToken": "x"}, {"kind": "gossip"}, {"denied": "maybe"}, {"order": "odd"}]
)
def test_a_malformed_question_is_refused(studio: Studio, query: dict[str, str]) -> None:
    refused = studio.arm("GET", LINES, api=API, query=query)
    assert (refused.status, refused.code) == (400, "InvalidQueryParameterValue")


def test_moments_bound_what_is_listed(studio: Studio, auditor: Person) -> None:
    some = newest(studio, auditor, **{"$top": "50"})
    edge = some[25]["at"]
    assert all(line["at"] >= edge for line in newest(studio, auditor, since=edge))
    older = newest(studio, auditor, until=edge)
    assert older
    assert all(line["at"] < edge for line in older)
    assert newest(studio, auditor, since=edge, order="oldest")[0]["at"] >= edge


# ── how long ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_gives_rights_over_the_whole_studio_says_how_long_lines_are_kept(studio: Studio, auditor: Person) -> None:
    path = "/providers/Studiolo.Audit/retention"
    assert studio.arm("GET", path, by=auditor, api=API).json() == {"days": 400}
    assert studio.arm("PUT", path, {"days": 100}, by=auditor, api=API).status == 403
    headers = {"cookie": studio.cookie, "origin": studio.url, "content-type": "application/json"}
    for days, status in ((89, 400), (100, 200), (400, 200)):
        asked = studio.send("PUT", f"{path}?api-version={API}", json.dumps({"days": days}).encode(), headers)
        assert asked.status == status, asked.body
    line = newest(studio, auditor, kind="change")[0]
    assert (line["action"], json.loads(line["doc"])) == ("Studiolo.Audit/retention/write", {"days": 400, "before": 100})

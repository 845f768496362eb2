"""The record when things go wrong: a full disk, a crash at any moment, secrets in every place that a caller can put one."""

from __future__ import annotations

import json
import re
import resource
import sqlite3
import threading
import uuid
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jwt
import pytest

from tests.parity.studio import Studio, opened, unique
from tests.support.server import ROOT, Server, StartServer

ID = "x-studiolo-decision-id"
UPLOAD = {"pendingUploadType": "TemporaryBlobReference"}
ROUTE = re.compile(r"^\| (GET|HEAD|PUT|POST|PATCH|DELETE) \| `([^`]+)` \|", re.MULTILINE)
TYPE = re.compile(r"^\| `(Microsoft\.[^`]+)` \| ([^|]*) \| ([^|]*) \|", re.MULTILINE)


@pytest.fixture
def own(start_server: StartServer) -> Iterator[Studio]:
    with opened(start_server()) as studio:
        yield studio


def verify(server: Server, *more: str) -> dict[str, Any]:
    done = server.run("audit", "verify", *more, "--home", str(server.home), "--output", "json", clean=True, check=False)
    report = json.loads(done.stdout)
    assert (done.returncode == 0) == (report["finding"] is None and not report["losses"]), done.stderr
    return report


# ── a full disk ──────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def full_disk(server: Server) -> Generator[None]:
    """No file of the server can take a byte more, as the system tells it."""
    soft, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (soft, hard))


def test_with_a_full_disk_no_secret_leaves_and_with_space_all_goes_on(own: Studio) -> None:
    project = own.workspace("first-project")
    account = f"{own.group}/providers/Microsoft.CognitiveServices/accounts/first-project"
    storage = own.arm("GET", own.workspace("home")).json()["properties"]["storageAccount"]
    datastore = f"{project}/datastores/workspaceblobstore"
    person = own.person("delegate")
    own.grant(person.oid, "Storage Blob Data Contributor", storage)
    own.token(person, "https://storage.azure.com")
    end = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    key_info = f"<KeyInfo><Start></Start><Expiry>{end}</Expiry></KeyInfo>".encode()
    before = own.arm("POST", f"{account}/listKeys", {}).json()

    def asked() -> Iterator[tuple[str, Any]]:
        yield "model keys", own.arm("POST", f"{account}/listKeys", {})
        yield "a new model key", own.arm("POST", f"{account}/regenerateKey", {"keyName": "Key1"})
        yield "account keys", own.arm("POST", f"{storage}/listKeys", {})
        yield "a datastore's secrets", own.arm("POST", f"{datastore}/listSecrets", {})
        yield (
            "an upload",
            own.arm("POST", f"{project}/data/x/versions/1/startPendingUpload", UPLOAD),
        )
        yield "a password", own.directory("POST", f"/applications/{person.client_id}/addPassword", {})
        yield (
            "a delegation key",
            own.blob("POST", storage.rpartition("/")[2], "/?restype=service&comp=userdelegationkey", key_info, by=person),
        )

    with full_disk(own.server):
        for what, reply in asked():
            assert reply.status == 503, (what, reply.status, reply.body)
            assert reply.headers["x-ms-error-code"] == "RecordUnavailable", what
            assert not any(secret in reply.body.decode() for secret in before.values())
            assert not re.search(rb"[A-Za-z0-9+/]{40}|sig=|studiolo_", reply.body), (what, reply.body)
        assert own.arm("GET", project).status == 200  # what needs no line is served
        assert own.arm("GET", project, by=person).status == 503  # a refusal that cannot be told is not given
        assert own.arm("PUT", own.workspace(unique("hub")), {"location": "local", "kind": "Hub"}).status == 503
    assert own.arm("POST", f"{account}/listKeys", {}).json() == before
    for what, reply in asked():
        assert reply.status == 200, (what, reply.body)
    assert own.arm("GET", project, by=person).status == 403
    own.server.stop()
    assert verify(own.server)["finding"] is None


# ── crashes ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.recovery
@pytest.mark.slow
def test_what_a_caller_was_told_is_on_the_record_after_a_kill(own: Studio) -> None:
    person = own.person("refused")
    token = own.token(person)
    for moment in (0.3, 0.9, 1.7):
        told: list[str] = []
        done = threading.Event()
        threads = [threading.Thread(target=_refused_again_and_again, args=(own.server, token, told, done)) for _ in range(4)]
        for thread in threads:
            thread.start()
        done.wait(moment)
        own.server.kill()
        done.set()
        for thread in threads:
            thread.join()
        own.server.start()
        report = verify(own.server)
        assert (report["finding"], report["losses"]) == (None, [])
        with closing(sqlite3.connect(own.server.home / "data" / "studiolo.db")) as connection:
            kept = {row[0] for row in connection.execute("select id from record where id <> ''")}
        assert told
        assert kept.issuperset(told)


def _refused_again_and_again(server: Server, token: str, told: list[str], done: threading.Event) -> None:
    with closing(Studio(server)) as studio:
        while not done.is_set():
            try:
                reply = studio.arm("GET", studio.workspace(f"nothing-{uuid.uuid4().hex}"), token=token)
            except OSError:
                return
            told.append(reply.headers[ID])


def test_a_line_that_was_edited_while_the_studio_was_down_is_named(own: Studio, tmp_path: Path) -> None:
    assert own.server.run("audit", "export", str(tmp_path / "before.jsonl")).returncode == 0
    whole = verify(own.server)  # of a running studio
    assert (whole["finding"], whole["first"]) == (None, 1)
    assert own.server.run("audit", "verify", str(tmp_path / "before.jsonl")).returncode == 0
    own.server.stop()
    with closing(sqlite3.connect(own.server.home / "data" / "studiolo.db")) as connection:
        connection.execute("update record set caller = 'somebody else' where seq = 12")
        connection.commit()
    finding = verify(own.server)["finding"]
    assert (finding["line"], finding["what"]) == (12, "edited")
    with closing(sqlite3.connect(own.server.home / "data" / "studiolo.db")) as connection:
        connection.execute("delete from record where seq >= 12")
        connection.commit()
    finding = verify(own.server)["finding"]
    assert (finding["line"], finding["what"]) == (12, "missing")
    finding = verify(own.server, "--head", f"{whole['last']}:{whole['digest']}")["finding"]
    assert finding["line"] == 12


@pytest.mark.recovery
def test_lines_of_rights_in_force_that_were_cut_off_after_a_kill_are_missed(own: Studio) -> None:
    person = own.person("granted")
    project = own.workspace("first-project")
    before = verify(own.server)["last"]
    for role in ("Reader", "Contributor"):
        own.grant(person.oid, role, project)
    own.server.kill()
    with closing(sqlite3.connect(own.server.home / "data" / "studiolo.db")) as connection:
        connection.execute("delete from record where seq > ?", (before,))
        connection.commit()
    finding = verify(own.server)["finding"]
    assert (finding["line"], finding["what"]) == (before + 1, "missing")
    assert "rights" in finding["told"]
    own.server.start()
    report = verify(own.server)
    assert [(loss["line"], loss["reason"]) for loss in report["losses"]] == [(before + 1, "RightsNewer")]
    with opened(own.server) as again:
        assert again.arm("GET", project, by=person).status == 200  # in force, and the record tells that it lacks how that came


def let_read_everything(studio: Studio) -> None:
    """Give the command line's own application, which owns the subscription alone, what an auditor of the whole studio has."""
    role = f"/providers/Microsoft.Authorization/roleDefinitions/{studio.role('Reader').rpartition('/')[2]}"
    path = f"/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}?api-version=2022-04-01"
    oid = jwt.decode(studio.token(studio.owner), options={"verify_signature": False})["oid"]
    body = {"properties": {"roleDefinitionId": role, "principalId": oid, "principalType": "ServicePrincipal"}}
    headers = {"cookie": studio.cookie, "origin": studio.url, "content-type": "application/json"}
    made = studio.send("PUT", path, json.dumps(body).encode(), headers)
    assert made.status == 201, made.body


def test_whoever_changes_an_export_or_its_ending_is_found_out_with_the_key(own: Studio, tmp_path: Path) -> None:
    file, project = tmp_path / "record.jsonl", own.workspace("first-project")
    let_read_everything(own)
    own.arm("PATCH", project, {"tags": {"a": "1"}})
    own.arm("PATCH", project, {"tags": {"a": "2"}})

    def exported(*more: str) -> tuple[list[str], list[int], dict[str, Any]]:
        assert own.server.run("audit", "export", str(file), *more).returncode == 0
        assert verify(own.server, str(file))["ending"] == "sealed"
        lines = file.read_text("utf-8").splitlines()
        return lines[:-1], [json.loads(line)["seq"] for line in lines[:-1]], json.loads(lines[-1])["end"]

    def found(kept: list[str], ending: dict[str, Any], **changes: Any) -> tuple[int, str, str]:
        file.write_text("\n".join([*kept, json.dumps({"end": {**ending, **changes}}, separators=(",", ":"))]) + "\n", "utf-8")
        report = verify(own.server, str(file))
        return report["finding"]["line"], report["finding"]["what"], report["ending"]

    lines, numbers, ending = exported()
    count = len(lines)
    assert (ending["lines"], ending["first"], ending["last"], ending["isPartial"]) == (count, 1, numbers[-1], False)
    gone = [*lines[:50], *lines[51:]]
    assert found(gone, ending) == (51, "missing", "sealed")
    assert found(gone, ending, isPartial=True, lines=count - 1) == (51, "missing", "forged")
    assert found(lines[:60], ending) == (61, "missing", "sealed")
    assert found(lines[:60], ending, lines=60, last=60, head=None) == (61, "forged", "forged")
    assert found(lines[:60], ending, lines=60, last=60, until="2027") == (61, "missing", "forged")
    assert found(lines[40:], ending, lines=count - 40, first=41, since="2026") == (1, "missing", "forged")
    assert found(lines[40:], ending) == (1, "missing", "sealed")
    assert found(lines, ending, caller=str(uuid.uuid4())) == (count + 1, "forged", "forged")
    assert found([], ending)[:2] == (1, "missing")

    part, some, partial = exported("--scope", "first-project")
    assert (partial["isPartial"], partial["scope"]) == (True, project)
    assert 3 < len(part) < count
    middle = len(part) // 2
    what = found([*part[:middle], *part[middle + 1 :]], partial)
    assert what[1:] == ("missing", "sealed")
    assert some[middle - 1] < what[0] <= some[middle]
    assert found(part[:-1], partial) == (some[-2] + 1, "missing", "sealed")
    assert found(part, ending)[0] <= some[0], "the ending of another export"
    assert found([*part[:1], lines[some[0]], *part[1:]], partial)[2] == "sealed", "a line of another export"


def test_an_export_without_a_sealed_ending_is_never_proven(own: Studio, tmp_path: Path) -> None:
    file = tmp_path / "record.jsonl"
    let_read_everything(own)
    assert own.server.run("audit", "export", str(file)).returncode == 0
    *lines, last = file.read_text("utf-8").splitlines()
    head = json.loads(last)["end"]["head"]

    def verified(lines: list[str], *more: str, **ending: Any) -> tuple[int, str]:
        end = {"lines": len(lines), "first": 1, "last": len(lines), "isPartial": False, "since": "", "until": "", "head": None, **ending}
        file.write_text("\n".join([*lines, json.dumps({"end": end}, separators=(",", ":"))]) + "\n", "utf-8")
        done = own.server.run("audit", "verify", str(file), *more, check=False)
        return done.returncode, done.stdout

    key = ("--home", str(own.server.home))
    for code, told in (verified(lines, *key, head=head), verified(lines[:60], *key)):
        assert (code, "an export without a sealed ending" in told) == (3, True)
    assert verified([*lines[:50], *lines[51:]], *key, isPartial=True)[0] == 1
    assert verified(lines[:60], *key, head=head)[0] == 1
    code, told = verified(lines[:60])
    assert (code, "Only the chain was checked" in told, "ending is not proven" in told) == (0, True, True)


def test_an_export_says_nothing_that_is_not_checked(own: Studio, tmp_path: Path) -> None:
    """Whoever reads it with another program finds what was verified and no more, with the key or without."""
    file = tmp_path / "record.jsonl"
    let_read_everything(own)
    assert own.server.run("audit", "export", str(file)).returncode == 0
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    count, at = len(lines), 40
    line, ending = lines[at], lines[-1]
    forged = line.replace(b'{"seq":', b'{"seq":9', 1)

    def instead(number: int, *put: bytes) -> bytes:
        return b"".join([*lines[:number], *put, *lines[number + 1 :]])

    cases = {
        "lines behind the ending": (whole + forged, count + 1),
        "a blank line behind the ending": (whole + b"\n", count + 1),
        "lines between what looks like an ending and the ending": (instead(count - 1, b'{"end":\n', forged, ending), count + 1),
        "a line that begins like an ending": (instead(count - 1, b'{"end":0,' + forged[1:], ending), count + 1),
        "an ending in the middle": (instead(at, ending, line), at + 2),
        "two endings": (whole + ending, count + 1),
        "a member besides": (instead(at, line[:-2] + b',"approvedBy":"ciso"}\n'), at + 1),
        "a member that stands twice": (instead(at, b'{"target":"/evil",' + line[1:]), at + 1),
        "a member in other letters": (instead(at, line[:-2] + b',"Caller":"evil"}\n'), at + 1),
        "other blanks": (instead(at, line.replace(b'"seq":', b'"seq": ', 1)), at + 1),
        "a digest in capitals": (
            instead(at, re.sub(rb'"digest":"\w+"', lambda found: found[0].upper().replace(b"DIGEST", b"digest"), line)),
            at + 1,
        ),
        "a member beside the ending's": (instead(count - 1, ending[:-2] + b',"note":"x"}\n'), count),
        "a member in the ending": (instead(count - 1, ending[:-3] + b',"note":"x"}}\n'), count),
        "an ending's member that stands twice": (instead(count - 1, ending.replace(b'{"lines":', b'{"isPartial":true,"lines":', 1)), count),
    }
    for name, (changed, where) in cases.items():
        file.write_bytes(changed)
        for key in ((), ("--home", str(own.server.home))):
            done = own.server.run("audit", "verify", str(file), *key, "--output", "json", clean=True, check=False)
            assert done.returncode == 1, name
            finding = json.loads(done.stdout)["finding"]
            assert (finding["line"], finding["what"]) == (where, "foreign"), name
            assert f"Line {where} of the file" in finding["told"], name
    file.write_bytes(whole.removesuffix(b"\n"))
    assert verify(own.server, str(file))["ending"] == "sealed"


@pytest.mark.slow
def test_an_exported_file_that_was_changed_is_named(own: Studio, tmp_path: Path) -> None:
    file = tmp_path / "record.jsonl"
    own.server.run("audit", "export", str(file))
    lines = file.read_text("utf-8").splitlines()
    numbers = [json.loads(line).get("seq") for line in lines]

    def finding(changed: list[str]) -> tuple[int, str]:
        file.write_text("\n".join(changed) + "\n", "utf-8")
        found = json.loads(own.server.run("audit", "verify", str(file), "--output", "json", check=False).stdout)["finding"]
        return found["line"], found["what"]

    at = len(lines) // 2
    assert numbers[at - 1] + 1 == numbers[at]
    assert (
        finding([*lines[:at], lines[at].replace("Succeeded", "Failed").replace("Accepted", "Failed"), *lines[at + 1 :]])[0] == numbers[at]
    )
    assert finding([*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]) == (numbers[at], "out of order")
    assert finding(lines[:at])[1] == "missing"
    assert finding([*lines[:at], *lines[at + 1 :]])[1] == "missing"


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_nothing_secret_that_passes_any_route_is_on_the_record_in_the_output_or_in_an_answer_that_did_not_give_it(own: Studio) -> None:
    given = _given_out(own)
    sent = _sent_everywhere(own)
    own.server.stop()
    kept = b"".join(
        bytes(value) if isinstance(value, bytes) else str(value).encode()
        for row in sqlite3.connect(own.server.home / "data" / "studiolo.db").execute("select * from record")
        for value in row
    )
    said = own.server.output.encode()
    for secret in {*given, *sent}:
        assert secret.encode() not in kept, secret
        assert secret.encode() not in said, secret
    assert len(given) >= 8


def _given_out(own: Studio) -> set[str]:
    """Every secret that an answer can hold."""
    account = f"{own.group}/providers/Microsoft.CognitiveServices/accounts/first-project"
    project = own.workspace("first-project")
    storage = own.arm("GET", own.workspace("home")).json()["properties"]["storageAccount"]
    person = own.person("canary")
    found = {person.secret, own.token(person).rpartition(".")[2], own.token(own.owner).rpartition(".")[2], own.cookie.partition("=")[2]}
    user = str(uuid.uuid4())
    assert own.directory("PUT", f"/users/{user}", {"properties": {"displayName": "canary", "mail": f"{user}@example.org"}}).status == 201
    link = own.directory("POST", f"/users/{user}/createPasswordLink", {})
    assert link.status == 200, link.body
    found |= {code for code in re.findall(r"[\w-]{20,}", link.body.decode()) if code != user}
    for reply in (
        own.arm("POST", f"{account}/listKeys", {}),
        own.arm("POST", f"{account}/regenerateKey", {"keyName": "Key2"}),
        own.arm("POST", f"{storage}/listKeys", {}),
        own.arm("POST", f"{project}/datastores/workspaceblobstore/listSecrets", {}),
        own.arm("POST", f"{project}/data/x/versions/1/startPendingUpload", UPLOAD),
    ):
        assert reply.status == 200, reply.body
        text = reply.body.decode()
        found |= set(re.findall(r'"(?:key1|key2|value|key)":\s*"([^"]{20,})"', text)) | set(re.findall(r"sig=([^&\"]+)", text))
    return found


def _sent_everywhere(own: Studio) -> set[str]:
    """A secret of its own kind in every place of a call where one may stand, on every route and resource type that there is."""
    canaries = {name: f"canary{name}{uuid.uuid4().hex}" for name in ("bearer", "apikey", "sig", "cookie", "code", "password", "connection")}
    connection = f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={canaries['connection']}=="
    body = json.dumps(
        {
            "location": "local",
            "properties": {"password": canaries["password"], "clientSecret": canaries["password"], "connectionString": connection},
            "passwordCredential": {"secretText": canaries["password"], "displayName": 7},
            "keyName": canaries["password"],
            "client_secret": canaries["password"],
        }
    ).encode()
    form = f"grant_type=client_credentials&client_id={own.owner.client_id}&client_secret={canaries['password']}".encode()
    query = f"api-version=2024-10-01&sig={canaries['sig']}&code={canaries['code']}&sv=2025-11-05&sp=r&sr=c"
    credentials = [
        {"authorization": f"Bearer {canaries['bearer']}"},
        {"authorization": f"SharedKey acc:{canaries['bearer']}", "x-ms-date": "Wed, 25 Nov 2026 10:00:00 GMT"},
        {"api-key": f"stu_{canaries['apikey']}"},
        {"cookie": f"__Host-studiolo-{own.server.port}={canaries['cookie']}"},
        {"authorization": f"Bearer {own.token(own.owner)}"},
    ]
    account = own.arm("GET", own.workspace("home")).json()["properties"]["storageAccount"].rpartition("/")[2]
    answered = 0
    for method, path, host in _every_route(own, account):
        for headers in credentials:
            raw, kind = (form, "application/x-www-form-urlencoded") if "oauth2/token" in path else (body, "application/json")
            reply = own.send(
                method, f"{path}?{query}", None if method in ("GET", "HEAD") else raw, {**headers, "content-type": kind}, host=host
            )
            answered += 1
            seen = reply.body.decode("utf-8", "replace") + json.dumps(dict(reply.headers))
            for name, canary in canaries.items():
                if name == "code" and path == "/signin":
                    continue  # the page of a one-time link holds its code, for the button that spends it
                if reply.status == 303 and "/signin" in reply.headers["location"] and name in ("sig", "code"):
                    continue  # the way back after signing in is what the browser asked for, word by word
                assert canary not in seen, (method, path, name, reply.status, seen[:500])
            assert reply.status < 500 or reply.status in (501, 503), (method, path, reply.status, reply.body)
    assert answered > 500
    return set(canaries.values())


def _every_route(own: Studio, account: str) -> Iterator[tuple[str, str, str]]:
    """Every route of the reference, and every verb and action of every resource type, with names in place of the blanks."""
    page = (ROOT / "docs/reference/routes.md").read_text("utf-8")
    for section in page.split("\n## ")[1:]:
        host = f"{account}.blob.core.localhost" if section.startswith("blobs") else "localhost"
        for method, path in ROUTE.findall(section):
            filled = path.replace("{subscription}", own.env["AZURE_SUBSCRIPTION_ID"]).replace("{scope:path}", own.group.strip("/"))
            filled = filled.replace("{project}", "first-project").replace("{tenant}", "adfs").partition("?")[0]
            yield method, quote(re.sub(r"\{\w+(?::path)?\}", "some-name", filled)), host
    types = (ROOT / "docs/reference/types.md").read_text("utf-8")
    for name, verbs, actions in TYPE.findall(types):
        namespace, _, parts = name.partition("/")
        segments = "/".join(f"{part}/name{number}" for number, part in enumerate(parts.split("/")))
        path = f"{own.group}/providers/{namespace}/{segments}"
        for verb in verbs.split(","):
            if verb.strip() != "list":
                yield verb.strip().upper(), path, "localhost"
        for action in re.findall(r"/(\w+)/action`", actions):
            yield "POST", f"{path}/{action}", "localhost"

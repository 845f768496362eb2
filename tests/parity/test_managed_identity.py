"""A program with a project's managed identity: the unchanged client finds it, acts as it, and as nobody else."""

import json
import subprocess
import uuid
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.parity.conftest import take_environment
from tests.parity.studio import ASSIGNMENTS, DIRECTORY, Reply, Studio, unique
from tests.support.server import COMMAND, clean_environment

PLACE = "/providers/Studiolo.Identity/workloads"


@pytest.fixture(scope="module")
def project(studio: Studio) -> dict[str, Any]:
    return studio.project(studio.hub(unique("binder"))["id"], unique("bound"))


def bound(studio: Studio, project: dict[str, Any], **body: Any) -> dict[str, Any]:
    reply = studio.arm("POST", f"{project['id']}{PLACE}", body)
    assert reply.status == 201, reply.body
    return reply.json()


def asked(studio: Studio, header: str, query: str = "", **headers: str) -> Reply:
    path = f"/msi/token?api-version=2019-08-01&resource={studio.url}{query}"
    return studio.send("GET", path, None, {"x-identity-header": header, **{k.replace("_", "-"): v for k, v in headers.items()}})


def test_the_unchanged_client_acts_as_the_project(studio: Studio, project: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from azure.identity import DefaultAzureCredential
    from azure.storage.blob import BlobServiceClient

    found = bound(studio, project, name="a job")
    take_environment(studio, monkeypatch)
    for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("IDENTITY_ENDPOINT", found["identityEndpoint"])
    monkeypatch.setenv("IDENTITY_HEADER", found["identityHeader"])
    account = project["properties"]["storageAccount"].rpartition("/")[2]
    service = BlobServiceClient(f"https://{account}.blob.core.localhost:{studio.server.port}", DefaultAzureCredential())
    listed = studio.arm("GET", f"{project['properties']['storageAccount']}/blobServices/default/containers").json()["value"]
    own = next(each["name"] for each in listed if each["name"].startswith(project["properties"]["workspaceId"]))
    service.get_blob_client(own, "from-a-job").upload_blob(b"made")
    assert service.get_blob_client(own, "from-a-job").download_blob().readall() == b"made"


def test_a_token_is_the_bound_identitys_whatever_else_is_asked_for(studio: Studio, project: dict[str, Any]) -> None:
    other = studio.project(studio.hub(unique("others"))["id"], unique("other"))
    header = bound(studio, project)["identityHeader"]
    principal = project["identity"]["principalId"]
    good = asked(studio, header)
    assert good.status == 200, good.body
    assert good.json()["token_type"] == "Bearer"
    assert {type(value) for value in good.json().values()} == {str}
    proof = {"authorization": f"Bearer {good.json()['access_token']}"}
    assert studio.send("GET", f"{project['id']}?api-version=2024-10-01", None, proof).status == 200
    assert studio.send("GET", f"{other['id']}?api-version=2024-10-01", None, proof).status == 403
    assert asked(studio, header, f"&principal_id={principal}").status == 200
    for query in (f"&principal_id={other['identity']['principalId']}", f"&mi_res_id={other['id']}", "&client_id=someone"):
        assert asked(studio, header, query).status == 400
    assert asked(studio, header, x_forwarded_for="10.0.0.1").status == 401
    assert asked(studio, header + "x").status == 401
    assert asked(studio, "").status == 401
    assert studio.send("GET", "/msi/token?api-version=2018-02-01&resource=x", None, {"x-identity-header": header}).status == 400


def test_a_binding_ends_when_it_is_told_to(studio: Studio, project: dict[str, Any]) -> None:
    found = bound(studio, project, name="short", lifeSeconds=600)
    listed = studio.arm("GET", f"{project['id']}{PLACE}").json()["value"]
    assert found["id"] in {each["id"] for each in listed}
    assert found["identityHeader"] not in json.dumps(listed)
    assert studio.arm("DELETE", f"{project['id']}{PLACE}/{found['id']}").status == 204
    assert asked(studio, found["identityHeader"]).status == 401
    assert studio.arm("DELETE", f"{project['id']}{PLACE}/{found['id']}").status == 404


def reads(studio: Studio, project: dict[str, Any], token: str) -> int:
    return studio.send("GET", f"{project['id']}?api-version=2024-10-01", None, {"authorization": f"Bearer {token}"}).status


def test_a_binding_takes_the_tokens_that_it_gave_along_and_no_others(studio: Studio, project: dict[str, Any]) -> None:
    ended, other = bound(studio, project), bound(studio, project)
    tokens = [asked(studio, each["identityHeader"]).json()["access_token"] for each in (ended, other)]
    assert [reads(studio, project, token) for token in tokens] == [200, 200]
    assert studio.arm("DELETE", f"{project['id']}{PLACE}/{ended['id']}").status == 204
    assert [reads(studio, project, token) for token in tokens] == [401, 200]


def test_the_tokens_of_an_identity_are_taken_back_by_an_administrator(studio: Studio, project: dict[str, Any], tmp_path: Path) -> None:
    """The deny assignment that guards the platform's identities is about what they are, not about their tokens."""
    header, person = bound(studio, project)["identityHeader"], studio.person()
    place = f"/servicePrincipals/{project['identity']['principalId']}"
    first = asked(studio, header).json()["access_token"]
    assert studio.arm("POST", f"{DIRECTORY}{place}/revokeTokens", {}, by=person).status == 403
    assert reads(studio, project, first) == 200
    assert studio.directory("POST", f"{place}/revokeTokens", {}).status == 200
    assert reads(studio, project, first) == 401
    second = asked(studio, header).json()["access_token"]
    assert reads(studio, project, second) == 200
    given = {"principalId": person.oid, "principalType": "ServicePrincipal", "roleDefinitionId": studio.role("Owner")}
    assert studio.directory("PUT", f"{place}{ASSIGNMENTS}/{uuid.uuid4()}", {"properties": given}).status == 201
    studio.grant(person.oid, "Reader", project["id"])
    command = [str(COMMAND), "identity", "revoke", project["id"]]
    done = subprocess.run(
        command,
        env={**clean_environment(tmp_path), **studio.env, "AZURE_CLIENT_ID": person.client_id, "AZURE_CLIENT_SECRET": person.secret},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert reads(studio, project, second) == 401


@pytest.mark.parametrize("body", [{"lifeSeconds": 1}, {"lifeSeconds": 10**9}, {"name": "x" * 500}, {"lifeSeconds": "long"}, {"what": 1}])
def test_a_binding_that_cannot_be_is_refused(studio: Studio, project: dict[str, Any], body: dict[str, Any]) -> None:
    assert studio.arm("POST", f"{project['id']}{PLACE}", body).status == 400


def test_nobody_binds_an_identity_that_holds_more_than_they_may_give(studio: Studio, project: dict[str, Any]) -> None:
    stranger, contributor = studio.person(), studio.person()
    studio.grant(contributor.oid, "Contributor", project["id"])
    for person in (stranger, contributor):
        assert studio.arm("POST", f"{project['id']}{PLACE}", {}, by=person).status == 403
    nobody = f"{studio.group}/providers/Microsoft.MachineLearningServices/workspaces/absent"
    assert studio.arm("POST", f"{nobody}{PLACE}", {}).code == "IdentityNotFound"


def test_the_command_line_runs_a_program_as_the_project(studio: Studio, project: dict[str, Any], tmp_path: Path) -> None:
    program = (
        "import os\nfrom azure.identity import DefaultAzureCredential\n"
        "import base64, json\n"
        "token = DefaultAzureCredential().get_token(os.environ['STUDIOLO_URL'] + '/.default').token\n"
        "print(json.loads(base64.urlsafe_b64decode(token.split('.')[1] + '=='))['oid'])\n"
    )
    known = {name: value for name, value in studio.env.items() if not name.startswith("AZURE_CLIENT") and name != "AZURE_TENANT_ID"}
    python = str(COMMAND.with_name("python"))
    command = [str(COMMAND), "identity", "run", project["id"], "--home", str(studio.server.home), "--", python, "-c", program]
    env = {**clean_environment(tmp_path), **known}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == project["identity"]["principalId"]
    left = studio.arm("GET", f"{project['id']}{PLACE}").json()["value"]
    assert [each for each in left if each["name"] == python[:100]] == []


# ── the instance-metadata shape ──────────────────────────────────────────────────────────────────────────────────────


PROGRAM = """
import base64, json, os, sys, urllib.error, urllib.request
for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):  # a program that knows the instance-metadata address alone
    del os.environ[name]
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
resource, other, own = sys.argv[1:]
def oid(credential):
    return json.loads(base64.urlsafe_b64decode(credential.get_token(resource + "/.default").token.split(".")[1] + "=="))["oid"]
host = os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"]
asked = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=" + resource
def status(url, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={k.replace("_", "-"): v for k, v in headers.items()})) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code
print(json.dumps({
    "found": [oid(ManagedIdentityCredential()), oid(DefaultAzureCredential()), oid(ManagedIdentityCredential(client_id=own))],
    "shape": json.load(urllib.request.urlopen(urllib.request.Request(host + asked, headers={"Metadata": "true"}))),
    "plain": status(host + asked, Metadata="true"),
    "no header": status(host + asked),
    "false": status(host + asked, Metadata="false"),
    "forwarded": status(host + asked, Metadata="true", X_Forwarded_For="10.0.0.1"),
    "another": status(host + asked + "&client_id=" + other, Metadata="true"),
    "twice": status(host + asked + "&resource=x", Metadata="true"),
    "version": status(host + asked.replace("2018-02-01", "2001-01-01"), Metadata="true"),
    "guessed": status(host.rpartition("/")[0] + asked, Metadata="true"),
    "near": status(host[:-1] + ("B" if host.endswith("A") else "A") + asked, Metadata="true"),
    "host": host,
}))
"""


def test_a_program_that_knows_the_instance_metadata_address_alone_is_the_project(
    studio: Studio, project: dict[str, Any], tmp_path: Path
) -> None:
    known = {name: value for name, value in studio.env.items() if not name.startswith("AZURE_CLIENT") and name != "AZURE_TENANT_ID"}
    own = asked(studio, bound(studio, project)["identityHeader"]).json()["client_id"]
    python = str(COMMAND.with_name("python"))
    program = [python, "-c", PROGRAM, studio.url, "00000000-0000-4000-8000-000000000001", own]
    command = [str(COMMAND), "identity", "run", project["id"], "--home", str(studio.server.home), "--", *program]
    env = {**clean_environment(tmp_path), **known, "HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.strip().splitlines()[-1])
    assert set(said.pop("found")) == {project["identity"]["principalId"]}
    assert {"access_token", "expires_in", "expires_on", "not_before", "resource", "token_type", "client_id"} == set(said.pop("shape"))
    host = said.pop("host")
    assert said.pop("plain") == 200
    assert said.pop("guessed") == said.pop("near") == 404
    assert said == dict.fromkeys(said, 400)
    assert host.rpartition("/")[2] not in done.stderr + studio.server.output
    with pytest.raises(OSError, match="refused"):
        urlopen(host, timeout=5)

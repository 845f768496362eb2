"""The command line against the studio that it starts, as people use both."""

import json
import re
import shlex
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studiolo.app.cli import main
from tests.support.server import Server, StartServer, clean_environment

Run = Callable[..., Any]


@pytest.fixture
def run(server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command after `eval "$(studiolo env)"`; gives what it answered as JSON, or as text if it has no JSON."""
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)

    def command(*arguments: str, code: int = 0, is_json: bool = True) -> Any:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--output", "json"] if is_json else arguments)
        seen = capsys.readouterr()
        assert (ended.value.code or 0) == code, seen.err
        if code:
            return seen.err
        return json.loads(seen.out) if is_json else seen.out + seen.err

    return command


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    made = tmp_path / "my tickets"
    (made / "deep").mkdir(parents=True)
    (made / "a b.txt").write_text("one")
    (made / "deep" / "ü.csv").write_bytes(b"x" * 9_000_000)
    return made


def test_a_hub_lives_from_create_to_delete(run: Run) -> None:
    made = run("hub", "create", "cli-hub", "--display-name", "A hub", "--tag", "team=a")
    assert (made["kind"], made["properties"]["provisioningState"], made["tags"]) == ("Hub", "Succeeded", {"team": "a"})
    assert "cli-hub" in {hub["name"] for hub in run("hub", "list")}
    assert "AlreadyExists" in run("hub", "create", "cli-hub", code=1)
    changed = run("hub", "update", "cli-hub", "--description", "For claims")
    assert (changed["properties"]["description"], changed["properties"]["friendlyName"]) == ("For claims", "A hub")
    run("project", "create", "cli-project", "--hub", "cli-hub")
    assert [project["name"] for project in run("project", "list", "--hub", "cli-hub")] == ["cli-project"]
    assert "HubNotFound" in run("hub", "show", "cli-project", code=1)
    assert "ConfirmationNeeded" in run("hub", "delete", "cli-hub", code=1, is_json=False)
    run("project", "delete", "cli-project", "--yes", is_json=False)
    run("hub", "delete", "cli-hub", "--yes", is_json=False)
    assert "ResourceNotFound" in run("hub", "show", "cli-hub", code=1)


@pytest.mark.parametrize(("noun", "uri"), [("data", "dataUri"), ("model", "modelUri")])
def test_files_come_back_as_they_were_sent(run: Run, tickets: Path, tmp_path: Path, noun: str, uri: str) -> None:
    name = f"cli-{noun}"
    made = run(noun, "create", name, str(tickets), "--description", "All of them")
    assert (made["name"], made["properties"]["description"]) == ("1", "All of them")
    assert made["properties"][uri].startswith("azureml://")
    assert run(noun, "create", name, str(tickets))["name"] == "2"
    assert "AlreadyExists" in run(noun, "create", name, str(tickets), "--version", "2", code=1)
    assert {version["name"] for version in run(noun, "list", "--name", name)} == {"1", "2"}
    run(noun, "download", name, "--to", str(tmp_path / "back"), is_json=False)
    found = {path.relative_to(tmp_path / "back").as_posix(): path.read_bytes() for path in (tmp_path / "back").rglob("*") if path.is_file()}
    assert found == {path.relative_to(tickets).as_posix(): path.read_bytes() for path in tickets.rglob("*") if path.is_file()}


def test_what_is_archived_leaves_the_list_until_it_is_restored(run: Run, tickets: Path) -> None:
    run("data", "create", "cli-archived", str(tickets / "a b.txt"), "--version", "1")

    def listed(*options: str) -> set[str]:
        return {item["name"] for item in run("data", "list", *options)}

    run("data", "archive", "cli-archived", is_json=False)
    assert "cli-archived" not in listed()
    assert "cli-archived" in listed("--archived")
    run("data", "restore", "cli-archived", is_json=False)
    assert "cli-archived" in listed()


def test_one_file_is_a_file_and_comes_back_alone(run: Run, tickets: Path, tmp_path: Path) -> None:
    made = run("data", "create", "cli-file", str(tickets / "a b.txt"))
    assert made["properties"]["dataType"] == "uri_file"
    run("data", "download", "cli-file", "--to", str(tmp_path / "back"), is_json=False)
    assert [(path.name, path.read_text()) for path in (tmp_path / "back").iterdir()] == [("a b.txt", "one")]


def test_a_role_is_given_explained_and_taken_back(run: Run) -> None:
    group = run("project", "show", "first-project")["id"].partition("/providers/")[0]
    assert "Reader" in {role["properties"]["roleName"] for role in run("role", "list")}
    given = run("role", "assign", "Reader", "me", "--scope", group)
    assert given["properties"]["scope"] == group
    held = run("role", "assignments", "--who", "me", "--scope", group)
    assert given["id"] in {assignment["id"] for assignment in held}
    told = run("access", "explain", "me", "Microsoft.MachineLearningServices/workspaces/read", "first-project")
    assert told["allowed"] is True
    run("role", "unassign", "Reader", "me", "--scope", group, "--yes", is_json=False)
    assert "AssignmentNotFound" in run("role", "unassign", "Reader", "me", "--scope", group, "--yes", code=1, is_json=False)


def test_a_role_of_ones_own_is_made_from_a_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "role.json"
    file.write_text('{"Name": "Data lister", "Actions": ["Microsoft.MachineLearningServices/workspaces/data/read"]}')
    made = run("role", "create", str(file))
    assert made["properties"]["permissions"][0]["actions"] == ["Microsoft.MachineLearningServices/workspaces/data/read"]
    assert run("role", "show", "Data lister")["name"] == made["name"]
    file.write_text('{"roleName": "Data lister", "permissions": [{"actions": ["*/read"]}]}')
    assert run("role", "create", str(file))["name"] == made["name"]


def test_a_role_of_ones_own_can_be_given(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "role.json"
    file.write_text('{"Name": "Model lister", "Actions": ["Microsoft.MachineLearningServices/workspaces/models/read"]}')
    made = run("role", "create", str(file))
    given = run("role", "assign", "Model lister", "me")
    assert given["properties"]["roleDefinitionId"].endswith(made["name"])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["project", "create", "cli-orphan", "--hub", "no-such-hub"], "ResourceNotFound"),
        (["hub", "create", "bad name!"], "InvalidResourceName"),
        (["data", "show", "no-such-data"], "ResourceNotFound"),
        (["data", "create", "x", "/no/such/place"], "NothingToUpload"),
        (["role", "show", "No such role"], "RoleNotFound"),
        (["role", "assign", "Reader", "nobody@example.org"], "PrincipalNotFound"),
        (["access", "explain", "me", "Microsoft.X/y/read", "no-such-project/../x"], ""),
    ],
)
def test_a_refusal_has_a_code_and_no_traceback(run: Run, arguments: list[str], code: str) -> None:
    told = run(*arguments, code=1)
    assert told.startswith(code)
    assert re.match(r"[A-Za-z]+: ", told)
    assert "Traceback" not in told


def test_tables_hold_what_json_holds(run: Run) -> None:
    assert "first-project" in run("project", "list", is_json=False)
    assert run("project", "show", "first-project")["id"] in run("project", "show", "first-project", is_json=False)


def test_a_wrong_secret_is_refused_without_showing_it(server: Server, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "hunter2-hunter2")
    told = run("hub", "list", code=1)
    assert told.startswith("invalid_client: ")
    assert "studiolo env" in told
    assert "hunter2" not in told


def test_doctor_finds_nothing_to_mend_in_a_running_studio(server: Server, run: Run) -> None:
    found = {finding["check"]: finding["status"] for finding in run("doctor", "--home", str(server.home))}
    assert {name: found[name] for name in ("files", "port", "server", "certificate", "clock", "sign-in", "disk", "names")} == dict.fromkeys(
        ("files", "port", "server", "certificate", "clock", "sign-in", "disk", "names"), "ok"
    )


def test_env_alone_tells_an_unchanged_shell_everything(server: Server) -> None:
    lines = server.run("env", "--home", str(server.home), clean=True).stdout.splitlines()
    assert all(line.startswith("export ") for line in lines)
    assert server.env["STUDIOLO_URL"] == server.url
    assert Path(server.env["SSL_CERT_FILE"]).is_file()
    assert not Path(server.env["SSL_CERT_FILE"]).is_relative_to(server.home / "data")


def test_a_second_studio_on_the_same_home_is_refused_with_the_first_ones_address(server: Server) -> None:
    refused = server.run("up", "--home", str(server.home), "--port", "0", clean=True, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("HomeInUse: ")
    assert server.url in refused.stderr


def test_it_stops_cleanly_and_starts_again_where_it_was(start_server: StartServer) -> None:
    first = start_server()
    first.run("hub", "create", "kept")
    before = first.env
    assert first.stop() == 0
    assert "Traceback" not in first.output
    second = start_server(home=first.home)
    changed = {name for name in before if before[name] != second.env[name]}
    # Another port: every address follows, every identity and secret stays.
    addresses = {"STUDIOLO_URL", "ARM_CLOUD_METADATA_URL", "AZURE_AUTHORITY_HOST", "OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT"}
    assert changed == addresses
    assert "kept" in second.run("hub", "list").stdout


def test_without_tls_our_own_commands_work_and_unchanged_clients_are_refused(start_server: StartServer) -> None:
    plain = start_server(options=["--tls", "off"])
    assert plain.url == f"http://localhost:{plain.port}"
    assert urllib.request.urlopen(f"{plain.url}/healthz").status == 200
    refused = plain.run("env", "--home", str(plain.home), clean=True, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("TlsRequired: ")
    assert "home" in plain.run("hub", "list", "--home", str(plain.home), clean=True).stdout


def test_nobody_gets_in_without_a_credential(server: Server) -> None:
    for path in ("/subscriptions?api-version=2022-12-01", "/providers/Studiolo.Directory/users?api-version=2026-11-01"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{server.url}{path}", context=server.tls)
        assert refused.value.code == 401
        refused.value.close()


@pytest.mark.slow
def test_the_snippets_work_as_they_stand(server: Server) -> None:
    """Everything after `In another shell:` is pasted into one, in the order in which it was printed."""
    pasted = server.output.partition("In another shell:\n")[2].partition("\nCtrl-C stops the studio.")[0]
    script = pasted.replace("and there, with code written for the public cloud:", "")
    environment = clean_environment(server.home.parent)
    done = subprocess.run(["/bin/bash", "-e"], input=script, env=environment, text=True, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "first-project" in done.stdout
    assert shlex.split(script)[0] == "eval"

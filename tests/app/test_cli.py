import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from studiolo.app.authority import Authority
from studiolo.app.cli import app, main
from studiolo.app.environment import ClientEnvironment
from studiolo.app.home import Home
from studiolo.app.server import listen
from studiolo.kernel import clock

ROOT = Path(__file__).parents[2]
ASK = """{"id": "reads", "as": [["ann", "Reader", "/subscriptions/s"]], "rq": {"p": "ann", "a": "X.Y/z/read", "s": "/subscriptions/s"}"""
READS = ASK + ', "x": "allow"}'
VECTORS = READS + "\n" + READS.replace("read", "write").replace("allow", "deny") + "\n"


def run(*arguments: str) -> int:
    """The exit code of a command in this process."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code if isinstance(ended.value.code, int) else int(bool(ended.value.code))


def studiolo(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    program = "from studiolo.app.cli import main; main()"
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home whose studio does not run."""
    made = Home(tmp_path / "home")
    made.prepare()
    authority = Authority(made)
    authority.ensure((), clock.now())
    authority.write_bundle(None)
    sockets = listen("localhost", 0)
    port = sockets[0].getsockname()[1]
    for opened in sockets:
        opened.close()
    made.write_environment(
        ClientEnvironment(
            url=f"https://localhost:{port}",
            client_id="app",
            client_secret="s3cr3t",
            subscription="sub",
            resource_group="studiolo",
            hub="home",
            project="first-project",
            model_key="key",
        )
    )
    return made


def test_the_command_line_starts_without_what_commands_alone_need() -> None:
    heavy = ("aiohttp", "rich", "cryptography", "uvicorn", "uvloop", "sqlalchemy", "asyncio")
    program = f"import sys, studiolo.app.cli; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def commands(group: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    for name, command in getattr(group, "commands", {}).items():
        yield (*path, name), command
        yield from commands(command, (*path, name))


EVERY = [path for path, _ in commands(get_command(app))]


def test_every_promised_command_is_there() -> None:
    assert {path[0] for path in EVERY} == {
        "up",
        "upgrade",
        "env",
        "login",
        "logout",
        "doctor",
        "keys",
        "identity",
        "audit",
        "user",
        "app",
        "tokens",
        "hub",
        "project",
        "data",
        "model",
        "role",
        "deny",
        "management-group",
        "access",
    }
    assert {(group, verb) for group in ("hub", "project") for verb in ("create", "list", "show", "update", "delete")} <= set(EVERY)
    assert {(group, verb) for group in ("data", "model") for verb in ("create", "list", "show", "archive", "restore", "download")} <= set(
        EVERY
    )
    assert {("role", verb) for verb in ("list", "show", "create", "assign", "unassign", "assignments")} <= set(EVERY)
    assert {("access", "explain"), ("access", "test")} <= set(EVERY)
    assert {("user", verb) for verb in ("create", "list", "disable", "enable", "link", "reset", "revoke", "policy")} <= set(EVERY)
    assert {("app", verb) for verb in ("create", "list", "revoke")} | {("app", "secret", "add"), ("app", "certificate", "add")} <= set(
        EVERY
    )


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*path, "--help") == 0
    assert "Usage:" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["hub", "create"],
        ["hub", "list", "--output", "yaml"],
        ["up", "--port", "many"],
        ["up", "--tls", "maybe"],
        ["role", "unassign", "Reader"],
        ["data", "create", "a", ".", "--tag", "novalue"],
    ],
    ids=" ".join,
)
def test_what_is_not_understood_ends_with_2_and_says_so_on_the_error_output(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    seen = capsys.readouterr()
    assert seen.out == ""
    assert "Error" in seen.err


@pytest.mark.parametrize("words", [["--project", "triage"], ["--project=triage"], ["triage", "--sceonds", "60"]], ids=" ".join)
@pytest.mark.parametrize("between", [["--"], []], ids=["behind --", "at once"])
def test_an_option_that_is_none_is_taken_for_no_name_and_for_no_program(
    words: list[str], between: list[str], home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("identity", "run", *words, *between, "true", "--home", str(home.root)) == 2
    told = " ".join(capsys.readouterr().err.replace("│", " ").split())
    unknown = next(word for word in words if word.startswith("-"))
    assert f"there is no option '{unknown}'" in told
    assert "studiolo identity run RESOURCE -- COMMAND" in told


@pytest.mark.parametrize("arguments", [["env"], ["hub", "list"], ["model", "chat", "Hello"]], ids=" ".join)
def test_without_a_studio_commands_say_how_to_start_one(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments, "--home", str(tmp_path / "none")) == 1
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err.startswith("NoStudio: ")
    assert "studiolo up --home" in seen.err


@pytest.mark.parametrize("arguments", [["env"], ["project", "show", "p"], ["role", "list"]], ids=" ".join)
def test_with_a_studio_that_does_not_run_nothing_is_printed_for_a_shell(
    arguments: list[str], home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments, "--home", str(home.root)) == 1
    seen = capsys.readouterr()
    assert seen.out == ""
    assert "ServerUnreachable: " in seen.err
    assert "s3cr3t" not in seen.err


def test_env_refuses_a_studio_on_plain_http(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    found = home.environment()
    assert found is not None
    home.write_environment(ClientEnvironment.read(found.variables() | {"STUDIOLO_URL": "http://localhost:8443"}))
    assert run("env", "--home", str(home.root)) == 1
    seen = capsys.readouterr()
    assert (seen.out, seen.err.partition(":")[0]) == ("", "TlsRequired")


@pytest.mark.parametrize("url", ["localhost:8443", "https://localhost:port", "ftp://localhost", "https://"])
def test_a_malformed_address_in_the_environment_is_told(
    home: Home, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = home.environment()
    assert found is not None
    for name, value in (found.variables() | {"STUDIOLO_URL": url}).items():
        monkeypatch.setenv(name, value)
    assert run("hub", "list") == 1
    assert capsys.readouterr().err.startswith("InvalidStudioUrl: ")


def test_two_studios_never_share_a_home(home: Home) -> None:
    with home.hold():
        done = studiolo("up", "--home", str(home.root), "--port", "0")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("HomeInUse: ")


def test_a_taken_port_is_told_with_what_to_do(home: Home) -> None:
    taken = listen("localhost", 0)
    try:
        done = studiolo("up", "--home", str(home.root), "--port", str(taken[0].getsockname()[1]))
    finally:
        for opened in taken:
            opened.close()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("PortInUse: ")
    assert "studiolo up --port" in done.stderr


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--tls", "off", "--host", "0.0.0.0"], "TlsRequired"),
        (["--database", "postgresql://u:hunter2@h/d"], "NotOffered"),
        (["--blobs", "s3://key:hunter2@bucket"], "NotOffered"),
        (["--port", "99999"], "InvalidPort"),
    ],
)
def test_settings_that_do_not_hold_are_refused_before_anything_is_made(
    options: list[str], code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("up", "--home", str(tmp_path / "home"), *options) == 1
    seen = capsys.readouterr()
    assert seen.err.startswith(f"{code}: ")
    assert "hunter2" not in seen.out + seen.err
    assert not (tmp_path / "home").exists()


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = studiolo("up", "--home", str(tmp_path / "file" / "home"))
    assert done.returncode == 1
    assert done.stderr.startswith("HomeNotWritable: ")


@pytest.fixture
def policies(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "fixtures.json").write_text("{}")
    (tmp_path / "vectors.jsonl").write_text(VECTORS)
    return str(tmp_path / "fixtures.json"), str(tmp_path / "vectors.jsonl")


def test_policies_that_hold_end_with_0(policies: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    fixtures, vectors = policies
    assert run("access", "test", "--fixtures", fixtures, vectors, vectors) == 0
    assert capsys.readouterr().out.splitlines() == ["4 of 4 agree"]


def test_each_disagreement_is_printed_and_the_count_stands_last(policies: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    fixtures, vectors = policies
    Path(vectors).write_text(VECTORS.replace('"x": "deny"', '"x": "allow"'))
    assert run("access", "test", "--fixtures", fixtures, vectors) == 1
    seen = capsys.readouterr().out.splitlines()
    assert any("writes: expected allow, found deny" in line for line in seen)
    assert seen[-1] == "1 of 2 agree"


def test_vectors_that_cannot_be_read_are_told(policies: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    fixtures, vectors = policies
    Path(fixtures).write_text("[")
    assert run("access", "test", "--fixtures", fixtures, vectors) == 1
    assert capsys.readouterr().err.startswith("InvalidVectors: ")

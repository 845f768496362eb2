import shlex
import subprocess
from pathlib import Path

import pytest

from studiolo.app.welcome import Commands, Welcome, lines

HERE = Commands("/srv/venv/bin/studiolo", "/srv/venv/bin/python")
WELCOME = Welcome("https://localhost:8443", "https://localhost:8443/signin?code=abc", "chat")


def said(welcome: Welcome = WELCOME, home: Path | None = None, *, has_tls: bool = True, has_clients: bool = True) -> str:
    return "\n".join(lines(welcome, HERE, home, has_tls=has_tls, has_clients=has_clients))


def test_the_first_line_says_that_it_is_ready_and_where() -> None:
    assert said().splitlines()[0] == "Studiolo is ready at https://localhost:8443"
    assert "https://localhost:8443/signin?code=abc" in said()


def test_a_home_of_ones_own_is_named_and_the_usual_one_is_not() -> None:
    assert 'eval "$(/srv/venv/bin/studiolo env)"' in said().splitlines()
    assert "env --home '/srv/my studio'" in said(home=Path("/srv/my studio"))


def test_without_a_model_nothing_asks_one() -> None:
    assert "chat" not in said(Welcome("https://localhost:8443"))
    assert "chat" in said()


def test_clients_that_are_not_installed_are_named_and_not_called() -> None:
    assert "MLClient" in said()
    assert "MLClient" not in said(has_clients=False)
    assert "azure-ai-ml" in said(has_clients=False)


def test_without_tls_clients_of_the_public_cloud_are_not_promised() -> None:
    text = said(has_tls=False, home=Path("/srv/my studio"))
    assert "studiolo env" not in text
    assert "/srv/venv/bin/studiolo hub list --home '/srv/my studio'" in text


def test_what_is_not_as_it_should_be_is_told() -> None:
    assert "IPv6 is off" in said(Welcome("https://localhost:8443", notes=("IPv6 is off",)))


@pytest.mark.parametrize("has_clients", [True, False])
def test_a_shell_can_read_every_snippet(has_clients: bool) -> None:
    text = said(home=Path("/it's/a $HOME"), has_clients=has_clients)
    snippets = text.partition("In another shell:\n")[2].partition("\nCode written")[0].partition("\nCtrl-C")[0]
    script = snippets.replace("and there, with code written for the public cloud:", "")
    done = subprocess.run(["/bin/sh", "-n"], input=script, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_this_installation_is_called_by_the_shortest_name_that_finds_it(tmp_path: Path) -> None:
    own, other = tmp_path / "own env" / "bin", tmp_path / "other" / "bin"
    for folder in (own, other):
        folder.mkdir(parents=True)
        (folder / "studiolo").touch()
    python, program = own / "python", own / "studiolo"
    python.touch()
    assert Commands.of(python, program, f"/nowhere:{own}").studiolo == "studiolo"
    assert Commands.of(python, program, f"{other}:{own}").studiolo == shlex.quote(str(program))
    assert Commands.of(python, program, "").python == shlex.quote(str(python))

"""`studiolo doctor isolation` against real servers: nothing comes through, planted holes are found, nothing is left behind."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from studiolo.app.isolation import check_report
from studiolo.kernel.faults import Invalid
from tests.support.server import COMMAND, Output, Server, clean_environment

pytestmark = pytest.mark.timeout(300)

LINK = re.compile(r"(https://\S+/signin\?code=\S+)")
PROBE = "isolation-probe"


@contextmanager
def serving(path: Path, hole: str) -> Generator[Server]:
    """A studio of this test's own, perhaps with a hole."""
    program = [sys.executable, str(Path(__file__).with_name("holed.py")), hole]
    server = Server(path / "home", program=program)
    try:
        server.start()
        yield server
    finally:
        server.end()


def probe(server: Server, save: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person would."""
    link = server.wait_for(LINK).group(1)
    arguments = ["doctor", "isolation", "--home", str(server.home), "--link", link, "--save", str(save), *options]
    environment = clean_environment(server.home.parent)
    return subprocess.run([str(COMMAND), *arguments], env=environment, capture_output=True, text=True, timeout=600, check=False)


def report(save: Path) -> dict[str, Any]:
    """What was saved."""
    return json.loads(save.read_bytes())["report"]


def left(server: Server) -> list[str]:
    """The names of projects that a probe made and that are still there."""
    listed = json.loads(server.run("project", "list", "--output", "json").stdout)
    return [project["name"] for project in listed if PROBE in project["name"]]


@pytest.mark.parametrize(
    ("hole", "only", "route", "leaked"),
    [
        ("public", "holes", "GET /holes/{thing}", "the project's description"),
        pytest.param("forgets", "GET /{container}/{blob:path}", "GET /{container}/{blob:path}", "a blob's content", marks=pytest.mark.slow),
        pytest.param(
            "absent", "/openai/v1/models", "GET /projects/{project}/openai/v1/models", "whether it exists", marks=pytest.mark.slow
        ),
    ],
)
def test_a_planted_hole_is_found(tmp_path: Path, hole: str, only: str, route: str, leaked: str) -> None:
    with serving(tmp_path, hole) as server:
        done = probe(server, tmp_path / "report.json", "--only", only)
        assert done.returncode == 1, done.stdout + done.stderr
        found = [finding for finding in report(tmp_path / "report.json")["findings"] if finding["route"] == route]
        assert any(leaked in finding["leaked"] for finding in found), done.stdout
        assert not left(server)


@pytest.mark.slow
def test_a_whole_wall_lets_nothing_through_and_its_report_is_signed(tmp_path: Path) -> None:
    with serving(tmp_path, "none") as server:
        save = tmp_path / "report.json"
        done = probe(server, save, "--only", "workspaces/data")
        assert done.returncode == 0, done.stdout + done.stderr
        told = report(save)
        assert told["findings"] == told["leftBehind"] == []
        assert told["refused"] > 100
        assert all(each["isStated"] for each in told["notTried"])
        assert {line["route"] for line in told["lines"]} >= {"PUT Microsoft.MachineLearningServices/workspaces/data/versions"}
        assert not left(server)
        verified = server.run("doctor", "isolation", "--home", str(server.home), "--verify", str(save), clean=True)
        assert "genuine" in verified.stdout
        key = (server.home / "keys" / "report.pub").read_bytes()
        assert check_report(save.read_bytes(), key)[0].holds
        edited = save.read_bytes().replace(b'"attempts": ', b'"attempts": 9', 1)
        for raw, trusted in ((edited, key), (b"{}", key), (save.read_bytes(), b"A" * 43 + b"=")):
            with pytest.raises(Invalid, match="not genuine"):
                check_report(raw, trusted)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_probe_that_is_interrupted_puts_everything_away(tmp_path: Path, number: int) -> None:
    with serving(tmp_path, "none") as server:
        link = server.wait_for(LINK).group(1)
        command = [str(COMMAND), "doctor", "isolation", "--home", str(server.home), "--link", link]
        running = subprocess.Popen(
            command, env=clean_environment(server.home.parent), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            while not left(server):
                assert running.poll() is None, Output(running).text
            running.send_signal(number)
            assert running.wait(60) == 130
        finally:
            running.kill()
            running.wait()
            if running.stdout is not None:
                running.stdout.close()
        assert not left(server)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_comes_through_by_any_route(tmp_path: Path) -> None:
    with serving(tmp_path, "none") as server:
        done = probe(server, tmp_path / "report.json", "--new-hub")
        told = report(tmp_path / "report.json")
        assert done.returncode == 0, json.dumps([told["findings"], told["notTried"]], indent=1)
        assert told["refused"] > 4000
        assert {"session cookie", "managed identity's token", "signature of one's own blob"} <= set(told["attackers"])
        assert len({line["route"] for line in told["lines"]}) > told["servedRoutes"] + told["servedTypes"] * 4
        unproven = {line["route"] for line in told["lines"] if line["control"] == "none" and line["answered"] < line["attempts"]}
        assert unproven <= {each["route"] for each in told["notTried"]}
        assert not any(line["refused"] for line in told["lines"] if line["control"] == "none")
        assert not left(server)

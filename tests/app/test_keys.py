"""Keys over the lives of a studio: the command line, the disk, backups, the master key, and the end of the process."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studiolo.app.cli import main
from tests.parity.studio import Person, Studio, account_of, opened, unique
from tests.support.server import Server, StartServer


class Place:
    """A studio's hub with two projects, and somebody who reads and writes their blobs."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        hub = studio.hub(unique("hub"))
        self.one, self.two = (studio.project(hub["id"], unique(word)) for word in ("one", "two"))
        self.writer: Person = studio.person("writer")
        studio.grant(self.writer.oid, "Storage Blob Data Owner", studio.group)

    def on(self, studio: Studio) -> Place:
        """The same after a restart."""
        found = Place.__new__(Place)
        found.__dict__ = {**self.__dict__, "studio": studio}
        return found

    def call(self, method: str, project: dict[str, Any], name: str, data: bytes | None = None) -> Any:
        target = f"/{project['properties']['workspaceId']}-blobstore/{name}"
        return self.studio.blob(method, account_of(project), target, data, by=self.writer)

    def put(self, project: dict[str, Any], name: str, data: bytes) -> None:
        assert self.call("PUT", project, name, data).status == 201

    def get(self, project: dict[str, Any], name: str) -> bytes | str:
        reply = self.call("GET", project, name)
        return reply.body if reply.status == 200 else reply.blob_code


Run = Callable[..., Any]


@pytest.fixture
def run(server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `studiolo keys` after `eval "$(studiolo env)"`; what it answered as JSON, or what it refused with."""
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)

    def command(*arguments: str, code: int = 0) -> Any:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["keys", *arguments, "--output", "json"])
        seen = capsys.readouterr()
        assert (ended.value.code or 0) == code, seen.err
        return seen.err if code else json.loads(seen.out)

    return command


def on_disk(home: Path, words: list[bytes]) -> list[bytes]:
    """Which words stand in any file of a home."""
    whole = b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())
    return [word for word in words if word in whole]


def test_the_command_line_shows_rotates_and_destroys(server: Server, run: Run) -> None:
    with opened(server) as studio:
        place = Place(studio)
        place.put(place.one, "a", b"x" * 50_000)
        name, hub = place.one["name"], place.one["properties"]["hubResourceId"].rpartition("/")[2]
        assert run("show", "--project", name)["version"] == 1
        shown = run("rotate", "--project", name)
        assert (shown["version"], shown["sealedByOlderVersions"] > 0) == (2, True)
        shown = run("rotate", "--project", name, "--reencrypt")
        assert (shown["version"], shown["sealedByOlderVersions"], shown["olderVersions"]) == (3, 0, [])
        assert run("rotate", "--hub", hub)["version"] == 2
        assert run("show", "--hub", hub)["wrappedBy"] == "master key"
        assert "ConfirmationNeeded" in run("destroy", "--project", name, code=1)
        assert "HubNotFound" in run("destroy", "--hub", name, "--yes", code=1)
        assert place.get(place.one, "a") == b"x" * 50_000
        assert run("destroy", "--project", name, "--yes")["state"] == "Destroyed"
        assert place.get(place.one, "a") == "KeyDestroyed"
        assert "HomeInUse" in run("rotate", "--master", "--home", str(server.home), code=1)


@pytest.mark.slow
def test_no_backup_of_the_data_brings_a_destroyed_project_back_and_the_master_key_rotates(start_server: StartServer) -> None:
    server = start_server()
    words = [b"canary-" + os.urandom(8).hex().encode() for _ in range(50)]
    with opened(server) as studio:
        place = Place(studio)
        for n, word in enumerate(words):
            place.put(place.one if n % 2 else place.two, f"n{n}", word * (1 + n * 100))
    assert on_disk(server.home, words) == []
    server.stop()
    shutil.copytree(server.home / "data", server.home.parent / "backup")
    before = (server.home / "keys" / "master.key").read_bytes()
    server.run("keys", "rotate", "--master", "--home", str(server.home))
    assert (server.home / "keys" / "master.key").read_bytes() != before
    assert not (server.home / "keys" / "master.key.previous").exists()
    server.start()
    with opened(server) as studio:
        place = place.on(studio)
        assert (place.get(place.one, "n1"), place.get(place.two, "n0")) == (words[1] * 101, words[0])
        reply = studio.arm("POST", f"{place.one['id']}/destroyKey", {"name": place.one["name"]})
        assert reply.status == 200, reply.body
    server.stop()
    shutil.rmtree(server.home / "data")
    shutil.copytree(server.home.parent / "backup", server.home / "data")
    (server.home / "keys" / "master.key").write_bytes(before)  # as old as the backup
    server.start()
    with opened(server) as studio:
        place = place.on(studio)
        assert place.get(place.one, "n1") == "KeyDestroyed"
        assert place.get(place.two, "n0") == words[0]


@pytest.mark.slow
@pytest.mark.recovery
def test_sealing_anew_goes_on_after_the_process_was_killed(start_server: StartServer) -> None:
    server = start_server()
    bodies = {f"n{n}": os.urandom(30_000) for n in range(60)}
    with opened(server) as studio:
        place = Place(studio)
        for name, body in bodies.items():
            place.put(place.one, name, body)
        begun = studio.arm("POST", f"{place.one['id']}/rotateKey", {"reencrypt": True})
        assert begun.status == 202
        server.kill()
    server.start()
    with opened(server) as studio:
        place = place.on(studio)
        deadline = time.monotonic() + 30
        shown = studio.arm("POST", f"{place.one['id']}/showKey", {}).json()
        while shown["olderVersions"] or shown["rotation"]:
            assert time.monotonic() < deadline, shown
            time.sleep(0.1)  # noqa: TID251 - between two looks
            shown = studio.arm("POST", f"{place.one['id']}/showKey", {}).json()
        assert (shown["version"], shown["sealedByOlderVersions"]) == (2, 0)
        assert {name: place.get(place.one, name) for name in bodies} == bodies

"""Homes that older releases made (data and keys, as those releases left them): refused in a sentence, and lifted where they can be."""

from __future__ import annotations

import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from tests.parity.studio import opened
from tests.support.server import DidNotStart, Server

HOMES = Path(__file__).parent / "homes"


def home_of(day: str, folder: Path) -> Server:
    """A server on the home that the release of a day made, not yet started."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    with zipfile.ZipFile(HOMES / f"{day}.zip") as kept:
        kept.extractall(home)
    for path in home.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return Server(home)


def refused(server: Server) -> str:
    """What the command says when it does not start."""
    with pytest.raises(DidNotStart):
        server.start()
    return server.output


def test_a_home_without_seals_of_the_tree_is_upgraded_by_an_explicit_recorded_step(tmp_path: Path) -> None:
    server = home_of("2026-11-25", tmp_path)
    said = refused(server)
    assert "AuthorizationStoreOutdated" in said
    assert "microsoft.management/managementgroups" in said
    assert "studiolo upgrade" in said
    done = server.run("upgrade", "--home", str(server.home), "--yes", clean=True)
    assert "2 of microsoft.machinelearningservices/workspaces are sealed as they are." in done.stdout + done.stderr
    again = server.run("upgrade", "--home", str(server.home), "--yes", clean=True)
    assert "There is nothing to upgrade." in again.stdout + again.stderr
    try:
        server.start()
        with opened(server) as studio:
            listed = studio.arm("GET", f"{studio.group}/providers/Microsoft.MachineLearningServices/workspaces").json()["value"]
            assert {each["name"] for each in listed} == {"home", "first-project"}
            record = studio.send("GET", "/providers/Studiolo.Audit/lines?api-version=2026-11-01", headers={"cookie": studio.cookie})
            assert "Studiolo.Access/upgrade/action" in {line["action"] for line in record.json()["value"]}
        server.stop()
    finally:
        server.end()


def test_an_upgrade_seals_nothing_over_damage(tmp_path: Path) -> None:
    server = home_of("2026-11-25", tmp_path)
    with closing(sqlite3.connect(server.home / "data" / "studiolo.db")) as raw:
        sql = "update resources set doc = replace(cast(doc as text), 'displayName', 'displayname') where type = 'studiolo.directory/users'"
        assert raw.execute(sql).rowcount == 1
        raw.commit()
    done = server.run("upgrade", "--home", str(server.home), "--yes", clean=True, check=False)
    assert done.returncode == 1
    assert "AuthorizationStoreDamaged" in done.stderr
    assert "AuthorizationStoreOutdated" in refused(server)


def test_a_home_whose_keys_are_too_old_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    server = home_of("2026-11-24", tmp_path)
    assert "KeyRingOutdated" in refused(server)
    done = server.run("upgrade", "--home", str(server.home), "--yes", clean=True, check=False)
    assert (done.returncode, "KeyRingOutdated" in done.stderr) == (1, True)
    with closing(sqlite3.connect(server.home / "data" / "studiolo.db")) as raw:
        assert raw.execute("select count(*) from entries where space = 'iam.seals'").fetchone() == (0,)

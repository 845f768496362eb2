import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from studiolo.app.checkup import Finding, check_clock, check_disk, check_names, examine
from studiolo.app.home import Home
from studiolo.app.server import listen

NOON = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


def found(home: Home, port: int = 1) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(home, port)}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.prepare()
    return made


def test_before_the_first_start_nothing_needs_mending_but_what_the_machine_lacks(tmp_path: Path) -> None:
    seen = found(Home(tmp_path / "none"))
    assert (seen["files"].status, seen["server"].status, seen["sign-in"].status) == ("note", "note", "note")
    assert "studiolo up" in seen["server"].mend
    assert not (tmp_path / "none").exists()


def test_a_secret_that_others_can_read_is_found_with_what_mends_it(home: Home) -> None:
    assert found(home)["files"].status == "ok"
    home.master_key_file.chmod(0o644)
    assert found(home)["files"].status == "mend"
    assert "chmod 600" in found(home)["files"].found


def test_a_lost_master_key_is_found(home: Home) -> None:
    home.database.touch()
    home.master_key_file.unlink()
    assert "master.key" in found(home)["files"].found


def test_a_damaged_environment_file_is_found(home: Home) -> None:
    home.environment_file.write_bytes(b"{")
    home.environment_file.chmod(0o600)
    assert found(home)["sign-in"].status == "mend"


def test_another_program_on_our_port_is_found(home: Home) -> None:
    taken = listen("localhost", 0)
    port = taken[0].getsockname()[1]
    assert found(home, port)["port"].status == "mend"
    for opened in taken:
        opened.close()
    assert found(home, port)["port"].status == "ok"


def test_the_port_of_a_studio_that_is_starting_is_its_own(home: Home) -> None:
    with home.hold():
        assert found(home)["port"].status == "ok"


def test_a_clock_that_differs_is_found() -> None:
    assert check_clock("Tue, 24 Nov 2026 12:00:01 GMT", NOON).status == "ok"
    assert check_clock("Tue, 24 Nov 2026 12:05:00 GMT", NOON).status == "mend"
    assert check_clock("Tue, 24 Nov 2026 11:55:00 GMT", NOON).status == "mend"
    assert check_clock(None, NOON).status == check_clock("nonsense", NOON).status == "note"


def test_a_full_disk_is_found(home: Home) -> None:
    assert check_disk(home, 1 << 40).status == "ok"
    assert check_disk(home, 1 << 20).status == "mend"


def test_names_that_the_system_does_not_know_are_found_with_the_package_that_mends_it() -> None:
    def resolve(name: str, *_more: object, **_options: object) -> None:
        if name != "localhost":
            raise socket.gaierror(-2, "Name or service not known")

    finding = check_names(resolve)
    assert finding.status == "mend"
    assert "libnss-myhostname" in finding.mend
    assert "/etc/hosts" in finding.mend
    assert check_names(lambda *_, **__: None).status == "ok"

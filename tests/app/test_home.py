import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from studiolo.app.environment import ClientEnvironment
from studiolo.app.home import Holder, Home, Unsafe, read_private, write_atomic
from studiolo.kernel.faults import Conflict, NotFound, Unavailable

ENVIRONMENT = ClientEnvironment(
    url="https://localhost:8443",
    client_id="app",
    client_secret="s3cr3t",
    subscription="sub",
    resource_group="studiolo",
    hub="home",
    project="first-project",
    model_key="key",
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "studio")
    made.prepare()
    return made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_and_secrets_are_for_their_owner_alone(home: Home) -> None:
    home.write_environment(ENVIRONMENT)
    assert [mode(folder) for folder in home.folders] == [0o700] * len(home.folders)
    assert mode(home.master_key_file) == 0o600
    assert mode(home.environment_file) == 0o600


def test_keys_lie_outside_the_data_folder(home: Home) -> None:
    assert not home.master_key_file.is_relative_to(home.data)
    assert not home.tls.is_relative_to(home.data)
    assert home.database.is_relative_to(home.data)


def test_the_master_key_stays_the_same_at_every_start(home: Home) -> None:
    key = home.master_key()
    Home(home.root).prepare()
    assert home.master_key() == key
    assert len(key) == 32


def test_every_studio_has_its_own_master_key(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    other.prepare()
    assert other.master_key() != home.master_key()


def test_a_lost_master_key_is_not_replaced_while_there_is_data(home: Home) -> None:
    home.database.write_bytes(b"data")
    home.master_key_file.unlink()
    with pytest.raises(NotFound) as refused:
        home.prepare()
    assert refused.value.code == "MasterKeyMissing"
    assert not home.master_key_file.exists()


def test_a_lost_master_key_is_not_replaced_while_a_database_elsewhere_needs_it(home: Home, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.db"
    elsewhere.write_bytes(b"data")
    home.master_key_file.unlink()
    with pytest.raises(NotFound):
        home.prepare(elsewhere)


def test_a_cut_off_master_key_is_refused(home: Home) -> None:
    write_atomic(home.master_key_file, b"short")
    with pytest.raises(Unavailable) as refused:
        home.master_key()
    assert refused.value.code == "MasterKeyDamaged"


@pytest.mark.parametrize("open_mode", [0o644, 0o640, 0o604, 0o660, 0o666])
def test_a_secret_that_others_can_read_is_refused_with_what_mends_it(home: Home, open_mode: int) -> None:
    home.master_key_file.chmod(open_mode)
    with pytest.raises(Unsafe) as refused:
        home.master_key()
    assert f"chmod 600 '{home.master_key_file}'" in refused.value.message


def test_a_home_that_others_can_change_is_refused(home: Home) -> None:
    home.data.chmod(0o777)
    with pytest.raises(Unsafe) as refused:
        home.prepare()
    assert "chmod go-w" in refused.value.message


def test_a_secret_is_never_read_through_a_link(home: Home, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"x" * 32)
    target.chmod(0o600)
    link = home.root / "link"
    link.symlink_to(target)
    with pytest.raises(Exception, match="link"):
        read_private(link)


def test_what_clients_need_comes_back_as_it_was_written(home: Home) -> None:
    assert home.environment() is None
    home.write_environment(ENVIRONMENT)
    assert home.environment() == ENVIRONMENT


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"STUDIOLO_URL": "https://localhost"}', b'{"STUDIOLO_URL": 1}'])
def test_a_damaged_environment_file_is_told(home: Home, text: bytes) -> None:
    write_atomic(home.environment_file, text)
    with pytest.raises(Unavailable) as refused:
        home.environment()
    assert refused.value.code == "EnvironmentDamaged"


def test_a_file_that_cannot_be_written_whole_leaves_the_old_one(home: Home) -> None:
    path = home.root / "file"
    write_atomic(path, b"old")
    (home.root / "folder").mkdir()
    with pytest.raises(Unavailable):
        write_atomic(home.root / "folder", b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in home.root.iterdir() if p.name.startswith(".")] == []


def test_two_servers_never_share_a_home(home: Home) -> None:
    with home.hold() as tell:
        tell(Holder(os.getpid(), "https://localhost:8443"))
        with pytest.raises(Conflict) as refused, Home(home.root).hold():
            pass
        assert refused.value.code == "HomeInUse"
        assert f"kill {os.getpid()}" in refused.value.message
        assert "https://localhost:8443" in refused.value.message
        assert home.holder() == Holder(os.getpid(), "https://localhost:8443")
    assert home.holder() is None
    with home.hold():
        pass


def test_a_killed_server_lets_go_of_its_home(home: Home) -> None:
    program = (
        "import sys; from pathlib import Path; from studiolo.app.home import Home\n"
        "with Home(Path(sys.argv[1])).hold():\n    print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(home.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holding:
        assert holding.stdout is not None
        assert holding.stdout.readline() == b"held\n"
        assert home.holder() == Holder(holding.pid)
        holding.kill()
    assert home.holder() is None

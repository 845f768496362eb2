from pathlib import Path

import pytest

from studiolo.app.settings import Settings, is_address
from studiolo.kernel.faults import Invalid, NotOffered

HOME = Path("/srv/studio")


def test_the_usual_studio_is_reached_at_localhost_over_tls() -> None:
    assert Settings(home=HOME).checked().url == "https://localhost:8443"


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (Settings(home=HOME, port=443), "https://localhost"),
        (Settings(home=HOME, port=9000, has_tls=False), "http://localhost:9000"),
        (Settings(home=HOME, host="::1"), "https://localhost:8443"),
        (Settings(home=HOME, host="Studio.Example.org"), "https://studio.example.org:8443"),
        (Settings(home=HOME, host="fd00::7"), "https://[fd00::7]:8443"),
        (Settings(home=HOME, host="0.0.0.0"), "https://localhost:8443"),
    ],
)
def test_the_address_follows_host_port_and_tls(settings: Settings, url: str) -> None:
    assert settings.url == url


def test_loopback_adds_no_names_and_another_host_adds_itself() -> None:
    assert Settings(home=HOME, host="127.0.0.1").names == ()
    assert Settings(home=HOME, host="Studio.Example.org").names == ("studio.example.org",)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.4", "studio.example.org"])
def test_plain_http_never_leaves_this_machine(host: str) -> None:
    with pytest.raises(Invalid) as refused:
        Settings(home=HOME, host=host, has_tls=False).checked()
    assert refused.value.code == "TlsRequired"


@pytest.mark.parametrize("host", ["", " ", "a b/", "user@host", "[::1]", "*"])
def test_a_host_that_is_no_name_and_no_address_is_refused(host: str) -> None:
    with pytest.raises(Invalid) as refused:
        Settings(home=HOME, host=host).checked()
    assert refused.value.code == "InvalidHost"


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_out_of_range_is_refused(port: int) -> None:
    with pytest.raises(Invalid):
        Settings(home=HOME, port=port).checked()


@pytest.mark.parametrize("url", ["postgresql://me:hunter2@db/studiolo", "mysql://me:hunter2@db/x", "nonsense"])
def test_a_database_that_is_not_offered_is_refused_without_telling_its_password(url: str) -> None:
    with pytest.raises(NotOffered) as refused:
        Settings(home=HOME, database=url).checked()
    assert "hunter2" not in refused.value.message
    assert "sqlite" in refused.value.message


def test_a_sqlite_url_names_a_file() -> None:
    assert Settings(home=HOME, database="sqlite:////var/lib/a b.db").database_file(HOME) == Path("/var/lib/a b.db")
    assert Settings(home=HOME).database_file(HOME / "x.db") == HOME / "x.db"


@pytest.mark.parametrize("url", ["sqlite:///relative.db", "sqlite://", "sqlite://host/x.db", "sqlite:[::1"])
def test_a_sqlite_url_without_an_absolute_path_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        Settings(home=HOME, database=url).checked()
    assert refused.value.code == "InvalidDatabaseUrl"


def test_blobs_lie_in_a_folder_or_are_not_offered_yet() -> None:
    assert Settings(home=HOME, blobs="file:///data/b").blobs_folder(HOME) == Path("/data/b")
    with pytest.raises(NotOffered):
        Settings(home=HOME, blobs="s3://bucket").checked()


def test_addresses_are_told_from_names() -> None:
    assert [is_address(text) for text in ("127.0.0.1", "::1", "localhost", "1.2.3")] == [True, True, False, False]

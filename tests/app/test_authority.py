import socket
import ssl
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from studiolo.app.authority import LOCAL_NAMES, Authority, client_context, system_roots
from studiolo.app.home import Home, Unsafe, write_atomic
from studiolo.kernel.faults import Unavailable

NOW = datetime.now(UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "studio")
    made.prepare()
    return made


@pytest.fixture
def authority(home: Home) -> Authority:
    made = Authority(home)
    made.ensure((), NOW)
    made.write_bundle(None)
    return made


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> str:
    """The protocol that both ends agree on, or the client's SSLError."""
    near, far = socket.socketpair()
    near.settimeout(5)
    far.settimeout(5)

    def answer() -> None:
        try:
            with server.wrap_socket(far, server_side=True) as wrapped:
                wrapped.recv(1)
        except OSError:
            far.close()

    answering = threading.Thread(target=answer)
    answering.start()
    try:
        with client.wrap_socket(near, server_hostname=host) as wrapped:
            return wrapped.version() or ""
    finally:
        near.close()
        answering.join()


@pytest.mark.parametrize(
    "host",
    ["localhost", "acct.blob.core.localhost", "acct.dfs.core.localhost", "a.file.core.localhost", "v.vault.localhost", "127.0.0.1", "::1"],
)
def test_clients_trust_every_name_of_a_studio_through_the_bundle(authority: Authority, host: str) -> None:
    client = client_context(authority.home.bundle)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    assert handshake(authority.server_context(), client, host) == "TLSv1.3"


@pytest.mark.parametrize("host", ["example.org", "localhost.example.org", "a.b.blob.core.localhost", "10.0.0.1"])
def test_other_names_are_not_the_studio(authority: Authority, host: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(authority.server_context(), client_context(authority.home.bundle), host)


def test_without_the_bundle_nobody_trusts_us(authority: Authority) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(authority.server_context(), ssl.create_default_context(cafile=None, cadata=system_roots(None).decode()), "localhost")


def test_another_studio_is_not_trusted(authority: Authority, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    other.prepare()
    stranger = Authority(other)
    stranger.ensure((), NOW)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(stranger.server_context(), client_context(authority.home.bundle), "localhost")


def test_two_studios_can_be_trusted_by_one_bundle(authority: Authority, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    other.prepare()
    second = Authority(other)
    second.ensure((), NOW)
    second.write_bundle(authority.home.bundle)
    for one in (authority, second):
        assert handshake(one.server_context(), client_context(other.bundle), "localhost")


def test_old_protocols_are_refused(authority: Authority) -> None:
    client = client_context(authority.home.bundle)
    client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert handshake(authority.server_context(), client, "localhost") == "TLSv1.2"
    assert authority.server_context().minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.fixture
def thief(authority: Authority) -> Authority:
    """Somebody who has the authority's key and signs a certificate for another name."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    text = authority.server_file.read_bytes()
    leaf, issuer = x509.load_pem_x509_certificate(text), x509.load_pem_x509_certificate(authority.certificate_file.read_bytes())
    key = serialization.load_pem_private_key(authority.key_file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    own = serialization.load_pem_private_key(text, None)
    forged = (
        x509.CertificateBuilder()
        .subject_name(leaf.subject)
        .issuer_name(issuer.subject)
        .public_key(leaf.public_key())
        .serial_number(7)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("bank.example.org")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = own.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_atomic(authority.server_file, private + forged.public_bytes(encoding))
    return authority


def test_a_thief_of_the_authoritys_key_cannot_speak_for_other_names(thief: Authority) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
        handshake(thief.server_context(), client_context(thief.home.bundle), "bank.example.org")


def test_a_second_start_changes_nothing(authority: Authority) -> None:
    before = [path.read_bytes() for path in (authority.key_file, authority.certificate_file, authority.server_file)]
    assert authority.ensure((), NOW) is False
    assert before == [path.read_bytes() for path in (authority.key_file, authority.certificate_file, authority.server_file)]


def expiry(authority: Authority) -> datetime:
    return x509.load_pem_x509_certificate(authority.server_file.read_bytes()).not_valid_after_utc


def test_the_certificate_is_renewed_before_it_ends_and_the_authority_stays(authority: Authority) -> None:
    trusted = authority.certificate_file.read_bytes()
    assert authority.ensure((), NOW + timedelta(days=360)) is False
    later = NOW + timedelta(days=370)
    assert authority.ensure((), later) is True
    assert expiry(authority) > later + timedelta(days=390)
    assert authority.certificate_file.read_bytes() == trusted


def test_the_authority_is_renewed_with_the_same_key_before_a_certificate_could_outlive_it(authority: Authority) -> None:
    key = authority.key_file.read_bytes()
    later = NOW + timedelta(days=3400)
    assert authority.ensure((), later) is True
    renewed = x509.load_pem_x509_certificate(authority.certificate_file.read_bytes())
    assert renewed.not_valid_after_utc > expiry(authority)
    assert authority.key_file.read_bytes() == key


def names_of(authority: Authority) -> set[str]:
    leaf = x509.load_pem_x509_certificate(authority.server_file.read_bytes())
    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))}


@pytest.mark.parametrize(
    ("names", "host"), [(["studio.example.org"], "studio.example.org"), (["192.0.2.7"], "192.0.2.7"), (["fd00::7"], "fd00::7")]
)
def test_a_studio_with_a_name_of_its_own_is_trusted_by_that_name(authority: Authority, names: Sequence[str], host: str) -> None:
    assert authority.ensure(names, NOW) is True
    authority.write_bundle(None)
    for name in (host, "localhost", "acct.blob.core.localhost"):
        assert handshake(authority.server_context(), client_context(authority.home.bundle), name)
    assert authority.ensure((), NOW) is True
    assert names_of(authority) == set(LOCAL_NAMES)


def test_a_running_server_takes_up_a_renewed_certificate(authority: Authority) -> None:
    context = authority.server_context()
    authority.ensure(("studio.example.org",), NOW)
    authority.load(context)
    authority.write_bundle(None)
    assert handshake(context, client_context(authority.home.bundle), "studio.example.org")


@pytest.mark.parametrize("file", ["key_file", "server_file"])
def test_a_key_that_others_can_read_is_not_used(authority: Authority, file: str) -> None:
    getattr(authority, file).chmod(0o644)
    with pytest.raises(Unsafe):
        authority.ensure(("renew.example.org",), NOW)


@pytest.mark.parametrize("file", ["key_file", "certificate_file", "server_file"])
def test_a_damaged_file_is_told_with_what_to_do(authority: Authority, file: str) -> None:
    write_atomic(getattr(authority, file), b"-----BEGIN NONSENSE-----\n")
    with pytest.raises(Unavailable) as refused:
        authority.ensure(("renew.example.org",), NOW)
    assert refused.value.code == "AuthorityDamaged"
    assert "move that folder away" in refused.value.message


def test_a_lost_certificate_is_made_again(authority: Authority) -> None:
    authority.server_file.unlink()
    assert authority.ensure((), NOW) is True
    assert handshake(authority.server_context(), client_context(authority.home.bundle), "localhost")


def test_the_bundle_keeps_what_the_machine_trusts(authority: Authority, tmp_path: Path) -> None:
    corporate = tmp_path / "corporate.pem"
    corporate.write_bytes(b"# ours alone\n" + system_roots(None)[:5000] + b"\n-----BEGIN CERTIFICATE-----\n")
    authority.write_bundle(corporate)
    first = authority.home.bundle.read_bytes()
    assert first.startswith(b"# ours alone\n")
    assert first.endswith(authority.certificate_file.read_bytes())
    # A shell that has evaluated `studiolo env` names our own bundle: what was the machine's in it must stay.
    authority.write_bundle(authority.home.bundle)
    assert authority.home.bundle.read_bytes() == first


def test_a_bundle_that_is_gone_falls_back_to_the_systems(authority: Authority, tmp_path: Path) -> None:
    authority.write_bundle(tmp_path / "gone.pem")
    context = client_context(authority.home.bundle)
    assert len(context.get_ca_certs()) > 50

"""The local certificate authority: made at the first start, trusted through one bundle, good for our names alone.

The authority's certificate carries name constraints (RFC 5280 section 4.2.1.10): a thief of its key can speak for
`localhost` and the names that the studio was given, and for nothing else. The server's certificate lives 397 days
and is renewed 30 days before its end, also while the server runs.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from studiolo.app.home import Home, read_private, write_atomic
from studiolo.app.settings import is_address
from studiolo.kernel.faults import Unavailable

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

LOCAL_NAMES: Final = (
    "localhost",
    # Most TLS libraries want two labels after the star, so each family of hosts has its own.
    "*.localhost",
    "*.blob.core.localhost",
    "*.dfs.core.localhost",
    "*.file.core.localhost",
    "*.vault.localhost",
    "127.0.0.1",
    "::1",
)
_FAMILIES: Final = ("*.blob.core.", "*.dfs.core.", "*.file.core.", "*.vault.")
_LEAF_LIFE: Final = timedelta(days=397)
_LEAF_MARGIN: Final = timedelta(days=30)
_AUTHORITY_LIFE: Final = timedelta(days=3650)
_SKEW: Final = timedelta(days=1)
_MARK: Final = b"# The local authority of a studio; what stands above this line is the system's.\n"


@dataclass(frozen=True, slots=True)
class Authority:
    """The files of a home's authority."""

    home: Home

    @property
    def key_file(self) -> Path:
        """The authority's own key."""
        return self.home.tls / "authority.key"

    @property
    def certificate_file(self) -> Path:
        """The authority's certificate, the one to import where a bundle is of no use (browsers)."""
        return self.home.tls / "authority.crt"

    @property
    def server_file(self) -> Path:
        """The server's key and certificate in one file, so that they are always of one kind."""
        return self.home.tls / "server.pem"

    def ensure(self, names: Sequence[str], now: datetime) -> bool:
        """Make or renew what is missing, old, or made for other names; tell whether anything was.

        Args:
            names: host names and addresses beyond loopback's.
            now: the present time.

        Raises:
            Unsafe: other people can read a key.
            Unavailable: a key is damaged (code `AuthorityDamaged`).
        """
        wanted = _wanted(names)
        try:
            if self._is_good(wanted, now):
                return False
            key = self._key()
            authority = self._certificate(key, names, now)
            self._issue(key, authority, wanted, now)
        except (ValueError, TypeError) as error:
            raise Unavailable(
                f"The keys in '{self.home.tls}' are damaged ({error}): move that folder away and start again, which makes new ones.",
                code="AuthorityDamaged",
            ) from None
        return True

    def write_bundle(self, roots: Path | None) -> None:
        """Write the bundle of the system's certificates and ours.

        Args:
            roots: the bundle that this machine uses; if it is our own, what was the system's in it stays.
        """
        ours = self.certificate_file.read_bytes()
        present = self.home.bundle.read_bytes() if self.home.bundle.exists() else b""
        is_own = roots is not None and present != b"" and roots.exists() and roots.samefile(self.home.bundle)
        theirs = present.partition(_MARK)[0] if is_own else system_roots(roots)
        text = theirs.rstrip() + b"\n\n" + _MARK + ours
        if text != present:
            write_atomic(self.home.bundle, text)

    def server_context(self) -> ssl.SSLContext:
        """A context that serves the certificate: TLS 1.2 and newer, HTTP/1.1."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.set_alpn_protocols(["http/1.1"])
        self.load(context)
        return context

    def load(self, context: ssl.SSLContext) -> None:
        """Serve the present certificate in every handshake from now on."""
        read_private(self.server_file)
        context.load_cert_chain(self.server_file)

    def _is_good(self, wanted: frozenset[str], now: datetime) -> bool:
        if not (self.key_file.exists() and self.certificate_file.exists() and self.server_file.exists()):
            return False
        from cryptography import x509

        leaf = x509.load_pem_x509_certificate(read_private(self.server_file))
        authority = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
        return (
            leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc - _LEAF_MARGIN
            and authority.not_valid_before_utc <= now < authority.not_valid_after_utc - _LEAF_LIFE
            and leaf.issuer == authority.subject
            and _names_of(leaf) == wanted
        )

    def _key(self) -> EllipticCurvePrivateKey:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        if self.key_file.exists():
            key = serialization.load_pem_private_key(read_private(self.key_file), password=None)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise ValueError("the authority's key is of another kind")
            return key
        key = ec.generate_private_key(ec.SECP256R1())
        write_atomic(self.key_file, _pem(key))
        return key

    def _certificate(self, key: EllipticCurvePrivateKey, names: Sequence[str], now: datetime) -> x509.Certificate:
        """The authority's certificate: the present one if it still serves, else a new one for the same key."""
        from cryptography import x509

        limits = _constraints(names)
        if self.certificate_file.exists():
            present = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
            found = present.extensions.get_extension_for_class(x509.NameConstraints).value
            if (
                present.public_key() == key.public_key()
                and present.not_valid_before_utc <= now < present.not_valid_after_utc - _LEAF_LIFE
                and found == limits
            ):
                return present
        made = _authority_certificate(key, limits, now)
        from cryptography.hazmat.primitives.serialization import Encoding

        write_atomic(self.certificate_file, made.public_bytes(Encoding.PEM))
        return made

    def _issue(self, key: EllipticCurvePrivateKey, authority: x509.Certificate, wanted: frozenset[str], now: datetime) -> None:
        """Write a fresh key and certificate for the server."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import Encoding
        from cryptography.x509.oid import ExtendedKeyUsageOID

        own = ec.generate_private_key(ec.SECP256R1())
        issuer_id = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Studiolo")]))
            .issuer_name(authority.subject)
            .public_key(own.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SKEW)
            .not_valid_after(now + _LEAF_LIFE - _SKEW)
            .add_extension(x509.SubjectAlternativeName([_general(name) for name in sorted(wanted)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id), critical=False)
            .sign(key, hashes.SHA256())
        )
        write_atomic(self.server_file, _pem(own) + made.public_bytes(Encoding.PEM))


def system_roots(roots: Path | None) -> bytes:
    """The certificates that this machine trusts: `roots` if given, else the system's own, else certifi's."""
    for path in (roots, *_system_files()):
        if path is not None and path.is_file():
            found = path.read_bytes()
            if b"BEGIN CERTIFICATE" in found:
                return found
    import certifi

    return Path(certifi.where()).read_bytes()


def _system_files() -> tuple[Path, ...]:
    """Where systems keep their bundle: OpenSSL's built-in place, Debian, Fedora, Alpine and macOS."""
    built_in = ssl.get_default_verify_paths().openssl_cafile
    return tuple(
        Path(path) for path in (built_in, "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
    )


def client_context(bundle: Path) -> ssl.SSLContext:
    """A context that trusts the bundle and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(bundle)
    return context


def _wanted(names: Sequence[str]) -> frozenset[str]:
    found: set[str] = set(LOCAL_NAMES)
    for name in names:
        found.add(name)
        if not is_address(name):
            found.update(family + name for family in _FAMILIES)
    return frozenset(found)


def _general(name: str) -> x509.GeneralName:
    from cryptography import x509

    return x509.IPAddress(ipaddress.ip_address(name)) if is_address(name) else x509.DNSName(name)


def _names_of(leaf: x509.Certificate) -> frozenset[str]:
    from cryptography import x509

    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return frozenset([*found.get_values_for_type(x509.DNSName), *(str(a) for a in found.get_values_for_type(x509.IPAddress))])


def _constraints(names: Sequence[str]) -> x509.NameConstraints:
    from cryptography import x509

    hosts = ["localhost", *sorted(name for name in names if not is_address(name))]
    networks = ["127.0.0.0/8", "::1/128", *sorted(name for name in names if is_address(name))]
    return x509.NameConstraints(
        permitted_subtrees=[
            *(x509.DNSName(host) for host in hosts),
            *(x509.IPAddress(ipaddress.ip_network(network)) for network in networks),
        ],
        excluded_subtrees=None,
    )


def _authority_certificate(key: EllipticCurvePrivateKey, limits: x509.NameConstraints, now: datetime) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    own_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    # Two studios on one machine must not share a subject: verifiers look issuers up by it.
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"Studiolo local authority {own_id.digest.hex()[:12]}")])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(limits, critical=True)
        .add_extension(own_id, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    """What a key is for: the server's signs handshakes, the authority's signs certificates."""
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not signs,
        crl_sign=not signs,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

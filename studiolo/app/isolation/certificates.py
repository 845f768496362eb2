"""Certificates that requests carry: valid ones, of a key that nobody keeps."""

from __future__ import annotations

from datetime import timedelta

from studiolo.kernel import clock


def new_certificates(count: int) -> list[str]:
    """So many self-signed certificates of one new RSA key, each as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import NameOID

    key, now = generate_private_key(public_exponent=65537, key_size=2048), clock.now()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "isolation-probe")])
    unsigned = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    unsigned = unsigned.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
    return [
        unsigned.serial_number(x509.random_serial_number()).sign(key, SHA256()).public_bytes(Encoding.PEM).decode() for _ in range(count)
    ]

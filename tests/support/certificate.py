"""Certificates: of a server on loopback, which is its own authority, and of applications that prove themselves with one."""

from __future__ import annotations

import datetime as dt
import ipaddress
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from studiolo.kernel import clock


def write_certificate(certificate: Path, secret: Path) -> None:
    """Write one, and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


@lru_cache(maxsize=4)
def key_of(name: str) -> rsa.RSAPrivateKey:
    """A key of this name, made once."""
    del name
    return rsa.generate_private_key(65537, 2048)


def certificate(key: Any, days: float = 30, begins: float = -1) -> x509.Certificate:
    """An application's certificate, which holds from and until so many days from now."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "robot")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    start = clock.now() + dt.timedelta(days=begins)
    return (
        builder.serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(clock.now() + dt.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )


def pem(found: x509.Certificate) -> str:
    """A certificate as text."""
    return found.public_bytes(serialization.Encoding.PEM).decode()

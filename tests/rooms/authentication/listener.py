"""The room behind a real TLS listener with an authority of its own, for clients that know nothing of us."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from studiolo.kernel import clock
from tests.support.studio import Studio, open_studio

T = TypeVar("T")


@dataclass
class Listener:
    """A studio that listens, and the file that clients trust it by."""

    url: str
    authority: Path
    studio: Studio
    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something within the server's own thread, as an administrator there would."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)


@contextmanager
def listening(folder: Path) -> Generator[Listener]:
    """A studio on a free port of loopback, in a thread of its own."""
    authority, certificate, key = _certificates(folder)
    bound = socket.create_server(("127.0.0.1", 0))
    url = f"https://localhost:{bound.getsockname()[1]}"
    opened: list[tuple[Studio, asyncio.AbstractEventLoop]] = []
    is_up, is_over = threading.Event(), threading.Event()

    async def serve() -> None:
        data = folder / "data"
        data.mkdir()
        studio = await open_studio(data, url)
        opened.append((studio, asyncio.get_running_loop()))
        config = uvicorn.Config(
            studio.front,
            http="httptools",
            lifespan="off",
            log_level="error",
            ssl_certfile=certificate,
            ssl_keyfile=key,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([bound]))
        is_up.set()
        await asyncio.to_thread(is_over.wait)
        server.should_exit = True
        await serving
        for connection in list(server.server_state.connections):
            connection.transport.abort()  # clients keep theirs open
        await studio.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert is_up.wait(20)
    try:
        yield Listener(url, authority, *opened[0])
    finally:
        is_over.set()
        thread.join(20)
        bound.close()


def _certificates(folder: Path) -> tuple[Path, Path, Path]:
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
    start, end = clock.now() - timedelta(hours=1), clock.now() + timedelta(hours=1)

    def begun(name: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(ca_name).public_key(public)
        return builder.serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)

    own = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    ca = begun(ca_name, ca_key.public_key()).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    ca = ca.add_extension(own, critical=False).add_extension(usage, critical=True).sign(ca_key, hashes.SHA256())
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = begun(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), key.public_key()).add_extension(names, critical=False)
    leaf = leaf.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    leaf = leaf.add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False).sign(
        ca_key, hashes.SHA256()
    )
    files = (folder / "ca.pem", folder / "leaf.pem", folder / "leaf.key")
    files[0].write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    files[2].write_bytes(pem)
    return files

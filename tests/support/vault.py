"""A small vault of a customer's: one RSA key behind HTTPS, wrapkey and unwrapkey, and switches for every way to fail."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.support.certificate import write_certificate

VERSION: Final = "0123456789abcdef0123456789abcdef"
_PADDING = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


class Vault:
    """A running vault. `status` other than 200 is what it answers; `raw`, if there is any, is what it says instead."""

    def __init__(self, folder: Path) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.status = 200
        self.location = ""
        self.is_silent = False
        self.raw = b""
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.certificate = folder / "vault.pem"
        secret = folder / "vault.key"
        write_certificate(self.certificate, secret)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.certificate, secret)
        self.port: int = 0
        self.start()
        self.host = f"localhost:{self.port}"

    @property
    def uri(self) -> str:
        """The address of the key."""
        return f"https://{self.host}/keys/contoso/{VERSION}"

    def context(self) -> ssl.SSLContext:
        """A context that trusts this vault."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def start(self) -> None:
        """Answer; after a stop, at the same port."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        self._server.socket = self._context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        self.port = self._server.server_address[1]

    def stop(self) -> None:
        """Be as good as switched off."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """What the vault says to a request."""
        name, _, verb = path.partition("?")[0].rpartition("/")
        if self.status != 200 or not name.startswith("/keys/contoso"):
            return self.status if self.status != 200 else 404, {"error": {"code": "Forbidden", "message": "no"}}
        value = base64.urlsafe_b64decode(body["value"] + "==")
        assert body["alg"] == "RSA-OAEP-256"
        try:
            done = self.key.public_key().encrypt(value, _PADDING) if verb == "wrapkey" else self.key.decrypt(value, _PADDING)
        except ValueError:
            return 400, {"error": {"code": "BadParameter", "message": "no"}}
        text = base64.urlsafe_b64encode(done).decode().rstrip("=")
        return 200, {"kid": f"https://{self.host}/keys/contoso/{VERSION}", "value": text}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        vault = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                vault.asked.append((self.path, dict(self.headers)))
                if vault.is_silent:
                    threading.Event().wait(3)
                    return
                status, answer = vault.answer(self.path, body)
                raw = vault.raw or json.dumps(answer).encode()
                self.send_response(status)
                if vault.location:
                    self.send_header("location", vault.location)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                for piece in (raw[:7], raw[7:]):  # as a slow network brings it
                    self.wfile.write(piece)
                    self.wfile.flush()

            def log_message(self, format: str, *args: Any) -> None:
                del format, args

        return Handler


@contextmanager
def vault_in(folder: Path) -> Generator[Vault]:
    """A vault that is stopped at the end."""
    vault = Vault(folder)
    try:
        yield vault
    finally:
        vault.stop()

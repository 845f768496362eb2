"""A small provider of OpenID Connect behind HTTPS on loopback: discovery, keys, codes with proof keys, and ways to be wrong."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jwk, jws

from tests.support.certificate import write_certificate

Answer = tuple[int, bytes, dict[str, str]]


@dataclass(frozen=True)
class Asked:
    """What an authorization request said."""

    client_id: str
    redirect: str
    state: str
    nonce: str
    challenge: str
    scope: str


class Provider:
    """A running provider. `answers` stands in for what a path answers; `sign` makes a token of header and claims."""

    def __init__(self, folder: Path) -> None:
        self.rsa = jwk.RSAKey.import_key(rsa.generate_private_key(65537, 2048), {"kid": "one", "use": "sig"})
        self.ec = jwk.ECKey.import_key(ec.generate_private_key(ec.SECP256R1()), {"kid": "two", "use": "sig"})
        self.clients = {"studio": "a secret: with / all & sorts"}
        self.answers: dict[str, Answer] = {}
        self.is_silent = False
        self.advertises: dict[str, Any] = {}
        self.sign: Callable[[dict[str, Any], dict[str, Any]], str] = self.signed
        self.asked: list[str] = []
        self._codes: dict[str, tuple[Asked, dict[str, Any]]] = {}
        self.certificate, secret = folder / "provider.pem", folder / "provider.key"
        write_certificate(self.certificate, secret)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, secret)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        self.over = threading.Event()
        self.host = f"localhost:{self._server.server_address[1]}"
        self.issuer = f"https://{self.host}/realms/lab"

    def context(self) -> ssl.SSLContext:
        """A context that trusts this provider."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def stop(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    # ── what a person does there ─────────────────────────────────────────────────────────────────────────────────

    def sign_in(self, address: str, **claims: Any) -> dict[str, str]:
        """A person with these claims signs in at the address that they were sent to: the answer's query. None leaves a claim out."""
        found = urlsplit(address)
        assert f"{found.scheme}://{found.netloc}{found.path}" == f"{self.issuer}/authorize"
        query = dict(parse_qsl(found.query, strict_parsing=True))
        assert query.pop("response_type") == "code"
        assert query.pop("code_challenge_method") == "S256"
        asked = Asked(*(query.pop(name) for name in ("client_id", "redirect_uri", "state", "nonce", "code_challenge", "scope")))
        assert not query, query
        assert asked.client_id in self.clients
        code, now = secrets.token_urlsafe(16), int(time.time())
        usual = {"iss": self.issuer, "sub": "ada", "aud": asked.client_id, "nonce": asked.nonce, "iat": now, "exp": now + 300}
        self._codes[code] = asked, {name: value for name, value in {**usual, "name": "Ada", **claims}.items() if value is not None}
        return {"code": code, "state": asked.state}

    # ── what it answers ──────────────────────────────────────────────────────────────────────────────────────────

    def signed(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        """A token as this provider makes it, unless told otherwise."""
        key = self.ec if header.get("kid") == "two" else self.rsa
        return jws.serialize_compact({"alg": "RS256", **header}, json.dumps(claims), key, algorithms=[header.get("alg", "RS256")])

    def answer(self, method: str, path: str, headers: dict[str, str], body: str) -> Answer:
        """What the provider says to a request."""
        place = path.removeprefix("/realms/lab")
        self.asked.append(place)
        if place in self.answers:
            return self.answers[place]
        if (method, place) == ("GET", "/.well-known/openid-configuration"):
            return _json({"issuer": self.issuer, **self._endpoints(), **self.advertises})
        if (method, place) == ("GET", "/keys"):
            return _json({"keys": [key.as_dict(private=False) for key in (self.rsa, self.ec)]})
        if (method, place) == ("POST", "/token"):
            return self._token({name: values[0] for name, values in parse_qs(body, strict_parsing=True).items()}, headers)
        return _json({"error": "not_found"}, 404)

    def _endpoints(self) -> dict[str, str]:
        names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return {name: f"{self.issuer}/{path}" for name, path in names.items()}

    def _token(self, form: dict[str, str], headers: dict[str, str]) -> Answer:
        client = form.get("client_id", "")
        if "authorization" in headers:
            raw = base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode()
            client, _, secret = (unquote(part) for part in raw.partition(":"))
        else:
            secret = form.get("client_secret", "")
        if self.clients.get(client) != secret:
            return _json({"error": "invalid_client"}, 401)
        asked, claims = self._codes.pop(form["code"]) if form["code"] in self._codes else (None, dict[str, Any]())
        digest = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        if asked is None or (asked.client_id, asked.redirect, asked.challenge) != (client, form["redirect_uri"], digest):
            return _json({"error": "invalid_grant"}, 400)
        return _json({"token_type": "Bearer", "access_token": "opaque", "id_token": self.sign({"kid": "one"}, claims)})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._do("")

            def do_POST(self) -> None:
                self._do(self.rfile.read(int(self.headers["content-length"])).decode())

            def _do(self, body: str) -> None:
                if provider.is_silent:
                    provider.over.wait(30)
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, raw, more = provider.answer(self.command, self.path, headers, body)
                self.send_response(status)
                for name, value in {"content-type": "application/json", "content-length": str(len(raw)), **more}.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(raw)
                except OSError:
                    return  # whoever asked had enough

            def log_message(self, format: str, *args: Any) -> None:
                del format, args

        return Handler


@contextmanager
def provider_in(folder: Path) -> Generator[Provider]:
    """A provider that is stopped at the end."""
    provider = Provider(folder)
    try:
        yield provider
    finally:
        provider.stop()


def back(redirect: str, answer: dict[str, str]) -> str:
    """The path by which a browser comes back to us with an answer."""
    return f"{urlsplit(redirect).path}?{urlencode(answer)}"


def _json(value: Any, status: int = 200) -> Answer:
    return status, json.dumps(value).encode(), {}

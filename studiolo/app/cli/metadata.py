"""The instance-metadata address of one started program: the public cloud's other shape of a managed identity.

The protocol (`GET /metadata/identity/oauth2/token` with `Metadata: true`) carries no secret, so where it is asked must be
one: the address listens on loopback, on a port of chance and under a path of 256 random bits, and lives as long as the
program that was told it. It gives what the program's own binding gives, and nothing else.
Source: Azure Instance Metadata Service, managed identities, api-version 2018-02-01.
"""

from __future__ import annotations

import asyncio
import hmac
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from studiolo.app.cli.signed_in import find_studio
from studiolo.app.client import open_client
from studiolo.kernel import clock
from studiolo.kernel.faults import Fault
from studiolo.kernel.resource import JsonObject

TOKEN: Final = "/metadata/identity/oauth2/token"
VERSIONS: Final = frozenset({"2018-02-01", "2018-10-01", "2019-02-01", "2019-06-01", "2020-06-01", "2021-02-01"})
_PASSED: Final = ("resource", "client_id", "object_id", "msi_res_id", "mi_res_id")
_IDLE_SECONDS: Final = 10.0


@contextmanager
def served(home: Path | None, binding: JsonObject) -> Generator[str]:
    """Serve the address for a binding; it is over at the end. Its text is worth what the binding's header is."""
    environment, bundle = find_studio(home)

    async def ask(query: Mapping[str, str]) -> JsonObject:
        async with open_client(environment, bundle) as client:
            return await client.identity_token(str(binding["identityHeader"]), query)

    secret = clock.new_token()

    class Handler(_Handler):
        path_of_token = f"/{secret}{TOKEN}"

        def token(self, query: Mapping[str, str]) -> JsonObject:
            return asyncio.run(ask(query))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/{secret}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    """Answers one request for a token."""

    path_of_token = ""
    timeout = _IDLE_SECONDS

    def token(self, query: Mapping[str, str]) -> JsonObject:
        """The binding's token. Raises a fault for a no."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """See the protocol's reference."""
        parts = urlsplit(self.path)
        if not hmac.compare_digest(parts.path.encode(), self.path_of_token.encode()):
            return self._refuse(404, "not_found", "Nothing is served here.")
        if self.headers.get("metadata", "").lower() != "true":
            return self._refuse(400, "invalid_request", "Required metadata header not specified")
        if "x-forwarded-for" in self.headers or "x-forwarded-host" in self.headers:
            return self._refuse(400, "invalid_request", "A forwarded request is no workload's own.")
        try:
            pairs = parse_qsl(parts.query, keep_blank_values=True, errors="strict", max_num_fields=20)
        except ValueError:
            return self._refuse(400, "invalid_request", "The query cannot be read.")
        query = dict(pairs)
        if len(query) != len(pairs) or query.get("api-version") not in VERSIONS or not query.get("resource"):
            return self._refuse(400, "invalid_request", f"It takes one resource, and an api-version of {', '.join(sorted(VERSIONS))}.")
        try:
            return self._answer(200, self.token({name: query[name] for name in _PASSED if name in query}))
        except Fault as fault:
            status = getattr(fault, "status", 503)
            return self._refuse(status, fault.code, fault.message)

    def _refuse(self, status: int, code: str, message: str) -> None:
        self._answer(status, {"error": code, "error_description": message})

    def _answer(self, status: int, body: JsonObject) -> None:
        raw = msgspec.json.encode(body)
        self.send_response(status)
        for name, value in (("content-type", "application/json"), ("content-length", str(len(raw))), ("cache-control", "no-store")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the path is a secret."""
        del format, args

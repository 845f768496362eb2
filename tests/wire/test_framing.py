"""Requests that two readers could split differently, heads and bodies that do not come: against a real server, byte by byte."""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import pytest

from tests.support.server import Server

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n"


@contextmanager
def connected(server: Server) -> Generator[ssl.SSLSocket]:
    """A connection to the server."""
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain,
        server.tls.wrap_socket(plain, server_hostname="localhost") as wrapped,
    ):
        yield wrapped


def exchange(server: Server, sent: bytes, seconds: float = 0.6) -> bytes:
    """Everything that comes back until the server closes or falls silent."""
    with connected(server) as connection:
        connection.sendall(sent)
        connection.settimeout(seconds)
        got = b""
        try:
            while more := connection.recv(65536):
                got += more
        except (TimeoutError, ConnectionError, ssl.SSLError):
            pass
        return got


def request(server: Server, *headers: str, body: bytes = b"", line: str = "GET /healthz HTTP/1.1", host: str | None = None) -> bytes:
    """A request as it stands, with our own name in it unless told otherwise."""
    named = [f"host: localhost:{server.port}"] if host is None else [host] if host else []
    return "\r\n".join([line, *named, *headers, "", ""]).encode("latin-1") + body


def test_what_is_well_formed_is_answered(server: Server) -> None:
    for sent in (
        request(server),
        request(server, line=f"GET https://localhost:{server.port}/healthz HTTP/1.1"),
        request(server, "transfer-encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
        request(server, "content-length: 5", body=b"hello"),
    ):
        assert exchange(server, sent).startswith(b"HTTP/1.1 200 "), sent


def test_a_body_in_many_small_pieces_is_the_body(server: Server) -> None:
    form = b"grant_type=client_credentials&client_id=nobody&scope=x&client_secret=" + b"y" * 3000
    kind, line = "content-type: application/x-www-form-urlencoded", "POST /adfs/oauth2/token HTTP/1.1"
    pieces = b"".join(b"1\r\n%c\r\n" % each for each in form) + b"0\r\n\r\n"
    whole = exchange(server, request(server, kind, f"content-length: {len(form)}", "connection: close", body=form, line=line))
    parts = exchange(server, request(server, kind, "transfer-encoding: chunked", "connection: close", body=pieces, line=line))
    told = [json.loads(answer.partition(b"\r\n\r\n")[2])["error_description"].partition("Trace")[0] for answer in (whole, parts)]
    assert whole.split(b"\r\n")[0] == parts.split(b"\r\n")[0]
    assert told[0] == told[1]
    assert "nobody" in told[0]


CHUNKED = "transfer-encoding: chunked"
ODD: dict[str, tuple[tuple[str, ...], bytes]] = {
    "both lengths": (("content-length: 5", CHUNKED), b"0\r\n\r\n" + SMUGGLED),
    "both lengths, the other way": ((CHUNKED, "content-length: 5"), b"0\r\n\r\n" + SMUGGLED),
    "two lengths": (("content-length: 5", "content-length: 6"), b"hello" + SMUGGLED),
    "the same length twice": (("content-length: 5", "content-length: 5"), b"hello"),
    "a list of lengths": (("content-length: 5, 5",), b"hello"),
    "a length with a plus": (("content-length: +5",), b"hello"),
    "a negative length": (("content-length: -5",), b"hello"),
    "a hexadecimal length": (("content-length: 0x5",), b"hello"),
    "an endless length": (("content-length: 99999999999999999999999",), b"hello"),
    "an empty length": (("content-length: ",), b""),
    "a coding before chunks": (("transfer-encoding: gzip, chunked",), b"0\r\n\r\n"),
    "a coding after chunks": (("transfer-encoding: chunked, identity",), b"0\r\n\r\n" + SMUGGLED),
    "chunks twice": ((CHUNKED, CHUNKED), b"0\r\n\r\n"),
    "an unknown coding": (("transfer-encoding: xchunked",), b"0\r\n\r\n" + SMUGGLED),
    "identity": (("transfer-encoding: identity",), SMUGGLED),
    "a coding behind a control": (("transfer-encoding: \x0bchunked",), b"0\r\n\r\n"),
    "a blank before the colon": (("transfer-encoding : chunked",), b"0\r\n\r\n"),
    "a folded line": (("transfer-encoding:", " chunked"), b"0\r\n\r\n"),
    "a NUL in a header": (("x: a\x00b",), b""),
    "a bare CR in a header": (("x: a\rb",), b""),
    "a header without a name": ((": x",), b""),
}
LINES: dict[str, str] = {
    "another host in the line": "GET http://evil.example/healthz HTTP/1.1",
    "an absolute line without a path": "GET https://localhost HTTP/1.1",
    "a user in the line": "GET https://me@localhost/healthz HTTP/1.1",
    "a star": "OPTIONS * HTTP/1.1",
    "a tunnel": "CONNECT localhost:443 HTTP/1.1",
    "an echo": "TRACE /healthz HTTP/1.1",
    "an unknown verb": "BREW /healthz HTTP/1.1",
    "a verb in small letters": "get /healthz HTTP/1.1",
    "HTTP/0.9": "GET /healthz",
    "HTTP/3": "GET /healthz HTTP/3.0",
    "a blank in the path": "GET /health z HTTP/1.1",
    "two slashes": "GET //healthz HTTP/1.1",
}
CHUNKS: dict[str, bytes] = {
    "a prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a blank": b"5 \r\nhello\r\n0\r\n\r\n",
    "bare line feeds": b"5\nhello\n0\n\n",
    "more than it says": b"5\r\nhelloX\r\n0\r\n\r\n",
    "an endless size": b"ffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "a negative size": b"-5\r\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_head_is_refused_and_nothing_after_it_is_read(server: Server, name: str) -> None:
    headers, body = ODD[name]
    answer = exchange(server, request(server, *headers, body=body, line="POST /healthz HTTP/1.1"))
    assert not answer or answer.startswith(b"HTTP/1.1 400 ")
    assert b"smuggled" not in answer
    assert len(re.findall(rb"HTTP/1\.1 \d", answer)) <= 1


@pytest.mark.parametrize("name", LINES)
def test_an_odd_request_line_is_refused(server: Server, name: str) -> None:
    answer = exchange(server, request(server, line=LINES[name]))
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 405 ")) or not answer


@pytest.mark.parametrize("name", CHUNKS)
def test_odd_chunks_end_the_connection(server: Server, name: str) -> None:
    head = request(server, CHUNKED, "content-type: application/x-www-form-urlencoded", line="POST /adfs/oauth2/token HTTP/1.1")
    answer = exchange(server, head + CHUNKS[name] + SMUGGLED)
    assert b"smuggled" not in answer
    assert b"HTTP/1.1 200" not in answer


@pytest.mark.parametrize("host", ["", "host: localhost:1\r\nhost: localhost:2", "host: evil.example", "host:"])
def test_a_request_names_one_host_of_ours(server: Server, host: str) -> None:
    assert exchange(server, request(server, host=host)).startswith(b"HTTP/1.1 400 ")


def test_a_websocket_is_refused_and_the_connection_ends(server: Server) -> None:
    upgrade = ("connection: Upgrade", "upgrade: websocket", "sec-websocket-version: 13", "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==")
    own = exchange(server, request(server, *upgrade, f"origin: https://localhost:{server.port}") + SMUGGLED)
    foreign = exchange(server, request(server, *upgrade, "origin: https://evil.example") + SMUGGLED)
    assert own.startswith(b"HTTP/1.1 501 ")
    assert b"smuggled" not in own + foreign
    assert not foreign.startswith(b"HTTP/1.1 101")


def test_refusals_before_the_application_carry_safety_too(server: Server) -> None:
    answer = exchange(server, b"nonsense\r\n\r\n")
    for name in (b"x-content-type-options: nosniff", b"content-security-policy: default-src 'none'", b"cache-control: no-store"):
        assert name in answer


def test_two_hundred_clients_that_never_finish_leave_the_others_alone(server: Server) -> None:
    with ExitStack() as stack:
        half = request(server).removesuffix(b"\r\n")
        for number in range(200):
            connection = stack.enter_context(connected(server))
            connection.sendall(half if number % 2 else request(server, "content-length: 100", line="POST /signin HTTP/1.1") + b"x")
        began = time.monotonic()
        for _ in range(10):
            assert exchange(server, request(server, "connection: close"), seconds=5).startswith(b"HTTP/1.1 200 ")
        assert time.monotonic() - began < 10

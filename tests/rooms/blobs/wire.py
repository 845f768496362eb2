"""Requests that no client library would send."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import NamedTuple
from xml.etree import ElementTree as ET

from azure.core.exceptions import HttpResponseError

from tests.rooms.blobs.studio import ACCOUNT, OWNER, SUFFIX, Studio


class Reply(NamedTuple):
    """What came back; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The error's code, which header and body must tell alike."""
        error = ET.fromstring(self.body)  # noqa: S314 - our own answer
        said = error.findtext("Code") or ""
        assert (error.tag, self.headers["x-ms-error-code"]) == ("Error", said)
        assert error.findtext("Message")
        return said


def code_of(error: HttpResponseError) -> str:
    """The code of a refusal that a vendor's client has raised; its class does not declare it."""
    found = getattr(error, "error_code", "")
    return str(getattr(found, "value", found))


def bearer(oid: str = OWNER) -> dict[str, str]:
    return {"authorization": f"Bearer token-{oid}", "x-ms-version": "2026-10-06"}


def ask(
    studio: Studio, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"", account: str = ACCOUNT
) -> Reply:
    """One request, as its owner unless the headers say otherwise; an empty `authorization` is left out."""
    sent = {k: v for k, v in {**bearer(), **(headers or {})}.items() if v}
    context = ssl.create_default_context(cafile=str(studio.certificate))
    connection = http.client.HTTPSConnection(f"{account}.blob.{SUFFIX}", studio.port, context=context, timeout=20)
    try:
        connection.request(method, target, body, sent)
        answer = connection.getresponse()
        return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def ask_cut(studio: Studio, target: str, headers: Mapping[str, str], announced: int, body: bytes) -> None:
    """A PUT whose connection ends before the announced body is whole."""
    context = ssl.create_default_context(cafile=str(studio.certificate))
    connection = http.client.HTTPSConnection(f"{ACCOUNT}.blob.{SUFFIX}", studio.port, context=context, timeout=20)
    connection.putrequest("PUT", target)
    for name, value in {**bearer(), **headers, "content-length": str(announced)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(body)
    connection.close()


@contextmanager
def asked_to_go_on(studio: Studio, target: str, headers: Mapping[str, str]) -> Generator[Callable[[bytes], int]]:
    """A PUT whose head the server has read and whose body it waits for; what it gives sends the body and tells the status."""
    context = ssl.create_default_context(cafile=str(studio.certificate))
    host = f"{ACCOUNT}.blob.{SUFFIX}"
    with (
        socket.create_connection(("localhost", studio.port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=host) as line,
    ):
        lines = [f"PUT {target} HTTP/1.1", f"host: {host}:{studio.port}", "expect: 100-continue", "connection: close"]
        lines += [f"{name}: {value}" for name, value in {**bearer(), **headers}.items()]
        line.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = line.makefile("rb")
        assert answer.readline().startswith(b"HTTP/1.1 100 ")
        assert answer.readline() == b"\r\n"

        def send(body: bytes) -> int:
            line.sendall(body)
            return int(answer.readline().split()[1])

        yield send

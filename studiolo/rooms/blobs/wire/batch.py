"""Blob Batch: many deletes, or changes of tier, in one request. Every part is a call with its own credential and decision.

Source: Blob service REST, "Blob Batch": a body `multipart/mixed` of at most 256 `application/http` parts.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from studiolo.kernel.faults import Fault, Invalid
from studiolo.rooms.blobs.domain.blob import MIB
from studiolo.rooms.blobs.wire.headers import version_of
from studiolo.rooms.blobs.wire.visits import Door
from studiolo.wire.http import Answer, Call, Permit

_MAX_PARTS = 256
_MAX_BYTES = 4 * MIB
_BOUNDARY = re.compile(r'multipart/mixed;.*boundary="?([^";]{1,70})"?', re.IGNORECASE)
_LINE = re.compile(r"(DELETE|PUT) (\S+) HTTP/1\.1")


class Batch:
    """Takes a request apart, has each part answered and counted as if it had come alone, and binds the answers together."""

    def __init__(self, door: Door, answer: Callable[[Call], Awaitable[Answer]], render: Callable[[Fault, Call], Answer]) -> None:
        """`answer` and `render` are the surface's own."""
        self._door = door
        self._answer = answer
        self._render = render

    async def submit(self, call: Call, _: Permit, __: dict[str, str]) -> Answer:
        """Submit Batch."""
        visit = await self._door.enter(call)  # who sends a batch must be somebody, though each part decides by itself
        call.charge(visit.credential.caller)
        match = _BOUNDARY.match(call.headers.get("content-type", ""))
        if match is None:
            raise _malformed("its Content-Type is not multipart/mixed with a boundary")
        parts = _parts(await call.body(_MAX_BYTES), match[1])
        boundary = f"batchresponse_{call.request_id}"
        said = [f"--{boundary}\r\n{_bound(number, await self._answered(call, text))}" for number, text in parts]
        body = "".join([*said, f"--{boundary}--\r\n"]).encode()
        return Answer(202, body, [("content-type", f"multipart/mixed; boundary={boundary}"), ("x-ms-version", version_of(call))])

    async def _answered(self, call: Call, text: str) -> Answer:
        head, *lines = text.split("\r\n")
        match = _LINE.fullmatch(head)
        if match is None:
            raise _malformed("a part is no DELETE or PUT request")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        try:
            url = urlsplit(match[2])
        except ValueError:
            raise _malformed("a part names no address") from None
        if match[1] == "PUT" and "comp=tier" not in url.query:
            raise _malformed("a part is neither a delete nor a change of tier")
        headers.setdefault("x-ms-version", version_of(call))
        part = Call(
            match[1],
            call.host,
            call.port,
            url.path,
            url.path,
            url.query,
            headers,
            _empty,
            call.request_id,
            call.client,
            call.scheme,
            call.rates,
        )
        answer = await self._answer(part)
        if answer.status == 401 and call.rates is not None and (refusal := call.rates.note_stranger(call.client)) is not None:
            return self._render(refusal, part)
        return answer


def _parts(raw: bytes, boundary: str) -> list[tuple[str, str]]:
    """Content ids and request texts."""
    try:
        pieces = raw.decode("utf-8").split(f"--{boundary}")
    except UnicodeDecodeError:
        raise _malformed("it is not UTF-8") from None
    if len(pieces) < 3 or not pieces[-1].startswith("--"):
        raise _malformed("its last boundary is missing")
    if len(pieces) - 2 > _MAX_PARTS:
        raise Invalid(f"A batch can have {_MAX_PARTS} parts; this one has {len(pieces) - 2}.", code="ExceedsMaxBatchRequestCount")
    found: list[tuple[str, str]] = []
    for number, piece in enumerate(pieces[1:-1]):
        head, gap, request = piece.strip("\r\n").partition("\r\n\r\n")
        if not gap:
            raise _malformed("a part has no request")
        ids = [line.partition(":")[2].strip() for line in head.split("\r\n") if line.lower().startswith("content-id:")]
        found.append((ids[0] if ids else str(number), request))
    return found


def _bound(number: str, answer: Answer) -> str:
    body = answer.body.decode() if isinstance(answer.body, bytes) else ""
    head = ["Content-Type: application/http", f"Content-ID: {number}", "", f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    head += [f"{name}: {value}" for name, value in answer.headers]
    return "\r\n".join([*head, f"content-length: {len(body.encode())}", "", body, ""])


async def _empty() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


def _malformed(why: str) -> Invalid:
    return Invalid(f"The batch cannot be read: {why}.", code="InvalidInput")

"""An answer's way out: its head made in one piece, its body whole or in parts.

A server that offers the ASGI extension `studiolo.head` takes a head as ready bytes; any other is told it field by field.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from studiolo.wire.http import Answer, Call
from studiolo.wire.safety import SAFETY, USUAL_SAFETY

HEAD: Final = "studiolo.head"
BEGIN: Final = "begin"
"""What the extension offers under this name takes the status, the fields (each ended by CRLF), and the length of the body; None
where that is not known."""
Send = Callable[[dict[str, Any]], Awaitable[None]]
Head = Callable[[int, bytes, int | None], None]
# Not for loopback's names: a browser would then refuse every other plain server on this machine for a year.
_TLS_ONLY: Final = "strict-transport-security: max-age=31536000\n"
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_TOO_SLOW: Final = 408
_CLOSE: Final = "connection: close\n"
_WITHOUT_BODY: Final = (204, 304)
# What no field may hold (RFC 9110, 5.5), but for the line feed that stands between ours.
_FORBIDDEN: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_USUAL: Final = {name: f"{name}: {value}\n" for name, value in USUAL_SAFETY}
_SAFETY: Final = "".join(f"{name}: {value}\n" for name, value in SAFETY)
_ALL_SAFETY: Final = _SAFETY + "".join(_USUAL.values())


async def write(answer: Answer, call: Call, extensions: Mapping[str, Any] | None, send: Send) -> None:
    """Send an answer.

    Raises:
        ValueError: a field holds a control character; nothing was sent.
    """
    text, length = _fields(answer, call)
    if extensions is not None and HEAD in extensions:
        begin: Head = extensions[HEAD][BEGIN]
        begin(answer.status, text.replace("\n", "\r\n").encode("latin-1"), length)
    else:
        lines = [line.partition(b": ") for line in text.encode("latin-1").split(b"\n")[:-1]]
        headers = [(name, value) for name, _, value in lines]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    body = answer.body
    if isinstance(body, bytes):
        await send({"type": "http.response.body", "body": b"" if call.method == "HEAD" else body})
        return
    async for piece in body:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _fields(answer: Answer, call: Call) -> tuple[str, int | None]:
    """All fields of an answer's head, a line each, and the length of the body; None if that is not known."""
    request_id = call.request_id
    headers = [*answer.headers, ("x-ms-request-id", request_id), ("x-ms-correlation-request-id", call.correlation_id)]
    if "x-ms-client-request-id" in call.headers:
        headers.append(("x-ms-client-request-id", call.headers["x-ms-client-request-id"]))
    named = dict(headers)
    length = _length(answer, named)
    if length is not None and "content-length" not in named and answer.status not in _WITHOUT_BODY:
        headers.append(("content-length", str(length)))
    text = "".join([f"{name}: {value}\n" for name, value in headers])
    # Most fields are printable, and asking that is much quicker than looking for what is forbidden.
    if text.count("\n") != len(headers) or not (text.replace("\n", "").isprintable() or _FORBIDDEN.search(text) is None):
        msg = f"a field of the answer to {request_id} holds a control character"
        raise ValueError(msg)
    if named.keys().isdisjoint(_USUAL):
        text += _ALL_SAFETY
    else:
        text += _SAFETY + "".join([line for name, line in _USUAL.items() if name not in named])
    if not call.host.endswith(_LOOPBACK):
        text += _TLS_ONLY
    return (text + _CLOSE if answer.status == _TOO_SLOW else text), length


def _length(answer: Answer, named: Mapping[str, str]) -> int | None:
    declared = named.get("content-length")
    if declared is not None:
        return int(declared)
    return len(answer.body) if isinstance(answer.body, bytes) else None

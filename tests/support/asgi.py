"""Calls an ASGI application in this process, without a socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import msgspec

Application = Callable[
    [dict[str, Any], Callable[[], Awaitable[dict[str, Any]]], Callable[[dict[str, Any]], Awaitable[None]]], Awaitable[None]
]

_MANY = frozenset({"set-cookie"})
"""Fields that an answer may hold more than once."""


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: tuple[str, ...] = ()

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        """The code of the error that came back."""
        return self.json()["error"]["code"]


async def call(
    application: Application,
    method: str,
    url: str,
    *,
    body: bytes | dict[str, Any] = b"",
    headers: dict[str, str] | None = None,
    host: str = "localhost:8443",
    pieces: Iterable[bytes] | None = None,
    is_cut: bool = False,
    client: str = "127.0.0.1",
) -> Reply:
    """One request. `pieces` sends the body in parts; `is_cut` ends the connection before the body is whole."""
    path, _, query = url.partition("?")
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    parts = list(pieces) if pieces is not None else [raw]
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": part, "more_body": is_cut or n < len(parts) - 1} for n, part in enumerate(parts)
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "scheme": "https",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", host.encode()), *((k.lower().encode(), v.encode()) for k, v in (headers or {}).items())],
        "client": (client, 1),
    }
    await application(scope, receive, send)
    start = sent[0]
    pairs = [(k.decode(), v.decode()) for k, v in start["headers"]]
    cookies = tuple(value for name, value in pairs if name == "set-cookie")
    names = [name for name, _ in pairs if name not in _MANY]
    assert len(names) == len(set(names)), f"a field stands twice: {names}"
    return Reply(start["status"], dict(pairs), b"".join(message["body"] for message in sent[1:]), cookies)

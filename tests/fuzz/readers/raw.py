"""What a reader gets, made of bytes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, TypeVar

from studiolo.kernel.faults import Fault
from studiolo.wire.http import Call

T = TypeVar("T")


def text(raw: bytes) -> str:
    """Bytes as a caller's text: what is not UTF-8 becomes lone surrogates, which Python's own JSON can bring as well."""
    return raw.decode("utf-8", "surrogateescape")


def plain(raw: bytes) -> str:
    """Bytes as text that came in JSON or in a form: neither can hold lone surrogates."""
    return raw.decode("utf-8", "replace")


def query(raw: bytes) -> Mapping[str, str]:
    """Bytes as the parameters of a query."""
    return call(raw.decode("latin-1")).query()


def call(raw_query: str = "", *, method: str = "GET", headers: dict[str, str] | None = None, body: bytes = b"") -> Call:
    """A call that came over the wire."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Call(method, "localhost", 443, "/", "/", raw_query, headers or {}, receive, "1")


def head(raw: bytes) -> dict[str, str]:
    """Lines as header fields, as a server hands them on: names in small letters, values in Latin-1."""
    lines = [line.partition(b":") for line in raw.split(b"\n") if line]
    return {name.decode("latin-1").strip().lower(): value.decode("latin-1").strip() for name, _, value in lines}


def finished(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine comes to that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    finally:
        work.close()
    msg = "it waits"
    raise AssertionError(msg)


def each(reads: Iterable[Callable[[], object]]) -> None:
    """Let every reader read, also behind one that refused; the first refusal is raised at the end."""
    refused: Fault | None = None
    for read in reads:
        try:
            read()
        except Fault as fault:
            check(fault)
            refused = refused or fault
    if refused is not None:
        raise refused


def check(fault: Fault) -> None:
    """A fault is an answer, and has a text and a code."""
    assert fault.message
    assert fault.code
    assert len(fault.message) < 20_000

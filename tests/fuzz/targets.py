"""What is fuzzed: everything that reads bytes or text which a stranger wrote.

Each target takes bytes; a `Fault` is an answer, all else is a finding.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from studiolo.kernel import ids
from studiolo.kernel.access.ask import Ask
from studiolo.kernel.access.conditions import check_condition, read_condition
from studiolo.kernel.access.patterns import Pattern, action_key
from studiolo.kernel.access.scopes import prefixes, scope_key
from studiolo.kernel.faults import Fault
from studiolo.rooms.authentication.domain import tokens
from studiolo.rooms.authentication.service import signing
from studiolo.rooms.authorization.domain import assignments
from studiolo.rooms.authorization.service import access
from studiolo.rooms.blobs.domain import sas
from studiolo.rooms.blobs.domain.names import address
from studiolo.rooms.blobs.schema import texts
from studiolo.rooms.blobs.wire import batch
from studiolo.rooms.directory.domain import graph, principals
from studiolo.rooms.models.schema.chat import read_chat, read_completion
from studiolo.rooms.models.schema.embeddings import read_embeddings
from studiolo.rooms.templates.domain.expressions import parse
from studiolo.rooms.templates.domain.values import Misuse
from studiolo.wire.http import Call, read_json_object
from tests.rooms.templates.planning import plan

CORPUS = Path(__file__).parent / "corpus"
VALUES: dict[str, object] = {"x:y": ["a", "b"], "a:b": "x", "x:n": 7}


def text(raw: bytes) -> str:
    """Bytes as a caller's text: what is not UTF-8 becomes lone surrogates, which JSON can bring as well."""
    return raw.decode("utf-8", "surrogateescape")


def query(raw: bytes) -> Mapping[str, str]:
    return call(raw).query()


def call(raw: bytes) -> Call:
    async def nothing() -> dict[str, Any]:
        return {"type": "http.request"}

    return Call("GET", "localhost", 443, "/", "/", raw.decode("latin-1"), {}, nothing, "1")


def condition(raw: bytes) -> None:
    written = text(raw)
    found = read_condition(written)
    ask = Ask("alice", "a/read", "/", sub_operations=("Blob.List",), resource=VALUES, request=VALUES)
    assert found.evaluate(ask) in {True, False, None}
    assert not found.problem or found.evaluate(ask) is None
    found.obstacles(ask)
    check_condition(written)


def scope(raw: bytes) -> None:
    key = scope_key(text(raw))
    assert scope_key(key) == key
    assert len(prefixes(key)) <= key.count("/")


def pattern(raw: bytes) -> None:
    """The first line is the pattern, the second the action."""
    wanted, _, action = text(raw).partition("\n")
    found = Pattern(wanted)
    found.matches(action_key(action))


def arm_id(raw: bytes) -> None:
    found = ids.split(text(raw))
    if isinstance(found, ids.ResourceId):
        assert str(ids.parse(str(found))) == str(found)


def blob_url(raw: bytes) -> None:
    found = address(raw.decode("latin-1"))
    for part in (found.container, *found.blob.split("/")):
        assert part not in {".", ".."}
    assert "\\" not in found.blob


def signature(raw: bytes) -> None:
    found = sas.read(query(raw))
    signed = sas.text_to_sign(found, "hubsa", "ws1-azureml", "a b/c.txt", {}, {})
    assert not sas.is_signed_with("AAAA", signed, found.get("sig"))


def token(raw: bytes) -> None:
    header, claims = signing._parts(text(raw))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - before any key is looked for
    tokens.check_header(header)
    tokens.check_claims(claims, tokens.Issuer("https://studiolo.test", "11111111-1111-1111-1111-111111111111"), 1_700_000_000.0)


def json_body(raw: bytes) -> None:
    read_json_object(raw)


def template(raw: bytes) -> None:
    plan(dict(read_json_object(raw)))


def expression(raw: bytes) -> None:
    with contextlib.suppress(Misuse):
        parse(text(raw))


def batch_body(raw: bytes) -> None:
    """The first line is the boundary."""
    boundary, _, body = raw.partition(b"\n")
    for _, part in batch._parts(body, boundary.decode("latin-1").strip() or "b"):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        assert isinstance(part, str)


def filters(raw: bytes) -> None:
    asked = {"$filter": text(raw)}
    for reads in (assignments.wanted, principals.finds, access._role_filter):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        with contextlib.suppress(Fault):
            reads(asked)
    for kind in graph.KINDS.values():
        with contextlib.suppress(Fault):
            graph.read_filter(kind, asked["$filter"])


def xml(raw: bytes) -> None:
    with contextlib.suppress(Fault):
        list(texts.read_block_list(raw))
    for reads in (texts.read_tags, texts.read_key_info):
        with contextlib.suppress(Fault):
            reads(raw)


def model_calls(raw: bytes) -> None:
    for reads in (read_chat, read_completion, read_embeddings):
        with contextlib.suppress(Fault):
            reads(raw)


def parameters(raw: bytes) -> None:
    query(raw)


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each
    for each in (
        *(condition, scope, pattern, arm_id, blob_url, signature, token, json_body, template, expression, batch_body, filters, xml),
        *(model_calls, parameters),
    )
}


def feed(name: str, raw: bytes) -> None:
    """Give bytes to a target; a fault is an answer, and has a text and a code."""
    fault: Fault | None = None
    try:
        TARGETS[name](raw)
    except Fault as raised:
        fault = raised
    if fault is not None:
        assert fault.message
        assert fault.code
        assert len(fault.message) < 20_000


@functools.cache
def seeds(name: str) -> list[bytes]:
    """The corpus of a target: texts in a JSON list."""
    found: list[str] = msgspec.json.decode((CORPUS / f"{name}.json").read_bytes())
    return [each.encode("utf-8", "surrogateescape") for each in found]

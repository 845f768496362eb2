"""The languages that callers write in: conditions, scopes, patterns, ids, templates, filters, plain JSON and queries."""

# Readers are often private to what they belong to.
# ruff: noqa: SLF001
# pyright: reportPrivateUsage=false

from __future__ import annotations

import contextlib
from functools import partial

from studiolo.kernel import ids
from studiolo.kernel.access.ask import Ask
from studiolo.kernel.access.conditions import check_condition, read_condition
from studiolo.kernel.access.patterns import Pattern, action_key
from studiolo.kernel.access.scopes import prefixes, scope_key
from studiolo.kernel.control import lists
from studiolo.rooms.authorization.domain import assignments
from studiolo.rooms.authorization.service import access
from studiolo.rooms.authorization.service.reach import Page
from studiolo.rooms.blobs.domain.names import check_block_id, check_prefix
from studiolo.rooms.blobs.wire import containers
from studiolo.rooms.directory.domain import graph, principals
from studiolo.rooms.directory.service import graph as directory
from studiolo.rooms.records import domain as records
from studiolo.rooms.records.service import exports
from studiolo.rooms.templates.domain.expressions import parse
from studiolo.rooms.templates.domain.values import Misuse
from studiolo.wire.http import read_json_object
from tests.fuzz.readers.raw import each, query, text
from tests.rooms.templates.planning import plan

VALUES: dict[str, object] = {"x:y": ["a", "b"], "a:b": "x", "x:n": 7}


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
    above = prefixes(key)
    assert len(above) <= key.count("/")
    assert sum(map(len, above)) <= 1 << 23  # what a decision costs at least


def pattern(raw: bytes) -> None:
    """The first line is the pattern, the second the action."""
    wanted, _, action = text(raw).partition("\n")
    found = Pattern(wanted)
    found.matches(action_key(action))


def arm_id(raw: bytes) -> None:
    found = ids.split(text(raw))
    if isinstance(found, ids.ResourceId):
        assert str(ids.parse(str(found))) == str(found)


def json_body(raw: bytes) -> None:
    read_json_object(raw)


def template(raw: bytes) -> None:
    plan(dict(read_json_object(raw)))


def expression(raw: bytes) -> None:
    with contextlib.suppress(Misuse):
        parse(text(raw))


def filters(raw: bytes) -> None:
    asked = {"$filter": text(raw)}
    some = [partial(reads, asked) for reads in (assignments.wanted, principals.finds, access._role_filter)]
    each([*some, *(partial(graph.read_filter, kind, asked["$filter"]) for kind in graph.KINDS.values())])


def parameters(raw: bytes) -> None:
    query(raw)


def pages(raw: bytes) -> None:
    """A query that asks for a page of something: how much of it, and behind what."""
    asked = query(raw)
    get = asked.get
    each(
        [
            lambda: lists._number(asked, "$top", 1),
            lambda: lists._start(asked),
            lambda: lists._untoken(get("$skipToken", "")),
            lambda: directory._top(asked),
            lambda: Page(1, get("$skipToken")).start(),
            lambda: containers._page_size(asked),
            lambda: containers._behind(get("marker", "")),
            lambda: check_prefix(get("prefix", "")),
            lambda: check_block_id(get("blockid", "")),
            lambda: _record_lines(records.wanted(asked)),
            lambda: exports._read(get("$skipToken", "")),
        ]
    )


def _record_lines(wanted: records.Wanted) -> None:
    assert 0 < wanted.limit <= 1000
    for moment in (wanted.since, wanted.until):
        assert not moment or len(moment) == len("2027-01-31T00:00:00.000000Z")  # moments are compared as texts

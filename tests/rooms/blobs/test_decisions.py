"""What each storage call asks: its actions, sub-operations and attributes, as section 6 of the authorization specification has them.

A row gives a call and the questions that it asks. Each question is stated as a condition that pins every sub-operation
and every attribute that there is: with its value, or as missing. Under these conditions the call is let through; with
any one of their parts turned round, or without the action, it is refused. A new route needs a row, and so does every
action that a route declares.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import uuid4

import pytest
from azure.storage.blob import BlobBlock

from studiolo.kernel.access.decision import DenyAssignment, Permission, Role
from studiolo.wire.http import Guard, Route
from tests.rooms.blobs.studio import ACCOUNT, PROJECT, Client, Grant, Studio
from tests.rooms.blobs.wire import ask, asked_to_go_on
from tests.support.kernel import GROUP

_SERVICE = "Microsoft.Storage/storageAccounts/blobServices"
_CONTAINERS = f"{_SERVICE}/containers"
_BLOBS = f"{_CONTAINERS}/blobs"
READ, WRITE, ADD, DELETE = f"{_BLOBS}/read", f"{_BLOBS}/write", f"{_BLOBS}/add/action", f"{_BLOBS}/delete"
READ_TAGS, WRITE_TAGS = f"{_BLOBS}/tags/read", f"{_BLOBS}/tags/write"
READ_BOX, WRITE_BOX, DELETE_BOX = f"{_CONTAINERS}/read", f"{_CONTAINERS}/write", f"{_CONTAINERS}/delete"
INFO, PROPERTIES, DELEGATE = f"{_SERVICE}/getInfo/action", f"{_SERVICE}/read", f"{_SERVICE}/generateUserDelegationKey/action"

_NAME, _HNS = "@Resource[Microsoft.Storage/storageAccounts:name]", "@Resource[Microsoft.Storage/storageAccounts:isHnsEnabled]"
_BOX, _PATH, _CURRENT = f"@Resource[{_CONTAINERS}:name]", f"@Resource[{_BLOBS}:path]", f"@Resource[{_BLOBS}:isCurrentVersion]"
_PREFIX = f"@Request[{_BLOBS}:prefix]"
_SUB_OPERATIONS = ("Blob.List", "Blob.Write.WithTagHeaders", "Blob.Write.Tier")
_SOURCES = ("Resource", "Request")

STORED, SOURCE, BROUGHT = ("Stored", "old"), ("Source", "theirs"), ("Brought", "new")
_XML = b'<?xml version="1.0" encoding="utf-8"?>'
_TAGS = _XML + b"<Tags><TagSet><Tag><Key>Brought</Key><Value>new</Value></Tag></TagSet></Tags>"
_BLOCKS = _XML + b"<BlockList><Latest>QUFBQQ==</Latest></BlockList>"
_KEPT = _XML + b"<BlockList><Latest>S0VQVA==</Latest></BlockList>"
Tag: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class Question:
    """One decision. `{box}` in `path` and `container` is the test's container; `tags` are the stored ones, `brought` the request's."""

    action: str
    is_data: bool = True
    sub_operations: tuple[str, ...] = ()
    container: str = "{box}"
    path: str = ""
    tags: Tag | None = None
    prefix: str = ""
    brought: Tag | None = None

    def parts(self, box: str) -> Iterator[tuple[str, str]]:
        """Pairs of a text that is true of this question alone, and its contrary."""
        for name in _SUB_OPERATIONS:
            yield _turned(f"SubOperationMatches{{'{name}'}}", is_so=name in self.sub_operations)
        yield f"{_NAME} StringEquals '{ACCOUNT}'", f"{_NAME} StringNotEquals '{ACCOUNT}'"
        yield f"{_HNS} BoolEquals false", f"{_HNS} BoolEquals true"
        for attribute, value in ((_BOX, self.container.format(box=box)), (_PATH, self.path), (_PREFIX, self.prefix)):
            yield _text(attribute, value)
        yield (f"{_CURRENT} BoolEquals true", f"{_CURRENT} BoolEquals false") if self.path else _text(_CURRENT, "")
        for source, tag in zip(_SOURCES, (self.tags, self.brought), strict=True):
            key, value = tag or ("Stored", "")
            yield _text(f"@{source}[{_BLOBS}/tags:{key}<$key_case_sensitive$>]", value)

    def grant(self, parts: list[str]) -> Grant:
        """The action under these conditions and nothing else."""
        permission = Permission(data_actions=(self.action,)) if self.is_data else Permission(actions=(self.action,))
        return Grant(Role(str(uuid4()), "test", (permission,)), GROUP, " AND ".join(f"({part})" for part in parts))


def _turned(text: str, *, is_so: bool) -> tuple[str, str]:
    return (text, f"NOT ({text})") if is_so else (f"NOT ({text})", text)


def _text(attribute: str, value: str) -> tuple[str, str]:
    if not value:
        return f"NotExists {attribute}", f"Exists {attribute}"
    return f"{attribute} StringEquals '{value}'", f"{attribute} StringNotEquals '{value}'"


@dataclass(frozen=True)
class Row:
    """A call of a route with the questions that it asks; `/box` in the target, the headers and the body is the test's container."""

    route: str
    target: str
    asks: tuple[Question, ...]
    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""

    @property
    def method(self) -> str:
        return self.route.partition(" ")[0]

    def send(self, studio: Studio, box: str, who: str) -> int:
        """The status that the call is answered with; of a batch, its part's."""
        url = studio.url()
        headers = {name: value.format(url=url, box=box) for name, value in self.headers.items()}
        body = self.body.replace(b"{box}", box.encode()).replace(b"{who}", who.encode())
        reply = ask(studio, self.method, self.target.format(box=box), {**headers, "authorization": f"Bearer token-{who}"}, body)
        inner = re.search(rb"HTTP/1.1 (\d+)", reply.body)
        return int(inner[1]) if reply.status == 202 and inner else reply.status


_BLOB, _NEW = "/{container}/{blob:path}", "dir/new"
_PUT = {"x-ms-blob-type": "BlockBlob"}
_FROM = {"x-ms-copy-source": "{url}/{box}/dir/source"}
_PART = (
    b"--b\r\nContent-Type: application/http\r\n\r\nDELETE /{box}/dir/there HTTP/1.1\r\nauthorization: Bearer token-{who}\r\n"
    b"content-length: 0\r\n\r\n--b--\r\n"
)
_BATCH = {"content-type": "multipart/mixed; boundary=b"}
_LIST = "?restype=container&comp=list"


def there(action: str, **more: Any) -> Question:
    """A question about the blob that is there, with its tags."""
    return Question(action, path="dir/there", tags=STORED, **more)


def new(action: str, **more: Any) -> Question:
    return Question(action, path=_NEW, **more)


def control(action: str, container: str = "{box}") -> Question:
    return Question(action, is_data=False, container=container)


_SOURCE = Question(READ, path="dir/source", tags=SOURCE)
_WITH_TAGS, _TIER = ("Blob.Write.WithTagHeaders",), ("Blob.Write.Tier",)
_KEY_INFO = (
    f"<KeyInfo><Start>{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}</Start>"
    f"<Expiry>{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}</Expiry></KeyInfo>"
).encode()

ROWS = (
    # reads of a blob
    Row(f"GET {_BLOB}", "/{box}/dir/there", (there(READ),), 200),
    Row(f"HEAD {_BLOB}", "/{box}/dir/there", (there(READ),), 200),
    Row(f"GET {_BLOB}?comp=blocklist", "/{box}/dir/there?comp=blocklist", (there(READ),), 200),
    Row(f"GET {_BLOB}?comp=tags", "/{box}/dir/there?comp=tags", (there(READ_TAGS),), 200),
    Row(f"GET {_BLOB}", "/{box}/dir/there/", (Question(READ, path="dir/there"),), 404),
    # writes over one that is there, and of one that is not
    Row(f"PUT {_BLOB}", "/{box}/dir/there", (there(WRITE),), 201, _PUT, b"x"),
    Row(f"PUT {_BLOB}", "/{box}/dir/new", (new(WRITE),), 201, _PUT, b"x"),
    Row(f"PUT {_BLOB}", "/{box}/dir/new", (new(ADD),), 201, _PUT, b"x"),
    Row(f"PUT {_BLOB}", "/{box}/dir/there", (there(WRITE, sub_operations=_TIER),), 201, {**_PUT, "x-ms-access-tier": "Cool"}, b"x"),
    Row(
        f"PUT {_BLOB}",
        "/{box}/dir/there",
        (there(WRITE, sub_operations=_WITH_TAGS, brought=BROUGHT), there(WRITE_TAGS, brought=BROUGHT)),
        201,
        {**_PUT, "x-ms-tags": "Brought=new"},
        b"x",
    ),
    Row(
        f"PUT {_BLOB}",
        "/{box}/dir/new",
        (new(ADD, sub_operations=_WITH_TAGS + _TIER, brought=BROUGHT), new(WRITE_TAGS, brought=BROUGHT)),
        201,
        {**_PUT, "x-ms-tags": "Brought=new", "x-ms-access-tier": "Cool"},
        b"x",
    ),
    Row(f"PUT {_BLOB}?comp=block", "/{box}/dir/there?comp=block&blockid=QUFBQQ==", (there(WRITE),), 201, body=b"x"),
    Row(f"PUT {_BLOB}?comp=block", "/{box}/dir/new?comp=block&blockid=QUFBQQ==", (new(ADD),), 201, body=b"x"),
    Row(f"PUT {_BLOB}?comp=block", "/{box}/dir/new?comp=block&blockid=QUFBQQ==", (new(WRITE), _SOURCE), 201, _FROM),
    Row(f"PUT {_BLOB}?comp=blocklist", "/{box}/dir/there?comp=blocklist", (there(WRITE),), 201, body=_BLOCKS),
    Row(f"PUT {_BLOB}?comp=blocklist", "/{box}/dir/new?comp=blocklist", (new(ADD),), 201, body=_BLOCKS.replace(b"QUFBQQ==", b"TkVXMQ==")),
    Row(
        f"PUT {_BLOB}?comp=blocklist",
        "/{box}/dir/there?comp=blocklist",
        (there(WRITE, sub_operations=_WITH_TAGS, brought=BROUGHT), there(WRITE_TAGS, brought=BROUGHT)),
        201,
        {"x-ms-tags": "Brought=new"},
        _BLOCKS,
    ),
    Row(f"PUT {_BLOB}?comp=blocklist", "/{box}/dir/there?comp=blocklist", (there(WRITE), there(READ)), 201, body=_KEPT),
    Row(
        f"PUT {_BLOB}?comp=blocklist",
        "/{box}/dir/there?comp=blocklist",
        (there(WRITE), there(READ)),
        201,
        body=_KEPT.replace(b"Latest>", b"Committed>"),
    ),
    Row(
        f"PUT {_BLOB}?comp=blocklist",
        "/{box}/dir/there?comp=blocklist",
        (there(WRITE, sub_operations=_WITH_TAGS, brought=BROUGHT), there(WRITE_TAGS, brought=BROUGHT), there(READ)),
        201,
        {"x-ms-tags": "Brought=new"},
        _KEPT,
    ),
    Row(
        f"PUT {_BLOB}?comp=blocklist",
        "/{box}/dir/there?comp=blocklist",
        (there(WRITE),),
        201,
        body=_BLOCKS.replace(b"Latest>", b"Uncommitted>"),
    ),
    # copies: the source and the target each with their own attributes
    Row(f"PUT {_BLOB}", "/{box}/dir/there", (there(WRITE), _SOURCE), 202, _FROM),
    Row(f"PUT {_BLOB}", "/{box}/dir/new", (new(ADD), _SOURCE), 201, {**_FROM, **_PUT}),
    Row(
        f"PUT {_BLOB}",
        "/{box}/dir/there",
        (there(WRITE, sub_operations=_WITH_TAGS, brought=BROUGHT), there(WRITE_TAGS, brought=BROUGHT), _SOURCE),
        202,
        {**_FROM, "x-ms-tags": "Brought=new", "x-ms-requires-sync": "true"},
    ),
    Row(f"PUT {_BLOB}?comp=copy", "/{box}/dir/there?comp=copy&copyid=1", (there(WRITE),), 409, {"x-ms-copy-action": "abort"}),
    Row(f"PUT {_BLOB}?comp=copy", "/{box}/dir/new?comp=copy&copyid=1", (new(ADD),), 409, {"x-ms-copy-action": "abort"}),
    # changes to one that is there
    Row(f"PUT {_BLOB}?comp=metadata", "/{box}/dir/there?comp=metadata", (there(WRITE),), 200, {"x-ms-meta-a": "b"}),
    Row(f"PUT {_BLOB}?comp=properties", "/{box}/dir/there?comp=properties", (there(WRITE),), 200),
    Row(f"PUT {_BLOB}?comp=tags", "/{box}/dir/there?comp=tags", (there(WRITE_TAGS, brought=BROUGHT),), 204, body=_TAGS),
    Row(f"PUT {_BLOB}?comp=tier", "/{box}/dir/there?comp=tier", (there(WRITE, sub_operations=_TIER),), 200, {"x-ms-access-tier": "Cool"}),
    Row(f"DELETE {_BLOB}", "/{box}/dir/there", (there(DELETE),), 202),
    Row("POST /?comp=batch", "/?comp=batch", (there(DELETE),), 202, _BATCH, _PART),
    Row("POST /{container}?restype=container&comp=batch", "/{box}?restype=container&comp=batch", (there(DELETE),), 202, _BATCH, _PART),
    # lists of blobs: the container and the prefix, never a path
    Row(f"GET /{{container}}{_LIST}", "/{box}" + _LIST, (Question(READ, sub_operations=("Blob.List",)),), 200),
    Row(
        f"GET /{{container}}{_LIST}",
        "/{box}" + _LIST + "&prefix=dir/",
        (Question(READ, sub_operations=("Blob.List",), prefix="dir/"),),
        200,
    ),
    Row(
        f"GET /{{container}}{_LIST}",
        "/{box}" + _LIST + "&prefix=dir/&include=metadata,tags",
        (Question(READ, sub_operations=("Blob.List",), prefix="dir/"), Question(READ_TAGS)),
        200,
    ),
    Row(f"GET {_BLOB}{_LIST}", "/{box}/dir" + _LIST + "&prefix=th", (Question(READ, sub_operations=("Blob.List",), prefix="dir/th"),), 200),
    Row(
        f"GET {_BLOB}{_LIST}",
        "/{box}/dir" + _LIST + "&include=tags",
        (Question(READ, sub_operations=("Blob.List",), prefix="dir/"), Question(READ_TAGS)),
        200,
    ),
    # containers and the service
    Row("GET /{container}?restype=container", "/{box}?restype=container", (control(READ_BOX),), 200),
    Row("HEAD /{container}?restype=container", "/{box}?restype=container", (control(READ_BOX),), 200),
    Row("PUT /{container}?restype=container&comp=metadata", "/{box}?restype=container&comp=metadata", (control(WRITE_BOX),), 200),
    Row("PUT /{container}?restype=container", "/{box}-2?restype=container", (control(WRITE_BOX, "{box}-2"),), 201),
    Row("DELETE /{container}?restype=container", "/{box}?restype=container", (control(DELETE_BOX),), 202),
    Row("GET /?comp=list", "/?comp=list", (control(READ_BOX, ""),), 200),
    Row("GET /?restype=service&comp=properties", "/?restype=service&comp=properties", (control(PROPERTIES, ""),), 200),
    Row("GET /?restype=account&comp=properties", "/?restype=account&comp=properties", (control(INFO, ""),), 200),
    Row("GET /{container}?restype=account&comp=properties", "/{box}?restype=account&comp=properties", (control(INFO),), 200),
    Row(f"GET {_BLOB}?restype=account&comp=properties", "/{box}/dir/there?restype=account&comp=properties", (control(INFO),), 200),
    Row(
        "POST /?restype=service&comp=userdelegationkey",
        "/?restype=service&comp=userdelegationkey",
        (control(DELEGATE, ""),),
        200,
        body=_KEY_INFO,
    ),
)


def label(route: Route) -> str:
    query = "&".join(f"{name}={value}" for name, value in route.query.items())
    return f"{route.method} {route.path}" + (f"?{query}" if query else "")


@pytest.fixture
def box(studio: Studio) -> Client:
    """A container with a tagged blob of one block, one to copy from, and blocks that wait."""
    made = studio.container(f"{PROJECT}-{uuid4().hex[:8]}")
    made.create_container()
    made.upload_blob("dir/source", b"bytes", tags=dict([SOURCE]))
    blob = made.get_blob_client("dir/there")
    blob.stage_block("KEPT", b"bytes")
    blob.commit_block_list([BlobBlock("KEPT")], tags=dict([STORED]))
    for name, block in (("dir/there", "QUFBQQ=="), ("dir/new", "TkVXMQ==")):
        reply = ask(studio, "PUT", f"/{made.container_name}/{name}?comp=block&blockid={block}", body=b"staged")
        assert reply.status == 201
    return made


def test_every_route_and_every_action_that_it_declares_has_a_row(studio: Studio) -> None:
    (surface,) = studio.room.surfaces
    declared = {label(route): route.guard for route in surface.routes}
    assert {row.route for row in ROWS} == declared.keys()
    for name, guard in declared.items():
        if isinstance(guard, Guard):
            asked = [question for row in ROWS if row.route == name for question in row.asks]
            assert {question.action for question in asked} == set(guard.actions), name
            assert {question.is_data for question in asked} == {guard.is_data}, name


@pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: f"{row.method} {row.target} {'+'.join(q.action.rpartition('blobServices/')[2] for q in row.asks)}"
)
def test_each_call_asks_what_the_specification_says(studio: Studio, box: Client, row: Row) -> None:
    who, name = str(uuid4()), box.container_name
    texts = [list(question.parts(name)) for question in row.asks]

    def allow(*, without: int | None = None, turned: tuple[int, int] | None = None) -> None:
        grants = [
            question.grant([pair[turned == (at, number)] for number, pair in enumerate(texts[at])])
            for at, question in enumerate(row.asks)
            if at != without
        ]
        studio.grants.set(who, *grants)

    for at in range(len(row.asks)):
        allow(without=at)
        assert row.send(studio, name, who) == 403, f"without {row.asks[at].action}"
        for number, (part, _) in enumerate(texts[at]):
            allow(turned=(at, number))
            assert row.send(studio, name, who) == 403, f"not only where {part}"
    allow()
    assert row.send(studio, name, who) == row.status


@pytest.mark.parametrize(
    "row", [row for row in ROWS if any(q.tags == STORED for q in row.asks)], ids=lambda row: f"{row.method} {row.target}"
)
def test_what_is_denied_of_tagged_blobs_is_denied_by_every_call(studio: Studio, box: Client, row: Row) -> None:
    """A denial that asks whether a tag is there: unread, it would not be."""
    who = str(uuid4())
    studio.grants.set(who, Grant("Storage Blob Data Owner", GROUP))
    where = f"Exists @Resource[{_BLOBS}/tags:Stored<$key_case_sensitive$>]"
    studio.grants.deny(who, DenyAssignment("d", GROUP, (who,), (Permission(data_actions=("*",)),), condition=where))
    assert row.send(studio, box.container_name, who) == 403
    box.get_blob_client("dir/there").set_blob_tags({"Other": "x"})
    assert row.send(studio, box.container_name, who) == row.status


def test_a_write_is_not_done_to_a_blob_that_was_tagged_after_its_decision(studio: Studio, box: Client) -> None:
    who, blob = str(uuid4()), box.get_blob_client("dir/there")
    where = f"NotExists @Resource[{_BLOBS}/tags:Secret<$key_case_sensitive$>]"
    studio.grants.set(who, Grant("Storage Blob Data Contributor", GROUP, where))
    target, headers = f"/{box.container_name}/dir/there", {**_PUT, "authorization": f"Bearer token-{who}"}
    with asked_to_go_on(studio, target, {**headers, "content-length": "3"}) as send:
        blob.set_blob_tags({"Secret": "yes"})
        assert send(b"new") == 503  # a server that is busy: clients try again, and then it is another decision
    assert ask(studio, "PUT", target, headers, b"new").status == 403
    assert blob.download_blob().readall() == b"bytes"
    blob.set_blob_tags({"Secrecy": "no"})
    with asked_to_go_on(studio, target, {**headers, "content-length": "3"}) as send:
        assert send(b"new") == 201

"""The store: one commit or none, expectations, and order."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from studiolo.kernel.faults import Stale
from studiolo.kernel.store import (
    ABSENT,
    DropEntry,
    DropPayload,
    DropResource,
    DropSpace,
    Emit,
    Entry,
    Lines,
    PutEntry,
    PutPayload,
    PutResource,
    Row,
    Write,
)
from studiolo.kernel.store.sqlite import SqliteStore

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "studiolo.db")
    yield opened
    await opened.close()


def row(key: str, *, etag: str = "1", type_name: str = "x/things", created: str = "2026-01-01") -> Row:
    return Row(key, type_name, key.rsplit("/", 1)[0], etag, b'{"id":"%s"}' % key.encode(), None, created)


async def test_what_was_acknowledged_is_there_after_reopening(tmp_path: Path) -> None:
    first = SqliteStore(tmp_path / "a.db")
    await first.commit(PutResource(row("/a/b/1")), PutEntry("s", Entry("k", "1", b"{}")))
    await first.close()
    second = SqliteStore(tmp_path / "a.db")
    assert await second.find("/a/b/1") == row("/a/b/1")
    assert await second.entry("s", "k") == Entry("k", "1", b"{}")
    await second.close()


async def test_a_failed_expectation_writes_nothing_of_its_commit(store: SqliteStore) -> None:
    await store.commit(PutResource(row("/a/b/1")))
    with pytest.raises(Stale):
        await store.commit(PutResource(row("/a/b/2")), PutResource(row("/a/b/1", etag="2"), expect=ABSENT))
    assert await store.find("/a/b/2") is None
    assert (await store.find("/a/b/1")) == row("/a/b/1")


async def test_only_one_of_many_racing_creators_wins(store: SqliteStore) -> None:
    results = await asyncio.gather(
        *(store.commit(PutResource(row("/a/b/1", etag=str(n)), expect=ABSENT)) for n in range(50)), return_exceptions=True
    )
    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, Stale) for result in results) == 49


async def test_a_spoilt_commit_does_not_spoil_those_beside_it(store: SqliteStore) -> None:
    await store.commit(PutPayload("p", b"1"))
    results = await asyncio.gather(
        store.commit(PutEntry("s", Entry("before", "1", b"{}"))),
        store.commit(PutPayload("p", b"twice")),
        store.commit(PutEntry("s", Entry("after", "1", b"{}"))),
        return_exceptions=True,
    )
    assert [isinstance(result, Exception) for result in results] == [False, True, False]
    assert [entry.key for entry in await store.entries("s")] == ["after", "before"]


async def test_pages_join_without_gap_or_overlap(store: SqliteStore) -> None:
    await store.commit(*(PutResource(row(f"/a/b/{n:03}")) for n in range(25)))
    keys: list[str] = []
    after: str | None = ""
    while after is not None:
        page = await store.page("/a/b", after=after, limit=10)
        keys += [found.key for found in page.rows]
        after = page.next
    assert keys == [f"/a/b/{n:03}" for n in range(25)]


async def test_below_sees_descendants_and_not_neighbours_with_a_longer_name(store: SqliteStore) -> None:
    await store.commit(
        PutResource(row("/a/rg1/x")), PutResource(row("/a/rg1/x/y/z")), PutResource(row("/a/rg10/x")), PutResource(row("/a/rg1-a/x"))
    )
    assert [found.key for found in (await store.below("/a/rg1")).rows] == ["/a/rg1/x", "/a/rg1/x/y/z"]


async def test_a_facet_follows_its_resource(store: SqliteStore) -> None:
    await store.commit(PutResource(row("/a/b/1"), facets=("red", "round")))
    assert [found.key for found in (await store.by_facet("x/things", "red")).rows] == ["/a/b/1"]
    await store.commit(PutResource(row("/a/b/1", etag="2"), facets=("round",)))
    assert (await store.by_facet("x/things", "red")).rows == []
    await store.commit(DropResource("/a/b/1", "x/things"))
    assert (await store.by_facet("x/things", "round")).rows == []


async def test_newest_orders_by_creation(store: SqliteStore) -> None:
    await store.commit(*(PutResource(row(f"/a/b/{name}", created=f"2026-01-0{n}")) for n, name in enumerate(("x", "c", "m"), 1)))
    newest = await store.by_age("/a/b", limit=2)
    assert [found.key for found in newest] == ["/a/b/m", "/a/b/c"]
    assert [found.key for found in await store.by_age("/a/b", limit=2, after=(newest[1].created, newest[1].key))] == ["/a/b/x"]
    oldest = await store.by_age("/a/b", limit=1, is_descending=False)
    assert [found.key for found in oldest] == ["/a/b/x"]
    onward = await store.by_age("/a/b", limit=5, after=(oldest[0].created, oldest[0].key), is_descending=False)
    assert [found.key for found in onward] == ["/a/b/c", "/a/b/m"]


async def test_entries_come_in_the_order_of_their_bytes(store: SqliteStore) -> None:
    names = ["a", "a/b", "a b", "ä", "Z", "\U0001f600", "a\U0010ffff"]
    await store.commit(*(PutEntry("s", Entry(name, "1", b"{}")) for name in names))
    assert [entry.key for entry in await store.entries("s")] == sorted(names, key=str.encode)
    assert [entry.key for entry in await store.entries("s", prefix="a", after="a b")] == ["a/b", "a\U0010ffff"]


async def test_entries_and_payloads_can_be_dropped(store: SqliteStore) -> None:
    await store.commit(PutEntry("s", Entry("a", "1", b"{}")), PutEntry("s", Entry("b", "1", b"{}")), PutPayload("p", b"x"))
    with pytest.raises(Stale):
        await store.commit(DropEntry("s", "a", expect="2"))
    await store.commit(DropEntry("s", "a", expect="1"), DropPayload("p"))
    assert [entry.key for entry in await store.entries("s")] == ["b"]
    assert await store.payload("p") is None
    await store.commit(DropSpace("s"))
    assert await store.entries("s") == []


async def test_lines_are_numbered_and_found_by_target(store: SqliteStore) -> None:
    await store.commit(Emit("t", "write", "Succeeded", "/a/1", "me", b"{}"), Emit("t", "write", "Succeeded", "/a/10", "me", b"{}"))
    await store.commit(Emit("t", "delete", "Succeeded", "/a/1/b", "me", b"{}"))
    assert [line.target for line in await store.lines(Lines(under="/a/1"))] == ["/a/1", "/a/1/b"]
    assert [line.seq for line in await store.lines(Lines(newest_first=True))] == [3, 2, 1]


async def test_listeners_hear_a_commit_before_its_caller_goes_on(store: SqliteStore) -> None:
    heard: list[Write] = []
    store.listen(heard.extend)
    write = PutEntry("s", Entry("a", "1", b"{}"))
    await store.commit(write)
    assert heard == [write]


async def test_the_ready_schema_is_what_the_migrations_make(tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    from studiolo.kernel.store.migrate import create, upgrade

    shapes: list[list[tuple[str, str, str]]] = []
    for name, make in (("ready", create), ("grown", upgrade)):
        make(tmp_path / name)
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            found = connection.execute(
                "select type, name, coalesce(sql, '') from sqlite_master where name not like 'sqlite_%' order by type, name"
            ).fetchall()
            shapes.append([(kind, title, " ".join(sql.split())) for kind, title, sql in found])
            assert connection.execute("select version_num from alembic_version").fetchone() is not None
    assert shapes[0] == shapes[1]


async def test_the_schema_is_what_the_code_declares(tmp_path: Path) -> None:
    import sqlalchemy as sa
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from studiolo.kernel.store.migrate import upgrade
    from studiolo.kernel.store.schema import metadata

    upgrade(tmp_path / "a.db")
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()

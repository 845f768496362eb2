"""The record: nobody edits, removes, adds, swaps or cuts off a line without being found out."""

import resource
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from studiolo.kernel.faults import Unavailable
from studiolo.kernel.store import CutRecord, DropEntry, DropResource, Emit, Lines, PutEntry, PutPayload, PutResource, Row
from studiolo.kernel.store.chain import Keeper, digest_of
from studiolo.kernel.store.head import Head
from studiolo.kernel.store.port import Entry, Line
from studiolo.kernel.store.sqlite import SqliteStore
from studiolo.kernel.store.verify import Report, Verifier

pytestmark = pytest.mark.anyio
KEY = b"k" * 32


class Outside:
    """A place outside the database."""

    def __init__(self) -> None:
        self.kept: bytes | None = None

    def load(self) -> bytes | None:
        return self.kept

    def save(self, data: bytes) -> None:
        self.kept = data


def told(number: int, kind: str = "change", at: str = "2026-01-01") -> Emit:
    return Emit(at, "x/write", "Succeeded", f"/a/{number}", "me", b'{"n":%d}' % number, kind=kind)


async def written(path: Path, keeper: Keeper | None, count: int = 10) -> None:
    store = SqliteStore(path, keeper)
    for number in range(1, count + 1):
        await store.commit(told(number))
    await store.close()


def verified(path: Path, keeper: Keeper | None, *, is_partial: bool = False) -> Report:
    with closing(sqlite3.connect(path)) as connection:
        lines = [Line._make(row) for row in connection.execute("select * from record order by seq")]
    verifier = Verifier(keeper.key if keeper else None, keeper.head() if keeper else None, is_partial=is_partial)
    return verifier.take_all(lines)


def tampered(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(sql)


@pytest.fixture
async def record(tmp_path: Path) -> tuple[Path, Keeper]:
    keeper = Keeper(KEY, Outside())
    await written(tmp_path / "a.db", keeper)
    return tmp_path / "a.db", keeper


async def test_a_record_that_nobody_touched_holds(record: tuple[Path, Keeper]) -> None:
    report = verified(*record)
    assert (report.finding, report.lines, report.first, report.last, report.losses) == (None, 10, 1, 10, [])


def _moved(line: int, to: int) -> str:
    return f"update record set seq = {to} where seq = {line}"  # noqa: S608 - two numbers of this file


_ADDED = (
    "insert into record select 11, id, at, action, status, target, 'you', kind, reason, deciding, version, request, doc, digest, digest, "
    "seal from record where seq = 10"
)


@pytest.mark.parametrize(
    ("sql", "line", "what"),
    [
        ("update record set caller = 'you' where seq = 4", 4, "edited"),
        ("update record set doc = x'ff' where seq = 4", 4, "edited"),
        ("update record set version = 'text' where seq = 4", 4, "edited"),
        ("update record set digest = x'00' where seq = 4", 4, "edited"),
        ("update record set previous = x'00' where seq = 4", 4, "edited"),
        ("update record set seal = zeroblob(32) where seq = 4", 4, "forged"),
        ("update record set seal = x'' where seq = 4", 4, "unsealed"),
        ("delete from record where seq = 4", 4, "missing"),
        ("delete from record where seq between 4 and 6", 4, "missing"),
        ("delete from record where seq <= 3", 1, "missing"),
        ("delete from record where seq >= 8", 8, "missing"),
        (f"{_moved(4, -1)}; {_moved(5, 4)}; {_moved(-1, 5)}", 4, "edited"),
        (_ADDED, 11, "edited"),
    ],
)
async def test_the_first_line_that_is_not_as_it_was_written_is_named(record: tuple[Path, Keeper], sql: str, line: int, what: str) -> None:
    tampered(record[0], sql)
    finding = verified(*record).finding
    assert finding is not None
    assert (finding.line, finding.what) == (line, what)


@contextmanager
def full_disk(path: Path) -> Generator[None]:
    """No file of this process can grow beyond what the write-ahead log has now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.with_name(f"{path.name}-wal").stat().st_size + 10_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def forge(path: Path, change: Callable[[Line], Line], *, keeps_seals: bool) -> None:
    """Change lines and make all digests anew, as whoever may write to the database but does not have the key can."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        previous = bytes(32)
        for row in connection.execute("select * from record order by seq").fetchall():
            line = change(Line._make(row))._replace(previous=previous)
            previous = digest_of(line)
            line = line._replace(digest=previous, seal=line.seal if keeps_seals else b"")
            connection.execute("insert or replace into record values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", line)


@pytest.mark.parametrize("keeps_seals", [True, False])
async def test_who_may_edit_every_row_cannot_make_the_chain_anew(record: tuple[Path, Keeper], keeps_seals: bool) -> None:
    forge(record[0], lambda line: line._replace(caller="you") if line.seq == 4 else line, keeps_seals=keeps_seals)
    assert verified(record[0], None).finding is None  # without the key there is nothing to see
    finding = verified(*record).finding
    assert finding is not None
    assert (finding.line, finding.what) == ((4, "forged") if keeps_seals else (10, "replaced"))


async def test_a_start_does_not_vouch_for_what_was_forged_while_the_studio_was_down(record: tuple[Path, Keeper]) -> None:
    forge(record[0], lambda line: line._replace(caller="you") if line.seq == 4 else line, keeps_seals=False)
    await (SqliteStore(*record)).close()
    finding = verified(*record).finding
    assert finding is not None
    assert finding.what == "unsealed"


async def test_a_record_that_was_cut_short_says_so_itself_at_the_next_start(record: tuple[Path, Keeper]) -> None:
    tampered(record[0], "delete from record where seq >= 8")
    await (SqliteStore(*record)).close()
    report = verified(*record)
    assert [(loss.line, loss.reason) for loss in report.losses] == [(8, "LinesMissing")]


async def test_a_head_that_somebody_made_up_vouches_for_nothing(record: tuple[Path, Keeper]) -> None:
    path, keeper = record
    assert keeper.witness is not None
    tampered(path, "delete from record where seq >= 8")
    last = bytes(sqlite3.connect(path).execute("select digest from record where seq = 7").fetchone()[0])
    keeper.witness.save(b'{"seq":7,"digest":"%s","at":"","seal":"00"}' % last.hex().encode())
    await (SqliteStore(path, keeper)).close()
    assert [loss.reason for loss in verified(path, keeper).losses] == ["WitnessMissing"]


async def test_lines_from_before_there_were_seals_are_adopted_once(tmp_path: Path) -> None:
    path, keeper = tmp_path / "a.db", Keeper(KEY, Outside())
    await written(path, None, 3)
    await written(path, keeper, 2)
    report = verified(path, keeper)
    assert (report.finding, report.lines) == (None, 6)
    tampered(path, "update record set caller = 'you' where seq = 2")
    assert verified(path, keeper).finding is not None


async def test_old_lines_are_cut_and_the_rest_still_holds(tmp_path: Path) -> None:
    path, keeper = tmp_path / "a.db", Keeper(KEY, Outside())
    store = SqliteStore(path, keeper)
    for number in range(1, 9):
        await store.commit(told(number, at=f"2026-01-0{number}"))
    await store.commit(CutRecord("2026-01-05", "2026-02-01", "me"))
    await store.commit(CutRecord("2026-01-05", "2026-02-01", "me"))  # nothing is left to cut
    assert [line.seq for line in await store.lines(Lines())] == [5, 6, 7, 8, 9]
    await store.commit(CutRecord("2027-01-01", "2026-02-02", "me"))
    await store.close()
    report = verified(path, keeper)
    assert (report.finding, report.cut_through) == (None, 8)
    tampered(path, "delete from record where seq = 9")
    found = verified(path, keeper).finding
    assert found is not None
    assert (found.line, found.what) == (1, "missing")


async def test_a_refused_commit_leaves_no_line_and_no_gap(tmp_path: Path) -> None:
    path, keeper = tmp_path / "a.db", Keeper(KEY, Outside())
    store = SqliteStore(path, keeper)
    await store.commit(told(1), PutPayload("p", b""))
    for _ in range(2):
        with pytest.raises(Unavailable):
            await store.commit(told(2), PutPayload("p", b"twice"))
    await store.commit(told(3))
    await store.close()
    report = verified(path, keeper)
    assert (report.finding, report.lines) == (None, 2)


async def test_a_full_disk_stops_the_record_and_space_lets_it_go_on(tmp_path: Path) -> None:
    path, keeper = tmp_path / "a.db", Keeper(KEY, Outside())
    store = SqliteStore(path, keeper)
    await store.commit(told(1))
    big = Emit("2026-01-01", "x/write", "Succeeded", "/a", "me", b'{"n":"' + b"x" * 100_000 + b'"}')
    with full_disk(path), pytest.raises(Unavailable, match="free disk space"):
        await store.commit(big, PutEntry("s", Entry("k", "1", b"{}")))
    assert await store.entry("s", "k") is None
    await store.commit(big)
    await store.close()
    report = verified(path, keeper)
    assert (report.finding, report.lines) == (None, 2)


async def test_lines_that_an_asker_did_not_see_are_counted_and_not_called_missing(record: tuple[Path, Keeper]) -> None:
    tampered(record[0], "delete from record where seq in (1, 4, 5)")
    report = verified(*record, is_partial=True)
    assert (report.finding, report.lines, report.unseen) == (None, 7, 2)


async def test_the_head_outside_is_written_at_a_clean_stop(tmp_path: Path) -> None:
    outside = Outside()
    await written(tmp_path / "a.db", Keeper(KEY, outside), 3)
    head = Keeper(KEY, outside).head()
    assert isinstance(head, Head)
    assert head.seq == 3


async def test_events_of_an_earlier_release_become_lines(tmp_path: Path) -> None:
    import sqlalchemy as sa
    from alembic import command
    from alembic.config import Config

    from studiolo.kernel.store import migrate

    path, keeper = tmp_path / "a.db", Keeper(KEY, Outside())
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    tampered(path, "insert into events (at, action, status, target, caller, doc) values ('t', 'x/write', 'Succeeded', '/a', 'me', x'7b7d')")
    store = SqliteStore(path, keeper)
    assert [(line.seq, line.kind, line.caller) for line in await store.lines(Lines(under="/a"))] == [(1, "change", "me")]
    await store.close()
    assert verified(path, keeper).finding is None


async def test_changes_of_rights_and_keys_are_told_even_where_their_writer_is_silent(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "a.db", Keeper(KEY, Outside()))
    assigned = Row(
        "/providers/microsoft.authorization/roleassignments/1", "microsoft.authorization/roleassignments", "/", "1", b"{}", None, ""
    )
    plain = Row("/x/1", "x/things", "/x", "1", b"{}", None, "")
    await store.commit(PutResource(assigned), PutResource(plain), PutEntry("keys", Entry("project/1", "1", b"{}")))
    await store.commit(DropResource(assigned.key, assigned.type), Emit("t", "x/delete", "Succeeded", assigned.key, "me", b"{}"))
    await store.commit(DropEntry("keys", "project/1"))
    assert [(line.action, line.target.rpartition("/")[2]) for line in await store.lines(Lines())] == [
        ("microsoft.authorization/roleassignments/write", "1"),
        ("Studiolo.Keys/keys/write", "1"),
        ("x/delete", "1"),
        ("Studiolo.Keys/keys/delete", "1"),
    ]
    await store.close()


async def test_two_who_write_to_one_record_make_one_chain(tmp_path: Path) -> None:
    path, keeper = tmp_path / "a.db", Keeper(KEY, Outside())
    one, other = SqliteStore(path, keeper), SqliteStore(path, keeper)
    for number in range(10):
        await one.commit(told(number))
        await other.commit(told(number))
    await one.close()
    await other.close()
    report = verified(path, keeper)
    assert (report.finding, report.lines) == (None, 20)


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("delete from record where seq >= 8", "LinesMissing"),
        ("delete from record where seq >= 9; update record set digest = zeroblob(32), seq = 10 where seq = 8", "LinesReplaced"),
    ],
    ids=["cut", "replaced"],
)
async def test_lines_that_go_while_the_studio_runs_are_told_with_its_next_one(tmp_path: Path, sql: str, reason: str) -> None:
    store = SqliteStore(tmp_path / "a.db", Keeper(KEY, Outside()))
    for number in range(1, 11):
        await store.commit(told(number))
    tampered(tmp_path / "a.db", sql)
    await store.commit(told(11))
    await store.commit(told(12))
    assert [line.reason for line in await store.lines(Lines(kinds=("loss",)))] == [reason]
    await store.close()

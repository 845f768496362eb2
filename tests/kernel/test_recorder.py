"""Decisions on the record: what a line says, what it never says, and how few lines a flood makes."""

import asyncio
import json
import resource
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from studiolo.kernel.faults import Forbidden, Unauthenticated
from studiolo.kernel.gate import Gate
from studiolo.kernel.record import MERGED, Asked, Recorder, clean
from studiolo.kernel.store import Line, Lines
from studiolo.kernel.store.sqlite import SqliteStore
from tests.support.kernel import GROUP, OWNER, STRANGER, WrittenGrants

pytestmark = pytest.mark.anyio
READ = "Microsoft.Resources/subscriptions/resourceGroups/read"
ASKED = Asked("GET", GROUP, "203.0.113.7")


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


class Bench:
    """A gate that records, and its record."""

    def __init__(self, path: Path) -> None:
        self.store = SqliteStore(path / "a.db")
        self.recorder = Recorder(self.store)
        self.gate = Gate(WrittenGrants(), self.recorder)

    async def refuse(self, scope: str = GROUP, asked: Asked = ASKED, **attributes: Any) -> str:
        with pytest.raises(Forbidden) as refused:
            await self.gate.require(STRANGER, READ, scope, resource=attributes)
        return (await self.gate.recorded(refused.value, asked)).decision_id

    async def lines(self, *kinds: str) -> list[Line]:
        return list(await self.store.lines(Lines(kinds=kinds, limit=10_000)))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.recorder.stop()
    await made.store.close()


async def test_a_refusal_is_on_the_disk_when_its_id_is_known(bench: Bench) -> None:
    id_ = await bench.refuse()
    line = await bench.store.line(id_)
    assert line is not None
    assert (line.kind, line.status, line.caller, line.action, line.target) == ("refusal", "Refused", "stranger", READ, GROUP.lower())
    doc = json.loads(line.doc)
    assert (doc["method"], doc["path"], doc["client"], doc["code"]) == ("GET", GROUP, "203.0.113.7", "AuthorizationFailed")
    assert doc["explanation"]["allowed"] is False


async def test_like_refusals_at_once_share_a_line_and_are_counted(bench: Bench) -> None:
    ids = await asyncio.gather(*(bench.refuse() for _ in range(50)))
    await bench.recorder.stop()
    written = await bench.lines("refusal")
    counted = [json.loads(line.doc) for line in await bench.lines("repeats")]
    assert set(ids) == {line.id for line in written}
    assert len(written) + sum(one["count"] for one in counted) == 50
    assert {one["of"] for one in counted} <= set(ids)


async def test_refusals_that_differ_in_anything_that_is_explained_have_an_id_each(bench: Bench) -> None:
    calls: list[tuple[str, Asked, dict[str, Any]]] = [
        (GROUP, ASKED, {}),
        (f"{GROUP}2", ASKED, {}),
        (GROUP, ASKED._replace(path=f"{GROUP}/x"), {}),
        (GROUP, ASKED._replace(method="HEAD"), {}),
        (GROUP, ASKED._replace(client="203.0.113.8"), {}),
        (GROUP, ASKED, {"tag": "a"}),
        (GROUP, ASKED, {"tag": "b"}),
    ]
    ids = [await bench.refuse(scope, asked, **attributes) for scope, asked, attributes in calls]
    assert len(set(ids)) == len(calls)
    for id_, (scope, asked, attributes) in zip(ids, calls, strict=True):
        line = await bench.store.line(id_)
        assert line is not None
        doc = json.loads(line.doc)
        assert (line.target, doc["method"], doc["path"], doc["client"]) == (scope.lower(), *asked)
        assert doc["explanation"]["attributes"]["resource"] == attributes


async def test_an_id_of_merged_refusals_says_so_and_tells_of_none_of_them_what_it_was(bench: Bench) -> None:
    ids = [await bench.refuse(f"{GROUP}{number}") for number in range(60)]
    alone = {id_ for id_ in ids if not id_.startswith(MERGED)}
    assert len(alone) == sum(not id_.startswith(MERGED) for id_ in ids) >= 20
    merged = set(ids) - alone
    assert merged
    known = {id_: bench.recorder.repeats(id_) for id_ in merged}
    assert sum(one.more + 1 for one in known.values() if one is not None) == len(ids) - len(alone)
    for id_ in merged:
        line, told = await bench.store.line(id_), known[id_]
        assert line is not None
        assert told is not None
        assert (line.target, line.action, line.caller, told.last >= line.at) == ("/", "", "stranger", True)
        assert not {"path", "explanation"} & set(json.loads(line.doc))
    await bench.recorder.stop()
    written = {doc["of"]: doc for doc in (json.loads(line.doc) for line in await bench.lines("repeats"))}
    for id_, told in known.items():
        assert told is not None
        assert not told.more or (written[id_]["count"], written[id_]["last"]) == told


async def test_a_hundred_thousand_refusals_that_all_differ_take_little_memory_and_disk(bench: Bench, tmp_path: Path) -> None:
    fault = Unauthenticated("Who are you?")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    for number in range(100_000):
        fault.decision_id = ""
        await bench.gate.recorded(fault, Asked("GET", f"/{number}/" + "x" * 900, f"203.0.113.{number % 250}"))
    seconds = time.monotonic() - began
    assert len(await bench.lines("refusal")) < 40 + 4 * seconds
    assert size_of(tmp_path) < 4_000_000 + 50_000 * seconds
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000  # KiB


async def test_a_caller_who_asks_for_ever_other_things_makes_few_lines(bench: Bench) -> None:
    ids = [await bench.refuse(f"{GROUP}{number}") for number in range(300)]
    await bench.recorder.stop()
    written = await bench.lines("refusal")
    assert set(ids) == {line.id for line in written}
    assert len(written) < 60
    assert len(written) + sum(json.loads(line.doc)["count"] for line in await bench.lines("repeats")) == 300


async def test_callers_whom_nobody_knows_share_one_budget(bench: Bench) -> None:
    for number in range(300):
        fault = Unauthenticated("Who are you?")
        assert (await bench.gate.recorded(fault, Asked("GET", "/", f"198.51.100.{number % 250}"))).decision_id
    assert len(await bench.lines("refusal")) < 60


async def test_allowed_reads_make_no_line_each_and_are_counted_at_the_end(bench: Bench) -> None:
    for _ in range(100):
        await bench.gate.require(OWNER, READ, GROUP)
    assert await bench.lines() == []
    await bench.recorder.stop()
    [line] = await bench.lines("reads")
    assert json.loads(line.doc)["allowed"] == [{"caller": "owner", "action": READ, "count": 100}]


async def test_a_probe_that_nobody_is_told_of_leaves_no_line(bench: Bench) -> None:
    assert not await bench.gate.may(STRANGER, READ, GROUP)
    assert await bench.lines("refusal") == []


@pytest.mark.parametrize(
    "secret",
    [
        "sig=AbCd%2F123",
        "Bearer eyJhbGciOi.eyJzdWIi.c2ln",
        "SharedKey acc:c2lnbmF0dXJlIG9mIGE",
        "AccountKey=Zm9vYmFyZm9vYmFy==",
        "client_secret=hunter2hunter2",
        "studiolo_0123456789abcdefghij",
        "stu_0123456789abcdefghij",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFy",
    ],
)
async def test_what_looks_like_a_secret_is_not_kept(secret: str) -> None:
    kept = json.dumps(clean({"attributes": [f"before {secret} after"]}))
    assert "[redacted]" in kept
    assert secret.rpartition("=")[2].rpartition(" ")[2] not in kept or not secret.rpartition("=")[2]


async def test_what_explains_a_decision_is_kept(bench: Bench) -> None:
    names = [GROUP, "5daa84d4-ea7e-4d7b-809b-b009de0c50bf-azureml-blobstore", "a/path/with words.csv", READ]
    assert clean(names) == names

"""What a decision and a list cost when the store is large: the same person's questions with few and with many grants of others.

    decide, cold     facts gathered from the store, compiled, one answer: the first question after a change
    decide, warm     the next ones, each about another scope
    visible, warm    the filter of a list over a whole resource group; cold it costs what `decide, cold` costs

Run: PYTHONPATH=. .venv/bin/python benchmarks/growth.py [--assignments 1000000 --projects 100000]
Times are processor time of one thread, so that a busy machine does not change them much.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from studiolo.kernel.access.scopes import Hierarchy
from studiolo.kernel.gate import Gate
from studiolo.kernel.principals import USERS, principal_id
from studiolo.kernel.resource import Caller
from studiolo.kernel.store.sqlite import SqliteStore
from studiolo.rooms.authorization.backends.stored import StoredGrants
from studiolo.rooms.authorization.domain.assignments import by_principal
from studiolo.rooms.authorization.domain.roles import ROLE_ASSIGNMENTS
from studiolo.rooms.authorization.ports import Flat

GROUP = "/subscriptions/5f0c9a3e-0000-4000-8000-000000000001/resourceGroups/rg1"
READER = "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
READ = "Microsoft.MachineLearningServices/workspaces/read"
BORN = "2026-01-01T00:00:00.0000000Z"
ADA = "00000000-0000-4000-8000-0000000000aa"
ROUNDS, WARM = 15, 2000
MOST = 1.5


@dataclass
class Tree(Flat):
    """The scopes: every project inherits its hub's roles, a thousand projects to a hub."""

    present: Hierarchy

    def hierarchy(self) -> Hierarchy:
        """The tree as it is now."""
        return self.present


def workspace(name: str) -> str:
    return f"{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/{name}"


def guid(number: int) -> str:
    return f"00000000-0000-4000-9000-{number:012x}"


def row(name: str, type_name: str, properties: dict[str, object]) -> tuple[str, str, str, str, str, bytes, bytes | None]:
    by = {"createdAt": BORN, "createdBy": "x", "createdByType": "User"}
    changed = {"lastModifiedAt": BORN, "lastModifiedBy": "x", "lastModifiedByType": "User"}
    doc = {"id": name, "type": type_name, "properties": properties, "systemData": by | changed}
    return name.lower(), type_name.lower(), name.lower().rpartition("/")[0], '"e"', BORN, msgspec.json.encode(doc), None


def grants(assignments: int, projects: int) -> Iterator[tuple[str, str]]:
    """Who has a role where: ten for Ada, the others for as many other people as there are grants of them."""
    for number in range(10):
        yield ADA, workspace(f"p{number}")
    for number in range(10, assignments):
        yield guid(number), workspace(f"p{number % projects}")


def fill(path: Path, assignments: int, projects: int) -> None:
    """Write the rows as the store would, without a commit for each."""
    with sqlite3.connect(path) as connection:
        insert = "INSERT INTO resources (key, type, parent, etag, created, doc, private) VALUES (?, ?, ?, ?, ?, ?, ?)"
        person = str(principal_id(USERS, ADA))
        connection.execute(insert, row(person, USERS, {"displayName": "Ada", "accountEnabled": True}))
        for number, (who, scope) in enumerate(grants(assignments, projects)):
            name = f"{scope}/providers/{ROLE_ASSIGNMENTS}/{guid(number)}"
            found = row(name, ROLE_ASSIGNMENTS, {"roleDefinitionId": READER, "principalId": who, "principalType": "User", "scope": scope})
            connection.execute(insert, found)
            connection.execute(
                "INSERT INTO facets (type, value, key) VALUES (?, ?, ?)", (ROLE_ASSIGNMENTS.lower(), by_principal(who), found[0])
            )


async def measure(assignments: int, projects: int) -> dict[str, float]:
    """Milliseconds for each figure."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "studiolo.db"
        store = SqliteStore(path)
        fill(path, assignments, projects)
        tree = Tree(Hierarchy(extra_parents={workspace(f"p{number}"): [workspace(f"hub{number // 1000}")] for number in range(projects)}))
        ada = Caller(oid=ADA, tenant="t", name="Ada")
        try:
            cold = [await timed(Gate(StoredGrants(store, heirs=tree)), ada, 1) for _ in range(ROUNDS)]
            gate = Gate(StoredGrants(store, heirs=tree))
            await timed(gate, ada, 1)
            warm = [await timed(gate, ada, WARM // ROUNDS, start=1 + each * WARM) for each in range(ROUNDS)]
            lists = [await listed(gate, ada) for _ in range(ROUNDS)]
        finally:
            await store.close()
    return {"decide, cold": statistics.median(cold), "decide, warm": statistics.median(warm), "visible, warm": statistics.median(lists)}


async def timed(gate: Gate, caller: Caller, count: int, start: int = 0) -> float:
    """Milliseconds of one decision, on average over some that were never asked before."""
    scopes = [f"{workspace(f'p{number % 10}')}/jobs/j{number}" for number in range(start, start + count)]
    begun = time.process_time()
    for scope in scopes:
        verdict = await gate.decide(caller, READ, scope)
        assert verdict.allowed
    return (time.process_time() - begun) * 1000 / count


async def listed(gate: Gate, caller: Caller) -> float:
    begun = time.process_time()
    for _ in range(100):
        assert len((await gate.visible(caller, READ, GROUP)).included) == 10
    return (time.process_time() - begun) * 10


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--assignments", type=int, default=100_000)
    parser.add_argument("--projects", type=int, default=10_000)
    given = parser.parse_args()
    few = await measure(100, 100)
    many = await measure(given.assignments, given.projects)
    print(
        f"{'':<16}{'100 / 100':>14}{f'{given.assignments:,} / {given.projects:,}':>24}{'times':>8}   (milliseconds; assignments / projects)"
    )
    for name, base in few.items():
        print(f"{name:<16}{base:>14.4f}{many[name]:>24.4f}{many[name] / base:>8.2f}   at most {MOST}")


if __name__ == "__main__":
    asyncio.run(main())

"""What `who can` costs where many people hold many roles on one path: 10 roles for each, at four scopes above one workspace.

    first     principals and assignments are read and checked against their seals: once after a start
    next      the same question again
    changed   the question after one more assignment

Run: PYTHONPATH=. .venv/bin/python benchmarks/who_can.py [--principals 10000]
Times are processor time of one thread.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.growth import GROUP, guid, row, workspace
from studiolo.kernel.access.ask import Ask
from studiolo.kernel.access.built_in import built_in_roles
from studiolo.kernel.access.reach import who_can
from studiolo.kernel.keys import KeyRing
from studiolo.kernel.principals import USERS, principal_id
from studiolo.kernel.store.port import PutResource, Row
from studiolo.kernel.store.sqlite import SqliteStore
from studiolo.rooms.authorization import accept_rights, open_seals
from studiolo.rooms.authorization.backends.stored import StoredGrants
from studiolo.rooms.authorization.backends.worlds import StoredWorlds
from studiolo.rooms.authorization.domain.roles import ROLE_ASSIGNMENTS

HERE = workspace("p1")
PATH = (GROUP.partition("/resourceGroups")[0], GROUP, HERE, f"{HERE}/jobs/j1")
READ = "Microsoft.MachineLearningServices/workspaces/read"
ROLES = "/providers/Microsoft.Authorization/roleDefinitions"
TIMES = 9


def rows(principals: int) -> Iterator[Row]:
    """People with ten roles each."""
    roles = [guid_ for guid_ in sorted(built_in_roles()) if _reads(guid_)]
    for number in range(principals):
        yield _row(str(principal_id(USERS, guid(number))), USERS, {"displayName": f"user-{number}", "accountEnabled": True})
        for turn in range(10):
            yield assignment(number, roles[(number + turn) % len(roles)], PATH[turn % 4], number * 10 + turn)


def _reads(role: str) -> bool:
    found = built_in_roles()[role]
    return any(pattern in ("*", "*/read") for block in found.permissions for pattern in block.actions) or found.name.startswith("Azure")


def assignment(who: int, role: str, scope: str, number: int) -> Row:
    """One role of somebody."""
    properties: dict[str, object] = {
        "roleDefinitionId": f"{ROLES}/{role}",
        "principalId": guid(who),
        "principalType": "User",
        "scope": scope,
    }
    return _row(f"{scope}/providers/{ROLE_ASSIGNMENTS}/{guid(number)}", ROLE_ASSIGNMENTS, properties)


def _row(name: str, type_name: str, properties: dict[str, object]) -> Row:
    key, type_, parent, etag, created, doc, private = row(name, type_name, properties)
    return Row(key, type_, parent, etag, doc, private, created)


def fill(path: Path, principals: int) -> None:
    """Write the rows as the store would, without a commit for each."""
    with sqlite3.connect(path) as connection:
        insert = "INSERT INTO resources (key, type, parent, etag, doc, private, created) VALUES (?, ?, ?, ?, ?, ?, ?)"
        connection.executemany(insert, rows(principals))


async def measure(principals: int) -> dict[str, float]:
    """Milliseconds for each figure."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "studiolo.db"
        store = SqliteStore(path)
        try:
            fill(path, principals)
            ring = KeyRing(store, b"k" * 32)
            await accept_rights(store, ring)
            seals = await open_seals(store, ring)
            worlds = StoredWorlds(store, StoredGrants(store, seals=seals), seals)
            first = await timed(worlds, READ, principals)
            again = [await timed(worlds, READ, principals) for _ in range(TIMES)]
            changed: list[float] = []
            for number in range(TIMES):
                await store.commit(PutResource(assignment(number, min(built_in_roles()), HERE, principals * 10 + number)))
                changed.append(await timed(worlds, READ, principals))
        finally:
            await store.close()
    return {"first": first, "next": statistics.median(again), "changed": statistics.median(changed)}


async def timed(worlds: StoredWorlds, action: str, expected: int) -> float:
    """Milliseconds of one question."""
    begun = time.process_time()
    reach = who_can(Ask("", action, PATH[-1]), await worlds.above(PATH[-1].lower()))
    took = (time.process_time() - begun) * 1000
    assert len(reach.principals) == expected, len(reach.principals)
    return took


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--principals", type=int, default=10_000)
    asked = parser.parse_args()
    for name, milliseconds in asyncio.run(measure(asked.principals)).items():
        print(f"{name:8} {milliseconds:9.1f} ms")


if __name__ == "__main__":
    main()

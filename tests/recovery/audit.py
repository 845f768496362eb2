"""What the database of a studio must never hold, whatever ended the process: looked at from outside, while it runs."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

Keys = dict[str, tuple[str, dict[str, Any]]]
_SCOPE = re.compile(r"/providers/microsoft\.authorization/roleassignments/[^/]+$")
_OWNED = re.compile(r"/providers/microsoft\.(machinelearningservices|storage|cognitiveservices)/[^/]+/[^/]+$")
_GUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=-)")


def open_database(home: Path) -> sqlite3.Connection:
    """The database of a home, for reading alone."""
    [file] = home.rglob("studiolo.db")
    return sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=20)


def under_way(home: Path) -> int:
    """How many operations have not ended."""
    with closing(open_database(home)) as database:
        return database.execute("select count(*) from operations where status = 'InProgress'").fetchone()[0]


def is_sound(home: Path) -> bool:
    """Whether the file itself is whole."""
    with closing(open_database(home)) as database:
        return database.execute("pragma quick_check").fetchone() == ("ok",)


def troubles(home: Path) -> list[str]:
    """Everything that is left over, half made or done twice, once no operation is under way."""
    with closing(open_database(home)) as database:
        database.execute("begin")
        keys = {key: (kind, json.loads(doc)) for key, kind, doc in database.execute("select key, type, doc from resources")}
        return [
            *_half_made(keys),
            *_orphans(keys),
            *_twice(database),
            *_too_early(database, keys),
            *_stray(database, keys),
            *_left_over(database, keys),
        ]


def _half_made(keys: Keys) -> Iterable[str]:
    for key, (_, doc) in keys.items():
        properties: dict[str, Any] = doc.get("properties") or {}
        state = properties.get("provisioningState", "Succeeded")
        if state not in ("Succeeded", "Failed", "Canceled"):
            yield f"{key} is {state} and nothing works on it"


def _orphans(keys: Keys) -> Iterable[str]:
    names = {key.rpartition("/")[2] for key, (kind, _) in keys.items() if kind.startswith("studiolo.directory/")}
    for key, (kind, doc) in keys.items():
        if kind == "microsoft.authorization/roleassignments":
            scope = _SCOPE.sub("", key)
            if _OWNED.search(scope) and scope not in keys:
                yield f"the grant {key} is on something that is not there"
            if doc["properties"]["principalId"] not in names:
                yield f"the grant {key} is to somebody who is not there"
        elif kind == "studiolo.directory/serviceprincipals" and doc["properties"].get("servicePrincipalType") == "ManagedIdentity":
            owner = doc["properties"]["alternativeNames"][0].lower()
            if owner not in keys:
                yield f"the principal {key} has lost its resource {owner}"
        elif "/providers/" in key and (held := key.rsplit("/", 2)[0]) not in keys and "/providers/" in held and len(held.split("/")) > 7:
            yield f"{key} hangs on nothing"


def _stray(database: sqlite3.Connection, keys: Keys) -> Iterable[str]:
    for value, key in database.execute("select value, key from facets"):
        if key not in keys:
            yield f"the facet {value} finds {key}, which is not there"


def _twice(database: sqlite3.Connection) -> Iterable[str]:
    of = "json_extract(doc, '$.operation')"
    ended = f"select {of}, count(*) from record where kind = 'change' and {of} is not null group by 1"  # noqa: S608 - ours alone
    for operation, count in database.execute(ended):
        if count > 1:
            yield f"the operation {operation} ended {count} times"


def _too_early(database: sqlite3.Connection, keys: Keys) -> Iterable[str]:
    """Projects that were told to be ready while their account was still being made."""
    last = "select coalesce(max(seq), 0) from record where kind = 'change' and target = ? and status = ? and action like '%/write'"
    between = "select count(*) from record where kind = 'change' and target = ? and status = 'Succeeded' and seq between ? and ?"
    for key, (kind, doc) in keys.items():
        if kind == "microsoft.machinelearningservices/workspaces" and doc.get("kind") == "Project":
            account = key.replace(kind, "microsoft.cognitiveservices/accounts")
            [begun], [ended] = (database.execute(last, (account, status)).fetchone() for status in ("Accepted", "Succeeded"))
            if database.execute(between, (key, begun, ended)).fetchone()[0]:
                yield f"{key} was ready before {account}"


def _left_over(database: sqlite3.Connection, keys: Keys) -> Iterable[str]:
    workspaces = {doc["properties"]["workspaceId"] for _, (kind, doc) in keys.items() if kind.endswith("services/workspaces")}
    for space, key in database.execute("select space, key from entries"):
        if space == "iam.identities" and key not in keys:
            yield f"the identity of {key} is left over"
        elif space == "models.accounts" and key not in keys:
            yield f"the keys of {key} are left over"
        elif space.startswith("blobs/containers") and (found := _GUID.match(key.rpartition("/")[2])) and found[0] not in workspaces:
            yield f"the container {key} is of a project that is not there"

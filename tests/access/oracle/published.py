"""The published vectors, in the words of this folder."""

from pathlib import Path
from typing import Any

import msgspec

from tests.access.oracle import judge
from tests.access.oracle.judge import Assignment, Block, Denial, Question
from tests.access.oracle.truth import Bag

HERE = Path(__file__).parents[1] / "vectors"
BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers"
SHORT = {
    "cn": f"{BLOBS}:name",
    "path": f"{BLOBS}/blobs:path",
    "prefix": f"{BLOBS}/blobs:prefix",
    "cur": f"{BLOBS}/blobs:isCurrentVersion",
    "ver": f"{BLOBS}/blobs:versionId",
    "san": "Microsoft.Storage/storageAccounts:name",
    "tags": f"{BLOBS}/blobs/tags",
    "rd": "Microsoft.Authorization/roleAssignments:RoleDefinitionId",
    "pt": "Microsoft.Authorization/roleAssignments:PrincipalType",
    "now": "UtcNow",
    "pl": "isPrivateLink",
}
FIXTURES: dict[str, Any] = msgspec.json.decode((HERE / "authz-fixtures.json").read_bytes())
EXPRESSIONS: dict[str, list[dict[str, Any]]] = msgspec.json.decode((HERE / "authz-expressions.json").read_bytes())
DECISIONS: list[dict[str, Any]] = [msgspec.json.decode(line) for line in (HERE / "authz-decisions.jsonl").read_bytes().splitlines()]
# Questions that a planted misreading once passed by.
FOUND_DECISIONS: list[dict[str, Any]] = [msgspec.json.decode(line) for line in (HERE / "found-decisions.jsonl").read_bytes().splitlines()]
FOUND: dict[str, list[dict[str, Any]]] = msgspec.json.decode((HERE / "found.json").read_bytes())
BUILT_IN = Path(__file__).parents[3] / "studiolo/kernel/access/roles.jsonl"


def condition(text: str) -> str:
    """`NAME(x)` puts x for `$1`; what is not a fixture's name is a condition."""
    name, _, argument = text.partition("(")
    known: str | None = FIXTURES["conds"].get(name)
    return text if known is None else known.replace("$1", argument.removesuffix(")"))


def place(name: str) -> str:
    known: dict[str, str] = FIXTURES["scopes"]
    return known.get(name, name)


def bag(short: dict[str, object]) -> Bag:
    return {SHORT.get(name, name): value for name, value in short.items()}


def block(row: dict[str, Any]) -> Block:
    return Block(
        tuple(row.get("actions", ())),
        tuple(row.get("notActions", ())),
        tuple(row.get("dataActions", ())),
        tuple(row.get("notDataActions", ())),
        row.get("condition"),
    )


def short_block(row: dict[str, Any], condition: str | None = None) -> Block:
    return Block(tuple(row.get("a", ())), tuple(row.get("na", ())), tuple(row.get("da", ())), tuple(row.get("nda", ())), condition)


def roles() -> dict[str, tuple[Block, ...]]:
    found = {name: tuple(block(row) for row in role["permissions"]) for name, role in FIXTURES["custom"].items()}
    for line in BUILT_IN.read_bytes().splitlines():
        row: dict[str, Any] = msgspec.json.decode(line)
        found[row["n"]] = (short_block(row, row.get("c")),)
    return found


def world(row: dict[str, Any]) -> judge.World:
    people = {"alice", "bob", "spn1", "mi1", *FIXTURES["groups"]}
    return judge.World(
        enabled=dict.fromkeys(people, True) | dict.fromkeys(FIXTURES["disabled"], False),
        members=FIXTURES["groups"],
        group_parents=FIXTURES["mgParent"],
        subscription_groups=FIXTURES["mgOfSub"],
        roles=roles(),
        assignments=[
            Assignment(f"a{number}", who, role, place(where), *map(condition, rest))
            for number, (who, role, where, *rest) in enumerate(row["as"])
        ],
        denials=[
            Denial(
                f"d{number}",
                place(one["s"]),
                (short_block(one),),
                principals=tuple(one["p"]),
                everyone="*" in one["p"],
                excluded=tuple(one.get("x", ())),
                this_scope_only=bool(one.get("noChild")),
                condition=condition(one["c"]) if "c" in one else None,
            )
            for number, one in enumerate(row.get("da", ()))
        ],
    )


def question(rq: dict[str, Any]) -> Question:
    names = {"res": "Resource", "req": "Request", "pri": "Principal", "env": "Environment"}
    bags = {names[key]: bag(rq[key]) for key in names if key in rq}
    return Question(rq["p"], rq["a"], place(rq["s"]), bool(rq.get("d")), tuple(rq.get("sub", ())), bags)

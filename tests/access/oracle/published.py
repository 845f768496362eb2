"""The published vectors, in the words of this folder."""

from pathlib import Path
from typing import Any

import msgspec

from tests.access.oracle import judge
from tests.access.oracle.judge import Assignment, Block, Denial, Question
from tests.access.oracle.truth import Bag, Circumstances

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
Row = dict[str, Any]
Names = dict[str, Any]
"""What a fixtures file calls groups, scopes, roles and conditions."""
FIXTURES: Names = msgspec.json.decode((HERE / "authz-fixtures.json").read_bytes())
OWN_FIXTURES: Names = msgspec.json.decode((HERE / "own-fixtures.json").read_bytes())
EXPRESSIONS: dict[str, list[Row]] = msgspec.json.decode((HERE / "authz-expressions.json").read_bytes())


def rows(name: str) -> list[Row]:
    return [msgspec.json.decode(line) for line in (HERE / name).read_bytes().splitlines()]


DECISIONS = rows("authz-decisions.jsonl")
OWN_DECISIONS = rows("own-decisions.jsonl")
# Questions that a planted misreading once passed by.
FOUND_DECISIONS = rows("found-decisions.jsonl")
FOUND: dict[str, list[Row]] = msgspec.json.decode((HERE / "found.json").read_bytes())
BUILT_IN = Path(__file__).parents[3] / "studiolo/kernel/access/roles.jsonl"


def condition(text: str | None, known: Names) -> str | None:
    """`NAME(x)` puts x for `$1`; what is not a fixture's name is a condition."""
    if text is None:
        return None
    name, _, argument = text.partition("(")
    found: str | None = known["conds"].get(name)
    return text if found is None else found.replace("$1", argument.removesuffix(")"))


def place(name: str, known: Names) -> str:
    scopes: dict[str, str] = known["scopes"]
    return scopes.get(name, name)


def bag(short: dict[str, object]) -> Bag:
    return {SHORT.get(name, name): value for name, value in short.items()}


def block(row: Row) -> Block:
    return Block(
        tuple(row.get("actions", ())),
        tuple(row.get("notActions", ())),
        tuple(row.get("dataActions", ())),
        tuple(row.get("notDataActions", ())),
        row.get("condition"),
    )


def short_block(row: Row, condition: str | None = None) -> Block:
    return Block(tuple(row.get("a", ())), tuple(row.get("na", ())), tuple(row.get("da", ())), tuple(row.get("nda", ())), condition)


def roles(known: Names) -> dict[str, tuple[Block, ...]]:
    found = {name: tuple(block(row) for row in role["permissions"]) for name, role in known["custom"].items()}
    for line in BUILT_IN.read_bytes().splitlines():
        row: Row = msgspec.json.decode(line)
        found[row["n"]] = (short_block(row, row.get("c")),)
    return found


def world(row: Row, known: Names = FIXTURES) -> judge.World:
    people = {"alice", "bob", "spn1", "mi1", "ann", *known["groups"]}
    heirs: dict[str, list[str]] = known.get("heirs", {})
    return judge.World(
        enabled=dict.fromkeys(people, True) | dict.fromkeys(known.get("disabled", ()), False),
        members=known["groups"],
        group_parents=known["mgParent"],
        subscription_groups=known["mgOfSub"],
        inherited_roles={place(heir, known): tuple(place(each, known) for each in above) for heir, above in heirs.items()},
        roles=roles(known),
        assignments=[assignment(f"a{number}", one, known) for number, one in enumerate(row["as"])],
        denials=[denial(f"d{number}", one, known) for number, one in enumerate(row.get("da", ()))],
    )


def assignment(id: str, row: list[str | None], known: Names) -> Assignment:
    who, role, where, text, starts, ends = (*row, None, None, None)[:6]
    return Assignment(id, str(who), str(role), place(str(where), known), condition(text, known), starts=starts, ends=ends)


def denial(id: str, row: Row, known: Names) -> Denial:
    return Denial(
        id,
        place(row["s"], known),
        (short_block(row),),
        principals=tuple(row["p"]),
        everyone="*" in row["p"],
        excluded=tuple(row.get("x", ())),
        this_scope_only=bool(row.get("noChild")),
        condition=condition(row.get("c"), known),
        effect="audit" if row.get("audit") else "enforced",
    )


def question(rq: Row, known: Names = FIXTURES) -> Question:
    names = {"res": "Resource", "req": "Request", "pri": "Principal", "env": "Environment"}
    bags = {names[key]: bag(rq[key]) for key in names if key in rq}
    moment = rq.get("env", {}).get("now")
    return Question(rq["p"], rq["a"], place(rq["s"], known), bool(rq.get("d")), tuple(rq.get("sub", ())), bags, moment)


def circumstances(row: Row) -> Circumstances:
    """What the condition of an expression vector may look at."""
    return Circumstances(row.get("a", "a/read"), tuple(row.get("sub", ())), {"Resource": row.get("res", {})})

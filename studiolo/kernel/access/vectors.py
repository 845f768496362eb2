"""Policy unit tests: files of decisions that somebody expects of the engine.

A fixtures file (JSON) names the world: `groups` (group -> members), `disabled` principals, `mgParent` (management group
-> parent), `mgOfSub` (subscription -> management group), `scopes` (short name -> scope), `custom` (role name ->
{permissions}), `conds` (name -> condition, `$1` stands for the argument of `NAME(argument)`). All parts are optional.

A vector file is one JSON object a line, or one JSON object with lists under `expr`, `write` and `http`:

    decision    id · as: [[principal, role, scope, condition?]] · rq: {p, a, s, d?, sub?, res?, req?, pri?, env?}
                · da?: [{s, p, x?, a?, na?, da?, nda?, noChild?, c?}] · x: allow, deny or reject (malformed)
    expr        id · e: condition · a?, sub?, res?, req?, pri?, env? · x: T, F or U
    write       id · c: condition · v?: conditionVersion · x: accept or reject
    http        id · raw: path of a request · x: [container, blob] or "400"

`why` may explain any of them. Roles are named by their custom or built-in name, or by a built-in's id. Attributes have
their full names or the short ones of `names.SHORT_NAMES`. In `da`, `p` may be `*` for everyone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec

from studiolo.kernel.access.ask import Ask, Bag
from studiolo.kernel.access.built_in import find_built_in_role
from studiolo.kernel.access.compiled import CompiledFacts
from studiolo.kernel.access.conditions import UNKNOWN, check_condition, compile_condition
from studiolo.kernel.access.explanation import explain
from studiolo.kernel.access.grants import EVERYONE, Assignment, DenyAssignment, Facts, Permission, Role, group_closure
from studiolo.kernel.access.names import SHORT_NAMES, blob_name
from studiolo.kernel.access.scopes import Hierarchy, scope_key
from studiolo.kernel.faults import Invalid

T = TypeVar("T")
Flag: TypeAlias = bool | Literal[0, 1]


class Disagreement(msgspec.Struct, frozen=True):
    """One vector on which the engine and its writer differ, or that cannot be run (`found` says why)."""

    file: str
    line: int
    id: str
    expected: str
    found: str
    why: str = ""
    detail: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.id}: expected {self.expected}, found {self.found}{f' ({self.why})' if self.why else ''}"


class Report(msgspec.Struct, frozen=True):
    """How many of all vectors agree, and every one that does not."""

    agreed: int
    total: int
    disagreements: tuple[Disagreement, ...]

    def __str__(self) -> str:
        return f"{self.agreed} of {self.total} agree"


def run_vectors(fixtures: Path, paths: Iterable[Path]) -> Report:
    """Run every vector of every file.

    A vector that cannot be run (an unknown role, a missing field) is a disagreement that says so.

    Raises:
        Invalid: the fixtures, or a file as a whole, cannot be read (code `InvalidVectors`).
    """
    world = read_world(fixtures)
    found = [disagreement for path in paths for disagreement in check_file(world, path)]
    wrong = tuple(each for each in found if each is not None)
    return Report(len(found) - len(wrong), len(found), wrong)


class _Block(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()
    condition: str | None = None
    condition_version: str | None = "2.0"


class _CustomRole(msgspec.Struct, frozen=True):
    permissions: tuple[_Block, ...]


class _Fixtures(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    groups: dict[str, tuple[str, ...]] = {}
    disabled: tuple[str, ...] = ()
    mg_parent: dict[str, str] = {}
    mg_of_sub: dict[str, str] = {}
    scopes: dict[str, str] = {}
    custom: dict[str, _CustomRole] = {}
    conds: dict[str, str] = {}


class _Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    p: str
    a: str
    s: str
    d: Flag = False
    sub: tuple[str, ...] = ()
    res: dict[str, Any] = {}
    req: dict[str, Any] = {}
    pri: dict[str, Any] = {}
    env: dict[str, Any] = {}


class _Deny(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"no_child": "noChild"}):
    s: str
    p: tuple[str, ...]
    x: tuple[str, ...] = ()
    a: tuple[str, ...] = ()
    na: tuple[str, ...] = ()
    da: tuple[str, ...] = ()
    nda: tuple[str, ...] = ()
    no_child: Flag = False
    c: str | None = None


_Row: TypeAlias = tuple[str, str, str] | tuple[str, str, str, str | None]


class _Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"rows": "as"}):
    id: str
    rq: _Request
    x: Literal["allow", "deny", "reject"]
    rows: tuple[tuple[str | None, ...], ...] = ()
    da: tuple[_Deny, ...] = ()
    why: str = ""


class _Expression(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    e: str
    x: Literal["T", "F", "U"]
    a: str = ""
    sub: tuple[str, ...] = ()
    res: dict[str, Any] = {}
    req: dict[str, Any] = {}
    pri: dict[str, Any] = {}
    env: dict[str, Any] = {}
    why: str = ""


class _Writing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    c: str
    x: Literal["accept", "reject"]
    v: str = "2.0"
    why: str = ""


class _Path(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    raw: str
    x: tuple[str, str | None] | Literal["400", 400]
    why: str = ""

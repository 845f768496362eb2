"""The rows of fixtures and vector files, as people write them."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

Flag: TypeAlias = bool | Literal[0, 1]
Attributes: TypeAlias = dict[str, Any]


class Block(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A permission block of a custom role, in the form of the role definitions API."""

    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()
    condition: str | None = None
    condition_version: str | None = "2.0"


class CustomRole(msgspec.Struct, frozen=True):
    """A role that only these vectors know."""

    permissions: tuple[Block, ...]


class Fixtures(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The world of the vectors."""

    groups: dict[str, tuple[str, ...]] = {}
    disabled: tuple[str, ...] = ()
    mg_parent: dict[str, str] = {}
    mg_of_sub: dict[str, str] = {}
    scopes: dict[str, str] = {}
    heirs: dict[str, tuple[str, ...]] = {}
    custom: dict[str, CustomRole] = {}
    conds: dict[str, str] = {}


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ask of a decision vector."""

    p: str
    a: str
    s: str
    d: Flag = False
    sub: tuple[str, ...] = ()
    res: Attributes = {}
    req: Attributes = {}
    pri: Attributes = {}
    env: Attributes = {}


class Deny(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"no_child": "noChild"}):
    """A deny assignment of a decision vector."""

    s: str
    p: tuple[str, ...]
    x: tuple[str, ...] = ()
    a: tuple[str, ...] = ()
    na: tuple[str, ...] = ()
    da: tuple[str, ...] = ()
    nda: tuple[str, ...] = ()
    no_child: Flag = False
    audit: Flag = False
    c: str | None = None


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"rows": "as"}):
    """A decision vector. A row is principal, role, scope and perhaps a condition, a start and an end; the moment is `UtcNow`."""

    id: str
    rq: Request
    x: Literal["allow", "deny", "reject"]
    rows: tuple[list[str | None], ...] = ()
    da: tuple[Deny, ...] = ()
    why: str = ""


class Expression(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A condition and its value."""

    id: str
    e: str
    x: Literal["T", "F", "U"]
    a: str = ""
    sub: tuple[str, ...] = ()
    res: Attributes = {}
    req: Attributes = {}
    pri: Attributes = {}
    env: Attributes = {}
    why: str = ""


class Writing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A condition that may or may not be written."""

    id: str
    c: str
    x: Literal["accept", "reject"]
    v: str = "2.0"
    why: str = ""


class Lint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A condition on an assignment of a role, and which of the checks L1 to L5 and L7 find something: `L1 L3`, or nothing."""

    id: str
    c: str
    role: str
    x: str
    why: str = ""


class RawPath(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request's raw path and what it names."""

    id: str
    raw: str
    x: tuple[str, str | None] | Literal["400", 400]
    why: str = ""

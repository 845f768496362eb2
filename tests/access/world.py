"""A small world for tests of the engine: short ways to facts and asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from studiolo.kernel.access.ask import Ask, Plane
from studiolo.kernel.access.conditions import Truth, compile_condition
from studiolo.kernel.access.decision import Assignment, CompiledFacts, DenyAssignment, Facts, Hierarchy, Permission, Role, decide
from studiolo.kernel.access.grants import group_closure

CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"
BLOBS = f"{CONTAINERS}/blobs"
READ = f"{BLOBS}/read"
SUB = "/subscriptions/s1"
GROUP = f"{SUB}/resourceGroups/rg1"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/hubsa"


def role(*permissions: Permission, name: str = "role") -> Role:
    return Role(name, name, permissions)


ALL = role(Permission(actions=("*",), data_actions=("*",)), name="all")
READER = role(Permission(actions=("*/read",)), name="reader")


def grant(given: Role = ALL, scope: str = "/", condition: str | None = None, *, id: str = "a1", to: str = "alice") -> Assignment:
    return Assignment(id, to, given, scope, condition)


def deny(
    scope: str = "/",
    *,
    id: str = "d1",
    principals: Iterable[str] = ("alice",),
    permission: Permission = ALL.permissions[0],
    excluded: Iterable[str] = (),
    condition: str | None = None,
    only_here: bool = False,
) -> DenyAssignment:
    return DenyAssignment(
        id, scope, tuple(principals), (permission,), tuple(excluded), does_not_apply_to_child_scopes=only_here, condition=condition
    )


def known(
    *rows: Assignment | DenyAssignment,
    who: str = "alice",
    memberships: Mapping[str, Iterable[str]] | None = None,
    enabled: bool = True,
    exists: bool = True,
    hierarchy: Hierarchy | None = None,
) -> CompiledFacts:
    return CompiledFacts(
        Facts(
            known=exists,
            enabled=enabled,
            ids=group_closure(who, memberships or {}),
            assignments=tuple(row for row in rows if isinstance(row, Assignment)),
            denies=tuple(row for row in rows if isinstance(row, DenyAssignment)),
            hierarchy=hierarchy or Hierarchy(),
        )
    )


def ask(
    action: str = "Contoso.Boxes/boxes/read",
    scope: str = SUB,
    plane: Plane = "control",
    *,
    who: str = "alice",
    sub: Iterable[str] = (),
    resource: Mapping[str, object] | None = None,
    request: Mapping[str, object] | None = None,
    principal: Mapping[str, object] | None = None,
    environment: Mapping[str, object] | None = None,
) -> Ask:
    return Ask(who, action, scope, plane, tuple(sub), request or {}, resource or {}, principal or {}, environment or {})


def allowed(question: Ask, facts: CompiledFacts) -> bool:
    return decide(question, facts).allowed


def truth(condition: str, question: Ask | None = None) -> Truth:
    return compile_condition(condition).evaluate(question or ask())


def with_values(**values: object) -> Ask:
    """An ask whose resource has the attributes `x:name`."""
    return ask(resource={f"x:{name}": value for name, value in values.items()})

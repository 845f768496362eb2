"""Where a declared resource goes: its type, its names, its id."""

from __future__ import annotations

from dataclasses import dataclass

from studiolo.kernel.faults import Invalid, NotOffered
from studiolo.kernel.ids import ResourceId, parse
from studiolo.rooms.templates.domain.names import DEPLOYMENTS, GROUPS
from studiolo.rooms.templates.domain.places import ident
from studiolo.rooms.templates.domain.values import Misuse, broken


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of a declared resource that decide where it goes, evaluated. None: not given."""

    type: str
    name: str
    path: str
    scope: str | None = None
    group: str | None = None
    subscription: str | None = None


def id_of(target: Target, base: str) -> ResourceId:
    """The id of a resource that a deployment to `base` writes.

    Raises:
        Invalid: type and name do not fit together, or do not make an id (code `InvalidTemplate`).
        NotOffered: it would go to the tenant or a management group.
    """
    text = f"{_scope(target, base)}/{_tail(target)}"
    try:
        return parse(text)
    except Invalid as fault:
        raise broken(f"the resource does not have a valid id: {fault.message}", target.path) from None


def scope_of(target: Target, base: str) -> str:
    """The scope that a nested deployment writes to."""
    return _scope(target, base)


def subscription_in(scope: str) -> str:
    """The subscription of a scope's id."""
    parts = scope.split("/")
    return parts[2] if len(parts) > 2 and parts[1].lower() == "subscriptions" else ""


def _tail(target: Target) -> str:
    kinds, names = target.type.count("/"), target.name.count("/") + 1
    if kinds != names:
        raise broken(
            f"the resource '{target.name[:200]}' of type '{target.type[:200]}' has the wrong number of segments: "
            f"the type has {kinds} after its namespace, so the name must have {kinds} too; it has {names}.",
            f"{target.path}.name",
        )
    if target.type.lower() == GROUPS.lower():
        return f"resourceGroups/{target.name}"
    try:
        return f"providers/{ident(target.type, target.name.split('/'))}"
    except Misuse as misuse:
        raise broken(str(misuse), f"{target.path}.type") from None


def _scope(target: Target, base: str) -> str:
    if target.scope is not None:
        if not target.scope.startswith("/"):
            return f"{base}/providers/{target.scope.rstrip('/')}"
        if target.scope.rstrip("/") == "":
            raise NotOffered("Resources at the tenant's root are not offered in templates.", target=f"{target.path}.scope")
        return target.scope.rstrip("/")
    if target.type.lower() == GROUPS.lower() and "/resourcegroups/" in base.lower():
        raise broken("a resource group can only be made by a deployment to a subscription.", f"{target.path}.type")
    if target.group is None and target.subscription is None:
        return base
    if target.type.lower() != DEPLOYMENTS.lower():
        raise broken("'resourceGroup' and 'subscriptionId' can only stand on a nested deployment.", target.path)
    place = f"/subscriptions/{target.subscription or subscription_in(base)}"
    return f"{place}/resourceGroups/{target.group}" if target.group is not None else place

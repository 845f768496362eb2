"""What a write or a removal of a workspace needs beyond the right to write or delete workspaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from studiolo.kernel.access.names import GIVES_ROLES
from studiolo.kernel.faults import Fault
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.resource import Change, Demand, Resource
from studiolo.rooms.hubs.domain.kinds import (
    DEPENDENTS,
    HUB,
    IDENTITIES,
    PROJECT,
    TYPE,
    asked_for,
    hub_of,
    identities_of,
    kind_of,
    reach_of,
)

UNDENIES: Final = "Microsoft.Authorization/denyAssignments/delete"
# The published pages spell the right to make projects in a hub in both ways.
JOIN: Final = (f"{TYPE}/hubs/join/action", f"{TYPE}/hubs/join")
ASSIGN_IDENTITY: Final = f"{IDENTITIES}/assign/action"
DESTROY_KEYS: Final = "Microsoft.Authorization/dataKeys/delete"


def making(change: Change) -> Demand | None:
    """What is enough to make a project: the right to join its hub, in the hub's own resource group.

    A hub's right counts for the group that holds the hub. In another one, whoever makes a project there must be allowed
    to write workspaces there as well. Who was denied to write workspaces makes none in this way either.
    """
    try:
        hub = hub_of(change.new.properties) if kind_of(change.new.kind) == PROJECT else None
    except Fault:
        return None  # what is wrong with the request is told to those who may write
    if hub is None or hub.group_id is None or hub.scope is None or change.id.scope is None:
        return None
    is_at_home = hub.scope.key == change.id.scope.key == hub.group_id.key
    if not is_at_home:
        return None
    join = joining(hub)
    writing = Demand(f"{TYPE}/write", change.id, request=asked_for(change)[0])
    return replace(join, alternatives=(*join.alternatives, writing))


def joining(hub: ResourceId) -> Demand:
    """The right to make projects in a hub."""
    first, *others = (Demand(action, hub) for action in JOIN)
    return Demand(first.action, hub, tuple(others))


def demands(change: Change) -> list[Demand]:
    """What a write or a removal needs beyond the right to write or delete workspaces.

    Making or changing a hub needs `hubs/write`, removing one `hubs/delete`; making a project needs `hubs/join/action` on
    its hub. An account, a vault or an identity that the caller names is used on the caller's behalf from then on, so the
    caller must be allowed to write, or to assign, it. To let the hub's roles reach its projects, or no longer, is to give
    and to take roles.
    """
    kind = kind_of(change.new.kind)
    if change.is_delete:
        return [Demand(f"{TYPE}/hubs/delete", change.id)] if kind == HUB else []
    before = {id_.key for id_ in identities_of(change.old.identity)} if change.old else set[str]()
    found = [Demand(ASSIGN_IDENTITY, id_) for id_ in identities_of(change.new.identity) if id_.key not in before]
    if kind == PROJECT:
        hub = hub_of(change.new.properties)
        return [*found, joining(hub)] if hub is not None and change.old is None else found
    kept = change.old.properties if change.old else {}
    for member, type_name in DEPENDENTS:
        text = change.new.properties.get(member)
        if text and text.lower() != str(kept.get(member, "")).lower():
            found.append(Demand(f"{type_name}/write", parse(text)))
    if reach_of(change.new.properties, kept) != reach_of(kept):
        found.append(Demand(GIVES_ROLES, change.id))  # the guard asks for more, which rests on the hub's projects
    return [*found, Demand(f"{TYPE}/hubs/write", change.id, request=asked_for(change)[0])] if kind == HUB else found


def rotating(workspace: Resource) -> list[Demand]:
    """Whoever gives a workspace's key a new version changes the workspace."""
    return [Demand(f"{TYPE}/write", workspace.id)]


def destroying(workspace: Resource) -> list[Demand]:
    """Destroying a key is a right of its own, which no role has that may change all else."""
    return [Demand(DESTROY_KEYS, workspace.id)]


def reaching(hub: ResourceId, projects: Sequence[ResourceId], *, is_on: bool) -> list[Demand]:
    """What letting the hub's roles reach its projects, or no longer, needs beyond the right to give roles on the hub.

    On: whoever holds a role on the hub, the caller too, gets it in each project, so the caller must be allowed to give it
    there. Off: what was denied on the hub holds in the projects no longer, and neither does what was denied in the
    hub's group for projects elsewhere, so the caller must be allowed to take such denials back.
    """
    if is_on:
        return [Demand(GIVES_ROLES, project) for project in projects]
    group = hub.group_id
    lost = [group] if group and any(project.group_id != group for project in projects) else []
    return [Demand(UNDENIES, scope) for scope in (hub, *lost)]

"""Management groups: a tree above the subscriptions, whose roles and deny assignments hold in everything below.

A group hangs under another one or at the tenant's root, at most six deep, and never under itself. A subscription lies in
one group at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

from studiolo.kernel.access.names import GIVES_ROLES
from studiolo.kernel.access.scopes import MANAGEMENT_GROUPS as PREFIX
from studiolo.kernel.access.scopes import Hierarchy
from studiolo.kernel.faults import Conflict, Invalid, NotFound
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.resource import Change, Demand, Draft, JsonObject, Resource
from studiolo.rooms.authorization.domain.roles import DENY_ASSIGNMENTS

MANAGEMENT_GROUPS: Final = "Microsoft.Management/managementGroups"
MEMBERSHIPS: Final = f"{MANAGEMENT_GROUPS}/subscriptions"
DESCENDANTS: Final = f"{MANAGEMENT_GROUPS}/descendants"
SUBSCRIPTIONS: Final = "Microsoft.Resources/subscriptions"
WRITE: Final = f"{MANAGEMENT_GROUPS}/write"
MOST_LEVELS: Final = 6
_MOST_NAME: Final = 250
_PARENT: Final = "properties.details.parent.id"


def group_id(name: str) -> ResourceId:
    """The id of the management group of this name."""
    return parse(f"/providers/{MANAGEMENT_GROUPS}/{name}")


def parent_in(found: Mapping[str, Any], tenant: str) -> ResourceId | None:
    """The group that a group's `details.parent.id` names; None for the tenant's root, which bears the tenant's id.

    Raises:
        Invalid: it is not the id of a management group (code `InvalidParentGroup`).
    """
    parent = cast("JsonObject", found.get("details") or {}).get("parent")
    text = cast("JsonObject", parent).get("id") if isinstance(parent, dict) else None
    return group_named(str(text or ""), tenant, _PARENT)


def group_named(text: str, tenant: str, target: str) -> ResourceId | None:
    """The group that an id means as one to lie under; None for the tenant's root, also if nothing is named.

    Raises:
        Invalid: it is not the id of a management group (code `InvalidParentGroup`).
    """
    if not text:
        return None
    id_ = parse(text)
    if id_.type.lower() != MANAGEMENT_GROUPS.lower() or id_.scope is not None:
        raise Invalid(f"'{target}' must be the id of a management group, not '{text[:200]}'.", code="InvalidParentGroup", target=target)
    return None if id_.name.lower() == tenant.lower() else id_


def admit_group(change: Change, tenant: str, tree: Hierarchy) -> Draft:
    """A management group that is to lie in the present tree.

    Raises:
        NotFound: the parent does not exist (code `ParentGroupNotFound`).
        Invalid: the group would lie under itself or too deep (codes `ManagementGroupCycle`, `ManagementGroupTooDeep`).
        Conflict: it is the tenant's root group (code `RootGroupIsFixed`).
    """
    found = change.new.properties
    parent_id = parent_in(found, tenant)
    if change.id.name.lower() == tenant.lower():
        raise root_is_fixed()
    if parent_id is not None:
        if change.fact(parent_id.key) is None:
            raise no_parent(parent_id, _PARENT)
        check_place(change.id.name, parent_id.name, tree, _PARENT)
    name = found.get("displayName") or (change.old.properties["displayName"] if change.old else change.id.name)
    if len(name) > _MOST_NAME or not name.isprintable():
        raise Invalid(f"'displayName' has at most {_MOST_NAME} characters.", target="properties.displayName")
    parent = {"id": (parent_id or group_id(tenant)).text, "name": parent_id.name if parent_id else tenant}
    version = cast("JsonObject", change.old.properties["details"]).get("version", 1) if change.old else 0
    is_new = change.old is None or change.old.properties["displayName"] != name or change.old.properties["details"]["parent"] != parent
    details = {"version": version + 1 if is_new else version, "parent": parent}
    return change.new.with_properties(displayName=name, tenantId=tenant, details=details, children=None)


def check_place(own: str, parent: str, tree: Hierarchy, target: str) -> None:
    """Refuse a place for a group in a tree that holds what lies under the group, and what the parent lies under.

    Raises:
        Invalid: the group would lie under itself or too deep (codes `ManagementGroupCycle`, `ManagementGroupTooDeep`).
    """
    name, above = own.lower(), _ancestry(tree, parent.lower())
    if name in above:
        raise Invalid(f"'{own}' cannot lie under '{parent}', which lies under it.", code="ManagementGroupCycle", target=target)
    below = [_ancestry(tree, key.removeprefix(PREFIX)) for key in tree.members(PREFIX + name) if key.startswith(PREFIX)]
    levels = len(above) + max(chain.index(name) + 1 for chain in below)
    if levels > MOST_LEVELS:
        raise Invalid(
            f"Management groups are at most {MOST_LEVELS} levels deep; under '{parent}' this would make {levels}. Hang it higher up.",
            code="ManagementGroupTooDeep",
            target=target,
        )


def no_parent(parent: ResourceId, target: str) -> NotFound:
    """The refusal of a parent that does not exist."""
    return NotFound(f"The management group '{parent.name}' does not exist; create it first.", code="ParentGroupNotFound", target=target)


def root_is_fixed() -> Conflict:
    """The refusal to write the tenant's root group."""
    return Conflict("The tenant's root group has the tenant's id and is not written.", code="RootGroupIsFixed")


def _ancestry(tree: Hierarchy, name: str) -> list[str]:
    return [key.removeprefix(PREFIX) for key in tree.chain(PREFIX + name) if key.startswith(PREFIX)]


def group_needs(change: Change, tenant: str) -> Sequence[ResourceId]:
    """The group above."""
    parent = parent_in(change.new.properties, tenant)
    return [parent] if parent is not None else []


def group_demands(change: Change, tenant: str) -> Sequence[Demand]:
    """Whoever makes a group under another writes that one as well; whoever moves one is an owner of what moves.

    What stands at the new place then holds in the group, and what denied at the old place no longer does.
    """
    after = None if change.is_delete else parent_in(change.new.properties, tenant)
    before = parent_in(change.old.properties, tenant) if change.old else None
    found = [Demand(WRITE, after)] if after is not None else []
    if change.old is None or change.is_delete or (before and before.key) == (after and after.key):
        return found
    return [*found, *_leaving(before), Demand(GIVES_ROLES, change.id)]


def _leaving(before: ResourceId | None) -> list[Demand]:
    return [Demand(WRITE, before), Demand(f"{DENY_ASSIGNMENTS}/delete", before)] if before is not None else []


def admit_membership(change: Change) -> Draft:
    """A subscription in a group.

    Raises:
        NotFound: there is no such subscription (code `SubscriptionNotFound`).
    """
    subscription = change.fact(f"/subscriptions/{change.id.name}")
    if subscription is None:
        raise NotFound(f"The subscription '{change.id.name}' could not be found.", code="SubscriptionNotFound")
    name, group = subscription.properties.get("displayName") or change.id.name, change.id.parent
    return change.new.with_properties(displayName=name, state="Active", parent={"id": group.text if group else ""})


def membership_needs(change: Change) -> Sequence[ResourceId]:
    """The subscription."""
    return [parse(f"/subscriptions/{change.id.name}")]


def membership_kin(change: Change) -> Sequence[tuple[str, str]]:
    """The membership that the subscription has already, by type and facet."""
    return [(MEMBERSHIPS, by_subscription(change.id.name))]


def former(change: Change) -> Resource | None:
    """The membership of the subscription in another group, which this one replaces."""
    found = change.fact(f"{MEMBERSHIPS}#{by_subscription(change.id.name)}")
    return found if found is not None and found.id.key != change.id.key else None


def membership_demands(change: Change) -> Sequence[Demand]:
    """Whoever moves a subscription is its owner, and writes the groups that it comes from and goes to."""
    subscription, own = parse(f"/subscriptions/{change.id.name}"), change.id.parent
    if change.is_delete:
        return [*_leaving(own), Demand(GIVES_ROLES, subscription)]
    if change.old is not None:
        return []
    other = former(change)
    joined = [Demand(WRITE, own)] if own is not None else []
    return [*joined, *_leaving(other.id.parent if other else None), Demand(GIVES_ROLES, subscription)]


def by_parent(name: str) -> str:
    """The facet that groups right under a group share."""
    return f"parent:{name.lower()}"


def by_subscription(name: str) -> str:
    """The facet that finds a subscription's membership."""
    return f"subscription:{name.lower()}"


def group_facets(group: Resource) -> Iterable[str]:
    """The group above."""
    return [by_parent(str(group.properties["details"]["parent"]["name"]))]


def membership_facets(membership: Resource) -> Iterable[str]:
    """The subscription."""
    return [by_subscription(membership.name)]


def group_above(group: Resource) -> str | None:
    """The name of the group above, in small letters; None at the tenant's root."""
    name = str(group.properties["details"]["parent"]["name"]).lower()
    return None if name == str(group.properties["tenantId"]).lower() else name


def membership_of(membership: Resource) -> tuple[str, str]:
    """A subscription and the group that it lies in, in small letters."""
    group = membership.id.parent
    return membership.name.lower(), group.name.lower() if group is not None else ""

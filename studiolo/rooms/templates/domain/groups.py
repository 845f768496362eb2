"""Resource groups and subscriptions: what may be written to them."""

from __future__ import annotations

import msgspec

from studiolo.kernel.faults import Conflict, Forbidden, Invalid
from studiolo.kernel.resource import Change, Draft


def admit_group(change: Change) -> Draft:
    """The resource group that may be written.

    Raises:
        Invalid: no location (code `LocationRequired`), or a name that ends in a period.
        Conflict: it would move (code `InvalidResourceGroupLocation`).
    """
    place = change.new.location
    if not place:
        raise Invalid("The location property is required for this definition.", code="LocationRequired", target="location")
    if change.id.name.endswith("."):
        raise Invalid("The name of a resource group cannot end in a period.", code="InvalidResourceName", target="name")
    if change.old is not None and (change.old.location or "").lower() != place.lower():
        raise Conflict(
            f"The resource group '{change.id.name}' exists already in location '{change.old.location}'; a group cannot move.",
            code="InvalidResourceGroupLocation",
            target="location",
        )
    return msgspec.structs.replace(change.new, properties={"provisioningState": "Succeeded"})


def admit_subscription(change: Change, tenant: str) -> Draft:
    """The subscription that may be written: the platform makes them, nobody else.

    Raises:
        Forbidden: anybody else tries.
    """
    if not change.caller.is_platform:
        raise Forbidden("Subscriptions are made by the platform itself and cannot be written.")
    name = change.new.properties.get("displayName") or change.id.name
    return msgspec.structs.replace(
        change.new,
        properties={"subscriptionId": change.id.name, "displayName": name, "tenantId": tenant, "state": "Enabled"},
    )


def refuse(change: Change) -> Draft:
    """Nobody writes the steps of a deployment but its run.

    Raises:
        Forbidden: always.
    """
    raise Forbidden(f"'{change.id.name}' is a record of a deployment; nobody can write it.")

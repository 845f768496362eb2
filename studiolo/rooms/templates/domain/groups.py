"""Resource groups and subscriptions: what may be written to them."""

from __future__ import annotations

import msgspec

from studiolo.kernel.faults import Conflict, Forbidden, Invalid
from studiolo.kernel.resource import Change, Draft


def admit_group(change: Change) -> Draft:
    """The resource group that may be written.

    Raises:
        Invalid: no location (code `LocationRequired`).
        Conflict: it would move (code `InvalidResourceGroupLocation`).
    """
    place = change.new.location
    if not place:
        raise Invalid("The location property is required for this definition.", code="LocationRequired", target="location")
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
    """Nobody writes the steps of a deployment but its run: the type offers no verb that comes here."""
    raise AssertionError(change.id.text)

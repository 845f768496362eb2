"""What may be written to telemetry resources."""

from __future__ import annotations

from studiolo.kernel.faults import Invalid
from studiolo.kernel.resource import Change, Draft


def admit(change: Change) -> Draft:
    """The resource that may be written: with its location, an id of its own and the state.

    Raises:
        Invalid: no location.
    """
    if not change.new.location:
        raise Invalid("The location property is required for this definition.", code="LocationRequired", target="location")
    kept = change.old.properties if change.old else {}
    own = kept.get("AppId") or change.fresh_id
    return change.new.with_properties(AppId=own, customerId=own, provisioningState="Succeeded")

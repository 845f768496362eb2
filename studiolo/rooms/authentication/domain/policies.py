"""Policies of sign-in: what is asked of everybody."""

from __future__ import annotations

from typing import Final

from studiolo.kernel.faults import Invalid
from studiolo.kernel.principals import plain_envelope
from studiolo.kernel.resource import Change, Draft

SIGN_IN_POLICIES: Final = "Studiolo.Directory/signInPolicies"


def admit_policy(change: Change) -> Draft:
    """What is asked of everybody who signs in with a password: `secondFactor` is optional or required."""
    plain_envelope(change)
    wanted = change.new.properties.get("secondFactor") or "optional"
    if wanted not in ("optional", "required"):
        raise Invalid(f"'secondFactor' is optional or required, not '{str(wanted)[:50]}'.", target="properties.secondFactor")
    return change.new.with_properties(secondFactor=wanted)

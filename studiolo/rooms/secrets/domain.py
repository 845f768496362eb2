"""What may be written to a vault."""

from __future__ import annotations

import msgspec

from studiolo.kernel.faults import Invalid, NotOffered
from studiolo.kernel.resource import Change, Draft


def admit(change: Change, tenant: str, vault_suffix: str) -> Draft:
    """The vault that may be written.

    Raises:
        Invalid: no location, or a tenant that is not ours.
        NotOffered: access policies; only roles decide here.
    """
    asked = change.new.properties
    if not change.new.location:
        raise Invalid("The location property is required for this definition.", code="LocationRequired", target="location")
    if asked.get("accessPolicies") and not asked.get("enableRbacAuthorization"):
        raise NotOffered(
            "Vault access policies are not offered: roles decide. Set 'enableRbacAuthorization' to true and 'accessPolicies' to [].",
            target="properties.accessPolicies",
        )
    return msgspec.structs.replace(
        change.new,
        properties={
            "sku": {"family": "A", "name": "standard"},
            **asked,
            "tenantId": tenant,
            "accessPolicies": [],
            "enableRbacAuthorization": True,
            "enableSoftDelete": bool(asked.get("enableSoftDelete", True)),
            "vaultUri": f"https://{change.id.name.lower()}.{vault_suffix}/",
            "provisioningState": "Succeeded",
        },
    )

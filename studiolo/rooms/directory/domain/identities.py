"""Identities that people have at providers elsewhere: an issuer and the name that it gives them, never a mail address.

The shape is that of Microsoft Graph's `objectIdentity` (v1.0).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from studiolo.kernel.faults import Conflict, Invalid
from studiolo.kernel.principals import FEDERATED, identity, identity_facets
from studiolo.kernel.resource import Change, JsonObject

_MOST: Final = 10
_LONGEST: Final = 500


def checked_identities(change: Change, type_name: str) -> JsonObject:
    """A user's `identities` and `creationType` as they may be written; the latter is the platform's to say.

    Raises:
        Invalid: an identity is malformed (code `InvalidIdentity`).
        Conflict: another user has it (code `IdentityLinked`).
    """
    given: Sequence[Mapping[str, Any]] = change.new.properties.get("identities") or ()
    before = change.old.properties if change.old else change.new.properties if change.caller.is_platform else {}
    kept: list[JsonObject] = []
    for each in given:
        issuer, subject = _text(each.get("issuer")), _text(each.get("issuerAssignedId"))
        if not issuer or not subject or each != identity(issuer, subject) or len(given) > _MOST:
            raise Invalid(
                f"An identity has a 'signInType', which is {FEDERATED}, the provider's 'issuer', and the 'issuerAssignedId' by which the "
                f"provider knows the user; a user has at most {_MOST}.",
                code="InvalidIdentity",
                target="properties.identities",
            )
        kept.append(identity(issuer, subject))
    for facet in identity_facets(change.new.properties):
        rival = change.fact(f"{type_name}#{facet}")
        if rival is not None and rival.id.key != change.id.key:
            text = f"The user '{rival.name}' signs in by this identity already: remove it there first."
            raise Conflict(text, code="IdentityLinked", target="properties.identities")
    return {"identities": kept or None, "creationType": before.get("creationType")}


def _text(given: object) -> str:
    return given if isinstance(given, str) and len(given) <= _LONGEST and given.isprintable() else ""

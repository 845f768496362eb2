"""Principals: what a user, a group and a service principal are called, how they are found, and what decisions and tokens see of them.

The name of a principal's resource is its object id; the name of an application's resource is its client id.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from studiolo.kernel.access.names import GIVES_ROLES
from studiolo.kernel.faults import Invalid
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.resource import Change, Demand, JsonObject, Resource

USERS: Final = "Studiolo.Directory/users"
GROUPS: Final = "Studiolo.Directory/groups"
SERVICE_PRINCIPALS: Final = "Studiolo.Directory/servicePrincipals"
APPLICATIONS: Final = "Studiolo.Directory/applications"
PRINCIPAL_TYPES: Final = (USERS, GROUPS, SERVICE_PRINCIPALS)
KINDS: Final[Mapping[str, str]] = {USERS.lower(): "User", GROUPS.lower(): "Group", SERVICE_PRINCIPALS.lower(): "ServicePrincipal"}
ATTRIBUTES: Final = "Microsoft.Directory/CustomSecurityAttributes/Id"
GUID_PATTERN: Final = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
GUID: Final = re.compile(GUID_PATTERN)
CUSTOM_ATTRIBUTES: Final = "customSecurityAttributes"
NOT_BEFORE: Final = "notBefore"
"""The private property that holds the moment of a principal's last sign-out everywhere."""
FIRST_ISSUE: Final = "firstIssue"
"""The private property that holds the first second in which a token may have been issued since then."""
ENFORCED: Final = "enforced"
FEDERATED: Final = "federated"
"""Graph's `signInType` of an identity elsewhere; `creationType` says the same of people who came by one, and have no password here."""
_MAX_NAME = 256


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who can hold roles. `since` tells this one from an earlier one of the same id.

    What was given out before `not_before` (a moment, empty for never) proves nothing any more: sessions, leave given to
    applications; nor does a token that was issued before the second `first_issue`. One who `is_federated` came from a
    provider elsewhere, and has no password here.
    """

    oid: str
    kind: str
    name: str
    is_enabled: bool
    since: str
    application: str = ""
    resource_id: str = ""
    shown_name: str = ""
    not_before: str = ""
    first_issue: int = 0
    needs_second_factor: bool = False
    is_federated: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])


def principal_id(type_name: str, oid: str) -> ResourceId:
    """The id of the resource that describes a principal of this type."""
    return parse(f"/providers/{type_name}/{oid}")


def candidates(oid: str) -> list[ResourceId]:
    """The ids under which a principal may be found when only its object id is known."""
    return [principal_id(type_name, oid) for type_name in PRINCIPAL_TYPES]


def principal_of(resource: Resource) -> Principal:
    """A stored user, group or service principal as the engine and the tokens see it."""
    found = resource.properties
    return Principal(
        oid=resource.name.lower(),
        kind=KINDS[resource.type.lower()],
        name=found.get("userPrincipalName") or found.get("displayName") or "",
        is_enabled=found.get("accountEnabled", True) is True,
        since=resource.system.created_at,
        application=found.get("appId") or "",
        resource_id=next(iter(found.get("alternativeNames") or ()), ""),
        shown_name=found.get("displayName") or "",
        not_before=resource.private.get(NOT_BEFORE) or "",
        first_issue=_first_issue(resource.private),
        needs_second_factor=found.get("perUserMfaState") == ENFORCED,
        is_federated=found.get("creationType") == FEDERATED,
        attributes=custom_attributes(found.get(CUSTOM_ATTRIBUTES) or {}),
    )


def whole_second_after(moment: str) -> int:
    """The first whole second that is not before a moment (ISO 8601)."""
    return math.ceil(datetime.fromisoformat(moment).timestamp())


def signed_out(private: Mapping[str, Any], at: str) -> dict[str, Any]:
    """The private properties of a principal to whom all that was given before this moment is void.

    Tokens bear whole seconds. What was issued since an earlier sign-out of this second bears the next one, so that goes too.
    """
    earlier = _first_issue(private)
    return {**private, NOT_BEFORE: at, FIRST_ISSUE: max(whole_second_after(at), earlier + 1)}


def _first_issue(private: Mapping[str, Any]) -> int:
    if FIRST_ISSUE in private:
        return int(private[FIRST_ISSUE])
    moment = private.get(NOT_BEFORE)  # an older release kept it alone
    return whole_second_after(moment) if moment else 0


def custom_attributes(sets: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Custom security attributes by their names in conditions."""
    return {f"{ATTRIBUTES}:{group}_{name}": value for group, values in sets.items() for name, value in values.items()}


# ── by what they are found ─────────────────────────────────────────────────────────────────────────────────────────


def by_address(text: str) -> str:
    """The facet that finds a user by principal name or mail."""
    return f"address:{text.lower()}"


def by_name(text: str) -> str:
    """The facet that finds anything in the directory by its shown name."""
    return f"name:{text.lower()}"


def by_application(app_id: str) -> str:
    """The facet that finds a service principal by its client id."""
    return f"app:{app_id.lower()}"


def by_member(oid: str) -> str:
    """The facet that finds the groups which hold a principal directly."""
    return f"member:{oid.lower()}"


def identity(issuer: str, subject: str) -> JsonObject:
    """An identity as users keep it."""
    return {"signInType": FEDERATED, "issuer": issuer, "issuerAssignedId": subject}


def by_identity(issuer: str, subject: str) -> str:
    """The facet that finds the user of an identity."""
    return "identity:" + hashlib.sha256(b"\0".join((issuer.encode(), subject.encode()))).hexdigest()


def identity_facets(properties: Mapping[str, Any]) -> list[str]:
    """The facets of all identities of a user that are well formed."""
    found: Sequence[Mapping[str, Any]] = properties.get("identities") or ()
    pairs = ((each.get("issuer"), each.get("issuerAssignedId")) for each in found)
    return [by_identity(issuer, subject) for issuer, subject in pairs if isinstance(issuer, str) and isinstance(subject, str)]


def user_facets(resource: Resource) -> Iterable[str]:
    """Principal name, mail, shown name and identities elsewhere."""
    found = resource.properties
    addresses = (by_address(found[field]) for field in ("userPrincipalName", "mail") if found.get(field))
    return {*addresses, by_name(found["displayName"]), *identity_facets(found)}


def group_facets(resource: Resource) -> Iterable[str]:
    """The shown name, and every direct member, so that a principal's groups are found without reading them all."""
    return [by_name(resource.properties["displayName"]), *map(by_member, resource.properties["members"])]


def service_principal_facets(resource: Resource) -> Iterable[str]:
    """The client id and the shown name."""
    return [by_application(resource.properties["appId"]), by_name(resource.properties["displayName"])]


def application_facets(resource: Resource) -> Iterable[str]:
    """The shown name."""
    return [by_name(resource.properties["displayName"])]


# ── what holds for every object of the directory ───────────────────────────────────────────────────────────────────


def demands(change: Change) -> Sequence[Demand]:
    """Whoever writes a directory object must also be allowed to assign roles to it.

    A membership, an attribute that a condition reads, or a secret gives what assignments have given; without this,
    somebody who may write everything but assignments could help themselves to all of them.
    """
    return [Demand(GIVES_ROLES, change.id)]


def plain_envelope(change: Change) -> None:
    """Raise Invalid for what resources have and objects of a directory do not."""
    for member in ("location", "kind", "tags", "identity", "sku"):
        if getattr(change.new, member):
            raise Invalid(f"Directory objects have no '{member}'.", target=member)


def plain_name(found: Mapping[str, Any], field: str = "displayName") -> str:
    """A name for people. Raises Invalid if there is none (code `MissingProperty`), or it is too long."""
    text = found.get(field)
    if not isinstance(text, str) or not text.strip():
        raise Invalid(f"'{field}' is required: a name for people.", code="MissingProperty", target=f"properties.{field}")
    if len(text) > _MAX_NAME or not text.isprintable():
        raise Invalid(f"'{field}' has at most {_MAX_NAME} characters and no control characters.", target=f"properties.{field}")
    return text.strip()

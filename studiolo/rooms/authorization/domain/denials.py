"""Deny assignments: what nobody named may do, whatever is granted.

Beyond the public cloud's, ours take groups, reads and data actions. What stays: everyone needs an exclusion, nobody can
be denied to write or remove deny assignments by that name, and what the platform protects is not written by callers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

from studiolo.kernel.access.conditions import check_condition
from studiolo.kernel.access.grants import EVERYONE, DenyAssignment
from studiolo.kernel.access.names import GIVES_ROLES
from studiolo.kernel.faults import Forbidden, Invalid
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.principals import GUID, KINDS, candidates
from studiolo.kernel.resource import Change, Demand, Draft, JsonObject, Resource
from studiolo.rooms.authorization.domain.assignments import by_principal, scope_of
from studiolo.rooms.authorization.domain.ownership import SYSTEM
from studiolo.rooms.authorization.domain.roles import DENY_ASSIGNMENTS, permission_of, permissions_from

EFFECTS: Final = {"enforced": "enforced", "audit": "audit"}
_MAX_NAME, _MAX_DESCRIPTION, _MAX_PRINCIPALS = 512, 2048, 200
_UNDENIABLE: Final = DENY_ASSIGNMENTS.lower()


def admit(change: Change) -> Draft:
    """A deny assignment.

    Raises:
        Forbidden: it is, or is to be, system-protected (code `DenyAssignmentIsSystemProtected`).
        Invalid: a rule is broken (target names the member).
    """
    found = change.new.properties
    check_unprotected(change)
    if not GUID.fullmatch(change.id.name):
        raise Invalid(
            f"The deny assignment ID '{change.id.name}' is not valid: it must be a GUID.", code="InvalidDenyAssignmentId", target="name"
        )
    name = _text(found, "denyAssignmentName", _MAX_NAME)
    if not name:
        raise Invalid("'denyAssignmentName' is required: a name for people.", target="properties.denyAssignmentName")
    principals, excluded = _principals(change, "principals"), _principals(change, "excludePrincipals")
    _check_principals(principals, excluded)
    first = change.old.properties if change.old else {"createdOn": change.at, "createdBy": change.caller.oid}
    draft = change.new.with_properties(
        denyAssignmentName=name,
        description=_text(found, "description", _MAX_DESCRIPTION),
        permissions=_permissions(found),
        scope=scope_of(change.id),
        doNotApplyToChildScopes=found.get("doNotApplyToChildScopes") is True,
        principals=principals,
        excludePrincipals=excluded,
        isSystemProtected=change.caller.is_platform and found.get("isSystemProtected") is True,
        denyAssignmentEffect=_effect(found),
        createdOn=first.get("createdOn"),
        createdBy=first.get("createdBy"),
        updatedOn=first.get("updatedOn"),
        updatedBy=first.get("updatedBy"),
        **_condition(found),
    )
    if change.old is not None and draft.properties == change.old.properties:
        return draft
    return draft.with_properties(updatedOn=change.at, updatedBy=change.caller.oid)


def check_unprotected(change: Change) -> None:
    """Raise Forbidden if a caller writes, removes, or wants to make a deny assignment that the platform protects."""
    if change.caller.is_platform:
        return
    if change.old is not None and change.old.properties.get("isSystemProtected") is True:
        raise Forbidden(
            f"The deny assignment '{change.old.properties.get('denyAssignmentName')}' is system-protected: it guards what belongs to the "
            "platform and is neither changed nor removed by callers.",
            code="DenyAssignmentIsSystemProtected",
        )
    if not change.is_delete and change.new.properties.get("isSystemProtected") is True:
        raise Forbidden(
            "The platform alone makes system-protected deny assignments; leave 'isSystemProtected' out.",
            code="DenyAssignmentIsSystemProtected",
            target="properties.isSystemProtected",
        )


def demands(change: Change) -> Sequence[Demand]:
    """Whoever denies or stops denying must also be allowed to assign any role there: both change what others may."""
    if change.old is not None and change.old.properties.get("isSystemProtected") is True:
        return []  # refused by itself, whoever asks
    return [Demand(GIVES_ROLES, change.id.scope or change.id)]


def needs(change: Change) -> Sequence[ResourceId]:
    """The principals that a write names: they must be there."""
    named = [*_named(change.new.properties, "principals"), *_named(change.new.properties, "excludePrincipals")]
    return [id_ for oid in dict.fromkeys(named) if oid != EVERYONE for id_ in candidates(oid)]


def by_excluded(oid: str) -> str:
    """The facet that finds the deny assignments which exclude a principal."""
    return f"excluded:{oid.lower()}"


def facets(deny: Resource) -> Iterable[str]:
    """Whom it names and whom it excludes."""
    named, excluded = deny.properties.get("principals") or (), deny.properties.get("excludePrincipals") or ()
    return [*dict.fromkeys(by_principal(str(each["id"])) for each in named), *(by_excluded(str(each["id"])) for each in excluded)]


def deny_of(resource: Resource) -> DenyAssignment:
    """A stored deny assignment as the engine reads it."""
    found = resource.properties
    return DenyAssignment(
        id=resource.id.text,
        scope=found["scope"],
        principals=tuple(each["id"] for each in found["principals"]),
        permissions=tuple(map(permission_of, found["permissions"])),
        excluded=tuple(each["id"] for each in found.get("excludePrincipals", ())),
        does_not_apply_to_child_scopes=found.get("doNotApplyToChildScopes", False),
        condition=found.get("condition"),
        condition_version=found.get("conditionVersion") or "2.0",
        effect="audit" if found.get("denyAssignmentEffect") == "audit" else "enforced",
        is_system_protected=found.get("isSystemProtected", False),
    )


# ── pieces ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _text(found: Mapping[str, Any], member: str, most: int) -> str | None:
    text = found.get(member)
    if text is None:
        return None
    if len(text) > most or not text.isprintable():
        raise Invalid(f"'{member}' has at most {most} characters and no control characters.", target=f"properties.{member}")
    return text.strip() or None


def _effect(found: Mapping[str, Any]) -> str:
    text = str(found.get("denyAssignmentEffect") or "enforced").lower()
    if text not in EFFECTS:
        raise Invalid(
            f"'denyAssignmentEffect' is enforced or audit, not '{text[:50]}'.",
            code="InvalidDenyAssignmentEffect",
            target="properties.denyAssignmentEffect",
        )
    return EFFECTS[text]


def _named(found: Mapping[str, Any], member: str) -> list[str]:
    """The object ids in a list of principals, in small letters.

    Raises:
        Invalid: an entry has no GUID as its id, or there are too many (code `InvalidPrincipalId`).
    """
    target = f"properties.{member}"
    given = cast("Sequence[object]", found.get(member) or ())
    if len(given) > _MAX_PRINCIPALS:
        raise Invalid(f"'{member}' names at most {_MAX_PRINCIPALS} principals; name a group for more.", target=target)
    named: list[str] = []
    for entry in given:
        oid = cast("JsonObject", entry).get("id") if isinstance(entry, dict) else None
        if not isinstance(oid, str) or not GUID.fullmatch(oid):
            raise Invalid(
                f"Every entry of '{member}' is an object with the 'id' (a GUID) of a user, group or service principal.",
                code="InvalidPrincipalId",
                target=target,
            )
        named.append(oid.lower())
    return list(dict.fromkeys(named))


def _principals(change: Change, member: str) -> list[JsonObject]:
    shown: list[JsonObject] = []
    for oid in _named(change.new.properties, member):
        if oid == EVERYONE:
            shown.append({"id": EVERYONE, "type": SYSTEM})
            continue
        holder = next((fact for id_ in candidates(oid) if (fact := change.fact(id_.key))), None)
        if holder is None:
            raise Invalid(
                f"Principal {oid} does not exist in the directory; name a user, a group or a service principal by its object id.",
                code="PrincipalNotFound",
                target=f"properties.{member}",
            )
        shown.append({"id": oid, "type": KINDS[holder.type.lower()]})
    return shown


def _check_principals(principals: Sequence[JsonObject], excluded: Sequence[JsonObject]) -> None:
    if not principals:
        raise Invalid(
            f"'principals' names at least one principal; everyone is {{'id': '{EVERYONE}', 'type': '{SYSTEM}'}}.",
            code="InvalidPrincipalId",
            target="properties.principals",
        )
    if any(each["id"] == EVERYONE for each in excluded):
        raise Invalid("Everyone cannot be excluded.", code="InvalidPrincipalId", target="properties.excludePrincipals")
    if any(each["id"] == EVERYONE for each in principals) and not excluded:
        raise Invalid(
            "A deny assignment for everyone excludes somebody: name at least one principal in 'excludePrincipals'.",
            code="DenyAssignmentNeedsExclusion",
            target="properties.excludePrincipals",
        )


def _permissions(found: Mapping[str, Any]) -> list[JsonObject]:
    permissions = permissions_from(found.get("permissions"), "InvalidDenyAssignmentPermissions")
    for at, block in enumerate(permissions):
        for pattern in block["actions"]:
            if pattern.lower().startswith(_UNDENIABLE):
                raise Invalid(
                    f"'{pattern}' cannot be denied by name: nobody could take such a deny assignment back.",
                    code="InvalidActionOrNotAction",
                    target=f"properties.permissions[{at}].actions",
                )
        if block.get("condition"):
            raise Invalid(
                "A block of a deny assignment has no condition of its own; set the deny assignment's 'condition'.",
                code="InvalidDenyAssignmentPermissions",
                target=f"properties.permissions[{at}].condition",
            )
    return permissions


def _condition(found: Mapping[str, Any]) -> JsonObject:
    text = found.get("condition")
    if text is None or not text.strip():
        return {"condition": None, "conditionVersion": None}
    check_condition(text, found.get("conditionVersion"))
    return {"condition": text, "conditionVersion": "2.0"}

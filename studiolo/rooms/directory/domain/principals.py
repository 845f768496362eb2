"""The directory's own rules: users, groups, service principals and applications, and what may be written of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from studiolo.kernel.faults import Conflict, Forbidden, Invalid
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.principals import (
    APPLICATIONS,
    CUSTOM_ATTRIBUTES,
    ENFORCED,
    GUID,
    SERVICE_PRINCIPALS,
    USERS,
    by_address,
    by_application,
    by_name,
    candidates,
    identity_facets,
    plain_envelope,
    plain_name,
    principal_id,
    signed_out,
)
from studiolo.kernel.resource import Change, Draft, JsonObject
from studiolo.rooms.directory.domain.identities import checked_identities

_MAX_MEMBERS = 10_000
_MAX_NEW_MEMBERS = 1_000
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9]{0,31}")


# ── what may be written ──────────────────────────────────────────────────────────────────────────────────────────


def admit_user(change: Change) -> Draft:
    """A user: a name to show, a principal name and a mail that find it, attributes for conditions."""
    plain_envelope(change)
    found = dict(change.new.properties)
    found["displayName"] = plain_name(found)
    for member in ("userPrincipalName", "mail"):
        if found.get(member):
            found[member] = _address(found, member)
    if (state := found.get("perUserMfaState")) not in (None, "disabled", ENFORCED):
        raise Invalid(f"'perUserMfaState' is disabled or {ENFORCED}, not '{str(state)[:50]}'.", target="properties.perUserMfaState")
    name = found.get("userPrincipalName")
    rival = change.fact(f"{USERS}#{by_address(name)}") if name else None
    if rival is not None and rival.id.key != change.id.key:
        raise Conflict(f"Another user signs in as '{name}' already.", code="UserPrincipalNameExists", target="properties.userPrincipalName")
    kept = {"accountEnabled": _flag(found), **_checked_attributes(found), **checked_identities(change, USERS)}
    admitted = change.new.with_properties(**{**found, **kept})
    return signed_out_if_disabled(change, admitted)


def user_kin(change: Change) -> Sequence[tuple[str, str]]:
    """The users that sign in by the wished name and identities already, by type and facet."""
    name = change.new.properties.get("userPrincipalName")
    named = [by_address(name)] if isinstance(name, str) and name else []
    return [(USERS, facet) for facet in (*named, *identity_facets(change.new.properties))]


def signed_out_if_disabled(change: Change, admitted: Draft) -> Draft:
    """Whoever is switched off is signed out: switched on again, they begin anew."""
    old = change.old
    if old is None or old.properties.get("accountEnabled") is False or admitted.properties.get("accountEnabled") is not False:
        return admitted
    return msgspec.structs.replace(admitted, private=signed_out({**old.private, **admitted.private}, change.at))


def admit_group(change: Change) -> Draft:
    """A security group. Members are object ids of users, service principals and other groups, in any nesting.

    Raises:
        Invalid: a member is malformed, stands twice or is nobody (codes `InvalidGroupMember`, `PrincipalNotFound`).
    """
    plain_envelope(change)
    found = change.new.properties
    members = _members(found.get("members") or [])
    for oid in _added(change, members):
        if not any(change.fact(id_.key) for id_ in candidates(oid)):
            raise Invalid(
                f"The member '{oid}' is no user, group or service principal of this tenant.",
                code="PrincipalNotFound",
                target="properties.members",
            )
    return change.new.with_properties(displayName=plain_name(found), members=members, securityEnabled=True)


def group_needs(change: Change) -> Sequence[ResourceId]:
    """The principals that a write adds to a group: they must be there."""
    members = _members(change.new.properties.get("members") or [])
    return [id_ for oid in _added(change, members) for id_ in candidates(oid)]


def _members(given: Sequence[Any]) -> list[str]:
    members: list[str] = []
    for member in given:
        if not isinstance(member, str) or not GUID.fullmatch(member):
            raise Invalid(
                f"The member '{str(member)[:100]}' is not an object id (a GUID).", code="InvalidGroupMember", target="properties.members"
            )
        members.append(member.lower())
    if len(set(members)) != len(members):
        raise Invalid("A member is named twice.", code="InvalidGroupMember", target="properties.members")
    if len(members) > _MAX_MEMBERS:
        raise Invalid(
            f"A group holds at most {_MAX_MEMBERS} members; nest groups for more.", code="InvalidGroupMember", target="properties.members"
        )
    return members


def _added(change: Change, members: Sequence[str]) -> list[str]:
    before = set(change.old.properties.get("members") or ()) if change.old else set[str]()
    added = [oid for oid in members if oid not in before]
    if len(added) > _MAX_NEW_MEMBERS:
        raise Invalid(f"At most {_MAX_NEW_MEMBERS} members can be added at once.", code="InvalidGroupMember", target="properties.members")
    return added


def admit_application(
    change: Change, is_reserved: Callable[[str], bool], checked_client: Callable[[Mapping[str, Any]], JsonObject]
) -> Draft:
    """An application: what a client id names. Its secrets are made by its action `addPassword`, never sent in.

    `is_reserved` says which client ids nobody may register, `checked_client` gives the properties of sign-in as they may be written.
    """
    plain_envelope(change)
    found = change.new.properties
    if found.get("passwordCredentials"):
        raise Invalid(
            "Secrets are not written with the application: POST its action addPassword, which makes a strong one and shows it once.",
            code="NotWritable",
            target="properties.passwordCredentials",
        )
    if found.get("keyCredentials"):
        raise Invalid(
            "Certificates are not written with the application: POST its action addKey.",
            code="NotWritable",
            target="properties.keyCredentials",
        )
    if is_reserved(change.id.name):
        raise Conflict(f"'{change.id.name}' is the client id of a known program; register under another one.", code="ClientIdReserved")
    kept = {"displayName": plain_name(found), "appId": change.id.name.lower(), **checked_client(found)}
    return change.new.with_properties(**kept, passwordCredentials=None, keyCredentials=None)


def admit_service_principal(change: Change) -> Draft:
    """The principal that an application, or the platform for a resource, acts as; without a name it is called like the application.

    Raises:
        Invalid: the application does not exist (code `ApplicationNotFound`).
        Conflict: the application has a service principal already (code `ServicePrincipalExists`).
        Forbidden: the platform alone makes and describes managed identities.
    """
    plain_envelope(change)
    found = change.new.properties
    kind = found.get("servicePrincipalType") or "Application"
    if not change.caller.is_platform:
        before = change.old.properties if change.old else {"servicePrincipalType": "Application", "appId": found.get("appId")}
        for field in ("servicePrincipalType", "alternativeNames", "appId"):
            if found.get(field) is not None and found.get(field) != before.get(field):
                raise Forbidden(
                    f"'{field}' of a service principal is fixed; managed identities are made by the platform with their resource.",
                    code="NotWritable",
                    target=f"properties.{field}",
                )
        kind = before.get("servicePrincipalType", kind)
        found = {**found, "appId": before.get("appId"), "alternativeNames": before.get("alternativeNames")}
    app_id = _app_id(found)
    if kind == "Application":
        application = change.fact(f"/providers/{APPLICATIONS}/{app_id}")
        if application is None:
            raise Invalid(f"There is no application '{app_id}'; create it first.", code="ApplicationNotFound", target="properties.appId")
        rival = change.fact(rival_key(app_id))
        if rival is not None and rival.id.key != change.id.key:
            raise Conflict(f"The application '{app_id}' has the service principal '{rival.name}' already.", code="ServicePrincipalExists")
        found = {**found, "displayName": found.get("displayName") or application.properties["displayName"]}
    kept = {"appId": app_id, "servicePrincipalType": kind, "alternativeNames": found.get("alternativeNames") or None}
    admitted = change.new.with_properties(
        **{**found, **kept, "displayName": plain_name(found), "accountEnabled": _flag(found), **_checked_attributes(found)}
    )
    return signed_out_if_disabled(change, admitted)


def service_principal_needs(change: Change) -> Sequence[ResourceId]:
    """The application that a service principal stands for."""
    app_id = (change.old.properties if change.old else change.new.properties).get("appId")
    return [principal_id(APPLICATIONS, app_id)] if isinstance(app_id, str) and GUID.fullmatch(app_id) else []


def service_principal_kin(change: Change) -> Sequence[tuple[str, str]]:
    """The service principal that the application has already, by type and facet."""
    app_id = str(change.new.properties.get("appId", "")).lower()
    return [(SERVICE_PRINCIPALS, by_application(app_id))]


def rival_key(app_id: str) -> str:
    """Under which a change's facts hold the application's present service principal."""
    return f"{SERVICE_PRINCIPALS}#{by_application(app_id)}"


def finds(query: Mapping[str, str]) -> str | None:
    """The facet behind `$filter=displayName eq '…'`, `mail eq`, `userPrincipalName eq` or `appId eq`; None for no filter.

    Raises:
        Invalid: another filter (code `InvalidFilter`).
    """
    text = query.get("$filter", "").strip()
    if not text:
        return None
    match = re.fullmatch(r"(displayName|mail|userPrincipalName|appId)\s+eq\s+'((?:[^']|'')*)'", text, re.IGNORECASE)
    if match is None:
        raise Invalid(
            "$filter takes displayName, mail, userPrincipalName or appId, as in displayName eq 'Ada'.",
            code="InvalidFilter",
            target="$filter",
        )
    field, value = match[1].lower(), match[2].replace("''", "'")
    if field == "appid":
        return by_application(value)
    return by_name(value) if field == "displayname" else by_address(value)


# ── pieces ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _address(found: Mapping[str, Any], field: str) -> str:
    text = plain_name(found, field)
    if not re.fullmatch(r"[^\s@]+@[^\s@]+", text):
        raise Invalid(f"'{field}' must look like name@domain, not '{text}'.", target=f"properties.{field}")
    return text


def _flag(found: Mapping[str, Any]) -> bool:
    return found.get("accountEnabled") is not False


def _app_id(found: Mapping[str, Any]) -> str:
    app_id = found.get("appId")
    if not isinstance(app_id, str) or not GUID.fullmatch(app_id):
        raise Invalid("'appId' is required: the client id (a GUID) of an application.", code="MissingProperty", target="properties.appId")
    return app_id.lower()


def _checked_attributes(found: Mapping[str, Any]) -> dict[str, Any]:
    """Custom security attributes: sets of named texts, integers, booleans and lists of them.

    Conditions are decided by them and names of properties know case, so that none may stand beside them that differs in case alone.
    """
    other = next((name for name in found if name != CUSTOM_ATTRIBUTES and name.lower() == CUSTOM_ATTRIBUTES.lower()), None)
    if other is not None:
        raise Invalid(f"'{other}' is not a property; write '{CUSTOM_ATTRIBUTES}'.", target=f"properties.{other}")
    sets: Mapping[str, Mapping[str, Any]] = found.get(CUSTOM_ATTRIBUTES) or {}
    for group, values in sets.items():
        for name in (group, *values):
            if not _ATTRIBUTE.fullmatch(name):
                raise Invalid(
                    f"'{name[:50]}' is no name of a custom security attribute or set: 1 to 32 letters and digits.",
                    target=f"properties.{CUSTOM_ATTRIBUTES}",
                )
    return {CUSTOM_ATTRIBUTES: sets or None}

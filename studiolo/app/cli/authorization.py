"""Scopes, principals and roles as people name them, turned into the ids that the API takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from studiolo.app.client import Client, Refusal
from studiolo.kernel.faults import Invalid, NotFound
from studiolo.kernel.resource import JsonObject

API_VERSION: Final = "2022-04-01"
EVERYONE: Final = "00000000-0000-0000-0000-000000000000"
_DIRECTORY_VERSION: Final = "2026-11-01"
_AUTHORIZATION: Final = "/providers/Microsoft.Authorization"
_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_KINDS: Final = {"users": "User", "groups": "Group", "servicePrincipals": "ServicePrincipal"}


def scope_of(client: Client, text: str | None) -> str:
    """A scope's path: an id as it is, a name as a hub or project of ours, nothing as the environment's project."""
    if text is None:
        return client.workspace_id(client.environment.project)
    if not text.startswith("/"):
        return client.workspace_id(text)
    return "/".join(quote(part, safe="") for part in text.rstrip("/").split("/"))


def definitions(scope: str) -> str:
    """The path of the roles at a scope."""
    return f"{scope}{_AUTHORIZATION}/roleDefinitions"


def denials(scope: str) -> str:
    """The path of the deny assignments at a scope."""
    return f"{scope}{_AUTHORIZATION}/denyAssignments"


def assignments(scope: str) -> str:
    """The path of the role assignments at a scope."""
    return f"{scope}{_AUTHORIZATION}/roleAssignments"


def is_guid(text: str) -> bool:
    """Whether the text is a GUID."""
    return _GUID.fullmatch(text) is not None


async def find_role(client: Client, scope: str, text: str) -> JsonObject:
    """A role by its name, its GUID or its id.

    Raises:
        NotFound: no such role can be seen at the scope (code `RoleNotFound`).
    """
    last = text.rsplit("/", 1)[-1]
    if is_guid(last):
        found = await client.find(f"{definitions(scope)}/{last}", API_VERSION)
        if found is not None:
            return found
    else:
        wanted = f"roleName eq '{text.replace(chr(39), chr(39) * 2)}'"
        async for role in client.pages(definitions(scope), API_VERSION, **{"$filter": wanted}):
            return role
    raise NotFound(f"There is no role '{text}' at '{scope or '/'}': `studiolo role list` names them.", code="RoleNotFound")


async def find_principal(client: Client, who: str) -> tuple[str, str | None]:
    """The object id, and the type where it is known, of a person, a group or an application.

    `who` is `me`, an object id, a client id, a shown name, a principal name or a mail address.

    Raises:
        NotFound: nobody is meant (code `PrincipalNotFound`).
        Invalid: several are meant (code `PrincipalAmbiguous`).
    """
    if who == "me":
        return await client.principal(), None
    fields = ("appId",) if is_guid(who) else ("displayName", "userPrincipalName", "mail")
    try:
        found = await _search(client, who, fields)
    except Refusal as refusal:
        if refusal.status == 403 and is_guid(who):
            return who, None
        raise
    if len(found) > 1:
        raise Invalid(
            f"'{who}' means {len(found)} principals ({', '.join(sorted(found))}): name one by its object id.", code="PrincipalAmbiguous"
        )
    for oid, kind in found.items():
        return oid, kind
    if is_guid(who):
        return who, None
    raise NotFound(f"There is nobody called '{who}': name a mail address, a name, a client id or an object id.", code="PrincipalNotFound")


async def _search(client: Client, who: str, fields: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for collection, kind in _KINDS.items():
        for field in fields:
            if field == "appId" and collection != "servicePrincipals":
                continue
            wanted = f"{field} eq '{who.replace(chr(39), chr(39) * 2)}'"
            async for one in client.pages(f"/providers/Studiolo.Directory/{collection}", _DIRECTORY_VERSION, **{"$filter": wanted}):
                found[str(one["name"])] = kind
    return found

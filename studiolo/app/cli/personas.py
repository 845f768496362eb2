"""The four personas of an AI studio: which roles somebody gets, where, in one go.

Whoever joins a project also reads its hub and may deploy models in its resource group (section 9 of the access
specification); whoever leaves the last project of a hub loses both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from studiolo.app.cli import authorization
from studiolo.app.cli.options import Persona
from studiolo.app.client import Client
from studiolo.kernel import clock
from studiolo.kernel.faults import Invalid
from studiolo.kernel.resource import JsonObject

_WORKSPACES: Final = "2024-10-01"


class Given(NamedTuple):
    """One role of a persona: `where` is the hub, the project, or the resource group that holds them."""

    role: str
    where: Literal["hub", "project", "group"]


PERSONAS: Final[dict[Persona, tuple[Given, ...]]] = {
    Persona.IT_ADMIN: (Given("Owner", "hub"),),
    Persona.MANAGER: (Given("Contributor", "hub"), Given("Azure AI Developer", "hub")),
    Persona.LEAD_DEVELOPER: (Given("Azure AI Developer", "hub"), Given("Azure AI Inference Deployment Operator", "group")),
    Persona.DEVELOPER: (
        Given("Azure AI Developer", "project"),
        Given("Reader", "hub"),
        Given("Azure AI Inference Deployment Operator", "group"),
    ),
}
"""What each persona is given, as the original's documentation has it."""


class Place(NamedTuple):
    """Where a persona works: the ids of a hub, of a project if it is one of a project, and of their resource group."""

    hub: str
    project: str | None
    group: str

    def of(self, given: Given) -> str:
        """The scope of one role."""
        return {"hub": self.hub, "project": self.project or self.hub, "group": self.group}[given.where]


async def place_of(client: Client, persona: Persona, hub: str | None, project: str | None) -> Place:
    """The place that a persona is given: a developer's is a project, the others' a hub.

    Raises:
        Invalid: the other kind is named (code `PersonaNeedsHub`, `PersonaNeedsProject`).
    """
    if persona is Persona.DEVELOPER:
        if hub is not None:
            raise Invalid("A developer works in a project: name it with --project.", code="PersonaNeedsProject")
        id_ = client.workspace_id(project or client.environment.project)
        found = await client.get(id_, _WORKSPACES)
        if not found["properties"].get("hubResourceId"):
            raise Invalid(f"'{project}' is no project.", code="PersonaNeedsProject")
        return Place(str(found["properties"]["hubResourceId"]), id_, client.group_id())
    if project is not None:
        raise Invalid(f"A persona '{persona}' works at a hub: name it with --hub.", code="PersonaNeedsHub")
    id_ = client.workspace_id(hub or client.environment.hub)
    await client.get(id_, _WORKSPACES)
    return Place(id_, None, client.group_id())


async def give(client: Client, persona: Persona, place: Place, principal: str, kind: str | None, bounds: JsonObject) -> list[JsonObject]:
    """Give what is missing of a persona's roles; each row says whether it was given just now."""
    done: list[JsonObject] = []
    for given in PERSONAS[persona]:
        scope = place.of(given)
        role = await authorization.find_role(client, scope, given.role)
        found = await held(client, scope, principal, str(role["name"]))
        state = "held already" if found else "given"
        if found is None:
            asked = {"roleDefinitionId": role["id"], "principalId": principal, "principalType": kind, **bounds}
            body: JsonObject = {"properties": {name: value for name, value in asked.items() if value is not None}}
            found = await client.write(f"{authorization.assignments(scope)}/{clock.new_id()}", authorization.API_VERSION, body)
        done.append({"role": given.role, "scope": scope, "state": state, "id": found["id"]})
    return done


async def take(client: Client, persona: Persona, place: Place, principal: str) -> list[JsonObject]:
    """Take a persona's roles back. What a developer needs for other projects of the hub, or of the group, stays."""
    done: list[JsonObject] = []
    stays = await _stays(client, persona, place, principal)
    for given in PERSONAS[persona]:
        scope = place.of(given)
        role = await authorization.find_role(client, scope, given.role)
        found = await held(client, scope, principal, str(role["name"]))
        state = "not held"
        if found is not None:
            state = "kept for other projects" if given.where in stays else "taken back"
            if given.where not in stays:
                await client.delete(str(found["id"]), authorization.API_VERSION)
        done.append({"role": given.role, "scope": scope, "state": state, "id": found["id"] if found else ""})
    return done


async def held(client: Client, scope: str, principal: str, role: str) -> JsonObject | None:
    """The assignment of a role to a principal at this very scope."""
    wanted = {"$filter": f"atScope() and principalId eq '{principal}'"}
    async for found in client.pages(authorization.assignments(scope), authorization.API_VERSION, **wanted):
        is_here = str(found["properties"]["scope"]).lower() == scope.lower()
        if is_here and str(found["properties"]["roleDefinitionId"]).rpartition("/")[2].lower() == role.lower():
            return found
    return None


async def _stays(client: Client, persona: Persona, place: Place, principal: str) -> frozenset[str]:
    """Which of a developer's further roles other projects need."""
    if persona is not Persona.DEVELOPER:
        return frozenset()
    role = str((await authorization.find_role(client, place.group, PERSONAS[persona][0].role))["name"])
    wanted = {"$filter": f"principalId eq '{principal}'"}
    others: list[str] = []
    async for found in client.pages(authorization.assignments(place.group), authorization.API_VERSION, **wanted):
        scope = str(found["properties"]["scope"])
        is_same = str(found["properties"]["roleDefinitionId"]).rpartition("/")[2].lower() == role.lower()
        if is_same and "/workspaces/" in scope.lower() and scope.lower() != (place.project or "").lower():
            others.append(scope)
    hubs = [await _hub_of(client, scope) for scope in others]
    return frozenset(name for name, needed in (("group", bool(hubs)), ("hub", place.hub.lower() in hubs)) if needed)


async def _hub_of(client: Client, scope: str) -> str:
    found = await client.find(scope, _WORKSPACES)
    return str((found or {}).get("properties", {}).get("hubResourceId") or "").lower()


def columns() -> Sequence[tuple[str, str]]:
    """The headings of what was done, and the members that they show."""
    return (("role", "role"), ("scope", "scope"), ("state", "state"))

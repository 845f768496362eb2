"""What this server serves, as data: every route and every type with the actions that they ask for.

Whoever writes a client, a policy or an attack reads it from a running studio instead of guessing; the generated
reference and `studiolo doctor isolation` use the same list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from studiolo.kernel.ids import parse
from studiolo.kernel.resource import Caller, Catalog, JsonObject, ResourceType
from studiolo.wire.http import Answer, Call, Guard, Judge, Permit, Public, Route, Surface
from studiolo.wire.render import render_arm

READ: Final = "Studiolo.House/routes/read"


class Authenticator(Protocol):
    """Who is calling."""

    async def identify(self, call: Call) -> Caller:
        """The caller, or Unauthenticated."""
        ...


def served_routes(surfaces: Iterable[object]) -> list[JsonObject]:
    """Every declared route, in the order in which they are tried."""
    return [
        {
            "surface": surface.name,
            "host": "blob" if surface.hosts is not None else "main",
            "method": route.method,
            "path": route.path,
            "query": dict(route.query),
            "actions": list(route.guard.actions) if isinstance(route.guard, Guard) else [],
            "plane": ("data" if route.guard.is_data else "control") if isinstance(route.guard, Guard) else None,
            "public": route.guard.reason if isinstance(route.guard, Public) else None,
            "about": route.about,
        }
        for surface in surfaces
        if isinstance(surface, Surface)
        for route in surface.routes
    ]


def served_types(types: Iterable[ResourceType]) -> list[JsonObject]:
    """Every resource type with its verbs, its POST actions and the permission of each."""
    return [
        {
            "name": declared.name,
            "verbs": sorted(declared.verbs),
            "read": declared.permission("read"),
            "write": declared.permission("write"),
            "delete": declared.permission("delete"),
            "actions": [
                {"name": action.name, "permission": declared.permission(action.permission or action.name)} for action in declared.actions
            ],
            "isTracked": declared.is_tracked,
            "isExtension": declared.is_extension,
        }
        for declared in sorted(types, key=lambda each: each.key)
    ]


def served_surface(surfaces: Callable[[], Iterable[object]], catalog: Catalog, authenticator: Authenticator, judge: Judge) -> Surface:
    """`{scope}/providers/Studiolo.House/routes` and `/types`, for readers of the scope. `surfaces` is asked when somebody asks."""

    async def enter(call: Call, permit: Permit, params: dict[str, str]) -> None:
        caller = await authenticator.identify(call)
        await permit.require(caller, READ, parse(f"/{params['scope']}").text if "scope" in params else "/")

    async def routes(call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        await enter(call, permit, params)
        return Answer.json({"value": served_routes(surfaces())})

    async def types(call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        await enter(call, permit, params)
        return Answer.json({"value": served_types(catalog)})

    guard = Guard((READ,), is_data=False)
    told = (
        ("routes", routes, "Every route, with the actions that it asks for."),
        ("types", types, "Every resource type, with its verbs and actions."),
    )
    declared = [
        Route("GET", f"{scope}/providers/Studiolo.House/{name}", guard, run, about=about)
        for scope in ("", "/{scope:path}")
        for name, run, about in told
    ]
    return Surface("house", declared, judge, render_arm)

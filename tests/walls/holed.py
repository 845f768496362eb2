"""`studiolo` with a hole in its wall, for seeing that a probe finds it: `python holed.py HOLE up --home …`.

public    a route that answers anybody, and tells a project's description
forgets   reading a blob counts as decided without asking
absent    a model call says whether a project exists before it asks
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from studiolo.app import compose
from studiolo.app.cli import main
from studiolo.app.plugs import Workspaces
from studiolo.kernel.faults import Invalid
from studiolo.rooms.blobs.wire.visits import Visit
from studiolo.wire.http import Answer, Call, Permit, Public, Route, Surface
from studiolo.wire.render import render_arm


def _with_route() -> None:
    built: Callable[..., Any] = compose._surfaces  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - a hole is made from outside

    def surfaces(settings: Any, house: Any, control: Any) -> list[Any]:
        made: list[Any] = built(settings, house, control)

        async def tell(_: Call, __: Permit, params: dict[str, str]) -> Answer:
            found = await house.workspaces.by_guid(params["thing"])
            return Answer.json(found.properties if found else {})

        route = Route("GET", "/holes/{thing}", Public("a hole"), tell)
        made.append(Surface("holes", [route], house.gate, render_arm, prefixes=("holes",)))
        return made

    compose._surfaces = surfaces  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - as above


async def _reads_without_asking(_: Visit, permit: Permit, __: object) -> None:
    permit.asked += 1


async def _finds_none(self: Workspaces, name: str) -> Any:
    found = await self.by_guid(name)
    if found is None:
        raise Invalid("There is no such project.", code="ProjectMissing")
    return await _find(self, name)


_find = Workspaces.find

HOLES: dict[str, Callable[[], None]] = {
    "none": lambda: None,
    "public": _with_route,
    "forgets": lambda: setattr(Visit, "may_read", _reads_without_asking),
    "absent": lambda: setattr(Workspaces, "find", _finds_none),
}

if __name__ == "__main__":
    HOLES[sys.argv.pop(1)]()
    main()

"""`studiolo` with a hole in its wall, for seeing that a probe finds it: `python holed.py HOLE up --home …`.

public    a route that answers anybody, and tells a project's description
forgets   reading a blob counts as decided without asking
absent    a model call says whether a project exists before it asks
/FILE     whatever stands in the file, a line each, has lost its permit: there the gate says yes to everybody. Lines are those of
          a probe's report, such as `PUT /{container}/{blob:path}?comp=tags` or `LIST Microsoft.KeyVault/vaults`; `*` is everything
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from studiolo.app import compose
from studiolo.app.cli import main
from studiolo.app.isolation.examples import line_of
from studiolo.app.plugs import Workspaces
from studiolo.kernel.access.visibility import Filter
from studiolo.kernel.faults import Invalid
from studiolo.kernel.gate import Gate
from studiolo.kernel.ids import ResourceId, split
from studiolo.kernel.record import Granted
from studiolo.rooms.blobs.wire.visits import Visit
from studiolo.wire.arm import ArmSurface
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


# Whether the call that is being answered comes by what has lost its permit.
_OPEN: ContextVar[bool] = ContextVar("open", default=False)


def _without_permits(file: Path) -> None:
    def note(line: str) -> None:
        lost = file.read_text().splitlines() if file.exists() else []
        _OPEN.set(line in lost or "*" in lost)

    find, answer, require, see = Surface._find, ArmSurface._answer, Gate.require, Gate.visible  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

    def found(self: Surface, call: Call) -> tuple[Route, dict[str, str]]:
        route, params = find(self, call)
        note(line_of({"method": route.method, "path": route.path, "query": route.query}))
        return route, params

    async def answered(self: ArmSurface, call: Call) -> Answer:
        place = split(call.path)
        if isinstance(place, ResourceId):
            note(f"{call.method} {place.type}")
        elif call.method == "GET":
            note(f"LIST {place.type}")
        else:
            kind, _, action = place.type.rpartition("/")
            note(f"POST {action} {kind}")
        return await answer(self, call)

    async def required(self: Gate, *arguments: Any, **options: Any) -> Granted:
        return Granted() if _OPEN.get() else await require(self, *arguments, **options)

    async def seen(self: Gate, *arguments: Any) -> Filter:
        return Filter.everything() if _OPEN.get() else await see(self, *arguments)

    for owner, name, lost in (
        (Surface, "_find", found),
        (ArmSurface, "_answer", answered),
        (Gate, "require", required),
        (Gate, "visible", seen),
    ):
        setattr(owner, name, lost)


_find = Workspaces.find

HOLES: dict[str, Callable[[], None]] = {
    "none": lambda: None,
    "public": _with_route,
    "forgets": lambda: setattr(Visit, "may_read", _reads_without_asking),
    "absent": lambda: setattr(Workspaces, "find", _finds_none),
}

if __name__ == "__main__":
    hole = sys.argv.pop(1)
    HOLES[hole]() if hole in HOLES else _without_permits(Path(hole))
    main()

"""Questions about rights that are no resources, asked below any scope: why, who may, what somebody may, and what if."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Literal, Protocol, TypeVar

import msgspec

from studiolo.kernel.access.ask import Ask
from studiolo.kernel.access.scopes import ROOT
from studiolo.kernel.faults import Forbidden, Invalid
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import Caller, JsonObject
from studiolo.rooms.authorization.service.access import AccessService, Question
from studiolo.rooms.authorization.service.reach import May, Page, ReachService
from studiolo.rooms.authorization.service.simulation import Plan, Simulator
from studiolo.wire.http import Answer, Call, Guard, Permit, Route

_PLACE: Final = "/providers/Studiolo.Access/"
_READ: Final = "Microsoft.Authorization/roleAssignments/read"
T = TypeVar("T")


class _Attributes(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    action: str
    plane: Literal["control", "data"] | None = None
    sub_operations: tuple[str, ...] = ()
    request: dict[str, object] = {}
    resource: dict[str, object] = {}
    environment: dict[str, object] = {}


class _Asked(_Attributes, kw_only=True):
    """The body of `explain`. `who` may be `me`."""

    who: str


class _WhoCan(_Attributes, kw_only=True):
    top: int = 100
    skip_token: str | None = None


class _Can(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    who: str
    top: int = 100
    skip_token: str | None = None


class _Simulated(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    change: Plan
    at: str | None = None
    top: int = 100
    skip_token: str | None = None


_Run = Callable[[JsonObject, Caller, str, May], Awaitable[JsonObject]]


class _Questions:
    """One method per question; each gets the body, the caller, the scope, and which places the caller may read."""

    def __init__(self, access: AccessService, reach: ReachService, simulator: Simulator) -> None:
        self._access = access
        self._reach = reach
        self._simulator = simulator

    async def explain(self, body: JsonObject, caller: Caller, scope: str, may: May) -> JsonObject:
        asked = _read(body, _Asked)
        who = caller.oid if asked.who == "me" else asked.who
        question = Question(who, asked.action, scope, asked.plane, asked.sub_operations, asked.request, asked.resource, asked.environment)
        return await self._access.explain(question)

    async def who_can(self, body: JsonObject, caller: Caller, scope: str, may: May) -> JsonObject:
        asked = _read(body, _WhoCan)
        plane = asked.plane or self._reach.plane(asked.action)
        ask = Ask("", asked.action, scope, plane, asked.sub_operations, asked.request, asked.resource, {}, asked.environment)
        return await self._reach.who_can(ask, may, Page(asked.top, asked.skip_token))

    async def can(self, body: JsonObject, caller: Caller, scope: str, may: May) -> JsonObject:
        asked = _read(body, _Can)
        return await self._reach.can(caller.oid if asked.who == "me" else asked.who, scope, may, Page(asked.top, asked.skip_token))

    async def simulate(self, body: JsonObject, caller: Caller, scope: str, may: May) -> JsonObject:
        asked = _read(body, _Simulated)
        for place in dict.fromkeys(asked.change.scopes()):
            if not await may(place):
                raise Forbidden(f"The change touches '{place}', where you may not read role assignments.", target="change")
        return await self._simulator.simulate(asked.change, scope, may, Page(asked.top, asked.skip_token), asked.at)


class Callers(Protocol):
    """Who is calling."""

    async def identify(self, call: Call) -> Caller:
        """The caller that the request's credential proves; raises Unauthenticated if none."""
        ...


def access_routes(access: AccessService, reach: ReachService, simulator: Simulator, callers: Callers) -> list[Route]:
    """`POST {scope}/providers/Studiolo.Access/{question}`, for whoever may read the role assignments at the scope."""
    questions = _Questions(access, reach, simulator)
    offered: list[tuple[str, _Run, str]] = [
        ("explain", questions.explain, "the verdict on one action, with the rows that decide it and the conditions that fail"),
        ("whoCan", questions.who_can, "everybody who may do one action, and by which assignment, group and path of inheritance"),
        ("can", questions.can, "everything that somebody may do, as patterns and as actions"),
        ("simulate", questions.simulate, "who would gain and who would lose what by a change that is not made"),
    ]
    guard = Guard((_READ,), is_data=False)
    return [
        Route("POST", f"{prefix}{_PLACE}{name}", guard, _handler(run, callers), about=about)
        for name, run, about in offered
        for prefix in ("", "/{scope:path}")
    ]


def _handler(run: _Run, callers: Callers) -> Callable[[Call, Permit, dict[str, str]], Awaitable[Answer]]:
    async def answer(call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        caller = await callers.identify(call)
        scope = parse(f"/{params['scope']}").text if "scope" in params else ROOT
        await permit.require(caller, _READ, scope)

        async def may(place: str) -> bool:
            try:
                await permit.require(caller, _READ, place)
            except Forbidden:
                return False
            return True

        return Answer.json(await run(await call.json(), caller, scope, may))

    return answer


def _read(body: JsonObject, kind: type[T]) -> T:
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        raise Invalid(f"The question cannot be read: {str(error)[:300]}.") from None

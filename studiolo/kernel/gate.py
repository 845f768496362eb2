"""The gate: who may do what, asked once at the door.

It joins the pure engine with the facts about one principal, which a `Grants` back end loads and keeps. Answers that
rest on no attribute are remembered until the grants change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from studiolo.kernel import clock
from studiolo.kernel.access.decision import Ask, CompiledFacts, Verdict, decide
from studiolo.kernel.access.visibility import Filter, visible
from studiolo.kernel.faults import Fault, Forbidden
from studiolo.kernel.resource import Caller, Demand

_REMEMBERED = 100_000


class Grants(Protocol):
    """Where the facts about principals come from."""

    def version(self) -> int:
        """A number that grows with every change of a principal, group, role or assignment."""
        ...

    async def facts(self, oid: str) -> CompiledFacts:
        """Everything that the engine needs to know about one principal."""
        ...

    def attributes(self, oid: str) -> Mapping[str, object]:
        """The custom security attributes of a principal whose facts were just asked for, by their names in conditions."""
        ...


class Gate:
    """Decides every call. An exception on the way is a no."""

    def __init__(self, grants: Grants) -> None:
        self._grants = grants
        self._allowed: set[tuple[str, str, str, bool]] = set()
        self._version = -1

    async def decide(
        self,
        caller: Caller,
        action: str,
        scope: str,
        *,
        is_data: bool = False,
        sub_operations: tuple[str, ...] = (),
        request: Mapping[str, Any] | None = None,
        resource: Mapping[str, Any] | None = None,
    ) -> Verdict:
        """The engine's verdict, with its reason."""
        facts = await self._grants.facts(caller.oid)
        ask = Ask(
            principal=caller.oid,
            action=action,
            scope=scope,
            plane="data" if is_data else "control",
            sub_operations=sub_operations,
            request=request or {},
            resource=resource or {},
            principal_attributes=self._grants.attributes(caller.oid),
            environment={"UtcNow": clock.stamp(clock.now()), "isPrivateLink": False},
        )
        return decide(ask, facts)

    async def may(self, caller: Caller, action: str, scope: str, *, is_data: bool = False) -> bool:
        """Whether the caller may, as far as no attribute is needed."""
        try:
            await self.require(caller, action, scope, is_data=is_data)
        except Forbidden:
            return False
        return True

    async def require(
        self,
        caller: Caller,
        action: str,
        scope: str,
        *,
        is_data: bool = False,
        sub_operations: tuple[str, ...] = (),
        request: Mapping[str, Any] | None = None,
        resource: Mapping[str, Any] | None = None,
    ) -> None:
        """Return if the caller may.

        Raises:
            Forbidden: the engine says no (`AuthorizationFailed`, `DenyAssignmentAuthorizationFailed`).
        """
        if caller.is_platform:
            return
        if caller.limited_to is not None and action not in caller.limited_to:
            raise refusal(caller, action, scope)
        version = self._grants.version()
        if version != self._version or len(self._allowed) > _REMEMBERED:
            self._allowed.clear()
            self._version = version
        plain = not (request or resource or sub_operations)
        question = (caller.oid, action, scope, is_data)
        if plain and question in self._allowed:
            return
        try:
            verdict = await self.decide(
                caller, action, scope, is_data=is_data, sub_operations=sub_operations, request=request, resource=resource
            )
        except Fault:
            raise
        except Exception as error:
            raise Forbidden("The decision could not be made, so the answer is no.", code="AuthorizationFailed") from error
        if not verdict.allowed:
            raise refusal(caller, action, scope, is_denied=verdict.is_denied)
        if plain and not verdict.is_conditional and version == self._grants.version():
            self._allowed.add(question)

    async def demand(self, caller: Caller, demand: Demand) -> None:
        """Return if the caller may do what is demanded, or something that is as good.

        Raises:
            Forbidden: the caller may do none of it; the fault names the first.
        """
        try:
            await self.require(caller, demand.action, demand.scope.text)
        except Forbidden:
            for other in demand.alternatives:
                if await self.may(caller, other.action, other.scope.text):
                    return
            raise

    async def visible(self, caller: Caller, action: str, scope: str) -> Filter:
        """Which part of what lies below `scope` the caller may see in a list."""
        if caller.is_platform:
            return Filter.everything()
        return visible(await self._grants.facts(caller.oid), action, "control", scope)


def refusal(caller: Caller, action: str, scope: str, *, is_denied: bool = False) -> Forbidden:
    """The refusal in the public cloud's words, on which clients and people rely."""
    who = caller.application or caller.name or caller.oid
    message = (
        f"The client '{who}' with object id '{caller.oid}' does not have authorization to perform action '{action}' over scope '{scope}' "
        "or the scope is invalid. If access was recently granted, please refresh your credentials."
    )
    if is_denied:
        return Forbidden(
            message.replace("does not have authorization", "has permission, but is blocked by a deny assignment,"),
            code="DenyAssignmentAuthorizationFailed",
        )
    return Forbidden(message)

"""The gate: who may do what, asked once at the door.

It joins the pure engine with the facts about one principal, which a `Grants` back end loads and keeps. Answers that
rest on no attribute are remembered until the grants change. What it refuses, and what it lets out, stands in the record.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeAlias

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.access.decision import Ask, CompiledFacts, Verdict, decide
from studiolo.kernel.access.patterns import action_key
from studiolo.kernel.access.scopes import scope_key
from studiolo.kernel.access.visibility import Filter, visible
from studiolo.kernel.faults import Denied, Fault, Forbidden
from studiolo.kernel.record import Asked, Decision, Granted, Recorder
from studiolo.kernel.resource import Caller, Demand

_REMEMBERED = 100_000
May: TypeAlias = Callable[[str, Mapping[str, Any]], bool]
"""Whether something may be done at a scope, given the attributes of what is there."""
_log = logging.getLogger(__name__)


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

    def __init__(self, grants: Grants, recorder: Recorder | None = None) -> None:
        """Decide by `grants`. Without a recorder whoever asks tells refusals by another gate."""
        self._grants = grants
        self._recorder = recorder
        self._allowed: dict[tuple[str, str, str, bool], Granted] = {}
        self._holds: dict[tuple[str, str], bool] = {}
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
        ask = self._ask(caller, action, scope, is_data=is_data, sub_operations=sub_operations, request=request, resource=resource)
        return decide(ask, facts)

    def _ask(
        self,
        caller: Caller,
        action: str,
        scope: str,
        *,
        is_data: bool,
        sub_operations: tuple[str, ...],
        request: Mapping[str, Any] | None,
        resource: Mapping[str, Any] | None,
    ) -> Ask:
        """The question, with the attributes of a principal whose facts were just asked for."""
        return Ask(
            principal=caller.oid,
            action=action,
            scope=scope,
            plane="data" if is_data else "control",
            sub_operations=sub_operations,
            request=request or {},
            resource=resource or {},
            principal_attributes=self._grants.attributes(caller.oid),
            environment=_surroundings(),
        )

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
    ) -> Granted:
        """Return, with what allows it, if the caller may.

        Raises:
            Forbidden: the engine says no (`AuthorizationFailed`, `DenyAssignmentAuthorizationFailed`), with its decision.
        """
        if caller.is_platform:
            return Granted()
        self._forget()
        question = (caller.oid, action, scope, is_data)
        if caller.limited_to is not None and action not in caller.limited_to:
            raise refusal(Decision(caller, action, scope, "credential_limited", version=self._seen()))
        granted = None if sub_operations else self._allowed.get(question)
        if granted is None:
            granted = await self._asked(question, caller, sub_operations=sub_operations, request=request, resource=resource)
        if self._recorder is not None:
            self._recorder.count(caller.oid, action)
        return granted

    def _forget(self) -> None:
        """Forget what rested on other grants than those of now."""
        version = self._grants.version()
        if version != self._version or len(self._allowed) > _REMEMBERED or len(self._holds) > _REMEMBERED:
            self._allowed.clear()
            self._holds.clear()
            self._version = version

    async def holds_right(self, caller: Caller, scope: str) -> bool:
        """Whether the caller holds a role at a scope, above or below it, whatever it grants and under whatever condition."""
        if caller.is_platform:
            return True
        self._forget()
        question = (caller.oid, scope)
        found = self._holds.get(question)
        if found is None:
            version, facts = self._version, (await self._grants.facts(caller.oid)).facts
            key = scope_key(scope)
            chain = frozenset(facts.hierarchy.chain(key))
            found = any(each in chain or each.startswith(f"{key}/") for each in map(scope_key, {row.scope for row in facts.assignments}))
            if version == self._grants.version():
                self._holds[question] = found
        return found

    async def _asked(
        self,
        question: tuple[str, str, str, bool],
        caller: Caller,
        *,
        sub_operations: tuple[str, ...],
        request: Mapping[str, Any] | None,
        resource: Mapping[str, Any] | None,
    ) -> Granted:
        """Ask the engine, and remember a yes that no attribute can change, so that no call needs to have its own looked at."""
        _, action, scope, is_data = question
        version, seen = self._version, self._seen()
        try:
            facts = await self._grants.facts(caller.oid)
            ask = self._ask(caller, action, scope, is_data=is_data, sub_operations=sub_operations, request=request, resource=resource)
            plan = facts.plan(ask)
            verdict = plan.answer(ask)
        except Fault:
            raise
        except Exception as error:
            _log.exception("the decision on %s could not be made, so the answer is no", action)
            raise refusal(Decision(caller, action, scope, "engine_failed", version=seen)) from error
        if not verdict.allowed:
            raise refusal(Decision(caller, action, scope, verdict.reason, verdict.deciding, seen, ask, facts), is_denied=verdict.is_denied)
        granted = Granted(verdict.reason, verdict.deciding, seen)
        if plan.is_settled and not sub_operations and version == self._grants.version():
            self._allowed[question] = granted
        return granted

    def _seen(self) -> int:
        return self._recorder.version if self._recorder is not None else 0

    # ── the record ───────────────────────────────────────────────────────────────────────────────────────────────

    async def recorded(self, fault: Fault, asked: Asked) -> Fault:
        """The fault to answer with: a refusal gets its decision id once its line is on the disk; one that cannot be told is not given."""
        if fault.is_refusal and self._recorder is not None and not fault.decision_id:
            try:
                fault.decision_id = await self._recorder.refused(fault, asked)
            except Fault as unavailable:
                return unavailable
        return fault

    async def stop(self) -> None:
        """Write what is still counted."""
        if self._recorder is not None:
            await self._recorder.stop()

    async def lets_out(self, caller: Caller, action: str, scope: str, status: str, granted: Granted, code: str = "") -> None:
        """Tell the record that a secret is about to be given out or changed, or what came of it.

        Raises:
            Unavailable: the record cannot be written (code `RecordUnavailable`); the secret must not leave.
        """
        if self._recorder is not None:
            await self._recorder.secret(caller, action, scope, status, granted, code)

    async def demand(self, caller: Caller, demand: Demand) -> Granted:
        """Return, with what allows it, if the caller may do what is demanded, or something that is as good.

        What is as good to grant is as good to deny: a deny assignment against one of them refuses them all.

        Raises:
            Forbidden: the caller may do none of it (the fault names the first), or one of it is denied.
        """
        granted: Granted | None = None
        refused: list[Forbidden] = []
        for each in (demand, *demand.alternatives):
            try:
                found = await self.require(caller, each.action, each.scope.text, request=each.request, resource=each.resource)
            except Forbidden as fault:
                if demand.is_foretold and fault.decision is not None and fault.decision.is_conditional:
                    granted = granted or Granted()
                elif isinstance(fault, Denied):
                    raise
                else:
                    refused.append(fault)
            else:
                granted = granted or found
        if granted is None:
            raise refused[0]
        return granted

    async def singly(self, caller: Caller, action: str) -> May:
        """Answers for many resources, one by one with their attributes, on the rights that the caller has now."""
        facts = await self._grants.facts(caller.oid)
        asked = self._ask(caller, action, "/", is_data=False, sub_operations=(), request=None, resource=None)

        def may(scope: str, resource: Mapping[str, Any]) -> bool:
            ask = msgspec.structs.replace(asked, scope=scope, resource=resource)
            return facts.plan(ask).answer(ask).allowed

        return may

    async def deniable(self, caller: Caller) -> Callable[[Iterable[str]], bool]:
        """Whether a deny assignment that somebody made, wherever it stands, may deny the caller one of some actions."""
        facts = await self._grants.facts(caller.oid)
        made = [deny for deny in facts.facts.denies if not deny.is_system_protected and facts.is_denied_by(deny)]
        scopes, ids = {scope_key(deny.scope) for deny in made}, {deny.id for deny in made}

        def may_be(actions: Iterable[str]) -> bool:
            here = (facts.local(scope, ("control", action_key(action), ())) for action in actions for scope in scopes)
            return any(term.id in ids for local in here for term in (*local.denies, *local.here))

        return may_be

    async def denied(self, caller: Caller, demands: Iterable[Demand]) -> list[Demand]:
        """Which of these demands a deny assignment stands against; the lack of a grant counts for nothing."""
        facts = await self._grants.facts(caller.oid)
        return [demand for demand in demands if any(self._is_denied(caller, each, facts) for each in (demand, *demand.alternatives))]

    def _is_denied(self, caller: Caller, demand: Demand, facts: CompiledFacts) -> bool:
        ask = self._ask(
            caller, demand.action, demand.scope.text, is_data=False, sub_operations=(), request=demand.request, resource=demand.resource
        )
        return decide(ask, facts).is_denied

    async def visible(self, caller: Caller, action: str, scope: str) -> Filter:
        """Which part of what lies below `scope` the caller may see in a list."""
        if caller.is_platform:
            return Filter.everything()
        facts = await self._grants.facts(caller.oid)
        attributes = self._grants.attributes(caller.oid)
        return visible(facts, action, "control", scope, principal_attributes=attributes, environment=_surroundings())


def _surroundings() -> Mapping[str, object]:
    return {"UtcNow": clock.stamp(clock.now()), "isPrivateLink": False}


def refusal(decision: Decision, *, is_denied: bool = False) -> Forbidden:
    """The refusal in the public cloud's words, on which clients and people rely."""
    caller = decision.caller
    who = caller.application or caller.name or caller.oid
    message = (
        f"The client '{who}' with object id '{caller.oid}' does not have authorization to perform action '{decision.action}' over scope "
        f"'{decision.scope}' or the scope is invalid. If access was recently granted, please refresh your credentials."
    )
    if is_denied:
        message = message.replace("does not have authorization", "has permission, but is blocked by a deny assignment,")
    fault = Denied(message) if is_denied else Forbidden(message)
    fault.decision = decision
    return fault

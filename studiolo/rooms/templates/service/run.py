"""The run of a deployment: its resources are written one after another, each on the caller's behalf.

What is done is journalled, so that after a crash the run goes on behind the last resource that was written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Conflict, Fault, Unavailable
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.resource import Caller, JsonObject, Resource, Step, SystemData
from studiolo.rooms.templates.domain.bodies import body
from studiolo.rooms.templates.domain.bounds import Meter
from studiolo.rooms.templates.domain.functions import named_guid
from studiolo.rooms.templates.domain.names import OPERATIONS
from studiolo.rooms.templates.domain.nesting import OUTER
from studiolo.rooms.templates.domain.outputs import shown_output
from studiolo.rooms.templates.domain.plan import Item, Plan, request_of
from studiolo.rooms.templates.domain.shapes import duration_text, operation_properties
from studiolo.rooms.templates.domain.values import JsonMap, as_map, broken
from studiolo.rooms.templates.domain.world import Lookup, Unanswered
from studiolo.rooms.templates.ports import Records, Resources
from studiolo.rooms.templates.service.admission import Admission, problem

T = TypeVar("T")
_LOOKUPS: Final = 200
# A resource that takes longer than this is shown as running meanwhile.
_QUICK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class DeploymentRuns:
    """Runs admitted deployments."""

    admission: Admission
    resources: Resources
    records: Records

    async def provision(self, deployment: Resource, step: Step) -> Resource:
        """Write the deployment's resources and evaluate its outputs. Safe to repeat after a crash.

        Raises:
            Conflict: a resource was refused (code `DeploymentFailed`, its reason in the details), or somebody
                cancelled the deployment (code `DeploymentCanceled`). What was written stays.
        """
        run = str(deployment.properties["correlationId"])
        began = datetime.fromisoformat(await step.once("begin", partial(self._begin, deployment.id)))
        plan = self.admission.replan(deployment)
        for item in plan.items:
            if await self.records.is_asked_to_stop(run):
                await self.records.forget_stop(run)
                raise Conflict(f"The deployment '{deployment.id.name}' was cancelled.", code="DeploymentCanceled")
            await step.once(f"write {item.id.key}", partial(self._write, deployment, plan, item, step.caller))
        outputs = await self._outputs(plan, step.caller)
        await self.records.forget_stop(run)
        ended = clock.now()
        finished: JsonObject = {
            **deployment.properties,
            "provisioningState": "Succeeded",
            "timestamp": clock.stamp(ended),
            "duration": duration_text((ended - began).total_seconds()),
            "outputs": outputs,
            "outputResources": [{"id": item.id.text} for item in plan.items],
        }
        finished.pop("error", None)
        return msgspec.structs.replace(deployment, properties=finished, private=self.admission.without_values(deployment))

    async def _begin(self, deployment: ResourceId) -> str:
        await self.records.clear(deployment)
        return clock.stamp(clock.now())

    async def _write(self, deployment: Resource, plan: Plan, item: Item, caller: Caller) -> bool:
        began = clock.now()
        record = partial(self._record, deployment, item.id, began)
        try:
            work = asyncio.ensure_future(self._put(plan, item, caller))
            try:
                await asyncio.wait({work}, timeout=_QUICK_SECONDS)
                if not work.done():
                    await record("Running")
                await work
            finally:
                work.cancel()
        except Unavailable:
            raise  # the worker tries again
        except Fault as fault:
            reason = problem(fault)
            await record("Failed", error=reason)
            raise Conflict(
                f"At least one resource deployment operation failed: '{item.id.text}' was refused with {fault.code}: "
                f"{fault.message} Please list deployment operations for details.",
                code="DeploymentFailed",
                target=deployment.id.text,
                details=(Conflict(fault.message, code=fault.code, target=fault.target or item.id.text),),
            ) from fault
        await record("Succeeded")
        return True

    async def _put(self, plan: Plan, item: Item, caller: Caller) -> None:
        asked = await self._resolved(plan, caller, partial(_nested_body if item.is_deployment else _plain_body, plan, item))
        await self.resources.put(caller, item.id, asked, item.api_version)

    async def _outputs(self, plan: Plan, caller: Caller) -> JsonObject:
        shown: JsonObject = {}
        for output in plan.world.template.outputs:
            value = await self._resolved(plan, caller, partial(shown_output, plan.world, output))
            if value is not None:
                shown[output.name] = value
        return shown

    async def _resolved(self, plan: Plan, caller: Caller, evaluate: Callable[[], T]) -> T:
        """Evaluate, answering look-ups on the caller's behalf until none is left."""
        answers: dict[Lookup, JsonMap] = {}
        plan.world.answers = answers
        while len(answers) <= _LOOKUPS:
            plan.world.meter = Meter()
            try:
                return evaluate()
            except Unanswered as unanswered:
                answers[unanswered.lookup] = as_map(await self._answer(caller, unanswered.lookup))
        raise broken(f"a resource or output needs more than {_LOOKUPS} look-ups.", "")

    async def _answer(self, caller: Caller, lookup: Lookup) -> JsonObject:
        id_ = parse(lookup.id)
        if not lookup.action:
            return await self.resources.get(caller, id_, lookup.api_version)
        return await self.resources.act(caller, id_, lookup.action, msgspec.json.decode(lookup.body), lookup.api_version)

    async def _record(
        self, deployment: Resource, target: ResourceId, began: datetime, state: str, *, error: JsonObject | None = None
    ) -> None:
        """Keep one step. The record's name is the target's, so that a repeated step replaces its record."""
        now = clock.now()
        by, kind = deployment.system.last_modified_by, deployment.system.last_modified_by_type
        properties = operation_properties(
            target,
            state=state,
            at=clock.stamp(now),
            seconds=(now - began).total_seconds(),
            run=str(deployment.properties["correlationId"]),
            error=error,
        )
        await self.records.write(
            Resource(
                id=deployment.id.child("operations", named_guid(target.key).replace("-", "").upper()[:16]),
                type=OPERATIONS,
                etag=clock.new_tag(),
                system=SystemData(by, kind, clock.stamp(began), by, kind, clock.stamp(now)),
                properties=properties,
            )
        )


def _plain_body(plan: Plan, item: Item) -> JsonObject:
    return dict(body(plan.world, item.declared, item.copies))


def _nested_body(plan: Plan, item: Item) -> JsonObject:
    request = request_of(plan.world, item)
    properties: JsonObject = {
        "mode": "Incremental",
        "template": request.template,
        "parameters": {name: {"value": value} for name, value in request.parameters.items()},
        "expressionEvaluationOptions": {"scope": "inner" if request.outer is None else "outer"},
    }
    if request.outer is not None:
        properties[OUTER] = request.outer
    rest = body(plan.world, item.without_properties(), item.copies)
    return {**rest, "properties": properties}

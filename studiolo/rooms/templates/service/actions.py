"""What else can be done with a deployment: validate, cancel, export, look at it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from studiolo.kernel import clock
from studiolo.kernel.documents import draft_from
from studiolo.kernel.faults import Conflict, NotOffered
from studiolo.kernel.resource import Invocation, JsonObject, Resource
from studiolo.rooms.templates.domain.shapes import duration_text
from studiolo.rooms.templates.domain.world import Fresh
from studiolo.rooms.templates.ports import Records, Resources
from studiolo.rooms.templates.service.admission import RUNNING, Admission, described, surroundings

_CANCELLED: Final = "DeploymentCanceled"


@dataclass(frozen=True, slots=True)
class DeploymentActions:
    """The actions of deployments, and how one looks."""

    admission: Admission
    resources: Resources
    records: Records

    async def validate(self, call: Invocation) -> JsonObject:
        """Say what the deployment would write, and write nothing.

        Raises:
            Invalid, NotOffered: as a deployment's admission.
            Forbidden: the caller may not write one of the resources.
            NotFound: the resource group does not exist.
        """
        id_ = call.resource.id
        found = {one.key: await self.resources.find(one) for one in surroundings(id_)}
        run, now = clock.new_id(), clock.now()
        plan, kept = self.admission.plan(id_, draft_from(call.body), call.caller, found, Fresh(run, now))
        for demand in self.admission.demands_of(plan):
            await self.resources.require(call.caller, demand)
        shown: JsonObject = {
            **described(plan, kept),
            "timestamp": clock.stamp(now),
            "correlationId": run,
            "provisioningState": "Succeeded",
            "validatedResources": [{"id": item.id.text} for item in plan.everything()],
        }
        return {"id": id_.text, "name": id_.name, "type": id_.type, "properties": shown}

    async def cancel(self, call: Invocation) -> None:
        """Ask the run to stop before its next resource. What is written stays.

        Raises:
            Conflict: the deployment is not running (code `DeploymentCannotBeCanceled`).
        """
        if call.resource.properties.get("provisioningState") not in RUNNING:
            raise Conflict(
                f"The deployment '{call.resource.name}' is not running, so it cannot be cancelled.", code="DeploymentCannotBeCanceled"
            )
        await self.records.ask_to_stop(str(call.resource.properties["correlationId"]))

    async def export(self, call: Invocation) -> JsonObject:
        """The template that was deployed."""
        return {"template": self.admission.kept(call.resource).template}

    async def what_if(self, call: Invocation) -> JsonObject:
        """Not offered."""
        raise NotOffered("'whatIf' is not offered yet; 'validate' says what a deployment would write.", target=call.resource.id.text)

    async def refuse_while_running(self, deployment: Resource) -> None:
        """Refuse to delete a deployment that runs.

        Raises:
            Conflict: it does (code `DeploymentActive`).
        """
        if deployment.properties.get("provisioningState") in RUNNING:
            raise Conflict(f"The deployment '{deployment.name}' is running; cancel it first.", code="DeploymentActive")

    async def view(self, deployment: Resource) -> JsonObject:
        """The state in a deployment's own words, and why it failed."""
        state = deployment.properties.get("provisioningState")
        if state in RUNNING:
            began = datetime.fromisoformat(str(deployment.properties["timestamp"]))
            return {"provisioningState": "Running", "duration": duration_text((clock.now() - began).total_seconds())}
        error: JsonObject | None = deployment.properties.get("error")
        if state != "Failed" or not error:
            return {}
        if error.get("code") == _CANCELLED:
            return {"provisioningState": "Canceled"}
        steps = [record.properties for record in await self.records.list(deployment.id)]
        details = [step["statusMessage"]["error"] for step in steps if step.get("statusMessage")]
        return {"error": {**error, "details": details}} if details else {}

"""Use cases of deployments. The template language is loaded with the first deployment: no start needs it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from studiolo.kernel.ids import ResourceId
from studiolo.kernel.resource import Change, Demand, Draft, Invocation, JsonObject, Resource, Step
from studiolo.rooms.templates.ports import Records, Resources, Seals, Types

if TYPE_CHECKING:
    from studiolo.rooms.templates.service.actions import DeploymentActions
    from studiolo.rooms.templates.service.admission import Admission
    from studiolo.rooms.templates.service.run import DeploymentRuns

__all__ = ["Deployments"]


class Deployments:
    """Everything that a deployment's type needs; see `Admission`, `DeploymentRuns` and `DeploymentActions`."""

    def __init__(self, *, resources: Resources, records: Records, seals: Seals, types: Types, tenant: str, environment: JsonObject) -> None:
        self._resources = resources
        self._records = records
        self._seals = seals
        self._types = types
        self._tenant = tenant
        self._environment = environment

    @cached_property
    def _admission(self) -> Admission:
        from studiolo.rooms.templates.service.admission import Admission

        return Admission(self._seals, self._types, self._tenant, self._environment)

    @cached_property
    def _runs(self) -> DeploymentRuns:
        from studiolo.rooms.templates.service.run import DeploymentRuns

        return DeploymentRuns(self._admission, self._resources, self._records)

    @cached_property
    def _actions(self) -> DeploymentActions:
        from studiolo.rooms.templates.service.actions import DeploymentActions

        return DeploymentActions(self._admission, self._resources, self._records)

    def needs(self, change: Change) -> list[ResourceId]:
        """See `Admission.needs`."""
        return self._admission.needs(change)

    def demands(self, change: Change) -> list[Demand]:
        """See `Admission.demands`."""
        return self._admission.demands(change)

    def admit(self, change: Change) -> Draft:
        """See `Admission.admit`."""
        return self._admission.admit(change)

    async def provision(self, deployment: Resource, step: Step) -> Resource:
        """See `DeploymentRuns.provision`."""
        return await self._runs.provision(deployment, step)

    async def validate(self, call: Invocation) -> JsonObject:
        """See `DeploymentActions.validate`."""
        return await self._actions.validate(call)

    async def cancel(self, call: Invocation) -> None:
        """See `DeploymentActions.cancel`."""
        await self._actions.cancel(call)

    async def export(self, call: Invocation) -> JsonObject:
        """See `DeploymentActions.export`."""
        return await self._actions.export(call)

    async def what_if(self, call: Invocation) -> JsonObject:
        """See `DeploymentActions.what_if`."""
        return await self._actions.what_if(call)

    async def refuse_while_running(self, deployment: Resource) -> None:
        """See `DeploymentActions.refuse_while_running`."""
        await self._actions.refuse_while_running(deployment)

    async def view(self, deployment: Resource) -> JsonObject:
        """See `DeploymentActions.view`."""
        return await self._actions.view(deployment)

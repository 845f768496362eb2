"""At the door: a template is read, planned and kept sealed, or refused before anything is created."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final

import msgspec

from studiolo.kernel.faults import Conflict, Fault
from studiolo.kernel.ids import ResourceId, parse
from studiolo.kernel.resource import Caller, Change, Demand, Draft, JsonObject, Resource
from studiolo.rooms.templates.domain.bodies import body, given_values
from studiolo.rooms.templates.domain.functions import named_guid
from studiolo.rooms.templates.domain.nesting import OUTER, refuse_unoffered
from studiolo.rooms.templates.domain.plan import Item, Plan, Planner, Request
from studiolo.rooms.templates.domain.shapes import dependencies, duration_text, facts_for, providers, scope_text, shown_parameters
from studiolo.rooms.templates.domain.values import Later, as_map, broken, word_for
from studiolo.rooms.templates.domain.world import Facts, Fresh
from studiolo.rooms.templates.ports import Seals, Types

RUNNING: Final = frozenset({"Creating", "Updating"})


class Kept(msgspec.Struct):
    """What a run needs, as it was when the deployment was admitted."""

    template: dict[str, Any]
    parameters: dict[str, Any]
    facts: dict[str, Any]
    outer: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """Admits deployments.

    `types` are those that are served here, `environment` is what the function of that name answers.
    """

    seals: Seals
    types: Types
    tenant: str
    environment: JsonObject

    def needs(self, change: Change) -> list[ResourceId]:
        """The group and the subscription: expressions can ask about them."""
        return surroundings(change.id)

    def demands(self, change: Change) -> list[Demand]:
        """The right to write each resource of the template, so that a caller without it changes nothing at all.

        Raises:
            Invalid, NotOffered: as `admit`.
        """
        if change.is_delete:
            return []  # the record of a deployment goes, its resources stay
        try:
            plan, _ = self._planned(change)
        except Later:
            return []  # names rest on the group's location or tags: each resource is decided when it is written
        return self.demands_of(plan)

    def demands_of(self, plan: Plan) -> list[Demand]:
        """The right to write each resource of a plan, or what is enough to make it.

        The write itself asks precisely, with its attributes; here it is only told what could not come to anything.
        """
        found: list[Demand] = []
        for item in plan.items:
            found.append(self._demand(plan, item))
            inner = plan.nested.get(item.id.key)
            found.extend(self.demands_of(inner) if inner else ())
        return found

    def _demand(self, plan: Plan, item: Item) -> Demand:
        writing = Demand(f"{item.type}/write", item.id)
        if not item.is_deployment:
            writing = self.types.making(item.id, body(plan.world, item.declared, item.copies, is_probe=True)) or writing
        return replace(writing, is_foretold=True)

    def admit(self, change: Change) -> Draft:
        """The deployment that may run. Its template and parameters are kept sealed until it has run.

        Raises:
            Invalid: the template breaks a rule (code `InvalidTemplate`), or asks for what is not served here
                (code `InvalidTemplateDeployment`).
            NotOffered: it uses a part of the language that this version does not have.
            Conflict: the deployment is running (code `DeploymentActive`).
        """
        if change.old is not None and change.old.properties.get("provisioningState") in RUNNING:
            name = change.id.name
            raise Conflict(f"The deployment '{name}' is running; wait for its end or cancel it.", code="DeploymentActive", target=name)
        plan, kept = self._planned(change)
        shown = {**described(plan, kept), "timestamp": change.at, "correlationId": change.fresh_id, "provisioningState": "Accepted"}
        sealed = self.seals.seal(msgspec.json.encode(kept), _place(change.id, change.fresh_id))
        return Draft(location=change.new.location, tags=change.new.tags, properties=shown, private={"sealed": sealed})

    def plan(
        self, id_: ResourceId, draft: Draft, caller: Caller, found: Mapping[str, Resource | None] | None, fresh: Fresh
    ) -> tuple[Plan, Kept]:
        """Plan a deployment, and say what its run needs.

        Raises:
            Invalid, NotOffered: as `admit`.
            NotFound: its resource group does not exist.
            Later: `found` is None, and the plan rests on what it would tell.
        """
        request = _request(id_, draft)
        facts = facts_for(id_, caller, found, tenant=self.tenant, environment=self.environment)
        plan = Planner(self.types.knows).plan(request, facts, fresh)
        values = {declared.name: plan.world.parameters[key] for key, declared in plan.world.template.parameters.items()}
        return plan, Kept(request.template, values, asdict(facts), request.outer)

    def _planned(self, change: Change) -> tuple[Plan, Kept]:
        fresh = Fresh(change.fresh_id, datetime.fromisoformat(change.at))
        return self.plan(change.id, change.new, change.caller, change.facts or None, fresh)

    def replan(self, deployment: Resource) -> Plan:
        """The plan of an admitted deployment, from what was kept of it: the same at every try."""
        kept = self.kept(deployment)
        request = Request(deployment.id.text, kept.template, kept.parameters, kept.outer)
        return Planner(self.types.knows).plan(request, Facts(**kept.facts), None)

    def kept(self, deployment: Resource) -> Kept:
        """What was kept of a deployment.

        Raises:
            Fault: it cannot be unsealed (code `SecretDamaged`).
        """
        run = str(deployment.properties.get("correlationId", ""))
        return msgspec.json.decode(self.seals.open(str(deployment.private.get("sealed", "")), _place(deployment.id, run)), type=Kept)

    def without_values(self, deployment: Resource) -> JsonObject:
        """What stays of a deployment that has run: its template, sealed, and no parameter."""
        kept = self.kept(deployment)
        run = str(deployment.properties.get("correlationId", ""))
        return {"sealed": self.seals.seal(msgspec.json.encode(Kept(kept.template, {}, {})), _place(deployment.id, run))}


def surroundings(id_: ResourceId) -> list[ResourceId]:
    """The group, if there is one, and the subscription of a deployment."""
    found = [parse(f"/subscriptions/{id_.subscription}")] if id_.subscription else []
    return [*found, parse(scope_text(id_))] if id_.group else found


def described(plan: Plan, kept: Kept) -> JsonObject:
    """What a deployment shows of its plan."""
    digest = named_guid(msgspec.json.encode(kept.template).decode()).replace("-", "")
    return {
        "mode": "Incremental",
        "duration": duration_text(0),
        "templateHash": str(int(digest[:16], 16)),
        "parameters": shown_parameters(plan),
        "providers": providers(plan.items),
        "dependencies": dependencies(plan.items),
    }


def problem(fault: Fault) -> JsonObject:
    """A fault as operations and deployments keep it."""
    shape: JsonObject = {"code": fault.code, "message": fault.message}
    if fault.target:
        shape["target"] = fault.target
    if fault.details:
        shape["details"] = [problem(inner) for inner in fault.details]
    return shape


def _request(id_: ResourceId, draft: Draft) -> Request:
    asked = as_map(draft.properties)
    refuse_unoffered(asked, "properties")
    template = asked.get("template")
    if not isinstance(template, dict):
        raise broken(f"'template' is required and must be an object; it is {word_for(template)}.", "properties.template")
    parameters, outer = asked.get("parameters"), asked.get(OUTER)
    given = given_values(parameters, "properties.parameters") if isinstance(parameters, dict) else {}
    return Request(id_.text, template, given, outer if isinstance(outer, dict) else None)


def _place(id_: ResourceId, run: str) -> str:
    return f"{id_.key}#{run}"

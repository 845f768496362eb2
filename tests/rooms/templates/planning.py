"""Templates planned and evaluated without a kernel: the pure part of the room, spoken to in few words."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from studiolo.rooms.templates.domain.evaluation import Evaluation
from studiolo.rooms.templates.domain.plan import Plan, Planner, Request
from studiolo.rooms.templates.domain.template import read
from studiolo.rooms.templates.domain.values import JsonMap
from studiolo.rooms.templates.domain.world import Facts, Fresh, Lookup, World

SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/studiolo"
SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
FACTS = Facts(
    target=GROUP,
    deployment={"name": "main", "properties": {"mode": "Incremental", "provisioningState": "Running"}},
    subscription={"id": f"/subscriptions/{SUBSCRIPTION}", "subscriptionId": SUBSCRIPTION, "tenantId": "t1", "displayName": "Ours"},
    group={"id": GROUP, "name": "studiolo", "type": "Microsoft.Resources/resourceGroups", "location": "local", "tags": {"team": "a"}},
    tenant={"tenantId": "t1"},
    environment={"name": "Studiolo"},
    deployer={"objectId": "o1"},
)


def template(**sections: Any) -> dict[str, Any]:
    return {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": [], **sections}


def thing(name: str, *, of: str = "Studiolo.Test/things", **more: Any) -> dict[str, Any]:
    return {"type": of, "apiVersion": "2026-01-01", "name": name, **more}


def deployment(name: str, inner: dict[str, Any], *, scope: str = "outer", parameters: Any = None, **more: Any) -> dict[str, Any]:
    properties = {"mode": "Incremental", "expressionEvaluationOptions": {"scope": scope}, "template": inner, "parameters": parameters or {}}
    return {"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": name, "properties": properties, **more}


def fresh() -> Fresh:
    return Fresh("seed", datetime(2026, 11, 23, 22, 30, 5, tzinfo=UTC))


def plan(raw: dict[str, Any], *, given: dict[str, Any] | None = None, unknown: Collection[str] = (), facts: Facts = FACTS) -> Plan:
    """The plan of a template; every type is served but those in `unknown`."""
    request = Request(f"{facts.target}/providers/Microsoft.Resources/deployments/main", raw, given or {})
    return Planner(lambda name: name not in unknown).plan(request, facts, fresh())


def names(found: Plan) -> list[str]:
    return [item.id.name for item in found.items]


def world(answers: dict[Lookup, JsonMap] | None = None, **sections: Any) -> World:
    from studiolo.rooms.templates.domain.bounds import Meter

    return World(read(template(**sections)), FACTS, Meter(), answers=answers or {}, fresh=fresh())


def value(expression: Any, **sections: Any) -> Any:
    """What an expression gives."""
    return Evaluation(world(**sections)).whole(expression, "here")

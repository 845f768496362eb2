"""The published shapes of deployments: what clients read of parameters, outputs, durations, operations and facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from studiolo.kernel.faults import NotFound
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.resource import Caller, JsonObject, Resource
from studiolo.rooms.templates.domain.names import GROUPS
from studiolo.rooms.templates.domain.outputs import TYPE_WORDS
from studiolo.rooms.templates.domain.plan import Item, Plan
from studiolo.rooms.templates.domain.values import LATER, Json, JsonMap
from studiolo.rooms.templates.domain.world import Facts


def scope_text(id_: ResourceId) -> str:
    """The scope that a deployment writes to, in the spelling that clients expect in ids."""
    place = f"/subscriptions/{id_.subscription}"
    return f"{place}/resourceGroups/{id_.group}" if id_.group else place


def facts_for(
    id_: ResourceId, caller: Caller, found: Mapping[str, Resource | None] | None, *, tenant: str, environment: JsonObject
) -> Facts:
    """What expressions of a deployment can see.

    `found` holds the group and the subscription by lower-case id. While it is None, what they would tell is LATER: no
    expression can rest on it yet.

    Raises:
        NotFound: the resource group does not exist (code `ResourceGroupNotFound`).
    """
    return Facts(
        target=scope_text(id_),
        deployment={"name": id_.name, "properties": {"mode": "Incremental", "provisioningState": "Running"}},
        subscription=_subscription(id_, found, tenant),
        group=_group(id_, found),
        tenant={"id": f"/tenants/{tenant}", "tenantId": tenant, "countryCode": "", "displayName": ""},
        environment=dict(environment),
        deployer={"objectId": caller.oid, "tenantId": caller.tenant or tenant},
    )


def _subscription(id_: ResourceId, found: Mapping[str, Resource | None] | None, tenant: str) -> JsonMap:
    key = f"/subscriptions/{id_.subscription}".lower()
    kept = found.get(key) if found is not None else None
    name: Json = LATER if found is None else str(kept.properties.get("displayName", id_.subscription)) if kept else id_.subscription
    return {"id": f"/subscriptions/{id_.subscription}", "subscriptionId": id_.subscription, "tenantId": tenant, "displayName": name}


def _group(id_: ResourceId, found: Mapping[str, Resource | None] | None) -> JsonMap | None:
    if not id_.group:
        return None
    scope = scope_text(id_)
    shown: JsonMap = {"id": scope, "name": id_.group, "type": GROUPS, "location": LATER, "tags": LATER}
    if found is None:
        return shown
    kept = found.get(scope.lower())
    if kept is None:
        raise NotFound(f"Resource group '{id_.group}' could not be found.", code="ResourceGroupNotFound")
    shown |= {"name": kept.id.name, "location": kept.location or "", "tags": dict[str, Json](kept.tags or {})}
    return {**shown, "properties": {"provisioningState": "Succeeded"}}


def shown_parameters(plan: Plan) -> JsonObject:
    """The parameters as a deployment shows them: secure ones without their values."""
    shown: JsonObject = {}
    for key, declared in plan.world.template.parameters.items():
        shown[declared.name] = {"type": TYPE_WORDS[declared.type]}
        if not declared.is_secure:
            shown[declared.name]["value"] = plan.world.parameters.get(key)
    return shown


def providers(items: Iterable[Item]) -> list[JsonObject]:
    """The namespaces and types that a deployment needs."""
    found: dict[str, dict[str, None]] = {}
    for item in items:
        namespace, _, kind = item.type.partition("/")
        found.setdefault(namespace, {})[kind] = None
    return [
        {"namespace": namespace, "resourceTypes": [{"resourceType": kind, "locations": [None]} for kind in kinds]}
        for namespace, kinds in found.items()
    ]


def dependencies(items: Iterable[Item]) -> list[JsonObject]:
    """Who waits for whom."""
    return [{"dependsOn": [reference_to(id_) for id_ in item.waits_for], **reference_to(item.id)} for item in items if item.waits_for]


def reference_to(id_: ResourceId) -> JsonObject:
    """A resource as operations and dependencies name it."""
    return {"id": id_.text, "resourceType": id_.type, "resourceName": "/".join(id_.names)}


def duration_text(seconds: float) -> str:
    """Seconds as an ISO 8601 duration with a fraction, as clients cut it up: `PT1M2.3000000S`."""
    hours, rest = divmod(max(seconds, 0.0), 3600)
    minutes, rest = divmod(rest, 60)
    return "PT" + (f"{hours:.0f}H" if hours else "") + (f"{minutes:.0f}M" if hours or minutes else "") + f"{rest:.7f}S"


def operation_properties(
    target: ResourceId, *, state: str, at: str, seconds: float, run: str, error: JsonObject | None = None
) -> JsonObject:
    """One step of a deployment as its list of operations shows it."""
    shape: dict[str, Any] = {
        "provisioningOperation": "Create",
        "provisioningState": state,
        "timestamp": at,
        "duration": duration_text(seconds),
        "trackingId": run,
        "serviceRequestId": run,
        "targetResource": reference_to(target),
    }
    if state != "Running":
        shape["statusCode"] = "OK" if error is None else "Conflict"
    if error is not None:
        shape["statusMessage"] = {"status": "Failed", "error": error}
    return shape

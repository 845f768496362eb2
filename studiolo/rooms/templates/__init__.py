"""Deployments: ARM templates, executed for real, each resource decided on its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from studiolo.kernel.resource import JsonObject, ResourceType
from studiolo.rooms.templates.ports import Records, Resources, Seals
from studiolo.rooms.templates.provider import deployments, operations, resource_groups, subscriptions
from studiolo.rooms.templates.service import Deployments

__all__ = ["Room", "room"]


@dataclass(frozen=True, slots=True)
class Room:
    """The opened room: its resource types, and the records of deployments for the wire's older path to them."""

    types: list[ResourceType]
    records: Records


def room(
    *, resources: Resources, records: Records, seals: Seals, knows: Callable[[str], bool], tenant: str, environment: JsonObject
) -> Room:
    """Open the room.

    `knows` says whether a resource type is served here, `environment` is what the template function of that name
    answers: the metadata page's endpoints.
    """
    service = Deployments(resources=resources, records=records, seals=seals, knows=knows, tenant=tenant, environment=environment)
    types = [
        deployments(service),
        operations(),
        resource_groups(),
        subscriptions(tenant),
    ]
    return Room(types, records)

"""Deployments: ARM templates, executed for real, each resource decided on its own."""

from __future__ import annotations

from dataclasses import dataclass

from studiolo.kernel.resource import JsonObject, ResourceType
from studiolo.rooms.templates.ports import Records, Resources, Seals, Types
from studiolo.rooms.templates.provider import deployments, operations, resource_groups, subscriptions
from studiolo.rooms.templates.service import Deployments

__all__ = ["Room", "room"]


@dataclass(frozen=True, slots=True)
class Room:
    """The opened room: its resource types, and the records of deployments for the wire's older path to them."""

    types: list[ResourceType]
    records: Records


def room(*, resources: Resources, records: Records, seals: Seals, types: Types, tenant: str, environment: JsonObject) -> Room:
    """Open the room.

    `types` are those that are served here, `environment` is what the template function of that name
    answers: the metadata page's endpoints.
    """
    service = Deployments(resources=resources, records=records, seals=seals, types=types, tenant=tenant, environment=environment)
    return Room([deployments(service), operations(), resource_groups(), subscriptions(tenant)], records)

"""Telemetry resources that workspaces name; taking in telemetry is not offered yet."""

from __future__ import annotations

from studiolo.kernel.resource import ResourceType
from studiolo.rooms.traces.provider import telemetry

__all__ = ["room"]


def room() -> list[ResourceType]:
    """Open the room: its resource types."""
    return telemetry()

"""The declaration of telemetry resources."""

from __future__ import annotations

from studiolo.kernel.resource import ResourceType
from studiolo.rooms.traces import domain, schema


def telemetry() -> list[ResourceType]:
    """Application telemetry and its log workspace, so that templates which name them can be deployed."""
    return [
        ResourceType(
            name="Microsoft.Insights/components",
            about="Application telemetry that a workspace names. Taking in telemetry is not offered yet.",
            schema=schema.ComponentProperties,
            admit=domain.admit,
            is_tracked=True,
        ),
        ResourceType(
            name="Microsoft.OperationalInsights/workspaces",
            about="Log workspaces that telemetry names. Queries are not offered yet.",
            schema=schema.LogProperties,
            admit=domain.admit,
            is_tracked=True,
        ),
    ]

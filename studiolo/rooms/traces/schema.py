"""The properties of telemetry resources as clients write them."""

from __future__ import annotations

import msgspec


class ComponentProperties(msgspec.Struct):
    """Microsoft.Insights/components."""

    Application_Type: str | None = None
    WorkspaceResourceId: str | None = None


class LogProperties(msgspec.Struct, rename="camel"):
    """Microsoft.OperationalInsights/workspaces."""

    retention_in_days: int | None = None

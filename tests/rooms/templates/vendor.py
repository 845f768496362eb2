"""What the unchanged `azure-ai-ml` sends when it creates workspaces: its own templates, filled by its own code."""

from __future__ import annotations

import importlib
import importlib.resources
import json
from typing import Any

SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"


def templates() -> dict[str, dict[str, Any]]:
    """Every template of the installed package by file name, those that are whole deployments."""
    folder = importlib.resources.files("azure.ai.ml._arm_deployments") / "arm_templates"
    found = {entry.name: json.loads(entry.read_text()) for entry in folder.iterdir() if entry.name.endswith(".json")}
    return {name: raw for name, raw in found.items() if "$schema" in raw}


def resources() -> dict[str, dict[str, Any]]:
    """Every single resource that the package puts into a template by itself, by file name."""
    folder = importlib.resources.files("azure.ai.ml._arm_deployments") / "arm_templates"
    found = {entry.name: json.loads(entry.read_text()) for entry in folder.iterdir() if entry.name.endswith(".json")}
    return {name: raw for name, raw in found.items() if "type" in raw and "apiVersion" in raw}


def creation_of(
    kind: str, *, subscription: str = SUBSCRIPTION, group: str = "studiolo", **more: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The template and the parameters that creating a Hub, Project, Workspace or FeatureStore sends."""
    entities: Any = importlib.import_module("azure.ai.ml.entities")
    operations: Any = importlib.import_module("azure.ai.ml.operations")
    filler = object.__new__(operations.WorkspaceOperations)
    filler._subscription_id = subscription
    filler._resource_group_name = group
    options = {name: more.pop(name) for name in ("grant_materialization_permissions",) if name in more}
    workspace = getattr(entities, kind)(**{"name": kind.lower() + "-one", "location": "local", "resource_group": group, **more})
    template, parameters, _ = filler._populate_arm_parameters(workspace, **options)
    return json.loads(json.dumps(template)), json.loads(json.dumps(parameters))

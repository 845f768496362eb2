"""The declaration of workspaces."""

from __future__ import annotations

from collections.abc import Iterable

from studiolo.kernel.access.names import GIVES_ROLES
from studiolo.kernel.resource import Action, Resource, ResourceType
from studiolo.rooms.hubs import schema
from studiolo.rooms.hubs.domain import admission, kinds, rights
from studiolo.rooms.hubs.service import WorkspaceService


def _facets(workspace: Resource) -> Iterable[str]:
    """A project is found by its hub, and every workspace by its GUID and its name."""
    hub = workspace.properties.get("hubResourceId")
    if hub:
        yield kinds.by_hub(hub)
    yield kinds.by_guid(workspace.properties["workspaceId"])
    yield kinds.by_name(workspace.name)


def workspaces(service: WorkspaceService) -> ResourceType:
    """Hubs, projects and plain workspaces: one type, three kinds."""
    return ResourceType(
        name=kinds.TYPE,
        about="Hubs, projects and plain workspaces (kinds Hub, Project, Default).",
        schema=schema.WorkspaceProperties,
        admit=admission.admit,
        needs=admission.needs,
        making=rights.making,
        demands=rights.demands,
        guard=service.guard,
        provision=service.provision,
        takes_along=service.projects,
        goes_elsewhere=service.elsewhere,
        retire_first=service.retire_projects,
        retire=service.retire,
        view=service.view,
        names_others=("associatedWorkspaces",),
        facets=_facets,
        attributes=kinds.asked_for,
        described=kinds.described,
        shows=lambda workspace, query: not query.get("kind") or (workspace.kind or "").lower() in query["kind"].lower().split(","),
        further_actions=(
            *(f"{kinds.TYPE}/hubs/{verb}" for verb in ("write", "delete")),
            *rights.JOIN,
            rights.ASSIGN_IDENTITY,
            GIVES_ROLES,
            rights.UNDENIES,
            rights.DESTROY_KEYS,
        ),
        actions=(
            Action("diagnose", service.diagnose),
            Action("showKey", service.keys.show),
            Action("rotateKey", service.keys.rotate, demands=rights.rotating),
            Action("destroyKey", service.keys.destroy, demands=rights.destroying),
        ),
        name_pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{1,32}$",
        is_tracked=True,
    )

"""Use cases of deployments."""

from studiolo.rooms.templates.service.actions import DeploymentActions
from studiolo.rooms.templates.service.admission import Admission
from studiolo.rooms.templates.service.run import DeploymentRuns

__all__ = ["Admission", "DeploymentActions", "DeploymentRuns"]

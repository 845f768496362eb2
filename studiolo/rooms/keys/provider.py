"""The declaration of what rotations work on."""

from __future__ import annotations

from studiolo.kernel.resource import ResourceType
from studiolo.rooms.keys import domain


def rotations() -> ResourceType:
    """No resource is ever stored: operations need a target of their own, so that the workspace stays free meanwhile."""
    return ResourceType(
        name=domain.ROTATIONS,
        about="What the operation of POST rotateKey with reencrypt works on; its status tells the progress.",
        schema=domain.RotationProperties,
        admit=domain.refuse,
        verbs=frozenset(),
        is_extension=True,
    )

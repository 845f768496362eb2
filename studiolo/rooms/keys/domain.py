"""What people see of keys, and what a change of them needs."""

from __future__ import annotations

from typing import Final

import msgspec

from studiolo.kernel.faults import Invalid
from studiolo.kernel.keys import Kept
from studiolo.kernel.resource import Change, Draft, JsonObject

ROTATIONS: Final = "Studiolo.Keys/rotations"
"""Beside the action itself: roles that may do everything but give rights, such as Contributor, lack it."""


class RotationProperties(msgspec.Struct, rename="camel"):
    """Studiolo.Keys/rotations has none: it is what the operations of rotations work on."""


def refuse(change: Change) -> Draft:
    """Raise Invalid: a rotation is begun by the action of a workspace."""
    raise Invalid(f"'{change.id}' cannot be written: a rotation is begun by POST rotateKey on the workspace.", code="NotWritable")


def shown(kept: Kept, wrapped_by: str, stale: int) -> JsonObject:
    """A key as people see it: nothing of it that opens anything. `stale` counts what older versions still seal."""
    body: JsonObject = {"state": "Destroyed" if kept.destroyed else "Enabled", "wrappedBy": wrapped_by}
    if kept.destroyed:
        return {**body, "destroyed": kept.destroyed}
    body |= {"version": kept.newest.number, "created": kept.newest.created}
    body["olderVersions"] = [{"version": one.number, "created": one.created} for one in kept.generations[:-1]]
    return {**body, "sealedByOlderVersions": stale}


def check_name(body: JsonObject, name: str) -> None:
    """Return if the body names what is to be destroyed.

    Raises:
        Invalid: it does not (code `NameDoesNotMatch`).
    """
    if body.get("name") != name:
        raise Invalid(
            f"Destroying a key cannot be undone: the body must name the workspace whose key goes, {{'name': '{name}'}}.",
            code="NameDoesNotMatch",
            target="name",
        )


def percent(done: int, total: int) -> int:
    """Progress in whole percent; 100 only at the end."""
    return 100 if done >= total else done * 100 // total

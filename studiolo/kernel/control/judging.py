"""Asks for what a call does to one resource, and keeps what the record is to say of it."""

from __future__ import annotations

from dataclasses import dataclass

from studiolo.kernel.gate import Gate
from studiolo.kernel.ids import ResourceId
from studiolo.kernel.record import Granted
from studiolo.kernel.resource import Caller, Change, ResourceType
from studiolo.kernel.store.port import Emit, Row


@dataclass(frozen=True, slots=True)
class Mark:
    """What a line of the record says of a call: who does what to which resource, and what allows it."""

    caller: Caller
    action: str
    id: ResourceId
    granted: Granted

    def line(self, at: str, status: str) -> Emit:
        """The line."""
        deciding = " ".join(self.granted.deciding)
        return Emit(
            at,
            self.action,
            status,
            self.id.key,
            self.caller.oid,
            b"{}",
            reason=self.granted.reason,
            deciding=deciding,
            version=self.granted.version,
        )


async def judged(
    gate: Gate, caller: Caller, declared: ResourceType, verb: str, id_: ResourceId, row: Row | None, change: Change | None = None
) -> Mark:
    """Ask for a verb, with the attributes of what is stored (`row`) and, of a write or a removal, of what is asked for.

    Raises:
        Forbidden: the engine says no.
    """
    request, resource = declared.attributes(change) if change is not None and declared.attributes is not None else ({}, {})
    if declared.described is not None:
        resource = {**declared.described(id_, row.doc if row is not None else None), **resource}
    action = declared.permission(verb)
    return Mark(caller, action, id_, await gate.require(caller, action, id_.text, request=request, resource=resource))

"""The record, read: activity and decisions of everybody who may see them, why a call was refused, how long lines are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studiolo.kernel.record import Recorder
from studiolo.kernel.store.chain import Keeper
from studiolo.kernel.store.port import Store
from studiolo.rooms.records.ports import Grantors
from studiolo.rooms.records.service.exports import Exports
from studiolo.rooms.records.service.records import Records
from studiolo.rooms.records.wire import Callers, routes
from studiolo.wire.http import Route

__all__ = ["Room", "room"]


@dataclass(frozen=True, slots=True)
class Room:
    """The opened room."""

    records: Records
    routes: Sequence[Route]


def room(store: Store, recorder: Recorder, keeper: Keeper, callers: Callers, grantors: Grantors) -> Room:
    """Open the room.

    `recorder` knows what it still counts, `keeper` seals what the room hands out, `grantors` says who could have granted what was refused.
    """
    records = Records(store, recorder, keeper, grantors)
    return Room(records, routes(records, Exports(store, records, keeper.key), callers))

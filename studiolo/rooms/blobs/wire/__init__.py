"""The Blob protocol: routes, what they may ask for, and how refusals look."""

from __future__ import annotations

from studiolo.rooms.blobs.ports import Callers, Recipients
from studiolo.rooms.blobs.service.storage import Storage
from studiolo.rooms.blobs.wire.refusals import Refusals
from studiolo.rooms.blobs.wire.routes import routes
from studiolo.rooms.blobs.wire.visits import Door
from studiolo.wire.http import Answer, Call, Judge, Surface

__all__ = ["surface"]


def surface(storage: Storage, callers: Callers, recipients: Recipients, judge: Judge, *, suffix: str, login_url: str) -> Surface:
    """The data plane for every host `{account}.blob.{suffix}`; `suffix` is without a port.

    `login_url` is the token service's address: where a caller without a credential is sent.
    """
    ending = f".blob.{suffix}"
    door = Door(storage, callers, recipients, ending)

    async def answer(call: Call) -> Answer:
        return await made.answer(call)

    render = Refusals(login_url).render
    made = Surface("blobs", routes(storage, door, answer, render), judge, render, hosts=lambda host: host.endswith(ending))
    return made

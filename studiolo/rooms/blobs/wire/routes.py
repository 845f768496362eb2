"""The routes of the Blob protocol, each with the actions that it may ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from studiolo.kernel.faults import Fault
from studiolo.rooms.blobs.service.storage import Storage
from studiolo.rooms.blobs.wire.batch import Batch
from studiolo.rooms.blobs.wire.blobs import BlobOperations
from studiolo.rooms.blobs.wire.blocks import BlockOperations
from studiolo.rooms.blobs.wire.containers import ContainerOperations
from studiolo.rooms.blobs.wire.copies import Copies
from studiolo.rooms.blobs.wire.visits import (
    ADD,
    DELEGATE,
    DELETE,
    DELETE_CONTAINER,
    GET_INFO,
    READ,
    READ_CONTAINER,
    READ_SERVICE,
    READ_TAGS,
    WRITE,
    WRITE_CONTAINER,
    WRITE_TAGS,
    Door,
)
from studiolo.wire.http import Answer, Call, Guard, Permit, Public, Route

_BLOB = "/{container}/{blob:path}"
_CONTAINER = "/{container}"
_WRITES = Guard((WRITE, ADD, WRITE_TAGS, READ))  # READ: on a copy's source
_STAGES, _ABORTS = Guard((WRITE, ADD, READ)), Guard((WRITE, ADD))
_COMMITS = Guard((WRITE, ADD, WRITE_TAGS, READ))  # READ: on the blob, where blocks of it are kept
_LISTS = Guard((READ, READ_TAGS))  # READ_TAGS: where they are to be shown
_INFO = {"restype": "account", "comp": "properties"}


def routes(
    storage: Storage, door: Door, answer: Callable[[Call], Awaitable[Answer]], render: Callable[[Fault, Call], Answer]
) -> list[Route]:
    """All routes; the hot ones stand as early as more particular ones permit. `answer` and `render` serve the parts of a batch."""
    batch, each = Batch(door, answer, render), Public("every part of a batch is a call of its own, with its own decision")
    return [
        *_blob_routes(storage, door),
        *_container_routes(storage, door),
        Route("POST", _CONTAINER, each, batch.submit, {"restype": "container", "comp": "batch"}, "Blob Batch"),
        Route("POST", "/", each, batch.submit, {"comp": "batch"}, "Blob Batch"),
    ]


def _blob_routes(storage: Storage, door: Door) -> list[Route]:
    blobs, copies, whole = BlobOperations(storage, door), Copies(storage, door), ContainerOperations(storage, door)
    blocks = BlockOperations(storage, door, copies)

    async def put(call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        """Put Blob, from the body or from another blob."""
        return await (copies.copy if "x-ms-copy-source" in call.headers else blobs.put)(call, permit, params)

    def on(method: str, comp: str, guard: Guard, run: object, about: str) -> Route:
        return Route(method, _BLOB, guard, run, {"comp": comp} if comp else {}, about)  # type: ignore[arg-type]

    return [
        on("GET", "blocklist", Guard((READ,)), blocks.list, "Get Block List"),
        on("GET", "tags", Guard((READ_TAGS,)), blobs.get_tags, "Get Blob Tags"),
        Route("GET", _BLOB, _LISTS, whole.list_blobs, {"restype": "container", "comp": "list"}, "List Blobs of a folder"),
        Route("GET", _BLOB, Guard((GET_INFO,), is_data=False), whole.show_account, _INFO, "Get Account Information"),
        on("GET", "", Guard((READ,)), blobs.get, "Get Blob"),
        on("HEAD", "", Guard((READ,)), blobs.get, "Get Blob Properties"),
        on("PUT", "block", _STAGES, blocks.stage, "Put Block, Put Block From URL"),
        on("PUT", "blocklist", _COMMITS, blocks.commit, "Put Block List"),
        on("PUT", "metadata", Guard((WRITE,)), blobs.set_metadata, "Set Blob Metadata"),
        on("PUT", "properties", Guard((WRITE,)), blobs.set_properties, "Set Blob Properties"),
        on("PUT", "tags", Guard((WRITE_TAGS,)), blobs.set_tags, "Set Blob Tags"),
        on("PUT", "tier", Guard((WRITE,)), blobs.set_tier, "Set Blob Tier"),
        on("PUT", "copy", _ABORTS, copies.abort, "Abort Copy Blob"),
        on("PUT", "", _WRITES, put, "Put Blob, Put Blob From URL, Copy Blob, Copy Blob From URL"),
        on("DELETE", "", Guard((DELETE,)), blobs.delete, "Delete Blob"),
    ]


def _container_routes(storage: Storage, door: Door) -> list[Route]:
    operations = ContainerOperations(storage, door)
    reads, writes = Guard((READ_CONTAINER,), is_data=False), Guard((WRITE_CONTAINER,), is_data=False)
    info, here = Guard((GET_INFO,), is_data=False), {"restype": "container"}
    return [
        Route("GET", _CONTAINER, _LISTS, operations.list_blobs, {**here, "comp": "list"}, "List Blobs"),
        Route("GET", _CONTAINER, reads, operations.show, here, "Get Container Properties, Get Container Metadata"),
        Route("HEAD", _CONTAINER, reads, operations.show, here, "Get Container Properties"),
        Route("GET", _CONTAINER, info, operations.show_account, _INFO, "Get Account Information"),
        Route("PUT", _CONTAINER, writes, operations.set_metadata, {**here, "comp": "metadata"}, "Set Container Metadata"),
        Route("PUT", _CONTAINER, writes, operations.create, here, "Create Container"),
        Route("DELETE", _CONTAINER, Guard((DELETE_CONTAINER,), is_data=False), operations.delete, here, "Delete Container"),
        Route("GET", "/", reads, operations.list_containers, {"comp": "list"}, "List Containers"),
        Route(
            "GET",
            "/",
            Guard((READ_SERVICE,), is_data=False),
            operations.show_service,
            {"restype": "service", "comp": "properties"},
            "Get Blob Service Properties",
        ),
        Route("GET", "/", info, operations.show_account, _INFO, "Get Account Information"),
        Route(
            "POST",
            "/",
            Guard((DELEGATE,), is_data=False, is_secret=True),
            operations.delegate,
            {"restype": "service", "comp": "userdelegationkey"},
            "Get User Delegation Key",
        ),
    ]

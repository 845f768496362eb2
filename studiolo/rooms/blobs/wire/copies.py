"""Copies from another blob of this service: its read is a decision of its own, with its own credential and attributes.

Every copy is done when the answer goes out, whether the client asked to wait or not.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.faults import Conflict, Forbidden, Invalid, NotFound, NotOffered, Unauthenticated
from studiolo.rooms.blobs.domain.blob import MAX_BLOCK_BYTES, Blob, Copied
from studiolo.rooms.blobs.domain.conditions import check_read, conditions_of
from studiolo.rooms.blobs.domain.ranges import span_of
from studiolo.rooms.blobs.service.blobs import Check, Facts, Source, lost_bytes, now_ms, once
from studiolo.rooms.blobs.service.pieces import Body, Moved
from studiolo.rooms.blobs.service.storage import Storage
from studiolo.rooms.blobs.wire.blobs import check_plain
from studiolo.rooms.blobs.wire.headers import facts_of, raw_sum, written
from studiolo.rooms.blobs.wire.visits import NOT_PERMITTED, Door, Visit
from studiolo.wire.http import Answer, Call, Permit

_RACES = 20


class Copies:
    """Copy Blob, Copy Blob From URL, Put Blob From URL."""

    def __init__(self, storage: Storage, door: Door) -> None:
        self._storage = storage
        self._door = door

    async def copy(self, call: Call, permit: Permit, _: dict[str, str]) -> Answer:
        """A blob from another's bytes."""
        visit = await self._door.enter(call)
        check_plain(visit)
        is_put = "x-ms-blob-type" in call.headers
        if is_put and call.headers["x-ms-blob-type"] != "BlockBlob":
            raise NotOffered("Only block blobs can be made from a URL.", target="x-ms-blob-type")
        if call.headers.get("x-ms-copy-source-tag-option", "REPLACE").upper() != "REPLACE":
            raise NotOffered("Copying tags along is not offered; send x-ms-tags.", target="x-ms-copy-source-tag-option")
        facts, conditions = facts_of(call, has_own_type=False), conditions_of(call.headers)
        check = Check(md5=raw_sum(call, "x-ms-source-content-md5", 16), crc=raw_sum(call, "x-ms-source-content-crc64", 8))
        terms = visit.terms(conditions, must_be_new=await visit.may_write(permit, facts))
        container = await self._storage.containers.get(visit.account, visit.address.container)
        for _try in range(_RACES):
            source = await self.source(visit, permit)
            inherited = _inherited(call, facts, source.found.blob, is_put=is_put)
            copied = None if is_put else Copied(clock.new_id(), _without_query(call.headers["x-ms-copy-source"]), now_ms())
            try:
                made = await self._storage.blobs.copy(source, container, visit.address.blob, inherited, terms, copied, check)
            except Moved:
                continue
            if copied is None:
                return Answer(201, b"", written(call, made, ("content-md5", made.blob.content.md5)))
            return Answer(202, b"", written(call, made, ("x-ms-copy-id", copied.id), ("x-ms-copy-status", "success")))
        raise lost_bytes()

    async def abort(self, call: Call, permit: Permit, _: dict[str, str]) -> Answer:
        """Abort Copy Blob: there is never one under way."""
        visit = await self._door.enter(call)
        await visit.may_write(permit)
        raise Conflict("There is currently no pending copy operation.", code="NoPendingCopyOperation")

    async def source_body(self, visit: Visit, permit: Permit) -> Body:
        """The bytes of a source, or of the range of it that the call names, as a body to be written."""
        for _try in range(_RACES):
            source = await self.source(visit, permit)
            size = source.found.blob.size
            start, end = span_of(size, visit.call.headers.get("x-ms-source-range"), None) or (0, size)
            if end - start > MAX_BLOCK_BYTES:
                raise Invalid("The source's range is larger than a block can be.", code="RequestBodyTooLarge", target="x-ms-source-range")
            try:
                body = await self._storage.blobs.read(source.container, source.name, source.found, start, end)
            except Moved:
                continue
            return Body(once(body) if isinstance(body, bytes) else body, end - start)
        raise lost_bytes()

    async def source(self, visit: Visit, permit: Permit) -> Source:
        """The source that the call's header names.

        Raises:
            Forbidden: the call may not read it, or it is not here (code `CannotVerifyCopySource`).
        """
        call = visit.call
        try:
            asked = await self._visit(visit)
            container = await self._storage.containers.find(asked.account, asked.address.container)
            found = await self._storage.blobs.find(container, asked.address.blob) if container else None
            await asked.may_read(permit, found)
        except (Forbidden, Unauthenticated) as refusal:
            why = refusal.message if refusal.decision is None else NOT_PERMITTED
            unread = Forbidden(f"The copy's source cannot be read: {why}", code="CannotVerifyCopySource")
            unread.decision = refusal.decision
            raise unread from None
        if container is None or found is None:
            raise NotFound("The copy's source does not exist.", code="CannotVerifyCopySource")
        check_read(conditions_of(call.headers, prefix="x-ms-source-"), found.etag, found.blob.modified)
        return Source(container, asked.address.blob, found)

    async def _visit(self, visit: Visit) -> Visit:
        call = visit.call
        try:
            url = urlsplit(call.headers["x-ms-copy-source"])
            port = url.port
        except ValueError:
            raise Invalid("x-ms-copy-source is not a URL.", code="InvalidHeaderValue", target="x-ms-copy-source") from None
        host = (url.hostname or "").lower()
        if self._door.account_of(host) is None or (port or call.port) != call.port:
            raise NotOffered("Blobs are copied from this service only; download and upload what lies elsewhere.", target="x-ms-copy-source")
        ours = Call("GET", host, call.port, "", url.path, url.query, {}, _nothing, call.request_id, call.client, call.scheme)
        request = await self._door.request(ours, host, url.path, url.query, ours.query())
        if not request.address.blob:
            raise Invalid("x-ms-copy-source names no blob.", code="InvalidHeaderValue", target="x-ms-copy-source")
        credential = await self._door.access.of_source(request, call.headers.get("x-ms-copy-source-authorization", ""), visit.credential)
        return self._door.visit(ours, request, credential)


def _inherited(call: Call, facts: Facts, source: Blob, *, is_put: bool) -> Facts:
    """What the copy is said to be: the caller's words where there are any, else the source's."""
    content = source.content
    if is_put:
        says_nothing = not any(name.startswith("x-ms-blob-content-") or name == "x-ms-blob-cache-control" for name in call.headers)
        keeps = call.headers.get("x-ms-copy-source-blob-properties", "true").lower() == "true"
        content = source.content if says_nothing and keeps else msgspec.structs.replace(facts.content, md5=source.content.md5)
    return facts._replace(content=content, metadata=facts.metadata or source.metadata)


def _without_query(url: str) -> str:
    """The source as it is told to readers: a signature in it is nobody else's business."""
    return url.partition("?")[0]


async def _nothing() -> dict[str, Any]:
    return {"type": "http.disconnect"}

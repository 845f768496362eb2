"""Operations on blobs: Put, Get, Head, Delete, and what is known of a blob."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

import msgspec

from studiolo.kernel.faults import Invalid, NotOffered
from studiolo.rooms.blobs.domain.blob import MAX_PUT_BYTES, MIB, Blob, Container, Etagged
from studiolo.rooms.blobs.domain.checksums import Crc64
from studiolo.rooms.blobs.domain.conditions import check_read, conditions_of
from studiolo.rooms.blobs.domain.ranges import span_of
from studiolo.rooms.blobs.schema.texts import read_tags, tags_body
from studiolo.rooms.blobs.service.blobs import absent, lost_bytes, now_ms
from studiolo.rooms.blobs.service.pieces import Body, Moved
from studiolo.rooms.blobs.service.storage import Storage
from studiolo.rooms.blobs.wire.headers import (
    Headers,
    check_of,
    check_tags,
    content_of,
    facts_of,
    length_of,
    metadata_of,
    of_blob,
    tier_of,
    version_of,
    written,
)
from studiolo.rooms.blobs.wire.visits import DELETE, READ_TAGS, WRITE, WRITE_TAGS, WRITE_TIER, Door, Visit
from studiolo.wire.http import Answer, Call, Permit

_RACES = 20
_MAX_SUMMED_RANGE = 4 * MIB
_MAX_TAGS_BODY = 64 << 10
Params: TypeAlias = dict[str, str]
Changing: TypeAlias = Callable[[Blob], Blob]


class BlobOperations:
    """What can be done with one blob."""

    def __init__(self, storage: Storage, door: Door) -> None:
        self._storage = storage
        self._door = door

    # ── bytes ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def put(self, call: Call, permit: Permit, _: Params) -> Answer:
        """Put Blob."""
        visit = await self._door.enter(call)
        check_plain(visit)
        kind = call.headers.get("x-ms-blob-type", "")
        if kind in ("AppendBlob", "PageBlob"):
            raise NotOffered(f"Blobs of the type {kind} are not offered; use BlockBlob.", target="x-ms-blob-type")
        if kind != "BlockBlob":
            raise Invalid(
                "The header x-ms-blob-type is required and must be 'BlockBlob'.", code="MissingRequiredHeader", target="x-ms-blob-type"
            )
        size = length_of(call, MAX_PUT_BYTES)
        facts, check, conditions = facts_of(call), check_of(call, is_whole_blob=True), conditions_of(call.headers)
        terms = visit.terms(conditions, must_be_new=await visit.may_write(permit, facts))
        container = await self._container(visit)
        body = Body(call.chunks(MAX_PUT_BYTES), size)
        made = await self._storage.blobs.put(container, visit.address.blob, body, facts, terms, check)
        sums = ("content-md5", made.blob.content.md5)
        if check.crc:
            sums = ("x-ms-content-crc64", call.headers["x-ms-content-crc64"])
        return Answer(201, b"", written(call, made, sums))

    async def get(self, call: Call, permit: Permit, _: Params) -> Answer:
        """Get Blob, whole or a range of it; also Get Blob Properties."""
        if call.raw_path.endswith("/"):
            return await self._no_folder(call, permit)
        visit = await self._door.enter(call)
        check_plain(visit)
        conditions = conditions_of(call.headers)
        for _try in range(_RACES):
            container = await self._storage.containers.find(visit.account, visit.address.container)
            found = await self._storage.blobs.find(container, visit.address.blob) if container else None
            await visit.may_read(permit, found)
            if container is None:
                container = await self._container(visit)
            if found is None:
                raise absent()
            check_read(conditions, found.etag, found.blob.modified)
            try:
                return await self._shown(visit, container, found)
            except Moved:
                continue
        raise lost_bytes()

    async def _no_folder(self, call: Call, permit: Permit) -> Answer:
        """Clients ask for `name/` to learn whether a folder marker is there. No name ends so: decide on the name, and say no."""
        visit = await self._door.enter(call, call.raw_path.removesuffix("/"))
        await visit.may_read(permit, None)
        raise absent()

    async def _shown(self, visit: Visit, container: Container, found: Etagged) -> Answer:
        call, size = visit.call, found.blob.size
        if call.method == "HEAD":
            await self._storage.blobs.check_readable(container)
            return Answer(200, b"", _overridden(visit, of_blob(call, found, size)))
        span = span_of(size, call.headers.get("x-ms-range"), call.headers.get("range"))
        start, end = span or (0, size)
        wanted = _wanted_sums(call, span)
        body = await self._storage.blobs.read(container, visit.address.blob, found, start, end)
        headers = _overridden(visit, of_blob(call, found, end - start, is_part=span is not None))
        if wanted:
            body = await _joined(body)
            headers += _sums(wanted, body)
        if span is None:
            return Answer(200, body, headers)
        headers.append(("content-range", f"bytes {start}-{end - 1}/{size}"))
        return Answer(206, body, headers)

    async def delete(self, call: Call, permit: Permit, _: Params) -> Answer:
        """Delete Blob; there are no snapshots that could keep it."""
        visit = await self._door.enter(call)
        check_plain(visit)
        if call.headers.get("x-ms-delete-snapshots", "include") != "include" or "deletetype" in visit.query:
            raise NotOffered("Snapshots and permanent deletes are not offered.", target="x-ms-delete-snapshots")
        conditions = conditions_of(call.headers)
        await visit.may(permit, DELETE, "d")
        await self._storage.blobs.delete(await self._container(visit), visit.address.blob, visit.terms(conditions))
        return Answer(202, b"", [("x-ms-version", version_of(call)), ("x-ms-delete-type-permanent", "true")])

    # ── what is known of a blob ──────────────────────────────────────────────────────────────────────────────────

    async def set_metadata(self, call: Call, permit: Permit, _: Params) -> Answer:
        """Set Blob Metadata."""
        visit = await self._door.enter(call)
        metadata = metadata_of(call)
        await visit.may(permit, WRITE, "w")
        return await self._updated(visit, lambda blob: _touched(blob, metadata=metadata))

    async def set_properties(self, call: Call, permit: Permit, _: Params) -> Answer:
        """Set Blob Properties: the content headers; those that are not sent are cleared."""
        visit = await self._door.enter(call)
        content = content_of(call)
        await visit.may(permit, WRITE, "w")
        return await self._updated(visit, lambda blob: _touched(blob, content=content))

    async def set_tier(self, call: Call, permit: Permit, _: Params) -> Answer:
        """Set Blob Tier. Neither ETag nor time of change move in the original; the ETag does here."""
        visit = await self._door.enter(call)
        tier = tier_of(call.headers.get("x-ms-access-tier", ""))
        if not tier:
            raise Invalid("The header x-ms-access-tier is required.", code="MissingRequiredHeader", target="x-ms-access-tier")
        await visit.may(permit, WRITE, "w", sub_operations=WRITE_TIER)
        await self._updated(visit, lambda blob: msgspec.structs.replace(blob, tier=tier))
        return Answer(200, b"", [("x-ms-version", version_of(call))])

    async def get_tags(self, call: Call, permit: Permit, _: Params) -> Answer:
        """Get Blob Tags."""
        visit = await self._door.enter(call)
        found = await visit.stored()
        await visit.may_see(permit, READ_TAGS, "t", found)
        container = await self._container(visit)
        if found is None:
            raise absent()
        await self._storage.blobs.check_readable(container)
        return Answer(200, tags_body(found.blob.tags), [("content-type", "application/xml"), ("x-ms-version", version_of(call))])

    async def set_tags(self, call: Call, permit: Permit, _: Params) -> Answer:
        """Set Blob Tags."""
        visit = await self._door.enter(call)
        tags = read_tags(await call.body(_MAX_TAGS_BODY))
        check_tags(tags)
        await visit.may(permit, WRITE_TAGS, "t", tags=tags)
        await self._updated(visit, lambda blob: msgspec.structs.replace(blob, tags=tags))
        return Answer(204, b"", [("x-ms-version", version_of(call))])

    async def _updated(self, visit: Visit, change: Changing) -> Answer:
        terms = visit.terms(conditions_of(visit.call.headers))
        made = await self._storage.blobs.update(await self._container(visit), visit.address.blob, terms, change)
        return Answer(200, b"", written(visit.call, made))

    async def _container(self, visit: Visit) -> Container:
        return await self._storage.containers.get(visit.account, visit.address.container)


def check_plain(visit: Visit) -> None:
    """Raise NotOffered if the call names a sub-operation: the ones that there are have routes of their own."""
    if visit.query and ("comp" in visit.query or "restype" in visit.query):
        what = visit.query.get("comp") or visit.query.get("restype", "")
        raise NotOffered(f"The operation '{visit.call.method} {what[:50]}' is not offered.", target="comp")


def _touched(blob: Blob, **changes: object) -> Blob:
    return msgspec.structs.replace(blob, modified=now_ms(), **changes)


def _overridden(visit: Visit, headers: Headers) -> Headers:
    signed = visit.credential.signed
    if signed is None or not signed.overrides:
        return headers
    overrides = dict(signed.overrides)
    return [*((name, value) for name, value in headers if name not in overrides), *overrides.items()]


def _wanted_sums(call: Call, span: tuple[int, int] | None) -> str:
    """Which checksum of the range is asked for: `md5`, `crc64` or none."""
    asked = [kind for kind in ("md5", "crc64") if call.headers.get(f"x-ms-range-get-content-{kind}", "").lower() == "true"]
    if not asked:
        return ""
    if len(asked) > 1 or span is None:
        raise Invalid(
            "A checksum of a range needs a range, and only one kind can be asked for.",
            code="InvalidHeaderValue",
            target=f"x-ms-range-get-content-{asked[0]}",
        )
    if span[1] - span[0] > _MAX_SUMMED_RANGE:
        raise Invalid(
            "A checksum is given for ranges of at most 4 MiB.", code="OutOfRangeInput", target=f"x-ms-range-get-content-{asked[0]}"
        )
    return asked[0]


def _sums(kind: str, body: bytes) -> Headers:
    if kind == "md5":
        return [("content-md5", base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode())]
    crc = Crc64()
    crc.update(body)
    return [("x-ms-content-crc64", base64.b64encode(crc.digest()).decode())]


async def _joined(body: bytes | AsyncIterator[bytes]) -> bytes:
    return body if isinstance(body, bytes) else b"".join([part async for part in body])

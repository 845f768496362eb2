"""Operations on blocks: Put Block, Put Block List, Get Block List, and Put Block From URL."""

from __future__ import annotations

from studiolo.kernel.faults import Invalid
from studiolo.rooms.blobs.domain.blob import MAX_BLOCK_BYTES, MIB, Etagged
from studiolo.rooms.blobs.domain.conditions import conditions_of
from studiolo.rooms.blobs.domain.names import check_block_id
from studiolo.rooms.blobs.domain.times import http_date
from studiolo.rooms.blobs.schema.texts import block_list, read_block_list
from studiolo.rooms.blobs.service.blocks import Asked, BlockLists
from studiolo.rooms.blobs.service.containers import contended
from studiolo.rooms.blobs.service.pieces import Body
from studiolo.rooms.blobs.service.storage import Storage
from studiolo.rooms.blobs.wire.copies import Copies
from studiolo.rooms.blobs.wire.headers import check_of, facts_of, length_of, version_of, written
from studiolo.rooms.blobs.wire.visits import Door, Visit
from studiolo.wire.http import Answer, Call, Permit

_MAX_LIST_BYTES = 12 * MIB
_RACES = 20
_HALVES = {"committed": (True, False), "uncommitted": (False, True), "all": (True, True)}


class BlockOperations:
    """What can be done with the blocks of one blob."""

    def __init__(self, storage: Storage, door: Door, copies: Copies) -> None:
        self._storage = storage
        self._door = door
        self._copies = copies

    async def stage(self, call: Call, permit: Permit, _: dict[str, str]) -> Answer:
        """Put Block, from the request's body or from another blob."""
        visit = await self._door.enter(call)
        block = visit.query.get("blockid", "")
        check_block_id(block)
        check = check_of(call)
        size = length_of(call, MAX_BLOCK_BYTES)
        conditions_of(call.headers)
        await visit.may_write(permit)
        container = await self._storage.containers.get(visit.account, visit.address.container)
        body = Body(call.chunks(MAX_BLOCK_BYTES), size)
        if "x-ms-copy-source" in call.headers:
            body = await self._copies.source_body(visit, permit)
        await self._storage.blocks.stage(container, visit.address.blob, block, body, check)
        headers = [("x-ms-version", version_of(call)), ("x-ms-request-server-encrypted", "true")]
        headers += [(name, call.headers[name]) for name in ("content-md5", "x-ms-content-crc64") if name in call.headers]
        return Answer(201, b"", headers)

    async def commit(self, call: Call, permit: Permit, _: dict[str, str]) -> Answer:
        """Put Block List.

        One that keeps blocks of the blob reads it as it is: the tags that hold somebody off are gone from what it makes.
        """
        visit = await self._door.enter(call)
        facts, check, conditions = facts_of(call, has_own_type=False), check_of(call), conditions_of(call.headers)
        terms = visit.terms(conditions, must_be_new=await visit.may_write(permit, facts))
        container = await self._storage.containers.get(visit.account, visit.address.container)
        raw = await call.body(_MAX_LIST_BYTES)
        sums = check.sums()
        sums.update(raw)
        check.compare(sums)
        asked = [Asked(source, block) for source, block in read_block_list(raw)]  # type: ignore[arg-type] - the reader checks it

        async def may_keep(found: Etagged) -> None:
            await visit.may_read(permit, found)

        made = await self._storage.blocks.commit(container, visit.address.blob, asked, facts, terms, may_keep)
        return Answer(201, b"", written(call, made))

    async def list(self, call: Call, permit: Permit, _: dict[str, str]) -> Answer:
        """Get Block List."""
        visit = await self._door.enter(call)
        halves = _HALVES.get(visit.query.get("blocklisttype", "committed").lower())
        if halves is None:
            raise Invalid(
                "'blocklisttype' must be committed, uncommitted or all.", code="InvalidQueryParameterValue", target="blocklisttype"
            )
        lists = await self._read(visit, permit)
        headers = [("content-type", "application/xml"), ("x-ms-version", version_of(call))]
        headers.append(("x-ms-blob-content-length", str(lists.found.blob.size if lists.found else 0)))
        if lists.found is not None:
            headers += [("etag", f'"{lists.found.etag}"'), ("last-modified", http_date(lists.found.blob.modified))]
        body = block_list(lists.committed if halves[0] else None, lists.staged if halves[1] else None)
        return Answer(200, body, headers)

    async def _read(self, visit: Visit, permit: Permit) -> BlockLists:
        """The blob's blocks, decided on with the blob that they are of."""
        for _try in range(_RACES):
            found = await visit.stored()
            await visit.may_read(permit, found)
            container = await self._storage.containers.get(visit.account, visit.address.container)
            lists = await self._storage.blocks.list(container, visit.address.blob)
            if lists.found == found:
                return lists
        raise contended()

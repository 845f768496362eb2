"""Operations on containers and on the account's blob service."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from studiolo.kernel.faults import Forbidden, Invalid, NotOffered
from studiolo.kernel.numbers import whole_number
from studiolo.rooms.blobs.domain.conditions import conditions_of
from studiolo.rooms.blobs.domain.names import check_prefix
from studiolo.rooms.blobs.domain.sas import Level
from studiolo.rooms.blobs.schema.texts import Line, Shown, blob_list, container_list, delegation_key, read_key_info, service_properties
from studiolo.rooms.blobs.service.listing import MAX_PAGE, Listing
from studiolo.rooms.blobs.service.storage import Storage
from studiolo.rooms.blobs.wire.headers import VERSION, Headers, metadata_of, of_container, version_of
from studiolo.rooms.blobs.wire.visits import (
    DELEGATE,
    DELETE_CONTAINER,
    GET_INFO,
    READ_CONTAINER,
    READ_SERVICE,
    WRITE_CONTAINER,
    Door,
    Visit,
)
from studiolo.wire.http import Answer, Call, Permit

_INCLUDES = frozenset(
    (
        "metadata",
        "tags",
        "uncommittedblobs",
        "snapshots",
        "versions",
        "deleted",
        "copy",
        "immutabilitypolicy",
        "legalhold",
        "deletedwithversions",
        "permissions",
    )
)
_MAX_KEY_INFO = 16 << 10


class ContainerOperations:
    """What can be done with containers, and with the service that holds them."""

    def __init__(self, storage: Storage, door: Door) -> None:
        self._storage = storage
        self._door = door

    # ── one container ────────────────────────────────────────────────────────────────────────────────────────────

    async def create(self, call: Call, permit: Permit, _: dict[str, str]) -> Answer:
        """Create Container."""
        visit = await self._plain(call)
        if call.headers.get("x-ms-blob-public-access"):
            raise NotOffered("Public access to containers is not offered.", target="x-ms-blob-public-access")
        metadata = metadata_of(call)
        await visit.may_control(permit, WRITE_CONTAINER, "container", "cw")
        made = await self._storage.containers.create(visit.account, visit.address.container, visit.credential.caller, metadata)
        return Answer(201, b"", of_container(call, made)[:3])

    async def show(self, call: Call, permit: Permit, _: dict[str, str]) -> Answer:
        """Get Container Properties, Get Container Metadata."""
        visit = await self._door.enter(call)
        if visit.query.get("comp", "metadata") != "metadata":
            raise NotOffered(f"The operation '{visit.query['comp'][:50]}' on containers is not offered.", target="comp")
        await visit.may_control(permit, READ_CONTAINER, "container", "r")
        found = await self._storage.containers.get(visit.account, visit.address.container)
        more = [
            ("x-ms-lease-status", "unlocked"),
            ("x-ms-lease-state", "available"),
            ("x-ms-has-immutability-policy", "false"),
            ("x-ms-has-legal-hold", "false"),
            ("x-ms-default-encryption-scope", "$account-encryption-key"),
            ("x-ms-deny-encryption-scope-override", "false"),
        ]
        return Answer(200, b"", [*of_container(call, found), *more])

    async def set_metadata(self, call: Call, permit: Permit, _: dict[str, str]) -> Answer:
        """Set Container Metadata."""
        visit = await self._door.enter(call)
        metadata, conditions = metadata_of(call), conditions_of(call.headers)
        await visit.may_control(permit, WRITE_CONTAINER, "container", "w")
        made = await self._storage.containers.set_metadata(visit.account, visit.address.container, metadata, conditions)
        return Answer(200, b"", of_container(call, made)[:3])

    async def delete(self, call: Call, permit: Permit, _: dict[str, str]) -> Answer:
        """Delete Container, with all that is in it."""
        visit = await self._plain(call)
        conditions = conditions_of(call.headers)
        await visit.may_control(permit, DELETE_CONTAINER, "container", "d")
        await self._storage.containers.drop(visit.account, visit.address.container, visit.credential.caller, conditions)
        return Answer(202, b"", [("x-ms-version", version_of(call))])

    async def list_blobs(self, call: Call, permit: Permit, _: dict[str, str]) -> Answer:
        """List Blobs, flat or by a delimiter. On the path of a folder: those in it, with names that begin behind it.

        The original has no folders in this place; azure-ai-ml takes the address of an upload for that of a container.
        """
        visit = await self._door.enter(call)
        query = visit.query
        folder = f"{visit.address.blob}/" if visit.address.blob else ""
        asked = Listing(
            prefix=folder + query.get("prefix", ""),
            delimiter=query.get("delimiter", ""),
            after=_behind(query.get("marker", "")),
            limit=_page_size(query),
            with_staged="uncommittedblobs" in (includes := _includes(visit)),
        )
        check_prefix(asked.prefix)
        check_prefix(asked.delimiter, "delimiter")
        await visit.may_list(permit, asked.prefix, with_tags="tags" in includes)
        container = await self._storage.containers.get(visit.account, visit.address.container)
        page = await self._storage.lister.page(container, asked)
        shown = Shown("metadata" in includes, "tags" in includes)
        if any(shown) and any(item.blob for item in page.items):
            await self._storage.blobs.check_readable(container)
        lines = [Line(item.name.removeprefix(folder), item.etag, item.blob, item.is_folder) for item in page.items]
        head = f'<EnumerationResults ServiceEndpoint="{call.origin}/" ContainerName="{visit.address.container}">'
        told = _told(visit, ("Prefix", "prefix"), ("Marker", "marker"), ("MaxResults", "maxresults"), ("Delimiter", "delimiter"))
        body = blob_list(head, told, lines, _marker(page.next), shown)
        return Answer(200, body, _xml(call))

    # ── the service ──────────────────────────────────────────────────────────────────────────────────────────────

    async def list_containers(self, call: Call, permit: Permit, _: dict[str, str]) -> Answer:
        """List Containers."""
        visit = await self._door.enter(call)
        prefix, after, limit = visit.query.get("prefix", ""), _behind(visit.query.get("marker", "")), _page_size(visit.query)
        check_prefix(prefix)
        includes = _includes(visit)
        await visit.may_control(permit, READ_CONTAINER, "service", "l")
        found = list(await self._storage.containers.page(visit.account, prefix=prefix, after=after, limit=limit + 1))
        head = f'<EnumerationResults ServiceEndpoint="{call.origin}/">'
        told = _told(visit, ("Prefix", "prefix"), ("Marker", "marker"), ("MaxResults", "maxresults"))
        page, behind = found[:limit], found[limit - 1][0] if len(found) > limit else None
        return Answer(200, container_list(head, told, page, _marker(behind), with_metadata="metadata" in includes), _xml(call))

    async def show_service(self, call: Call, permit: Permit, _: dict[str, str]) -> Answer:
        """Get Blob Service Properties."""
        visit = await self._door.enter(call)
        await visit.may_control(permit, READ_SERVICE, "service", "r")
        return Answer(200, service_properties(), _xml(call))

    async def show_account(self, call: Call, permit: Permit, _: dict[str, str]) -> Answer:
        """Get Account Information; at any level."""
        visit = await self._door.enter(call)
        level: Level = "blob" if visit.address.blob else "container" if visit.address.container else "service"
        await visit.may_control(permit, GET_INFO, level, "rwlc", is_for_account=False)
        headers = [("x-ms-version", version_of(call)), ("x-ms-sku-name", "Standard_LRS"), ("x-ms-account-kind", "StorageV2")]
        return Answer(200, b"", [*headers, ("x-ms-is-hns-enabled", "false")])

    async def delegate(self, call: Call, permit: Permit, _: dict[str, str]) -> Answer:
        """Get User Delegation Key."""
        visit = await self._door.enter(call)
        caller = visit.credential.caller
        if visit.credential.signed is not None or caller.is_platform:
            raise Forbidden("Only a caller with a token can get a user delegation key.", code="AuthorizationPermissionMismatch")
        await visit.may_control(permit, DELEGATE, "service", "r")
        starts, expires, tenant = read_key_info(await call.body(_MAX_KEY_INFO))
        version = call.headers.get("x-ms-version", VERSION)
        key = await self._storage.delegation.issue(visit.account, caller, starts, expires, version, tenant)
        fields = [
            ("SignedOid", key.oid),
            ("SignedTid", key.tenant),
            ("SignedStart", key.starts),
            ("SignedExpiry", key.expires),
            ("SignedService", "b"),
            ("SignedVersion", key.version),
            ("SignedDelegatedUserTid", key.delegated_tenant),
            ("Value", key.value),
        ]
        return Answer(200, delegation_key(fields), _xml(call))

    async def _plain(self, call: Call) -> Visit:
        visit = await self._door.enter(call)
        if "comp" in visit.query:
            raise NotOffered(f"The operation '{call.method} {visit.query['comp'][:50]}' on containers is not offered.", target="comp")
        return visit


def _xml(call: Call) -> Headers:
    return [("content-type", "application/xml"), ("x-ms-version", version_of(call))]


def _includes(visit: Visit) -> frozenset[str]:
    asked = frozenset(part.strip().lower() for part in visit.query.get("include", "").split(",") if part.strip())
    unknown = asked - _INCLUDES - {"system"}
    if unknown:
        raise Invalid(
            f"'include' names '{min(unknown)[:50]}', which is nothing that a list can show.",
            code="InvalidQueryParameterValue",
            target="include",
        )
    return asked


def _page_size(query: Mapping[str, str]) -> int:
    text = query.get("maxresults", "")
    if not text:
        return MAX_PAGE
    number = whole_number(text)
    if number is None or number < 1:
        raise Invalid("'maxresults' must be a whole number from 1.", code="OutOfRangeQueryParameterValue", target="maxresults")
    return min(number, MAX_PAGE)


def _told(visit: Visit, *names: tuple[str, str]) -> list[tuple[str, str]]:
    return [(tag, visit.query.get(name, "")) for tag, name in names]


def _marker(behind: str | None) -> str:
    """The name behind which the next page begins, in letters that need no escaping anywhere."""
    return base64.urlsafe_b64encode(behind.encode()).decode().rstrip("=") if behind is not None else ""


def _behind(marker: str) -> str:
    try:
        return base64.urlsafe_b64decode(marker + "=" * (-len(marker) % 4)).decode()
    except (binascii.Error, ValueError):
        raise Invalid(
            "'marker' is not one that a list of this service gave out.", code="InvalidQueryParameterValue", target="marker"
        ) from None

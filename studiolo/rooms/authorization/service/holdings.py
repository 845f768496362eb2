"""What a principal holds: the first roles that the platform gives, and what goes when the principal goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.documents import resource_of
from studiolo.kernel.faults import Stale
from studiolo.kernel.ids import parse
from studiolo.kernel.platform import inserted, made, rewritten
from studiolo.kernel.resource import PLATFORM
from studiolo.kernel.store.port import DropResource, Row, Store, Write
from studiolo.rooms.authorization.domain import assignments, denials
from studiolo.rooms.authorization.domain.assignments import by_principal
from studiolo.rooms.authorization.domain.roles import DENY_ASSIGNMENTS, OWNER, ROLE_ASSIGNMENTS, ROLE_DEFINITIONS

_BATCH: Final = 200


class Holdings:
    """Role assignments of single principals, written by the platform."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @staticmethod
    def owner(scope: str, oid: str, kind: str, at: str) -> Iterator[Write]:
        """The writes that make a new principal of this kind Owner of a scope."""
        here = "" if scope == "/" else scope
        assignment = parse(f"{here}/providers/{ROLE_ASSIGNMENTS}/{clock.new_id()}")
        properties = {
            "roleDefinitionId": f"{here}/providers/{ROLE_DEFINITIONS}/{OWNER}",
            "principalId": oid,
            "principalType": kind,
            "scope": scope,
            "createdOn": at,
            "createdBy": PLATFORM.oid,
            "updatedOn": at,
            "updatedBy": PLATFORM.oid,
        }
        resource = msgspec.structs.replace(made(assignment, ROLE_ASSIGNMENTS, properties, at), private={"principalSince": at})
        yield from inserted(resource, assignments.facets)

    async def void(self, oid: str) -> None:
        """Remove every assignment of a principal, and what spares it from deny assignments; safe to repeat.

        A later principal of the same id gets none of it.
        """
        while rows := (await self._store.by_facet(ROLE_ASSIGNMENTS.lower(), by_principal(oid), limit=_BATCH)).rows:
            await self._store.commit(*(DropResource(row.key, row.type) for row in rows))
        while rows := (await self._store.by_facet(DENY_ASSIGNMENTS.lower(), denials.by_excluded(oid), limit=_BATCH)).rows:
            for row in rows:
                await self._unspare(row, oid)

    async def _unspare(self, row: Row, oid: str) -> None:
        spared = [each for each in resource_of(row).properties["excludePrincipals"] if each["id"] != oid.lower()]
        with suppress(Stale):  # somebody changed it meanwhile: the loop reads it again
            await self._store.commit(rewritten(row, {"excludePrincipals": spared}, denials.facets))

"""What came with the house: the built-in roles, and the deny assignments that guard the platform's objects."""

from __future__ import annotations

from studiolo.kernel import clock
from studiolo.kernel.access.built_in import built_in_roles
from studiolo.kernel.documents import resource_of, row_of
from studiolo.kernel.platform import made
from studiolo.kernel.store.port import PutResource, Store, Write
from studiolo.rooms.authorization.domain import denials, ownership, roles
from studiolo.rooms.authorization.domain.roles import BUILT_IN, DENY_ASSIGNMENTS, ROLE_DEFINITIONS


class Bootstrap:
    """Brings them up to this release's."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ensure_roles(self) -> None:
        """Write the built-in roles that are missing or that an older release wrote otherwise."""
        page = await self._store.by_facet(ROLE_DEFINITIONS.lower(), roles.by_type(BUILT_IN))
        present = {row.key: resource_of(row) for row in page.rows}
        at = clock.stamp(clock.now())
        writes: list[Write] = []
        for guid, role in built_in_roles().items():
            properties = roles.built_in_properties(role)
            old = present.get(roles.role_id(guid).key)
            if old is None or old.properties != properties:
                fresh = made(roles.role_id(guid), ROLE_DEFINITIONS, properties, at)
                writes.append(PutResource(row_of(fresh), facets=tuple(roles.facets(fresh))))
        if writes:
            await self._store.commit(*writes)

    async def ensure_guards(self) -> None:
        """Write the deny assignments that guard the platform's objects, where they are missing or otherwise."""
        at = clock.stamp(clock.now())
        writes: list[Write] = []
        for id_, properties in ownership.guards():
            row = await self._store.find(id_.key)
            if row is None or resource_of(row).properties != properties:
                fresh = made(id_, DENY_ASSIGNMENTS, properties, at)
                writes.append(PutResource(row_of(fresh), facets=tuple(denials.facets(fresh))))
        if writes:
            await self._store.commit(*writes)

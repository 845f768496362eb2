"""Authorization: who holds which right where, and why the engine answers as it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from studiolo.kernel.gate import Gate
from studiolo.kernel.resource import ResourceType
from studiolo.kernel.store.port import Store
from studiolo.rooms.authorization.backends.seals import SEALS, STATE, STATE_KEY, TREE, Seals, told_of_record, version_in
from studiolo.rooms.authorization.backends.stored import StoredGrants
from studiolo.rooms.authorization.backends.worlds import StoredWorlds
from studiolo.rooms.authorization.domain.management import MANAGEMENT_GROUPS, MEMBERSHIPS, group_above, membership_of
from studiolo.rooms.authorization.ports import Actions, Directory, Flat, Heirs, KeyHolder, Standing
from studiolo.rooms.authorization.provider import types
from studiolo.rooms.authorization.service.access import AccessService
from studiolo.rooms.authorization.service.bootstrap import Bootstrap
from studiolo.rooms.authorization.service.delegation import Delegation
from studiolo.rooms.authorization.service.guards import Guards
from studiolo.rooms.authorization.service.holdings import Holdings
from studiolo.rooms.authorization.service.management import ManagementGroups
from studiolo.rooms.authorization.service.moves import Moving
from studiolo.rooms.authorization.service.owners import Owners
from studiolo.rooms.authorization.service.reach import ReachService
from studiolo.rooms.authorization.service.simulation import Simulator
from studiolo.rooms.authorization.wire import Callers, access_routes
from studiolo.wire.http import Route

__all__ = [
    "MANAGEMENT_GROUPS",
    "MEMBERSHIPS",
    "SEALS",
    "STATE",
    "STATE_KEY",
    "TREE",
    "Rights",
    "Room",
    "Seals",
    "Standing",
    "accept_rights",
    "extend_seals",
    "group_above",
    "membership_of",
    "open_rights",
    "open_seals",
    "room",
    "told_of_record",
    "version_in",
]

_OWNER: Final = "authorization"


@dataclass(frozen=True, slots=True)
class Rights:
    """The rights that are held, on which the gate and the other rooms of identity stand."""

    store: Store
    heirs: Heirs
    known_actions: Actions | None
    grants: StoredGrants
    worlds: StoredWorlds
    gate: Gate
    delegation: Delegation
    holdings: Holdings


@dataclass(frozen=True, slots=True)
class Room:
    """The opened room. `guards` look at what is written to the directory, too."""

    types: Sequence[ResourceType]
    guards: Guards
    access: AccessService
    reach: ReachService
    simulator: Simulator
    bootstrap: Bootstrap

    async def start(self) -> None:
        """Bring the built-in roles, and what guards the platform's objects, up to this release's."""
        await self.bootstrap.ensure_roles()
        await self.bootstrap.ensure_guards()

    def routes(self, callers: Callers) -> list[Route]:
        """Routes that lie among the resource manager's paths: `…/providers/Studiolo.Access/explain`."""
        return access_routes(self.access, self.reach, self.simulator, callers)


async def accept_rights(store: Store, sealer: KeyHolder) -> int:
    """Seal the rows that rights rest on as they are now, whoever wrote them; gives how many."""
    return await Seals(store, await sealer.data_key(_OWNER)).accept()


async def extend_seals(store: Store, sealer: KeyHolder) -> dict[str, int]:
    """Seal the rows of types that an older release did not seal; gives how many of each.

    Raises:
        Unavailable: what was sealed does not hold (code `AuthorizationStoreDamaged`).
    """
    return await Seals(store, await sealer.data_key(_OWNER)).extend()


async def open_seals(store: Store, sealer: KeyHolder) -> Seals:
    """The seals of the rows that rights rest on, checked.

    Raises:
        Conflict: an older release wrote them (code `AuthorizationStoreOutdated`).
        Unavailable: they do not hold (code `AuthorizationStoreDamaged`).
    """
    seals = Seals(store, await sealer.data_key(_OWNER))
    await seals.open()
    return seals


async def open_rights(store: Store, seals: Seals, *, heirs: Heirs | None = None, known_actions: Actions | None = None) -> Rights:
    """The rights in a store, as of its last commit.

    `heirs` says which scopes inherit beyond their paths, `known_actions` which actions any operation needs (None: all).
    """
    heirs = heirs or Flat()
    grants = StoredGrants(store, heirs=heirs, known_actions=known_actions, seals=seals)
    await grants.refresh()
    gate = Gate(grants)
    worlds = StoredWorlds(store, grants, seals)
    return Rights(store, heirs, known_actions, grants, worlds, gate, Delegation(store, gate, grants), Holdings(store))


def room(rights: Rights, directory: Directory, tenant: str) -> Room:
    """Open the room over the rights; `directory` says whom a name means."""
    store, heirs, grants, worlds = rights.store, rights.heirs, rights.grants, rights.worlds
    reach = ReachService(grants, worlds, directory, rights.known_actions)
    access = AccessService(store, grants, directory, heirs, reach)
    owners = Owners(store, heirs, partial(StoredGrants, heirs=heirs))
    guards = Guards(store, grants, directory, rights.delegation, owners)
    groups = ManagementGroups(store, heirs, owners, tenant)
    simulator = Simulator(store, worlds, directory, reach, grants, Moving(store, heirs, tenant))
    return Room(types(access, guards, groups), guards, access, reach, simulator, Bootstrap(store))

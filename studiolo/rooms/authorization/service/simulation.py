"""A planned change of rights, read from what somebody wrote down, and what it would do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final, Literal

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.access.built_in import find_built_in_role
from studiolo.kernel.access.conditions import check_condition
from studiolo.kernel.access.grants import Assignment, DenyAssignment, Permission, Role
from studiolo.kernel.access.scopes import ROOT, scope_key
from studiolo.kernel.access.simulation import PlannedChange, Shift, Standing, Turn, changed, simulate
from studiolo.kernel.access.world import CompiledWorld
from studiolo.kernel.faults import Invalid, NotFound
from studiolo.kernel.ids import parse
from studiolo.kernel.principals import GUID
from studiolo.kernel.resource import JsonObject
from studiolo.kernel.store.port import Store
from studiolo.rooms.authorization.domain import roles, schedules
from studiolo.rooms.authorization.domain.assignments import scope_of
from studiolo.rooms.authorization.domain.roles import ROLE_DEFINITIONS
from studiolo.rooms.authorization.ports import Directory, Worlds
from studiolo.rooms.authorization.service.moves import Moves, Moving, Reaches, touched
from studiolo.rooms.authorization.service.owners import Roles
from studiolo.rooms.authorization.service.reach import May, Page, ReachService, token_of

_MOST_NAMED: Final = 50


class NewAssignment(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A role (name, GUID or id) for somebody (mail, name, client id or object id) at a scope, perhaps for a time."""

    role: str
    who: str
    scope: str
    condition: str | None = None
    start_date_time: str | None = None
    end_date_time: str | None = None


class NewDeny(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A deny assignment; principals are named as people name them, `everyone` among them."""

    scope: str
    principals: tuple[str, ...]
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()
    exclude_principals: tuple[str, ...] = ()
    do_not_apply_to_child_scopes: bool = False
    condition: str | None = None


class NewMembers(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A group, and who joins or leaves it."""

    group: str
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


class NewRole(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A custom role by name, GUID or id, with the permissions that it would have."""

    role: str
    permissions: tuple[dict[str, object], ...]


class Plan(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A planned change: what is assigned, removed (ids of assignments and deny assignments), denied, moved, and otherwise changed."""

    assign: tuple[NewAssignment, ...] = ()
    remove: tuple[str, ...] = ()
    deny: tuple[NewDeny, ...] = ()
    groups: tuple[NewMembers, ...] = ()
    roles: tuple[NewRole, ...] = ()
    move: Moves = ()
    hubs: Reaches = ()

    def scopes(self) -> Iterator[str]:
        """Every scope at which the change touches a row, or that it names as a part of the tree.

        Raises:
            Invalid: the id of a row to remove, or of a part of the tree, is malformed.
        """
        yield from (each.scope for each in (*self.assign, *self.deny))
        yield from (scope_of(parse(id_)) for id_ in self.remove)
        yield from touched(self.move, self.hubs)


class Simulator:
    """Says what a change would do, and writes nothing."""

    def __init__(self, store: Store, worlds: Worlds, directory: Directory, reach: ReachService, roles: Roles, moving: Moving) -> None:
        self._store = store
        self._worlds = worlds
        self._directory = directory
        self._reach = reach
        self._roles = roles
        self._moving = moving

    async def simulate(self, plan: Plan, scope: str, may: May, page: Page, at: str | None = None) -> JsonObject:
        """Who would gain and who would lose what, at the scope and where it reaches below it, at a moment (`at`; None: now).

        Raises:
            NotFound, Invalid: the change names nobody, no role, no row or no part of the tree that is there; or it cannot
                be read, or not be written.
            Forbidden: something leaves a management group whose role assignments the asker may not read.
        """
        start = page.start()
        before = await self._before(at)
        change = await self._planned(plan, before, may)
        world = changed(before.world, change)
        self._moving.check(change.management_group_parents, world.hierarchy)
        after = CompiledWorld(world)
        # Without a list of operations the actions that roles name outright are the ones to look at.
        actions = self._reach.every() or _named(before, after)
        shifts = [shift for shift in simulate(before, after, actions, scope) if await may(shift.scope)]
        keyed = sorted(((f"{shift.principals[0]}|{shift.scope}|{shift.is_below:d}", shift) for shift in shifts), key=lambda each: each[0])
        left = list(islice((each for each in keyed if each[0] > start), page.top + 1))
        shown = left[: page.top]
        told: JsonObject = {
            "scope": scope,
            "version": before.world.version,
            **({"at": before.world.moment} if at is not None else {}),
            "count": len(shifts),
            "value": [_told(shift, before) for _, shift in shown],
        }
        return told | ({"skipToken": token_of(shown[-1][0])} if len(left) > page.top else {})

    async def _before(self, at: str | None) -> CompiledWorld:
        if at is None:
            return await self._worlds.whole()
        try:
            moment = schedules.moment(at)
        except ValueError:
            raise Invalid("'at' must be a moment such as 2027-01-31T08:00:00Z.", code="InvalidMoment", target="at") from None
        found = await self._worlds.whole()
        return CompiledWorld(msgspec.structs.replace(found.world, moment=moment), found.shelves)

    async def _planned(self, plan: Plan, world: CompiledWorld, may: May) -> PlannedChange:
        rows = {row.id.lower() for row in (*world.world.assignments, *world.world.denies)}
        for id_ in plan.remove:
            if id_.lower() not in rows:
                raise NotFound(f"There is no assignment '{id_[:300]}' that counts.", code="RoleAssignmentNotFound", target="remove")
        parents, subscriptions = await self._moving.places(plan.move, world.world.hierarchy, may)
        return PlannedChange(
            assignments=tuple([await self._assignment(each) for each in plan.assign]),
            denies=tuple([await self._deny(each) for each in plan.deny]),
            removed=plan.remove,
            members=dict([await self._members(each, world) for each in plan.groups]),
            roles={(role := await self._role(each.role)).id: _rewritten(role, each) for each in plan.roles},
            management_group_parents=parents,
            subscription_groups=subscriptions,
            heirs=await self._moving.heirs(plan.hubs),
        )

    async def _assignment(self, new: NewAssignment) -> Assignment:
        principal, role = await self._directory.who(new.who), await self._role(new.role)
        _check(new.scope, new.condition)
        bounds = {schedules.START: new.start_date_time, schedules.END: new.end_date_time}
        bounds = schedules.schedule(bounds, clock.stamp(clock.now()), target="change.assign")
        here = "" if new.scope == ROOT else new.scope
        return Assignment(
            id=f"{here}/providers/{roles.ROLE_ASSIGNMENTS}/{clock.new_id()}",
            principal_id=principal.oid,
            role=role,
            scope=new.scope,
            condition=new.condition,
            starts=bounds[schedules.START],
            ends=bounds[schedules.END],
        )

    async def _deny(self, new: NewDeny) -> DenyAssignment:
        _check(new.scope, new.condition)
        here = "" if new.scope == ROOT else new.scope
        return DenyAssignment(
            id=f"{here}/providers/{roles.DENY_ASSIGNMENTS}/{clock.new_id()}",
            scope=new.scope,
            principals=tuple([await self._named(each) for each in new.principals]),
            permissions=(Permission(new.actions, new.not_actions, new.data_actions, new.not_data_actions),),
            excluded=tuple([await self._named(each) for each in new.exclude_principals]),
            does_not_apply_to_child_scopes=new.do_not_apply_to_child_scopes,
            condition=new.condition,
        )

    async def _named(self, text: str) -> str:
        from studiolo.kernel.access.grants import EVERYONE

        return EVERYONE if text.lower() in ("everyone", EVERYONE) else (await self._directory.who(text)).oid

    async def _members(self, new: NewMembers, world: CompiledWorld) -> tuple[str, tuple[str, ...]]:
        group = await self._directory.who(new.group)
        if group.kind != "Group":
            raise Invalid(f"'{new.group[:200]}' is no group.", target="groups")
        out = {(await self._directory.who(each)).oid for each in new.remove}
        joining = [(await self._directory.who(each)).oid for each in new.add]
        kept = [each for each in world.world.members.get(group.oid, ()) if each not in out]
        return group.oid, tuple(dict.fromkeys([*kept, *joining]))

    async def _role(self, text: str) -> Role:
        last = text.rpartition("/")[2]
        if (found := find_built_in_role(last)) is not None:
            return found
        facet = roles.by_guid(last) if GUID.fullmatch(last) else roles.by_role_name(text)
        page = await self._store.by_facet(ROLE_DEFINITIONS.lower(), facet, limit=1)
        role = await self._roles.role(page.rows[0].key.rpartition("/")[2]) if page.rows else None
        if role is None:
            raise NotFound(f"There is no role '{text[:200]}' that counts.", code="RoleDefinitionDoesNotExist", target="role")
        return role


def _check(scope: str, condition: str | None) -> None:
    scope_key(scope)
    if condition is not None:
        check_condition(condition, "2.0")


def _rewritten(role: Role, new: NewRole) -> Role:
    return msgspec.structs.replace(role, permissions=tuple(map(roles.permission_of, new.permissions)))


def _named(*worlds: CompiledWorld) -> list[tuple[str, Literal["control", "data"]]]:
    found: set[tuple[str, Literal["control", "data"]]] = set()
    for world in worlds:
        for role in {row.role for row in world.world.assignments}:
            for block in role.permissions:
                found |= {(text, "control") for text in block.actions if "*" not in text}
                found |= {(text, "data") for text in block.data_actions if "*" not in text}
    return sorted(found)


# ── as JSON ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _told(shift: Shift, world: CompiledWorld) -> JsonObject:
    holders = world.world.holders
    named = [holders[one] for one in shift.principals[:_MOST_NAMED]]
    gains = [_turn(turn) for turn in shift.turns if _rank(turn.after) > _rank(turn.before)]
    losses = [_turn(turn) for turn in shift.turns if _rank(turn.after) < _rank(turn.before)]
    return {
        "principals": [{"id": one.id, "type": one.kind, "displayName": one.name} for one in named],
        "principalCount": len(shift.principals),
        "scope": shift.scope,
        "holds": "below the scope" if shift.is_below else "at the scope and below",
        "gains": gains,
        "loses": losses,
    }


def _turn(turn: Turn) -> JsonObject:
    return {"action": turn.action, "plane": turn.plane, "before": _word(turn.before), "after": _word(turn.after)}


def _rank(standing: Standing) -> int:
    return 2 * standing.allowed + (standing.allowed != standing.is_conditional)


_WORDS: Final[Mapping[int, str]] = {0: "denied", 1: "only under a condition", 2: "unless a condition", 3: "allowed"}


def _word(standing: Standing) -> str:
    return _WORDS[_rank(standing)]

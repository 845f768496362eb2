"""Who may, what somebody may, what a change would do, and who could grant what is missing: told for people and programs.

`may` says whether the asker may read role assignments at a scope: what stands elsewhere is not told.
"""

from __future__ import annotations

import base64
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import msgspec

from studiolo.kernel import clock
from studiolo.kernel.access.ask import Ask, Plane
from studiolo.kernel.access.built_in import built_in_roles
from studiolo.kernel.access.grants import Assignment, Role
from studiolo.kernel.access.names import GIVES_ROLES, PRINCIPAL_ID, PRINCIPAL_TYPE, ROLE_DEFINITION_ID
from studiolo.kernel.access.plans import Verdict
from studiolo.kernel.access.reach import Grant, PatternLine, Reach, abilities, patterns_at, smallest_roles, who_can
from studiolo.kernel.access.scopes import ROOT, prefixes, scope_key
from studiolo.kernel.access.spelling import folded
from studiolo.kernel.access.world import CompiledWorld
from studiolo.kernel.faults import Invalid
from studiolo.kernel.gate import Grants
from studiolo.kernel.principals import Principal
from studiolo.kernel.resource import JsonObject
from studiolo.rooms.authorization.ports import Actions, Directory, Worlds

May = Callable[[str], Awaitable[bool]]
MOST_ON_A_PAGE: Final = 1000
_FEW: Final = 10


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a long answer is wanted; `skip_token` is what the part before gave."""

    top: int = 100
    skip_token: str | None = None

    def start(self) -> str:
        """The key after which the page begins.

        Raises:
            Invalid: no part gave this token (code `InvalidSkipToken`), or `top` is out of range.
        """
        if not 1 <= self.top <= MOST_ON_A_PAGE:
            raise Invalid(f"'top' lies between 1 and {MOST_ON_A_PAGE}.", target="top")
        try:
            return base64.b64decode(self.skip_token, altchars=b"-_", validate=True).decode() if self.skip_token else ""
        except ValueError:
            raise Invalid("'skipToken' is not one that an answer gave.", code="InvalidSkipToken", target="skipToken") from None


def token_of(key: str) -> str:
    """What the next page is asked for with."""
    return base64.urlsafe_b64encode(key.encode()).decode()


class ReachService:
    """Asks the engine about everybody."""

    def __init__(self, grants: Grants, worlds: Worlds, directory: Directory, actions: Actions | None) -> None:
        self._grants = grants
        self._worlds = worlds
        self._directory = directory
        self._actions = actions

    def plane(self, action: str) -> Plane:
        """The plane of the operation that needs this action; the control plane if none is known."""
        key, known = folded(action), self._actions
        return "data" if known is not None and known(key, "data") and not known(key, "control") else "control"

    def every(self) -> list[tuple[str, Plane]]:
        """All actions that an operation needs, in order."""
        return sorted(self._actions.each()) if self._actions is not None else []

    # ── who can ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def who_can(self, ask: Ask, may: May, page: Page) -> JsonObject:
        """Everybody who may do what the ask says, or might under other attributes, with every way.

        Raises:
            Invalid: the scope, the action or the page is malformed.
        """
        start = page.start()
        world = await self._worlds.above(scope_key(ask.scope))
        reach = who_can(_at_this_moment(ask), world)
        first = bisect_right(reach.principals, start)
        shown = reach.principals[first : first + page.top]
        # Before anything is awaited, since what is below the answer may change then.
        found = [(one, reach.verdict(one), list(islice(reach.ways(one), _FEW))) for one in shown]
        told: JsonObject = {
            "action": ask.action,
            "scope": ask.scope,
            "plane": ask.plane,
            "version": world.world.version,
            "count": len(reach.principals),
            "value": [await _reached(one, verdict, ways, reach, may) for one, verdict, ways in found],
        }
        return told | ({"skipToken": token_of(shown[-1])} if first + page.top < len(reach.principals) else {})

    # ── what can ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def can(self, who: str, scope: str, may: May, page: Page) -> JsonObject:
        """What somebody may do at a scope: the patterns that hold there, and every action of the operations offered.

        Raises:
            NotFound, Invalid: nobody, or several, are meant; the scope or the page is malformed.
        """
        start = page.start()
        principal = await self._directory.who(who)
        facts = await self._grants.facts(principal.oid)
        ask = _at_this_moment(Ask(principal.oid, "", scope, principal_attributes=principal.attributes))
        found = [each for each in abilities(facts, ask, self.every()) if f"{each.action}|{each.plane}" > start]
        shown = found[: page.top]
        told: JsonObject = {
            "principal": shown_principal(principal),
            "scope": scope,
            "version": facts.facts.version,
            "patterns": [await _pattern(line, scope, may) for line in patterns_at(facts, scope)] if not start else [],
            "value": [{"action": each.action, "plane": each.plane, **_verdict(each.verdict)} for each in shown],
        }
        return told | ({"skipToken": token_of(f"{shown[-1].action}|{shown[-1].plane}")} if len(found) > page.top else {})

    # ── who could grant it ───────────────────────────────────────────────────────────────────────────────────────

    async def who_could_grant(self, principal: Principal, action: str, scope: str, plane: Plane | None = None) -> JsonObject:
        """The smallest built-in roles that would allow an action, and who may assign one of them to the principal at the scope.

        The conditions under which somebody may assign roles are judged for that very assignment.

        Raises:
            Invalid: the scope or the action is malformed.
        """
        roles = smallest_roles(action, plane or self.plane(action), built_in_roles().values(), self.every())
        world = await self._worlds.above(scope_key(scope))
        return {
            "roles": [{"id": role.id, "name": role.name, "grantedBy": _grantors(principal, role, scope, world)} for role in roles],
        }


def _grantors(principal: Principal, role: Role, scope: str, world: CompiledWorld) -> list[JsonObject]:
    """Who may write the assignment, people and applications before groups, at most ten."""
    request = {ROLE_DEFINITION_ID: role.id, PRINCIPAL_ID: principal.oid, PRINCIPAL_TYPE: principal.kind}
    reach = who_can(_at_this_moment(Ask("", GIVES_ROLES, scope, request=request)), world)
    able = [world.world.holders[one] for one in reach.principals if (verdict := reach.verdict(one)) is not None and verdict.allowed]
    able.sort(key=lambda holder: (holder.kind == "Group", holder.kind != "User", holder.name, holder.id))
    return [{"id": one.id, "type": one.kind, "displayName": one.name} for one in able[:_FEW]]


def _at_this_moment(ask: Ask) -> Ask:
    moment = {"UtcNow": clock.stamp(clock.now()), "isPrivateLink": False}
    return msgspec.structs.replace(ask, environment={**moment, **ask.environment})


# ── as JSON ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def shown_principal(principal: Principal) -> JsonObject:
    """A principal as answers show it."""
    return {"id": principal.oid, "type": principal.kind, "displayName": principal.name, "accountEnabled": principal.is_enabled}


def _verdict(verdict: Verdict) -> JsonObject:
    return {"allowed": verdict.allowed, "isConditional": verdict.is_conditional}


async def _reached(one: str, verdict: Verdict | None, grants: Sequence[Grant], reach: Reach, may: May) -> JsonObject:
    holder = reach.world.world.holders[one]
    ways = [await _way(grant, reach, may) for grant in grants]
    return {
        "principal": {"id": one, "type": holder.kind, "displayName": holder.name},
        **(_verdict(verdict) if verdict is not None else {}),
        "isMember": all(way["groups"] for way in ways),
        "through": ways,
    }


async def _way(grant: Grant, reach: Reach, may: May) -> JsonObject:
    holders = reach.world.world.holders
    groups = [{"id": each, "displayName": holders[each].name if each in holders else ""} for each in grant.groups]
    row = grant.assignment
    return {
        **await _place(row, grant.path, grant.way, reach.ask.scope, may),
        "role": row.role.name,
        "groups": groups,
        "conditions": list(grant.conditions),
    }


async def _pattern(line: PatternLine, scope: str, may: May) -> JsonObject:
    return {
        **await _place(line.row, line.path, line.way, scope, may),
        "role": line.row.role.name if isinstance(line.row, Assignment) else None,
        "denies": not isinstance(line.row, Assignment),
        "plane": line.plane,
        "pattern": line.pattern,
        "less": list(line.less),
        "conditions": list(line.conditions),
    }


async def _place(row: Any, path: Sequence[str], way: str, asked: str, may: May) -> JsonObject:
    """Where a row stands. What holds here by the scope's own path may be told; of other places only what the asker may read."""
    above = path[-1]
    if above in (ROOT, *prefixes(scope_key(asked))) or await may(above):
        return {"id": row.id, "scope": row.scope, "path": list(path), "way": way}
    return {"id": None, "scope": None, "path": [], "way": "a scope that you may not read"}

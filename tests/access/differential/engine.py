"""The same worlds and questions in the engine's words, and what the engine answers."""

import random

from studiolo.kernel.access.ask import Ask, Plane
from studiolo.kernel.access.compiled import CompiledFacts
from studiolo.kernel.access.decision import decide
from studiolo.kernel.access.grants import EVERYONE, Assignment, DenyAssignment, Facts, Permission, Role, group_closure
from studiolo.kernel.access.scopes import Hierarchy
from studiolo.kernel.access.visibility import Filter, visible
from studiolo.kernel.faults import Invalid
from tests.access.oracle import judge

BECAUSE = {
    "granted": "grant",
    "deny_assignment": "deny assignment",
    "no_grant": "no grant",
    "unknown_action": "unknown action",
    "unknown_principal": "unknown principal",
    "disabled_principal": "disabled principal",
}
Told = tuple[str, str, str | None]
"""Outcome, reason, deciding id."""


class Engine:
    """The engine, knowing one world."""

    def __init__(self, world: judge.World, shuffle: int | None = None) -> None:
        self.world = world
        roles = {name: Role(name, name, tuple(map(_permission, blocks))) for name, blocks in world.roles.items()}
        rows = [
            Assignment(one.id, one.principal, roles[one.role], one.scope, one.condition, one.version, one.starts, one.ends)
            for one in world.assignments
        ]
        denies = [_deny(one) for one in world.denials]
        if shuffle is not None:
            random.Random(shuffle).shuffle(rows)
            random.Random(shuffle).shuffle(denies)
        self._rows, self._denies = tuple(rows), tuple(denies)
        self._memberships: dict[str, list[str]] = {}
        for group, members in world.members.items():
            for member in members:
                self._memberships.setdefault(member, []).append(group)
        self._hierarchy = Hierarchy(world.group_parents, world.subscription_groups, world.inherited_roles)
        self._facts: dict[tuple[str, str | None], CompiledFacts] = {}

    def facts(self, principal: str, moment: str | None) -> CompiledFacts:
        if (principal, moment) not in self._facts:
            self._facts[principal, moment] = CompiledFacts(
                Facts(
                    known=principal in self.world.enabled,
                    enabled=self.world.enabled.get(principal, False),
                    ids=group_closure(principal, self._memberships),
                    assignments=self._rows,
                    denies=self._denies,
                    hierarchy=self._hierarchy,
                    known_actions=self._knows if self.world.operations is not None else None,
                    moment=moment,
                )
            )
        return self._facts[principal, moment]

    def _knows(self, action: str, plane: Plane) -> bool:
        return self.world.operations is not None and (action, plane == "data") in self.world.operations

    def decide(self, asked: judge.Question) -> Told:
        """What the engine says, in the second opinion's words."""
        try:
            verdict = decide(ask(asked), self.facts(asked.principal, asked.moment))
        except Invalid:
            return "reject", "", None
        return "allow" if verdict.allowed else "deny", BECAUSE[verdict.reason], next(iter(verdict.deciding), None)

    def visible(self, asked: judge.Question) -> Filter:
        """The engine's filter for a list at and below the scope of a question."""
        return visible(self.facts(asked.principal, asked.moment), asked.action, plane(data=asked.data), asked.scope)


def plane(*, data: bool) -> Plane:
    return "data" if data else "control"


def ask(asked: judge.Question) -> Ask:
    bags = asked.bags
    return Ask(
        asked.principal,
        asked.action,
        asked.scope,
        plane(data=asked.data),
        asked.sub_operations,
        request=bags.get("Request", {}),
        resource=bags.get("Resource", {}),
        principal_attributes=bags.get("Principal", {}),
        environment=bags.get("Environment", {}),
    )


def _permission(block: judge.Block) -> Permission:
    return Permission(block.actions, block.not_actions, block.data_actions, block.not_data_actions, block.condition, block.version)


def _deny(one: judge.Denial) -> DenyAssignment:
    return DenyAssignment(
        one.id,
        one.scope,
        (*one.principals, *([EVERYONE] if one.everyone else [])),
        tuple(map(_permission, one.blocks)),
        one.excluded,
        one.this_scope_only,
        one.condition,
        one.version,
        effect="audit" if one.effect == "audit" else "enforced",
    )

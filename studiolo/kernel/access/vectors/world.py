"""From fixtures and one decision vector to an ask and the facts that it is decided on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from studiolo.kernel.access.ask import Ask, Bag
from studiolo.kernel.access.built_in import find_built_in_role
from studiolo.kernel.access.compiled import CompiledFacts
from studiolo.kernel.access.grants import EVERYONE, Assignment, DenyAssignment, Facts, Permission, Role, group_closure
from studiolo.kernel.access.names import IS_PRIVATE_LINK, SHORT_NAMES, UTC_NOW
from studiolo.kernel.access.scopes import Hierarchy, scope_key
from studiolo.kernel.access.spelling import folded
from studiolo.kernel.access.vectors.rows import Attributes, Block, Decision, Deny, Fixtures
from studiolo.kernel.faults import Invalid

_CALL = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\(([^()]*)\))?")


def unusable(message: str) -> Invalid:
    """The fault for a vector or fixtures that cannot be used as they stand."""
    return Invalid(message, code="InvalidVectors")


class World:
    """Fixtures, ready to be asked."""

    def __init__(self, fixtures: Fixtures) -> None:
        self._scopes = fixtures.scopes
        self._conditions = fixtures.conds
        self._roles = {name: Role(name, name, tuple(map(_permission, role.permissions))) for name, role in fixtures.custom.items()}
        self._disabled = frozenset(map(folded, fixtures.disabled))
        self._memberships: dict[str, list[str]] = {}
        for group, members in fixtures.groups.items():
            for member in members:
                self._memberships.setdefault(member, []).append(group)
        heirs = {self._scope(heir, "heirs"): [self._scope(each, "heirs") for each in above] for heir, above in fixtures.heirs.items()}
        self._hierarchy = Hierarchy(fixtures.mg_parent, fixtures.mg_of_sub, heirs)

    @classmethod
    def read(cls, path: Path) -> World:
        """The world that a fixtures file describes.

        Raises:
            Invalid: the file cannot be read or is not of this form (code `InvalidVectors`).
        """
        try:
            return cls(msgspec.json.decode(path.read_bytes(), type=Fixtures))
        except (OSError, msgspec.MsgspecError) as error:
            raise unusable(f"The fixtures {path} cannot be used: {error}.") from error

    def ask(self, row: Decision) -> Ask:
        """What a decision vector asks."""
        request = row.rq
        is_name = request.s not in self._scopes and "/" not in request.s and row.x != "reject"
        if is_name:
            raise unusable(f"rq.s: the fixtures know no scope '{request.s}'")
        return Ask(
            request.p,
            request.a,
            self._scopes.get(request.s, request.s),
            "data" if request.d else "control",
            request.sub,
            request=_bag(request.req, "rq.req"),
            resource=_bag(request.res, "rq.res"),
            principal_attributes=_bag(request.pri, "rq.pri"),
            environment=_bag(request.env, "rq.env"),
        )

    def facts(self, row: Decision) -> CompiledFacts:
        """What is known in a decision vector's world about its principal."""
        principal = row.rq.p
        moment = full_names(row.rq.env).get(UTC_NOW)
        return CompiledFacts(
            Facts(
                known=True,
                enabled=folded(principal) not in self._disabled,
                ids=group_closure(principal, self._memberships),
                assignments=tuple(self._assignment(index, each) for index, each in enumerate(row.rows)),
                denies=tuple(self._deny(index, each) for index, each in enumerate(row.da)),
                hierarchy=self._hierarchy,
                moment=moment if isinstance(moment, str) else None,
            )
        )

    def _assignment(self, index: int, row: list[str | None]) -> Assignment:
        place = f"as[{index}]"
        match row:
            case [str(principal), str(role), str(scope), *further] if len(further) <= 3:
                condition, starts, ends = [*further, None, None, None][:3]
            case _:
                raise unusable(f"{place}: write [principal, role, scope], then perhaps a condition, a start and an end (null: none)")
        condition = self.condition(condition, place)
        return Assignment(place, principal, self.role(role, place), self._scope(scope, place), condition, starts=starts, ends=ends)

    def _deny(self, index: int, row: Deny) -> DenyAssignment:
        place = f"da[{index}]"
        return DenyAssignment(
            place,
            self._scope(row.s, place),
            tuple(EVERYONE if each == "*" else each for each in row.p),
            (Permission(row.a, row.na, row.da, row.nda),),
            row.x,
            bool(row.no_child),
            self.condition(row.c, place),
            effect="audit" if row.audit else "enforced",
        )

    def role(self, name: str, place: str) -> Role:
        """The role of this name: one of the fixtures, or a built-in one.

        Raises:
            Invalid: there is none (code `InvalidVectors`).
        """
        role = self._roles.get(name) or find_built_in_role(name)
        if role is None:
            raise unusable(f"{place}: no role is called '{name}', neither in the fixtures' custom roles nor built in")
        return role

    def _scope(self, name: str, place: str) -> str:
        scope = self._scopes.get(name, name)
        if not scope.startswith("/"):
            raise unusable(f"{place}: the fixtures know no scope '{name}'")
        return scope_key(scope)

    def condition(self, text: str | None, place: str) -> str | None:
        """The condition that a text is, or that it names among the fixtures.

        Raises:
            Invalid: the fixtures know no such condition, or it lacks its argument (code `InvalidVectors`).
        """
        found = _CALL.fullmatch(text) if text is not None else None
        if text is None or found is None:
            return text
        name, argument = found.groups()
        condition = self._conditions.get(name)
        if condition is None:
            raise unusable(f"{place}: the fixtures know no condition '{name}'")
        if "$1" in condition and argument is None:
            raise unusable(f"{place}: the condition '{name}' needs an argument, as in {name}(x)")
        return condition.replace("$1", argument or "")


def _permission(block: Block) -> Permission:
    return Permission(
        block.actions,
        block.not_actions,
        block.data_actions,
        block.not_data_actions,
        block.condition,
        block.condition_version,
    )


def _bag(attributes: Attributes, place: str) -> Bag:
    if strange := _first(name for name in attributes if not _is_name(name)):
        raise unusable(f"{place}: '{strange}' is neither an attribute's full name nor one of {', '.join(SHORT_NAMES)}")
    return full_names(attributes)


def full_names(attributes: Attributes) -> Bag:
    """The attributes with short names replaced."""
    return {SHORT_NAMES.get(name, name): value for name, value in attributes.items()}


def _is_name(name: str) -> bool:
    return name in SHORT_NAMES or name in (UTC_NOW, IS_PRIVATE_LINK) or "/" in name or ":" in name


def _first(names: Iterable[str]) -> str | None:
    return next(iter(names), None)

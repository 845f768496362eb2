"""What expressions can see: the deployment's facts, its parameters and variables, and what the run has learned."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from studiolo.rooms.templates.domain.bounds import Meter
from studiolo.rooms.templates.domain.expressions import Call, Node
from studiolo.rooms.templates.domain.functions import named_guid
from studiolo.rooms.templates.domain.template import Template
from studiolo.rooms.templates.domain.values import Json, JsonMap, Later, broken


@dataclass(frozen=True, slots=True)
class Facts:
    """What the functions of place answer. `target` is the id of the scope that the deployment writes to.

    The objects have the published shapes of `deployment()`, `subscription()`, `resourceGroup()` and so on. In a nested
    template with outer scope they are the outer deployment's, while `target` is the nested one's own.
    """

    target: str
    deployment: JsonMap
    subscription: JsonMap
    group: JsonMap | None
    tenant: JsonMap
    environment: JsonMap
    deployer: JsonMap


@dataclass(frozen=True, slots=True)
class Lookup:
    """One question to the run: read a resource (`action` empty) or run one of its list actions."""

    id: str
    api_version: str
    action: str = ""
    body: str = "{}"


class Unanswered(Later):
    """The run has to answer a look-up before the expression has a value."""

    def __init__(self, lookup: Lookup) -> None:
        super().__init__(lookup.id)
        self.lookup = lookup


@dataclass(slots=True)
class Fresh:
    """Chance and time for parameter defaults, fixed per deployment so that a repeat gives the same values."""

    seed: str
    at: datetime
    drawn: int = 0

    def guid(self) -> str:
        """The next of this deployment's own identifiers."""
        self.drawn += 1
        return named_guid(f"{self.seed}-{self.drawn}")


@dataclass(frozen=True, slots=True)
class Named:
    """A resource of the template as `reference` finds it."""

    id: str
    api_version: str


@dataclass(slots=True)
class World:
    """One template at work. `parameters` and `values` fill up as they are asked for."""

    template: Template
    facts: Facts
    meter: Meter
    parameters: JsonMap = field(default_factory=dict[str, Json])  # by lower-case name
    values: JsonMap = field(default_factory=dict[str, Json])  # variables that are known, by lower-case name
    answers: Mapping[Lookup, JsonMap] = field(default_factory=dict[Lookup, JsonMap])
    named: dict[str, Named | None] = field(default_factory=dict[str, "Named | None"])  # None: more than one has this name
    wanted: set[str] = field(default_factory=set[str])  # lower-case ids that look-ups asked for
    copies: tuple[tuple[str, int], ...] = ()
    fresh: Fresh | None = None
    busy: list[str] = field(default_factory=list[str])

    @contextmanager
    def working_on(self, what: str, path: str) -> Generator[None]:
        """Mark a parameter or a variable as being evaluated.

        Raises:
            Invalid: it is already (code `InvalidTemplate`): it needs itself.
        """
        if what in self.busy:
            circle = " → ".join([*self.busy[self.busy.index(what) :], what])
            raise broken(f"a circular dependency was found: {circle}.", path)
        self.busy.append(what)
        try:
            yield
        finally:
            self.busy.pop()

    def ask(self, lookup: Lookup) -> JsonMap:
        """The run's answer.

        Raises:
            Unanswered: it has none yet.
        """
        if lookup in self.answers:
            return self.answers[lookup]
        raise Unanswered(lookup)


class Scope(Protocol):
    """An evaluation, as functions see it that look at more than their arguments."""

    @property
    def world(self) -> World:
        """The template at work."""
        ...

    @property
    def path(self) -> str:
        """The place of the expression."""
        ...

    @property
    def copies(self) -> tuple[tuple[str, int], ...]:
        """The loops that the expression stands in, the innermost last."""
        ...

    @property
    def lambdas(self) -> Mapping[str, Json]:
        """The variables of the lambdas that the expression stands in."""
        ...

    @property
    def arguments(self) -> Mapping[str, Json] | None:
        """Inside a function of the template: its arguments."""
        ...

    def node(self, node: Node) -> Json:
        """The value of a part of the expression."""
        ...

    def tree(self, value: Json, path: str) -> Json:
        """The value of JSON with expressions in it, seen from the top of the template."""
        ...

    def with_lambdas(self, values: Mapping[str, Json]) -> Scope:
        """The same evaluation with more lambda variables."""
        ...

    def text(self, call: Call, index: int) -> str:
        """An argument that must be a string."""
        ...

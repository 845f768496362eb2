"""How much a template may ask for. The figures are the published limits of ARM templates where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from studiolo.rooms.templates.domain.values import broken

if TYPE_CHECKING:
    from studiolo.rooms.templates.domain.values import Json

PARAMETERS: Final = 256
VARIABLES: Final = 512
OUTPUTS: Final = 64
RESOURCES: Final = 800
COPIES: Final = 800
EXPRESSION_CHARACTERS: Final = 24_576
VALUE_CHARACTERS: Final = 1_048_576

# Ours: what keeps one template from eating the server. Depths count levels of calls, lookups and JSON together;
# a level takes at most seven frames of the interpreter's stack.
EXPRESSION_LEVELS: Final = 40
JSON_LEVELS: Final = 40
LEVELS: Final = 90
NESTED_DEPLOYMENTS: Final = 5
RANGE: Final = 10_000
WORK: Final = 500_000
CHARACTERS_PER_WORK: Final = 64


class Meter:
    """Counts what evaluating one deployment costs and ends it when it costs too much."""

    __slots__ = ("deployments", "left", "level", "resources")

    def __init__(self, work: int = WORK) -> None:
        self.left = work
        self.level = 0
        self.resources = 0
        self.deployments = 0

    def spend(self, amount: int, path: str) -> None:
        """Take so much work from the budget.

        Raises:
            Invalid: nothing is left of it (code `InvalidTemplate`).
        """
        self.left -= amount
        if self.left < 0:
            raise broken("evaluating the template takes more work than one deployment may ask for; make it smaller or split it.", path)

    def down(self, path: str) -> None:
        """Go one level deeper; `up` must follow.

        Raises:
            Invalid: the template is nested too deeply (code `InvalidTemplate`).
        """
        self.level += 1
        if self.level > LEVELS:
            self.level -= 1
            raise broken(f"expressions, variables and values are nested more than {LEVELS} levels deep.", path)

    def up(self) -> None:
        """Come back one level."""
        self.level -= 1

    def count_resource(self, path: str) -> None:
        """Count one resource of the deployment, nested deployments included."""
        self.resources += 1
        if self.resources > RESOURCES:
            raise broken(f"the deployment has more than {RESOURCES} resources, copies and nested deployments included.", path)

    def weigh(self, value: Json, path: str) -> None:
        """Charge for a value that was built, by its size when written out: shared parts count each time."""
        if isinstance(value, str):
            self._weigh_text(value, path)
            return
        if not isinstance(value, list | dict):
            return
        open_values: list[tuple[Json, int]] = [(value, 1)]
        while open_values:
            part, level = open_values.pop()
            if level > JSON_LEVELS:
                raise broken(f"a value is nested more than {JSON_LEVELS} levels deep.", path)
            if isinstance(part, str):
                self._weigh_text(part, path)
            elif isinstance(part, list):
                self.spend(1 + len(part), path)
                open_values.extend((inner, level + 1) for inner in part)
            elif isinstance(part, dict):
                self.spend(1 + len(part), path)
                open_values.extend((inner, level + 1) for inner in part.values())

    def _weigh_text(self, text: str, path: str) -> None:
        if len(text) > VALUE_CHARACTERS:
            raise broken(f"an expression builds a text of more than {VALUE_CHARACTERS} characters.", path)
        self.spend(1 + len(text) // CHARACTERS_PER_WORK, path)

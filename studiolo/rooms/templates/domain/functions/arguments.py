"""What a function is, and the arguments of one call, read with their types."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from studiolo.rooms.templates.domain.values import Json, JsonMap, Misuse, is_int, word_for


class Arguments:
    """The evaluated arguments of one call. Every reader raises `Misuse` for a value of another type."""

    __slots__ = ("_values",)

    def __init__(self, values: list[Json]) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Json]:
        return iter(self._values)

    def __getitem__(self, index: int) -> Json:
        return self._values[index]

    def text(self, index: int) -> str:
        """A string."""
        value = self._values[index]
        if isinstance(value, str):
            return value
        raise self._wrong(index, "a string")

    def number(self, index: int) -> int:
        """A whole number."""
        value = self._values[index]
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise self._wrong(index, "a whole number")

    def truth(self, index: int) -> bool:
        """A bool."""
        value = self._values[index]
        if isinstance(value, bool):
            return value
        raise self._wrong(index, "a bool")

    def array(self, index: int) -> list[Json]:
        """An array."""
        value = self._values[index]
        if isinstance(value, list):
            return value
        raise self._wrong(index, "an array")

    def map(self, index: int) -> JsonMap:
        """An object."""
        value = self._values[index]
        if isinstance(value, dict):
            return value
        raise self._wrong(index, "an object")

    def text_or(self, index: int, default: str) -> str:
        """A string, or the default where the argument is left out."""
        return self.text(index) if index < len(self._values) else default

    def number_or(self, index: int, default: int) -> int:
        """A whole number, or the default where the argument is left out."""
        return self.number(index) if index < len(self._values) else default

    def texts(self) -> list[str]:
        """All arguments as strings."""
        return [self.text(index) for index in range(len(self._values))]

    def numbers(self) -> list[int]:
        """All arguments as whole numbers, given one by one or as one array."""
        values = self.array(0) if len(self._values) == 1 and isinstance(self._values[0], list) else self._values
        found = [value for value in values if isinstance(value, int) and is_int(value)]
        if not found or len(found) != len(values):
            raise Misuse("it takes whole numbers, one by one or as one array that is not empty.")
        return found

    def _wrong(self, index: int, wanted: str) -> Misuse:
        return Misuse(f"argument {index + 1} must be {wanted}; it is {word_for(self._values[index])}.")


@dataclass(frozen=True, slots=True)
class Function:
    """A function that looks at nothing but its arguments.

    `is_glance`: it looks at its arguments' outermost level only and builds nothing from what lies below, so that a
    call costs little however large the values are. `effort`: how much dearer than copying it a character of its texts is.
    """

    name: str
    least: int
    most: int | None
    run: Callable[[Arguments], Json]
    is_glance: bool = False
    effort: int = 1


def table(*functions: Function) -> dict[str, Function]:
    """Functions by the name that compares."""
    return {function.name.lower(): function for function in functions}

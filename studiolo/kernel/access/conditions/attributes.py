"""Finding the values of attributes in an ask."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from operator import attrgetter
from typing import TypeGuard

from studiolo.kernel.access.ask import Ask, Bag
from studiolo.kernel.access.conditions.syntax import Attribute, Source
from studiolo.kernel.access.spelling import folded

_BAGS: dict[Source, Callable[[Ask], Bag]] = {
    "request": attrgetter("request"),
    "resource": attrgetter("resource"),
    "principal": attrgetter("principal_attributes"),
    "environment": attrgetter("environment"),
}
_ABSENT = object()
_NO_KEYS: Mapping[str, object] = {}


def reader(attribute: Attribute) -> Callable[[Ask], object]:
    """What the ask's bag holds for an attribute; None where it holds nothing.

    Names compare without ASCII case, the spelling of the condition being tried first. A name with a key that no entry
    of the bag has is looked for in the mapping under its path; the `exact` and `keys` forms look nowhere else.
    """
    bag_of = _BAGS[attribute.source]
    path = folded(attribute.path)
    if attribute.form == "keys":
        return lambda ask: list(_mapping(_find(bag_of(ask), attribute.path, path)))
    if attribute.form == "exact":
        key = attribute.key or ""
        return lambda ask: _mapping(_find(bag_of(ask), attribute.path, path)).get(key)
    name = attribute.path if attribute.key is None else f"{attribute.path}:{attribute.key}"
    low = folded(name)
    low_key = None if attribute.key is None else folded(attribute.key)

    def read(ask: Ask) -> object:
        bag = bag_of(ask)
        value = bag.get(name, _ABSENT)
        return value if value is not _ABSENT else _search(bag, low, path, low_key)

    return read


def exists(value: object) -> bool:
    """Whether a value is there: not null, not an empty list. The empty string is there."""
    return value is not None and not (_is_many(value) and not value) and not (isinstance(value, Mapping) and not value)


def items(value: object) -> Collection[object]:
    """The values of an attribute that may have several; none for null."""
    if _is_many(value):
        return value
    return () if value is None else (value,)


def single(value: object) -> object:
    """The value itself, or the only item of a list; None where there are more or none."""
    if not _is_many(value):
        return value
    return next(iter(value)) if len(value) == 1 else None


def _search(bag: Bag, name: str, path: str, key: str | None) -> object:
    """The slow way to a plain attribute: by any spelling, else as a key of a mapping."""
    if not bag:
        return None
    found = _find(bag, name, name)
    if found is not None or key is None:
        return found
    hits = [value for each, value in _mapping(_find(bag, path, path)).items() if folded(each) == key]
    return hits[0] if len(hits) == 1 else hits or None


def _find(bag: Bag, name: str, low: str) -> object:
    value = bag.get(name, _ABSENT)
    if value is not _ABSENT:
        return value
    return next((found for each, found in bag.items() if folded(each) == low), None)


def _is_many(value: object) -> TypeGuard[Collection[object]]:
    return isinstance(value, (list, tuple, set, frozenset))


def _is_mapping(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, Mapping)


def _mapping(value: object) -> Mapping[str, object]:
    return value if _is_mapping(value) else _NO_KEYS

"""Dependencies: who waits for whom, and an order in which nobody waits in vain."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Protocol

from studiolo.kernel.ids import ResourceId
from studiolo.rooms.templates.domain.values import broken


class Linked(Protocol):
    """What has dependencies: a resource of a plan."""

    @property
    def id(self) -> ResourceId:
        """The resource's id."""
        ...

    @property
    def path(self) -> str:
        """Its place in the template."""
        ...

    @property
    def loop(self) -> str | None:
        """The copy loop that made it."""
        ...

    @property
    def depends_on(self) -> Sequence[str]:
        """What `dependsOn` names, evaluated."""
        ...

    @property
    def needs(self) -> set[int]:
        """The places of the items that come first."""
        ...


def aliases(id_: ResourceId) -> set[str]:
    """The lower-case texts by which a template may name a resource, besides its id."""
    return {"/".join(id_.names).lower(), id_.name.lower(), id_.key.rpartition("/providers/")[2]}


class Links:
    """Finds items by what `dependsOn` and look-ups call them. `skipped`: names of what is not deployed this time."""

    def __init__(self, items: Sequence[Linked], skipped: set[str]) -> None:
        self._items = items
        self._skipped = skipped
        self.by_id: dict[str, int] = {}
        self._by_name: dict[str, set[int]] = {}
        for place, item in enumerate(items):
            if item.id.key in self.by_id:
                raise broken(f"the resource '{item.id.text}' is defined more than once in the template.", item.path)
            self.by_id[item.id.key] = place
            for name in aliases(item.id) | ({item.loop.lower()} if item.loop else set[str]()):
                self._by_name.setdefault(name, set()).add(place)

    def of(self, place: int) -> set[int]:
        """The places of the items that this one must wait for by declaration: its parent and its `dependsOn`.

        Raises:
            Invalid: it names what the template does not have (code `InvalidTemplate`).
        """
        item = self._items[place]
        parent = item.id.parent
        found = {self.by_id[parent.key]} if parent is not None and parent.key in self.by_id else set[int]()
        for number, text in enumerate(item.depends_on):
            found |= self._named(text, f"{item.path}.dependsOn[{number}]")
        return found

    def _named(self, text: str, path: str) -> set[int]:
        key = text.rstrip("/").lower()
        if key in self.by_id:
            return {self.by_id[key]}
        if key in self._by_name:
            return self._by_name[key]
        # The vendor's own feature store template builds ids with an empty name for parts that are left out.
        if key in self._skipped or not key or text.endswith("/"):
            return set()
        raise broken(f"the resource '{text[:300]}' is not defined in the template, so nothing can depend on it.", path)


def arranged(items: Sequence[Linked]) -> list[int]:
    """The places of all items, each behind what it needs, otherwise as they stand in the template.

    Raises:
        Invalid: some need each other (code `InvalidTemplate`).
    """
    waiting = [len(item.needs) for item in items]
    followers: list[list[int]] = [[] for _ in items]
    for place, item in enumerate(items):
        for need in item.needs:
            followers[need].append(place)
    ready = [place for place, count in enumerate(waiting) if count == 0]
    order: list[int] = []
    while ready:
        place = heapq.heappop(ready)
        order.append(place)
        for follower in followers[place]:
            waiting[follower] -= 1
            if waiting[follower] == 0:
                heapq.heappush(ready, follower)
    if len(order) < len(items):
        raise _circle(items, {place for place, count in enumerate(waiting) if count})
    return order


def _circle(items: Sequence[Linked], stuck: set[int]) -> Exception:
    """Walk along needs until one comes again: that is a circle."""
    place, seen = min(stuck), list[int]()
    while place not in seen:
        seen.append(place)
        place = min(items[place].needs & stuck)
    circle = [*seen[seen.index(place) :], place]
    names = " → ".join(f"'{items[one].id.name}'" for one in circle)
    return broken(f"a circular dependency was found: {names}.", items[circle[0]].path)

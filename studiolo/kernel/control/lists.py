"""Pages of a collection: filtered in the query, with a token that goes on where the page ended.

What a caller may not see leaves no trace: a page goes on only if something visible follows, and a token names the last
row that was shown.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from studiolo.kernel.access.visibility import Filter
from studiolo.kernel.documents import resource_of
from studiolo.kernel.faults import Invalid
from studiolo.kernel.gate import May
from studiolo.kernel.ids import Collection, ResourceId, parse
from studiolo.kernel.numbers import whole_number
from studiolo.kernel.resource import ResourceType
from studiolo.kernel.store.port import Page, Row, Store

_PAGE = 100
_MAX_PAGE = 1000
_FIRST_SCAN, _SCAN = 8, 400
_Look: TypeAlias = Callable[[], Awaitable[Sequence[Row]]]
"""The next rows of a walk, none at its end; others are served in between."""


@dataclass(frozen=True, slots=True)
class Listed:
    """Ready bodies and the token of the next page."""

    docs: Sequence[bytes]
    next: str | None
    rows: Sequence[Row] = field(default_factory=tuple[Row, ...])


class Sight:
    """What one caller sees of one type: by the filter that answers for all, or asked singly (`may`) where attributes have a say."""

    def __init__(self, declared: ResourceType, view: Filter, may: May | None) -> None:
        self._declared = declared
        self._view = view
        self._may = may
        self.has_seen = False

    @property
    def is_everything(self) -> bool:
        """Whether nothing is hidden."""
        return self._may is None and self._view.is_everything

    def admits(self, scope: str, doc: bytes | None = None) -> bool:
        """Whether a resource, whose body as stored is `doc`, is shown: whether its caller could read it by itself."""
        if self._may is None:
            is_shown = self._view.admits(scope)
        else:
            described = self._declared.described
            is_shown = self._may(scope, described(parse(scope), doc) if described is not None else {})
        self.has_seen = self.has_seen or is_shown
        return is_shown


class Lister:
    """Walks collections in the order of their keys, or by age."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(self, declared: ResourceType, collection: Collection, query: Mapping[str, str], sight: Sight) -> Listed:
        """One page. Whoever else calls is served between its looks at the store.

        Raises:
            Invalid: `$top`, `$skipToken` or `$orderBy` is malformed.
        """
        top, (after, skip) = _number(query, "$top", _PAGE), _start(query)
        order = query.get("$orderBy", query.get("orderBy", "")).lower()
        is_by_age = order.startswith(("createdtime", "createdat")) and _is_one_place(declared, collection, query)
        if is_by_age:
            look = self._by_age(collection, after, is_descending=not order.endswith("asc"))
        else:
            look = self._by_key(declared, collection, query, after, _SCAN if declared.shows or skip or not sight.is_everything else top + 1)
        rows: list[Row] = []
        while found := await look():
            for row in found:
                if not sight.admits(row.key, row.doc) or (declared.shows and not declared.shows(resource_of(row, declared), query)):
                    continue
                if skip:
                    skip -= 1
                elif len(rows) < top:
                    rows.append(row)
                else:
                    return Listed([r.doc for r in rows], _token(rows[-1], is_by_age=is_by_age), rows)
        return Listed([r.doc for r in rows], None, rows)

    def _by_key(self, declared: ResourceType, collection: Collection, query: Mapping[str, str], after: str, scan: int) -> _Look:
        facet, place = declared.finds(query) if declared.finds else None, place_of(declared, collection, query)
        under = place.key if place else ""
        at: str | None = after

        async def look() -> Sequence[Row]:
            nonlocal at, scan
            if at is None:
                return ()
            if at != after:
                await asyncio.sleep(0)
            found = await self._scan(declared, collection, under, facet, at, scan)
            at, scan = found.next, _SCAN
            return found.rows

        return look

    async def _scan(self, declared: ResourceType, collection: Collection, under: str, facet: str | None, after: str, limit: int) -> Page:
        if facet is not None:
            return await self._store.by_facet(declared.key, facet, under=under, after=after, limit=limit)
        if declared.is_tracked or declared.is_extension or not under:
            return await self._store.below(under, type_name=declared.key, after=after, limit=limit)
        return await self._store.page(collection.key, after=after, limit=limit)

    def _by_age(self, collection: Collection, after: str, *, is_descending: bool) -> _Look:
        created, _, key = after.partition(" ")
        if after and not key:
            raise _no_token()
        at = (created, key) if after else None
        scan, is_first = _FIRST_SCAN, True  # "the latest" is one row, found among the first

        async def look() -> Sequence[Row]:
            nonlocal at, scan, is_first
            if not is_first:
                await asyncio.sleep(0)
            found = await self._store.by_age(collection.key, after=at, limit=scan, is_descending=is_descending)
            if found:
                at, scan, is_first = (found[-1].created, found[-1].key), min(2 * scan, _SCAN), False
            return found

        return look


def place_of(declared: ResourceType, collection: Collection, query: Mapping[str, str]) -> ResourceId | None:
    """Below what a list looks: its collection's parent, but look-ups by content go across the names of one workspace."""
    parent = collection.parent
    if declared.finds and declared.finds(query) is not None and declared.parent_draft is not None and parent is not None:
        return parent.parent or parent
    return parent


def has_token(query: Mapping[str, str]) -> bool:
    """Whether a page is asked for that goes on from another."""
    return bool(query.get("$skipToken") or query.get("$skiptoken"))


def _is_one_place(declared: ResourceType, collection: Collection, query: Mapping[str, str]) -> bool:
    """Whether all that is listed lies in the collection itself, so that the store knows it by age."""
    if declared.finds and declared.finds(query) is not None:
        return False
    return not declared.is_tracked or (collection.parent is not None and collection.parent.group_id == collection.parent)


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    number = whole_number(text)
    if number is None or not 1 <= number <= 1_000_000:
        raise Invalid(f"'{name}' must be a positive whole number, not '{text[:50]}'.", code="InvalidQueryParameterValue", target=name)
    return min(number, _MAX_PAGE)


def _start(query: Mapping[str, str]) -> tuple[str, int]:
    """What lies behind the caller: the last row of the page before, by its token, or a number of rows that they counted."""
    given = query.get("$skipToken") or query.get("$skiptoken") or query.get("$skip") or ""
    counted = whole_number(given) if given == query.get("$skip") else None
    return (_untoken(given), 0) if counted is None else ("", counted)


def _token(row: Row, *, is_by_age: bool) -> str:
    said = f"{row.created} {row.key}" if is_by_age else row.key
    return base64.urlsafe_b64encode(said.encode()).decode().rstrip("=")


def _untoken(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except ValueError:
        raise _no_token() from None


def _no_token() -> Invalid:
    return Invalid("The '$skipToken' is not one that this server gave out.", code="InvalidSkipToken", target="$skipToken")

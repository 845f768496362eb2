"""Pages of a collection: filtered in the query, with a token that goes on where the page ended."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from studiolo.kernel.access.visibility import Filter
from studiolo.kernel.documents import resource_of
from studiolo.kernel.faults import Invalid
from studiolo.kernel.gate import Gate
from studiolo.kernel.ids import Collection, parse
from studiolo.kernel.numbers import whole_number
from studiolo.kernel.resource import Caller, ResourceType
from studiolo.kernel.store.port import Page, Row, Store

_PAGE = 100
_MAX_PAGE = 1000
_FIRST_SCAN, _SCAN = 8, 400


@dataclass(frozen=True, slots=True)
class Listed:
    """Ready bodies and the token of the next page."""

    docs: Sequence[bytes]
    next: str | None
    rows: Sequence[Row] = field(default_factory=tuple[Row, ...])


class Sight:
    """What one caller sees of one type: by the filter that answers for all, or asked singly where attributes have a say."""

    def __init__(self, gate: Gate, caller: Caller, declared: ResourceType, view: Filter) -> None:
        self._gate = gate
        self._caller = caller
        self._declared = declared
        self._view = view

    async def admits(self, scope: str, doc: bytes | None = None) -> bool:
        """Whether a resource, whose body as stored is `doc`, is shown: whether its caller could read it by itself."""
        if not self._view.is_conditional:
            return self._view.admits(scope)
        described = self._declared.described
        resource = described(parse(scope), doc) if described is not None else None
        return (await self._gate.decide(self._caller, self._declared.permission("read"), scope, resource=resource)).allowed


class Lister:
    """Walks collections in the order of their keys, or the newest first."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(self, declared: ResourceType, collection: Collection, query: Mapping[str, str], sight: Sight) -> Listed:
        """One page.

        Raises:
            Invalid: `$top`, `$skipToken` or `$orderBy` is malformed.
        """
        top = _number(query, "$top", _PAGE)
        order = query.get("$orderBy", query.get("orderBy", "")).lower()
        if order.startswith(("createdtime", "createdat")):
            return await self._newest(declared, collection, query, sight, top, is_descending=not order.endswith("asc"))
        after = _untoken(query.get("$skipToken") or query.get("$skiptoken") or query.get("$skip") or "")
        facet = declared.finds(query) if declared.finds else None
        rows: list[Row] = []
        while True:
            found = await self._scan(declared, collection, facet, after, max(top - len(rows), _SCAN if rows or declared.shows else top))
            for row in found.rows:
                if await sight.admits(row.key, row.doc) and (declared.shows is None or declared.shows(resource_of(row, declared), query)):
                    rows.append(row)
                    if len(rows) == top:
                        more = row.key != found.rows[-1].key or found.next is not None
                        return Listed([r.doc for r in rows], _token(row.key) if more else None, rows)
            if found.next is None:
                return Listed([r.doc for r in rows], None, rows)
            after = found.next

    async def _scan(self, declared: ResourceType, collection: Collection, facet: str | None, after: str, limit: int) -> Page:
        under = collection.parent.key if collection.parent else ""
        if facet is not None:
            if declared.parent_draft is not None and collection.parent is not None and collection.parent.parent is not None:
                under = collection.parent.parent.key  # look-ups by content go across the names of one workspace
            return await self._store.by_facet(declared.key, facet, under=under, after=after, limit=limit)
        if declared.is_tracked or declared.is_extension or not under:
            return await self._store.below(under, type_name=declared.key, after=after, limit=limit)
        return await self._store.page(collection.key, after=after, limit=limit)

    async def _newest(
        self, declared: ResourceType, collection: Collection, query: Mapping[str, str], sight: Sight, top: int, *, is_descending: bool
    ) -> Listed:
        skip = _skipped(query)
        rows: list[Row] = []
        scan = max(_FIRST_SCAN, min(top, _SCAN))  # "the latest" is one row, found among the first
        while True:
            found = await self._store.newest(collection.key, limit=scan, skip=skip, is_descending=is_descending)
            for row in found:
                skip += 1
                if await sight.admits(row.key, row.doc) and (declared.shows is None or declared.shows(resource_of(row, declared), query)):
                    rows.append(row)
                    if len(rows) == top:
                        return Listed([r.doc for r in rows], _token(str(skip)), rows)
            if len(found) < scan:
                return Listed([r.doc for r in rows], None, rows)
            scan = min(2 * scan, _SCAN)


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    number = whole_number(text)
    if number is None or not 1 <= number <= 1_000_000:
        raise Invalid(f"'{name}' must be a positive whole number, not '{text[:50]}'.", code="InvalidQueryParameterValue", target=name)
    return min(number, _MAX_PAGE)


def _skipped(query: Mapping[str, str]) -> int:
    """How many rows lie behind the caller, who may count them or send the token of a page."""
    token = query.get("$skipToken", "")
    number = whole_number(_untoken(token) if token else query.get("$skip", ""))
    if number is None and token:
        raise _no_token()
    return number or 0


def _token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _untoken(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except ValueError:
        raise _no_token() from None


def _no_token() -> Invalid:
    return Invalid("The '$skipToken' is not one that this server gave out.", code="InvalidSkipToken", target="$skipToken")

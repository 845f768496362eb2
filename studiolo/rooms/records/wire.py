"""The record on the wire: lines, the head and the retention below `Studiolo.Audit`, decisions below `Studiolo.Access`."""

from __future__ import annotations

from typing import Final, Protocol
from urllib.parse import quote

import msgspec

from studiolo.kernel.access.names import GIVES_ROLES
from studiolo.kernel.access.scopes import ROOT
from studiolo.kernel.access.visibility import Filter
from studiolo.kernel.faults import Forbidden, Invalid, NotFound
from studiolo.kernel.ids import parse
from studiolo.kernel.resource import Caller, JsonObject
from studiolo.rooms.records.domain import (
    DECISIONS,
    READ,
    READ_RETENTION,
    READ_ROLES,
    WRITE_RETENTION,
    Retention,
    explained,
    shown,
    wanted,
    wanted_export,
)
from studiolo.rooms.records.service.exports import Exports
from studiolo.rooms.records.service.records import Records
from studiolo.wire.http import Answer, Call, Guard, Permit, Route

_AUDIT: Final = "/providers/Studiolo.Audit"
_DECISIONS: Final = "/providers/Studiolo.Access/decisions"


class Callers(Protocol):
    """Who is calling."""

    async def identify(self, call: Call) -> Caller:
        """The caller that the request's credential proves; raises Unauthenticated if none."""
        ...


def routes(records: Records, exports: Exports, callers: Callers) -> list[Route]:
    """All routes of the room."""
    pages = _Pages(records, exports, callers)
    reads, decides = Guard((READ,), is_data=False), Guard((READ_ROLES,), is_data=False)
    found = [
        Route("GET", _AUDIT + "/head", reads, pages.head, about="the newest line's number and digest, sealed: to be kept elsewhere"),
        Route("GET", _AUDIT + "/retention", Guard((READ_RETENTION,), is_data=False), pages.retention, about="for how long lines are kept"),
        Route(
            "PUT",
            _AUDIT + "/retention",
            Guard((WRITE_RETENTION, GIVES_ROLES), is_data=False),
            pages.keep_for,
            about="keep lines for so many days",
        ),
        Route("GET", _DECISIONS + "/{decision}", decides, pages.decision, about="why a call was refused, and who could have granted it"),
    ]
    for where in ("", "/{scope:path}"):
        found.append(Route("GET", f"{where}{_AUDIT}/lines", reads, pages.lines, about="the record, as far as the caller may read it"))
        about = "all that the caller may read of it, oldest first, sealed as a whole"
        found.append(Route("GET", f"{where}{_AUDIT}/export", reads, pages.export, about=about))
        found.append(Route("GET", where + _DECISIONS, decides, pages.decisions, about="recent decisions, or refusals alone"))
    return found


class _Pages:
    def __init__(self, records: Records, exports: Exports, callers: Callers) -> None:
        self._records = records
        self._exports = exports
        self._callers = callers

    async def lines(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        _, scope, view = await self._view(call, permit, params, READ)
        found, token = await self._records.page(wanted(call.query()), scope, view.admits)
        return _listed(call, [shown(line) for line in found], token)

    async def export(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        caller, scope, view = await self._view(call, permit, params, READ)
        asked, token = wanted_export(call.query())
        page = await self._exports.page(asked, token, caller.oid, scope, view.admits)
        ending = {"end": page.ending} if page.ending is not None else {}
        return _listed(call, [{**shown(line), "place": place} for line, place in page.lines], page.token or None, **ending)

    async def decisions(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        _, scope, view = await self._view(call, permit, params, READ_ROLES)
        found, token = await self._records.page(wanted(call.query(), kinds=DECISIONS), scope, view.admits)
        return _listed(call, [_told(shown(line)) for line in found], token)

    async def decision(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        caller = await self._callers.identify(call)
        asked = params["decision"]
        line = await self._records.decision(asked)
        refused: Forbidden | None = None
        try:
            await permit.require(caller, READ_ROLES, line.target if line is not None else ROOT)
        except Forbidden as fault:
            if line is not None and permit.is_own(caller, line.caller):
                return Answer.json(explained(line, await self._records.repeats(line), is_for_the_refused=True))
            refused = fault
        if line is None or refused is not None:
            text = f"There is no decision '{asked[:64]}', or it was cut for its age."
            raise NotFound.withheld(text, code="DecisionNotFound", refused=refused)
        found = explained(line, await self._records.repeats(line), is_for_the_refused=False)
        return Answer.json({**found, "grantableBy": list(await self._records.grantors(line))})

    async def head(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        await permit.visible(await self._callers.identify(call), READ, ROOT)
        return Answer.json(msgspec.to_builtins(self._records.head()))

    async def retention(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        await permit.visible(await self._callers.identify(call), READ_RETENTION, ROOT)
        return Answer.json(msgspec.to_builtins(await self._records.retention()))

    async def keep_for(self, call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        caller = await self._callers.identify(call)
        await permit.require(caller, WRITE_RETENTION, ROOT)
        await permit.require(caller, GIVES_ROLES, ROOT)  # not for those who may change all but rights
        try:
            asked = msgspec.convert(await call.json(), Retention)
        except msgspec.ValidationError as error:
            raise Invalid(f"The body must be an object such as {{'days': 400}}: {error}.") from None
        await self._records.keep_for(caller, asked)
        return Answer.json(msgspec.to_builtins(asked))

    async def _view(self, call: Call, permit: Permit, params: dict[str, str], action: str) -> tuple[Caller, str, Filter]:
        """Who asks, the scope that is asked about, and which targets below it the caller may read; raises Forbidden if none."""
        caller = await self._callers.identify(call)
        scope = parse(f"/{params['scope']}").text if "scope" in params else ROOT
        return caller, scope, await permit.visible(caller, action, scope)


def _told(line: JsonObject) -> JsonObject:
    """A decision's line without what only a check of the chain needs."""
    return {name: value for name, value in line.items() if name not in ("doc", "previous", "digest", "seal")}


def _listed(call: Call, lines: list[JsonObject], token: int | str | None, **more: object) -> Answer:
    found: JsonObject = {"value": lines, **more}
    if token is not None:
        kept = {name: value for name, value in call.query().items() if name.lower() != "$skiptoken"}
        query = "&".join(f"{quote(name, safe='$-')}={quote(value, safe='')}" for name, value in {**kept, "$skipToken": str(token)}.items())
        found["nextLink"] = f"{call.origin}{quote(call.path)}?{query}"
    return Answer.json(found, headers=[("cache-control", "no-store")])

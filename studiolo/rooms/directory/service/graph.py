"""The directory as Graph speaks of it: the same objects, written by the same pipeline and the same decisions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final, NamedTuple

from studiolo.kernel import clock
from studiolo.kernel.faults import Conflict, Fault, Invalid, NotFound, Stale
from studiolo.kernel.principals import by_member, principal_id
from studiolo.kernel.resource import PLATFORM, Caller, JsonObject
from studiolo.rooms.directory.domain.graph import (
    KINDS,
    PRINCIPALS,
    Kind,
    Term,
    check_update,
    members_in,
    oid_of,
    password_in,
    properties_of,
    read_filter,
    referred,
)
from studiolo.rooms.directory.ports import Objects

_MOST_WALKED: Final = 20_000
_PAGE: Final = 1000
_RACES: Final = 10
_KEYS: Final = {"users": "userPrincipalName", "servicePrincipals": "appId", "applications": "appId"}


class Listed(NamedTuple):
    """One page of shown objects, and the token of the next."""

    value: Sequence[JsonObject]
    next: str | None


class GraphDirectory:
    """Users, groups, service principals and applications for tools that speak Graph."""

    def __init__(self, objects: Objects, check_password: Callable[..., None]) -> None:
        self._objects = objects
        self._check_password = check_password

    # ── reads ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def find(self, kind: Kind, key: str) -> str:
        """The object id that a path's key means: the id itself, a user's principal name, or `appId='…'`.

        Raises:
            NotFound: nothing has it.
        """
        oid = oid_of(key)
        if oid is not None:
            return oid
        named, _, value = key.partition("=")
        field = named if value else _KEYS.get(kind.name, "")
        wanted = value.strip("'") if value else key
        if field.lower() == _KEYS.get(kind.name, "").lower():
            if kind.name == "applications" and (oid := oid_of(wanted)) is not None:
                return oid
            page = await self._objects.page(PLATFORM, kind.type_name, f"{field} eq '{_quoted(wanted)}'", 1, "")
            if page[0]:
                return str(page[0][0]["name"])
        raise missing(key)

    async def get(self, caller: Caller, kind: Kind, oid: str) -> JsonObject:
        """One object."""
        return kind.shape(await self._body(caller, kind, oid))

    async def own(self, caller: Caller) -> JsonObject:
        """The caller's own object, which everybody may see."""
        for kind in PRINCIPALS:
            try:
                return kind.typed(await self._body(PLATFORM, kind, caller.oid.lower()))
            except NotFound:
                continue
        raise missing(caller.oid)

    async def list(self, caller: Caller, kind: Kind, query: Mapping[str, str]) -> Listed:
        """One page of a collection.

        Raises:
            Invalid: an option is malformed, or the filter would have to look at too many objects.
        """
        top = _top(query)
        alternatives = read_filter(kind, query.get("$filter", ""))
        token = query.get("$skiptoken", query.get("$skipToken", ""))
        if not alternatives:
            bodies, following = await self._objects.page(caller, kind.type_name, None, top, token)
            return Listed([kind.shape(body) for body in bodies], following)
        found: dict[str, JsonObject] = {}
        for terms in alternatives:
            async for shown in self._meeting(caller, kind, terms):
                found[str(shown["id"])] = shown
        ordered = [found[oid] for oid in sorted(found) if oid > token]
        page = ordered[:top]
        return Listed(page, str(page[-1]["id"]) if len(ordered) > top else None)

    async def by_ids(self, caller: Caller, body: JsonObject) -> Sequence[JsonObject]:
        """What POST directoryObjects/getByIds asks for: objects of any kind, those that exist."""
        ids, kinds = body.get("ids"), body.get("types")
        if not isinstance(ids, list) or len(ids) > _PAGE:  # pyright: ignore[reportUnknownArgumentType]
            raise Invalid(f"'ids' must be a list of at most {_PAGE} object ids.", code="Request_BadRequest", target="ids")
        names = {str(each).lower() for each in kinds} if isinstance(kinds, list) else set[str]()  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        wanted = [kind for kind in PRINCIPALS if not names or kind.odata.lower() in names or "directoryobject" in names]
        found: list[JsonObject] = []
        for text in map(str, ids):  # pyright: ignore[reportUnknownArgumentType]
            found += await self._any(caller, wanted, text)
        return found

    async def members(self, caller: Caller, group: str, *, is_deep: bool) -> Sequence[JsonObject]:
        """The members of a group; through groups of groups as well if `is_deep`."""
        found: dict[str, JsonObject] = {}
        waiting = list((await self._body(caller, KINDS["groups"], group))["properties"].get("members", ()))
        while waiting and len(found) < _MOST_WALKED:
            oid = waiting.pop(0)
            if oid in found:
                continue
            for shown in await self.by_ids(caller, {"ids": [oid]}):
                found[oid] = shown
                if is_deep and shown["@odata.type"] == "#microsoft.graph.group":
                    waiting += (await self._body(caller, KINDS["groups"], oid))["properties"].get("members", ())
        return list(found.values())

    async def member_of(self, caller: Caller, oid: str, *, is_deep: bool) -> Sequence[JsonObject]:
        """The groups that hold a principal; those that hold these as well if `is_deep`."""
        found: dict[str, JsonObject] = {}
        waiting = [oid]
        while waiting and len(found) < _MOST_WALKED:
            for body in await self._objects.carrying(caller, KINDS["groups"].type_name, by_member(waiting.pop())):
                name = str(body["name"])
                if name not in found:
                    found[name] = KINDS["groups"].typed(body)
                    if is_deep:
                        waiting.append(name)
        return list(found.values())

    async def _any(self, caller: Caller, kinds: Sequence[Kind], text: str) -> Sequence[JsonObject]:
        for kind in kinds:
            if bodies := await self._one(caller, kind, text):
                return [kind.typed(body) for body in bodies]
        return ()

    # ── writes ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def create(self, caller: Caller, kind: Kind, body: JsonObject) -> JsonObject:
        """A new object with an id of ours; a user with the password that the body gives, or not at all."""
        id_, password = principal_id(kind.type_name, clock.new_id()), password_in(kind, body, self._check_password)
        properties = {**properties_of(kind, body), **members_in(kind, body)}
        made = await self._objects.write(caller, id_, properties, if_none_match="*", is_patch=False)
        if password is not None:
            try:
                await self._objects.act(caller, id_, "setPassword", {"password": password})
            except Fault:
                await self._objects.remove(PLATFORM, id_)
                raise
        return kind.shape(made)

    async def update(self, caller: Caller, kind: Kind, oid: str, body: JsonObject) -> None:
        """Change the fields that the body names, and then a user's password if it gives one: a refused field changes nothing."""
        check_update(kind, body)
        id_, password, properties = (
            principal_id(kind.type_name, oid),
            password_in(kind, body, self._check_password),
            properties_of(kind, body),
        )
        if properties or password is None:
            await self._objects.write(caller, id_, properties, is_patch=True)
        if password is not None:
            await self._objects.act(caller, id_, "setPassword", {"password": password})

    async def remove(self, caller: Caller, kind: Kind, oid: str) -> None:
        """Remove an object.

        Raises:
            NotFound: there is none.
        """
        if not await self._objects.remove(caller, principal_id(kind.type_name, oid)):
            raise missing(oid)

    async def act(self, caller: Caller, oid: str, action: str, body: JsonObject) -> JsonObject | None:
        """Make or remove an application's secret."""
        return await self._objects.act(caller, principal_id(KINDS["applications"].type_name, oid), action, body)

    async def add_member(self, caller: Caller, group: str, reference: object) -> None:
        """Add the object that a reference ends in.

        Raises:
            Invalid: the reference is malformed, or it is a member already (as Graph answers).
        """
        member = referred(reference, "@odata.id")

        def added(members: list[str]) -> list[str]:
            if member in members:
                raise Invalid(
                    "One or more added object references already exist for the following modified properties: 'members'.",
                    code="Request_BadRequest",
                )
            return [*members, member]

        await self._change_members(caller, group, added)

    async def remove_member(self, caller: Caller, group: str, member: str) -> None:
        """Take a member out.

        Raises:
            NotFound: it is none.
        """

        def without(members: list[str]) -> list[str]:
            if member.lower() not in members:
                raise missing(member)
            return [each for each in members if each != member.lower()]

        await self._change_members(caller, group, without)

    async def _change_members(self, caller: Caller, group: str, change: Callable[[list[str]], list[str]]) -> None:
        """Read, change and write the members; again if somebody else was quicker, so that no member is lost."""
        id_ = principal_id(KINDS["groups"].type_name, group)
        for _ in range(_RACES):
            body = await self._body(caller, KINDS["groups"], group)
            members = change(list(body["properties"].get("members", ())))
            try:
                await self._objects.write(caller, id_, {"members": members}, is_patch=True, if_match=str(body["etag"]))
            except Stale:
                continue
            return
        raise Conflict("The group is being changed by too many callers at once; try again.", code="Request_ConcurrencyViolation")

    # ── pieces ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _body(self, caller: Caller, kind: Kind, oid: str) -> JsonObject:
        try:
            return await self._objects.get(caller, principal_id(kind.type_name, oid))
        except NotFound:
            raise missing(oid) from None

    async def _meeting(self, caller: Caller, kind: Kind, terms: Sequence[Term]) -> AsyncIterator[JsonObject]:
        """Every object that meets all terms, by an index where a term has one."""
        by_id = next((term for term in terms if term.field == "id" and not term.is_prefix), None)
        if by_id is not None:
            bodies = [body for value in by_id.values for body in await self._one(caller, kind, str(value))]
        else:
            bodies = [body for by in _indexed(kind, terms) async for body in self._walked(caller, kind, by)]
        for body in bodies:
            shown = kind.shape(body)
            if all(term.holds(shown) for term in terms):
                yield shown

    async def _one(self, caller: Caller, kind: Kind, text: str) -> Sequence[JsonObject]:
        oid = oid_of(text)
        try:
            return [await self._body(caller, kind, oid)] if oid else []
        except NotFound:
            return []

    async def _walked(self, caller: Caller, kind: Kind, by: str | None) -> AsyncIterator[JsonObject]:
        token, seen = "", 0
        while True:
            bodies, following = await self._objects.page(caller, kind.type_name, by, _PAGE, token)
            for body in bodies:
                yield body
            seen += len(bodies)
            if following is None:
                return
            if seen >= _MOST_WALKED:
                raise Invalid(
                    f"The filter would look at more than {_MOST_WALKED} objects; name one by {' or '.join(sorted(kind.indexed))} with eq.",
                    code="Request_UnsupportedQuery",
                    target="$filter",
                )
            token = following


def missing(what: str) -> NotFound:
    """The fault of an object that is not there, in Graph's words."""
    return NotFound(
        f"Resource '{what[:200]}' does not exist or one of its queried reference-property objects are not present.",
        code="Request_ResourceNotFound",
    )


def _indexed(kind: Kind, terms: Sequence[Term]) -> Sequence[str | None]:
    """The look-ups that find everything which meets the terms; None for a walk through all."""
    for term in terms:
        field = "appId" if term.field == "servicePrincipalNames" else term.field
        if field in kind.indexed and not term.is_prefix and all(isinstance(value, str) for value in term.values):
            return [f"{field} eq '{_quoted(str(value))}'" for value in term.values]
    return [None]


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _top(query: Mapping[str, str]) -> int:
    text = query.get("$top", "100")
    if not text.isascii() or not text.isdigit() or len(text) > 3 or not 1 <= int(text) <= 999:
        raise Invalid("'$top' must lie between 1 and 999.", code="Request_BadRequest", target="$top")
    return int(text)

"""What a resource type declares, and the catalog of all types.

A type is a value. The kernel does the rest once for every type: it parses the id, decides, loads, checks the ETag,
decodes, asks `admit`, writes state, operation and event in one commit, and lets a worker take the steps.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import msgspec

from studiolo.kernel.faults import Invalid, NotFound
from studiolo.kernel.ids import Collection, ResourceId

JsonObject = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `oid` is the principal's object id; a call by the platform itself has `is_platform`."""

    oid: str
    tenant: str = ""
    kind: str = "ServicePrincipal"
    name: str = ""
    application: str = ""
    is_platform: bool = False
    # Data actions that this credential is limited to (a project key), on top of what the engine grants; None: no limit.
    limited_to: tuple[str, ...] | None = None
    # What tells the principal from an earlier one of the same id (`Principal.since`); empty where none stands behind the call.
    since: str = ""


PLATFORM = Caller(oid="00000000-0000-0000-0000-000000000000", name="studiolo", kind="Platform", is_platform=True)


class SystemData(msgspec.Struct, frozen=True, rename="camel"):
    """Who made and who last changed a resource, and when (ISO 8601, UTC)."""

    created_by: str
    created_by_type: str
    created_at: str
    last_modified_by: str
    last_modified_by_type: str
    last_modified_at: str

    @classmethod
    def first(cls, caller: Caller, at: str) -> SystemData:
        """Of what this caller makes at this moment."""
        who, kind = caller.name or caller.oid, "User" if caller.kind == "User" else "Application"
        return cls(who, kind, at, who, kind, at)


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """One stored resource. `private` never leaves the server through a resource body."""

    id: ResourceId
    type: str
    etag: str
    system: SystemData
    properties: JsonObject
    location: str | None = None
    kind: str | None = None
    tags: dict[str, str] | None = None
    identity: JsonObject | None = None
    sku: JsonObject | None = None
    private: JsonObject = msgspec.field(default_factory=dict[str, Any])

    @property
    def name(self) -> str:
        """The last name of the id."""
        return self.id.name


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller wants the resource to be. A type's `admit` returns the draft that may be written."""

    properties: JsonObject = msgspec.field(default_factory=dict[str, Any])
    location: str | None = None
    kind: str | None = None
    tags: dict[str, str] | None = None
    identity: JsonObject | None = None
    sku: JsonObject | None = None
    private: JsonObject = msgspec.field(default_factory=dict[str, Any])

    def with_properties(self, **values: Any) -> Draft:
        """The same draft with some properties set; None removes one."""
        merged = {k: v for k, v in {**self.properties, **values}.items() if v is not None or k not in values}
        return msgspec.structs.replace(self, properties=merged)


@dataclass(frozen=True, slots=True)
class Change:
    """One asked-for write: the old state if there is one, the new draft, and the facts that `admit` asked for."""

    id: ResourceId
    old: Resource | None
    new: Draft
    caller: Caller
    at: str
    fresh_id: str
    api_version: str = ""
    is_patch: bool = False
    is_delete: bool = False
    facts: Mapping[str, Resource | None] = field(default_factory=dict[str, "Resource | None"])

    def fact(self, id_text: str) -> Resource | None:
        """A resource that the type's `needs` named, or None if it does not exist."""
        return self.facts.get(id_text.lower())


class Step(Protocol):
    """What a long operation may do: named pieces of work whose outcomes are journalled."""

    @property
    def target(self) -> ResourceId:
        """The resource that is worked on."""
        ...

    @property
    def caller(self) -> Caller:
        """On whose behalf the work is done."""
        ...

    async def once(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` unless the journal holds its outcome; a worker may die anywhere and run the operation again.

        The outcome must be JSON. Work must therefore be safe to repeat: it can have run without having been recorded.
        """
        ...


@dataclass(frozen=True, slots=True)
class Demand:
    """A further decision that a write or an action needs, beyond the action on its own id.

    Each alternative is as good, and a deny assignment against any of them denies it. `request` and `resource` are the
    attributes of the call. What `is_foretold` is decided again when it is done: until then only what no attribute could
    allow is refused.
    """

    action: str
    scope: ResourceId
    alternatives: tuple[Demand, ...] = ()
    request: JsonObject = field(default_factory=dict[str, Any])
    resource: JsonObject = field(default_factory=dict[str, Any])
    is_foretold: bool = False


@dataclass(frozen=True, slots=True)
class Remark:
    """A line for the activity log, beside the one that every write has."""

    action: str
    status: str
    info: JsonObject


@dataclass(frozen=True, slots=True)
class Fence:
    """A mark that a commit steps over: of two writes that found the same mark (None: none), one has to look again."""

    space: str
    key: str
    etag: str | None


@dataclass(frozen=True, slots=True)
class Cleared:
    """What a type's guard wants in the same commit."""

    remarks: tuple[Remark, ...] = ()
    fence: Fence | None = None
    # Resources that what is written replaces; they go.
    gone: tuple[Resource, ...] = ()


@dataclass(frozen=True, slots=True)
class Invocation:
    """A POST action on a resource, or on its collection's parent."""

    resource: Resource
    body: JsonObject
    query: Mapping[str, str]
    caller: Caller
    api_version: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """An action's answer that goes on in the background: the operation's id."""

    operation: str


@dataclass(frozen=True, slots=True)
class Action:
    """A named POST on one resource. Its permission is `{type}/{permission or name}/action`.

    One that `is_secret` gives out or changes a secret: the record tells of it before it runs, and before its answer leaves.
    """

    name: str
    run: Callable[[Invocation], Awaitable[JsonObject | Accepted | None]]
    permission: str | None = None
    is_secret: bool = False
    # Names further decisions that it needs.
    demands: Callable[[Resource], Sequence[Demand]] | None = None
    # Runs although the resource is not there (yet): a template's validation.
    needs_no_resource: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list asks for, beyond paging: the caller's query options."""

    query: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceType:
    """A resource type, declared.

    `schema` is a msgspec Struct that says which properties have which types; properties that it does not name are
    kept as they came, so that a newer client loses nothing. `admit` says what may be written. `needs` names
    resources that `admit` looks at. `demands` names further decisions. `making` names the one
    that is enough to make a resource where its parts ask for no more. `provision` and `retire` are the steps of a
    long write and of a delete. `view` gives properties computed at read time. `facets` are values by which a type's
    resources can be found.
    """

    name: str
    schema: type[msgspec.Struct]
    admit: Callable[[Change], Draft]
    about: str = ""
    verbs: frozenset[str] = frozenset({"get", "list", "put", "patch", "delete"})
    needs: Callable[[Change], Sequence[ResourceId]] | None = None
    # Resources that `admit` looks at, named by type and facet instead of by id; `Change.fact(f"{type}#{facet}")` has the
    # first of each, if there is one.
    kin: Callable[[Change], Sequence[tuple[str, str]]] | None = None
    demands: Callable[[Change], Sequence[Demand]] | None = None
    # What is demanded of whoever makes a resource in place of the right to write it; None for a change: that right.
    making: Callable[[Change], Demand | None] | None = None
    provision: Callable[[Resource, Step], Awaitable[Resource]] | None = None
    # Looks at more than `admit` can before a write (whose `new` is what was admitted) or a delete; refuses by raising a fault.
    guard: Callable[[Change], Awaitable[Cleared]] | None = None
    # Refuses a delete by raising a fault, before anything is removed.
    may_delete: Callable[[Resource], Awaitable[None]] | None = None
    retire: Callable[[Resource, Step], Awaitable[None]] | None = None
    # Resources of the type that go with it, its children by meaning and not by id: whoever removes it must be allowed to remove them.
    takes_along: Callable[[Resource], Awaitable[Sequence[Resource]]] | None = None
    # Where else lies what the platform removes with it, as beginnings of keys: denials there must be the remover's to take back.
    goes_elsewhere: Callable[[Resource], Awaitable[Sequence[str]]] | None = None
    # Removes them, before everything below the resource goes.
    retire_first: Callable[[Resource, Step], Awaitable[None]] | None = None
    # A first provisioning that failed leaves the resource as `Failed` to look at, instead of removing it.
    keeps_failed: bool = False
    view: Callable[[Resource], Awaitable[JsonObject]] | None = None
    # Properties of the view that are lists of other resources' ids: who may not read one is not told of it.
    names_others: tuple[str, ...] = ()
    facets: Callable[[Resource], Iterable[str]] | None = None
    # Answers a list by itself: the collection and its query to full bodies (inherited role assignments, subscriptions).
    lists: Callable[[Caller, Collection, Mapping[str, str]], Awaitable[Sequence[JsonObject]]] | None = None
    # Which resources of a page are shown, given the query (archived ones, a hash); None shows all.
    shows: Callable[[Resource, Mapping[str, str]], bool] | None = None
    # A facet that answers this query at once, instead of a walk through the collection.
    finds: Callable[[Mapping[str, str]], str | None] | None = None
    actions: tuple[Action, ...] = ()
    max_bytes: int = 1 << 20  # the largest body that a write or an action takes
    name_pattern: str = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
    is_tracked: bool = False  # has a location and tags, lives in a resource group
    is_extension: bool = False  # may hang on any scope
    # What a first write makes of its parent (an asset's container), in the same commit: given the parent as it stands or
    # None, answers the parent's new draft or None to leave it. A missing parent is made on the way.
    parent_draft: Callable[[Change, Resource | None], Draft | None] | None = None
    # The id that a name stands for (a label, a default version), asked when a GET finds nothing.
    resolve: Callable[[ResourceId], Awaitable[ResourceId | None]] | None = None
    # Answers to a first PUT with 200 instead of 201, where clients insist.
    creates_with_ok: bool = False
    # Attributes of the authorization specification (section 6) that writes and removals carry: (request, resource).
    attributes: Callable[[Change], tuple[JsonObject, JsonObject]] | None = None
    # The resource's attributes that every call on it carries, reads and actions too: by its id, and its body as stored or None.
    described: Callable[[ResourceId, bytes | None], JsonObject] | None = None
    # The name that permissions are made from where it is not the type's own (resource groups).
    permission_name: str | None = None
    # Actions that `demands` asks for beyond those that follow from types and verbs.
    further_actions: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The type's name in lower case."""
        return self.name.lower()

    def permission(self, verb: str) -> str:
        """The control action of a verb: read, write, delete or a POST action's name."""
        name = self.permission_name or self.name
        return f"{name}/{verb}" if verb in ("read", "write", "delete") else f"{name}/{verb}/action"

    def all_actions(self) -> Iterator[str]:
        """Every control action that calls on this type ask for."""
        yield from (self.permission(verb) for verb in ("read", "write", "delete"))
        yield from (self.permission(action.permission or action.name) for action in self.actions)
        yield from self.further_actions

    def action(self, name: str) -> Action:
        """The POST action of this name, whatever its case.

        Raises:
            NotFound: the type has no such action.
        """
        for action in self.actions:
            if action.name.lower() == name.lower():
                return action
        known = ", ".join(action.name for action in self.actions) or "none"
        raise NotFound(f"The type '{self.name}' has no action '{name}'; it has: {known}.", code="InvalidResourceAction", target=name)

    def check_name(self, name: str) -> None:
        """Raise Invalid unless the name fits the type's pattern."""
        if not re.fullmatch(self.name_pattern, name):
            raise Invalid(
                f"'{name}' is not a valid name for '{self.name}': it must match {self.name_pattern}.",
                code="InvalidResourceName",
                target="name",
            )

    def check_properties(self, properties: JsonObject) -> None:
        """Raise Invalid if a property that the schema names has another JSON type."""
        try:
            msgspec.convert(properties, self.schema, strict=True)
        except msgspec.ValidationError as error:
            where = str(error).rpartition(" - at `$")[2].strip("`.")
            what = str(error).partition(" - at `")[0]
            target = f"properties.{where}" if where and " " not in where else "properties"
            raise Invalid(f"{target}: {what}.", code="InvalidRequestContent", target=target) from None


class Catalog:
    """All resource types, by name without case."""

    def __init__(self, types: Iterable[ResourceType]) -> None:
        self._types: dict[str, ResourceType] = {}
        for declared in types:
            if declared.key in self._types:
                msg = f"the type {declared.name} is declared twice"
                raise ValueError(msg)
            self._types[declared.key] = declared

    def __iter__(self) -> Iterator[ResourceType]:
        return iter(self._types.values())

    def find(self, name: str) -> ResourceType | None:
        """The type of this name, or None."""
        return self._types.get(name.lower())

    def get(self, name: str) -> ResourceType:
        """The type of this name.

        Raises:
            NotFound: nothing serves this type (code `InvalidResourceType`).
        """
        found = self._types.get(name.lower())
        if found is None:
            namespace = name.partition("/")[0]
            raise NotFound(
                f"The resource type '{name}' is not offered here. The namespace '{namespace}' has: "
                + (", ".join(t.name for t in self._types.values() if t.key.startswith(namespace.lower() + "/")) or "no types")
                + ".",
                code="InvalidResourceType",
            )
        return found

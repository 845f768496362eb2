"""From a template to the resources that a deployment writes, in the order of their dependencies.

Planning evaluates all that can be known before the run, so that what is wrong is found before anything is created.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from studiolo.kernel.faults import Invalid, NotFound
from studiolo.kernel.ids import ResourceId
from studiolo.rooms.templates.domain.bodies import body, order_for
from studiolo.rooms.templates.domain.bounds import Meter
from studiolo.rooms.templates.domain.check import check
from studiolo.rooms.templates.domain.evaluation import Evaluation, loop_count
from studiolo.rooms.templates.domain.names import DEPLOYMENTS, GROUPS
from studiolo.rooms.templates.domain.nesting import put_into
from studiolo.rooms.templates.domain.order import Links, aliases, arranged
from studiolo.rooms.templates.domain.outputs import shown_output
from studiolo.rooms.templates.domain.parameters import fill
from studiolo.rooms.templates.domain.targets import Target, id_of, scope_of
from studiolo.rooms.templates.domain.template import Declared, read
from studiolo.rooms.templates.domain.values import LATER, Json, JsonMap, Later, broken, find_key, member, word_for
from studiolo.rooms.templates.domain.world import Facts, Fresh, Named, World

Copies = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What a deployment was asked to do. `outer`: the surroundings of the template around it, for outer scope."""

    id: str
    template: JsonMap
    parameters: JsonMap
    outer: JsonMap | None = None
    path: str = ""


@dataclass(slots=True)
class Item:
    """One resource to write. `needs` are the places of the items that come first while planning, `waits_for` their ids."""

    id: ResourceId
    api_version: str
    declared: Declared
    copies: Copies
    scope: str
    loop: str | None = None
    depends_on: tuple[str, ...] = ()
    needs: set[int] = field(default_factory=set[int])
    waits_for: tuple[ResourceId, ...] = ()

    @property
    def path(self) -> str:
        """The place of its declaration."""
        return self.declared.path

    @property
    def type(self) -> str:
        """The full type of the resource."""
        return self.id.type

    @property
    def is_deployment(self) -> bool:
        """Whether this is a nested deployment."""
        return self.id.type.lower() == DEPLOYMENTS.lower()

    def without_properties(self) -> Declared:
        """The declaration without its properties, for what stands beside them."""
        return replace(self.declared, raw={k: v for k, v in self.declared.raw.items() if k.lower() != "properties"})


@dataclass(slots=True)
class Plan:
    """What a deployment will do: items in order, and for each nested deployment its own plan, where it can be known yet."""

    world: World
    items: list[Item]
    nested: dict[str, Plan] = field(default_factory=dict[str, "Plan"])

    def everything(self) -> list[Item]:
        """All items, those of nested deployments behind their deployment."""
        found: list[Item] = []
        for item in self.items:
            found.append(item)
            inner = self.nested.get(item.id.key)
            found.extend(inner.everything() if inner else ())
        return found


class Planner:
    """Plans deployments. `knows` says whether a resource type is served here."""

    def __init__(self, knows: Callable[[str], bool], meter: Meter | None = None) -> None:
        self._knows = knows
        self._meter = meter or Meter()

    def plan(self, request: Request, facts: Facts, fresh: Fresh | None, *, is_checked: bool = False) -> Plan:
        """Plan a deployment. `is_checked`: its expressions have been read before.

        Raises:
            Invalid: the template breaks a rule (code `InvalidTemplate`), or asks for what is not served here
                (code `InvalidTemplateDeployment`).
            NotOffered: it uses a part of the language that this version does not have.
            Later: its structure rests on what only the run can tell; only for nested deployments.
        """
        template = read(request.template, request.path)
        if not is_checked:
            check(template, self._meter)
        world = World(template, facts, self._meter)
        if request.outer is not None:
            world = put_into(world, request.outer)
        fill(world, request.parameters, fresh)
        items, skipped = _Expansion(world).run()
        self._check_types(items)
        _name(world, items)
        links = Links(items, skipped)
        for place, item in enumerate(items):
            item.needs |= links.of(place)
        plan = Plan(world, items)
        wanted: set[str] = set()
        for item in items:
            world.wanted = set()
            self._probe(plan, item)
            item.needs |= {links.by_id[id_] for id_ in world.wanted if id_ in links.by_id}
            wanted |= world.wanted
        self._probe_outputs(world)
        world.wanted |= wanted
        for item in items:
            item.waits_for = tuple(items[need].id for need in sorted(item.needs))
        plan.items = [items[place] for place in arranged(items)]
        return plan

    def _check_types(self, items: list[Item]) -> None:
        for item in items:
            if not self._knows(item.type):
                message = f"The resource type '{item.type}' is not offered here."
                inner = NotFound(message, code="InvalidResourceType", target=item.path)
                raise Invalid(
                    f"The template deployment failed validation at '{item.path}', resource '{item.id.name}': {message}",
                    code="InvalidTemplateDeployment",
                    target=item.path,
                    details=(inner,),
                )

    def _probe(self, plan: Plan, item: Item) -> None:
        """Evaluate the body as far as it goes, for its faults and for the resources that it refers to."""
        world = plan.world
        if not item.is_deployment:
            body(world, item.declared, item.copies, is_probe=True)
            return
        request = request_of(world, item, is_probe=True)
        facts = facts_within(world.facts, item.scope, item.id.name)
        try:
            inner = self.plan(request, facts, None, is_checked=True)
        except Later:
            return
        world.wanted |= inner.world.wanted
        plan.nested[item.id.key] = inner

    @staticmethod
    def _probe_outputs(world: World) -> None:
        for output in world.template.outputs:
            shown_output(world, output, is_probe=True)


def request_of(world: World, item: Item, *, is_probe: bool = False) -> Request:
    """What a nested deployment is asked to do.

    Raises:
        Invalid: an expression in it is wrong (code `InvalidTemplate`).
        Unanswered: a parameter needs a look-up (never with `is_probe`).
    """
    template, parameters, outer = order_for(world, item.declared, item.copies, is_probe=is_probe)
    return Request(item.id.text, template.raw, parameters, outer, template.path)


def facts_within(facts: Facts, scope: str, name: str) -> Facts:
    """The facts of a nested deployment, as far as they are known where it is planned."""
    parts = scope.split("/")
    is_same = scope.lower() == facts.target.lower()
    group: JsonMap | None = None
    if is_same:
        group = facts.group
    elif len(parts) > 4:
        group = {
            "id": scope,
            "name": parts[4],
            "type": GROUPS,
            "location": LATER,
            "tags": LATER,
            "properties": LATER,
        }
    subscription = facts.subscription
    if parts[2].lower() != str(subscription.get("subscriptionId", "")).lower():
        subscription = {**subscription, "id": f"/subscriptions/{parts[2]}", "subscriptionId": parts[2], "displayName": LATER}
    deployment: JsonMap = {"name": name, "properties": {"mode": "Incremental", "provisioningState": "Running"}}
    return Facts(scope, deployment, subscription, group, facts.tenant, facts.environment, facts.deployer)


def _name(world: World, items: list[Item]) -> None:
    """Let `reference` find the items by id and by the names that a template may use."""
    own: dict[str, Named | None] = {}
    for item in items:
        named = Named(item.id.text, item.api_version)
        for key in aliases(item.id):
            own[key] = None if key in own else named
        own[item.id.key] = named
    world.named = {**world.named, **own}


class _Expansion:
    """Turns declarations into items: loops unrolled, conditions decided, children under their parents."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._items: list[Item] = []
        self._skipped: set[str] = set()

    def run(self) -> tuple[list[Item], set[str]]:
        for declared in self._world.template.resources:
            self._rounds(declared, self._world.copies, None)
        return self._items, self._skipped

    def _rounds(self, declared: Declared, copies: Copies, parent: Target | None) -> None:
        key = find_key(declared.raw, "copy")
        if key is None:
            self._one(declared, copies, parent, None)
            return
        loop, path = declared.raw[key], f"{declared.path}.{key}"
        if not isinstance(loop, dict):
            raise broken(f"a resource's copy loop must be an object; it is {word_for(loop)}.", path)
        name = self._text(member(loop, "name"), copies, f"{path}.name")
        # Resources are written one after another, so that both modes come to the same.
        if str(member(loop, "mode") or "parallel").lower() not in ("serial", "parallel"):
            raise broken("the mode of a copy loop must be 'serial' or 'parallel'.", f"{path}.mode")
        count = loop_count(Evaluation(self._world, path, copies=copies).whole(member(loop, "count"), f"{path}.count"), f"{path}.count")
        if count == 0:
            self._skipped.add(name.lower())
        for index in range(count):
            self._one(declared, (*copies, (name, index)), parent, name)

    def _one(self, declared: Declared, copies: Copies, parent: Target | None, loop: str | None) -> None:
        raw, path, base = declared.raw, declared.path, self._world.facts.target
        is_wanted = self._condition(raw, copies, path)
        try:
            target = self._target(declared, copies, parent)
            id_ = id_of(target, base)
        except Invalid:
            if is_wanted:
                raise
            return  # nobody will miss the name of what is not deployed
        if is_wanted:
            self._world.meter.count_resource(path)
            version = self._text(member(raw, "apiVersion"), copies, f"{path}.apiVersion")
            self._items.append(Item(id_, version, declared, copies, scope_of(target, base), loop, self._depends_on(raw, copies, path)))
        else:
            self._skipped |= {id_.key, *aliases(id_), *([loop.lower()] if loop else [])}
        for child in declared.children:
            self._rounds(child, copies, target)

    def _depends_on(self, raw: JsonMap, copies: Copies, path: str) -> tuple[str, ...]:
        listed = Evaluation(self._world, path, copies=copies).whole(member(raw, "dependsOn"), f"{path}.dependsOn")
        if listed is None:
            return ()
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            raise broken("'dependsOn' must be an array of names and ids.", f"{path}.dependsOn")
        return tuple(str(one) for one in listed)

    def _condition(self, raw: JsonMap, copies: Copies, path: str) -> bool:
        key = find_key(raw, "condition")
        if key is None:
            return True
        value = Evaluation(self._world, path, copies=copies).whole(raw[key], f"{path}.{key}")
        if not isinstance(value, bool):
            raise broken(f"a condition must be a bool; it is {word_for(value)}.", f"{path}.{key}")
        return value

    def _target(self, declared: Declared, copies: Copies, parent: Target | None) -> Target:
        raw, path = declared.raw, declared.path
        type_name = self._text(member(raw, "type"), copies, f"{path}.type")
        name = self._text(member(raw, "name"), copies, f"{path}.name")
        scope = self._optional(raw, "scope", copies, path)
        if parent is not None:
            if not type_name.lower().startswith(parent.type.lower() + "/"):
                type_name = f"{parent.type}/{type_name}"
            if name.count("/") + 1 < type_name.count("/"):
                name = f"{parent.name}/{name}"
            scope = scope or parent.scope
        group = self._optional(raw, "resourceGroup", copies, path)
        return Target(type_name, name, path, scope, group, self._optional(raw, "subscriptionId", copies, path))

    def _optional(self, raw: JsonMap, name: str, copies: Copies, path: str) -> str | None:
        value = member(raw, name)
        return None if value is None else self._text(value, copies, f"{path}.{name}")

    def _text(self, value: Json, copies: Copies, path: str) -> str:
        text = Evaluation(self._world, path, copies=copies).whole(value, path)
        if not isinstance(text, str) or not text:
            raise broken(f"a string is required here; it is {'empty' if text == '' else word_for(text)}.", path)
        return text

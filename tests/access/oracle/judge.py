"""Section 4: the decision, and our own schedules of assignments (decision 0009)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.access.oracle import names, text
from tests.access.oracle.grammar import UnreadableError
from tests.access.oracle.truth import Bag, Circumstances, Truth, truth_of


@dataclass(frozen=True)
class Block:
    """One permission block: what it grants (or denies) on each plane, and perhaps when."""

    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()
    condition: str | None = None
    version: str = "2.0"


@dataclass(frozen=True)
class Assignment:
    """A role for a principal at a scope, perhaps only from one moment on and only before another."""

    id: str
    principal: str
    role: str
    scope: str
    condition: str | None = None
    version: str = "2.0"
    starts: str | None = None
    ends: str | None = None


@dataclass(frozen=True)
class Denial:
    """A deny assignment."""

    id: str
    scope: str
    blocks: tuple[Block, ...]
    principals: tuple[str, ...] = ()
    everyone: bool = False
    excluded: tuple[str, ...] = ()
    this_scope_only: bool = False
    condition: str | None = None
    version: str = "2.0"
    effect: str = "enforced"


@dataclass
class World:
    """All that decisions rest on."""

    enabled: dict[str, bool] = field(default_factory=dict[str, bool])
    members: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    group_parents: dict[str, str] = field(default_factory=dict[str, str])
    subscription_groups: dict[str, str] = field(default_factory=dict[str, str])
    inherited_roles: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    roles: dict[str, tuple[Block, ...]] = field(default_factory=dict[str, tuple[Block, ...]])
    assignments: list[Assignment] = field(default_factory=list[Assignment])
    denials: list[Denial] = field(default_factory=list[Denial])
    operations: frozenset[tuple[str, bool]] | None = None


@dataclass(frozen=True)
class Question:
    """May this principal do this here? `moment` is what the clock of whoever answers says."""

    principal: str
    action: str
    scope: str
    data: bool = False
    sub_operations: tuple[str, ...] = ()
    bags: Mapping[str, Bag] = field(default_factory=dict[str, Bag])
    moment: str | None = None


@dataclass
class Answer:
    """`allow`, `deny` or `reject`, the lowest deciding id, and notes of what mattered."""

    outcome: str
    because: str
    id: str | None = None
    notes: set[str] = field(default_factory=set[str])


def decide(world: World, asked: Question) -> Answer:
    """Decide by the numbered steps of section 4."""
    notes: set[str] = set()
    try:
        names.check_action(asked.action)
        scope = names.segments(asked.scope)
    except names.MalformedError as malformed:
        return Answer("reject", str(malformed))
    if world.operations is not None and (names.lower(asked.action), asked.data) not in world.operations:
        return Answer("deny", "unknown action")
    if asked.principal not in world.enabled:
        return Answer("deny", "unknown principal")
    if not world.enabled[asked.principal]:
        return Answer("deny", "disabled principal")
    above = names.ancestors(scope, world.group_parents, world.subscription_groups, world.inherited_roles)
    ids = identities(world, asked.principal)
    denying = [denial.id for denial in world.denials if applies(denial, asked, scope, above, ids, notes)]
    if denying:
        return Answer("deny", "deny assignment", min(denying), notes)
    granting = [one for one in world.assignments if grants(world, one, asked, above, ids, notes)]
    for one in granting:
        notes.add(f"granted on the {'data' if asked.data else 'control'} plane")
        notes.add(f"granted {way(world, scope, names.segments(one.scope))}")
        notes.add(f"granted to {relation(world, asked.principal, one.principal)}")
    if granting:
        return Answer("allow", "grant", min(one.id for one in granting), notes)
    return Answer("deny", "no grant", None, notes)


def identities(world: World, principal: str) -> set[str]:
    """Return the principal and all groups that hold it, through any nesting."""
    found = {principal}
    while True:
        more = {group for group, members in world.members.items() if not found.isdisjoint(members)} - found
        if not more:
            return found
        found |= more


def way(world: World, scope: tuple[str, ...], place: tuple[str, ...]) -> str:
    """Say how what stands at a place reaches a scope."""
    if place == scope[: len(place)]:
        return "here" if place == scope else "above"
    without = names.ancestors(scope, world.group_parents, world.subscription_groups, {})
    return "by a management group" if place in without else "by inherited roles"


def relation(world: World, principal: str, group: str) -> str:
    """Say how a principal comes to a grant."""
    if principal == group:
        return "the principal"
    around = any(group in identities(world, holder) for holder in identities(world, group) - {group})
    direct = principal in world.members[group]
    return f"a group, {'directly' if direct else 'by nesting'}{' in a circle' if around else ''}"


def matched(block: Block, asked: Question) -> bool:
    """(actions − notActions), or the data pair."""
    wanted, but = (block.data_actions, block.not_data_actions) if asked.data else (block.actions, block.not_actions)
    granted = any(names.matches(pattern, asked.action) for pattern in wanted)
    return granted and not any(names.matches(pattern, asked.action) for pattern in but)


def holds(condition: str | None, version: str, asked: Question, notes: set[str]) -> Truth:
    """Return the value of a condition; none is True, one that cannot be read is Unknown."""
    if condition is None:
        return Truth.TRUE
    if version != "2.0":
        notes.add("condition of another version")
        return Truth.UNKNOWN
    try:
        return truth_of(condition, Circumstances(asked.action, asked.sub_operations, asked.bags, notes))
    except UnreadableError:
        notes.add("condition unreadable")
        return Truth.UNKNOWN


def applies(denial: Denial, asked: Question, scope: tuple[str, ...], above: set[tuple[str, ...]], ids: set[str], notes: set[str]) -> bool:
    """Step 4: say whether a deny assignment applies."""
    place = names.segments(denial.scope)
    if place not in above:
        return False
    if denial.this_scope_only and place != scope:
        notes.add("denial: not for child scopes")
        return False
    if not denial.everyone and ids.isdisjoint(denial.principals):
        notes.add("denial: for others")
        return False
    if not ids.isdisjoint(denial.excluded):
        notes.add("denial: excluded")
        return False
    covering = [block for block in denial.blocks if matched(block, asked)]
    if not covering:
        notes.add("denial: another action")
        return False
    value = holds(denial.condition, denial.version, asked, notes)
    notes.add(f"denial: condition {value.value}" if denial.condition is not None else "denial: no condition")
    if value is Truth.FALSE or all(holds(block.condition, block.version, asked, notes) is Truth.FALSE for block in covering):
        return False
    if denial.effect == "audit":
        notes.add("denial: audit only")
        return False
    return True


def grants(world: World, one: Assignment, asked: Question, above: set[tuple[str, ...]], ids: set[str], notes: set[str]) -> bool:
    """Steps 5 and 6: say whether an assignment grants."""
    if one.principal not in ids or names.segments(one.scope) not in above:
        return False
    found = False
    for block in world.roles.get(one.role, ()):
        if not matched(block, asked):
            continue
        of_block = holds(block.condition, block.version, asked, notes)
        of_assignment = holds(one.condition, one.version, asked, notes)
        if block.condition is not None:
            notes.add(f"block condition {of_block.value}")
        if one.condition is not None:
            notes.add(f"assignment condition {of_assignment.value}")
        found = found or (of_block is Truth.TRUE and of_assignment is Truth.TRUE)
    return found and in_force(one, asked.moment, notes)


def in_force(one: Assignment, moment: str | None, notes: set[str]) -> bool:
    """Say whether an assignment counts at a moment: from its start on, and at its end no longer.

    What has a bound does not count where the moment is not known, or where the bound cannot be read.
    """
    if one.starts is None and one.ends is None:
        return True
    now = instant(moment)
    if now is None:
        notes.add("schedule: no moment")
        return False
    counts = True
    for name, bound, right in (("start", one.starts, {"at", "after"}), ("end", one.ends, {"before"})):
        if bound is None:
            continue
        then = instant(bound)
        side = "unreadable" if then is None else "before" if now < then else "at" if now == then else "after"
        notes.add(f"schedule: {side} {name}" if side == "unreadable" else f"schedule: {side} the {name}")
        counts = counts and side in right
    return counts


def instant(written: str | None) -> int | None:
    """Return a moment in ticks, or None for what is none."""
    try:
        return text.moment(written)
    except text.WrongTypeError:
        return None

"""Wrong readings of the specification, each as a change to one rule of the second opinion.

The first 27 are those of section 14.3. A proof is worth nothing that does not notice them.
"""

# Rules of every shape are replaced here by functions of the same shape; their types stand at the right ones.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownParameterType=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportMissingParameterType=false

import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any

from tests.access.oracle import grammar, judge, names, text, truth
from tests.access.oracle.judge import Assignment, Block, Denial, Question, World
from tests.access.oracle.truth import Truth

Rule = Callable[..., Any]
Place = tuple[ModuleType, str]
MISREADINGS: dict[str, tuple[Place, Callable[[Rule], Rule]]] = {}
"""By name: where the rule stands, and what makes the wrong rule of the right one."""


@contextmanager
def planted(name: str) -> Generator[None]:
    """The second opinion, while it misreads one rule."""
    (module, rule), make = MISREADINGS[name]
    right = getattr(module, rule)
    setattr(module, rule, make(right))
    _forget()
    try:
        yield
    finally:
        setattr(module, rule, right)
        _forget()


def _forget() -> None:
    for kept in (names.segments, names.matches, grammar.parse):
        getattr(kept, "cache_clear", lambda: None)()


def misread(module: ModuleType, rule: str, name: str) -> Callable[[Callable[[Rule], Rule]], Callable[[Rule], Rule]]:
    """Register a misreading of a rule: a function from the right rule to the wrong one."""

    def register(make: Callable[[Rule], Rule]) -> Callable[[Rule], Rule]:
        MISREADINGS[name] = ((module, rule), make)
        return make

    return register


def simply(module: ModuleType, rule: str, name: str, wrong: Rule) -> None:
    """Register a wrong rule that does not need the right one."""
    MISREADINGS[name] = ((module, rule), lambda _right: wrong)


# ── Patterns and names


def _matcher(star: str, flags: re.RegexFlag = re.IGNORECASE) -> Rule:
    def matches(pattern: str, action: str) -> bool:
        spelled = star.join(map(re.escape, pattern.strip(" ").split("*")))
        return re.fullmatch(spelled, action, flags) is not None

    return matches


simply(names, "matches", "a star becomes .*", _matcher(".*"))
simply(names, "matches", "a star stays in its segment", _matcher("[^/]*"))


@misread(names, "matches", "permissions compare with case")
def _(right: Rule) -> Rule:
    def matches(pattern: str, action: str) -> bool:
        words = [word for word in re.split(r"[*/ ]+", pattern) if word]
        return right(pattern, action) and all(word in action for word in words)

    return matches


@misread(names, "matches", "a trailing /* covers the thing itself")
def _(right: Rule) -> Rule:
    return lambda pattern, action: right(pattern, action) or (pattern.endswith("/*") and right(pattern[:-2], action))


@misread(names, "matches", "blanks at the ends of a pattern count")
def _(right: Rule) -> Rule:
    return lambda pattern, action: pattern == pattern.strip() and right(pattern, action)


simply(names, "check_action", "a star may be asked for", lambda _action: None)


@misread(names, "ancestors", "scopes compare as strings")
def _(right: Rule) -> Rule:
    class Prefixes(set[tuple[str, ...]]):
        def __contains__(self, place: object) -> bool:
            return super().__contains__(place) or any(
                isinstance(place, tuple) and _joined(each).startswith(_joined(place)) for each in self
            )

    return lambda *given: Prefixes(right(*given))


def _joined(scope: tuple[str, ...]) -> str:
    return "/" + "/".join(scope)


@misread(names, "ancestors", "management groups are not followed")
def _(right: Rule) -> Rule:
    return lambda scope, _parents, _holders, inherited: right(scope, {}, {}, inherited)


@misread(names, "ancestors", "only the nearest management group counts")
def _(right: Rule) -> Rule:
    return lambda scope, _parents, holders, inherited: right(scope, {}, holders, inherited)


@misread(names, "ancestors", "roles are inherited from above the hub as well")
def _(right: Rule) -> Rule:
    def ancestors(
        scope: tuple[str, ...], parents: dict[str, str], holders: dict[str, str], inherited: dict[str, tuple[str, ...]]
    ) -> object:
        found = right(scope, parents, holders, inherited)
        return found.union(*(right(each, parents, holders, {}) for each in found))

    return ancestors


@misread(names, "segments", "dot segments are taken as names")
def _(right: Rule) -> Rule:
    return lambda scope: right("/".join("dot" if part in {".", ".."} else part for part in scope.split("/")))


@misread(names, "segments", "scopes compare with case")
def _(right: Rule) -> Rule:
    return lambda scope: tuple(scope.removesuffix("/").split("/")[1:]) if right(scope) else ()


@misread(names, "segments", "a slash at the end counts")
def _(right: Rule) -> Rule:
    return lambda scope: right(f"{scope}/x")[:-1] if len(scope) > 1 else right(scope)


@misread(names, "sub_operation_matches", "sub-operations compare with case")
def _(right: Rule) -> Rule:
    return lambda pattern, name: right(pattern, name) and pattern.replace("*", "") in name


# ── Values

simply(text, "fold", "letters fold by casefold", str.casefold)
simply(text, "fold", "letters fold by upper", str.upper)
simply(text, "fold", "letters fold by lower", str.lower)


@misread(text, "moment", "times end at microseconds")
def _(right: Rule) -> Rule:
    return lambda value: right(value) // 10


@misread(text, "moment", "a fraction counts ticks whatever its length")
def _(right: Rule) -> Rule:
    def moment(value: object) -> int:
        fraction = re.search(r"\.(\d+)", str(value))
        return right(re.sub(r"\.\d+", "", value) if isinstance(value, str) and right(value) else value) + int(
            fraction[1] if fraction else 0
        )

    return moment


@misread(text, "moment", "other offsets are moments too")
def _(right: Rule) -> Rule:
    return lambda value: right(re.sub(r"\+\d\d:\d\d$", "Z", value) if isinstance(value, str) else value)


@misread(text, "boolean", "the text 'true' is true")
def _(right: Rule) -> Rule:
    return lambda value: right({"true": True, "false": False}.get(value, value) if isinstance(value, str) else value)


@misread(text, "integer", "digits in quotes are numbers")
def _(right: Rule) -> Rule:
    return lambda value: right(int(value) if isinstance(value, str) and value.isdigit() else value)


@misread(text, "integer", "numbers have any size")
def _(_right: Rule) -> Rule:
    def integer(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise text.WrongTypeError
        return value

    return integer


@misread(text, "guid", "a resource id is no GUID")
def _(right: Rule) -> Rule:
    return lambda value: right(value.replace("/", "?") if isinstance(value, str) else value)


@misread(text, "guid", "GUIDs compare as they are written")
def _(right: Rule) -> Rule:
    return lambda value: right(value) and str(getattr(value, "digits", value))


simply(text, "like", "a star of StringLike ends at a slash", lambda value, pattern: _like(value, pattern, "[^/]*"))


def _like(value: str, pattern: str, star: str) -> bool:
    marks = re.findall(r"\\[*?]|.", pattern, re.DOTALL)
    return (
        re.fullmatch("".join(star if mark == "*" else "." if mark == "?" else re.escape(mark[-1]) for mark in marks), value, re.DOTALL)
        is not None
    )


@misread(text, "like", "a question mark is a question mark")
def _(right: Rule) -> Rule:
    return lambda value, pattern: right(value, pattern.replace("\\?", "?").replace("?", "\\?"))


@misread(text, "like", "StringLike knows no escapes")
def _(right: Rule) -> Rule:
    return lambda value, pattern: right(value, pattern.replace("\\", ""))


# ── Three values


@misread(truth, "_noted", "what is unknown is false")
def _(right: Rule) -> Rule:
    return lambda *given: Truth.TRUE if right(*given) is Truth.TRUE else Truth.FALSE


@misread(truth, "compared", "what is missing is unequal")
def _(right: Rule) -> Rule:
    def compared(tree: grammar.Compared, bags: Mapping[str, truth.Bag]) -> bool:
        try:
            return right(tree, bags)
        except truth.UnknownError:
            if "not" in tree.operator:
                return True
            raise

    return compared


@misread(truth, "evaluate", "what is missing ends the evaluation")
def _(right: Rule) -> Rule:
    def evaluate(tree: grammar.Tree, asked: truth.Circumstances) -> Truth:
        if isinstance(tree, grammar.Joined) and Truth.UNKNOWN in {evaluate(term, asked) for term in tree.terms}:
            return Truth.UNKNOWN
        return right(tree, asked)

    return evaluate


@misread(truth, "evaluate", "what is not known to hold does not hold")
def _(right: Rule) -> Rule:
    def evaluate(tree: grammar.Tree, asked: truth.Circumstances) -> Truth:
        if isinstance(tree, grammar.Negated) and truth.evaluate(tree.term, asked) is Truth.UNKNOWN:
            return Truth.TRUE
        return right(tree, asked)

    return evaluate


@misread(truth, "values", "an empty list has no value that could fail")
def _(right: Rule) -> Rule:
    def values(operand: grammar.Operand, bags: Mapping[str, truth.Bag], *, keep_escapes: bool) -> object:
        if isinstance(operand, grammar.Attribute) and truth.lookup(operand, bags) == []:
            return []
        return right(operand, bags, keep_escapes=keep_escapes)

    return values


@misread(truth, "compared", "the sides of a quantifier are swapped")
def _(right: Rule) -> Rule:
    swapped = {"foranyofallvalues": "forallofanyvalues", "forallofanyvalues": "foranyofallvalues"}
    return lambda tree, bags: right(replace(tree, quantifier=swapped.get(tree.quantifier, tree.quantifier)), bags)


@misread(truth, "compared", "an operator without quantifier takes the first of a list")
def _(right: Rule) -> Rule:
    def compared(tree: grammar.Compared, bags: Mapping[str, truth.Bag]) -> bool:
        first = {
            source: {name: value[0] if isinstance(value, list) and value else value for name, value in bag.items()}
            for source, bag in bags.items()
        }
        return right(tree, bags if tree.quantifier else first)

    return compared


@misread(truth, "compared", "one value of another type does not matter under a quantifier")
def _(right: Rule) -> Rule:
    def compared(tree: grammar.Compared, bags: Mapping[str, truth.Bag]) -> bool:
        few = {
            source: {
                name: [one for one in value if type(one) is type(value[0])] if isinstance(value, list) else value
                for name, value in bag.items()
            }
            for source, bag in bags.items()
        }
        return right(tree, few)

    return compared


@misread(truth, "exists", "the empty string does not exist")
def _(right: Rule) -> Rule:
    return lambda value: right(value) and value != ""


@misread(truth, "exists", "an empty list exists")
def _(_right: Rule) -> Rule:
    return lambda value: value is not None


@misread(truth, "_asked", "without a sub-operation SubOperationMatches is unknown")
def _(right: Rule) -> Rule:
    def asked_(tree: grammar.Asked, asked: truth.Circumstances) -> bool:
        if tree.what == "suboperationmatches" and not asked.sub_operations:
            raise truth.UnknownError("no sub-operation")
        return right(tree, asked)

    return asked_


@misread(truth, "lookup", "the case of a tag's key never counts")
def _(right: Rule) -> Rule:
    return lambda attribute, bags: right(
        replace(attribute, suffix=None) if attribute.suffix == "<$key_case_sensitive$>" else attribute, bags
    )


@misread(truth, "lookup", "the keys of tags are their values")
def _(right: Rule) -> Rule:
    def lookup(attribute: grammar.Attribute, bags: Mapping[str, truth.Bag]) -> object:
        if attribute.suffix != "&$keys$&":
            return right(attribute, bags)
        found = right(replace(attribute, suffix=None), bags)
        return list(found.values()) if isinstance(found, dict) else None

    return lookup


# ── The decision


@misread(judge, "identities", "groups nest one level deep")
def _(_right: Rule) -> Rule:
    return lambda world, who: {who} | {group for group, members in world.members.items() if who in members}


@misread(judge, "identities", "a group holds what its members hold")
def _(right: Rule) -> Rule:
    return lambda world, who: right(world, who).union(world.members.get(who, ()))


@misread(judge, "matched", "the planes are one")
def _(right: Rule) -> Rule:
    return lambda block, asked: right(block, asked) or right(block, replace(asked, data=not asked.data))


@misread(judge, "decide", "what a role subtracts is denied to whoever has it")
def _(right: Rule) -> Rule:
    def decide(world: World, asked: Question) -> judge.Answer:
        answer = right(world, asked)
        if answer.outcome != "allow":
            return answer
        ids = judge.identities(world, asked.principal)
        blocks = [block for one in world.assignments if one.principal in ids for block in world.roles[one.role]]
        taken = [pattern for block in blocks for pattern in (block.not_data_actions if asked.data else block.not_actions)]
        return judge.Answer("deny", "no grant") if any(names.matches(pattern, asked.action) for pattern in taken) else answer

    return decide


def _with_conditions(right: Rule, turn: Mapping[Truth, Truth]) -> Rule:
    """A rule under which a condition's value is taken for another."""

    def wrong(*given: Any) -> Any:
        holds = judge.holds
        judge.holds = lambda *rest: turn.get(value := holds(*rest), value)
        try:
            return right(*given)
        finally:
            judge.holds = holds

    return wrong


@misread(judge, "applies", "a deny of unknown condition is passed over")
def _(right: Rule) -> Rule:
    return _with_conditions(right, {Truth.UNKNOWN: Truth.FALSE})


@misread(judge, "applies", "a deny has no condition")
def _(right: Rule) -> Rule:
    return _with_conditions(right, {Truth.FALSE: Truth.TRUE})


@misread(judge, "grants", "an unknown condition grants")
def _(right: Rule) -> Rule:
    return _with_conditions(right, {Truth.UNKNOWN: Truth.TRUE})


def _denials(name: str, change: Callable[[Denial, Question], Denial]) -> None:
    MISREADINGS[name] = ((judge, "applies"), lambda right: lambda denial, asked, *rest: right(change(denial, asked), asked, *rest))


_denials("exclusions are ignored", lambda denial, _: replace(denial, excluded=()))
_denials(
    "exclusions do not reach through groups",
    lambda denial, asked: replace(denial, excluded=(asked.principal,) if asked.principal in denial.excluded else ()),
)
_denials("a deny always reaches the children", lambda denial, _: replace(denial, this_scope_only=False))
_denials("a deny never reaches the children", lambda denial, _: replace(denial, this_scope_only=True))
_denials("an audit denies", lambda denial, _: replace(denial, effect="enforced"))
_denials("a deny names nobody but whom it lists", lambda denial, _: replace(denial, everyone=False))
_denials(
    "a deny does not reach through groups",
    lambda denial, asked: replace(denial, principals=() if asked.principal not in denial.principals else denial.principals),
)


def _grants(name: str, change: Callable[[World, Assignment], tuple[World, Assignment]]) -> None:
    MISREADINGS[name] = ((judge, "grants"), lambda right: lambda world, one, *rest: right(*change(world, one), *rest))


def _blocks(world: World, change: Callable[[tuple[Block, ...]], tuple[Block, ...]]) -> World:
    return replace(world, roles={name: change(blocks) for name, blocks in world.roles.items()})


_grants(
    "the condition of a block is ignored",
    lambda world, one: (_blocks(world, lambda blocks: tuple(replace(each, condition=None) for each in blocks)), one),
)
_grants("the condition of an assignment is ignored", lambda world, one: (world, replace(one, condition=None)))
_grants("the version of a condition is ignored", lambda world, one: (world, replace(one, version="2.0")))
_grants("only the first block of a role counts", lambda world, one: (_blocks(world, lambda blocks: blocks[:1]), one))
_grants(
    "what one block subtracts no other block of the role grants",
    lambda world, one: (
        _blocks(
            world,
            lambda blocks: tuple(
                replace(
                    each,
                    not_actions=tuple(no for other in blocks for no in other.not_actions),
                    not_data_actions=tuple(no for other in blocks for no in other.not_data_actions),
                )
                for each in blocks
            ),
        ),
        one,
    ),
)


# ── Schedules


@misread(judge, "in_force", "an assignment does not count at its first moment")
def _(right: Rule) -> Rule:
    return lambda one, moment, notes: (
        right(one, moment, notes) and (one.starts is None or judge.instant(one.starts) != judge.instant(moment))
    )


@misread(judge, "in_force", "an assignment counts at its end")
def _(right: Rule) -> Rule:
    def in_force(one: Assignment, moment: str | None, notes: set[str]) -> bool:
        is_end = one.ends is not None and judge.instant(one.ends) == judge.instant(moment) is not None
        return right(replace(one, ends=None) if is_end else one, moment, notes)

    return in_force


def _schedules(name: str, change: Callable[[Assignment, str | None], tuple[Assignment, str | None]]) -> None:
    MISREADINGS[name] = ((judge, "in_force"), lambda right: lambda one, moment, notes: right(*change(one, moment), notes))


def _readable(bound: str | None) -> str | None:
    return None if judge.instant(bound) is None else bound


_schedules("the start of an assignment is ignored", lambda one, moment: (replace(one, starts=None), moment))
_schedules("the end of an assignment is ignored", lambda one, moment: (replace(one, ends=None), moment))
_schedules("start and end are taken for each other", lambda one, moment: (replace(one, starts=one.ends, ends=one.starts), moment))
_schedules("a start that cannot be read is none", lambda one, moment: (replace(one, starts=_readable(one.starts)), moment))
_schedules("an end that cannot be read is none", lambda one, moment: (replace(one, ends=_readable(one.ends)), moment))
_schedules(
    "without a moment an assignment counts",
    lambda one, moment: (one if _readable(moment) else replace(one, starts=None, ends=None), moment),
)


@misread(judge, "in_force", "moments compare as texts")
def _(_right: Rule) -> Rule:
    return lambda one, moment, _notes: (
        one.starts is one.ends is None or (moment is not None and (one.starts or "") <= moment and (one.ends is None or moment < one.ends))
    )


@misread(judge, "decide", "the moment is the one that the conditions of the question are told")
def _(right: Rule) -> Rule:
    def decide(world: World, asked: Question) -> judge.Answer:
        told = asked.bags.get("Environment", {}).get("UtcNow")
        return right(world, replace(asked, moment=told if isinstance(told, str) else None))

    return decide


# ── Worlds


def _worlds(name: str, change: Callable[[World, Question], World]) -> None:
    MISREADINGS[name] = ((judge, "decide"), lambda right: lambda world, asked: right(change(world, asked), asked))


_worlds("a disabled principal may what others may", lambda world, _: replace(world, enabled=dict.fromkeys(world.enabled, True)))
_worlds(
    "an unknown principal may what everybody may", lambda world, asked: replace(world, enabled={**world.enabled, asked.principal: True})
)
_worlds("an action that no operation needs may be granted", lambda world, _: replace(world, operations=None))
_worlds("deny assignments are not asked", lambda world, _: replace(world, denials=[]))
_worlds(
    "an operation is known on both planes",
    lambda world, _: replace(
        world, operations=world.operations and world.operations | {(name, not data) for name, data in world.operations}
    ),
)


@misread(judge, "decide", "a grant comes before a deny")
def _(right: Rule) -> Rule:
    def decide(world: World, asked: Question) -> judge.Answer:
        answer = right(replace(world, denials=[]), asked)
        return answer if answer.outcome == "allow" else right(world, asked)

    return decide


@misread(judge, "decide", "the last of those that decide is named")
def _(right: Rule) -> Rule:
    def decide(world: World, asked: Question) -> judge.Answer:
        answer = right(world, asked)
        if answer.because != "grant":
            return answer
        again = judge.decide(replace(world, assignments=[one for one in world.assignments if one.id != answer.id]), asked)
        return again if again.outcome == "allow" else answer

    return decide


# ── The language


@misread(grammar, "parse", "AND and OR may be mixed")
def _(right: Rule) -> Rule:
    def parse(condition: str) -> grammar.Tree:
        try:
            return right(condition)
        except grammar.UnreadableError as error:
            if "one level" not in str(error):
                raise
            left, _, rest = condition.rpartition(" OR ")
            return grammar.Joined("or", (right(left), right(rest)))

    return parse


@misread(grammar, "parse", "keywords compare with case")
def _(right: Rule) -> Rule:
    def parse(condition: str) -> grammar.Tree:
        tree = right(condition)
        if re.search(r"\b(and|or|stringequals|boolequals|@resource)\b", condition):
            raise grammar.UnreadableError("no such word")
        return tree

    return parse

"""Functions that take a lambda: `map(parameters('a'), lambda('x', toUpper(lambdaVariables('x'))))`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key

from studiolo.rooms.templates.domain.expressions import Call
from studiolo.rooms.templates.domain.places import Special
from studiolo.rooms.templates.domain.values import Json, JsonMap, Misuse, word_for
from studiolo.rooms.templates.domain.world import Scope

Work = Callable[..., Json]


def _lambda_at(scope: Scope, call: Call, index: int, counts: tuple[int, ...]) -> Work:
    inner = call.arguments[index]
    if not isinstance(inner, Call) or inner.key != "lambda":
        raise Misuse(f"argument {index + 1} must be a lambda.")
    names = [scope.node(argument) for argument in inner.arguments[:-1]]
    if len(names) not in counts or not all(isinstance(name, str) for name in names):
        raise Misuse(f"the lambda in argument {index + 1} must have {' or '.join(map(str, counts))} named variables and a body.")
    keys, body = [str(name).lower() for name in names], inner.arguments[-1]

    def run(*values: Json) -> Json:
        return scope.with_lambdas({**scope.lambdas, **dict(zip(keys, values, strict=False))}).node(body)

    return run


def _array_at(scope: Scope, call: Call) -> list[Json]:
    value = scope.node(call.arguments[0])
    if not isinstance(value, list):
        raise Misuse(f"argument 1 must be an array; it is {word_for(value)}.")
    return value


def _bool(value: Json) -> bool:
    if not isinstance(value, bool):
        raise Misuse(f"the lambda must give a bool; it gave {word_for(value)}.")
    return value


def _name(value: Json) -> str:
    if not isinstance(value, str):
        raise Misuse(f"the lambda must give a string; it gave {word_for(value)}.")
    return value


def _weighed(scope: Scope, value: Json) -> Json:
    scope.world.meter.weigh(value, scope.path)
    return value


def _map(scope: Scope, call: Call) -> Json:
    work = _lambda_at(scope, call, 1, (1, 2))
    return _weighed(scope, [work(value, index) for index, value in enumerate(_array_at(scope, call))])


def _filter(scope: Scope, call: Call) -> Json:
    work = _lambda_at(scope, call, 1, (1, 2))
    return [value for index, value in enumerate(_array_at(scope, call)) if _bool(work(value, index))]


def _sort(scope: Scope, call: Call) -> Json:
    comes_first = _lambda_at(scope, call, 1, (2,))

    def compare(left: Json, right: Json) -> int:
        return -1 if _bool(comes_first(left, right)) else 1 if _bool(comes_first(right, left)) else 0

    return sorted(_array_at(scope, call), key=cmp_to_key(compare))


def _reduce(scope: Scope, call: Call) -> Json:
    work = _lambda_at(scope, call, 2, (2, 3))
    value = scope.node(call.arguments[1])
    for index, item in enumerate(_array_at(scope, call)):
        value = _weighed(scope, work(value, item, index))
    return value


def _to_object(scope: Scope, call: Call) -> Json:
    key_of = _lambda_at(scope, call, 1, (1,))
    value_of = _lambda_at(scope, call, 2, (1,)) if len(call.arguments) > 2 else None
    made: JsonMap = {_name(key_of(item)): value_of(item) if value_of else item for item in _array_at(scope, call)}
    return _weighed(scope, made)


def _group_by(scope: Scope, call: Call) -> Json:
    key_of = _lambda_at(scope, call, 1, (1,))
    groups: dict[str, list[Json]] = {}
    for item in _array_at(scope, call):
        groups.setdefault(_name(key_of(item)), []).append(item)
    return dict[str, Json](groups)


def _map_values(scope: Scope, call: Call) -> Json:
    work = _lambda_at(scope, call, 1, (1,))
    holder = scope.node(call.arguments[0])
    if not isinstance(holder, dict):
        raise Misuse(f"argument 1 must be an object; it is {word_for(holder)}.")
    return _weighed(scope, {name: work(value) for name, value in holder.items()})


def _variable(scope: Scope, call: Call) -> Json:
    name = scope.text(call, 0)
    if name.lower() not in scope.lambdas:
        raise Misuse(f"there is no lambda variable '{name}' around this expression.")
    return scope.lambdas[name.lower()]


def _bare(_scope: Scope, _call: Call) -> Json:
    raise Misuse("a lambda can only be an argument of map, filter, sort, reduce, toObject, groupBy or mapValues.")


LAMBDAS: dict[str, Special] = {
    special.name.lower(): special
    for special in (
        Special("map", 2, 2, _map),
        Special("filter", 2, 2, _filter),
        Special("sort", 2, 2, _sort),
        Special("reduce", 3, 3, _reduce),
        Special("toObject", 2, 3, _to_object),
        Special("groupBy", 2, 2, _group_by),
        Special("mapValues", 2, 2, _map_values),
        Special("lambda", 1, None, _bare),
        Special("lambdaVariables", 1, 1, _variable),
    )
}

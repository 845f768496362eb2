"""Arrays, objects, and what works on arrays, objects and strings alike."""

from __future__ import annotations

from studiolo.rooms.templates.domain.bounds import VALUE_CHARACTERS
from studiolo.rooms.templates.domain.functions.arguments import Arguments, Function, table
from studiolo.rooms.templates.domain.functions.spelling import order, to_text
from studiolo.rooms.templates.domain.values import Json, JsonMap, Misuse, find_key, member, same, to_json, word_for


def _concat(args: Arguments) -> Json:
    if all(isinstance(value, list) for value in args):
        return [inner for index in range(len(args)) for inner in args.array(index)]
    parts: list[str] = []
    for index, value in enumerate(args):
        if isinstance(value, list | dict):
            raise Misuse(f"argument {index + 1} is {word_for(value)}; it joins arrays with arrays, or plain values to one text.")
        parts.append(to_text(value))
    if sum(map(len, parts)) > VALUE_CHARACTERS:
        raise Misuse(f"the text would have more than {VALUE_CHARACTERS} characters.")
    return "".join(parts)


def _array(args: Arguments) -> Json:
    return args[0] if isinstance(args[0], list) else [args[0]]


def _create_object(args: Arguments) -> Json:
    if len(args) % 2:
        raise Misuse("it takes names and values in pairs.")
    return {args.text(index): args[index + 1] for index in range(0, len(args), 2)}


def _empty(args: Arguments) -> Json:
    value = args[0]
    if value is None:
        return True
    if isinstance(value, str | list | dict):
        return not value
    raise Misuse(f"argument 1 must be an array, an object or a string; it is {word_for(value)}.")


def _length(args: Arguments) -> Json:
    value = args[0]
    if isinstance(value, str | list | dict):
        return len(value)
    raise Misuse(f"argument 1 must be an array, an object or a string; it is {word_for(value)}.")


def _contains(args: Arguments) -> Json:
    holder, wanted = args[0], args[1]
    if isinstance(holder, list):
        return any(same(value, wanted) for value in holder)
    if isinstance(holder, dict):
        return find_key(holder, to_text(wanted)) is not None
    if isinstance(holder, str):
        return to_text(wanted) in holder
    raise Misuse(f"argument 1 must be an array, an object or a string; it is {word_for(holder)}.")


def _first(args: Arguments) -> Json:
    return args.array(0)[0] if _has_items(args) else _nothing(args)


def _last(args: Arguments) -> Json:
    return args.array(0)[-1] if _has_items(args) else _nothing(args, -1)


def _has_items(args: Arguments) -> bool:
    value = args[0]
    if not isinstance(value, list | str):
        raise Misuse(f"argument 1 must be an array or a string; it is {word_for(value)}.")
    return isinstance(value, list) and bool(value)


def _nothing(args: Arguments, place: int = 0) -> Json:
    value = args[0]
    return (value[place] if value else "") if isinstance(value, str) else None


def _skip(args: Arguments) -> Json:
    count = max(args.number(1), 0)
    return args.text(0)[count:] if isinstance(args[0], str) else args.array(0)[count:]


def _take(args: Arguments) -> Json:
    count = max(args.number(1), 0)
    return args.text(0)[:count] if isinstance(args[0], str) else args.array(0)[:count]


def _index_of(args: Arguments) -> Json:
    if isinstance(args[0], str):
        return args.text(0).casefold().find(args.text(1).casefold())
    return next((index for index, value in enumerate(args.array(0)) if same(value, args[1])), -1)


def _last_index_of(args: Arguments) -> Json:
    if isinstance(args[0], str):
        return args.text(0).casefold().rfind(args.text(1).casefold())
    items = args.array(0)
    return next((index for index in reversed(range(len(items))) if same(items[index], args[1])), -1)


def _key(value: Json) -> bytes:
    """Bytes that are the same for equal values only; sets of them are faster than comparing all pairs."""
    return to_json(value, is_sorted=True)


def _union(args: Arguments) -> Json:
    if isinstance(args[0], list):
        seen: dict[bytes, Json] = {}
        for index in range(len(args)):
            for value in args.array(index):
                seen.setdefault(_key(value), value)
        return list(seen.values())
    merged: JsonMap = {}
    for index in range(len(args)):
        merged = _merged(merged, args.map(index))
    return merged


def _merged(left: JsonMap, right: JsonMap) -> JsonMap:
    result = dict(left)
    spelled = {name.lower(): name for name in left}
    for name, value in right.items():
        key = spelled.setdefault(name.lower(), name)
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def _shallow_merge(args: Arguments) -> Json:
    merged: JsonMap = {}
    for value in args.array(0):
        if not isinstance(value, dict):
            raise Misuse("argument 1 must be an array of objects.")
        merged.update(value)
    return merged


def _intersection(args: Arguments) -> Json:
    if isinstance(args[0], list):
        others = [{_key(value) for value in args.array(index)} for index in range(1, len(args))]
        unique = {_key(value): value for value in args.array(0)}
        return [value for key, value in unique.items() if all(key in other for other in others)]
    maps = [args.map(index) for index in range(1, len(args))]
    return {name: value for name, value in args.map(0).items() if all(name in one and same(one[name], value) for one in maps)}


def _flatten(args: Arguments) -> Json:
    return [inner for value in args.array(0) for inner in (value if isinstance(value, list) else [value])]


def _items(args: Arguments) -> Json:
    holder = args.map(0)
    return [{"key": name, "value": holder[name]} for name in sorted(holder, key=order)]


def _try_get(args: Arguments) -> Json:
    value: Json = args[0]
    for index in range(1, len(args)):
        step = args[index]
        if isinstance(value, dict) and isinstance(step, str):
            value = member(value, step)
        elif isinstance(value, list) and isinstance(step, int) and not isinstance(step, bool) and 0 <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def _index_from_end(args: Arguments) -> Json:
    items, back = args.array(0), args.number(1)
    if not 1 <= back <= len(items):
        raise Misuse(f"the array has {len(items)} items; item {back} from its end is not there.")
    return items[-back]


CONTAINERS = table(
    Function("concat", 1, None, _concat),
    Function("array", 1, 1, _array),
    Function("createArray", 0, None, list),
    Function("createObject", 0, None, _create_object),
    Function("empty", 1, 1, _empty, is_glance=True),
    Function("length", 1, 1, _length, is_glance=True),
    Function("contains", 2, 2, _contains),
    Function("first", 1, 1, _first, is_glance=True),
    Function("last", 1, 1, _last, is_glance=True),
    Function("skip", 2, 2, _skip, is_glance=True),
    Function("take", 2, 2, _take, is_glance=True),
    Function("indexOf", 2, 2, _index_of),
    Function("lastIndexOf", 2, 2, _last_index_of),
    Function("union", 1, None, _union),
    Function("shallowMerge", 1, 1, _shallow_merge),
    Function("intersection", 1, None, _intersection),
    Function("flatten", 1, 1, _flatten),
    Function("items", 1, 1, _items),
    Function("objectKeys", 1, 1, lambda args: list[Json](sorted(args.map(0), key=order)), is_glance=True),
    Function("tryGet", 2, None, _try_get, is_glance=True),
    Function("indexFromEnd", 2, 2, _index_from_end, is_glance=True),
)

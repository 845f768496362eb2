"""Sections 2 and 3: scopes, actions, permission patterns."""

import functools
import re
import string

GROUP_KIND = ("providers", "microsoft.management", "managementgroups")


SMALL = dict(zip(map(ord, string.ascii_uppercase), string.ascii_lowercase, strict=True))


class MalformedError(ValueError):
    """A scope or action that is refused before any decision."""


def lower(text: str) -> str:
    """Return the text with its ASCII letters in lower case and everything else as it is."""
    return text.translate(SMALL)


@functools.lru_cache(1000)
def segments(scope: str) -> tuple[str, ...]:
    """Return the segments of a scope; `/` has none."""
    if not scope.startswith("/"):
        raise MalformedError("a scope begins with a slash")
    if scope == "/":
        return ()
    scope = scope.removesuffix("/")  # one trailing slash is dropped
    found = tuple(lower(scope)[1:].split("/"))
    for segment in found:
        if segment in {"", ".", ".."}:
            raise MalformedError("an empty or dot segment")
        if any(letter in "%\\" or not 0x20 <= ord(letter) <= 0x7E for letter in segment):
            raise MalformedError("a percent sign, a backslash, a control or a non-ASCII character")
    return found


def ancestors(
    scope: tuple[str, ...], parents: dict[str, str], holders: dict[str, str], inherited: dict[str, tuple[str, ...]]
) -> set[tuple[str, ...]]:
    """Return every segment prefix, the management groups above, and `/`.

    `holders` says which management group holds a subscription, `parents` which one holds a management group. `inherited` is our
    own addition: further scopes whose roles hold at a scope and below it (they alone, not what lies above them).
    """
    found = {scope[:length] for length in range(len(scope) + 1)}
    group = None
    if scope[:1] == ("subscriptions",) and len(scope) >= 2:
        group = holders.get(scope[1])
    if scope[:3] == GROUP_KIND and len(scope) >= 4:
        group = parents.get(scope[3])
    while group is not None and (*GROUP_KIND, group) not in found:
        found.add((*GROUP_KIND, group))
        group = parents.get(group)
    heirs = [heir for heir in inherited if segments(heir) == scope[: len(segments(heir))]]
    return found.union(segments(above) for heir in heirs for above in inherited[heir])


def check_action(action: str) -> None:
    """W6: a requested action holding `*` is refused; so is what is no name: empty segments, blanks, anything outside ASCII."""
    if any(not part or any(letter == "*" or not 0x20 < ord(letter) < 0x7F for letter in part) for part in action.split("/")):
        raise MalformedError("an action is a name, not a pattern")


def pieces(pattern: str) -> list[tuple[str, int]]:
    """Return a pattern as a list of ("text", …), ("run", least length) and ("segments", …: a slash and any run, or nothing)."""
    parts = re.sub(r"\*+", "*", lower(pattern).strip(" ")).split("/")  # two runs of any characters, one after the other, are one
    found: list[tuple[str, int]] = []
    for place, part in enumerate(parts):
        first, last = place == 0, place == len(parts) - 1
        if part == "*" and not first and not last:
            found.append(("segments", 0))  # W3: a whole inner segment may be absent, with its slash
            continue
        if not first:
            found.append(("/", 0))
        if part == "*" and not (first and last):
            found.append(("run", 1))  # W4: a leading `*/` and a trailing `/*` need at least one character
            continue
        found.extend(("run", 0) if letter == "*" else (letter, 0) for letter in part)
    return found


@functools.lru_cache(10_000)
def matches(pattern: str, action: str) -> bool:
    """Say whether a permission pattern matches an action (W1 to W7)."""
    wanted, text = pieces(pattern), lower(action)

    @functools.cache
    def rest(piece: int, place: int) -> bool:
        if piece == len(wanted):
            return place == len(text)
        kind, least = wanted[piece]
        if kind == "run":
            return any(rest(piece + 1, end) for end in range(place + least, len(text) + 1))
        if kind == "segments":
            if rest(piece + 1, place):
                return True
            return text[place : place + 1] == "/" and any(rest(piece + 1, end) for end in range(place + 1, len(text) + 1))
        return text[place : place + 1] == kind and rest(piece + 1, place + 1)

    return rest(0, 0)


def sub_operation_matches(pattern: str, name: str) -> bool:
    """Section 5: `*` is any run, letter case is ignored, nothing else is special."""
    return _glob(lower(pattern), lower(name))


@functools.lru_cache(10_000)
def _glob(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_glob(pattern[1:], text[start:]) for start in range(len(text) + 1))
    return text[:1] == pattern[0] and _glob(pattern[1:], text[1:])

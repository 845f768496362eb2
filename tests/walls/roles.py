"""A second reading of the built-in roles, small and on its own: patterns against actions, grants against scopes.

It is written from the specification (authz-spec, sections 3 and 4) and from the roles' JSON; the engine is not used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from tests.walls.house import Grant

_FILE = Path(__file__).parents[2] / "studiolo" / "kernel" / "access" / "roles.jsonl"


@lru_cache(maxsize=1)
def roles() -> dict[str, dict[str, Any]]:
    """The built-in roles by name."""
    lines = [json.loads(line) for line in _FILE.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {line["n"]: line for line in lines}


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """A `*` inside stands for any number of whole segments, none among them; at an end for at least one character."""
    low = text.strip().lower()
    if low == "*":
        return re.compile(r".+")
    parts = re.split(r"(/\*/|^\*/|/\*$)", low)
    spelled = {"/*/": r"/(?:.+/)?", "*/": r".+/", "/*": r"/.+"}
    return re.compile("".join(spelled.get(part) or re.escape(part) for part in parts))


def has(role: str, action: str, plane: str) -> bool:
    """Whether a built-in role holds an action."""
    found = roles()[role]
    given, taken = ("da", "nda") if plane == "data" else ("a", "na")
    low = action.lower()
    return any(_pattern(p).fullmatch(low) for p in found.get(given, ())) and not any(
        _pattern(p).fullmatch(low) for p in found.get(taken, ())
    )


def is_within(scope: str, outer: str) -> bool:
    """Whether a scope is another one or lies below it."""
    inner, above = scope.lower().rstrip("/"), outer.lower().rstrip("/")
    return inner == above or inner.startswith(above + "/")


def may(grants: Iterable[Grant], action: str, scope: str, plane: str) -> bool:
    """Whether the grants allow an action at a scope."""
    return any(is_within(scope, grant.scope) and _covers(grant, action, scope) and has(grant.role, action, plane) for grant in grants)


def _covers(grant: Grant, action: str, scope: str) -> bool:
    """A grant for some containers says nothing of actions on the account, such as its delegation keys."""
    is_about_containers = "/blobservices/containers/" in action.lower()
    return not (grant.containers and is_about_containers) or f"/containers/{grant.containers}".lower() in scope.lower()


def may_see_some(grants: Iterable[Grant], action: str, scope: str) -> bool:
    """Whether a list at a scope shows anything at all: what is granted above it, there, or below."""
    return any((is_within(scope, grant.scope) or is_within(grant.scope, scope)) and has(grant.role, action, "control") for grant in grants)

"""The page of permissions: every operation that is served, the action that it asks for, and the built-in roles that hold it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from studiolo.app.served import served_routes, served_types
from studiolo.kernel.access.built_in import built_in_roles
from studiolo.kernel.access.grants import Permission
from studiolo.kernel.access.patterns import PatternSet, action_key
from studiolo.kernel.resource import ResourceType

_HEAD: Final = """# Permissions

Every operation that is served, the action that it asks the engine for, and the built-in roles that hold the action
(without regard to conditions). A role counts where it is assigned and below. Who holds none of them is refused.

| operation | action | plane | built-in roles |
|---|---|---|---|
"""


def permissions_page(surfaces: Iterable[object], types: Iterable[ResourceType]) -> str:
    """The page, from what is served."""
    lines = [
        f"| {operation} | `{action}` | {plane} | {', '.join(_holders(action, plane)) or 'none'} |"
        for operation, action, plane in _operations(surfaces, types)
    ]
    return _HEAD + "\n".join(lines) + "\n"


def _operations(surfaces: Iterable[object], types: Iterable[ResourceType]) -> Iterator[tuple[str, str, str]]:
    for declared in served_types(types):
        name, verbs = declared["name"], declared["verbs"]
        reads = [verb.upper() for verb in ("get", "list") if verb in verbs]
        writes = [verb.upper() for verb in ("put", "patch") if verb in verbs]
        for which, action in (
            (reads, declared["read"]),
            (writes, declared["write"]),
            (["DELETE"] if "delete" in verbs else [], declared["delete"]),
        ):
            if which:
                yield f"{', '.join(which)} `{name}`", action, "control"
        for action in declared["actions"]:
            yield f"POST `{name}` `{action['name']}`", action["permission"], "control"
    for route in served_routes(surfaces):
        query = "".join(f" `{key}={value or '…'}`" for key, value in route["query"].items())
        for action in route["actions"]:
            yield f"{route['method']} `{route['path']}`{query} ({route['surface']})", action, route["plane"]


def _holders(action: str, plane: str) -> list[str]:
    return sorted(role.name for role in built_in_roles().values() if any(_grants(block, action, plane) for block in role.permissions))


def _grants(block: Permission, action: str, plane: str) -> bool:
    given, taken = (block.data_actions, block.not_data_actions) if plane == "data" else (block.actions, block.not_actions)
    key = action_key(action)
    return PatternSet(given).find(key) is not None and PatternSet(taken).find(key) is None

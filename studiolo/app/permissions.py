"""The pages of permissions and of conditions.

Every operation that is served, the action that it asks for, the built-in roles that hold it, and the attributes that its calls carry.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from studiolo.app.served import served_routes, served_types
from studiolo.kernel.access.built_in import built_in_roles
from studiolo.kernel.access.grants import Permission
from studiolo.kernel.access.lints.offers import ENVIRONMENT, OFFERS, SPELLINGS
from studiolo.kernel.access.patterns import PatternSet, action_key
from studiolo.kernel.resource import ResourceType

_HEAD: Final = """# Permissions

Every operation that is served, the action that it asks the engine for, and the built-in roles that hold the action
(without regard to conditions). A role counts where it is assigned and below. Who holds none of them is refused.

| operation | action | plane | built-in roles |
|---|---|---|---|
"""


_CONDITIONS_HEAD: Final = """# Conditions

A role assignment, a role or a deny assignment with a condition holds for the calls for which the condition is true, in the
public cloud's language (version 2.0). An attribute that a call does not carry is unknown, which grants nothing and denies.
A write that names an attribute which no call of its actions carries is refused (check L7).

Every call carries `@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:{Set}_{Name}]` of its caller, and
%s.
The calls of the actions below carry more, in each way of calling them (`SubOperationMatches`): an attribute of the request is
what the call asks for, one of the resource what is stored. A list of resources shows what single calls would be let
through to; a list of containers on the data plane is a call on the account.

| action | plane | sub-operation | @Request | @Resource |
|---|---|---|---|---|
"""


def conditions_page(surfaces: Iterable[object], types: Iterable[ResourceType]) -> str:
    """The page of attributes, for actions that are served."""
    served = {action_key(action) for _, action, _ in _operations(surfaces, types)}
    served |= {action_key(action) for declared in types for action in declared.further_actions}
    lines = [
        f"| `{offer.name}` | {offer.plane} | {', '.join(way.sub_operations)} | {_attributes(way.request)} | {_attributes(way.resource)} |"
        for offer in OFFERS.values()
        if offer.action in served
        for way in offer.variants
    ]
    surroundings = ", ".join(f"`@Environment[{name}]`" for name in ENVIRONMENT)
    return _CONDITIONS_HEAD % surroundings + "\n".join(lines) + "\n"


def _attributes(keys: Iterable[str]) -> str:
    return "<br>".join(f"`{name}`" for name in sorted(SPELLINGS[key] for key in keys))


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

"""`reference` and `list…`: what only the run can answer."""

from __future__ import annotations

from studiolo.rooms.templates.domain.expressions import Call
from studiolo.rooms.templates.domain.places import Place, Special
from studiolo.rooms.templates.domain.values import Json, JsonMap, Misuse, member, to_json, word_for
from studiolo.rooms.templates.domain.world import Lookup, Named, Scope

_AT_RUN = frozenset({Place.BODY, Place.OUTPUT})


def named(scope: Scope, target: str) -> Named:
    """The resource that a name or an id means.

    Raises:
        Misuse: it is no id, and the template has no or more than one resource of this name.
    """
    key = target.strip("/").lower() if not target.startswith("/") else target.rstrip("/").lower()
    known = scope.world.named
    if key in known:
        found = known[key]
        if found is None:
            raise Misuse(f"more than one resource of the template is named '{target}'; use resourceId to say which.")
        return found
    if target.startswith("/"):
        return Named(target, "")
    raise Misuse(f"the resource '{target[:200]}' is not defined in the template; use resourceId for one that exists already.")


def _reference(scope: Scope, call: Call) -> Json:
    found = named(scope, scope.text(call, 0))
    version = scope.text(call, 1) if len(call.arguments) > 1 else found.api_version
    if not version:
        raise Misuse(f"'{found.id}' is not defined in the template, so the api-version must be given.")
    full = len(call.arguments) > 2
    if full and scope.text(call, 2).lower() != "full":
        raise Misuse("argument 3 can only be 'Full'.")
    body = scope.world.ask(Lookup(found.id, version))
    return _full(found.id, version, body) if full else member(body, "properties") or {}


def _full(id_: str, version: str, body: JsonMap) -> JsonMap:
    parts = id_.split("/")
    where = dict(zip([part.lower() for part in parts[1::2]], parts[2::2], strict=False))
    return {
        **{name: value for name, value in body.items() if name not in ("id", "name", "type", "systemData", "etag")},
        "apiVersion": version,
        "referenceApiVersion": version,
        "resourceId": id_.rpartition("/providers/")[2],
        "subscriptionId": where.get("subscriptions", ""),
        "resourceGroupName": where.get("resourcegroups", ""),
        "isConditionTrue": True,
    }


def run_list(scope: Scope, call: Call) -> Json:
    """A call of `listKeys`, `listSecrets` and their like: an action of that name on the resource.

    Raises:
        Misuse: the arguments are not a resource, a version and perhaps a body.
        Unanswered: the run has to act first.
    """
    found = named(scope, scope.text(call, 0))
    body: Json = scope.node(call.arguments[2]) if len(call.arguments) > 2 else {}
    if not isinstance(body, dict):
        raise Misuse(f"argument 3 must be an object; it is {word_for(body)}.")
    version = scope.text(call, 1)
    return scope.world.ask(Lookup(found.id, version, call.name, to_json(body).decode()))


def is_list(key: str) -> bool:
    """Whether a lower-case name is that of a list action."""
    return key.startswith("list") and len(key) > len("list")


LIST = Special("list*", 2, 3, run_list, _AT_RUN)
LOOKUPS: dict[str, Special] = {"reference": Special("reference", 1, 3, _reference, _AT_RUN)}

"""What a token is asked for: words of `scope`, or a `resource`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from studiolo.rooms.authentication.domain import refusals

OPENID: Final = frozenset({"openid", "profile", "email", "offline_access"})
DEFAULT: Final = ".default"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One resource, the permissions asked for there (`.default`: all that there are), and the words of OpenID Connect."""

    resource: str
    scopes: tuple[str, ...]
    openid: frozenset[str]

    @property
    def is_default(self) -> bool:
        """Whether everything is asked for that the client may do at the resource."""
        return self.scopes == (DEFAULT,)


def wanted_of(asked: Mapping[str, str]) -> Wanted:
    """What a request asks for: clients of version 2 send scopes, those of version 1 the resource itself.

    Raises:
        Invalid: neither is there, or they name more than one resource (codes `invalid_request`, `invalid_scope`).
    """
    scope, resource = asked.get("scope", ""), asked.get("resource", "")
    if not scope and not resource:
        raise refusals.invalid_request("The request body must contain the following parameter: 'scope'.")
    words = scope.split()
    openid = frozenset(word for word in words if word in OPENID)
    named = [word for word in words if word not in OPENID]
    if resource and named:
        raise refusals.invalid_scope(scope)
    if resource:
        return Wanted(resource, (DEFAULT,), openid)
    found = [word.rpartition("/") for word in named]
    resources = {place for place, _, _ in found}
    names = tuple(name for _, _, name in found)
    if len(resources) > 1 or "" in resources or not all(names) or (DEFAULT in names and len(names) > 1):
        raise refusals.invalid_scope(scope)
    return Wanted(next(iter(resources), ""), names, openid)


def hop(service: str, resource: str) -> str:
    """That a service may use a resource on behalf of the person who uses the service: both, with a blank between."""
    return f"{service} {resource}"


def ends_of(one: str) -> tuple[str, str]:
    """The service and the resource of a hop."""
    service, _, resource = one.partition(" ")
    return service, resource

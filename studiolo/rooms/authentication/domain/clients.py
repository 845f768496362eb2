"""Applications as sign-in sees them: who asks for tokens, where answers may go, what may be asked of them.

The properties have the names and shapes of Microsoft Graph's `application` (v1.0).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from studiolo.kernel.faults import Invalid
from studiolo.kernel.resource import Resource

IMPERSONATION: Final = "user_impersonation"
"""The one thing that our own services let an application do for a person: everything that the person may do."""

_LOOPBACK: Final = re.compile(r"http://(localhost|127\.0\.0\.1|\[::1\])(?::([0-9]{1,5}))?(/[A-Za-z0-9._~/-]*)?")
_HTTPS: Final = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~%/+-]*)?(\?[A-Za-z0-9._~%/?&=+-]*)?")
_SCOPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,119}")
_NAMES_GROUPS: Final = ("SecurityGroup", "All")
_MOST = 50
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Client:
    """An application that asks for tokens. `since` is its birth; a client that everybody has (the CLI's) has none.

    `redirects` are where a confidential client is answered, `native_redirects` where a program on a person's machine is.
    `offers` are the scopes under which others may ask for it as a resource, `delegates` the resources that it may use
    on behalf of whoever uses it. One that `names_groups` is told in ID tokens which groups a person is in.
    """

    id: str
    name: str
    since: str = ""
    redirects: tuple[str, ...] = ()
    native_redirects: tuple[str, ...] = ()
    is_public: bool = False
    is_everybodys: bool = False
    offers: frozenset[str] = frozenset()
    delegates: tuple[str, ...] = ()
    names_groups: bool = False

    def takes_answers_at(self, address: str) -> bool:
        """Whether an answer may go to this address: letter by letter, but for the port of a program's own loopback."""
        return address in self.redirects or any(_is_same_place(known, address) for known in self.native_redirects)

    def is_native(self, address: str) -> bool:
        """Whether the address is a program's on a person's machine, which can keep no secret."""
        return address not in self.redirects

    @property
    def audience(self) -> str:
        """What `aud` is in tokens for this application as a resource."""
        return self.id


_TOOL_REDIRECTS = ("http://localhost", "http://127.0.0.1")
EVERYBODYS: Final[Mapping[str, Client]] = {
    client.id: client
    for client in (
        # Also the id that azure-identity uses where a developer names none.
        Client("04b07795-8ddb-461a-bbee-02f9e1bf7b46", "Azure CLI", native_redirects=_TOOL_REDIRECTS, is_public=True, is_everybodys=True),
        Client("73747564-696f-4c6f-8000-636c69000001", "Studiolo command line", is_public=True, is_everybodys=True),
        Client(
            "1950a258-227b-4e31-a9cf-717495945fc2", "Azure PowerShell", native_redirects=_TOOL_REDIRECTS, is_public=True, is_everybodys=True
        ),
    )
}
"""Command lines, the public cloud's and ours: known without being registered, public, answered on loopback alone."""


def client_of(application: Resource) -> Client:
    """A stored application as sign-in sees it."""
    found = application.properties
    native = tuple(_member(found, "publicClient", "redirectUris"))
    offered = [str(scope["value"]) for scope in _member(found, "api", "oauth2PermissionScopes")]
    return Client(
        id=application.name.lower(),
        name=found.get("displayName") or application.name,
        since=application.system.created_at,
        redirects=tuple(_member(found, "web", "redirectUris")),
        native_redirects=native,
        is_public=found.get("isFallbackPublicClient") is True or bool(native),
        offers=frozenset(offered or [IMPERSONATION]),
        delegates=tuple(found.get("delegatedResources") or ()),
        names_groups=found.get("groupMembershipClaims") in _NAMES_GROUPS,
    )


def checked_client(found: Mapping[str, Any]) -> dict[str, Any]:
    """An application's sign-in properties, as they may be written.

    Raises:
        Invalid: an address, a scope or a choice is not one (codes `InvalidRedirectUri`, `InvalidScope`,
            `InvalidGroupMembershipClaims`).
    """
    for group, pattern, kind in (("web", _HTTPS, "https://host/path"), ("publicClient", _LOOPBACK, "http://localhost/path")):
        addresses = _texts(_member(found, group, "redirectUris"), f"properties.{group}.redirectUris", "InvalidRedirectUri")
        for address in addresses:
            if not (pattern.fullmatch(address) or (group == "web" and _LOOPBACK.fullmatch(address))) or len(address) > _LONGEST:
                raise Invalid(
                    f"'{address[:100]}' is no redirect address of {group}: it must look like {kind}, without user, wildcard or fragment.",
                    code="InvalidRedirectUri",
                    target=f"properties.{group}.redirectUris",
                )
    for scope in _member(found, "api", "oauth2PermissionScopes"):
        value: Any = scope.get("value")
        if not isinstance(value, str) or not _SCOPE.fullmatch(value):
            raise Invalid(
                "A scope of an application has a 'value' of letters, digits, '.', '_' and '-', such as read.",
                code="InvalidScope",
                target="properties.api.oauth2PermissionScopes",
            )
    if (named := found.get("groupMembershipClaims")) not in (None, "None", *_NAMES_GROUPS):
        raise Invalid(
            f"'groupMembershipClaims' is None, {' or '.join(_NAMES_GROUPS)}, not '{str(named)[:50]}'.",
            code="InvalidGroupMembershipClaims",
            target="properties.groupMembershipClaims",
        )
    resources = _texts(found.get("delegatedResources") or (), "properties.delegatedResources", "InvalidResource")
    return {"delegatedResources": resources or None}


def _texts(given: Sequence[Any], target: str, code: str) -> list[str]:
    if not all(isinstance(each, str) and len(each) <= _LONGEST and each.isprintable() for each in given) or len(given) > _MOST:
        text = f"'{target}' is a list of at most {_MOST} texts, each of at most {_LONGEST} characters without control characters."
        raise Invalid(text, code=code, target=target)
    return list(given)


def _member(found: Mapping[str, Any], group: str, name: str) -> Sequence[Any]:
    inner: Any = found.get(group) or {}
    return inner.get(name) or ()


def _is_same_place(known: str, address: str) -> bool:
    """Two loopback addresses but for their port (RFC 8252, section 7.3), or one text."""
    ours, theirs = _LOOPBACK.fullmatch(known), _LOOPBACK.fullmatch(address)
    if ours is None or theirs is None:
        return known == address
    is_port = theirs[2] is None or 0 < int(theirs[2]) < 65536
    return is_port and ours[1] == theirs[1] and (ours[3] or "/") == (theirs[3] or "/")


def origin_of(address: str) -> str:
    """The origin of a redirect address, as a form's target names it."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"

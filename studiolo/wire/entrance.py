"""The entrance: what a request must be before any surface sees it.

Which names we answer to, whose pages may call, which verbs and which spellings of a path there are. All of it holds for
every verb and on loopback too: a page of somebody else's in a browser on this machine can reach us there, by our own
name from its scripts and by its own name after a change of its address (DNS rebinding).
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import Final

from studiolo.kernel.faults import Forbidden, Invalid, NotAllowed, NotOffered

VERBS: Final = frozenset({"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"})
ALLOW: Final = ", ".join(sorted(VERBS))
MAX_FIELDS: Final = 128
_PLACE: Final = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9](?:[a-z0-9._-]{0,252}))(?::([0-9]{1,5}))?")
# Spellings that another reader of the same path may understand otherwise: encoded separators and controls, a percent
# sign that encodes nothing, empty and dotted segments, backslashes.
_ODD_PATH: Final = re.compile(r"%(?![0-9a-f]{2})|%(?:2f|5c|[01][0-9a-f]|7f)|[\\\x00-\x20\x7f]|//|/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)


def place_of(host: str, scheme: str) -> tuple[str, int] | None:
    """The name and the port of a `Host` header; None if it holds anything else, or more than one."""
    match = _PLACE.fullmatch(host.lower())
    if match is None:
        return None
    port = int(match[2]) if match[2] else 443 if scheme == "https" else 80
    return match[1].strip("[]"), port


def check_framing(method: str, version: str, headers: Mapping[str, str]) -> None:
    """Refuse verbs that we do not have, and heads that two readers may split into different requests.

    Raises:
        NotAllowed: the verb is none of ours.
        Invalid: the framing is odd (code `InvalidHttpRequest`).
        NotOffered: a websocket is asked for (code `UpgradeNotOffered`).
    """
    if method not in VERBS:
        raise NotAllowed(f"'{method[:20]}' is not offered anywhere here.", code="UnsupportedHttpVerb")
    if version not in ("1.1", "1.0"):
        raise Invalid(f"HTTP/{version} is not spoken here.", code="InvalidHttpRequest")
    coding = headers.get("transfer-encoding")
    if coding is not None and (coding.lower() != "chunked" or version == "1.0" or "content-length" in headers):
        raise Invalid("The only transfer encoding is 'chunked', without a length beside it.", code="InvalidHttpRequest")
    if "websocket" in headers.get("upgrade", "").lower():
        raise NotOffered("There are no websockets here.", code="UpgradeNotOffered", target="upgrade")


def check_path(raw_path: str) -> None:
    """Raise Invalid unless there is one reading of the path."""
    if ("%" in raw_path or "/." in raw_path or "//" in raw_path or "\\" in raw_path) and _ODD_PATH.search(raw_path):
        raise Invalid("The path has an empty or a dotted segment, or encodes what it may not.", code="InvalidUri")


def check_page(method: str, origins: Container[str], headers: Mapping[str, str]) -> None:
    """Refuse what another site's page sends, as far as its browser says so; clients that are no browser say nothing.

    A page's own origin says it for scripts and forms, on every verb. Where a browser leaves that out (pictures, scripts,
    frames), it says from what kind of site the request came; a person who follows a link is let in.

    Args:
        method: the verb.
        origins: the origins of our own pages; what people keep here is shown from other hosts, which are not among them.
        headers: the request's.

    Raises:
        Forbidden: the page is not one of ours (code `CrossSiteRequest`).
    """
    origin = headers.get("origin")
    if origin is not None:
        # Forms of pages that hide their referrer say `null`; only the browser itself can then say whose page it is.
        if origin not in origins and not (origin == "null" and headers.get("sec-fetch-site") == "same-origin"):
            raise Forbidden(f"Pages of '{origin[:100]}' may not call this server.", code="CrossSiteRequest", target="origin")
        return
    site = headers.get("sec-fetch-site")
    if site in (None, "same-origin", "none"):
        return
    is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest", "document") == "document"
    if not is_link or method not in ("GET", "HEAD"):
        raise Forbidden("Pages of other sites may not call this server.", code="CrossSiteRequest", target="sec-fetch-site")

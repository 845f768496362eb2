"""The URIs that assets point with, in the forms that clients expect back."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from studiolo.kernel.faults import Invalid
from studiolo.kernel.ids import ResourceId

MAX_URI = 4096
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):.")
_SHORT = re.compile(r"azureml://datastores/([^/]+)/paths/(.+)", re.IGNORECASE)
_SLASH = re.compile("%2f", re.IGNORECASE)
_ACCOUNT = re.compile(r"https?://([a-z0-9]{3,24})\.blob\.core\.[^/?#]+/(.+)", re.IGNORECASE)


def check_uri(uri: object, target: str) -> str:
    """The text, if it is a URI that may be kept.

    Raises:
        Invalid: it is no URI, names a file of the caller's machine, or carries a signature, which everybody who may
            read the asset could then use.
    """
    if not isinstance(uri, str) or not uri:
        raise Invalid(f"'{target}' is required: the URI of the content.", target=target)
    scheme = _SCHEME.match(uri)
    if len(uri) > MAX_URI or not uri.isprintable() or scheme is None or scheme[1].lower() == "file":
        raise Invalid(
            f"'{target}' must be a URI of at most {MAX_URI} characters that the studio can reach, such as "
            f"'azureml://datastores/workspaceblobstore/paths/…' or 'https://…', not '{uri[:200]}'.",
            target=target,
        )
    if any(name.lower() == "sig" for name, _ in parse_qsl(uri.partition("#")[0].partition("?")[2])):
        raise Invalid(
            f"'{target}' carries a shared access signature, which everybody who may read this asset could use. Leave the query out.",
            target=target,
        )
    return uri


def long_form(workspace: ResourceId, uri: str) -> str:
    """A datastore path with its subscription, group and workspace spelled out; any other URI as it is."""
    short = _SHORT.fullmatch(uri)
    if short is None:
        return uri
    return (
        f"azureml://subscriptions/{workspace.subscription}/resourcegroups/{workspace.group}/workspaces/{workspace.name}"
        f"/datastores/{short[1]}/paths/{short[2]}"
    )


def folder_form(uri: str) -> str:
    """The URI of a folder, which ends with a slash."""
    return uri if uri.endswith("/") else uri + "/"


def code_form(uri: str) -> str:
    """The URI of a code snapshot as clients take it apart: they know one host name only, whatever the account's own is."""
    ours = _ACCOUNT.fullmatch(uri)
    return f"https://{ours[1]}.blob.core.windows.net/{_SLASH.sub('/', ours[2])}" if ours else uri

"""Which assets a list shows, by the query options that clients send."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from studiolo.kernel.faults import Invalid, NotOffered
from studiolo.kernel.resource import JsonObject, Resource

_MAX_DIGEST = 128
_VIEWS = {"activeonly": (False,), "archivedonly": (True,), "all": (False, True)}


def shows_asset(asset: Resource, query: Mapping[str, str]) -> bool:
    """Whether a list shows this version or container: `listViewType` (active ones if not said), `tags`, `properties`.

    Raises:
        Invalid: `listViewType` is none of ActiveOnly, ArchivedOnly and All.
    """
    view = query.get("listViewType", "ActiveOnly")
    states = _VIEWS.get(view.lower())
    if states is None:
        message = f"'listViewType' must be ActiveOnly, ArchivedOnly or All, not '{view[:50]}'."
        raise Invalid(message, code="InvalidQueryParameterValue", target="listViewType")
    if bool(asset.properties.get("isArchived")) not in states:
        return False
    tags = query.get("tags") or query.get("$tags")
    if tags and not _holds(asset.properties.get("tags"), tags):
        return False
    wanted = query.get("properties")
    return not wanted or _holds(asset.properties.get("properties"), wanted)


def shows_model(model: Resource, query: Mapping[str, str]) -> bool:
    """As for any asset, and `version`, `description` (a part of it) and `stage`.

    Raises:
        NotOffered: `feed` or `offset` was sent.
    """
    for name in ("feed", "offset"):
        if name in query:
            raise NotOffered(f"Lists of models cannot be narrowed by '{name}'.", target=name)
    kept = model.properties
    if "version" in query and model.name != query["version"]:
        return False
    if "stage" in query and (kept.get("stage") or "").lower() != query["stage"].lower():
        return False
    if "description" in query and query["description"].lower() not in (kept.get("description") or "").lower():
        return False
    return shows_asset(model, query)


def shows_datastore(datastore: Resource, query: Mapping[str, str]) -> bool:
    """Whether a list shows this datastore: `isDefault`, `names`, `searchText`."""
    wanted = query.get("isDefault")
    if wanted is not None and (wanted.lower() == "true") != bool(datastore.properties.get("isDefault")):
        return False
    names = query.get("names")
    if names and datastore.name.lower() not in {name.strip().lower() for name in names.split(",")}:
        return False
    return query.get("searchText", "").lower() in datastore.name.lower()


def code_facets(code: Resource) -> Iterable[str]:
    """What a code version is found by: the hash of its content, alone and with the version of the hash."""
    properties: JsonObject = code.properties.get("properties") or {}
    digest = properties.get("hash_sha256", "")
    if 0 < len(digest) <= _MAX_DIGEST:
        yield f"hash:{digest}"
        yield f"hash:{properties.get('hash_version', '')}:{digest}"


def find_code(query: Mapping[str, str]) -> str | None:
    """The facet that a look-up by content asks for, or None for a plain list."""
    digest = query.get("hash")
    if not digest:
        return None
    version = query.get("hashVersion")
    return f"hash:{version}:{digest}" if version else f"hash:{digest}"


def _holds(kept: Mapping[str, str] | None, wanted: str) -> bool:
    """Whether all of `name` and `name=value`, separated by commas, are there."""
    have = kept or {}
    for pair in wanted.split(","):
        name, equals, value = pair.strip().partition("=")
        if name not in have or (equals and have[name] != value):
            return False
    return True

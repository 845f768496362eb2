"""The attacks: from what the studio says it serves, and from what attackers have tried elsewhere.

Nothing here names a route: a route or a type that is added tomorrow is attacked tomorrow. What a template's name stands
for is guessed from the name; for a name that is new, everything that an attacker may know is tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from studiolo.app.isolation.asking import API_VERSION
from studiolo.app.isolation.world import World
from studiolo.kernel.resource import JsonObject

_ML: Final = "microsoft.machinelearningservices/workspaces"
_STALE: Final = {"if-match": '"nothing-has-this"'}
_BLOB_HEADERS: Final = {"x-ms-version": "2025-11-05", "x-ms-blob-type": "BlockBlob"}
_CHANGES: Final = frozenset({"PUT", "PATCH", "POST", "DELETE"})
REFUSED: Final = frozenset({400, 401, 403, 404, 405, 408, 411, 413, 415, 501})
_BATCH: Final = 202
# Ways to say "one folder up" and to hide a separator, for the place between two containers.
STEPS_UP: Final = (
    "..", "%2e%2e", ".%2e", "%2e.", "%252e%252e", "..%2f..", "..%5c..", "..\\..", "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "....//..", "..;",
    ".%00.", "..%00", "..%0d%0a", "%uff0e%uff0e", "..%c0%af..", "..%252f..", "..%ef%bc%8f..", "./..", ".../...", "..%09", "..%20",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attack:
    """One request, and how it is judged.

    `is_aimed` ones name the kept project, so that nothing but a refusal will do; the answers to others (lists above,
    searches, public pages) may be anything that holds no canary.
    """

    route: str
    method: str
    plane: str
    target: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    is_aimed: bool = True
    account: str = ""


def is_refusal(status: int, body: bytes) -> bool:
    """Whether an answer is a refusal, a batch's part by part."""
    return status in REFUSED or (status == _BATCH and b"HTTP/1.1 4" in body and b"HTTP/1.1 2" not in body)


def attacks(world: World, routes: Sequence[JsonObject], types: Sequence[JsonObject]) -> Iterator[Attack]:
    """Every attack, each to be made by each attacker."""
    for route in routes:
        yield from _on_route(world, route)
    for declared in types:
        yield from _on_type(world, declared)
    yield from _searches(world)
    yield from _blob_tricks(world)


# ── declared routes ──────────────────────────────────────────────────────────────────────────────────────────────────


def _on_route(world: World, route: Mapping[str, Any]) -> Iterator[Attack]:
    query = [f"{name}={value or 'x'}" for name, value in route["query"].items()]
    is_blob = route["host"] == "blob"
    label = f"{route['method']} {route['path']}" + (f"?{'&'.join(query)}" if query else "")
    named = re.findall(r"\{(\w+)(?::path)?\}", route["path"])
    for known in _values(world, named):
        path = re.sub(r"\{(\w+)(?::path)?\}", lambda match: quote(known[match[1]], safe="/"), route["path"])  # noqa: B023 - used at once
        more = query if is_blob else [*query, f"api-version={'2024-10-21' if '/openai/' in path else API_VERSION}"]
        is_change = route["method"] in _CHANGES
        headers = {**(_BLOB_HEADERS if is_blob else {"content-type": "application/json"}), **(_STALE if is_change else {})}
        body = b"" if not is_change or route["method"] == "DELETE" else _body(world, is_blob=is_blob, is_form=route["public"] is not None)
        is_aimed = route["public"] is None and any(_is_kept(world, known[name]) for name in named)
        target = path + ("?" + "&".join(more) if more else "")
        yield Attack(label, route["method"], "blob" if is_blob else "main", target, body, headers, is_aimed, world.kept.account)


def _values(world: World, named: Sequence[str]) -> Iterator[dict[str, str]]:
    """What a template's names stand for: the usual values, and every one that names the kept project in turn."""
    kept, env = world.kept, world.studio.environment
    usual = {
        "subscription": env.subscription,
        "group": env.resource_group,
        "tenant": "adfs",
        "container": kept.container,
        "blob": world.names["blob"],
        "scope": kept.id.strip("/"),
        "project": kept.workspace_id,
        "workspace": kept.name,
        "deployment": "chat",
        "model": "chat",
        "operation": "1",
    }
    guesses = (kept.name, kept.workspace_id, kept.id.strip("/"))
    yield {name: usual.get(name, kept.workspace_id) for name in named}
    for name in named:
        if name == "project" or name not in usual:
            for guess in guesses:
                yield {other: guess if other == name else usual.get(other, kept.workspace_id) for other in named}
        if name == "scope":
            for scope in (f"{kept.account_id}/blobServices/default/containers/{kept.container}", f"{kept.id}/data/{world.names['data']}"):
                yield {other: scope.strip("/") if other == name else usual.get(other, "") for other in named}


def _is_kept(world: World, value: str) -> bool:
    low = value.lower()
    return world.kept.name in low or world.kept.workspace_id in low


def _body(world: World, *, is_blob: bool, is_form: bool) -> bytes:
    if is_blob:
        return b"x"
    if is_form:
        return b"grant_type=client_credentials&client_id=" + world.kept.workspace_id.encode() + b"&client_secret=x"
    return (
        b'{"model":"chat","messages":[{"role":"user","content":"hi"}],"prompt":"hi","input":"hi","who":"me","action":"a/b/read",'
        b'"properties":{}}'
    )


# ── types of the resource manager ────────────────────────────────────────────────────────────────────────────────────


def _on_type(world: World, declared: Mapping[str, Any]) -> Iterator[Attack]:
    name = declared["name"]
    for path in _places(world, name):
        url = f"{quote(path)}?api-version={API_VERSION}"
        is_aimed = _is_kept(world, path)
        yield Attack(f"GET {name}", "GET", "main", url, is_aimed=is_aimed)
        yield Attack(f"HEAD {name}", "HEAD", "main", url, is_aimed=is_aimed)
        for verb in ("PUT", "PATCH", "DELETE"):
            body = b"" if verb == "DELETE" else b'{"location":"local","properties":{},"tags":{"mine":"now"}}'
            yield Attack(f"{verb} {name}", verb, "main", url, body, {**_STALE, "content-type": "application/json"}, is_aimed)
        for action in declared["actions"]:
            target = f"{quote(path)}/{action['name']}?api-version={API_VERSION}"
            yield Attack(f"POST {name} {action['name']}", "POST", "main", target, b"{}", {"content-type": "application/json"}, is_aimed)
        listed = path.rpartition("/")[0]
        yield Attack(f"LIST {name}", "GET", "main", f"{quote(listed)}?api-version={API_VERSION}", is_aimed=_is_kept(world, listed))
    for above in ("", world.subscription, world.group):
        if name.count("/") == 1:
            target = f"{above}/providers/{name}?api-version={API_VERSION}"
            yield Attack(f"LIST {name}", "GET", "main", target, is_aimed=False)


def _places(world: World, name: str) -> Iterator[str]:
    """Paths of things of a type that the kept project has or may have."""
    kept, (namespace, *kinds) = world.kept, name.split("/")
    top = f"{namespace}/{kinds[0]}"
    names = [world.names[word] for word in ("data", "model", "component", "environment", "blob")]
    if top.lower() == _ML:
        yield from _below(kept.id, kinds[1:], [*names, "workspaceblobstore", "1"])
        return
    for holder in (kept.id, f"{kept.account_id}/blobServices/default/containers/{kept.container}", world.group):
        if holder == world.group and top.lower() == "microsoft.storage/storageaccounts":
            yield from _below(kept.account_id, kinds[1:], ["default", kept.container])
            continue
        for own in (kept.name, kept.workspace_id):
            yield from _below(f"{holder}/providers/{top}/{own}", kinds[1:], ["chat", "1"])
    if namespace.lower() == "studiolo.directory":
        yield f"/providers/{top}/{kept.workspace_id}"


def _below(path: str, kinds: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    if not kinds:
        yield path
        return
    chosen = names if len(kinds) == 1 or kinds[0] in ("data", "models", "components", "environments", "codes") else names[:1]
    for name in chosen:
        yield from _below(f"{path}/{kinds[0]}/{name}", kinds[1:], ["1", *names[-1:]])


# ── searches and lists that lie above projects ───────────────────────────────────────────────────────────────────────


def _searches(world: World) -> Iterator[Attack]:
    kept = world.kept
    filters = (
        f"resourceUri eq '{kept.id}'",
        f"resourceUri eq '{kept.account_id}/blobServices/default/containers/{kept.container}'",
        f"name eq '{kept.name}'",
        f"substringof('{kept.name}', name)",
        f"principalId eq '{kept.workspace_id}'",
        "atScope()",
        "assignedTo('x') or 1 eq 1",
        "startswith(name, '')",
    )
    places = (
        f"{world.subscription}/providers/Microsoft.Insights/eventtypes/management/values",
        f"{world.subscription}/resources",
        f"{world.group}/resources",
        f"{world.group}/providers/Microsoft.MachineLearningServices/workspaces",
        f"{world.subscription}/providers/Microsoft.MachineLearningServices/workspaces",
        f"{world.near.id}/providers/Microsoft.Authorization/roleAssignments",
        f"{world.group}/providers/Microsoft.Resources/deployments",
        f"{world.near.id}/data",
        f"{world.near.id}/datastores",
        f"{world.near.id}/models",
    )
    for place in places:
        for text in ("", *filters):
            for more in (
                "",
                "&$top=1000&$expand=*",
                f"&$skipToken={'' if not text else 'L3N1YnNjcmlwdGlvbnMv'}",
                f"&$orderBy=createdTime&search={kept.name}",
            ):
                asked = f"api-version={API_VERSION}" + (f"&$filter={quote(text, safe='')}" if text else "") + more
                yield Attack("search", "GET", "main", f"{quote(place)}?{asked}", is_aimed=False)
    for listed in ("?comp=list", f"?comp=list&prefix={kept.workspace_id}&include=metadata", f"?comp=list&marker={kept.workspace_id}"):
        yield Attack("list containers", "GET", "blob", f"/{listed}", headers=_BLOB_HEADERS, is_aimed=False, account=kept.account)
    where = quote("\"secret\" > ''", safe="")
    yield Attack(
        "find blobs by tags", "GET", "blob", f"/?comp=blobs&where={where}", headers=_BLOB_HEADERS, is_aimed=False, account=kept.account
    )


# ── tricks of the Blob protocol ──────────────────────────────────────────────────────────────────────────────────────


def _blob_tricks(world: World) -> Iterator[Attack]:
    kept, near, blob = world.kept, world.near, world.names["blob"]
    for up in STEPS_UP:
        for shape in (
            f"/{near.container}/{up}/{kept.container}/{blob}",
            f"/{near.container}/x/{up}/{up}/{kept.container}/{blob}",
            f"/{up}/{kept.container}/{blob}",
        ):
            yield Attack("path to a neighbour's blob", "GET", "blob", shape, headers=_BLOB_HEADERS, account=near.account)
    for shape in (
        f"//{kept.container}/{blob}", f"/{kept.container}//{blob}", f"/{kept.container.upper()}/{blob}", f"/{kept.container}%2f{blob}",
        f"/{near.container}%2f..%2f{kept.container}/{blob}",
        f"/{kept.account}/{kept.container}/{blob}", f"/{kept.container}/{blob}?snapshot=1",
        f"/{kept.container}/{blob}%00", f"/{kept.container}./{blob}", f"/%24root/{kept.container}/{blob}", f"/{kept.container}/{blob}/.",
    ):  # fmt: skip
        yield Attack("spelling of a neighbour's blob", "GET", "blob", shape, headers=_BLOB_HEADERS, account=kept.account)
    for listed in (
        f"restype=container&comp=list&prefix=../{kept.container}/", f"restype=container&comp=list&marker={kept.container}/{blob}",
        f"restype=container&comp=list&delimiter=/&prefix={blob}", f"restype=container&comp=list&prefix=%2e%2e%2f{kept.container}",
    ):  # fmt: skip
        yield Attack(
            "list of one's own that looks elsewhere",
            "GET",
            "blob",
            f"/{near.container}?{listed}",
            headers=_BLOB_HEADERS,
            is_aimed=False,
            account=near.account,
        )
    source = f"{world.studio.blob_url(kept.account)}/{kept.container}/{blob}"
    for query, headers in (
        ("", {"x-ms-copy-source": source}),
        ("", {"x-ms-copy-source": source, "x-ms-requires-sync": "true"}),
        ("", {"x-ms-copy-source": f"{source}?{world.own_signature}", "x-ms-requires-sync": "true"}),
        ("?comp=block&blockid=QUFBQQ==", {"x-ms-copy-source": source}),
        ("", {"x-ms-copy-source": f"{world.studio.blob_url(kept.account)}/{near.container}/../{kept.container}/{blob}"}),
    ):
        target = f"/{near.container}/stolen{query}"
        yield Attack("copy of a neighbour's blob", "PUT", "blob", target, headers={**_BLOB_HEADERS, **headers}, account=near.account)
    yield Attack("what was stolen", "GET", "blob", f"/{near.container}/stolen", headers=_BLOB_HEADERS, is_aimed=False, account=near.account)
    part = (
        b"--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: 0\r\n\r\n"
        b"DELETE /%s/%s HTTP/1.1\r\nx-ms-version: 2025-11-05\r\ncontent-length: 0\r\n\r\n--b--\r\n"
    ) % (kept.container.encode(), blob.encode())
    mixed = {**_BLOB_HEADERS, "content-type": "multipart/mixed; boundary=b"}
    for path in (f"/{near.container}?restype=container&comp=batch", f"/{kept.container}?restype=container&comp=batch", "/?comp=batch"):
        yield Attack("batch on a neighbour's blob", "POST", "blob", path, part, mixed, account=near.account)

"""What is in no list of routes: searches that look elsewhere, and spellings that attackers have tried on other servers.

A spelling that no valid request has can have no control, so that its refusals prove little; it is made for what might come through.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from studiolo.app.isolation.asking import API_VERSION
from studiolo.app.isolation.attacks import BLOB_HEADERS, Attack, Form
from studiolo.app.isolation.world import World

_WHY: Final = "a spelling that no valid request has"
# Ways to say "one folder up" and to hide a separator, for the place between two containers.
STEPS_UP: Final = (
    "..", "%2e%2e", ".%2e", "%2e.", "%252e%252e", "..%2f..", "..%5c..", "..\\..", "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "....//..", "..;",
    ".%00.", "..%00", "..%0d%0a", "%uff0e%uff0e", "..%c0%af..", "..%252f..", "..%ef%bc%8f..", "./..", ".../...", "..%09", "..%20",
)  # fmt: skip


def tricks_in(world: World) -> Iterator[Attack]:
    """Every trick. Paths stand as they are sent: nothing in them is a name to fill in."""
    yield from _searches(world)
    yield from _paths(world)
    yield from _copies(world)


def _searches(world: World) -> Iterator[Attack]:
    kept, near = world.kept, world.near
    filters = (
        "",
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
        f"{world.subscription}/resources",
        f"{world.group}/resources",
        f"{world.group}/providers/Microsoft.MachineLearningServices/workspaces",
        f"{world.subscription}/providers/Microsoft.MachineLearningServices/workspaces",
        f"{near.id}/providers/Microsoft.Authorization/roleAssignments",
        f"{world.group}/providers/Microsoft.Resources/deployments",
        f"{near.id}/data",
        f"{near.id}/datastores",
        f"{near.id}/models",
    )
    others = ("$top=1000&$expand=*", "$skipToken=L3N1YnNjcmlwdGlvbnMv", f"$orderBy=createdTime&search={kept.name}")
    for place in places:
        for more in (*(f"$filter={quote(text, safe='')}" if text else "" for text in filters), *others):
            query = f"api-version={API_VERSION}" + (f"&{more}" if more else "")
            yield Attack("search", Form("GET", place, query), {}, judged="open", why=_WHY, is_trick=True)
    for query in (f"comp=list&prefix={kept.workspace_id}&include=metadata", f"comp=list&marker={kept.workspace_id}"):
        yield _blob("list containers", "/", query, kept.account, is_aimed=False)
    yield _blob(
        "find blobs by tags", "/", f"comp=blobs&where={quote(chr(34) + 'secret' + chr(34) + ' > ' + chr(39) * 2, safe='')}", kept.account
    )
    for query in (
        f"prefix=../{kept.container}/", f"marker={kept.container}/{world.known['blob']}", f"delimiter=/&prefix={world.known['blob']}",
        f"prefix=%2e%2e%2f{kept.container}",
    ):  # fmt: skip
        listed = f"restype=container&comp=list&{query}"
        yield _blob("list of one's own that looks elsewhere", f"/{near.container}", listed, near.account, is_aimed=False)


def _paths(world: World) -> Iterator[Attack]:
    kept, near, blob = world.kept, world.near, world.known["blob"]
    for up in STEPS_UP:
        for shape in (
            f"/{near.container}/{up}/{kept.container}/{blob}",
            f"/{near.container}/x/{up}/{up}/{kept.container}/{blob}",
            f"/{up}/{kept.container}/{blob}",
        ):
            yield _blob("path to a neighbour's blob", shape, "", near.account)
    for shape in (
        f"//{kept.container}/{blob}", f"/{kept.container}//{blob}", f"/{kept.container.upper()}/{blob}", f"/{kept.container}%2f{blob}",
        f"/{near.container}%2f..%2f{kept.container}/{blob}", f"/{kept.account}/{kept.container}/{blob}",
        f"/{kept.container}/{blob}%00", f"/{kept.container}./{blob}", f"/%24root/{kept.container}/{blob}", f"/{kept.container}/{blob}/.",
    ):  # fmt: skip
        yield _blob("spelling of a neighbour's blob", shape, "", kept.account)
    yield _blob("spelling of a neighbour's blob", f"/{kept.container}/{blob}", "snapshot=1", kept.account)


def _blob(route: str, path: str, query: str, account: str, *, is_aimed: bool = True) -> Attack:
    form = Form("GET", path, query, BLOB_HEADERS, plane="blob", account=account)
    return Attack(route, form, {}, judged="refused" if is_aimed else "open", why=_WHY, is_trick=True)


def _copies(world: World) -> Iterator[Attack]:
    """Copies into one's own container; the control copies as the owner, within the kept project."""
    kept, near, blob = world.kept, world.near, world.known["blob"]
    place = {"to": near.container}
    control = {"to": kept.container}
    source = f"{world.studio.blob_url(kept.account)}/{kept.container}/{blob}"
    for query, headers in (
        ("", {"x-ms-copy-source": source}),
        ("", {"x-ms-copy-source": source, "x-ms-requires-sync": "true"}),
        ("comp=block&blockid=QUFBQQ==", {"x-ms-copy-source": source}),
    ):
        form = Form("PUT", "/{to}/stolen", query, {**BLOB_HEADERS, **headers}, plane="blob", account=near.account)
        yield Attack("copy of a neighbour's blob", form, place, control)
    for odd in (
        f"{source}?{world.known['own_signature']}",
        f"{world.studio.blob_url(kept.account)}/{near.container}/../{kept.container}/{blob}",
    ):
        form = Form("PUT", "/{to}/stolen", "", {**BLOB_HEADERS, "x-ms-copy-source": odd, "x-ms-requires-sync": "true"}, plane="blob")
        yield Attack("copy of a neighbour's blob", form, place, why=_WHY, is_trick=True)
    yield _blob("what was stolen", f"/{near.container}/stolen", "", near.account, is_aimed=False)

"""The few pages that belong to no room: health, the cloud's metadata, the first page, the activity log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from html import escape
from importlib import resources
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from studiolo.kernel.control import Control
from studiolo.kernel.faults import Unauthenticated
from studiolo.kernel.ids import collection, parse
from studiolo.kernel.resource import Caller, JsonObject
from studiolo.kernel.store.port import Lines, Store
from studiolo.wire.http import Answer, Call, Guard, Judge, Permit, Public, Route, Surface
from studiolo.wire.pages import page
from studiolo.wire.render import render_arm

CLOUD = "Studiolo"
_WORKSPACES = "Microsoft.MachineLearningServices/workspaces"


class Authenticator(Protocol):
    """Who is calling."""

    async def identify(self, call: Call) -> Caller:
        """The caller, or Unauthenticated."""
        ...


def cloud(url: str) -> JsonObject:
    """Where the parts of this cloud are: what `/metadata/endpoints` lists, and what templates read as `environment()`.

    The portal's host needs two dots, since clients take what follows the second as the cloud's suffix; the storage
    suffix begins with `core.`, since account-key clients look for `.blob.core.` in a host name.
    """
    place = urlsplit(url)
    return {
        "name": CLOUD,
        "portal": f"{place.scheme}://portal.studiolo.{place.netloc}",
        "resourceManager": f"{url}/",
        "authentication": {
            "loginEndpoint": f"{url}/",
            "audiences": [f"{url}/", url],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "graph": f"{url}/graph/",
        "graphAudience": f"{url}/graph/",
        "microsoftGraphResourceId": f"{url}/",
        "gallery": f"{url}/",
        "batch": f"{url}/",
        "media": f"{url}/",
        "sqlManagement": f"{url}/",
        "activeDirectoryDataLake": f"{url}/",
        "suffixes": {
            "storage": f"core.{place.netloc}",
            "keyVaultDns": f"vault.{place.netloc}",
            "acrLoginServer": f"azurecr.{place.netloc}",
        },
    }


def platform_surface(url: str, store: Store, control: Control, authenticator: Authenticator, judge: Judge) -> Surface:
    """The routes of this module on the main host."""
    metadata = msgspec.json.encode([cloud(url)])

    async def health(_: Call, __: Permit, ___: dict[str, str]) -> Answer:
        await store.find("/")
        return Answer(200, b"ok\n", [("content-type", "text/plain"), ("cache-control", "no-store")])

    async def endpoints(_: Call, __: Permit, ___: dict[str, str]) -> Answer:
        return Answer(200, metadata, [("content-type", "application/json; charset=utf-8")])

    services = msgspec.json.encode(dict.fromkeys(("api", "history", "catalog", "metrics", "experimentation", "pipelines", "studio"), url))

    async def discovery(_: Call, __: Permit, ___: dict[str, str]) -> Answer:
        return Answer(200, services, [("content-type", "application/json; charset=utf-8")])

    async def style(_: Call, __: Permit, ___: dict[str, str]) -> Answer:
        sheet = (resources.files("studiolo.app") / "page.css").read_bytes()
        return Answer(200, sheet, [("content-type", "text/css; charset=utf-8"), ("cache-control", "max-age=3600")])

    routes = [
        Route("GET", "/healthz", Public("says only that a query succeeded"), health, about="200 once a real query has succeeded."),
        Route("HEAD", "/healthz", Public("says only that a query succeeded"), health),
        Route(
            "GET",
            "/metadata/endpoints",
            Public("clients read it before they can sign in"),
            endpoints,
            about="Where the parts of this cloud are.",
        ),
        Route(
            "GET", "/discovery", Public("says only that every service has this address"), discovery, about="A workspace's `discoveryUrl`."
        ),
        Route("GET", "/page.css", Public("a style sheet"), style),
        Route("GET", "/", Public("shows who is signed in only what the engine lets them list"), _first_page(url, control, authenticator)),
    ]
    return Surface("platform", routes, judge, render_arm, prefixes=("", "healthz", "metadata", "discovery", "page.css"))


def activity_surface(store: Store, authenticator: Authenticator, judge: Judge) -> Surface:
    """The activity log, where the public cloud has it."""
    action = "Microsoft.Insights/eventtypes/values/Read"

    async def values(call: Call, permit: Permit, params: dict[str, str]) -> Answer:
        caller = await authenticator.identify(call)
        scope = f"/subscriptions/{params['subscription']}"
        wanted = call.query().get("$filter", "")
        target = _resource_in(wanted) or scope
        await permit.require(caller, action, target)
        lines = await store.lines(Lines(under=parse(target).key, kinds=("change", "secret"), limit=200, newest_first=True))
        shown = [
            {
                "eventTimestamp": line.at,
                "operationName": {"value": line.action},
                "status": {"value": line.status},
                "caller": line.caller,
                "resourceId": line.target,
                "eventDataId": str(line.seq),
                **({"properties": msgspec.json.decode(line.doc)} if line.doc != b"{}" else {}),
            }
            for line in lines
        ]
        return Answer.json({"value": shown})

    path = "/subscriptions/{subscription}/providers/Microsoft.Insights/eventtypes/management/values"
    route = Route("GET", path, Guard((action,), is_data=False), values, about="The activity log, the newest 200 lines first.")
    return Surface("activity", [route], judge, render_arm)


def _resource_in(text: str) -> str | None:
    """The resource that a filter such as `resourceUri eq '/subscriptions/…'` names."""
    for clause in text.split(" and "):
        name, _, value = clause.strip().partition(" eq ")
        if name.lower() in ("resourceuri", "resourceid"):
            return parse(value.strip().strip("'")).text
    return None


def _first_page(url: str, control: Control, authenticator: Authenticator) -> Callable[[Call, Permit, dict[str, str]], Awaitable[Answer]]:
    async def first(call: Call, _: Permit, __: dict[str, str]) -> Answer:
        try:
            caller = await authenticator.identify(call)
        except Unauthenticated:
            return page("Sign in", _SIGN_IN)
        rows = await _workspaces(control, caller)
        return page("Your hubs and projects", _overview(url, caller, rows))

    return first


async def _workspaces(control: Control, caller: Caller) -> list[JsonObject]:
    """All workspaces that the caller may list."""
    found: list[JsonObject] = []
    subscriptions = await control.list(caller, collection("/subscriptions"), {})
    for doc in subscriptions.docs:
        subscription = msgspec.json.decode(doc)["id"]
        listed = await control.list(caller, collection(f"{subscription}/providers/{_WORKSPACES}"), {})
        found += [msgspec.json.decode(each) for each in listed.docs]
    return found


_SIGN_IN = """
<p class="lead">This studio is yours; it does not know you yet.</p>
<p><a href="/signin">Sign in with your mail address and password</a>, or open the one-time sign-in link that
<code>studiolo up</code> printed. It is good for fifteen minutes and one use; <code>studiolo up</code> prints a new one at
each start.</p>
"""


def _overview(url: str, caller: Caller, workspaces: list[JsonObject]) -> str:
    hubs = [w for w in workspaces if w.get("kind") != "Project"]
    cards = "".join(
        _hub_card(hub, [w for w in workspaces if w["properties"].get("hubResourceId", "").lower() == hub["id"].lower()]) for hub in hubs
    )
    snippet = escape(
        'eval "$(studiolo env)"\n'
        'python -c \'from openai import OpenAI; print(OpenAI().chat.completions.create(model="chat", '
        'messages=[{"role":"user","content":"Hello"}]).choices[0].message.content)\''
    )
    return f"""
<p class="lead">Signed in as <strong>{escape(caller.name or caller.oid)}</strong> at <code>{escape(url)}</code></p>
<section class="cards">{cards or "<p>There is no hub that you may see.</p>"}</section>
<h2>Talk to it from code</h2>
<pre>{snippet}</pre>
<p><a href="/account">Your account</a></p>
<form method="post" action="/signout"><button>Sign out</button></form>
"""


def _hub_card(hub: JsonObject, projects: list[JsonObject]) -> str:
    rows = "".join(
        f"<li><span>{escape(_title(p))}</span><code>{escape(p['properties'].get('workspaceId', ''))}</code></li>" for p in projects
    )
    state = escape(str(hub["properties"].get("provisioningState", "")))
    count = f"{len(projects)} project{'' if len(projects) == 1 else 's'}"
    return (
        f'<article><header><h3>{escape(_title(hub))}</h3><span class="kind">{escape(str(hub.get("kind")))}</span></header>'
        f"<p>{escape(str(hub.get('location')))} · {state} · {count}</p><ul>{rows}</ul></article>"
    )


def _title(workspace: JsonObject) -> str:
    return str(workspace["properties"].get("friendlyName") or workspace["name"])

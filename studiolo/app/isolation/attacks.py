"""The attacks: every served route, verb and action, as a request that its owner's control shows to be a valid one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast
from urllib.parse import quote

import msgspec

from studiolo.app.isolation.asking import API_VERSION, Request
from studiolo.app.isolation.examples import ROUTES, Example, Judged, label_of, line_of
from studiolo.app.isolation.things import THINGS, Act, Thing
from studiolo.kernel.resource import JsonObject

Names = Mapping[str, str]
BLOB_HEADERS: Final = {"x-ms-version": "2025-11-05", "x-ms-blob-type": "BlockBlob"}
_JSON: Final = {"content-type": "application/json"}
_NAME: Final = re.compile(r"\{(\w+)(?::path)?\}")
_INSIDE: Final = frozenset({"credential", "signature"})
_VERSIONED: Final = frozenset({"deployments", "access", "record", "activity", "house"})
_SAFE: Final = "/()$:@!*',;"
NO_EXAMPLE: Final = "no example of a valid request is known: the studio serves what this program does not know"


@dataclass(frozen=True, slots=True)
class Form:
    """A request in which `{name}` stands for something."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | JsonObject = b""
    plane: str = "main"
    account: str = "{account_name}"

    def filled(self, known: Names) -> Request:
        """The request. Raises KeyError for a name that nothing stands for."""
        path, query = quote(filled(self.path, known), safe=_SAFE + "%"), filled(self.query, known)
        body = self.body if isinstance(self.body, bytes) else msgspec.json.encode(_filled_json(self.body, known))
        headers = {name: filled(value, known) for name, value in self.headers.items()}
        return Request(
            self.method,
            self.plane,
            path + (f"?{quote(query, safe=_SAFE + '=&?%')}" if query else ""),
            headers if isinstance(self.body, bytes) else {**_JSON, **headers},
            filled(body.decode(), known).encode() if isinstance(self.body, bytes) else body,
            filled(self.account, known),
        )


@dataclass(frozen=True, slots=True)
class Attack:
    """One request, the control that must succeed before it, and how it is judged; see `Example` for the words.

    `names` stand for the form's names; `control` are the names that the owner's request has instead, sent to `spare` if one
    is made for it. `shows`: the control must show something of the kept project.
    """

    route: str
    form: Form
    names: Names
    control: Names = field(default_factory=dict[str, str])
    spare: Thing | None = None
    spare_form: Form | None = None
    judged: Judged = "refused"
    tells: tuple[str, ...] = ()
    why: str = ""
    unfit: str = ""
    has_twin: bool = True
    shows: bool = False
    makes: str = ""
    is_bare: bool = False
    # A spelling that no valid request has: made by those alone whose credential proves somebody.
    is_trick: bool = False

    @property
    def is_stated(self) -> bool:
        """Whether it was known before that there can be no control, and why."""
        return bool(self.why) and self.why != NO_EXAMPLE


def filled(text: str, known: Names) -> str:
    """A text with what its names stand for; the places of credentials stay."""
    return _NAME.sub(lambda match: match[0] if match[1] in _INSIDE else known[match[1]], text)


def _filled_json(value: Any, known: Names) -> Any:
    if isinstance(value, str):
        return filled(value, known)
    if isinstance(value, dict):
        return {name: _filled_json(each, known) for name, each in cast("JsonObject", value).items()}
    return [_filled_json(each, known) for each in cast("list[Any]", value)] if isinstance(value, list) else value


def resolved(own: Names, known: Names) -> dict[str, str]:
    """The names with those that are an example's own, which may stand for others of them."""
    return {**known, **{name: filled(value, known) for name, value in own.items()}}


def attacks_on(routes: Sequence[JsonObject], types: Sequence[JsonObject]) -> Iterator[Attack]:
    """An attack on everything that is served."""
    for route in routes:
        yield from _on_route(route)
    served = {declared["name"]: declared for declared in types}
    for name in (*(name for name in THINGS if name in served), *sorted(served.keys() - THINGS.keys())):
        yield from _on_type(served[name], THINGS.get(name))


# ── declared routes ──────────────────────────────────────────────────────────────────────────────────────────────────


def _on_route(route: Mapping[str, Any]) -> Iterator[Attack]:
    name, is_blob = label_of(route), route["host"] == "blob"
    example = ROUTES.get(name) or _unknown(route)
    query = [f"{key}={value or 'x'}" for key, value in route["query"].items()] + ([example.query] if example.query else [])
    if route["surface"] in _VERSIONED:
        query.append(f"api-version={API_VERSION}")
    form = Form(
        route["method"],
        _NAME.sub(lambda match: f"{{{match[1]}}}", route["path"]),
        "&".join(query),
        {**BLOB_HEADERS, **example.headers} if is_blob else example.headers,
        example.body,
        "blob" if is_blob else "main",
    )
    judged: Judged = "open" if name not in ROUTES and route["public"] is not None else example.judged
    for names in _variants(example.names, re.findall(r"\{(\w+)", route["path"])):
        yield Attack(
            route=line_of(route),
            form=form,
            names=names,
            control=example.control,
            spare=THINGS[example.spare] if example.spare else None,
            judged=judged,
            tells=example.tells,
            why=example.why,
            unfit=example.unfit,
            has_twin=example.has_twin,
            shows=judged == "filtered" and route["method"] == "GET" and "{" not in route["path"] and "list" in form.query,
            makes=example.makes,
            is_bare=example.is_bare,
        )


def _unknown(route: Mapping[str, Any]) -> Example:
    """A route that stands in no table is attacked as well as may be: each of its names stands for the kept project in turn."""
    guess = {name: "{project}" for name in re.findall(r"\{(\w+)", route["path"]) if name not in ("subscription", "group", "tenant")}
    return Example(names=guess, why=NO_EXAMPLE)


def _variants(names: Names, used: Iterable[str]) -> list[dict[str, str]]:
    """The example's names, and the same at other places of the kept project."""
    found = [dict(names)]
    for name in used:
        if name == "scope" and "id" not in names:
            found += [{**names, "scope": place} for place in ("{kept_box}", "{kept_data}")]
        if name == "project" and "project" not in names:
            found.append({**names, "project": "{kept_name}"})
    return found


# ── types of the resource manager ────────────────────────────────────────────────────────────────────────────────────


def _on_type(declared: Mapping[str, Any], thing: Thing | None) -> Iterator[Attack]:
    name, verbs = declared["name"], declared["verbs"]
    if thing is None:
        thing = Thing(
            f"{{kept}}/providers/{name}/{{kept_name}}", why=dict.fromkeys(("GET", "HEAD", "LIST", "PUT", "PATCH", "DELETE"), NO_EXAMPLE)
        )
    own: Names = {"type": name}
    query = f"api-version={API_VERSION}"

    def attack(verb: str, form: Form, **more: Any) -> Attack:
        return Attack(
            f"{verb} {name}", form, own, tells=thing.tells.get("GET" if verb == "HEAD" else verb, ()), why=thing.why.get(verb, ""), **more
        )

    for path in (thing.path, *thing.also):
        if "get" in verbs:
            yield attack("GET", Form("GET", path, query))
            yield attack("HEAD", Form("HEAD", path, query))
    if "list" in verbs:
        yield from _lists(declared, thing, attack, query)
    if "put" in verbs:
        yield attack("PUT", Form("PUT", thing.path, query, body=thing.body))
    if "patch" in verbs:
        yield attack("PATCH", Form("PATCH", thing.path, query, body=thing.patch))
    for action in declared["actions"]:
        act = thing.actions.get(action["name"], Act())
        form = Form("POST", f"{act.path or thing.path}/{action['name']}", query, body=act.body)
        made = attack(
            f"POST {action['name']}",
            form,
            control=act.control,
            spare_form=replace(form, path=f"{thing.spare}/{action['name']}") if act.is_sparing else None,
        )
        yield replace(made, tells=act.tells, why="" if action["name"] in thing.actions else NO_EXAMPLE)
    if "delete" in verbs:
        yield attack("DELETE", Form("DELETE", thing.path, query), spare=thing)


def _lists(declared: Mapping[str, Any], thing: Thing, attack: Any, query: str) -> Iterator[Attack]:
    """Lists inside the kept project are refused; lists above show others nothing of it."""
    for path in (thing.path, *thing.also):
        listed = path.rpartition("/")[0]
        if not listed:
            continue
        is_inside = not {"subscription", "rg", "account"} >= set(_NAME.findall(listed))
        if is_inside:
            yield attack("LIST", Form("GET", listed, query))
            continue
        # Whoever holds nothing is refused a list of a group, and shown an empty one of a subscription or of everything.
        is_open = re.fullmatch(r"(/subscriptions/\{subscription\})?/(providers/[\w.]+/\w+|\w+)", listed) is not None
        yield attack("LIST", Form("GET", listed, query), judged="open" if is_open else "filtered", shows=not thing.is_common)
    if declared["isTracked"]:
        above = f"/subscriptions/{{subscription}}/providers/{declared['name']}"
        yield attack("LIST", Form("GET", above, query), judged="open", shows=True)

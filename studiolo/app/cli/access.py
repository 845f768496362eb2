"""`studiolo access`: who may what and why, what a change would do, and tests of one's own policies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from studiolo.app.cli.options import HomeOption, Output, OutputOption, YesOption, confirm
from studiolo.kernel.faults import Invalid
from studiolo.kernel.resource import JsonObject

if TYPE_CHECKING:
    from studiolo.app.client import Client

app = typer.Typer(no_args_is_help=True, help="Who may what and why, what a change would do, tests of policies.")


class Plane(StrEnum):
    """Which permissions of a role count: those on resources, or those on the data in them."""

    CONTROL = "control"
    DATA = "data"


@app.command("explain")
def explain(
    who: Annotated[
        str, typer.Argument(help="me, a mail address, a name, a client id or an object id; or the id of a decision.", metavar="WHO|ID")
    ],
    action: Annotated[
        str | None,
        typer.Argument(help="Such as Microsoft.MachineLearningServices/workspaces/read.", metavar="[ACTION", show_default=False),
    ] = None,
    scope: Annotated[
        str | None, typer.Argument(help="An id, or the name of a hub or project.", metavar="SCOPE]", show_default=False)
    ] = None,
    plane: Annotated[Plane | None, typer.Option(help="Default: by the action.", show_default=False)] = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Say whether somebody may do something, and which assignments decide it; or why a call was refused, by its decision id."""
    from studiolo.app.cli import authorization, show
    from studiolo.app.cli.signed_in import on_client

    if action is None:
        _explain_decision(who, output, home)
        return
    if scope is None:
        raise typer.BadParameter("name WHO, ACTION and SCOPE, or the id of a decision alone", param_hint="SCOPE")

    async def work(client: Client) -> JsonObject:
        asked = {"who": await client.principal() if who == "me" else who, "action": action}
        if plane is not None:
            asked["plane"] = plane.value
        path = f"{authorization.scope_of(client, scope)}/providers/Studiolo.Access/explain"
        return await client.act(path, "2026-11-01", asked)

    found = on_client(home, work)
    if output is Output.JSON:
        show.json(found)
        return
    for line in found.get("lines", ()):
        typer.echo(show.plain(str(line)))


ScopeArgument = Annotated[str, typer.Argument(help="An id, or the name of a hub or project.", metavar="SCOPE")]
_VERSION = "2026-11-01"
_PAGE = 1000


@app.command("who-can")
def who_can(
    action: Annotated[str, typer.Argument(help="Such as Microsoft.MachineLearningServices/workspaces/read.", metavar="ACTION")],
    scope: ScopeArgument,
    plane: Annotated[Plane | None, typer.Option(help="Default: by the action.", show_default=False)] = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """List everybody who may do something, and through what."""
    asked: JsonObject = {"action": action, **({"plane": plane.value} if plane is not None else {})}
    found = _asked(home, "whoCan", scope, asked)
    from studiolo.app.cli import show
    from studiolo.app.cli.show import Column, at

    columns = [
        Column("WHO", _who),
        Column("TYPE", at("principal", "type")),
        Column("MAY", _word),
        Column("THROUGH", _ways),
    ]
    show.items(found, columns, output)


@app.command("can")
def can(
    who: Annotated[str, typer.Argument(help="me, a mail address, a name, a client id or an object id.", metavar="WHO")],
    scope: ScopeArgument,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """List everything that somebody may do at a scope."""
    found = _asked(home, "can", scope, {"who": who})
    from studiolo.app.cli import show
    from studiolo.app.cli.show import Column, at

    show.items(found, [Column("ACTION", at("action")), Column("PLANE", at("plane")), Column("MAY", _word)], output)


FileOption = Annotated[Path | None, typer.Option("--file", help="A planned change as JSON.", exists=True, dir_okay=False)]
AssignOption = Annotated[tuple[str, str, str] | None, typer.Option("--assign", help="A role for somebody.", metavar="ROLE WHO SCOPE")]
FromOption = Annotated[str | None, typer.Option("--from", help="With --assign: only from this moment on.", show_default=False)]
UntilOption = Annotated[str | None, typer.Option("--until", help="With --assign: only until this moment.", show_default=False)]
RemoveOption = Annotated[list[str] | None, typer.Option("--remove", help="The id of an assignment.", metavar="ASSIGNMENT")]
DenyOption = Annotated[Path | None, typer.Option("--deny", help="A deny assignment as JSON.", exists=True, dir_okay=False)]
MoveOption = Annotated[
    tuple[str, str] | None,
    typer.Option("--move", help="A subscription or a management group under another group; '/' is none.", metavar="WHAT GROUP"),
]
ReachOption = Annotated[
    tuple[str, str] | None,
    typer.Option("--role-inheritance", help="A hub whose roles would hold in its projects, or not.", metavar="HUB Projects|None"),
]
MomentOption = Annotated[
    str | None, typer.Option("--moment", help="When to look, as 2027-01-31T08:00:00Z. Default: now.", show_default=False)
]


@app.command("simulate")
def simulate(
    scope: Annotated[str, typer.Option("--at", help="Where to look: an id, or the name of a hub or project.", metavar="SCOPE")] = "/",
    file: FileOption = None,
    assign: AssignOption = None,
    begin: FromOption = None,
    end: UntilOption = None,
    remove: RemoveOption = None,
    deny: DenyOption = None,
    move: MoveOption = None,
    reach: ReachOption = None,
    moment: MomentOption = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Say who would gain and who would lose what by a change; nothing is written."""
    change = _change(file, remove, deny, move)
    bounds = {name: bound for name, bound in (("startDateTime", begin), ("endDateTime", end)) if bound is not None}
    if assign is None and bounds:
        raise typer.BadParameter("they say when what --assign gives begins and ends", param_hint="--from and --until")
    if not change and assign is None and reach is None:
        raise Invalid(
            "Name a change: --file, --assign ROLE WHO SCOPE, --remove ASSIGNMENT, --deny FILE, --move WHAT GROUP or --role-inheritance HUB "
            "Projects|None.",
            code="NothingToSimulate",
        )
    body: JsonObject = {"change": change, **({"at": moment} if moment is not None else {})}
    found = _asked(home, "simulate", scope, body, partial(_complete, change, assign, bounds, reach))
    from studiolo.app.cli import show
    from studiolo.app.cli.show import Column, at

    columns = [
        Column("WHO", _several),
        Column("SCOPE", at("scope")),
        Column("HOLDS", at("holds")),
        Column("GAINS", _gains),
        Column("LOSES", _losses),
    ]
    show.items(found, columns, output)


def _change(file: Path | None, remove: list[str] | None, deny: Path | None, move: tuple[str, str] | None) -> JsonObject:
    """The part of a planned change that names ids alone."""
    change = _json(file) if file is not None else {}
    if remove:
        change["remove"] = [*change.get("remove", ()), *remove]
    if deny is not None:
        change["deny"] = [*change.get("deny", ()), _json(deny)]
    if move is not None:
        what, group = move
        change["move"] = [*change.get("move", ()), {"id": _node(what), "parent": None if group == "/" else _node(group)}]
    return change


def _node(text: str) -> str:
    """The id of a subscription (also a GUID alone) or of a management group (also its name alone)."""
    from studiolo.app.cli import authorization

    if text.startswith("/"):
        return text
    return f"/subscriptions/{text}" if authorization.is_guid(text) else f"/providers/Microsoft.Management/managementGroups/{text}"


async def _complete(
    change: JsonObject, assign: tuple[str, str, str] | None, bounds: JsonObject, reach: tuple[str, str] | None, client: Client
) -> None:
    """Put into a planned change what the client knows by name."""
    from studiolo.app.cli import authorization

    if assign is not None:
        role, who, at = assign
        oid = await client.principal() if who == "me" else who
        new = {"role": role, "who": oid, "scope": authorization.scope_of(client, at) or "/", **bounds}
        change["assign"] = [*change.get("assign", ()), new]
    if reach is not None:
        hub, word = reach
        change["hubs"] = [*change.get("hubs", ()), {"hub": authorization.scope_of(client, hub), "roleInheritance": word}]


def _asked(
    home: Path | None, question: str, scope: str, body: JsonObject, complete: Callable[[Client], Awaitable[None]] | None = None
) -> list[JsonObject]:
    """Every page of the answer to a question about a scope. `complete` puts in the body what the client alone knows."""
    from studiolo.app.cli import authorization
    from studiolo.app.cli.signed_in import on_client

    async def work(client: Client) -> list[JsonObject]:
        place = "" if scope == "/" else authorization.scope_of(client, scope)
        if body.get("who") == "me":
            body["who"] = await client.principal()
        if complete is not None:
            await complete(client)
        found: list[JsonObject] = []
        token: str | None = None
        while True:
            more = {"skipToken": token} if token else {}
            page = await client.act(f"{place}/providers/Studiolo.Access/{question}", _VERSION, {**body, "top": _PAGE, **more})
            found += page["value"]
            token = page.get("skipToken")
            if token is None:
                return found

    return on_client(home, work)


def _json(path: Path) -> JsonObject:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Invalid(f"'{path}' is no JSON object: {error}.", code="InvalidChange") from None


def _word(item: JsonObject) -> str:
    if item["allowed"]:
        return "yes, unless a condition says no" if item["isConditional"] else "yes"
    return "under a condition"


def _who(item: JsonObject) -> str:
    return item["principal"]["displayName"] or item["principal"]["id"]


def _several(item: JsonObject) -> list[str]:
    return [one["displayName"] or one["id"] for one in item["principals"]]


def _ways(item: JsonObject) -> list[str]:
    return [_way(way) for way in item["through"]]


def _gains(item: JsonObject) -> str:
    return _turns(item["gains"])


def _losses(item: JsonObject) -> str:
    return _turns(item["loses"])


def _way(way: JsonObject) -> str:
    groups = "".join(f" as a member of {group['displayName'] or group['id']}" for group in way["groups"])
    return f"{way['role']} at {way['scope'] or 'a place that you may not read'}{groups}"


def _turns(turns: list[JsonObject]) -> str:
    few = ", ".join(turn["action"] for turn in turns[:5])
    return f"{few} and {len(turns) - 5} more" if len(turns) > 5 else few


@app.command("seal")
def seal(
    database: Annotated[str | None, typer.Option(help="As for `studiolo up`.", show_default=False)] = None,
    yes: YesOption = False,
    home: HomeOption = None,
) -> None:
    """Accept the rights in the database as they are now, after they were changed by another hand than the server's."""
    import asyncio

    from studiolo.app.cli import show
    from studiolo.app.compose import accept_rights
    from studiolo.app.home import Home
    from studiolo.app.settings import Settings, default_home

    place = Home((home.expanduser() if home is not None else default_home()).absolute())
    confirm(f"Everybody's rights in '{place.root}' will be what the database says now. Go on?", is_sure=yes)
    with place.hold():
        count = asyncio.run(accept_rights(Settings(home=place.root, database=database).checked(), place))
    show.done(f"{count} rows are sealed as they are.")


def _explain_decision(id_: str, output: Output, home: Path | None) -> None:
    """Print what the record has of a refusal, as far as we may see it."""
    from urllib.parse import quote

    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    path = f"/providers/Studiolo.Access/decisions/{quote(id_.rpartition('/')[2], safe='')}"
    found = on_client(home, lambda client: client.get(path, "2026-11-01"))
    if output is Output.JSON:
        show.json(found)
        return
    for line in _decision_lines(found):
        typer.echo(show.plain(line))


def _decision_lines(found: JsonObject) -> Iterator[str]:
    request, error = found["request"], found["error"]
    shared: JsonObject = found["refusals"]
    if found["isMerged"]:
        yield f"{found['at']}  one of {shared['count']} refusals that the record tells together, until {shared['last']}"
        yield f"refused with {error['code']}: {error['message']}"
        return
    yield f"{found['at']}  {request['method']} {request['path']}  (request {request['id']})"
    if shared["count"] > 1:
        yield f"the first of {shared['count']} that were alike, until {shared['last']}"
    yield f"refused with {error['code']}: {error['message']}"
    if not found["isComplete"]:
        yield "Who may read role assignments there can see what decided it: show them this id."
        return
    principal = found["principal"]
    yield f"caller: {principal.get('name') or '-'} {principal['id'] or 'nobody proven'} from {found['client'] or '-'}"
    explanation: JsonObject = found["explanation"]
    told: list[str] = explanation.get("lines", [])
    yield from told or [f"reason: {found['reason']}"]
    bags: dict[str, JsonObject] = explanation.get("attributes", {})
    for plane, attributes in bags.items():
        for name, value in attributes.items():
            yield f"  {plane} attribute {name} was {value!r}"
    for role in found["grantableBy"]:
        people = ", ".join(f"{one['displayName'] or one['id']} ({one['type']})" for one in role["grantedBy"])
        yield f"would be allowed as '{role['name']}', which can be given by: {people or 'nobody'}"


@app.command("decisions")
def decisions(
    is_denied: Annotated[bool, typer.Option("--denied", help="Refusals alone.")] = False,
    who: Annotated[str | None, typer.Option(help="me, a mail address, a name, a client id or an object id.", show_default=False)] = None,
    scope: Annotated[str | None, typer.Option(help="An id, or the name of a hub or project.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the newest.")] = 50,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """List recent decisions: what was refused, and what was allowed to change something or to take a secret."""
    from studiolo.app.cli import show
    from studiolo.app.cli.audit import lines
    from studiolo.app.cli.signed_in import on_client

    async def work(client: Client) -> list[JsonObject]:
        asked = {"who": who, "denied": "true" if is_denied else None}
        return [line async for line in lines(client, "/providers/Studiolo.Access/decisions", scope, limit, **asked)]

    names = ("at", "status", "caller", "action", "target", "reason", "id")
    show.items(on_client(home, work), [show.Column(name, show.at(name)) for name in names], output)


@app.command("test")
def run_tests(
    vectors: Annotated[list[Path], typer.Argument(help="Files with what you expect.", exists=True, dir_okay=False, metavar="VECTORS...")],
    fixtures: Annotated[
        Path, typer.Option("--fixtures", help="The world of the vectors: groups, scopes, roles.", exists=True, dir_okay=False)
    ],
    output: OutputOption = Output.TABLE,
) -> None:
    """Ask the engine everything that the files expect of it, without a server; exit 1 if it disagrees anywhere."""
    from studiolo.kernel.access.vectors import run_vectors

    report = run_vectors(fixtures, vectors)
    if output is Output.JSON:
        from studiolo.app.cli import show

        show.json(report)
    else:
        for disagreement in report.disagreements:
            typer.echo(str(disagreement))
            for line in disagreement.detail:
                typer.echo(f"    {line}")
        typer.echo(str(report))
    if report.agreed != report.total:
        raise typer.Exit(1)

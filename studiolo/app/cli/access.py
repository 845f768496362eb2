"""`studiolo access`: why somebody may or may not, and tests of one's own policies."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from studiolo.app.cli.options import HomeOption, Output, OutputOption
from studiolo.kernel.resource import JsonObject

app = typer.Typer(no_args_is_help=True, help="Why somebody may or may not; tests of policies.")


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
    from studiolo.app.client import Client

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
    yield f"{found['at']}  {request['method']} {request['path']}  (request {request['id']})"
    yield f"refused with {error['code']}: {error['message']}"
    if not found["isComplete"]:
        yield "Who may read role assignments there can see what decided it: show them this id."
        return
    principal = found["principal"]
    yield f"caller: {principal.get('name') or '-'} {principal['id'] or 'nobody proven'} from {found['client'] or '-'}"
    told = found["explanation"].get("lines") or [f"reason: {found['reason']}"]
    yield from (str(line) for line in told)
    for plane in ("request", "resource", "principal", "environment"):
        for name, value in (found["explanation"].get("attributes") or {}).get(plane, {}).items():
            yield f"  {plane} attribute {name} was {value!r}"
    yield "who could grant it:"
    for one in found["grantors"]:
        condition = f" if {one['condition']}" if one["condition"] else ""
        yield f"  {one['principalType']} {one['principalId']} as {one['role']} at {one['scope']}{condition}"


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
    from studiolo.app.client import Client

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

"""`studiolo access`: why somebody may or may not, and tests of one's own policies."""

from __future__ import annotations

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
    who: Annotated[str, typer.Argument(help="me, a mail address, a name, a client id or an object id.", metavar="WHO")],
    action: Annotated[str, typer.Argument(help="Such as Microsoft.MachineLearningServices/workspaces/read.", metavar="ACTION")],
    scope: Annotated[str, typer.Argument(help="An id, or the name of a hub or project.", metavar="SCOPE")],
    plane: Annotated[Plane | None, typer.Option(help="Default: by the action.", show_default=False)] = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Say whether somebody may do something, and which assignments decide it."""
    from studiolo.app.cli import authorization, show
    from studiolo.app.cli.signed_in import on_client
    from studiolo.app.client import Client

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

"""`studiolo keys`: the keys that seal what hubs and projects hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studiolo.app.cli.options import HomeOption, HubOption, Output, OutputOption, ProjectOption, YesOption

if TYPE_CHECKING:
    from studiolo.app.client import Client
    from studiolo.kernel.resource import JsonObject

app = typer.Typer(no_args_is_help=True, help="Keys: what seals the bytes of hubs and projects.")


@app.command("show")
def show_key(hub: HubOption = None, project: ProjectOption = None, output: OutputOption = Output.TABLE, home: HomeOption = None) -> None:
    """Show the key of a hub or a project: its version, what wraps it, what older versions still seal. Never the key."""
    _print(home, _chosen(hub, project), "showKey", output)


@app.command("rotate")
def rotate_key(
    *,
    hub: HubOption = None,
    project: ProjectOption = None,
    reencrypt: Annotated[bool, typer.Option("--reencrypt", help="Seal anew what the older versions sealed, and destroy them.")] = False,
    master: Annotated[bool, typer.Option("--master", help="Rotate the master key of a studio that is stopped.")] = False,
    database: Annotated[str | None, typer.Option(help="With --master: the database, if not in the home.", show_default=False)] = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Give the key of a hub or a project a new version; everything that hangs on it is wrapped anew."""
    if master:
        _rotate_master(home, database)
        return
    _print(home, _chosen(hub, project), "rotateKey", output, {"reencrypt": reencrypt})


@app.command("destroy")
def destroy_key(
    *,
    hub: HubOption = None,
    project: ProjectOption = None,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Destroy the key of a hub or a project: nobody can read again what it sealed, in no backup of the data either."""
    import sys

    from studiolo.kernel.faults import Invalid

    kind, name = _chosen(hub, project)
    if name is None:
        raise Invalid("Name the hub or the project whose key is to be destroyed, with --hub or --project.", code="ConfirmationNeeded")
    if not yes:
        question = f"Everything in the {kind.lower()} '{name}' becomes unreadable for good. Type its name to destroy its key"
        if not sys.stdin.isatty():
            raise Invalid(f"{question}: there is no terminal to ask at, so say yes with --yes.", code="ConfirmationNeeded")
        if typer.prompt(question, err=True) != name:
            raise typer.Abort
    _print(home, (kind, name), "destroyKey", output, {"name": name})


def _chosen(hub: str | None, project: str | None) -> tuple[str, str | None]:
    if hub is not None and project is not None:
        raise typer.BadParameter("a key belongs to a hub or to a project: name one of them", param_hint="--hub")
    return ("Hub", hub) if hub is not None else ("Project", project)


def _print(home: Path | None, chosen: tuple[str, str | None], action: str, output: Output, body: JsonObject | None = None) -> None:
    from studiolo.app.cli import show
    from studiolo.app.cli.show import Column, at
    from studiolo.app.cli.signed_in import on_client
    from studiolo.app.cli.workspaces import API_VERSION, of_kind

    kind, name = chosen

    async def work(client: Client) -> JsonObject:
        path = (await of_kind(client, kind, name or client.environment.project))["id"]
        with show.working(f"{kind} {name or client.environment.project}") as told:
            answer = await client.act(f"{path}/{action}", API_VERSION, body, told)
            return await client.act(f"{path}/showKey", API_VERSION) if action == "rotateKey" else answer

    def older(item: JsonObject) -> list[str]:
        return [f"{one['version']} ({one['created']})" for one in item.get("olderVersions", [])]

    columns = [
        Column(heading, at(member))
        for heading, member in (
            ("state", "state"),
            ("version", "version"),
            ("created", "created"),
            ("destroyed", "destroyed"),
            ("wrapped by", "wrappedBy"),
            ("customer's key", "customerKey"),
            ("sealed by older versions", "sealedByOlderVersions"),
            ("workspace", "workspace"),
        )
    ]
    show.item(on_client(home, work), [*columns[:3], Column("older versions", older), *columns[3:]], output)


def _rotate_master(home: Path | None, database: str | None) -> None:
    from studiolo.app.cli import show
    from studiolo.app.home import Home
    from studiolo.app.master import rotate_master
    from studiolo.app.settings import Settings, default_home

    place = Home((home.expanduser() if home is not None else default_home()).absolute())
    file = Settings(home=place.root, database=database).database_file(place.database)
    rotate_master(place, file)
    show.done(f"The master key is new: back up '{place.master_key_file.parent}' again, and destroy older copies of it.")

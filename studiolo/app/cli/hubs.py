"""`studiolo hub`: hubs, which hold what their projects share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from studiolo.app.cli.options import HomeOption, Output, OutputOption, TagsOption, YesOption, tags

app = typer.Typer(no_args_is_help=True, help="Hubs: what projects share.")

NameArgument = Annotated[str, typer.Argument(help="The hub's name.", metavar="NAME")]
ShownOption = Annotated[str | None, typer.Option("--display-name", help="The name that people see.", show_default=False)]
AboutOption = Annotated[str | None, typer.Option("--description", help="What the hub is for.", show_default=False)]


class Reach(StrEnum):
    """How far roles on a hub reach."""

    NONE = "None"
    PROJECTS = "Projects"


ReachOption = Annotated[
    Reach | None, typer.Option("--role-inheritance", help="Whether roles on the hub also hold in its projects.", show_default=False)
]


@app.command("list")
def list_hubs(output: OutputOption = Output.TABLE, home: HomeOption = None) -> None:
    """List the hubs."""
    from studiolo.app.cli import workspaces

    workspaces.list_all(home, "Hub", output)


@app.command("show")
def show_hub(name: NameArgument, output: OutputOption = Output.TABLE, home: HomeOption = None) -> None:
    """Show one hub."""
    from studiolo.app.cli import workspaces

    workspaces.show_one(home, "Hub", name, output)


@app.command("create")
def create_hub(
    name: NameArgument,
    *,
    location: Annotated[str, typer.Option(help="Where the hub lives.")] = "local",
    display_name: ShownOption = None,
    description: AboutOption = None,
    storage_account: Annotated[
        str | None, typer.Option(help="The id of a storage account. Default: one is made.", show_default=False)
    ] = None,
    key_vault: Annotated[str | None, typer.Option(help="The id of a vault. Default: one is made.", show_default=False)] = None,
    role_inheritance: ReachOption = None,
    tag: TagsOption = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Create a hub, with a storage account and a vault of its own."""
    from studiolo.app.cli import workspaces

    properties = workspaces.settings(
        friendlyName=display_name,
        description=description,
        storageAccount=storage_account,
        keyVault=key_vault,
        roleInheritance=role_inheritance,
    )
    workspaces.create(home, "Hub", name, {"location": location, "tags": tags(tag) or {}, "properties": properties}, output)


@app.command("update")
def update_hub(
    name: NameArgument,
    display_name: ShownOption = None,
    description: AboutOption = None,
    role_inheritance: ReachOption = None,
    tag: TagsOption = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Change what a hub says about itself, or how far its roles reach. Tags replace all tags."""
    from studiolo.app.cli import workspaces

    properties = workspaces.settings(friendlyName=display_name, description=description, roleInheritance=role_inheritance)
    changes = {name: value for name, value in (("tags", tags(tag)), ("properties", properties)) if value}
    workspaces.update(home, "Hub", name, changes, output)


@app.command("delete")
def delete_hub(name: NameArgument, yes: YesOption = False, home: HomeOption = None) -> None:
    """Delete a hub and its projects, after asking."""
    from studiolo.app.cli import workspaces

    workspaces.delete(home, "Hub", name, is_sure=yes)

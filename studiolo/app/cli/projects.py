"""`studiolo project`: projects, each behind its own data wall."""

from __future__ import annotations

from typing import Annotated

import typer

from studiolo.app.cli.options import HomeOption, HubOption, Output, OutputOption, TagsOption, YesOption, tags

app = typer.Typer(no_args_is_help=True, help="Projects: where teams build, each behind its own data wall.")

NameArgument = Annotated[str, typer.Argument(help="The project's name.", metavar="NAME")]
ShownOption = Annotated[str | None, typer.Option("--display-name", help="The name that people see.", show_default=False)]
AboutOption = Annotated[str | None, typer.Option("--description", help="What the project is for.", show_default=False)]


@app.command("list")
def list_projects(
    hub: Annotated[str | None, typer.Option(help="Only the projects of this hub.", show_default=False)] = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """List the projects."""
    from studiolo.app.cli import workspaces

    workspaces.list_all(home, "Project", output, hub)


@app.command("show")
def show_project(name: NameArgument, output: OutputOption = Output.TABLE, home: HomeOption = None) -> None:
    """Show one project."""
    from studiolo.app.cli import workspaces

    workspaces.show_one(home, "Project", name, output)


@app.command("create")
def create_project(
    name: NameArgument,
    hub: HubOption = None,
    display_name: ShownOption = None,
    description: AboutOption = None,
    tag: TagsOption = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Create a project in a hub, with containers, datastores and an identity of its own."""
    from studiolo.app.cli import workspaces

    properties = workspaces.settings(friendlyName=display_name, description=description)
    workspaces.create(home, "Project", name, {"tags": tags(tag) or {}, "properties": properties}, output, hub)


@app.command("update")
def update_project(
    name: NameArgument,
    display_name: ShownOption = None,
    description: AboutOption = None,
    tag: TagsOption = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Change what a project says about itself. Tags replace all tags."""
    from studiolo.app.cli import workspaces

    properties = workspaces.settings(friendlyName=display_name, description=description)
    changes = {name: value for name, value in (("tags", tags(tag)), ("properties", properties)) if value}
    workspaces.update(home, "Project", name, changes, output)


@app.command("delete")
def delete_project(name: NameArgument, yes: YesOption = False, home: HomeOption = None) -> None:
    """Delete a project, after asking."""
    from studiolo.app.cli import workspaces

    workspaces.delete(home, "Project", name, is_sure=yes)

"""`studiolo data`: data assets of a project."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from studiolo.app.cli.options import HomeOption, Output, OutputOption, ProjectOption, TagsOption, tags

app = typer.Typer(no_args_is_help=True, help="Data assets: named versions of files.")

NameArgument = Annotated[str, typer.Argument(help="The data asset's name.", metavar="NAME")]
VersionOption = Annotated[str | None, typer.Option("--version", "-v", help="The version. Default: the newest.", show_default=False)]


class Kind(StrEnum):
    """What a data asset is."""

    FOLDER = "uri_folder"
    FILE = "uri_file"
    TABLE = "mltable"


@app.command("list")
def list_data(
    name: Annotated[str | None, typer.Option("--name", help="List the versions of this name.", show_default=False)] = None,
    archived: Annotated[bool, typer.Option("--archived", help="With what is archived.")] = False,
    project: ProjectOption = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """List the data assets of a project, or the versions of one."""
    from studiolo.app.cli import assets

    assets.list_all(assets.DATA, home, project, name, output, has_archived=archived)


@app.command("show")
def show_data(
    name: NameArgument,
    version: VersionOption = None,
    project: ProjectOption = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Show one version of a data asset."""
    from studiolo.app.cli import assets

    assets.show_one(assets.DATA, home, project, name, version, output)


@app.command("create")
def create_data(
    name: NameArgument,
    path: Annotated[str, typer.Argument(help="A local file or folder, which is uploaded, or an address such as azureml://….")],
    *,
    version: Annotated[
        str | None, typer.Option("--version", "-v", help="The new version. Default: the next number.", show_default=False)
    ] = None,
    kind: Annotated[Kind | None, typer.Option("--type", help="Default: by what the path is.", show_default=False)] = None,
    description: Annotated[str | None, typer.Option(help="What the data is.", show_default=False)] = None,
    tag: TagsOption = None,
    project: ProjectOption = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Upload files and make a version of them."""
    from studiolo.app.cli import assets

    guess = Kind.FILE if Path(path).is_file() else Kind.FOLDER
    properties = {"dataType": (kind or guess).value, "description": description, "tags": tags(tag)}
    assets.create(assets.DATA, home, project, name, version, path, properties, output)


@app.command("archive")
def archive_data(
    name: NameArgument,
    version: Annotated[str | None, typer.Option("--version", "-v", help="Only this version.", show_default=False)] = None,
    project: ProjectOption = None,
    home: HomeOption = None,
) -> None:
    """Hide a data asset, or one version, from lists."""
    from studiolo.app.cli import assets

    assets.archive(assets.DATA, home, project, name, version, is_archived=True)


@app.command("restore")
def restore_data(
    name: NameArgument,
    version: Annotated[str | None, typer.Option("--version", "-v", help="Only this version.", show_default=False)] = None,
    project: ProjectOption = None,
    home: HomeOption = None,
) -> None:
    """Show a data asset, or one version, in lists again."""
    from studiolo.app.cli import assets

    assets.archive(assets.DATA, home, project, name, version, is_archived=False)


@app.command("download")
def download_data(
    name: NameArgument,
    to: Annotated[Path, typer.Option("--to", help="The folder to fill.")] = Path(),
    version: VersionOption = None,
    project: ProjectOption = None,
    home: HomeOption = None,
) -> None:
    """Bring the files of a version here."""
    from studiolo.app.cli import assets

    assets.download(assets.DATA, home, project, name, version, to)

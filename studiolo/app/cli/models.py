"""`studiolo model`: models of a project, and a word with one that is deployed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studiolo.app.cli.options import HomeOption, Output, OutputOption, ProjectOption, TagsOption, tags

app = typer.Typer(no_args_is_help=True, help="Models: named versions of files, and a chat.")

NameArgument = Annotated[str, typer.Argument(help="The model's name.", metavar="NAME")]
VersionOption = Annotated[str | None, typer.Option("--version", "-v", help="The version. Default: the newest.", show_default=False)]


@app.command("list")
def list_models(
    name: Annotated[str | None, typer.Option("--name", help="List the versions of this name.", show_default=False)] = None,
    archived: Annotated[bool, typer.Option("--archived", help="With what is archived.")] = False,
    project: ProjectOption = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """List the models of a project, or the versions of one."""
    from studiolo.app.cli import assets

    assets.list_all(assets.MODEL, home, project, name, output, has_archived=archived)


@app.command("show")
def show_model(
    name: NameArgument,
    version: VersionOption = None,
    project: ProjectOption = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Show one version of a model."""
    from studiolo.app.cli import assets

    assets.show_one(assets.MODEL, home, project, name, version, output)


@app.command("create")
def create_model(
    name: NameArgument,
    path: Annotated[str, typer.Argument(help="A local file or folder, which is uploaded, or an address such as azureml://….")],
    *,
    version: Annotated[
        str | None, typer.Option("--version", "-v", help="The new version. Default: the next number.", show_default=False)
    ] = None,
    kind: Annotated[str, typer.Option("--type", help="custom_model, mlflow_model or triton_model.")] = "custom_model",
    description: Annotated[str | None, typer.Option(help="What the model does.", show_default=False)] = None,
    tag: TagsOption = None,
    project: ProjectOption = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Upload files and make a version of them."""
    from studiolo.app.cli import assets

    properties = {"modelType": kind, "description": description, "tags": tags(tag)}
    assets.create(assets.MODEL, home, project, name, version, path, properties, output)


@app.command("archive")
def archive_model(
    name: NameArgument,
    version: Annotated[str | None, typer.Option("--version", "-v", help="Only this version.", show_default=False)] = None,
    project: ProjectOption = None,
    home: HomeOption = None,
) -> None:
    """Hide a model, or one version, from lists."""
    from studiolo.app.cli import assets

    assets.archive(assets.MODEL, home, project, name, version, is_archived=True)


@app.command("restore")
def restore_model(
    name: NameArgument,
    version: Annotated[str | None, typer.Option("--version", "-v", help="Only this version.", show_default=False)] = None,
    project: ProjectOption = None,
    home: HomeOption = None,
) -> None:
    """Show a model, or one version, in lists again."""
    from studiolo.app.cli import assets

    assets.archive(assets.MODEL, home, project, name, version, is_archived=False)


@app.command("download")
def download_model(
    name: NameArgument,
    to: Annotated[Path, typer.Option("--to", help="The folder to fill.")] = Path(),
    version: VersionOption = None,
    project: ProjectOption = None,
    home: HomeOption = None,
) -> None:
    """Bring the files of a version here."""
    from studiolo.app.cli import assets

    assets.download(assets.MODEL, home, project, name, version, to)


@app.command("chat")
def chat(
    prompt: Annotated[str, typer.Argument(help="What to say.")],
    deployment: Annotated[str, typer.Option("--deployment", "-d", help="The deployment that answers.")] = "chat",
    home: HomeOption = None,
) -> None:
    """Say one thing to a deployed model and print its answer as it comes."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client
    from studiolo.app.client import Client

    async def work(client: Client) -> None:
        async for piece in client.chat(deployment, prompt):
            typer.echo(show.plain(piece), nl=False)
        typer.echo()

    on_client(home, work)

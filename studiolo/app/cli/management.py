"""`studiolo management-group`: groups above subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from studiolo.app.cli.options import HomeOption, Output, OutputOption, YesOption, confirm
from studiolo.kernel.resource import JsonObject

if TYPE_CHECKING:
    from studiolo.app.cli.show import Column
    from studiolo.app.client import Client

app = typer.Typer(no_args_is_help=True, help="Management groups: roles and denials above subscriptions.")

NameArgument = Annotated[str, typer.Argument(help="The group's name.", metavar="NAME")]
SubscriptionArgument = Annotated[str | None, typer.Argument(help="A subscription's id. Default: ours.", show_default=False)]
_API_VERSION = "2023-04-01"
_PATH = "/providers/Microsoft.Management/managementGroups"


@app.command("list")
def list_groups(output: OutputOption = Output.TABLE, home: HomeOption = None) -> None:
    """List the management groups."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    async def work(client: Client) -> Sequence[JsonObject]:
        return [one async for one in client.pages(_PATH, _API_VERSION)]

    show.items(on_client(home, work), _columns(), output)


@app.command("show")
def show_group(name: NameArgument, output: OutputOption = Output.TABLE, home: HomeOption = None) -> None:
    """Show what lies below a management group."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    async def work(client: Client) -> Sequence[JsonObject]:
        return [one async for one in client.pages(f"{_PATH}/{name}/descendants", _API_VERSION)]

    columns = (
        show.Column("name", show.at("name")),
        show.Column("shown as", show.at("properties", "displayName")),
        show.Column("type", show.at("type")),
        show.Column("below", show.at("properties", "parent", "id")),
    )
    show.items(on_client(home, work), columns, output)


@app.command("create")
def create_group(
    name: NameArgument,
    parent: Annotated[str | None, typer.Option(help="The group above. Default: the tenant's root.", show_default=False)] = None,
    display_name: Annotated[str | None, typer.Option("--display-name", help="The name that people see.", show_default=False)] = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Make a management group, or hang it elsewhere."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    properties: JsonObject = {"details": {"parent": {"id": f"{_PATH}/{parent}"}}} if parent else {}
    if display_name is not None:
        properties["displayName"] = display_name
    show.item(on_client(home, lambda client: client.write(f"{_PATH}/{name}", _API_VERSION, {"properties": properties})), _columns(), output)


@app.command("delete")
def delete_group(name: NameArgument, yes: YesOption = False, home: HomeOption = None) -> None:
    """Delete an empty management group, after asking."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    confirm(f"Delete the management group '{name}'?", is_sure=yes)
    on_client(home, lambda client: client.delete(f"{_PATH}/{name}", _API_VERSION))
    show.done("The management group is deleted.")


@app.command("add")
def add_subscription(name: NameArgument, subscription: SubscriptionArgument = None, home: HomeOption = None) -> None:
    """Move a subscription into a management group."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    async def work(client: Client) -> None:
        await client.write(f"{_PATH}/{name}/subscriptions/{subscription or client.environment.subscription}", _API_VERSION, {})

    on_client(home, work)
    show.done(f"The subscription lies in '{name}' now.")


@app.command("remove")
def remove_subscription(
    name: NameArgument, subscription: SubscriptionArgument = None, yes: YesOption = False, home: HomeOption = None
) -> None:
    """Take a subscription out of a management group, after asking."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    confirm(f"Take the subscription out of '{name}'?", is_sure=yes)

    async def work(client: Client) -> None:
        await client.delete(f"{_PATH}/{name}/subscriptions/{subscription or client.environment.subscription}", _API_VERSION)

    on_client(home, work)
    show.done(f"The subscription lies in '{name}' no longer.")


def _columns() -> Sequence[Column]:
    from studiolo.app.cli import show

    return (
        show.Column("name", show.at("name")),
        show.Column("shown as", show.at("properties", "displayName")),
        show.Column("below", show.at("properties", "details", "parent", "name")),
    )

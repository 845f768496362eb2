"""`studiolo deny`: what nobody named may do, whatever is granted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studiolo.app.cli.options import HomeOption, Output, OutputOption, YesOption, confirm
from studiolo.kernel.resource import JsonObject

if TYPE_CHECKING:
    from studiolo.app.cli.show import Column
    from studiolo.app.client import Client

app = typer.Typer(no_args_is_help=True, help="Deny assignments: what nobody named may do, whatever is granted.")

ScopeOption = Annotated[
    str | None, typer.Option("--scope", "-s", help="An id, or the name of a hub or project. Default: the project.", show_default=False)
]
_API_VERSION = "2024-07-01-preview"


@app.command("list")
def list_denials(scope: ScopeOption = None, output: OutputOption = Output.TABLE, home: HomeOption = None) -> None:
    """List the deny assignments at a scope, above it and below it."""
    from studiolo.app.cli import authorization, show
    from studiolo.app.cli.signed_in import on_client

    async def work(client: Client) -> Sequence[JsonObject]:
        return [one async for one in client.pages(authorization.denials(authorization.scope_of(client, scope)), _API_VERSION)]

    show.items(on_client(home, work), _columns(), output)


@app.command("create")
def create_denial(
    name: Annotated[str, typer.Argument(help="A name for people.", metavar="NAME")],
    *,
    who: Annotated[
        list[str] | None, typer.Option("--who", help="Who may not; may be given again. Default: everyone.", show_default=False)
    ] = None,
    excepted: Annotated[list[str] | None, typer.Option("--except", help="Who may all the same.", show_default=False)] = None,
    action: Annotated[
        list[str] | None, typer.Option("--action", help="A pattern such as Microsoft.Storage/*/delete.", show_default=False)
    ] = None,
    but: Annotated[list[str] | None, typer.Option("--but-not", help="Actions that stay allowed.", show_default=False)] = None,
    data: Annotated[list[str] | None, typer.Option("--data-action", help="A pattern of data actions.", show_default=False)] = None,
    here: Annotated[bool, typer.Option("--here-only", help="Not in what lies below the scope.")] = False,
    audit: Annotated[bool, typer.Option("--audit", help="Deny nothing; `access explain` tells what would be denied.")] = False,
    condition: Annotated[str | None, typer.Option(help="Only unless this condition is false.", show_default=False)] = None,
    description: Annotated[str | None, typer.Option(help="Why.", show_default=False)] = None,
    scope: ScopeOption = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Deny actions to somebody, or to everyone but somebody, at a scope and below."""
    from studiolo.app.cli import authorization, show
    from studiolo.app.cli.signed_in import on_client
    from studiolo.kernel import clock

    given: dict[str, Any] = {
        "denyAssignmentName": name,
        "description": description,
        "permissions": [{"actions": action or [], "notActions": but or [], "dataActions": data or []}],
        "doNotApplyToChildScopes": here,
        "denyAssignmentEffect": "audit" if audit else "enforced",
        "condition": condition,
        "conditionVersion": "2.0" if condition else None,
    }

    async def work(client: Client) -> JsonObject:
        named = [{"id": (await authorization.find_principal(client, each))[0]} for each in who or ()]
        spared = [{"id": (await authorization.find_principal(client, each))[0]} for each in excepted or ()]
        asked = {**given, "principals": named or [{"id": authorization.EVERYONE, "type": "SystemDefined"}], "excludePrincipals": spared}
        path = f"{authorization.denials(authorization.scope_of(client, scope))}/{clock.new_id()}"
        return await client.write(
            path, _API_VERSION, {"properties": {member: value for member, value in asked.items() if value is not None}}
        )

    show.item(on_client(home, work), _columns(), output)


@app.command("delete")
def delete_denial(
    id_: Annotated[str, typer.Argument(help="The id, as `studiolo deny list -o json` shows it.", metavar="ID")],
    yes: YesOption = False,
    home: HomeOption = None,
) -> None:
    """Take a deny assignment back, after asking."""
    from studiolo.app.cli import authorization, show
    from studiolo.app.cli.signed_in import on_client

    if "/denyassignments/" not in id_.lower():
        raise typer.BadParameter("give the id of a deny assignment.", param_hint="ID")
    confirm(f"Take back {id_}?", is_sure=yes)
    on_client(home, lambda client: client.delete(authorization.scope_of(client, id_), _API_VERSION))
    show.done("The deny assignment is taken back.")


def _columns() -> Sequence[Column]:
    from studiolo.app.cli import show

    def ids(member: str) -> Callable[[JsonObject], list[str]]:
        def read(item: JsonObject) -> list[str]:
            named: list[JsonObject] = item["properties"].get(member) or []
            return [str(each["id"]) for each in named]

        return read

    def actions(item: JsonObject) -> list[str]:
        blocks: list[JsonObject] = item["properties"]["permissions"]
        return [text for block in blocks for text in (*block.get("actions", ()), *block.get("dataActions", ()))]

    return (
        show.Column("name", show.at("properties", "denyAssignmentName")),
        show.Column("who", ids("principals")),
        show.Column("except", ids("excludePrincipals")),
        show.Column("actions", actions),
        show.Column("effect", show.at("properties", "denyAssignmentEffect")),
        show.Column("platform's", show.at("properties", "isSystemProtected")),
        show.Column("scope", show.at("properties", "scope")),
        show.Column("id", show.at("name")),
    )

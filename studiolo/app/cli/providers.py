"""`studiolo identity provider`: providers elsewhere that people sign in by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from studiolo.app.cli.options import HomeOption, Output, OutputOption
from studiolo.kernel.faults import Invalid
from studiolo.kernel.resource import JsonObject

if TYPE_CHECKING:
    from studiolo.app.cli.show import Column
    from studiolo.app.client import Client

app = typer.Typer(no_args_is_help=True, help="Providers of OpenID Connect that people sign in by: Keycloak, Entra ID, another studio.")
API_VERSION: Final = "2026-11-01"
_DIRECTORY: Final = "/providers/Studiolo.Directory"
_PROVIDERS: Final = f"{_DIRECTORY}/identityProviders"
NameArgument = Annotated[str, typer.Argument(help="The provider's short name, which stands in addresses.", metavar="NAME")]


@app.command("add")
def add_provider(
    name: NameArgument,
    issuer: Annotated[str, typer.Option(help="The address whose /.well-known/openid-configuration describes it.")],
    client_id: Annotated[str, typer.Option(help="The client id that the provider knows this studio by.")],
    secret_file: Annotated[
        Path | None,
        typer.Option(help="A file with the client secret; - reads it from the standard input.", show_default=False, allow_dash=True),
    ] = None,
    shown: Annotated[str | None, typer.Option("--shown-name", help="The name on the sign-in page.", show_default=False)] = None,
    scope: Annotated[list[str] | None, typer.Option(help="A scope beside openid and profile.", show_default=False)] = None,
    groups_claim: Annotated[str, typer.Option(help="The claim that names a person's groups.")] = "groups",
    group: Annotated[
        list[str] | None,
        typer.Option("--map", help="VALUE=GROUP: who has the value in the claim is in the group; may come again.", show_default=False),
    ] = None,
    admits_new: Annotated[bool, typer.Option("--new-people", help="Let in people whom nobody here has linked before.")] = False,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Add a provider, or change all of one; prints the address that the provider must know."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    secret = _secret_in(secret_file)
    properties: JsonObject = {
        "displayName": shown or name,
        "issuer": issuer,
        "clientId": client_id,
        "scopes": list(dict.fromkeys(("openid", "profile", *(scope or ())))),
        "groupsClaim": groups_claim,
        "admitsNewUsers": admits_new,
    }

    async def work(client: Client) -> JsonObject:
        mappings = [await _mapping(client, text) for text in group or ()]
        path = f"{_PROVIDERS}/{name}"
        await client.write(path, API_VERSION, {"properties": {**properties, "groupMappings": mappings}})
        if secret:
            await client.act(f"{path}/setClientSecret", API_VERSION, {"clientSecret": secret})
        return await client.get(path, API_VERSION)

    show.item(on_client(home, work), _columns(), output)


@app.command("list")
def list_providers(output: OutputOption = Output.TABLE, home: HomeOption = None) -> None:
    """List the providers."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    async def work(client: Client) -> list[JsonObject]:
        names = [str(one["name"]) async for one in client.pages(_PROVIDERS, API_VERSION)]
        return [await client.get(f"{_PROVIDERS}/{name}", API_VERSION) for name in names]

    show.items(on_client(home, work), _columns(), output)


@app.command("show")
def show_provider(name: NameArgument, output: OutputOption = Output.TABLE, home: HomeOption = None) -> None:
    """Show one provider."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    show.item(on_client(home, lambda client: client.get(f"{_PROVIDERS}/{name}", API_VERSION)), _columns(), output)


@app.command("remove")
def remove_provider(name: NameArgument, home: HomeOption = None) -> None:
    """Remove a provider: nobody signs in by it any more. People and memberships stay as they are."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    on_client(home, lambda client: client.delete(f"{_PROVIDERS}/{name}", API_VERSION))
    show.done(f"Nobody signs in by '{name}' any more.")


@app.command("link")
def link_user(
    name: NameArgument,
    who: Annotated[str, typer.Argument(help="A mail address, a name or an object id.", metavar="WHO")],
    subject: Annotated[str, typer.Argument(help="The `sub` by which the provider knows the person.", metavar="SUBJECT")],
    home: HomeOption = None,
) -> None:
    """Let a user of ours sign in by a provider, as the person whom it knows by this name."""
    from studiolo.app.cli import authorization, show
    from studiolo.app.cli.signed_in import on_client

    async def work(client: Client) -> None:
        provider = await client.get(f"{_PROVIDERS}/{name}", API_VERSION)
        oid, _ = await authorization.find_principal(client, who)
        path = f"{_DIRECTORY}/users/{oid}"
        kept: list[JsonObject] = (await client.get(path, API_VERSION))["properties"].get("identities") or []
        added = {"signInType": "federated", "issuer": provider["properties"]["issuer"], "issuerAssignedId": subject}
        await client.write(path, API_VERSION, {"properties": {"identities": [*kept, added]}}, method="PATCH")

    on_client(home, work)
    show.done(f"'{who}' signs in by '{name}' as '{subject}'.")


def _secret_in(file: Path | None) -> str:
    """A secret never stands on the command line, which every program on the machine can read."""
    import sys

    if file is None:
        return ""
    try:
        return (sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")).strip()
    except (OSError, UnicodeDecodeError):
        raise Invalid(f"The secret cannot be read from '{file}'.", code="SecretUnreadable", target="secret-file") from None


async def _mapping(client: Client, text: str) -> JsonObject:
    from studiolo.app.cli import authorization

    value, is_pair, group = text.rpartition("=")
    if not is_pair or not value or not group:
        raise Invalid(f"--map '{text}' must look like VALUE=GROUP.", code="InvalidGroupMapping", target="map")
    oid, _ = await authorization.find_principal(client, group)
    return {"value": value, "groupId": oid}


def _columns() -> list[Column]:
    from studiolo.app.cli import show

    return [
        show.Column("Name", show.at("name")),
        show.Column("Issuer", show.at("properties", "issuer")),
        show.Column("Client id", show.at("properties", "clientId")),
        show.Column("Secret kept", show.at("properties", "hasClientSecret")),
        show.Column("New people", show.at("properties", "admitsNewUsers")),
        show.Column("Address to register", show.at("properties", "redirectUri")),
    ]

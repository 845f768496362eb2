"""`studiolo app`: applications that sign in, their secrets and certificates. `studiolo tokens`: the keys that sign tokens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from studiolo.app.cli.options import HomeOption, Output, OutputOption, YesOption, confirm
from studiolo.kernel.resource import JsonObject

if TYPE_CHECKING:
    from studiolo.app.client import Client

app = typer.Typer(no_args_is_help=True, help="Applications that sign in, their secrets and certificates.")
secrets = typer.Typer(no_args_is_help=True, help="Secrets of an application, several at a time, each with an end.")
certificates = typer.Typer(no_args_is_help=True, help="Certificates of an application, several at a time.")
tokens = typer.Typer(no_args_is_help=True, help="The keys that sign tokens.")
app.add_typer(secrets, name="secret")
app.add_typer(certificates, name="certificate")

API_VERSION: Final = "2026-11-01"
_DIRECTORY: Final = "/providers/Studiolo.Directory"
ClientArgument = Annotated[str, typer.Argument(help="The application's client id, or its name.", metavar="APP")]
KeyArgument = Annotated[str, typer.Argument(help="The keyId that `studiolo app list` shows.", metavar="KEY_ID")]


@app.command("create")
def create_app(
    name: Annotated[str, typer.Argument(help="The name that people see.", metavar="NAME")],
    redirect: Annotated[
        list[str] | None,
        typer.Option(help="Where people are sent back to; http://localhost for a program.", show_default=False),
    ] = None,
    is_public: Annotated[bool, typer.Option("--public", help="A program on people's machines, which can keep no secret.")] = False,
    resource: Annotated[
        list[str] | None, typer.Option("--on-behalf-of", help="A resource that it may use on behalf of its users.", show_default=False)
    ] = None,
    names_groups: Annotated[bool, typer.Option("--groups", help="Its ID tokens name the groups that a person is in.")] = False,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Register an application, with the principal that it acts as."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client
    from studiolo.kernel import clock

    properties: JsonObject = {"displayName": name, "isFallbackPublicClient": is_public}
    if redirect:
        properties["publicClient" if is_public else "web"] = {"redirectUris": redirect}
    if names_groups:
        properties["groupMembershipClaims"] = "SecurityGroup"
    if resource:
        properties["delegatedResources"] = resource

    async def work(client: Client) -> JsonObject:
        app_id, oid = clock.new_id(), clock.new_id()
        await client.write(f"{_DIRECTORY}/applications/{app_id}", API_VERSION, {"properties": properties})
        acting = {"properties": {"displayName": name, "appId": app_id}}
        await client.write(f"{_DIRECTORY}/servicePrincipals/{oid}", API_VERSION, acting)
        return {"name": name, "clientId": app_id, "objectId": oid}

    columns = [
        show.Column("Name", show.at("name")),
        show.Column("Client id", show.at("clientId")),
        show.Column("Object id", show.at("objectId")),
    ]
    show.item(on_client(home, work), columns, output)


@app.command("list")
def list_apps(output: OutputOption = Output.TABLE, home: HomeOption = None) -> None:
    """List the applications with their secrets and certificates."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    async def work(client: Client) -> list[JsonObject]:
        listed = [str(one["name"]) async for one in client.pages(f"{_DIRECTORY}/applications", API_VERSION)]
        return [await client.get(f"{_DIRECTORY}/applications/{name}", API_VERSION) for name in listed]

    columns = [
        show.Column("Name", show.at("properties", "displayName")),
        show.Column("Client id", show.at("name")),
        show.Column("Secrets", _proofs("passwordCredentials")),
        show.Column("Certificates", _proofs("keyCredentials")),
    ]
    show.items(on_client(home, work), columns, output)


@app.command("revoke")
def revoke_app(which: ClientArgument, home: HomeOption = None) -> None:
    """End every token that an application has, for itself and for people."""
    _act(which, "revokeTokens", {}, home)


@secrets.command("add")
def add_secret(
    which: ClientArgument,
    name: Annotated[str, typer.Option("--name", help="What it is for.")] = "",
    ends: Annotated[str | None, typer.Option(help="When it ends, such as 2027-01-31T00:00:00Z.", show_default=False)] = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Make a secret and print it: it is shown this once."""
    from studiolo.app.cli import show

    wanted: JsonObject = {"displayName": name, **({"endDateTime": ends} if ends else {})}
    columns = [
        show.Column("Secret", show.at("secretText")),
        show.Column("Key id", show.at("keyId")),
        show.Column("Ends", show.at("endDateTime")),
    ]
    show.item(_act(which, "addPassword", {"passwordCredential": wanted}, home), columns, output)


@secrets.command("remove")
def remove_secret(which: ClientArgument, key_id: KeyArgument, home: HomeOption = None) -> None:
    """Forget a secret; it proves nothing from the next call on."""
    _act(which, "removePassword", {"keyId": key_id}, home)


@certificates.command("add")
def add_certificate(
    which: ClientArgument,
    file: Annotated[Path, typer.Argument(help="The certificate in PEM, without its private key.", exists=True, dir_okay=False)],
    name: Annotated[str, typer.Option("--name", help="What it is for.")] = "",
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Register a certificate. A private key in the file stays on this machine."""
    from studiolo.app.cli import show
    from studiolo.kernel.faults import Invalid

    head, mark, rest = file.read_text("ascii", errors="replace").partition("-----BEGIN CERTIFICATE-----")
    body, end, _ = rest.partition("-----END CERTIFICATE-----")
    del head
    if not mark or not end:
        raise Invalid(f"'{file}' holds no certificate in PEM.", code="InvalidCertificate", target="file")
    key = {"key": f"{mark}{body}{end}\n", "displayName": name}
    columns = [show.Column("Key id", show.at("keyId")), show.Column("Ends", show.at("endDateTime"))]
    show.item(_act(which, "addKey", {"keyCredential": key}, home), columns, output)


@certificates.command("remove")
def remove_certificate(which: ClientArgument, key_id: KeyArgument, home: HomeOption = None) -> None:
    """Forget a certificate; it proves nothing from the next call on."""
    _act(which, "removeKey", {"keyId": key_id}, home)


@tokens.command("rotate")
def rotate_keys(
    is_old_void: Annotated[bool, typer.Option("--void-old", help="The old key leaked: every token that it signed ends now.")] = False,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Sign tokens with a new key. Old tokens go on until they end, unless the old key is void."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    if is_old_void:
        confirm("Every program and person must sign in again. Go on?", is_sure=yes)

    async def work(client: Client) -> JsonObject:
        return await client.act(f"{_DIRECTORY}/rotateTokenKeys", API_VERSION, {"isOldVoid": is_old_void})

    show.item(on_client(home, work), [show.Column("Key id", show.at("kid"))], output)


def _act(which: str, action: str, body: JsonObject, home: HomeOption) -> JsonObject:
    """POST an action of one application."""
    from studiolo.app.cli.signed_in import on_client

    async def work(client: Client) -> JsonObject:
        return await client.act(f"{_DIRECTORY}/applications/{await _client_id(client, which)}/{action}", API_VERSION, body)

    return on_client(home, work)


async def _client_id(client: Client, which: str) -> str:
    """The client id of the application that is meant. Raises NotFound or Invalid unless it is one."""
    from studiolo.app.cli import authorization
    from studiolo.kernel.faults import Invalid, NotFound

    if authorization.is_guid(which):
        return which
    wanted = f"displayName eq '{which.replace(chr(39), chr(39) * 2)}'"
    found = [str(one["name"]) async for one in client.pages(f"{_DIRECTORY}/applications", API_VERSION, **{"$filter": wanted})]
    if not found:
        raise NotFound(f"There is no application '{which}': `studiolo app list` names them.", code="ApplicationNotFound")
    if len(found) > 1:
        raise Invalid(f"'{which}' means several applications ({', '.join(found)}): name one by its client id.", code="ApplicationAmbiguous")
    return found[0]


def _proofs(kind: str) -> Callable[[JsonObject], str]:
    """What a column says of an application's secrets or certificates."""

    def read(application: JsonObject) -> str:
        found: list[JsonObject] = application.get("properties", {}).get(kind) or []
        return "\n".join(f"{each['keyId']} until {str(each['endDateTime'])[:10]}" for each in found)

    return read

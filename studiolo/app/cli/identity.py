"""`studiolo identity`: programs that act as the managed identity of a project or hub, without a secret of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from studiolo.app.cli import providers
from studiolo.app.cli.options import HomeOption, Output, OutputOption
from studiolo.kernel.resource import JsonObject

if TYPE_CHECKING:
    from pathlib import Path

    from studiolo.app.client import Client

app = typer.Typer(no_args_is_help=True, help="Programs that act as the identity of a project or hub, and providers that people sign in by.")
app.add_typer(providers.app, name="provider")

ScopeArgument = Annotated[str, typer.Argument(help="An id, or the name of a hub or project.", metavar="RESOURCE")]
SecondsOption = Annotated[
    int | None, typer.Option("--seconds", help="How long it holds, at most a week. Default: 12 hours.", show_default=False)
]
NameOption = Annotated[str, typer.Option("--name", help="What the program is, for those who read the list.")]
_VERSION = "2026-11-01"


@app.command("bind")
def bind(
    resource: ScopeArgument,
    name: NameOption = "",
    seconds: SecondsOption = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Bind a program to the resource's identity, and print the variables by which unchanged clients find it."""
    from studiolo.app.cli import show

    found = _bound(home, resource, name, seconds)
    if output is Output.JSON:
        show.json(found)
        return
    for variable, value in _variables(found).items():
        typer.echo(f"export {variable}={value}")


@app.command("list")
def list_bindings(resource: ScopeArgument, output: OutputOption = Output.TABLE, home: HomeOption = None) -> None:
    """List the programs that are bound to the resource's identity."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    async def work(client: Client) -> list[JsonObject]:
        return (await client.get(_place(client, resource), _VERSION))["value"]

    names = ("id", "name", "boundBy", "startsOn", "expiresOn")
    show.items(on_client(home, work), [show.Column(name, show.at(name)) for name in names], output)


@app.command("unbind")
def unbind(resource: ScopeArgument, id_: Annotated[str, typer.Argument(metavar="ID")], home: HomeOption = None) -> None:
    """End a binding at once."""
    from studiolo.app.cli import show

    _unbound(home, resource, id_)
    show.done("The binding is over, with every token that was given under it.")


@app.command("revoke")
def revoke(resource: ScopeArgument, home: HomeOption = None) -> None:
    """End every token that the resource's identity has. Programs that stay bound get new ones."""
    from studiolo.app.cli import authorization, show
    from studiolo.app.cli.signed_in import on_client
    from studiolo.kernel.faults import NotFound

    async def work(client: Client) -> None:
        found = await client.get(authorization.scope_of(client, resource), _VERSION)
        oid = (found.get("identity") or found["properties"]).get("principalId")
        if not oid:
            raise NotFound(f"'{resource}' has no managed identity.", code="IdentityNotFound")
        await client.act(f"/providers/Studiolo.Directory/servicePrincipals/{oid}/revokeTokens", _VERSION, {})

    on_client(home, work)
    show.done("Its tokens are over.")


@app.command("run", context_settings={"ignore_unknown_options": True})
def run(
    resource: ScopeArgument,
    command: Annotated[list[str], typer.Argument(help="The program and its arguments, behind --.", metavar="COMMAND...")],
    seconds: SecondsOption = None,
    home: HomeOption = None,
) -> None:
    """Run a program as the resource's identity: `DefaultAzureCredential()` in it needs no argument. Its exit code is ours.

    It is told where in both shapes that clients know: App Service's, and an instance-metadata address of its own.
    """
    import subprocess

    from studiolo.app.cli import metadata

    _check_words(resource, command[0])
    found = _bound(home, resource, command[0][:100], seconds)
    try:
        with metadata.served(home, found) as address:
            ended = subprocess.run(command, env=_environment({**_variables(found), _METADATA: address}), check=False)
    finally:
        _unbound(home, resource, found["id"])
    raise typer.Exit(ended.returncode if ended.returncode >= 0 else 128 - ended.returncode)


def _check_words(resource: str, program: str) -> None:
    """Raise BadParameter for an option that we do not have: options of the program go through unread, ours stand before it."""
    for word in (resource, program):
        if word.startswith("-"):
            told = f"there is no option '{word}': write studiolo identity run RESOURCE -- COMMAND, for instance run triage -- python job.py"
            raise typer.BadParameter(told)


# What would make a client sign in as somebody else before it asks for a managed identity.
_OTHERS = frozenset(
    {
        *("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_USERNAME", "AZURE_PASSWORD"),
        *("AZURE_FEDERATED_TOKEN_FILE", "IDENTITY_SERVER_THUMBPRINT", "IMDS_ENDPOINT", "MSI_ENDPOINT", "MSI_SECRET"),
    }
)
_METADATA = "AZURE_POD_IDENTITY_AUTHORITY_HOST"


def _environment(told: dict[str, str]) -> dict[str, str]:
    """The program's environment. What it is told of loopback must not go by way of a proxy."""
    from studiolo.app.settings import surroundings

    kept = {name: value for name, value in surroundings().items() if name not in _OTHERS}
    spared = {name: ",".join(filter(None, (kept.get(name), "127.0.0.1"))) for name in ("NO_PROXY", "no_proxy")}
    return {**kept, **spared, **told}


def _place(client: Client, resource: str) -> str:
    from studiolo.app.cli import authorization

    return f"{authorization.scope_of(client, resource)}/providers/Studiolo.Identity/workloads"


def _bound(home: Path | None, resource: str, name: str, seconds: int | None) -> JsonObject:
    from studiolo.app.cli.signed_in import on_client

    asked: JsonObject = {"name": name, **({"lifeSeconds": seconds} if seconds is not None else {})}
    return on_client(home, lambda client: client.act(_place(client, resource), _VERSION, asked))


def _unbound(home: Path | None, resource: str, id_: str) -> None:
    from studiolo.app.cli.signed_in import on_client

    on_client(home, lambda client: client.delete(f"{_place(client, resource)}/{id_}", _VERSION))


def _variables(found: JsonObject) -> dict[str, str]:
    return {"IDENTITY_ENDPOINT": found["identityEndpoint"], "IDENTITY_HEADER": found["identityHeader"]}

"""`studiolo user`: people who sign in, and how they are let in, kept out and let in again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from studiolo.app.cli.options import HomeOption, Output, OutputOption
from studiolo.kernel.resource import JsonObject

if TYPE_CHECKING:
    from studiolo.app.client import Client

app = typer.Typer(no_args_is_help=True, help="People who sign in: let them in, keep them out, sign them out everywhere.")
API_VERSION: Final = "2026-11-01"
_USERS: Final = "/providers/Studiolo.Directory/users"
_POLICY: Final = "/providers/Studiolo.Directory/signInPolicies/default"
WhoArgument = Annotated[str, typer.Argument(help="A mail address, a name or an object id.", metavar="WHO")]


class Factor(StrEnum):
    """Whether everybody needs one-time codes."""

    OPTIONAL = "optional"
    REQUIRED = "required"


@app.command("create")
def create_user(
    mail: Annotated[str, typer.Argument(help="The mail address that the person signs in by.", metavar="MAIL")],
    name: Annotated[str, typer.Option("--name", help="The name that people see.")],
    needs_codes: Annotated[bool, typer.Option("--one-time-codes", help="The person must set up one-time codes.")] = False,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Make a user and print a one-time link by which the person sets a password. There is no password until then."""
    from studiolo.kernel import clock

    properties: JsonObject = {"displayName": name, "userPrincipalName": mail, "mail": mail, "accountEnabled": True}
    if needs_codes:
        properties["perUserMfaState"] = "enforced"

    async def work(client: Client) -> JsonObject:
        path = f"{_USERS}/{clock.new_id()}"
        made = await client.write(path, API_VERSION, {"properties": properties})
        return {"id": made["name"], "user": mail, **await client.act(f"{path}/createPasswordLink", API_VERSION)}

    _show_link(home, work, output)


@app.command("list")
def list_users(output: OutputOption = Output.TABLE, home: HomeOption = None) -> None:
    """List the users."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    async def work(client: Client) -> list[JsonObject]:
        return [one async for one in client.pages(_USERS, API_VERSION)]

    columns = [
        show.Column("Name", show.at("properties", "displayName")),
        show.Column("Signs in by", show.at("properties", "userPrincipalName")),
        show.Column("Enabled", show.at("properties", "accountEnabled")),
        show.Column("One-time codes", show.at("properties", "perUserMfaState")),
        show.Column("Object id", show.at("name")),
    ]
    show.items(on_client(home, work), columns, output)


@app.command("disable")
def disable_user(who: WhoArgument, home: HomeOption = None) -> None:
    """Switch a user off: every session and token ends at once."""
    _switch(who, home, is_on=False)


@app.command("enable")
def enable_user(who: WhoArgument, home: HomeOption = None) -> None:
    """Switch a user on again; the person signs in anew."""
    _switch(who, home, is_on=True)


@app.command("link")
def link_user(who: WhoArgument, output: OutputOption = Output.TABLE, home: HomeOption = None) -> None:
    """Print a new one-time link by which the person sets a password; the present one holds until then."""
    _act_for_link(who, "createPasswordLink", output, home)


@app.command("reset")
def reset_user(who: WhoArgument, output: OutputOption = Output.TABLE, home: HomeOption = None) -> None:
    """Forget a person's password and one-time codes, sign them out everywhere, and print a new one-time link."""
    _act_for_link(who, "resetCredentials", output, home)


@app.command("revoke")
def revoke_user(who: WhoArgument, home: HomeOption = None) -> None:
    """Sign a person out everywhere: sessions, refresh tokens and access tokens end with the next call."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    async def work(client: Client) -> JsonObject:
        return await client.act(f"{await _path(client, who)}/revokeSignInSessions", API_VERSION)

    on_client(home, work)
    show.done(f"'{who}' is signed out everywhere.")


@app.command("policy")
def set_policy(
    factor: Annotated[Factor | None, typer.Option("--one-time-codes", help="Whether everybody needs them.", show_default=False)] = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Show, or set, what is asked of everybody who signs in with a password."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    async def work(client: Client) -> JsonObject:
        if factor is not None:
            return await client.write(_POLICY, API_VERSION, {"properties": {"secondFactor": factor.value}})
        return await client.find(_POLICY, API_VERSION) or {"properties": {"secondFactor": Factor.OPTIONAL.value}}

    show.item(on_client(home, work), [show.Column("One-time codes", show.at("properties", "secondFactor"))], output)


def _switch(who: str, home: HomeOption, *, is_on: bool) -> None:
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    async def work(client: Client) -> JsonObject:
        return await client.write(await _path(client, who), API_VERSION, {"properties": {"accountEnabled": is_on}}, method="PATCH")

    on_client(home, work)
    show.done(f"'{who}' is switched {'on' if is_on else 'off'}.")


def _act_for_link(who: str, action: str, output: Output, home: HomeOption) -> None:
    async def work(client: Client) -> JsonObject:
        path = await _path(client, who)
        return {"id": path.rpartition("/")[2], "user": who, **await client.act(f"{path}/{action}", API_VERSION)}

    _show_link(home, work, output)


def _show_link(home: HomeOption, work: Callable[[Client], Awaitable[JsonObject]], output: Output) -> None:
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    columns = [
        show.Column("User", show.at("user")),
        show.Column("Object id", show.at("id")),
        show.Column("Link, good once", show.at("link")),
        show.Column("Until", show.at("expirationDateTime")),
    ]
    show.item(on_client(home, work), columns, output)


async def _path(client: Client, who: str) -> str:
    """The path of one user. Raises NotFound or Invalid unless exactly one is meant."""
    from studiolo.app.cli import authorization

    oid, _ = await authorization.find_principal(client, who)
    return f"{_USERS}/{oid}"

"""`studiolo role`: roles, and who holds them where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studiolo.app.cli.options import HomeOption, HubOption, Output, OutputOption, Persona, ProjectOption, YesOption, confirm
from studiolo.kernel.resource import JsonObject

if TYPE_CHECKING:
    from studiolo.app.client import Client

app = typer.Typer(no_args_is_help=True, help="Roles, and who holds them where.")

ScopeOption = Annotated[
    str | None, typer.Option("--scope", "-s", help="An id, or the name of a hub or project. Default: the project.", show_default=False)
]
RoleArgument = Annotated[str, typer.Argument(help="The role's name or GUID.", metavar="ROLE")]
PersonaOption = Annotated[
    Persona | None,
    typer.Option(
        "--persona", help="All roles of an it-admin, manager or lead-developer of a hub, or a developer of a project.", show_default=False
    ),
]
_WHO = "me, a mail address, a name, a client id or an object id."


@app.command("list")
def list_roles(
    scope: ScopeOption = None,
    custom: Annotated[bool, typer.Option("--custom", help="Only roles that were made here.")] = False,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """List the roles that can be given at a scope."""
    from studiolo.app.cli import authorization, show
    from studiolo.app.cli.signed_in import on_client

    async def work(client: Client) -> Sequence[JsonObject]:
        query = {"$filter": "type eq 'CustomRole'"} if custom else {}
        path = authorization.definitions(authorization.scope_of(client, scope))
        return [role async for role in client.pages(path, authorization.API_VERSION, **query)]

    columns = [
        show.Column("role", show.at("properties", "roleName")),
        show.Column("kind", show.at("properties", "type")),
        show.Column("guid", show.at("name")),
    ]
    show.items(on_client(home, work), columns, output)


@app.command("show")
def show_role(role: RoleArgument, scope: ScopeOption = None, output: OutputOption = Output.TABLE, home: HomeOption = None) -> None:
    """Show what a role permits."""
    from studiolo.app.cli import authorization
    from studiolo.app.cli.signed_in import on_client

    async def work(client: Client) -> JsonObject:
        return await authorization.find_role(client, authorization.scope_of(client, scope), role)

    _print_role(on_client(home, work), output)


@app.command("create")
def create_role(
    file: Annotated[
        Path,
        typer.Argument(
            help="A JSON file: roleName, description, permissions (or Actions, NotActions, DataActions, NotDataActions), assignableScopes.",
            exists=True,
            dir_okay=False,
        ),
    ],
    scope: ScopeOption = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Make a role from a file, or change the one of the same name."""
    from studiolo.app.cli import authorization
    from studiolo.app.cli.signed_in import on_client
    from studiolo.kernel import clock
    from studiolo.kernel.faults import NotFound

    properties = _role_in(file)

    async def work(client: Client) -> JsonObject:
        where = authorization.scope_of(client, scope)
        asked = {**properties, "assignableScopes": properties.get("assignableScopes") or [where]}
        try:
            known = await authorization.find_role(client, where, str(asked["roleName"]))
            # Where the role is kept, which may be another scope than the one that it was found at.
            path = str((await authorization.find_role(client, where, str(known["name"])))["id"])
        except NotFound:
            path = f"{authorization.definitions(where)}/{clock.new_id()}"
        return await client.write(path, authorization.API_VERSION, {"properties": asked})

    _print_role(on_client(home, work), output)


@app.command("delete")
def delete_role(role: RoleArgument, scope: ScopeOption = None, yes: YesOption = False, home: HomeOption = None) -> None:
    """Delete a custom role that nobody holds, after asking."""
    from studiolo.app.cli import authorization, show
    from studiolo.app.cli.signed_in import on_client

    async def find(client: Client) -> str:
        where = authorization.scope_of(client, scope)
        guid = str((await authorization.find_role(client, where, role))["name"])
        return str((await authorization.find_role(client, where, guid))["id"])  # where it is kept

    path = on_client(home, find)
    confirm(f"Delete the role '{role}'?", is_sure=yes)
    on_client(home, lambda client: client.delete(path, authorization.API_VERSION))
    show.done("The role is deleted.")


@app.command("assign")
def assign_role(
    role: Annotated[str, typer.Argument(help="The role's name or GUID; with --persona: who.", metavar="ROLE")],
    who: Annotated[str | None, typer.Argument(help=_WHO, metavar="WHO", show_default=False)] = None,
    *,
    scope: ScopeOption = None,
    persona: PersonaOption = None,
    project: ProjectOption = None,
    hub: HubOption = None,
    begin: Annotated[
        str | None, typer.Option("--from", help="Only from this moment on, as 2027-01-31T08:00:00Z.", show_default=False)
    ] = None,
    end: Annotated[str | None, typer.Option("--until", help="Only until this moment.", show_default=False)] = None,
    condition: Annotated[str | None, typer.Option(help="Only where this condition holds.", show_default=False)] = None,
    override: Annotated[
        list[str] | None,
        typer.Option("--override", help="Pass over this check of the condition (L1 to L7); needs --reason.", show_default=False),
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why the checks are passed over.", show_default=False)] = None,
    description: Annotated[str | None, typer.Option(help="Why.", show_default=False)] = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Give somebody a role at a scope, or all roles of a persona (`--persona developer WHO --project triage`)."""
    bounds: dict[str, Any] = {"startDateTime": begin, "endDateTime": end, "description": description}
    if persona is not None:
        _persona(persona, _only(role, who), hub, project, bounds, output, home)
        return
    given: dict[str, Any] = {**bounds, "condition": condition, "conditionVersion": "2.0" if condition else None}
    if override or reason:
        given["studioloOverride"] = {"checks": override or [], "reason": reason or ""}
    _assign(role, _both(who), scope or project or hub, given, output, home)


def _assign(role: str, who: str, scope: str | None, given: dict[str, Any], output: Output, home: Path | None) -> None:
    from studiolo.app.cli import authorization, show
    from studiolo.app.cli.signed_in import on_client
    from studiolo.kernel import clock

    async def work(client: Client) -> JsonObject:
        where = authorization.scope_of(client, scope)
        principal, kind = await authorization.find_principal(client, who)
        found = await authorization.find_role(client, where, role)
        asked = {"roleDefinitionId": found["id"], "principalId": principal, "principalType": kind, **given}
        body: JsonObject = {"properties": {member: value for member, value in asked.items() if value is not None}}
        return await client.write(f"{authorization.assignments(where)}/{clock.new_id()}", authorization.API_VERSION, body)

    show.item(on_client(home, work), _assignment_columns(), output)


def _persona(
    persona: Persona,
    who: str,
    hub: str | None,
    project: str | None,
    bounds: dict[str, Any] | None,
    output: Output,
    home: Path | None,
) -> None:
    """Give (with bounds) or take back (without) what a persona has, and say what was done."""
    from studiolo.app.cli import authorization, personas, show
    from studiolo.app.cli.signed_in import on_client

    async def work(client: Client) -> Sequence[JsonObject]:
        place = await personas.place_of(client, persona, hub, project)
        principal, kind = await authorization.find_principal(client, who)
        if bounds is None:
            return await personas.take(client, persona, place, principal)
        return await personas.give(client, persona, place, principal, kind, bounds)

    show.items(on_client(home, work), [show.Column(heading, show.at(member)) for heading, member in personas.columns()], output)


def _only(who: str, more: str | None) -> str:
    if more is not None:
        raise typer.BadParameter("with --persona name nobody but who; the persona names the roles.", param_hint="ROLE")
    return who


def _both(who: str | None) -> str:
    if who is None:
        raise typer.BadParameter("name who gets the role, or a --persona.", param_hint="WHO")
    return who


@app.command("unassign")
def unassign_role(
    role: Annotated[str, typer.Argument(help="The role's name or GUID; an assignment's id; with --persona: who.", metavar="ROLE")],
    who: Annotated[str | None, typer.Argument(help="Who holds it.", metavar="WHO", show_default=False)] = None,
    *,
    scope: ScopeOption = None,
    persona: PersonaOption = None,
    project: ProjectOption = None,
    hub: HubOption = None,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Take a role at a scope back, or all roles of a persona, after asking. It holds no longer from the next call on."""
    from studiolo.app.cli import authorization, show
    from studiolo.app.cli.signed_in import on_client

    if persona is not None:
        confirm(f"Take back what a {persona} has from {_only(role, who)}?", is_sure=yes)
        _persona(persona, role, hub, project, None, output, home)
        return
    if who is None and "/roleassignments/" not in role.lower():
        raise typer.BadParameter("name who holds the role, or give the id of an assignment.", param_hint="WHO")

    async def find(client: Client) -> str:
        if who is None:
            return authorization.scope_of(client, role)
        return await _held(client, role, who, scope or project or hub)

    path = on_client(home, find)
    confirm(f"Take back {path}?", is_sure=yes)
    on_client(home, lambda client: client.delete(path, authorization.API_VERSION))
    show.done("The role is taken back.")


async def _held(client: Client, role: str, who: str, scope: str | None) -> str:
    from studiolo.app.cli import authorization, personas
    from studiolo.kernel.faults import NotFound

    where = authorization.scope_of(client, scope)
    principal, _ = await authorization.find_principal(client, who)
    guid = str((await authorization.find_role(client, where, role))["name"])
    found = await personas.held(client, where or "/", principal, guid)
    if found is None:
        raise NotFound(
            f"'{who}' does not hold '{role}' at '{where or '/'}' itself: `studiolo role assignments --who '{who}'` says where.",
            code="AssignmentNotFound",
        )
    return str(found["id"])


@app.command("assignments")
def list_assignments(
    scope: ScopeOption = None,
    who: Annotated[str | None, typer.Option("--who", help="Only of this principal, also through groups.", show_default=False)] = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """List who holds which role at a scope, above it and below it."""
    from studiolo.app.cli import authorization, show
    from studiolo.app.cli.signed_in import on_client

    async def work(client: Client) -> tuple[Sequence[JsonObject], dict[str, str]]:
        where = authorization.scope_of(client, scope)
        query: dict[str, str] = {}
        if who is not None:
            principal, _ = await authorization.find_principal(client, who)
            query["$filter"] = f"assignedTo('{principal}')"
        found = [one async for one in client.pages(authorization.assignments(where), authorization.API_VERSION, **query)]
        names = {
            str(one["name"]).lower(): str(one["properties"]["roleName"])
            async for one in client.pages(authorization.definitions(where), authorization.API_VERSION)
        }
        return found, names

    found, names = on_client(home, work)
    show.items(found, _assignment_columns(names), output)


def _assignment_columns(names: dict[str, str] | None = None) -> Sequence[Any]:
    from studiolo.app.cli import show

    def role(item: JsonObject) -> str:
        guid = str(item["properties"]["roleDefinitionId"]).rsplit("/", 1)[-1].lower()
        return (names or {}).get(guid, guid)

    return (
        show.Column("role", role),
        show.Column("principal", show.at("properties", "principalId")),
        show.Column("type", show.at("properties", "principalType")),
        show.Column("scope", show.at("properties", "scope")),
        show.Column("condition", show.at("properties", "condition")),
        show.Column("from", show.at("properties", "startDateTime")),
        show.Column("until", show.at("properties", "endDateTime")),
        show.Column("state", show.at("properties", "assignmentState")),
        show.Column("id", show.at("name")),
    )


def _print_role(role: JsonObject, output: Output) -> None:
    from studiolo.app.cli import show

    def blocks(member: str) -> Callable[[JsonObject], Sequence[str]]:
        def read(item: JsonObject) -> Sequence[str]:
            found: Sequence[JsonObject] = item["properties"].get("permissions", ())
            return [text for block in found for text in block.get(member) or ()]

        return read

    columns = (
        show.Column("role", show.at("properties", "roleName")),
        show.Column("kind", show.at("properties", "type")),
        show.Column("description", show.at("properties", "description")),
        show.Column("actions", blocks("actions")),
        show.Column("but not", blocks("notActions")),
        show.Column("data actions", blocks("dataActions")),
        show.Column("but not", blocks("notDataActions")),
        show.Column("assignable at", show.at("properties", "assignableScopes")),
        show.Column("id", show.at("id")),
    )
    show.item(role, columns, output)


def _role_in(file: Path) -> JsonObject:
    """A role as files hold it: the API's own members, or those of the public cloud's command line (`Name`, `Actions`, …)."""
    import msgspec

    from studiolo.kernel.faults import Invalid

    try:
        found = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except (msgspec.DecodeError, OSError) as error:
        raise Invalid(f"'{file}' cannot be read as a role: {error}.", code="InvalidRoleFile") from None
    found = {**found, **found.pop("properties", {})}
    low = {name.lower(): value for name, value in found.items()}
    members = ("actions", "notActions", "dataActions", "notDataActions")
    permissions: list[JsonObject] = low.get("permissions") or [{member: low.get(member.lower()) or [] for member in members}]
    name = low.get("rolename") or low.get("name")
    if not name:
        raise Invalid(f"'{file}' names no role: it needs 'roleName'.", code="InvalidRoleFile")
    return {
        "roleName": name,
        "description": low.get("description") or "",
        "type": "CustomRole",
        "permissions": permissions,
        "assignableScopes": low.get("assignablescopes") or [],
    }

"""`studiolo audit`: who did what and what was refused, exported, verified, and kept for as long as you say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Final

import typer

from studiolo.app.cli.options import HomeOption, Output, OutputOption
from studiolo.kernel.resource import JsonObject

if TYPE_CHECKING:
    from studiolo.app.audit import Head, Report
    from studiolo.app.client import Client

app = typer.Typer(no_args_is_help=True, help="Who did what, and what was refused: read, export, verify.")

VERSION: Final = "2026-11-01"
_AUDIT: Final = "/providers/Studiolo.Audit"
_PAGE: Final = "1000"
_NOT_PROVEN: Final = 3

ScopeOption = Annotated[
    str | None, typer.Option("--scope", help="An id, or the name of a hub or project. Default: all that you may read.", show_default=False)
]
SinceOption = Annotated[str | None, typer.Option(help="A moment such as 2027-01-31 or 2027-01-31T12:00:00Z.", show_default=False)]
UntilOption = Annotated[str | None, typer.Option(help="Lines before this moment.", show_default=False)]
WhoOption = Annotated[str | None, typer.Option(help="me, a mail address, a name, a client id or an object id.", show_default=False)]
LimitOption = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many lines, the newest.")]


async def lines(client: Client, what: str, scope: str | None, limit: int | None, **asked: str | None) -> AsyncIterator[JsonObject]:
    """Lines or decisions at a scope, page after page."""
    from studiolo.app.cli import authorization

    where = authorization.scope_of(client, scope) if scope is not None else ""
    who = asked.pop("who", None)
    if who is not None:
        asked["who"] = (await authorization.find_principal(client, who))[0]
    query = {name: value for name, value in asked.items() if value is not None}
    query["$top"] = str(min(limit, int(_PAGE))) if limit is not None else _PAGE
    count = 0
    async for line in client.pages(f"{where}{what}", VERSION, **query):
        yield line
        count += 1
        if count == limit:
            return


@app.command("list")
def list_lines(
    scope: ScopeOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    who: WhoOption = None,
    kind: Annotated[str | None, typer.Option(help="change, secret, refusal, repeats, reads, cut or loss.", show_default=False)] = None,
    limit: LimitOption = 50,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Show the newest lines of the record."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    async def work(client: Client) -> list[JsonObject]:
        return [line async for line in lines(client, f"{_AUDIT}/lines", scope, limit, since=since, until=until, who=who, kind=kind)]

    names = ("seq", "at", "kind", "status", "action", "target", "caller", "reason")
    show.items(on_client(home, work), [show.Column(name, show.at(name)) for name in names], output)


@app.command("head")
def head(output: OutputOption = Output.TABLE, home: HomeOption = None) -> None:
    """Show the newest line's number and digest: note them elsewhere, and `verify --head` later misses what was cut off."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    found = on_client(home, lambda client: client.get(f"{_AUDIT}/head", VERSION))
    columns = [show.Column(name, show.at(name)) for name in ("seq", "digest", "at", "seal")]
    show.item({**found, "note": f"{found['seq']}:{found['digest']}"}, [*columns, show.Column("note", show.at("note"))], output)


@app.command("retention")
def retention(
    days: Annotated[int | None, typer.Option(help="Keep lines for so many days from now on, at least 90.", show_default=False)] = None,
    output: OutputOption = Output.TABLE,
    home: HomeOption = None,
) -> None:
    """Show, or set, for how many days lines are kept."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    async def work(client: Client) -> JsonObject:
        path = f"{_AUDIT}/retention"
        return await client.get(path, VERSION) if days is None else await client.write(path, VERSION, {"days": days})

    show.item(on_client(home, work), [show.Column("days", show.at("days"))], output)


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="Where the lines go, one JSON object a line.", dir_okay=False, metavar="FILE")],
    scope: ScopeOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    home: HomeOption = None,
) -> None:
    """Write all lines that you may read to a file, oldest first, with what is needed to verify them elsewhere."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import on_client

    beside = file.with_name(f".{file.name}.part")

    async def work(client: Client, told: Any) -> JsonObject:
        with beside.open("wb") as out:
            return await _exported(client, out, told, scope, since, until)

    with show.working("Exporting the record") as told:
        try:
            ending = on_client(home, lambda client: work(client, told))
            beside.replace(file)
        finally:
            beside.unlink(missing_ok=True)
    partial = " Lines that you may not read, or that lie elsewhere, are not among them." if ending["isPartial"] else ""
    show.done(f"{ending['lines']} lines in '{file}'.{partial} Check them with: studiolo audit verify '{file}'")


async def _exported(client: Client, out: IO[bytes], told: Any, scope: str | None, since: str | None, until: str | None) -> JsonObject:
    import msgspec

    from studiolo.app.cli import authorization

    encode = msgspec.json.Encoder().encode
    where = authorization.scope_of(client, scope) if scope is not None else ""
    bounds = {name: value for name, value in (("since", since), ("until", until)) if value is not None}
    page, count = await client.get(f"{where}{_AUDIT}/export", VERSION, **bounds), 0
    while True:
        for line in page["value"]:
            out.write(encode(line) + b"\n")
        count += len(page["value"])
        if "end" in page:
            out.write(encode({"end": page["end"]}) + b"\n")
            return page["end"]
        told(f"{count} lines")
        _, page = await client.send("GET", page["nextLink"])


@app.command("verify")
def verify(
    file: Annotated[
        Path | None, typer.Argument(help="An exported file. Default: the studio's own database.", exists=True, dir_okay=False)
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option("--home", help="The studio's folder. With a FILE: whose key the seals are checked with.", show_default=False),
    ] = None,
    database: Annotated[
        Path | None, typer.Option(help="The database, if it does not lie in the home.", exists=True, dir_okay=False)
    ] = None,
    noted: Annotated[
        str | None, typer.Option("--head", help="What `audit head` showed as its note earlier: NUMBER:DIGEST.", show_default=False)
    ] = None,
    accept_losses: Annotated[
        bool, typer.Option("--accept-losses", help="Do not fail for losses that the record itself tells of, such as a restored backup.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Check every line of a record without asking its studio, and name the first that is not as it was written.

    Exit codes: 0 all is as it was written; 1 a line is not, or is missing; 3 nothing proves that a file is whole, since an older
    release made it.
    """
    from studiolo.app.audit import verify_file, verify_home
    from studiolo.app.cli import show
    from studiolo.app.home import Home
    from studiolo.app.settings import default_home

    with show.working("Verifying the record") as told:
        expected = _head_of(noted)
        if file is not None:
            place = Home(home.expanduser().absolute()) if home is not None else None
            report = verify_file(file, lambda count: told(f"{count} lines"), home=place, head=expected)
        else:
            place = Home((home or default_home()).expanduser().absolute())
            report = verify_home(place, lambda count: told(f"{count} lines"), database=database, head=expected)
    if output is Output.JSON:
        import msgspec

        show.json(msgspec.to_builtins(report))
    else:
        _print(report)
    if report.finding is not None or (report.losses and not accept_losses):
        raise typer.Exit(1)
    if report.ending == "unsealed":
        raise typer.Exit(_NOT_PROVEN)


def _head_of(noted: str | None) -> Head | None:
    if noted is None:
        return None
    from studiolo.app.audit import Head

    number, mark, digest = noted.partition(":")
    if not mark or not number.isdigit() or len(digest) != 64:
        raise typer.BadParameter("write it as `studiolo audit head` shows its note: NUMBER:DIGEST", param_hint="--head")
    return Head(int(number), digest.lower(), "")


def _print(report: Report) -> None:
    if report.finding is not None:
        typer.secho(f"BROKEN at line {report.finding.line} ({report.finding.what}): ", fg="red", bold=True, nl=False)
        typer.echo(report.finding.told)
        typer.echo(f"{report.lines} lines before it are as they were written.")
    elif not report.lines:
        typer.echo("There is no line.")
    else:
        typer.echo(
            f"Every line is as it was written: {report.lines} lines, {report.first} to {report.last}. Head {report.last}:{report.digest}"
        )
    if report.cut_through:
        typer.echo(f"Lines up to {report.cut_through} were cut for their age; a line of the record stands in for them.")
    if report.unseen:
        typer.echo(f"{report.unseen} lines between them are not in this file; a partial export cannot show whether others are missing.")
    if not report.is_keyed:
        typer.echo(
            "Only the chain was checked. The seals need the studio's key (--home): a chain made anew from end to end looks whole without it"
            + (", and the file's ending is not proven: lines may be missing that it says were never asked for." if report.ending else ".")
        )
    if report.ending == "unsealed":
        typer.secho(
            "NOT PROVEN: this is an export without a sealed ending, as older releases made them. Nothing tells whether lines are missing "
            "at its end: export anew.",
            fg="yellow",
        )
    for loss in report.losses:
        typer.secho(
            f"Line {loss.line} tells of a loss at {loss.at} ({loss.reason}): a backup was restored, or lines were taken away.", fg="yellow"
        )

"""`studiolo doctor`: whether everything is as a studio needs it, and what mends what is not; `doctor isolation` attacks the wall."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from studiolo.app.cli.options import HomeOption, Output, OutputOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from studiolo.app.environment import ClientEnvironment
    from studiolo.app.isolation import Options
    from studiolo.app.isolation.report import Report
    from studiolo.kernel.resource import JsonObject

# The exit code of a proof that is not whole.
_NOT_WHOLE: Final = 3

app = typer.Typer(invoke_without_command=True, no_args_is_help=False)


@app.callback()
def doctor(
    context: typer.Context,
    home: Annotated[Path | None, typer.Option("--home", help="The studio's folder. Default: ~/.studiolo.", show_default=False)] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Check everything that a studio needs, and say what mends it.

    Port, server, certificate, names, clock, disk, files and models; the exit code is 1 if something must be mended.
    """
    if context.invoked_subcommand is not None:
        return
    import msgspec

    from studiolo.app.checkup import examine
    from studiolo.app.cli import show
    from studiolo.app.home import Home
    from studiolo.app.settings import DEFAULT_PORT, default_home

    findings = examine(Home((home or default_home()).absolute()), DEFAULT_PORT)
    columns = [show.Column(name, show.at(name)) for name in ("check", "status", "found", "mend")]
    show.items([msgspec.structs.asdict(finding) for finding in findings], columns, output)
    if any(finding.status == "mend" for finding in findings):
        raise typer.Exit(1)


@app.command("isolation")
def isolation(
    *,
    home: HomeOption = None,
    hub: Annotated[str | None, typer.Option(help="The hub to make the two projects in. Default: AZUREML_HUB.", show_default=False)] = None,
    new_hub: Annotated[bool, typer.Option("--new-hub", help="Make a throw-away hub for it.")] = False,
    link: Annotated[
        str | None,
        typer.Option(help="A one-time sign-in link of somebody who may change the directory, as `studiolo up` prints.", show_default=False),
    ] = None,
    only: Annotated[str, typer.Option(help="Attack only routes in whose name this stands.", show_default=False)] = "",
    save: Annotated[Path | None, typer.Option(help="Where to write the signed report.", show_default=False)] = None,
    verify: Annotated[Path | None, typer.Option(help="Only check a report that was written before.", show_default=False)] = None,
    key: Annotated[
        Path | None, typer.Option(help="With --verify: the public key that must have signed. Default: the home's.", show_default=False)
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Attack one project from another by every route, key and path, and print a signed report.

    Throw-away projects are made and removed again. The exit code is 1 if anything came through, and 3 if nothing did but something
    that has no stated reason could not be tried.
    """
    if verify is not None:
        _verify(verify, home, key, output)
        return
    import msgspec

    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import find_studio
    from studiolo.app.home import Home, write_atomic
    from studiolo.app.isolation import Options, signed_report
    from studiolo.app.settings import default_home

    environment, bundle = find_studio(home)
    wanted = Options(hub="" if new_hub else hub or environment.hub, link=link, only=only)
    with show.working("Probing the wall") as told:
        report = _probe(environment, bundle, wanted, told)
    keys = Home((home or default_home()).expanduser().absolute()).root / "keys"
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    signed = signed_report(report, keys / "report.key")
    if save is not None:
        write_atomic(save, msgspec.json.format(msgspec.json.encode(signed), indent=2) + b"\n")
    _show(report, signed, output)
    _leave(report)


def _leave(report: Report) -> None:
    if not report.holds:
        raise typer.Exit(1)
    if not report.is_whole:
        raise typer.Exit(_NOT_WHOLE)


def _probe(environment: ClientEnvironment, bundle: Path | None, options: Options, told: Callable[[str], None]) -> Report:
    """Run a probe so that Ctrl-C and SIGTERM end it cleanly: what it made is removed first."""
    import asyncio
    import signal

    from studiolo.app.isolation import probe

    async def run() -> Report:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()

        def leave() -> None:
            # Once is enough: what follows is the putting away, which nothing should cut short.
            if task is not None and not task.cancelling():
                task.cancel()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, leave)
        return await probe(environment, bundle, options, told)

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _verify(path: Path, home: Path | None, key: Path | None, output: Output) -> None:
    from studiolo.app.cli import show
    from studiolo.app.home import Home
    from studiolo.app.isolation import check_report
    from studiolo.app.settings import default_home

    own = Home((home or default_home()).expanduser().absolute()).root / "keys" / "report.pub"
    trusted = key or (own if own.exists() else None)
    report, fingerprint = check_report(path.read_bytes(), trusted.read_bytes() if trusted is not None else None)
    told: JsonObject = {
        "report": "genuine",
        "signedBy": f"SHA256:{fingerprint}" + ("" if trusted is not None else " (compare it with the studio's keys/report.pub)"),
        "studio": report.studio,
        "ended": report.ended,
        "attempts": report.attempts,
        "refused": report.refused,
        "findings": len(report.findings),
        "notTriedWithoutReason": sum(not each.is_stated for each in report.not_tried),
    }
    show.item(told, [show.Column(name, show.at(name)) for name in told], output)
    _leave(report)


def _show(report: Report, signed: JsonObject, output: Output) -> None:
    import msgspec

    from studiolo.app.cli import show

    if output is Output.JSON:
        show.json(signed)
        return
    told = msgspec.to_builtins(report)

    def table(name: str, *columns: str) -> None:
        show.items(told[name], [show.Column(column, show.at(column)) for column in columns], output)

    table("lines", "route", "control", "attempts", "refused", "answered", "notTried", "leaks")
    if report.not_tried:
        table("notTried", "route", "why", "isStated", "attempts")
    untried = sum(each.attempts for each in report.not_tried)
    summary: JsonObject = {
        "hub": report.hub,
        "served": f"{report.served_routes} routes, {report.served_types} types",
        "attackers": ", ".join(report.attackers),
        "canaries": len(report.canaries),
        "controls that succeeded": f"{report.controls} of {len(report.lines)}",
        "attempts": report.attempts,
        "refused": report.refused,
        "not tried": f"{untried}, each with its reason" if report.is_whole else f"{untried}, and not all with a reason",
        "bytesReceived": report.bytes_received,
        "leftBehind": report.left_behind,
        "came through": len(report.findings) or "nothing",
        "signature": f"{signed['signature']['algorithm']} {signed['signature']['value']}",
    }
    show.item(summary, [show.Column(name, show.at(name)) for name in summary], output)
    if report.findings:
        table("findings", "route", "identity", "request", "expected", "status", "code", "leaked")

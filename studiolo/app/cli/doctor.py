"""`studiolo doctor`: whether everything is as a studio needs it, and what mends what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studiolo.app.cli.options import Output, OutputOption


def doctor(
    home: Annotated[Path | None, typer.Option("--home", help="The studio's folder. Default: ~/.studiolo.", show_default=False)] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Check everything that a studio needs, and say what mends it.

    Port, server, certificate, names, clock, disk, files and models; the exit code is 1 if something must be mended.
    """
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

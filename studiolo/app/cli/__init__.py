"""The command line: everything that the studio does, as a verb. Start-up stays light: commands import when they run.

Exit codes: 0 done, 1 refused or failed, 2 not understood, 3 done or proven in part (`doctor isolation`, `audit verify`).
Answers go to the standard output, all else to the error.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from studiolo.app.cli import (
    access,
    applications,
    audit,
    data,
    denials,
    doctor,
    hubs,
    identity,
    keys,
    management,
    models,
    projects,
    roles,
    users,
)
from studiolo.app.cli.env import env
from studiolo.app.cli.login import login, logout
from studiolo.app.cli.up import up
from studiolo.app.cli.upgrade import upgrade
from studiolo.kernel.faults import Fault

app = typer.Typer(
    name="studiolo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help comes three times as fast
)
app.command("up")(up)
app.command("upgrade")(upgrade)
app.command("env")(env)
app.command("login")(login)
app.command("logout")(logout)
app.add_typer(doctor.app, name="doctor")
app.add_typer(hubs.app, name="hub")
app.add_typer(projects.app, name="project")
app.add_typer(data.app, name="data")
app.add_typer(models.app, name="model")
app.add_typer(keys.app, name="keys")
app.add_typer(identity.app, name="identity")
app.add_typer(users.app, name="user")
app.add_typer(applications.app, name="app")
app.add_typer(applications.tokens, name="tokens")
app.add_typer(roles.app, name="role")
app.add_typer(denials.app, name="deny")
app.add_typer(management.app, name="management-group")
app.add_typer(access.app, name="access")
app.add_typer(audit.app, name="audit")


def _say_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(version("studiolo"))
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit.")] = False,
) -> None:
    """An AI studio that you run yourself: hubs, projects, data, models and flows behind your own wall."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit code."""
    from studiolo.app.cli import show

    try:
        app(args=list(arguments) if arguments is not None else None)
    except Fault as fault:
        show.problem(fault)
    except KeyboardInterrupt:
        show.done("Interrupted.")
    except OSError as error:
        show.problem(Fault(f"{error.strerror or error} ({error.filename or 'no file'}).", code="SystemError"))
    else:
        return
    sys.exit(1)

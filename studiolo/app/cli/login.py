"""`studiolo login` and `studiolo logout`: act as a person instead of as the environment's application."""

from __future__ import annotations

import typer

from studiolo.app.cli.options import HomeOption


def login(home: HomeOption = None) -> None:
    """Sign in as yourself: the command shows a code that you confirm in a browser."""
    import asyncio

    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import find_studio, person_file
    from studiolo.app.client import open_client
    from studiolo.app.client.person import sign_in

    environment, bundle = find_studio(home)
    kept = person_file(home, environment)

    async def run() -> None:
        async with open_client(environment, bundle) as client:
            kept.keep(await sign_in(client, lambda text: typer.echo(show.plain(text), err=True)))

    asyncio.run(run())
    show.done("Signed in: commands act as you from now on, until `studiolo logout`.")


def logout(home: HomeOption = None) -> None:
    """Act as the environment's application again. What you let this command line do ends on your account page."""
    from studiolo.app.cli import show
    from studiolo.app.cli.signed_in import find_studio, person_file

    environment, _ = find_studio(home)
    was_in = person_file(home, environment).forget()
    show.done("Signed out." if was_in else "Nobody was signed in.")
